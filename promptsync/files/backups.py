"""Copies of files that are replaced or deleted, in ``.promptsync/backup``."""

from __future__ import annotations

import shutil
import time
from pathlib import Path, PurePosixPath

from promptsync.files.disk import explained, private_directory


def backup(root: Path, path: str, stamp: str) -> Path:
    """Copy a file to ``.promptsync/backup/STAMP/`` and return the copy; see ``new_stamp``."""
    copy = private_directory(root) / "backup" / stamp / path
    with explained("back up", root / path):
        copy.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while copy.exists():
            number += 1
            copy = copy.with_name(f"{PurePosixPath(path).name}.{number}")
        shutil.copy2(root / path, copy)
    return copy


def new_stamp() -> str:
    """Return the present time as the name of a directory for backups."""
    return time.strftime("%Y%m%dT%H%M%S")
