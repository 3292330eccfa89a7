"""The page about other CI systems: its commands have its exit codes, on a checkout that is on no branch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest
from actions import ROOT
from team import SETTLE, SOFTER, Team

_PAGE = (ROOT / "docs/other-ci.md").read_text("utf-8")
COMMANDS = {words.split()[0]: words for words in re.findall(r"(?m)^\| `promptsync (.*?)` \|", _PAGE)}
CODES = {
    words.split()[0]: {0, *map(int, re.findall(r"(\d): ", codes))}
    for words, codes in re.findall(r"(?m)^\| `promptsync (.*?)` \|.*\|(.*)\|$", _PAGE)
}


def same(team: Team) -> None:
    """Nothing changed."""


def softer(team: Team) -> None:
    team.edit("support/refund", *SOFTER)


def broken(team: Team) -> None:
    team.edit("support/refund", "refund_days }}", "refund_days }")


def expensive(team: Team) -> None:
    path = team.world.root / "promptsync.yaml"
    text, count = re.subn(r"(?m)^limits:.*$", "limits: {cells: 1}", path.read_text("utf-8"))
    assert count == 1
    path.write_text(text, "utf-8")
    team.worsen()


def both(team: Team) -> None:
    """The same line was edited in git and, by then released, in the dashboard."""
    version = team.edit_in_registry("support/refund", *SETTLE)
    team.label("support/refund", version)
    softer(team)


def older(team: Team) -> None:
    softer(team)
    team.push()
    (team.world.root / "README.md").write_text("Newer\n")
    team.world.commit("Write")
    team.push()
    team.world.git("switch", "-q", "--detach", "HEAD~1")


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (same, dict.fromkeys(COMMANDS, 0)),
        (softer, dict.fromkeys(("lint", "eval", "deploy"), 0)),
        (broken, {"lint": 1}),
        (Team.worsen, {"eval": 1}),
        (expensive, {"eval": 3}),
        (both, {"pull": 3}),
    ],
)
def test_a_command_exits_as_the_page_says(
    team: Team, change: Callable[[Team], None], codes: dict[str, int]
) -> None:
    team.branch()
    change(team)
    team.world.git("switch", "-q", "--detach")
    for verb, code in codes.items():
        words = COMMANDS[verb]
        if verb == "deploy":
            words = "deploy --rehearse --label prod"
            assert f"`promptsync {words}`" in _PAGE
        done = team.world.run(*shlex.split(words), PROMPTSYNC_REMOTE=team.world.url)
        assert done.code == code and code in CODES[verb], str(done)


@pytest.mark.parametrize(
    ("change", "rehearsed", "deployed"),
    [(same, 0, 0), (softer, 0, 0), (Team.worsen, 0, 1), (both, 3, 3), (older, 0, 3)],
)
def test_a_deploy_exits_as_the_page_says(
    team: Team, change: Callable[[Team], None], rehearsed: int, deployed: int
) -> None:
    change(team)
    if change is not older:
        team.push()
        team.world.git("switch", "-q", "--detach")
    for words, code in (
        ("deploy --rehearse --label prod", rehearsed),
        ("deploy --yes --label prod", deployed),
    ):
        assert f"| `promptsync {words}` |" in _PAGE
        done = team.world.run(*shlex.split(words), PROMPTSYNC_REMOTE=team.world.url)
        assert done.code == code, f"{words}\n{done}"
    assert {rehearsed, deployed} <= CODES["deploy"] | {0}


def test_the_page_names_five_commands() -> None:
    assert len(re.findall(r"(?m)^\| `promptsync ", _PAGE)) == 5 and len(COMMANDS) == 4
