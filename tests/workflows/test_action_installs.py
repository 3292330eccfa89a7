"""The action's own installation, with the real pip and an index: what is locked, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from actions import ROOT
from team import Team
from test_action import run, use

from promptsync import __version__

pytestmark = pytest.mark.lane

_LIST = '"$RUNNER_TEMP/promptsync/venv/bin/python" -m pip list --format=freeze --disable-pip-version-check'
_WHERE = """\
"$RUNNER_TEMP/promptsync/venv/bin/python" -c 'import promptsync; print(promptsync.__file__)'
promptsync --version
"""


def test_it_installs_this_code_and_locked_versions_in_an_environment_of_its_own(team: Team) -> None:
    team.hub.installs = True
    done = run(
        team,
        use("install"),
        {"name": "Where", "run": _WHERE},
        {"name": "List", "run": f"{_LIST} > list.txt"},
        use("lint", command="lint"),
    )
    assert done.passed, str(done)
    where, version, linted = done.log.splitlines()
    assert Path(where).is_relative_to(done.directory.parent / "temp" / "promptsync" / "venv")
    assert version == f"promptsync, version {__version__}" and linted == "9 files checked, no problems"
    others = names(done.directory / "list.txt") - names(ROOT / "requirements.lock")
    assert {one for one in others if not re.match(r"(pip|setuptools)==", one)} == {
        f"promptsync=={__version__}"
    }


def names(path: Path) -> set[str]:
    """The packages that a file lists, each with its version."""
    found = re.findall(r"^[\w.-]+==[\w.]+", path.read_text("utf-8"), re.MULTILINE)
    return {one.lower().replace("_", "-") for one in found}
