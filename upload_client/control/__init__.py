"""The objects in the control bucket: lock, logs, checkpoints, store profile."""
