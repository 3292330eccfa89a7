"""The embedded registry: a WSGI application over one SQLite file."""
