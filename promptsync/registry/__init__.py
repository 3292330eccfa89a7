"""Registries: what promptsync needs of one, as protocols, and PromptLayer behind them."""

from __future__ import annotations

import sys

# httpx loads its own command line if it can, and rich with it, which takes longer than a request. None makes
# that import fail, which httpx allows for.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
