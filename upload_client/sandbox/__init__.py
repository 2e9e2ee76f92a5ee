"""AWS on this machine, for trying whole deliveries offline."""
