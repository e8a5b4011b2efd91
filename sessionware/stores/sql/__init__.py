"""Sessions in a table, through SQLAlchemy."""
