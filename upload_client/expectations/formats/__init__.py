"""Judging the content of a file: one module for each library that reads it.

Each function takes the content's rules, the file (binary, seekable), its size in bytes and the `Findings`.
What a library raises means that the file does not open. No more of a file is in memory than is said there.
"""
