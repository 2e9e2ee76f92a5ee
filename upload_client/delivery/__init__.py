"""One run of a delivery, from the login to the receipt."""
