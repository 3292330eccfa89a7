"""Files of the package that a repository can start with: workflows for GitHub, hooks for pre-commit."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

REPOSITORY: Final = "https://github.com/promptsync/promptsync"
HOOKS: Final = ".pre-commit-config.yaml"
WORKFLOWS: Final = ".github/workflows"

_STARTER: Final = Path(__file__).parents[1] / "starter"
_HOOKS: Final = _STARTER / "pre-commit-config.yaml"


def source(path: str) -> Path:
    """Return the file of the package that is written to ``path`` in a repository."""
    return _HOOKS if path == HOOKS else _STARTER / "workflows" / path.removeprefix(f"{WORKFLOWS}/")


def workflows() -> tuple[str, ...]:
    """Return the paths of the workflows below the top of a repository."""
    return tuple(f"{WORKFLOWS}/{one.name}" for one in sorted((_STARTER / "workflows").glob("*.yml")))


def text(path: str) -> str:
    """Return what is written to ``path`` where the prompts are in ``prompts/`` at the top."""
    return source(path).read_text("utf-8")


def installed_commit() -> str | None:
    """Return the commit that this program was installed from, where pip noted one (PEP 610)."""
    try:
        noted = json.loads(distribution("promptsync").read_text("direct_url.json") or "{}")
        commit = noted["vcs_info"]["commit_id"]
    except (PackageNotFoundError, ValueError, LookupError, TypeError):
        return None
    return commit if str(noted.get("url", "")).startswith(REPOSITORY) and isinstance(commit, str) else None
