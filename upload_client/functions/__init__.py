"""What a receiver runs around a delivery: typed functions for AWS Lambda, data sync, the hand-over."""
