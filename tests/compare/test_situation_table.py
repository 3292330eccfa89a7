"""Each row of the table of situations, played in real git against the embedded registry."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from situation_table import HISTORIES, PARTS, SITUATIONS, Row, rows
from working_copy import NAME, Copy, merged
from worlds import SYNCED

STATUS_REFUSED = 3


@dataclass(frozen=True)
class Stage:
    """Where each row is played. All of it is kept, the registry too; it holds its own absolute path."""

    path: Path
    capsys: pytest.CaptureFixture[str]

    def begin(self, commit_version_1: Callable[[Copy], None]) -> Copy:
        """Return the working copy that rows start from, which is made once."""
        copy = Copy(self.path / "work", self.path / "registry.db", self.capsys)
        name = commit_version_1.__name__
        if self._kept(name).exists():
            self.reset(name)
            copy.git("update-index", "-q", "--refresh")  # or git takes the copied files for edited ones
        else:
            shutil.rmtree(self.path, ignore_errors=True)
            commit_version_1(copy.begin())
            self.keep(name)
        return copy

    def play(self, commit_version_1: Callable[[Copy], None], row: Row) -> Copy:
        """Play a row. Each verb can find everything as it was then: reset in between."""
        copy = self.begin(commit_version_1).play(row.story, PARTS)
        self.keep()
        return copy

    def keep(self, name: str = "played") -> None:
        shutil.rmtree(self._kept(name), ignore_errors=True)
        shutil.copytree(self.path, self._kept(name), symlinks=True)

    def reset(self, name: str = "played") -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self._kept(name), self.path, symlinks=True)

    def _kept(self, name: str) -> Path:
        return self.path.with_name(name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("situations") / "stage"


@pytest.fixture
def stage(place: Path, capsys: pytest.CaptureFixture[str]) -> Stage:
    return Stage(place, capsys)


# -- histories ----------------------------------------------------------------------------------------------


def released_rules(copy: Copy) -> None:
    copy.write_rules()
    copy.commit()
    assert copy.push() == [1]
    copy.ok("label", "set", NAME, "prod", "--version", "1")


def own(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows about the prompt that this is about; another one may lie in the registry beside it."""
    return [row for row in rows if row["name"] == NAME]


@pytest.mark.parametrize("row", rows(HISTORIES), ids=str)
def test_every_verb_does_what_the_table_of_histories_says(stage: Stage, row: Row) -> None:
    copy, does = stage.play(released_rules, row), row.does
    (found,) = own(copy.ok("status")["prompts"])
    passed_over = [int(does["passed"].removeprefix("over "))] if "passed" in does else []
    assert (found["state"], found["passed_over"]) == (row.state, passed_over)
    check_push(copy, does.get("push", ""))
    stage.reset()
    check_pull(copy, does.get("pull", ""))
    stage.reset()
    check_pull(copy, does.get("merge", ""), "--merge")
    stage.reset()
    check_deploy(copy, does.get("deploy", ""))


def numbers(does: str, *words: str) -> tuple[int, ...]:
    """The versions that follow one of some words."""
    word, _, versions = does.partition(" ")
    return tuple(map(int, versions.split(","))) if word in words else ()


def published(does: str) -> tuple[int, ...]:
    """The version that a mark such as ``v4^3^2`` names."""
    found = re.match(r"\+?v(\d+)", does)
    return (int(found[1]),) if found else numbers(does, "publishes")


def check_push(copy: Copy, does: str) -> None:
    before = copy.path().read_text()
    check_published(copy, done(copy, does, "push"), does)
    if does.startswith("+"):  # the text is in no commit that a message could name, so the file says it
        assert copy.keys() == published(does)
        assert SYNCED.sub("", copy.path().read_text()) == SYNCED.sub("", before)
    else:
        assert copy.path().read_text() == before


def check_published(copy: Copy, push: dict[str, Any], does: str) -> None:
    rows = own(push["published"])
    assert tuple(one["version"] for one in rows) == published(does)
    for one in rows:
        assert copy.version().message == one["message"]
        assert copy.said() == copy.content()
        found = re.search(r"\(([0-9a-f]{7,40})(\+?) (v[0-9^]+)\)$", one["message"])
        assert found is not None, one["message"]
        assert f"{found[2]}{found[3]}" == does
        assert found[2] or copy.git("log", "-1", "--format=%H", "--", str(copy.path())).startswith(found[1])


def check_pull(copy: Copy, does: str, *options: str) -> None:
    before, ours = copy.path().read_text(), copy.content()
    found = done(copy, does, "pull", *options)
    if not options:
        assert tuple(one["version"] for one in own(found["written"])) == numbers(does, "writes")
    keys = numbers(does, "writes", "theirs", "both")
    if not keys:
        assert copy.path().read_text() == before
        return
    latest = copy.said()
    assert copy.content() == (merged(ours, latest) if does.startswith("both") else latest)
    assert copy.keys() == keys


def check_deploy(copy: Copy, does: str) -> None:
    if copy.git("status", "--porcelain"):
        copy.commit()
    before = copy.labels()["prod"]
    found = done(copy, does, "deploy", "--label", "prod")
    check_published(copy, found["push"], does)
    targets = [*published(does), *numbers(does, "prod")]
    assert [one["to"] for one in found["labels"] if one["moved"]] == targets
    assert copy.labels()["prod"] == (targets or [before])[0]


def done(copy: Copy, does: str, *arguments: str) -> dict[str, Any]:
    """Run a verb that must end as the table says."""
    is_error = does and not published(does) and " " not in does
    code, found = copy.run(*arguments)
    expected = (1 if does == "invalid-file" else 3, does) if is_error else (0, "")
    assert (code, found.get("error", {}).get("code", "")) == expected, found
    return found


# -- other situations ---------------------------------------------------------------------------------------


def published_hello(copy: Copy) -> None:
    copy.commit("Hello")
    assert copy.push() == [1]


def check(copy: Copy, verb: str, does: str) -> None:
    before = texts(copy, verb)
    found = done(copy, does, verb)
    made = [tuple(one["version"] for one in found.get(key, ())) for key in ("published", "written")]
    assert made == [published(does), numbers(does, "writes")]
    assert (texts(copy, verb) != before) == bool(made[1])


def texts(copy: Copy, verb: str) -> dict[Path, str]:
    """What the files say; a push of uncommitted text writes ``synced:`` into them."""
    found = {path: path.read_text() for path in copy.project.glob("prompts/**/*.yaml")}
    return found if verb == "pull" else {path: SYNCED.sub("", text) for path, text in found.items()}


@pytest.mark.parametrize("row", rows(SITUATIONS), ids=str)
def test_every_verb_does_what_the_table_of_other_situations_says(stage: Stage, row: Row) -> None:
    copy, push = stage.play(published_hello, row), row.does.get("push", "")
    code, found = copy.run("status")
    if row.state.startswith("error "):
        assert (code, f"error {found['error']['code']}") == (STATUS_REFUSED, row.state)
    else:
        first, *others = row.state.split(", ")
        states = dict([(NAME, first), *(other.split(" ") for other in others)])
        assert {one["name"]: one["state"] for one in found["prompts"]} == states
        assert code == (1 if "invalid" in states.values() else 0)
    check(copy, "push", push)
    stage.reset()
    check(copy, "pull", row.does.get("pull", ""))
