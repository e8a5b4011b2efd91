"""Sessions in any key/value object."""
