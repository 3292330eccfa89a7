"""The embedded registry: a WSGI application over one SQLite file.

``app`` is its front door and ``routes`` its table of contents.
"""
