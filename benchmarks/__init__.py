"""What a session costs: side by side with Beaker 1.14, and with the same work done by hand."""
