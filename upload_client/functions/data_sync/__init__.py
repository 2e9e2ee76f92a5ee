"""Data sync: requests, responses, and the functions that carry them out."""
