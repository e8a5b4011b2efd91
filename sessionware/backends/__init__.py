"""How a session travels: whole in the cookie, or as a token with a record in a store."""
