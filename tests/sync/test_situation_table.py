"""Each row of the table of situations, played in real git against the embedded registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fault_table import OTHERS
from named_tests import named_tests
from situation_docs import PAGE, page
from situation_table import SITUATIONS, Does, Situation
from working_copy import Copy
from worlds import SYNCED

STATUS_REFUSED = 3


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def begun(directory: Path, capsys: pytest.CaptureFixture[str], row: Situation) -> Copy:
    copy = Copy(directory / "work", directory / "registry.db", capsys).begin()
    copy.commit("Hello")
    assert copy.push() == [1]
    return row.play(copy)


def check(copy: Copy, verb: str, does: Does) -> None:
    before = texts(copy, verb)
    code, found = copy.run(verb)
    assert code == does.code, found
    assert found.get("error", {}).get("code", "") == does.error
    numbers: dict[str, Any] = {
        key: tuple(one["version"] for one in found.get(key, ())) for key in ("published", "written")
    }
    assert (numbers["published"], numbers["written"]) == (does.published, does.written)
    assert (texts(copy, verb) != before) == bool(does.written)


def texts(copy: Copy, verb: str) -> dict[Path, str]:
    """What the files say; a push of uncommitted text writes ``synced:`` into them."""
    found = {path: path.read_text() for path in copy.project.glob("prompts/**/*.yaml")}
    return found if verb == "pull" else {path: SYNCED.sub("", text) for path, text in found.items()}


@pytest.mark.parametrize("row", SITUATIONS, ids=lambda row: row.play.__name__)
def test_every_verb_does_what_the_table_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: Situation
) -> None:
    copy = begun(tmp_path / "one", capsys, row)
    code, found = copy.run("status")
    if row.states is None:
        assert (code, found["error"]["code"]) == (STATUS_REFUSED, row.push.error)
    else:
        assert {one["name"]: one["state"] for one in found["prompts"]} == row.states
        assert code == (1 if "invalid" in row.states.values() else 0)
    check(copy, "push", row.push)
    if row.push.published:
        copy = begun(tmp_path / "two", capsys, row)
    check(copy, "pull", row.pull)


def test_no_situation_is_told_twice() -> None:
    stories = [row.play for row in SITUATIONS]
    assert len(set(stories)) == len(stories)


def test_the_manual_shows_the_tables() -> None:
    assert PAGE.read_text("utf-8") == page(), "python tests/sync/situation_docs.py"


@pytest.mark.parametrize(("what", "code", "told", "tests"), OTHERS, ids=[row[0] for row in OTHERS])
def test_every_other_fault_is_proven_somewhere(
    what: str, code: int, told: str, tests: tuple[str, ...]
) -> None:
    assert tests
    assert [name for name in tests if name not in named_tests()] == []
