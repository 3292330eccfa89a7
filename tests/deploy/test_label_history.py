"""A release that was moved back stays back, also after a killed deploy; moves at the same time are told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
from deploying import dead_after
from worlds import Fault, Reply, Seen, World

from promptsync.registry.promptlayer import parse


def move_in_dashboard(world: World, version: int, label: str = "prod") -> None:
    """Move a label of ``a`` as somebody does in the dashboard."""
    found = map(parse.label, world.call("GET", "/prompt-templates/labels").body["release_labels"])
    (label_id,) = (one.label_id for one in found if (one.prompt_name, one.name) == ("a", label))
    answer = world.call("PATCH", f"/prompt-labels/{label_id}", {"prompt_version_number": version})
    assert answer.status == 200


def change(world: World, text: str, name: str = "a") -> None:
    world.write(name, f"A polite {text}, {{name}}", tags=["greeting"])
    world.commit(f"Say {text}")


def history(world: World) -> dict[str, int | None]:
    return {label: world.label("a", label) for label in ("prod", "prod.previous", "prod.released")}


@pytest.fixture
def two_live(released: World) -> World:
    """v1 and v2 of ``a`` were live, one after the other."""
    change(released, "welcome")
    released.ok("deploy")
    assert history(released) == {"prod": 2, "prod.previous": 1, "prod.released": 2}
    released.forget()
    return released


# -- on hold --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3])
def test_wherever_the_label_was_moved_in_the_dashboard_its_release_is_on_hold(
    released: World, version: int
) -> None:
    for text in ("welcome", "good day"):
        change(released, text)
        released.ok("push")
    change(released, "hi")
    released.ok("deploy")
    assert history(released) == {"prod": 4, "prod.previous": 1, "prod.released": 4}
    move_in_dashboard(released, version)
    change(released, "welcome", "b")
    done = released.run("deploy", "--since", "HEAD~1", "--json")
    assert done.code == 0, str(done)
    assert done.document["on_hold"] == [{"name": "a", "version": 4, "released": version, "touched": False}]
    assert (released.label("a", "prod"), released.label("b", "prod")) == (version, 2)
    change(released, "new words")
    assert released.run("deploy", "--json").document["on_hold"] == []
    assert released.label("a", "prod") == 5


def test_a_first_release_that_was_moved_back_is_on_hold_too(world: World) -> None:
    world.write("e", "One")
    world.commit("Add e")
    world.ok("push")
    change(world, "welcome")
    world.ok("push")
    world.ok("deploy")
    change(world, "hi")
    world.ok("deploy")
    world.ok("label", "delete", "a", "prod", "-y")
    world.ok("label", "set", "a", "prod")
    assert history(world)["prod.previous"] is None
    move_in_dashboard(world, 1)
    assert [one["name"] for one in world.run("deploy", "--json").document["on_hold"]] == ["a"]


def test_a_label_that_was_removed_in_the_dashboard_does_not_come_back_by_itself(two_live: World) -> None:
    found = map(parse.label, two_live.call("GET", "/prompt-templates/labels").body["release_labels"])
    (label_id,) = (one.label_id for one in found if (one.prompt_name, one.name) == ("a", "prod"))
    assert two_live.call("DELETE", f"/prompt-labels/{label_id}").status == 200
    change(two_live, "welcome", "b")
    done = two_live.run("deploy", "--since", "HEAD~1")
    assert done.code == 0 and "on hold  a: v2 has the text of the file, but prod was removed" in done.out
    assert (two_live.label("a", "prod"), two_live.label("b", "prod")) == (None, 2)
    refused = two_live.run("deploy", "--json")
    assert (refused.code, refused.document["on_hold"][0]["released"]) == (3, None)
    assert refused.document["error"]["hint"] == "promptsync deploy a --label prod --again"
    two_live.ok("deploy", "a", "--again")
    assert history(two_live)["prod"] == 2


def test_a_label_that_promptsync_deleted_leaves_nothing_on_hold(two_live: World) -> None:
    for writes in range(4):  # prod.previous and prod.released, then prod
        dead_after(two_live, writes)
        two_live.run("label", "delete", "a", "prod", "--yes")
        two_live.faults.clear()
        assert two_live.run("deploy", "--json").document["on_hold"] == []
        assert two_live.label("a", "prod") == 2


WAYS_BACK = [
    # prod, prod.previous, prod.released -> where a rollback goes
    ((2, 1, 2), 1),
    ((3, 1, 2), 2),  # moved up in the dashboard, or by a deploy that was killed right after
]


@pytest.mark.parametrize(("at", "version"), WAYS_BACK)
def test_a_rollback_goes_to_what_was_live_before(
    two_live: World, at: tuple[int, int, int], version: int
) -> None:
    two_live.publish("a", "Theirs {name}")
    move_in_dashboard(two_live, at[0])
    two_live.ok("rollback", "a")
    assert two_live.label("a", "prod") == version


# -- killed in between ----------------------------------------------------------------------------------


# a publish, a run of the evaluation, prod, prod.previous, prod.released
@pytest.mark.parametrize("writes", range(6))
@pytest.mark.parametrize("is_first", [True, False], ids=["after the first", "after another"])
def test_a_killed_deploy_is_finished_by_the_next_and_moved_back_it_is_on_hold(
    released: World, writes: int, is_first: bool
) -> None:
    if not is_first:
        change(released, "welcome")
        released.ok("deploy")
    at = released.version("a")
    change(released, "hi")
    dead_after(released, writes)
    released.run("deploy")
    released.faults.clear()
    done = released.run("deploy", "--json")
    assert (done.code, done.document["on_hold"]) == (0, []), str(done)
    assert history(released) == {"prod": at + 1, "prod.previous": at, "prod.released": at + 1}
    assert released.run("deploy", "--json").document["members"] == []
    move_in_dashboard(released, at)
    assert [one["version"] for one in released.run("deploy", "--json").document["on_hold"]] == [at + 1]
    assert released.label("a", "prod") == at


@pytest.mark.parametrize("writes", [9, 11, 13, 15, 17])  # 5 publishes, 4 runs of checks, 5 x 2 labels
def test_a_killed_first_deploy_is_finished_by_the_next(world: World, writes: int) -> None:
    world.write("e", "Hello")
    world.commit("Add e")
    dead_after(world, writes)
    world.run("deploy")
    world.faults.clear()
    assert world.run("deploy", "--json").document["on_hold"] == []
    assert [world.label(name, "prod") for name in "abcde"] == [1] * 5
    # A first release that was stopped before prod.released is recorded with the next one.
    for name in "abcde":
        change(world, "welcome", name)
    world.ok("deploy")
    for name in "abcde":
        assert world.label(name, "prod") == world.label(name, "prod.released") == 2


def test_a_rollback_that_was_killed_holds_nothing_else(two_live: World) -> None:
    for writes in range(4):  # prod moves, and then prod.previous is made anew with two
        dead_after(two_live, writes)
        two_live.run("rollback", "a")
        two_live.faults.clear()
        held = [one["name"] for one in two_live.run("deploy", "--json").document["on_hold"]]
        assert (held, two_live.label("a", "prod")) == (([], 2) if writes == 0 else (["a"], 1))
        two_live.ok("rollback", "a", "--to", "1")
        assert [one["name"] for one in two_live.run("deploy", "--json").document["on_hold"]] == ["a"]
        two_live.ok("rollback", "a", "--to", "HEAD")


def test_a_release_costs_one_write_more_than_the_labels_that_move(two_live: World) -> None:
    change(two_live, "hi")
    two_live.ok("push")
    two_live.forget()
    two_live.ok("label", "move", "a", "prod")
    assert len(two_live.writes) == 3
    two_live.forget()
    two_live.ok("deploy")
    assert (len(two_live.writes), len(two_live.seen)) == (0, 2)


# -- at the same time -----------------------------------------------------------------------------------


def is_move(seen: Seen) -> bool:
    return seen.method == "PATCH" and seen.path.startswith("/prompt-labels/")


def once(when: Callable[[Seen], bool], act: Callable[[], object], *, after: bool = False) -> Fault:
    """A fault: once, when a request matches, something else happens before it, or ``after`` it."""
    left = [1]

    def react(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if not left or not when(seen):
            return None
        left.clear()
        answer = forward(seen) if after else None
        act()
        return answer

    return react


@pytest.fixture
def other(two_live: World) -> World:
    """Another clone, which has a newer commit; here is an older one, published but not yet released."""
    change(two_live, "older words")
    root = two_live.root.parent / "other"
    shutil.copytree(two_live.root, root)
    world = replace(two_live, root=root, faults=[], seen=[])
    two_live.ok("push")
    change(world, "newer words")
    world.forget()
    return world


def outside(world: World, *arguments: str) -> Callable[[], object]:
    """Run a command line in a process of its own, because this one is in the middle of a run."""
    return lambda: world.apart(*arguments)


@pytest.mark.parametrize("after", [False, True], ids=["before the move", "after the move"])
def test_an_older_deploy_at_the_same_time_says_so_or_loses(
    two_live: World, other: World, after: bool
) -> None:
    two_live.faults.append(once(is_move, outside(other, "deploy"), after=after))
    done = two_live.run("deploy", "--json")
    two_live.faults.clear()
    assert done.code == 3, str(done)
    message = done.document["error"]["message"]
    if after:
        assert "somebody else moved it to v4 in the meantime" in message
        assert two_live.label("a", "prod") == 4
        return
    assert message == (
        "'prod' of 'a' was moved by somebody else, too: "
        "somebody else released v4 at the same time, and it is at v3 now"
    )
    assert done.document["error"]["hint"] == "git pull\npromptsync deploy a --again"
    assert two_live.label("a", "prod.released") == 4
    other.ok("deploy", "a", "--again")
    assert two_live.label("a", "prod") == 4


def test_a_release_over_a_newer_one_is_not_called_released(two_live: World, other: World) -> None:
    two_live.faults.append(once(is_move, outside(other, "deploy")))
    done = two_live.run("deploy")
    assert "  moved  a  prod  v2 -> v3  somebody else released v4 at the same time" in done.out, str(done)
    assert "released  a" not in done.out


def test_a_move_that_was_decided_before_and_comes_after_is_told(two_live: World, other: World) -> None:
    """As an older deploy does that read the label before this one moved it, and moves it afterwards."""
    moves: list[Seen] = []

    def is_last(seen: Seen) -> bool:  # prod, prod.previous, prod.released
        moves.extend([seen] if is_move(seen) else [])
        return len(moves) == 3

    two_live.faults.append(once(is_last, lambda: move_in_dashboard(two_live, 2)))
    done = two_live.run("deploy", "--json")
    two_live.faults.clear()
    assert done.code == 3, str(done)
    assert done.document["error"]["message"].startswith("'prod' of 'a' was not moved: it is at v2")
    assert [one["version"] for one in two_live.run("deploy", "--json").document["on_hold"]] == [3]


@pytest.mark.parametrize("to", [(), ("--to", "1")], ids=["plain", "to a version"])
@pytest.mark.parametrize("after", [False, True], ids=["before the move", "after the move"])
def test_a_rollback_at_the_same_time_wins_or_is_told(
    two_live: World, other: World, after: bool, to: tuple[str, ...]
) -> None:
    rollback = outside(two_live, "rollback", "a", *to, "--yes")
    two_live.faults.append(once(is_move, rollback, after=after))
    done = two_live.run("deploy", "--json")
    two_live.faults.clear()
    assert done.code == 3, str(done)
    message = done.document["error"]["message"]
    if not after:
        assert "somebody else moved it at the same time, and it is at v3 now" in message
        return
    assert "somebody else moved it to v" in message
    assert [one["version"] for one in two_live.run("deploy", "--json").document["on_hold"]] == [3]


def test_a_rollback_says_that_a_deploy_moved_the_label_in_between(two_live: World, other: World) -> None:
    two_live.faults.append(once(is_move, outside(other, "deploy"), after=True))
    done = two_live.run("rollback", "a")
    assert done.code == 3, str(done)
    assert "somebody else moved it to v4 in the meantime" in done.err


@pytest.mark.parametrize(
    "verb", [("push", "--label", "prod", "--skip-checks"), ("label", "move", "a", "prod")]
)
def test_each_verb_that_moves_a_label_up_says_so(
    two_live: World, other: World, verb: tuple[str, ...]
) -> None:
    two_live.faults.append(once(is_move, outside(two_live, "rollback", "a", "--yes")))
    done = two_live.run(*verb)
    two_live.faults.clear()
    assert done.code == 3, str(done)
    assert "somebody else moved it at the same time, and it is at v3 now" in done.out + done.err
