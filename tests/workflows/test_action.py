"""The action in workflows of a user's own: inputs, outputs, words of the command, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from actions import COMMIT, PACKAGE, Done
from job import ARTIFACT
from team import SOFTER, Team

from promptsync import __version__

CHECKOUT = {
    "uses": f"actions/checkout@{COMMIT}",
    "with": {"fetch-depth": "0", "persist-credentials": "false"},
}
KEY = "${{ secrets.PROMPTLAYER_API_KEY }}"


def workflow(*steps: Any, **job: Any) -> str:
    """A workflow whose job checks out and runs some steps on a push."""
    return yaml.safe_dump(
        {
            "on": {"push": {}},
            "concurrency": {"group": "prompts"},
            "jobs": {
                "prompts": {"permissions": {"contents": "read"}, "steps": [CHECKOUT, *steps], **job},
            },
        }
    )


def use(name: str = "promptsync", **inputs: str) -> dict[str, Any]:
    """A step with the action; its id is its name."""
    given = {key.replace("_", "-"): value for key, value in inputs.items()}
    return {"name": name, "id": name, "uses": PACKAGE, "with": given}


def run(team: Team, *steps: Any, **job: Any) -> Done:
    return team.hub.run_text(workflow(*steps, **job), team.push())


def test_one_step_deploys_and_its_outputs_say_what_was_released(team: Team) -> None:
    team.edit("support/refund", *SOFTER, "Soften the tone")
    done = run(team, use(command="deploy", label="prod", remote=team.world.url, api_key=KEY))
    assert done.passed, str(done)
    outputs = done.outputs["promptsync"]
    report = Path(outputs.pop("report")).read_text("utf-8")
    assert outputs == {
        "label": "prod",
        "planned": "1",
        "count": "1",
        "released": json.dumps({"support/refund": 2}),
        "changed": "",
        "page-url": "",
    }
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
    done = run(team, use(), {"name": "Own", "run": script})
    assert done.passed, str(done)
    assert done.log.splitlines()[1:] == ["promptsync", "9 files checked, no problems"]


def test_a_second_use_in_a_job_installs_nothing(team: Team) -> None:
    done = run(team, use("first", command="lint"), use("second", command="lint --strict"))
    assert done.passed, str(done)
    assert len(team.hub.installed) == 2
    assert "second / Install" not in done.secrets and "second / Run" in done.secrets
    # Another Python is another installation.
    done = run(team, use("first", command="lint"), use("second", command="lint", python_version="3.13"))
    assert done.passed, str(done)
    assert len(team.hub.installed) == 6


def test_the_environment_of_the_job_says_what_inputs_do_not_and_the_installation_has_no_key(
    team: Team,
) -> None:
    env = {"PROMPTLAYER_API_KEY": KEY, "PROMPTSYNC_REMOTE": team.world.url}
    done = run(team, use(command="status --exit-code"), env=env)
    assert done.passed, str(done)
    assert done.secrets["promptsync / Install"] == []
    assert done.secrets["promptsync / Run"] == ["PROMPTLAYER_API_KEY"]


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


def test_a_quote_that_is_not_closed_runs_nothing(team: Team) -> None:
    done = run(team, use(command="lint 'support"))
    assert done.outcomes["promptsync"] == "failure"
    assert "quote" in done.log and "checked" not in done.log


def test_another_version_fails_before_anything_is_installed(team: Team) -> None:
    done = run(team, use(command="lint", version="99.0"))
    assert done.outcomes["promptsync"] == "failure"
    assert f"::error::this action is promptsync {__version__}, not 99.0" in done.log
    assert not (team.hub.place / "installed").exists()
    same = [
        use(f"use-{version}", command="lint", version=version) for version in (__version__, f"v{__version__}")
    ]
    assert run(team, *same).passed
