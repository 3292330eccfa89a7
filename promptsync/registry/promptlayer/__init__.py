"""PromptLayer's API as a registry."""

import sys

# httpx loads its own command line, and rich with it, where rich is installed.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
