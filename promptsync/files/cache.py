"""Versions that were read before: they never change, so they are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from promptsync.errors import PromptsyncError
from promptsync.files.private import DIRECTORY, private_directory, read_json, write_json


class FileCache:
    """Raw answers by URL, workspace, template and version: one file each, below ``.promptsync/cache``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directory = root / DIRECTORY / "cache"
        self._is_made = False

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None:
        raw = read_json(self._path(url, workspace_id, template_id, version))
        return raw if isinstance(raw, dict) else None

    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None:
        # A cache that cannot be written costs requests, never the answer.
        with contextlib.suppress(OSError, PromptsyncError):
            if not self._is_made:
                private_directory(self._root)
                self._is_made = True
            write_json(self._path(url, workspace_id, template_id, version), raw)

    def _path(self, url: str, workspace_id: int, template_id: int, version: int) -> Path:
        remote = f"{sha256(url.encode()).hexdigest()[:16]}-{workspace_id}"
        return self._directory / remote / f"{template_id}-{version}.json"
