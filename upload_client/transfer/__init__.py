"""Moving bytes: local to S3, and S3 to S3."""
