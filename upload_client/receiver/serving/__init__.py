"""Receiving on any S3: one process that judges what comes of all deliveries, and tells how each has ended."""
