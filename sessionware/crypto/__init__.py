"""From secrets to keys, and what is sealed with them."""
