from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from checking import Bench, made


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with made(tmp_path) as bench:
        yield bench
