"""The registry as a client sees it."""

from __future__ import annotations

import sys

# httpx would load its own command line, and rich with it, which takes longer than a request. With None here
# its import of that module fails, which it is prepared for.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
