"""How many requests the common runs take: the budgets of the design."""

from __future__ import annotations

from math import ceil

from stories import drop_private_files
from worlds import World, template

COUNT = 230
PAGES = ceil(COUNT / 100)


@template
def full(world: World) -> None:
    """A working copy that just pulled many prompts, snippets and their users among them."""
    world.configure("limits: {changes: 1.0}")
    for number in range(COUNT - 20):
        world.publish(f"p{number:03}")
    for number in range(10):
        world.publish(f"snippet{number}", content="Please.")
        world.publish(f"parent{number}", f"@@@snippet{number}@@@ {{name}}")
    world.ok("pull")
    assert len(world.seen) <= 1.1 * COUNT
    world.commit("Adopt")


def edit(world: World, pattern: str) -> int:
    paths = sorted((world.root / "prompts").glob(pattern))
    for path in paths:
        path.write_text(path.read_text("utf-8") + "metadata: {edited: 'yes'}\n", "utf-8")
    return len(paths)


def test_a_run_with_nothing_to_do_reads_the_list_and_for_labels_those(full: World) -> None:
    full.ok("label", "set", "*", "prod", "-y")
    for line, count in (
        *((verb, PAGES) for verb in ("push", "pull", "diff", "push --dry-run")),
        *(("status --exit-code", PAGES + 1), ("deploy --label prod", 2 * PAGES + 1)),
    ):
        full.forget()
        full.ok(*line.split())
        assert (len(full.seen), full.writes) == (count, []), line
    drop_private_files(full)
    full.forget()
    full.ok("status", "--exit-code")
    assert len(full.seen) <= PAGES + 1 + 20
    edit(full, "p007.yaml")
    full.forget()
    full.ok("push")
    assert full.published == ["p007"]
    # the prompt is looked up right before and right after, and a raw read names the workspace
    assert len(full.seen) == PAGES + 1 + 1 + 1 + 1


def test_a_push_takes_little_more_than_a_request_for_each_prompt(full: World) -> None:
    changed = edit(full, "p[0-9]*.yaml") + edit(full, "snippet*.yaml")
    full.ok("push")
    assert len(full.published) == changed
    assert len(full.seen) <= changed + 10


def test_a_first_push_takes_little_more_than_a_request_for_each_prompt(world: World) -> None:
    for number in range(60):
        world.write(f"p{number:02}")
    world.commit()
    world.ok("push", "--label", "prod")
    assert len(world.published) == 60
    # a label is read, set, read back, and so is the one that then records the release
    assert len(world.seen) <= 60 + 5 * 60 + 10


def test_a_status_reads_raw_what_the_list_cannot_prove(full: World) -> None:
    changed = edit(full, "p00*.yaml")
    full.ok("status")
    assert len(full.seen) <= PAGES + 1 + changed + 1
    full.forget()
    full.ok("status")
    assert len(full.seen) <= PAGES + 2
