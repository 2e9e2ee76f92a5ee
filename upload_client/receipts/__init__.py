"""Receipts: where they are kept, and what they are held against."""
