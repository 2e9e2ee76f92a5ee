"""Everything that speaks to AWS, except the bytes of files."""
