"""What each address of the demo does, a file for each matter."""
