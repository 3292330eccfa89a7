"""See ``promptsync.parallel``."""

from promptsync.parallel import for_each

__all__ = ["for_each"]
