"""A relay for GitHub, and the API behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from relaying import Api, Site, api, relaying


@pytest.fixture
def github() -> Iterator[Api]:
    with api() as state:
        yield state


@pytest.fixture
def site(github: Api) -> Iterator[Site]:
    with relaying(github.url) as site:
        yield site
