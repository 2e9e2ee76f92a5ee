"""The rules of a delivery. Pure: no I/O, no clock, no threads, no randomness."""
