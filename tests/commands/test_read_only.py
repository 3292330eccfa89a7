"""``PROMPTSYNC_READ_ONLY``: whatever the command and its options, nothing changes in the registry."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from registry_server import chat
from scripted_registry import Seen
from test_what_changes import WRITING, busy, changed, state
from worlds import Run, World, is_write

from promptsync.errors import Refused
from promptsync.prompt.prompt import Prompt
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.endpoints import Operation

State = dict[str, Any]

ON = {"PROMPTSYNC_READ_ONLY": "1"}

REGISTRY = {"versions", "archived", "labels"}

REFUSED = """
push
push ops/ahead -y --jobs 1
push --json
push --expect 0123456789abcdef
push --label staging
push --label prod --skip-checks -y
push ops/behind --force -y
push ops/deleted --prune -y
deploy
deploy ops/ahead -y --keep-going
deploy --label prod --older -y --max-changes 100
deploy --allow-dirty -y --allow-unscored --allow-unbound --min-score 0
deploy --expect 0123456789abcdef -y
deploy ops/ahead --again -y
label set ops/twice staging
label move ops/behind prod --yes --skip-checks
label move ops/twice@1 prod --force -y --json
label delete ops/twice prod --force -y
promote prod staging ops/twice --force --skip-checks -y
rollback ops/twice --label prod
rollback ops/twice --label prod --to 1 -y
rollback --label prod --to HEAD~2 -y --json
track group --new
track request request.json
track prompt 1 ops/twice --version 1
track score 1 90
track metadata 1 user=42
"""

ALLOWED = """
status
push -n --json --label prod --skip-checks
deploy -n
deploy --rehearse -y
label move ops/twice@1 prod --force -n
rollback ops/twice --label prod -n
lint
render ops/ahead --var name=Ann
show ops/twice:prod
eval run greeting
eval run tone --max-cells 100000 --reuse 0
agent run greeter
doctor
bump ops/voice -n
"""

FILES = """
pull ops/behind ops/theirs
pull ops/ahead --theirs
pull --prune -y
bump ops/voice -y
mv ops/draft ops/moved
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all commands that change nothing; the first one that does fails, and those after it may."""
    with busy(tmp_path_factory.mktemp("shown")) as world:
        yield world


@pytest.fixture(scope="module")
def before(shown: World) -> State:
    return state(shown)


def read_only(world: World, command: str, **environ: str) -> Run:
    world.forget()
    return world.run(*shlex.split(command), **{**ON, **environ})


def refusal(done: Run) -> str:
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    return lines[-1] if lines else str(done.document["error"]["message"])


@pytest.mark.parametrize("command", REFUSED.strip().splitlines())
def test_a_command_that_changes_the_registry_is_refused(shown: World, before: State, command: str) -> None:
    done = read_only(shown, command)
    assert done.code == 3, str(done)
    assert "PROMPTSYNC_READ_ONLY is set" in refusal(done)
    assert not shown.writes
    assert not changed(before, state(shown))


def test_no_command_that_changes_the_registry_is_left_out() -> None:
    writing = [row for row, kinds in WRITING.items() if kinds & REGISTRY or row.startswith("track ")]
    verbs = {" ".join(row.split()[: 2 if row.startswith(("label ", "track ")) else 1]) for row in writing}
    assert [verb for verb in verbs if f"\n{verb}" not in REFUSED] == []


@pytest.mark.parametrize("command", ALLOWED.strip().splitlines())
def test_plans_reads_and_checks_work(shown: World, before: State, command: str) -> None:
    done = read_only(shown, command)
    assert done.code == 0, str(done)
    assert not changed(before, state(shown))


@pytest.mark.parametrize("command", FILES.strip().splitlines())
def test_files_may_change(shown: World, before: State, command: str) -> None:
    try:
        done = read_only(shown, command)
        assert done.code == 0, str(done)
        assert not shown.writes
        assert changed(before, state(shown)) == {"files"}
    finally:
        shown.git("checkout", "-q", "--", ".")
        shown.git("clean", "-qfd", "prompts")


def test_nothing_to_do_is_done(shown: World) -> None:
    assert read_only(shown, "push ops/behind ops/voice --partial").code == 0
    assert read_only(shown, "label set ops/twice prod --version 2").code == 0


def test_a_value_turns_it_on_or_off(shown: World) -> None:
    for value in ("1", "true", "on", " 1 ", "readonly"):
        assert read_only(shown, "push -y", PROMPTSYNC_READ_ONLY=value).code == 3
    for value in ("", "0", "no", "False"):
        done = read_only(shown, "push -y --expect 0123456789abcdef", PROMPTSYNC_READ_ONLY=value)
        assert "this is not the plan that was reviewed" in done.err


def test_no_other_variable_and_no_answer_turns_it_off(shown: World, before: State) -> None:
    for environ in ({"CI": "false"}, {"PROMPTLAYER_BASE_URL": shown.url}, {"PROMPTSYNC_REMOTE": shown.url}):
        assert read_only(shown, "push -y", **environ).code == 3
        assert read_only(shown, f"push -y --remote {shown.url}", **environ).code == 3
    done = shown.on_terminal("push", answer="y\n", **ON)
    assert (done.code, "Continue?" in done.err) == (3, False)
    assert not changed(before, state(shown))


def test_the_refusal_shows_the_plan_and_how_to_propose_it(shown: World) -> None:
    done = read_only(shown, "push ops/ahead")
    assert "ops/ahead" in done.out
    assert done.err.splitlines() == [
        "error: push refused: PROMPTSYNC_READ_ONLY is set; nothing was published",
        "hint: git switch -c BRANCH && git add --all && git commit -m MESSAGE",
        "hint: git push -u origin BRANCH, and open a pull request",
    ]
    document = read_only(shown, "push ops/ahead --json").document
    assert document["error"]["code"] == "read-only"
    assert [prompt["name"] for prompt in document["plan"]] == ["ops/ahead"]
    hint = read_only(shown, "rollback ops/twice --label prod -y").err.splitlines()[1]
    assert read_only(shown, hint.partition("promptsync ")[2]).code == 0


def test_doctor_and_status_say_that_it_is_on(shown: World) -> None:
    assert "\nread-only: PROMPTSYNC_READ_ONLY is set\n" in read_only(shown, "status").out
    checks = read_only(shown, "doctor --json").document["checks"]
    assert [check["status"] for check in checks if check["name"] == "read-only"] == ["ok"]
    assert "READ_ONLY" not in shown.ok("status").out + shown.ok("doctor").out


def test_the_registry_is_imported(world: World) -> None:
    world.publish("a")
    (world.root / "promptsync.yaml").unlink()
    done = read_only(world, f"init --from-remote --url {world.url} --include '*'")
    assert done.code == 0, str(done)
    assert world.path("a").exists()
    assert not world.writes


def test_what_is_archived_stays_archived(world: World) -> None:
    world.write("a")
    world.commit()
    world.ok("push")
    world.archive("a")
    done = read_only(world, "push a --restore -y")
    assert (done.code, "push refused: PROMPTSYNC_READ_ONLY is set" in done.err) == (3, True), str(done)
    assert not world.writes


LOCAL = """
push -y
deploy --label prod -y
label move a@1 prod -y --force
label set a staging
label delete a prod --force -y
rollback a --label prod --to 1 -y
promote prod staging -y
push b --prune -y
push a --force -y
track group --new
track score 1 90
"""


def dump(world: World) -> list[str]:
    with contextlib.closing(sqlite3.connect(world.root / ".promptsync/registry.db")) as database:
        return list(database.iterdump())


def test_the_database_of_an_embedded_registry_stays_as_it_is(local: World) -> None:
    local.write("a")
    local.write("b")
    local.commit()
    local.ok("push", "--label", "prod")
    local.edit("a", "Hello", "Bye")
    local.commit()
    local.ok("push", "--label", "prod")
    local.path("b").unlink()
    local.edit("a", "Bye", "Hi")
    local.commit()
    before = dump(local)
    for command in LOCAL.strip().splitlines():
        done = read_only(local, command)
        assert (done.code, "READ_ONLY" in done.err) == (3, True), f"{command}\n{done}"
        assert dump(local) == before, command


def test_the_library_refuses_what_no_plan_refuses(world: World) -> None:
    with world.project() as project:
        project.read_only = True
        with pytest.raises(Refused, match="cannot publish the prompt: PROMPTSYNC_READ_ONLY is set"):
            project.registry.prompts.publish(Prompt("a", chat()), message="")
    assert not world.writes


POSTS_THAT_READ = {"POST /prompt-templates/{identifier}"}
CHECKS = ("/evaluations/", "/reports/", "/workflows/", "/tables")


def operations() -> Iterator[Any]:
    for name, value in vars(endpoints).items():
        for operation in value.values() if isinstance(value, dict) else [value]:
            if isinstance(operation, Operation):
                yield pytest.param(operation, id=f"{name}: {operation.name}")


@pytest.mark.parametrize("operation", [*operations()])
def test_the_effect_of_an_operation_follows_from_its_requests(operation: Operation) -> None:
    expected = set()
    for request in (route.request for route in operation.routes):
        method, path = request.split(" ")
        if method == "GET" or request in POSTS_THAT_READ:
            expected.add("reads")
        elif any(part in path for part in CHECKS):
            expected.add("runs")
        else:
            expected.add("writes")
    assert expected == {operation.effect}


def test_an_operation_that_says_nothing_of_its_effect_writes() -> None:
    assert endpoints._operation("x", "POST /x").effect == "writes"
    assert endpoints._operation("x", "GET /x", "PUT /x").effect == "writes"


# -- A scripted agent edits files to get around a refusal. It has the key; ``PROMPTSYNC_READ_ONLY`` is set


Step = str | Callable[[World], object]
"""A command line with the exit code in front, or an edit that is committed."""

KEY = "sk-proj-" + "a1B2c3D4e5" * 5


def replaced(path: str, old: str, new: str) -> Callable[[World], object]:
    def edit(world: World) -> None:
        text = world.root.joinpath(path).read_text("utf-8")
        assert old in text
        world.put(path, text.replace(old, new))

    return edit


def without_prompts(world: World) -> None:
    shutil.rmtree(world.root / "prompts")
    world.write("ops/last")


def with_twin(world: World) -> None:
    world.put("twin/promptsync.yaml", f"remotes: {{own: {{url: '{world.url}'}}}}\nlabels: {{main: prod}}\n")
    world.put("twin/prompts/ops/ahead.yaml", "content: Mine\n")


MISUSE: dict[str, list[Step]] = {
    "deletes all prompts": [
        without_prompts,
        "3 push --prune -y",
        "3 push --prune -y --partial --max-changes 1000",
        "3 pull --prune -y",
    ],
    "commits a key": [
        replaced("prompts/ops/ahead.yaml", "Hello again", f"Use the key {KEY}. Hello again"),
        "1 lint",
        "1 push ops/ahead -y --skip-checks",
        "1 deploy ops/ahead -y",
    ],
    "works on a branch of its own": [
        lambda world: (
            world.git("switch", "-qc", "agent"),
            replaced("prompts/ops/ahead.yaml", "Hello again", "Hi")(world),
        ),
        "3 deploy -y",
        "3 deploy -y --label prod --older",
        "3 push -y --label prod --skip-checks",
        "0 deploy -n",
    ],
    "points the deploy at another label": [
        replaced("promptsync.yaml", "labels: {main: prod}", "labels: {main: live}"),
        "3 deploy -y",
        "3 push --label prod -y",
    ],
    "removes the checks": [
        replaced("promptsync.yaml", 'checks: [{match: "ops/ahead", evaluation: greeting}]', ""),
        lambda world: (world.root / "evaluations/tone.yaml").unlink(),
        "3 deploy -y",
        "3 push --label prod -y",
    ],
    "uses another name for the remote": [
        lambda world: replaced("promptsync.yaml", "team: {", f"mine: {{url: '{world.url}'}}, team: {{")(
            world
        ),
        "3 push --remote mine -y --partial --force ops/behind",
        "3 label move ops/twice@1 prod --remote mine -y --force",
        "3 label delete ops/twice prod --remote URL -y --force",
        "3 track group --new --remote URL",
    ],
    "works in another directory": [
        with_twin,
        "3 -C twin push ops/ahead -y --force",
        "3 -C twin label move ops/twice@1 prod -y --force",
        "0 init --agents",
    ],
    "carries out a plan that it reviewed": ["3 push -y --expect FINGERPRINT", "3 deploy -y --expect 0"],
    "looks for a way to turn it off": [
        "2 push --no-read-only",
        "2 push --read-only=0 -y",
        "3 push -y -- ops/ahead",
    ],
}
"""What files, other directories and other names can talk a command into."""


def as_agent(world: World, line: str) -> Run:
    """Run a command in a pipe, as an agent does, with the key and without ``CI``."""
    arguments = shlex.split(line.replace("URL", world.url))
    if "FINGERPRINT" in line:
        plan = world.run("push", "-n", "-y", "--json", PROMPTSYNC_READ_ONLY="1").document
        arguments = [plan["fingerprint"] if word == "FINGERPRINT" else word for word in arguments]
    if arguments[0] == "-C":
        arguments[1] = str(world.root / arguments[1])
    world.forget()
    return world.run(*arguments, CI="", PROMPTSYNC_READ_ONLY="1")


def misused(world: World, steps: list[Step]) -> Iterator[tuple[int, str, Run, int]]:
    """Do the steps; each command with its expected exit code, what it did, and how many versions, labels
    and requests of applications it tried to write."""
    base = world.git("rev-parse", "HEAD").strip()
    try:
        for step in steps:
            if isinstance(step, str):
                code, _, line = step.partition(" ")
                done = as_agent(world, line)
                yield int(code), line, done, sum(map(is_release, world.seen))
            else:
                step(world)
                world.commit()
    finally:
        world.git("checkout", "-q", "-f", "-B", "main", base)
        world.git("clean", "-qfd")


def is_release(seen: Seen) -> bool:
    """Whether a request changes what others have: not the tables, evaluations and agents of a check."""
    checks = ("/tables", "/evaluations", "/reports", "/workflows")
    return is_write(seen) and not any(part in seen.path for part in checks)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with busy(tmp_path_factory.mktemp("misused")) as world:
        world.put("request.json", (world.root / "request.json").read_text("utf-8"))
        world.commit("Add a request")
        yield world


@pytest.mark.parametrize("title", MISUSE)
def test_nothing_changes_in_the_registry(shared: World, title: str) -> None:
    kinds = {"versions", "archived", "labels"}
    before = state(shared)
    for code, line, done, writes in misused(shared, MISUSE[title]):
        assert (done.code, writes) == (code, 0), f"{line}\n{done}"
        assert not changed(before, state(shared)) & kinds, line
