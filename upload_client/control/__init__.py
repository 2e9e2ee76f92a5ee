"""The conversation in the control bucket: lock, logs, checkpoints, and the probe of the store."""
