"""The action in workflows of a user's own: inputs, outputs, words of the command, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions import ARTIFACT, COMMIT, PACKAGE, ROOT, Done
from team import SOFTER, Team

from promptsync import __version__

WHOLE = {"fetch-depth": "0", "persist-credentials": "false"}
CHECKOUT = {"uses": f"actions/checkout@{COMMIT}", "with": WHOLE}
KEY = "${{ secrets.PROMPTLAYER_API_KEY }}"


def use(name: str = "promptsync", **inputs: str) -> dict[str, Any]:
    """A step with the action; its id is its name."""
    given = {key.replace("_", "-"): value for key, value in inputs.items()}
    return {"name": name, "id": name, "uses": PACKAGE, "with": given}


def run(team: Team, *steps: Any, **job: Any) -> Done:
    """Run a workflow whose job checks out and runs some steps on a push."""
    job = {"permissions": {"contents": "read"}, "steps": [CHECKOUT, *steps], **job}
    workflow = {"on": {"push": {}}, "concurrency": {"group": "prompts"}, "jobs": {"prompts": job}}
    return team.hub.run_text(yaml.safe_dump(workflow), team.push())


def test_one_step_deploys_and_its_outputs_say_what_was_released(team: Team) -> None:
    team.edit("support/refund", *SOFTER, "Soften the tone")
    done = run(team, use(command="deploy", label="prod", remote=team.world.url, api_key=KEY))
    assert done.passed, str(done)
    outputs = done.outputs["promptsync"]
    report = Path(outputs.pop("report")).read_text("utf-8")
    released = {"label": "prod", "planned": "1", "count": "1", "released": '{"support/refund": 2}'}
    assert outputs == {**released, "changed": "", "page-url": ""}
    assert report == done.summary and "**1 prompt released to `prod`**" in report


def test_a_command_that_fails_fails_the_step_and_still_reports(team: Team) -> None:
    team.worsen()
    places = {"report": "out/deploy.md", "page": "x/prompts.html"}
    done = run(team, use(command="deploy", remote=team.world.url, api_key=KEY, **places))
    assert done.outcomes["promptsync"] == "failure"
    assert done.outputs["promptsync"]["count"] == "0"
    report = Path(done.outputs["promptsync"]["report"])
    assert report == done.directory / "out" / "deploy.md"
    assert "triage accuracy" in report.read_text("utf-8")
    assert done.outputs["promptsync"]["page-url"] == f"{ARTIFACT}prompts.html"
    assert "triage accuracy" in done.artifacts["prompts.html"]


def test_without_a_command_it_installs_and_puts_only_promptsync_on_the_path(team: Team) -> None:
    script = 'command -v promptsync; ls "$(dirname "$(command -v promptsync)")"; promptsync lint'
    env = {"PROMPTLAYER_API_KEY": KEY, "PROMPTSYNC_REMOTE": team.world.url}
    again = use("second", command="status --exit-code")
    other = use("third", command="lint", python_version="3.13")
    done = run(team, use(), {"name": "Own", "run": script}, again, other, env=env)
    assert done.passed, str(done)
    assert done.log.splitlines()[1:3] == ["promptsync", "9 files checked, no problems"]
    # The installation has no key. A second use installs nothing, but another Python is another installation.
    assert done.secrets["promptsync / Install"] == []
    assert "second / Install" not in done.secrets
    assert done.secrets["second / Run"] == ["PROMPTLAYER_API_KEY"]
    assert len(team.hub.installed) == 4


def test_words_are_split_and_never_expanded(team: Team) -> None:
    commands = {
        "render support/refund --example 1": ["render", "support/refund", "--example", "1"],
        "diff 'support/*' -q": ["diff", "support/*", "-q"],
        "diff support/* $HOME `id`": ["diff", "support/*", "$HOME", "`id`"],
        'deploy -m "Two words; exit 1"': ["deploy", "-m", "Two words; exit 1"],
        "pull\n  --merge\n": ["pull", "--merge"],
    }
    shown = """printf '#!/bin/sh\nprintf "%%s\\\\n" "$@"\n' > "$RUNNER_TEMP/promptsync/bin/promptsync" """
    uses = [use(f"use-{number}", command=command) for number, command in enumerate(commands)]
    done = run(team, use("install"), {"name": "Replace", "run": shown}, *uses)
    assert done.passed, str(done)
    assert done.log.splitlines() == [word for words in commands.values() for word in words]


def test_what_cannot_run_fails_before_it_starts(team: Team) -> None:
    done = run(team, use(command="lint", version="99.0"))
    assert done.outcomes["promptsync"] == "failure"
    assert f"::error::this action is promptsync {__version__}, not 99.0" in done.log
    assert not (team.hub.place / "installed").exists()
    same = [use(f"use-{sign}", command="lint", version=sign + __version__) for sign in ("", "v")]
    done = run(team, *same, use(command="lint 'support"))
    assert [done.outcomes[step] for step in ("use-", "use-v", "promptsync")] == ["success"] * 2 + ["failure"]
    assert "quote" in done.log and done.log.count("checked") == 2


# -- the action's own installation, with the real pip and an index ---------------------------------------


_LIST = '"$RUNNER_TEMP/promptsync/venv/bin/python" -m pip list --format=freeze --disable-pip-version-check'
_WHERE = """\
"$RUNNER_TEMP/promptsync/venv/bin/python" -c 'import promptsync; print(promptsync.__file__)'
promptsync --version
"""


@pytest.mark.lane
def test_it_installs_this_code_and_locked_versions_in_an_environment_of_its_own(team: Team) -> None:
    team.hub.installs = True
    steps = {"name": "Where", "run": _WHERE}, {"name": "List", "run": f"{_LIST} > list.txt"}
    done = run(team, use("install"), *steps, use("lint", command="lint"))
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
