"""What each command may change: nothing if it only shows, and otherwise only what it is for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from evaluation_files import contains, declared, evaluation
from registry_server import chat
from sheets_there import table
from worlds import World, made

from promptsync.cli import VERBS, group

FIXTURES = declared(
    """
agents:
  - {name: greeter, nodes: [{name: answer, prompt: {name: ops/ahead}, output: true}]}
""",
    evaluation("greeting", "ops/ahead", [{"name": "Ann", "expect": "Hello"}], contains(column="expect")),
)

CONFIG = """
labels: {main: prod}
checks: [{match: "ops/ahead", evaluation: greeting}]
"""

TONE = """
prompts: ops/twice
rows: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}, {name: g}, {name: h}, {name: i}, {}]
scorecard:
  steps: [{title: Greets, type: CONTAINS, config: {source: Output, value: o}}]
"""

REQUEST = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": chat("Hi"),
    "output": chat("Hello"),
    "request_start_time": "2026-01-01T00:00:00Z",
    "request_end_time": "2026-01-01T00:00:01Z",
}

READING = """
status
status --json
status --drift --exit-code
status --offline
status --label prod
diff --since HEAD~1
diff
diff --stat
diff ops/ahead@1 ops/twice@1
diff ops/twice:prod
push --dry-run
push -n --json
push -n --label staging
push -n --label prod --skip-checks
push -n --partial
push -n --prune
push -n --format markdown
push ops/behind -n --force
deploy --dry-run
deploy -n --label prod --format markdown
deploy --rehearse
deploy --rehearse --yes
deploy --rehearse --yes --label prod --json
deploy -n --rehearse --format markdown
deploy ops/ahead -n
deploy -n --keep-going
pull --dry-run
pull -n --merge
pull ops/ahead -n --theirs
pull ops/ahead -n --ours
pull -n --prune
pull -n --label prod
label list
label set ops/ahead staging -n
label move ops/twice prod -n
label delete ops/twice prod -n
promote prod staging -n
rollback ops/twice --label prod -n
rollback --label prod --to HEAD~1 -n
bump ops/voice -n
mv ops/draft ops/moved -n
lint
lint --strict --format json
render ops/ahead --var name=Ann
render ops/ahead --var name=Ann --from-registry
ls-remote
ls-remote --status all --json
log ops/twice -p
search Hello
search -i hello 'ops/*' --json
open ops/twice
show ops/twice@1
show ops/twice:prod
eval list
eval show greeting
agent list
agent show 3
dataset list
doctor
bundle
bundle --from HEAD --json
schema config
completion bash
help push
init --help
relay --help
types --lang python
serve --help
track --help
"""
"""Commands that change nothing by their documentation, in a working copy where each has something to say."""

NO = {"status --drift --exit-code": 1, "push -n --prune": 3, "open ops/twice": 2}
"""The exit codes of those that say no or refuse; all others say 0."""

WRITING = {
    "push": {"versions"},
    "push ops/ahead": {"versions"},
    "push --label staging": {"versions", "labels"},
    "push ops/behind --force": {"versions"},
    "push ops/deleted --prune": {"archived", "labels"},
    "deploy --yes": {"versions", "labels"},
    "deploy ops/ahead --yes": {"versions", "labels"},
    "pull": {"files"},
    "pull ops/ahead --theirs": {"files"},
    "pull --merge": {"files"},
    "pull --prune": {"files"},
    "pull --label prod": {"files"},
    "bump ops/voice": {"files"},
    "label set ops/twice staging": {"labels"},
    "label move ops/behind prod --yes --skip-checks": {"labels"},
    "mv ops/draft ops/moved": {"files"},
    "label delete ops/twice prod": {"labels"},
    "promote prod staging": {"labels"},
    "rollback ops/twice --label prod": {"labels"},
    "eval run greeting": set(),
    "eval noise tone": set(),
    "eval run tone": set(),
    "eval pull 'Refund quality'": {"settings"},
    "agent run greeter": set(),
    "new ops/fresh": {"files"},
    "track group --new": set(),
    "track group 1 1": set(),
    "track request request.json": set(),
    "track prompt 1 ops/twice --version 1": set(),
    "track score 1 90": set(),
    "track metadata 1 user=42": set(),
    "init --github --package promptsync==1.0.0": {"settings"},
}
"""Commands that change something, and all that each of them may change. Runs and logged requests are free."""


@contextmanager
def busy(directory: Path) -> Iterator[World]:
    """A working copy where each prompt is in another state, released to prod where it is in the registry."""
    with made(directory, fixtures=FIXTURES) as world:
        config = world.root / "promptsync.yaml"
        config.write_text(config.read_text("utf-8") + CONFIG, "utf-8")
        for name in ("ops/ahead", "ops/behind", "ops/deleted", "ops/twice"):
            world.write(name, "Hello {name}, " + name)
        world.write("ops/voice", content="Be brief.")
        world.put("evaluations/tone.yaml", TONE)
        world.commit("Add prompts")
        world.ok("push")
        world.write("ops/pinned", "@@@ops/voice@version_number:1@@@ {name}")
        world.commit("Pin the voice")
        world.ok("deploy", "--yes")
        world.edit("ops/twice", "Hello", "Good day")
        world.edit("ops/voice", "brief", "very brief")
        world.commit("Greet formally")
        world.ok("deploy", "--yes")
        world.publish("ops/behind", "Edited in the dashboard, {name}")
        world.publish("ops/theirs")
        world.edit("ops/ahead", "Hello", "Hello again")
        world.path("ops/deleted").unlink()
        world.write("ops/draft")
        world.commit("Greet again")
        (world.root / "request.json").write_text(json.dumps(REQUEST), "utf-8")
        # The evaluation and its run for the deploy have the ids 1 and 2.
        for command in ("agent run greeter", "track request request.json", "track group --new"):
            world.ok(*command.split(), "-C", str(world.root))
        table(world)
        world.forget()
        yield world


def state(world: World) -> dict[str, Any]:
    """Everything that a command could change, by kind."""
    listed = world.call("GET", "/prompt-templates?per_page=100&status=all").body["items"]
    labels = world.call("GET", "/prompt-templates/labels").body["release_labels"]
    outside = {
        path.relative_to(world.root).as_posix(): path.read_bytes()
        for path in sorted(world.root.rglob("*"))
        if path.is_file() and path.relative_to(world.root).parts[0] not in (".git", ".promptsync", "prompts")
    }
    return {
        "versions": {one["prompt_name"]: (one["version"], one["tags"]) for one in listed},
        "archived": world.call("GET", "/prompt-templates?per_page=100&status=deleted").body["items"],
        "labels": sorted(map(str, labels)),
        "files": world.files(),
        "settings": outside,
        "git": (world.git("rev-parse", "HEAD"), world.git("diff", "--cached")),
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {kind for kind in before if before[kind] != after[kind]}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all commands that change nothing; the first one that does fails, and those after it may."""
    with busy(tmp_path_factory.mktemp("shown")) as world:
        yield world


@pytest.mark.parametrize("command", READING.strip().splitlines())
def test_a_command_that_only_shows_writes_nothing(shown: World, command: str) -> None:
    before = state(shown)
    done = shown.run(*shlex.split(command))
    assert done.code == NO.get(command, 0), str(done)
    assert not shown.writes, shown.writes
    assert not changed(before, state(shown))


@pytest.mark.parametrize("command", WRITING)
def test_a_command_changes_only_what_it_is_for(tmp_path: Path, command: str) -> None:
    with busy(tmp_path) as world:
        before = state(world)
        done = world.ok(*shlex.split(command))
        assert changed(before, state(world)) == WRITING[command], str(done)


def test_no_command_is_left_out() -> None:
    rows = [*READING.strip().splitlines(), *WRITING]
    lacking = []
    for name, command in _commands():
        own = [row for row in rows if row.startswith(name)]
        dry = [row for row in own if {"-n", "--dry-run", "--rehearse"}.intersection(row.split())]
        if not own or ("dry_run" in {option.name for option in command.params} and not dry):
            lacking.append(name)
    assert lacking == []


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for verb in VERBS:
        command = group.get_command(context, verb)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{verb} {name}", part) for name, part in command.commands.items())
        else:
            yield verb, command
