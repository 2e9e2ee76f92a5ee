"""What a person or a machine sees of a delivery: reporters of the same events."""
