"""A receiver on any S3: one process that validates all deliveries, and reports the outcome of each."""
