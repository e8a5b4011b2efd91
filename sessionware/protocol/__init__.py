"""What happens to a stored record, whatever runs at the same time."""
