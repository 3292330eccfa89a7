"""Each row of the table of situations, played in real git against the embedded registry."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from situation_table import HISTORIES, SITUATIONS, Does, History, Play, Situation
from working_copy import NAME, Copy, merged
from worlds import SYNCED

STATUS_REFUSED = 3


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


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

    def play(self, commit_version_1: Callable[[Copy], None], play: Play) -> Copy:
        """Play a row. Each verb can find everything as it was then: reset in between."""
        copy = play(self.begin(commit_version_1))
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


PLAYED = [pytest.param(row, play, id=play.__name__) for row in HISTORIES for play in row.plays]


@pytest.mark.parametrize(("row", "play"), PLAYED)
def test_every_verb_does_what_the_table_of_histories_says(stage: Stage, row: History, play: Play) -> None:
    copy = stage.play(released_rules, play)
    (found,) = own(copy.ok("status")["prompts"])
    assert (found["state"], tuple(found["passed_over"])) == (row.state, row.passed_over)
    check_push(copy, row.push)
    stage.reset()
    check_pull(copy, row.pull)
    stage.reset()
    check_pull(copy, row.merge, "--merge")
    stage.reset()
    check_deploy(copy, row.deploy)


def check_push(copy: Copy, does: Does) -> None:
    before = copy.path().read_text()
    found = done(copy, does, "push")
    check_published(copy, found, does)
    if does.mark.startswith("+"):  # the text is in no commit that a message could name, so the file says it
        assert copy.keys() == does.published
        assert SYNCED.sub("", copy.path().read_text()) == SYNCED.sub("", before)
    else:
        assert copy.path().read_text() == before


def check_published(copy: Copy, push: dict[str, Any], does: Does) -> None:
    published = own(push["published"])
    assert tuple(one["version"] for one in published) == does.published
    for one in published:
        assert copy.version().message == one["message"]
        assert copy.said() == copy.content()
        found = re.search(r"\(([0-9a-f]{7,40})(\+?) (v[0-9^]+)\)$", one["message"])
        assert found is not None, one["message"]
        assert f"{found[2]} {found[3]}".strip() == does.mark
        assert found[2] or copy.git("log", "-1", "--format=%H", "--", str(copy.path())).startswith(found[1])


def check_pull(copy: Copy, does: Does, *options: str) -> None:
    before, ours = copy.path().read_text(), copy.content()
    found = done(copy, does, "pull", *options)
    if not options:
        assert tuple(one["version"] for one in own(found["written"])) == does.written
    if not does.text:
        assert copy.path().read_text() == before
        return
    latest = copy.said()
    assert copy.content() == (latest if does.text == "theirs" else merged(ours, latest))
    assert copy.keys() == does.keys


def check_deploy(copy: Copy, does: Does) -> None:
    if copy.git("status", "--porcelain"):
        copy.commit()
    before = copy.labels()["prod"]
    found = done(copy, does, "deploy", "--label", "prod")
    check_published(copy, found["push"], does)
    target = does.published[0] if does.published else does.label
    assert [one["to"] for one in found["labels"] if one["moved"]] == ([target] if target else [])
    assert copy.labels()["prod"] == (target or before)


def done(copy: Copy, does: Does, *arguments: str) -> dict[str, Any]:
    """Run a verb that must end as the table says."""
    code, found = copy.run(*arguments)
    assert (code, found.get("error", {}).get("code", "")) == (does.code, does.error), found
    return found


# -- other situations ---------------------------------------------------------------------------------------


def published_hello(copy: Copy) -> None:
    copy.commit("Hello")
    assert copy.push() == [1]


def check(copy: Copy, verb: str, does: Does) -> None:
    before = texts(copy, verb)
    found = done(copy, does, verb)
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
def test_every_verb_does_what_the_table_of_other_situations_says(stage: Stage, row: Situation) -> None:
    copy = stage.play(published_hello, row.play)
    code, found = copy.run("status")
    if row.states is None:
        assert (code, found["error"]["code"]) == (STATUS_REFUSED, row.push.error)
    else:
        assert {one["name"]: one["state"] for one in found["prompts"]} == row.states
        assert code == (1 if "invalid" in row.states.values() else 0)
    check(copy, "push", row.push)
    stage.reset()
    check(copy, "pull", row.pull)


def test_no_situation_is_reported_twice() -> None:
    stories = [*(play for row in HISTORIES for play in row.plays), *(row.play for row in SITUATIONS)]
    assert len(set(stories)) == len(stories)
