"""The page about other CI systems: its commands have its exit codes, on a checkout that is on no branch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest
from actions import ROOT
from team import SETTLE, SOFTER, Team

_PAGE = (ROOT / "docs/other-ci.md").read_text("utf-8")
CODES = {
    words: {0, *map(int, re.findall(r"(\d): ", codes))}
    for words, codes in re.findall(r"(?m)^\| `promptsync (.*?)` \|.*\|(.*)\|$", _PAGE)
}
LINT, EVAL, PLAN, DEPLOY, PULL = CODES


def expensive(team: Team) -> None:
    (limits,) = re.findall(r"(?m)^limits:.*$", (team.world.root / "promptsync.yaml").read_text("utf-8"))
    team.world.configure("limits: {cells: 1}", instead=limits)
    team.worsen()


def both(team: Team) -> None:
    """The same line was edited in git and, by then released, in the dashboard."""
    version = team.edit_in_registry("support/refund", *SETTLE)
    team.world.point("support/refund", prod=version)
    team.edit("support/refund", *SOFTER)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda team: team.edit("support/refund", *SOFTER), dict.fromkeys(CODES, 0)),
        (lambda team: team.edit("support/refund", "refund_days }}", "refund_days }"), {LINT: 1}),
        (Team.worsen, {EVAL: 1, PLAN: 0, DEPLOY: 1}),
        (expensive, {EVAL: 3}),
        (both, {PULL: 3, PLAN: 3, DEPLOY: 3}),
    ],
)
def test_a_command_exits_as_the_page_says(
    team: Team, change: Callable[[Team], None], codes: dict[str, int]
) -> None:
    team.branch()
    change(team)
    team.world.git("switch", "-q", "--detach")
    for words, code in codes.items():
        if words == DEPLOY:  # after the merge
            team.merge()
            team.world.git("switch", "-q", "--detach")
        done = team.world.run(*shlex.split(words), PROMPTSYNC_REMOTE=team.world.url)
        assert done.code == code and code in CODES[words], f"{words}\n{done}"
