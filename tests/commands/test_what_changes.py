"""What each command may change: nothing if it only shows, and otherwise only what it is for."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
import pytest
from evaluation_files import contains, declared, evaluation
from registry_server import chat, log_of
from sheets_there import table
from worlds import Run, World, own_world, template

from promptsync.cli import VERBS, group
from promptsync.errors import Refused
from promptsync.prompt.prompt import Prompt
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.endpoints import Operation

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


def each(commands: str) -> list[str]:
    return re.split("; |\n", commands.strip())


READING = """
status; status --json; status --drift --exit-code; status --offline; status --label prod
diff --since HEAD~1; diff; diff --stat; diff ops/ahead@1 ops/twice@1; diff ops/twice:prod
push --dry-run; push -n --json; push -n --label staging; push -n --label prod --skip-checks
push -n --partial; push -n --prune; push -n --format markdown; push ops/behind -n --force
deploy --dry-run; deploy -n --label prod --format markdown; deploy -n --yes --label prod --json
deploy ops/ahead -n; deploy -n --keep-going
pull --dry-run; pull -n --merge; pull ops/ahead -n --theirs; pull ops/ahead -n --ours; pull -n --prune
pull -n --label prod
label list; label set ops/ahead staging -n; label move ops/twice prod -n
label delete ops/twice prod --skip-checks -n
promote prod staging -n; rollback ops/twice --label prod -n; rollback --label prod --to HEAD~1 -n
bump ops/voice -n; mv ops/draft ops/moved -n; lint; lint --strict --format json
render ops/ahead --var name=Ann; render ops/ahead --var name=Ann --from-registry
ls-remote; ls-remote --status all --json; log ops/twice -p; search Hello; search -i hello 'ops/*' --json
open ops/twice; show ops/twice@1; show ops/twice:prod
eval list; eval show greeting; agent list; agent show 3; dataset list
doctor; bundle; bundle --from HEAD --json; schema config; completion bash; help push; init --help
relay --help; types --lang python; serve --help; track --help
"""
"""Commands that change nothing by their documentation, in a working copy where each has something to say."""

NO = {"status --drift --exit-code": 1, "open ops/twice": 2}
"""The exit codes of those that say no or refuse; all others say 0."""

CHANGING = {
    "versions": "push; push ops/ahead; push ops/behind --force",
    "versions labels": "push --label staging; deploy --yes; deploy ops/ahead --yes",
    "archived labels": "push ops/deleted --prune",
    "labels": "label set ops/twice staging; label move ops/behind prod --yes --skip-checks; "
    "label delete ops/twice prod --skip-checks; promote prod staging; rollback ops/twice --label prod",
    "files": "pull; pull ops/ahead --theirs; pull --merge; pull --prune; pull --label prod; bump ops/voice; "
    "mv ops/draft ops/moved; new ops/fresh",
    "settings": "eval pull 'Refund quality'; init --github --package promptsync==1.0.0",
    "": "eval run greeting; eval noise tone; eval run tone; agent run greeter; track group --new; "
    "track group 1 1; track request request.json; track prompt 1 ops/twice --version 1; track score 1 90; "
    "track metadata 1 user=42",
}
"""Commands that change something, and all that each of them may change. Runs and logged requests are free."""

WRITING = {command: {*kinds.split()} for kinds, commands in CHANGING.items() for command in each(commands)}


world = own_world(fixtures=FIXTURES)(lambda world: None)


@template
def busy(world: World) -> None:
    """A working copy where each prompt is in another state, released to prod where it is in the registry."""
    world.configure(CONFIG)
    for name in ("ops/ahead", "ops/behind", "ops/deleted", "ops/twice"):
        world.write(name, "Hello {name}, " + name)
    world.write("ops/voice", content="Be brief.")
    world.put("evaluations/tone.yaml", TONE)
    world.commit("Add prompts")
    world.ok("push")
    world.write("ops/pinned", "@@@ops/voice@version_number:1@@@ {name}", commit="Pin the voice")
    world.ok("deploy", "--yes")
    world.edit("ops/twice", "Hello", "Good day")
    world.edit("ops/voice", "brief", "very brief", commit="Greet formally")
    world.ok("deploy", "--yes")
    world.remove_label("ops/deleted", "prod")
    world.publish("ops/behind", "Edited in the dashboard, {name}")
    world.publish("ops/theirs")
    world.edit("ops/ahead", "Hello", "Hello again")
    world.path("ops/deleted").unlink()
    world.write("ops/draft")
    world.put("request.json", json.dumps(log_of()))
    world.commit("Greet again")
    # The evaluation and its run for the deploy have the ids 1 and 2.
    for command in ("agent run greeter", "track request request.json", "track group --new"):
        world.ok(*command.split(), "-C", str(world.root))
    table(world)


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


def test_a_command_that_only_shows_writes_nothing(busy: World) -> None:
    before = state(busy)
    for command in each(READING):
        busy.exits(NO.get(command, 0), *shlex.split(command))
        assert (busy.writes, changed(before, state(busy))) == ([], set()), command


@pytest.mark.parametrize("command", WRITING)
def test_a_command_changes_only_what_it_is_for(busy: World, command: str) -> None:
    before = state(busy)
    done = busy.ok(*shlex.split(command))
    assert changed(before, state(busy)) == WRITING[command], str(done)


def test_no_command_is_left_out() -> None:
    rows = [*each(READING), *WRITING]
    lacking = []
    for name, command in _commands():
        own = [row for row in rows if row.startswith(name)]
        dry = [row for row in own if {"-n", "--dry-run"}.intersection(row.split())]
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


# -- ``PROMPTSYNC_READ_ONLY``: whatever the command and its options, nothing changes in the registry -----


ON = {"PROMPTSYNC_READ_ONLY": "1"}

REGISTRY = {"versions", "archived", "labels"}

REFUSED = """
push; push ops/ahead -y --jobs 1; push --json; push --expect 0123456789abcdef; push --label staging
push --label prod --skip-checks -y; push ops/behind --force -y; push ops/deleted --prune -y
deploy; deploy ops/ahead -y --keep-going; deploy --label prod --older -y --max-changes 100
deploy --allow-dirty -y --allow-unscored --allow-unbound --min-score 0
deploy --expect 0123456789abcdef -y; deploy ops/ahead --again -y
label set ops/twice staging; label move ops/behind prod --yes --skip-checks
label move ops/twice@1 prod --force -y --json; label delete ops/twice prod --force -y
promote prod staging ops/twice --force --skip-checks -y; rollback ops/twice --label prod
rollback ops/twice --label prod --to 1 -y; rollback --label prod --to HEAD~2 -y --json
track group --new; track request request.json; track prompt 1 ops/twice --version 1; track score 1 90
track metadata 1 user=42
"""

ALLOWED = """
status
push -n --json --label prod --skip-checks; push ops/behind ops/voice --partial
label set ops/twice prod --version 2
deploy -n; deploy -n -y
label move ops/twice@1 prod --force --skip-checks -n; rollback ops/twice --label prod -n
lint; render ops/ahead --var name=Ann
show ops/twice:prod
eval run greeting; eval run tone --max-cells 100000 --reuse 0; agent run greeter
doctor
bump ops/voice -n
"""

FILES = """
pull ops/behind ops/theirs; pull ops/ahead --theirs; pull --prune -y
bump ops/voice -y; mv ops/draft ops/moved
"""


def read_only(world: World, command: str, **environ: str) -> Run:
    world.forget()
    return world.run(*shlex.split(command), **{**ON, **environ})


def test_a_command_that_changes_the_registry_is_refused(busy: World) -> None:
    before = state(busy)
    for command in each(REFUSED):
        done = read_only(busy, command)
        error = done.document["error"]["message"] if "--json" in command else done.err
        assert (done.code, "PROMPTSYNC_READ_ONLY is set" in error) == (3, True), f"{command}\n{done}"
        assert (busy.writes, changed(before, state(busy))) == ([], set()), command


def test_no_command_that_changes_the_registry_is_left_out() -> None:
    writing = [row for row, kinds in WRITING.items() if kinds & REGISTRY or row.startswith("track ")]
    verbs = {" ".join(row.split()[: 2 if row.startswith(("label ", "track ")) else 1]) for row in writing}
    assert [verb for verb in verbs if not any(row.startswith(verb) for row in each(REFUSED))] == []


def test_plans_reads_and_checks_work_and_files_may_change(busy: World) -> None:
    before = state(busy)
    for command in each(ALLOWED):
        done = read_only(busy, command)
        assert (done.code, changed(before, state(busy))) == (0, set()), f"{command}\n{done}"
    assert "\nread-only: PROMPTSYNC_READ_ONLY is set\n" in read_only(busy, "status").out
    checks = read_only(busy, "doctor --json").document["checks"]
    assert [check["status"] for check in checks if check["name"] == "read-only"] == ["ok"]
    assert "READ_ONLY" not in busy.ok("status").out + busy.ok("doctor").out
    for command in each(FILES):
        done = read_only(busy, command)
        assert (done.code, busy.writes, changed(before, state(busy))) == (0, [], {"files"}), str(done)
        busy.git("checkout", "-q", "--", ".")
        busy.git("clean", "-qfd", "prompts")


def test_the_value_alone_turns_it_on_or_off(busy: World) -> None:
    before = state(busy)
    for value in ("1", "true", "on", " 1 ", "readonly"):
        assert read_only(busy, "push -y", PROMPTSYNC_READ_ONLY=value).code == 3
    for value in ("", "0", "no", "False"):
        done = read_only(busy, "push -y --expect 0123456789abcdef", PROMPTSYNC_READ_ONLY=value)
        assert "this is not the plan that was reviewed" in done.err
    for environ in ({"CI": "false"}, {"PROMPTLAYER_BASE_URL": busy.url}, {"PROMPTSYNC_REMOTE": busy.url}):
        assert read_only(busy, "push -y", **environ).code == 3
        assert read_only(busy, f"push -y --remote {busy.url}", **environ).code == 3
    done = busy.on_terminal("push", answer="y\n", **ON)
    assert (done.code, "Continue?" in done.err) == (3, False)
    assert not changed(before, state(busy))

    # The refusal shows the plan, and how to propose it.
    busy.write("ops/more")
    done = read_only(busy, "push ops/ahead")
    assert "ops/ahead" in done.out
    assert done.err.splitlines() == [
        "error: push refused: PROMPTSYNC_READ_ONLY is set; nothing was published",
        "hint: git switch -c BRANCH && git add --all && git commit -m MESSAGE",
        "hint: git push -u origin BRANCH, and open a pull request",
    ]
    document = read_only(busy, "push ops/ahead --json").document
    assert document["error"]["code"] == "read-only"
    assert [prompt["name"] for prompt in document["plan"]] == ["ops/ahead"]
    hint = read_only(busy, "rollback ops/twice --label prod -y").err.splitlines()[1]
    assert read_only(busy, hint.partition("promptsync ")[2]).code == 0
    busy.commit("Nothing is left to commit")
    hint = read_only(busy, "push ops/ahead").err.splitlines()[1]
    assert hint.endswith(" push ops/ahead --dry-run")


def test_the_registry_is_imported_and_what_is_archived_stays_archived(world: World) -> None:
    world.publish("a")
    config = (world.root / "promptsync.yaml").read_text()
    (world.root / "promptsync.yaml").unlink()
    done = read_only(world, f"init --from-remote --url {world.url} --include '*'")
    assert (done.code, world.path("a").exists(), world.writes) == (0, True, []), str(done)
    world.put("promptsync.yaml", config)
    world.commit()
    world.archive("a")
    done = read_only(world, "push a --restore -y")
    assert (done.code, "push refused: PROMPTSYNC_READ_ONLY is set" in done.err) == (3, True), str(done)
    assert not world.writes


def dump(world: World) -> list[str]:
    with contextlib.closing(sqlite3.connect(world.root / ".promptsync/registry.db")) as database:
        return list(database.iterdump())


def test_the_database_of_an_embedded_registry_stays_as_it_is(local: World) -> None:
    local.write("a", commit="Change prompts")
    local.ok("push", "--label", "prod")
    local.edit("a", "Hello", "Bye", commit="Change prompts")
    before = dump(local)
    for command in ("push a --force -y", "deploy --label prod -y", "label set a b", "track group --new"):
        done = read_only(local, command)
        assert (done.code, "READ_ONLY" in done.err) == (3, True), f"{command}\n{done}"
    with local.project() as project:  # the library refuses what no plan refuses
        project.read_only = True
        with pytest.raises(Refused, match="cannot publish the prompt: PROMPTSYNC_READ_ONLY is set"):
            project.registry.prompts.publish(Prompt("a", chat()), message="")
    assert dump(local) == before


POSTS_THAT_READ = {"POST /prompt-templates/{identifier}"}
CHECKS = ("/evaluations/", "/reports/", "/workflows/", "/tables")


def operations() -> Iterator[Operation]:
    for value in vars(endpoints).values():
        for operation in value.values() if isinstance(value, dict) else [value]:
            if isinstance(operation, Operation):
                yield operation


def test_the_effect_of_an_operation_follows_from_its_requests() -> None:
    for operation in operations():
        for request in (route.request for route in operation.routes):
            reads = request.startswith("GET ") or request in POSTS_THAT_READ
            expected = "reads" if reads else "runs" if any(part in request for part in CHECKS) else "writes"
            assert expected == operation.effect, operation.name
    # One that says nothing of its effect writes.
    assert endpoints._operation("x", "POST /x").effect == "writes"
    assert endpoints._operation("x", "GET /x", "PUT /x").effect == "writes"


# -- A scripted agent edits files to get around a refusal. It has the key; ``PROMPTSYNC_READ_ONLY`` is set ---


def with_own_remotes(world: World) -> None:
    own = f"mine: {{url: '{world.url}'}}"
    world.configure(f"{own}, team: {{", instead="team: {")
    world.put("twin/promptsync.yaml", f"remotes: {{{own}}}\nlabels: {{main: prod}}\n")
    world.put("twin/prompts/ops/ahead.yaml", "content: Mine\n")


def without_checks(world: World) -> None:
    world.configure("", instead='checks: [{match: "ops/ahead", evaluation: greeting}]')
    (world.root / "evaluations/tone.yaml").unlink()


def on_a_branch(world: World) -> None:
    world.git("switch", "-qc", "agent")
    world.edit("ops/ahead", "Hello again", "Hi")


def without_prompts(world: World) -> None:
    shutil.rmtree(world.root / "prompts")
    world.write("ops/last")


# An edit, which is committed on top of those before, and what is refused then.
AROUND: list[tuple[Callable[[World], object], str]] = [
    (
        with_own_remotes,
        "push --remote mine -y --partial --force ops/behind; track group --new --remote URL; "
        "label move ops/twice@1 prod --remote mine -y --force; "
        "label delete ops/twice prod --remote URL -y --force; push -y -- ops/ahead; "
        "-C twin push ops/ahead -y --force; -C twin label move ops/twice@1 prod -y --force",
    ),
    (
        lambda world: world.configure("labels: {main: live}", instead="labels: {main: prod}"),
        "deploy -y; push --label prod -y",
    ),
    (without_checks, "deploy -y; push --label prod -y"),
    (on_a_branch, "deploy -y; deploy -y --label prod --older; push -y --label prod --skip-checks"),
    (without_prompts, "push --prune -y; push --prune -y --partial --max-changes 1000; pull --prune -y"),
]


def test_there_is_no_way_around_it(busy: World) -> None:
    before = state(busy)
    for edit, lines in AROUND:
        edit(busy)
        busy.commit()
        for line in each(lines.replace("URL", busy.url).replace("twin", str(busy.root / "twin"))):
            done = read_only(busy, line, CI="")  # in a pipe, as an agent does
            assert (done.code, busy.writes) == (3, []), f"{line}\n{done}"
            assert not changed(before, state(busy)) & REGISTRY, line
    for option in ("--no-read-only", "--read-only=0"):
        busy.exits(2, "push", option)
