"""Speaking S3: buckets, listings, conditional writes, errors, and the direct HTTP connections."""
