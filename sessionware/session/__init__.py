"""One session: what it is at rest, and what a request does to it."""
