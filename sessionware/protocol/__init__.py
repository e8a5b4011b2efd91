"""What happens to a stored session, whatever runs at the same time: a module for each verb of the protocol."""
