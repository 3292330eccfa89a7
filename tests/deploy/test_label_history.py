"""A release that was moved back stays back, also after a killed deploy; who moves it meanwhile is told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product

import pytest
from deploying import dead_after
from worlds import DROPPED, Reply, Seen, World, failing, fault, is_move, once, publishing, template_on

from promptsync.prompt.labels import Position

ROLLBACK = ("rollback", "a", "--yes")
PUSH = ("push", "--label", "prod", "--skip-checks")


def change(world: World, text: str, name: str = "a") -> None:
    world.write(name, f"A polite {text}, {{name}}", tags=["greeting"], commit=f"Say {text}")


def history(world: World) -> tuple[int | None, int | None, int | None]:
    """Where the label is, what was live before, and the newest release."""
    prod, previous, released = (
        world.label("a", f"prod{suffix}") for suffix in ("", ".previous", ".released")
    )
    return prod, previous, released


def on_hold(world: World, *arguments: str) -> list[tuple[str, int]]:
    """Deploy, and return what is on hold."""
    document = world.run("deploy", *arguments, "--json").document
    return [(prompt["name"], prompt["version"]) for prompt in document["on_hold"]]


def killed(world: World, writes: int, *arguments: str) -> None:
    """Run a command line that is killed after some writes."""
    dead_after(world, writes)
    world.run(*arguments)
    world.faults.clear()


@template_on("released")
def two_live(world: World) -> None:
    """v1 and v2 of ``a`` were live, one after the other."""
    change(world, "welcome")
    world.ok("deploy")
    assert history(world) == (2, 1, 2)


@template_on("two_live")
def rolled_back(world: World) -> None:
    world.ok(*ROLLBACK, "--label", "prod")


# -- on hold --------------------------------------------------------------------------------------------


def test_however_a_label_was_moved_back_its_release_is_on_hold_and_the_rest_goes_on(released: World) -> None:
    change(released, "welcome")
    released.ok("push")
    change(released, "hi")
    released.ok("deploy")
    assert history(released) == (3, 1, 3)
    for back in (2, 1):
        released.point("a", prod=3 if back == 1 else back)
        if back == 1:
            released.ok(*ROLLBACK, "--label", "prod")
        change(released, f"words {back}", "b")
        done = released.ok("deploy", "--since", "HEAD~1", "--json")
        assert done.document["on_hold"] == [{"name": "a", "version": 3, "released": back, "touched": False}]
        assert (released.label("a", "prod"), released.label("b", "prod")) == (back, released.version("b"))
    change(released, "new words")
    assert on_hold(released) == [] and released.label("a", "prod") == 4


def test_a_push_that_touched_it_is_refused_with_the_way_out(rolled_back: World) -> None:
    again = "promptsync deploy a --label prod --again --remote team\n"
    done = rolled_back.run("deploy", "--since", "HEAD~1", "--remote", "team")
    assert done.code == 3 and f"; {again}" in done.out and f"hint: {again}" in done.err
    done = rolled_back.exits(3, *PUSH)
    assert "was rolled back to v1; promptsync deploy a --again" in done.out + done.err
    rolled_back.exits(2, "deploy", "--again", "aa")
    assert rolled_back.label("a", "prod") == 1
    done = rolled_back.ok("deploy", "--label", "prod", "--again", "a", "--json")
    assert [run["score"] for run in done.document["eval"]["runs"]] == [100]
    assert history(rolled_back) == (2, 1, 2) and rolled_back.version("a") == 2


def test_what_is_on_hold_stays_so_below_an_edit_or_a_text_that_was_not_released(rolled_back: World) -> None:
    change(rolled_back, "bonjour")
    rolled_back.faults.append(fault(publishing("a"), failing(422)))
    rolled_back.exits(5, "deploy")
    rolled_back.faults.clear()
    rolled_back.git("revert", "--no-edit", "HEAD")
    assert on_hold(rolled_back) == [("a", 2)]
    rolled_back.publish("a", "A dashboard draft, {name}", tags=["greeting"])
    assert on_hold(rolled_back) == [("a", 2)]
    assert history(rolled_back) == (1, 2, 2)
    # A new text whose checks failed is pending, and not on hold.
    rolled_back.write("a", "A rude text, {name}", tags=["greeting"], commit="Be rude")
    rolled_back.exits(1, "deploy")
    assert on_hold(rolled_back) == []


def test_a_label_that_was_removed_comes_back_by_itself_only_if_promptsync_deleted_it(two_live: World) -> None:
    for writes in range(1, 4):  # prod.previous and prod.released, then prod
        killed(two_live, writes, "label", "delete", "a", "prod", "--skip-checks", "--yes")
        assert on_hold(two_live) == [] and two_live.label("a", "prod") == 2
    two_live.remove_label("a", "prod")
    change(two_live, "welcome", "b")
    done = two_live.ok("deploy", "--since", "HEAD~1")
    assert "on hold  a: v2 is the same as the file, but prod was removed" in done.out
    assert (two_live.label("a", "prod"), two_live.label("b", "prod")) == (None, 2)
    two_live.says(3, "hint: promptsync deploy a --label prod --again", "deploy")


# -- killed in between ----------------------------------------------------------------------------------


# a publish, a run of the evaluation, prod, prod.previous, prod.released
@pytest.mark.parametrize(
    ("state", "writes"),
    [*product(["released", "rolled_back"], range(2, 6)), *product(["two_live"], range(6))],
)
def test_the_next_deploy_ends_a_killed_one(request: pytest.FixtureRequest, state: str, writes: int) -> None:
    world: World = request.getfixturevalue(state)
    at, new = world.label("a", "prod"), world.version("a") + 1
    assert at is not None
    change(world, "hi")
    killed(world, writes, "deploy")
    assert on_hold(world) == []
    # A stop before all is recorded looks as if a release had been taken back, and after a rollback one was:
    # then a rollback asks for the version.
    is_lost = writes >= 3 if state == "rolled_back" else writes == 4
    assert Position(*history(world)).way_back == (None if is_lost else at)
    assert (world.label("a", "prod"), world.label("a", "prod.released")) == (new, new)
    world.point("a", prod=at)
    assert on_hold(world) == [("a", new)]
    assert (world.label("a", "prod"), world.version("a")) == (at, new)


@pytest.mark.parametrize("writes", [9, 13, 17])  # 5 publishes, 4 runs of checks, 5 x 2 labels
def test_a_killed_first_deploy_is_finished_by_the_next(world: World, writes: int) -> None:
    world.write("e", "Hello {name}", commit="Add e")
    killed(world, writes, "deploy")
    assert on_hold(world) == []
    assert [world.label(name, "prod") for name in "abcde"] == [1] * 5
    # A first release that was stopped before prod.released is recorded with the next one.
    for name in "abcde":
        change(world, "welcome", name)
    world.ok("deploy")
    for name in "abcde":
        assert world.label(name, "prod") == world.label(name, "prod.released") == 2


def test_a_rollback_that_was_killed_holds_nothing_else(two_live: World) -> None:
    for writes in range(3):  # prod moves, and then prod.previous
        killed(two_live, writes, "rollback", "a")
        prompts = on_hold(two_live)
        assert (prompts, two_live.label("a", "prod")) == (([], 2) if writes == 0 else ([("a", 2)], 1))
        two_live.ok("rollback", "a", "--to", "1")
        assert on_hold(two_live) == [("a", 2)]
        two_live.ok("rollback", "a", "--to", "HEAD")


# -- at the same time -----------------------------------------------------------------------------------


@pytest.fixture
def other(two_live: World) -> World:
    """Another clone, which has a newer commit; here is an older one, published but not yet released."""
    change(two_live, "older words")
    root = two_live.root.parent / "other"
    shutil.copytree(two_live.root, root)
    world = replace(two_live, root=root, faults=[], seen=[])
    two_live.ok("push")
    change(world, "newer words")
    return world


TOO = "another user moved it at the same time, and it is now at v3"
LATE = "another user moved it to v"
RACES = [
    # what runs here, what the other clone does before or after the first move, what is said here
    (("deploy",), ("deploy",), "before", TOO),
    (("deploy",), ("deploy",), "after", "another user moved it to v4 in the meantime"),
    (("deploy",), ROLLBACK, "before", TOO),
    (("deploy",), ROLLBACK, "after", LATE),
    (("rollback", "a"), ("deploy",), "after", "another user moved it to v4 in the meantime"),
    (PUSH, ROLLBACK, "before", TOO),
]


@pytest.mark.parametrize(("verb", "theirs", "when", "text"), RACES)
def test_who_moves_a_label_at_the_same_time_wins_or_is_reported(
    two_live: World, other: World, verb: tuple[str, ...], theirs: tuple[str, ...], when: str, text: str
) -> None:
    clone = other if theirs == ("deploy",) else two_live
    # in a process of its own, because this one is in the middle of a run
    two_live.faults.append(once(is_move, lambda: clone.apart(*theirs), after=when == "after"))
    done = two_live.run(*verb)
    two_live.faults.clear()
    assert done.code == 3 and text in done.out + done.err, str(done)
    assert not any(line.startswith("  released") for line in done.out.splitlines())
    if theirs != ("deploy",):
        if when == "after":
            assert on_hold(two_live) == [("a", 3)]
    elif when == "after":
        assert two_live.label("a", "prod") == 4
    else:
        assert f"  moved  a  prod  v2 -> v3  {text}" in done.out
        assert "'prod' of 'a' was moved by another user, too: " in done.err
        assert done.err.endswith("hint: promptsync label list\n")
        assert two_live.label("a", "prod.released") == 4
        other.ok("deploy", "a", "--again")
        assert two_live.label("a", "prod") == 4


def test_a_move_that_was_decided_before_and_comes_after_is_reported(two_live: World, other: World) -> None:
    """As an older deploy does that read the label before this one moved it, and moves it afterwards."""
    # prod, prod.previous, prod.released
    two_live.faults.append(once(is_move, lambda: two_live.point("a", prod=2), at=3))
    two_live.says(3, "'prod' of 'a' was not moved: another user moved it to v2", "deploy")
    assert on_hold(two_live) == [("a", 3)]


def test_what_somebody_released_while_a_request_waited_for_its_retry_stays(released: World) -> None:
    change(released, "welcome")
    versions: list[int] = []

    def react(seen: Seen, forward: object) -> Reply | None:
        if not is_move(seen) or versions:
            return None
        versions.append(released.publish("a", "A polite hotfix, {name}"))
        assert released.call("PATCH", seen.path, {"prompt_version_number": versions[0]}).status == 200
        return Reply({"message": "later"}, 503)

    released.faults.append(react)
    done = released.exits(3, "deploy", "--json")
    assert released.label("a", "prod") == versions[0] == 3
    assert "another user moved" in str(done.document)


# -- unknown --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "command"),
    [("PATCH", "deploy"), ("DELETE", "label delete a prod --skip-checks"), ("POST", "label set a beta")],
)
def test_a_write_whose_response_is_lost_is_unknown(released: World, method: str, command: str) -> None:
    """The registry carries it out, and rejects everything from then on."""
    change(released, "welcome")
    released.ok("push")

    def lost(seen: Seen, forward: object) -> Reply | None:
        if seen.method != method or not seen.path.startswith(("/prompt-labels/", "/prompts/")):
            return None
        released.faults[:] = [fault(lambda seen: True, failing(403))]
        released.forward(seen)
        return DROPPED

    released.faults.append(lost)
    done = released.says(5, "error: it is unknown whether ", *command.split(), "--yes")
    assert "did not move" not in done.err and "not moved" not in done.err
    if command == "deploy":
        assert "  unknown  " in done.out and "not released; the position of prod is unknown" in done.out
