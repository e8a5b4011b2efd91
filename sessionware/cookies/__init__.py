"""The cookie: its attributes, its lines, and which one a request means."""
