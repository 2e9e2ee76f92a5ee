"""Files as the libraries of their fields make them, and what may become of them on the way."""
