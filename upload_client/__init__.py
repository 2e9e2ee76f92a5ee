"""Deliver data sets to someone else's bucket."""
