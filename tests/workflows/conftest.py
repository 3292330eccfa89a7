"""A team for each test, copied from one that is made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import team as teams


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("team")
    teams.build(place)
    return place


@pytest.fixture
def team(template: Path, tmp_path: Path) -> Iterator[teams.Team]:
    with teams.opened(template, tmp_path / "team") as team:
        yield team
