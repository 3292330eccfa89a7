"""A scripted agent edits files to get around a refusal. It has the key; ``PROMPTSYNC_READ_ONLY`` is set."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator

import pytest
from scripted_registry import Seen
from test_what_changes import busy, changed, state
from worlds import Run, World, is_write

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
