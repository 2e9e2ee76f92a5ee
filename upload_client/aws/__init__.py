"""AWS besides S3: the login, and starting the receiver's Lambda."""
