"""Things that every room needs and no room owns: time, files written whole, failpoints, figures in words."""
