"""What happens to a stored session, whatever runs at the same time."""
