"""What a working copy remembers about how its registries work, which saves requests and decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from promptsync.errors import PromptsyncError
from promptsync.files.state.disk import DIRECTORY, private_directory, read_json, write_json

_PATH: Final = "cache/registries.json"
_FORMAT: Final = 1


class FileMemory:
    """Facts by registry URL in one private file. Damaged or missing ones cost requests."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def facts(self, url: str) -> dict[str, Any]:
        found = self._remotes().get(url)
        return found if isinstance(found, dict) else {}

    def keep_facts(self, url: str, facts: Mapping[str, Any]) -> None:
        # A command that was given a URL may run anywhere, and leaves nothing behind.
        if not (self._root / DIRECTORY).is_dir():
            return
        # Read again, because another process may have written about another registry.
        remotes = {**self._remotes(), url: dict(facts)}
        with contextlib.suppress(OSError, PromptsyncError):
            private_directory(self._root)
            write_json(self._root, _PATH, {"format": _FORMAT, "remotes": remotes})

    def _remotes(self) -> dict[str, Any]:
        data = read_json(self._root, _PATH)
        remotes = data.get("remotes") if isinstance(data, dict) and data.get("format") == _FORMAT else None
        return remotes if isinstance(remotes, dict) else {}
