"""A rollback needs no ``--label`` where there is only one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from release_world import World, world


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    with world(tmp_path, capsys) as made:
        made.publish("refund", "one", "two", "three")
        yield made


ONLY: list[tuple[str, dict[str, int], int, str]] = [
    ("labels: {main: prod}\n", {"prod": 2, "prod_previous": 1, "staging": 3}, 0, ""),
    ("labels: {main: prod, next: prod}\n", {"prod": 2, "prod_previous": 1}, 0, ""),
    ("", {"prod": 2, "prod_previous": 1, "prod_released": 2}, 0, ""),
    ("labels: {main: prod, next: staging}\n", {"prod": 2, "prod_previous": 1}, 2, "prod or staging"),
    ("", {"prod": 2, "prod_previous": 1, "staging": 3}, 2, "prod or staging"),
    ("", {}, 2, "specify the label with --label"),
]


@pytest.mark.parametrize(("config", "labels", "code", "words"), ONLY)
def test_a_rollback_takes_the_only_label_there_is(
    here: World, config: str, labels: dict[str, int], code: int, words: str
) -> None:
    here.write("promptsync.yaml", config)
    here.label("refund", **labels)
    ran = here.run("rollback", "refund")
    assert ran.code == code, ran.err
    assert words in ran.err
    assert here.labels("refund").get("prod") == (None if not labels else 2 if code else 1)
    if code and labels:
        assert "hint: promptsync rollback NAME --label prod" in ran.err
