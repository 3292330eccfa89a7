"""The list of slow files names files that exist."""

from __future__ import annotations

from pathlib import Path

from slow_files import SLOW_FILES


def test_every_slow_file_exists() -> None:
    here = Path(__file__).parent
    assert [name for name in sorted(SLOW_FILES) if not (here / name).is_file()] == []
