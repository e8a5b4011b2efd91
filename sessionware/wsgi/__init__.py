"""One request through WSGI."""
