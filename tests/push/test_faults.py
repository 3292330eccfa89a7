"""Faults between us and the registry: the receipt equals what happened, and nothing is published twice."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from fault_table import FATES, LISTING, READS
from msgspec.structs import replace
from worlds import (
    DROPPED,
    Fault,
    Reply,
    Run,
    Seen,
    World,
    asking,
    changed,
    failing,
    fault,
    late,
    once,
    publishing,
    template,
)


@template
def three(world: World) -> None:
    """``a``, ``b`` and ``c`` in sync, then each changed and committed."""
    for name in "abc":
        world.write(name)
    world.commit("Say hello")
    world.ok("push")
    for name in "abc":
        world.edit(name, "Hello", "Ciao")
    world.commit("Say ciao")


def told(done: Run) -> dict[str, int]:
    """What a receipt says was published."""
    return {one["name"]: one["version"] for one in done.document["published"]}


def happened(world: World) -> dict[str, int]:
    """What really was published by the last push: each name once."""
    found = {name: world.version(name) for name in "abc" if world.version(name) > 1}
    assert all(version == 2 for version in found.values())
    return found


def settles(world: World) -> None:
    """The next push does the rest, and nothing twice."""
    world.faults.clear()
    world.ok("push")
    assert happened(world) == {"a": 2, "b": 2, "c": 2}
    assert set(world.states().values()) == {"in-sync"}


@pytest.mark.parametrize("fate", FATES)
def test_a_publish_is_reported_as_it_happened_and_never_made_twice(three: World, fate: str) -> None:
    row = FATES[fate]
    three.faults.append(row.fault)
    done = three.exits(row.code, "push", "--json")
    assert told(done) == happened(three)
    assert {"a", "c"} <= set(told(done))
    assert three.published.count("b") == row.sent
    assert [one["name"] for one in done.document["failed"]] == ([] if row.code == 0 else ["b"])
    settles(three)


def test_a_time_out_is_read_back_and_never_repeated(three: World) -> None:
    three.timeouts = replace(three.timeouts, answer=1.0)
    three.faults.append(fault(publishing("b"), late(2.0), times=1))
    three.faults.append(fault(publishing("c"), lambda seen, forward: Reply(delay=2.0)))
    done = three.exits(5, "push", "--json")
    assert sorted(three.published) == ["a", "b", "c"]
    assert told(done) == happened(three) == {"a": 2, "b": 2}
    assert [(one["name"], one["unknown"]) for one in done.document["failed"]] == [("c", True)]
    assert "promptsync status" in done.document["error"]["hint"]
    settles(three)


@pytest.mark.parametrize(
    ("by_us", "by_others", "state"),
    [(1, 0, "in-sync"), (0, 1, "diverged"), (1, 1, "behind")],
    ids=["ours, and no read back", "theirs", "ours, and theirs above"],
)
def test_a_lost_answer_is_unknown_where_it_cannot_be_told_and_never_repeated(
    three: World, by_us: int, by_others: int, state: str
) -> None:
    def publish_and_drop(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        for _ in range(by_us):
            forward(seen)
        for _ in range(by_others):
            three.publish("b", "Theirs {name}")
        return DROPPED

    read = asking("GET", f"/prompt-templates/{three.read('b')['id']}?")
    three.faults.append(fault(publishing("b"), publish_and_drop, times=1))
    three.faults.append(
        fault(lambda seen: not by_others and "b" in three.published and read(seen), failing(500))
    )
    before = three.files()
    done = three.exits(5, "push", "--json")
    assert (three.files() == before, three.published.count("b"), {*told(done)}) == (True, 1, {"a", "c"})
    (failed,) = done.document["failed"]
    assert (failed["name"], failed["unknown"]) == ("b", True)
    assert ("v2 was published, by this push or by another user" in failed["reason"]) == (by_others > by_us)
    three.faults.clear()
    assert three.states()["b"] == state


def test_a_race_is_noticed_and_told(three: World) -> None:
    three.faults.append(once(publishing("b"), lambda: three.publish("b", "Theirs {name}")))
    before = three.files()
    done = three.exits(3, "push", "--label", "prod", "--json")
    assert three.files() == before
    error = done.document["error"]
    assert (error["code"], error["hint"]) == ("raced", "promptsync pull --passed-over b")
    assert told(done) == {"a": 2, "b": 3, "c": 2}
    assert [one["name"] for one in done.document["raced"]] == ["b"]
    assert (three.label("a", "prod"), three.label("b", "prod")) == (2, None)
    assert three.text("b", 2) == "Theirs {name}"


def test_the_same_text_published_by_another_clone_right_after_is_no_race(three: World) -> None:
    three.faults.append(once(publishing("b"), lambda: three.publish("b", "Ciao {name}"), after=True))
    done = three.ok("push", "b", "--label", "prod", "--json").document
    assert (done["raced"], three.label("b", "prod")) == ([], 2)
    (published,) = done["published"]
    assert (published["version"], published["passed_over"]) == (2, [])
    (prompt,) = three.ok("status", "b", "--json").document["prompts"]
    assert (prompt["state"], prompt["passed_over"], three.version("b")) == ("in-sync", [], 3)


# -- registries that keep something else ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "key", "field", "state"),
    [
        ("model: {provider: openai, name: gpt-4o}", "metadata", "model", "altered"),
        # tags have no versions: somebody may have taken them away in the dashboard
        ("tags: [support]", "tags", "tags", "behind"),
    ],
)
def test_what_a_registry_drops_is_named_and_not_pushed_for_ever(
    three: World, line: str, key: str, field: str, state: str
) -> None:
    three.edit("b", "name: b", f"name: b\n{line}", commit="Say more")
    three.faults.append(fault(publishing("b"), changed(lambda body: body.pop(key))))
    done = three.exits(5, "push", "--label", "prod", "--json")
    assert told(done) == happened(three)
    (altered,) = done.document["altered"]
    assert altered["name"] == "b" and any(path.startswith(field) for path in altered["fields"])
    assert (three.label("a", "prod"), three.label("b", "prod")) == (2, None)
    assert three.states() == {"a": "in-sync", "b": state, "c": "in-sync"}
    three.forget()
    assert f"skipped  b: {state}, " in three.ok("push").out
    assert three.writes == []


def test_an_unconfirmed_publish_counts_as_published_and_unverified(three: World) -> None:
    lists = iter(range(100))
    three.faults.append(lambda seen, forward: failing(500) if LISTING(seen) and next(lists) >= 2 else None)
    done = three.exits(5, "push", "--json")
    assert told(done) == happened(three) == {"a": 2, "b": 2, "c": 2}
    assert [one["name"] for one in done.document["unverified"]] == ["a", "b", "c"]
    settles(three)


def deleting(seen: Seen) -> bool:
    return seen.method == "DELETE"


ARCHIVINGS = {
    "accepted, and not done": (fault(deleting, Reply({"moved_count": 0})), 5, "has no prompt with the id"),
    "done, and no response": (fault(deleting, DROPPED, times=1, after=True), 0, ""),
    "not done, and no response": (fault(deleting, DROPPED), 5, "lost"),
    "no permission": (fault(deleting, failing(403, "read-only key")), 4, "read-only key"),
}


@pytest.mark.parametrize(("broken", "code", "why"), ARCHIVINGS.values(), ids=ARCHIVINGS)
def test_a_prompt_counts_as_archived_if_the_registry_says_so_or_no_longer_lists_it(
    three: World, broken: Fault, code: int, why: str
) -> None:
    three.git("checkout", "-q", "HEAD~1")
    three.path("b").unlink()
    three.commit("Drop b")
    three.faults.append(broken)
    done = three.exits(code, "push", "b", "--prune", "--yes", "--json")
    assert done.document["archived"] == ([] if why else ["b"])
    assert [(failed["name"], why in failed["reason"]) for failed in done.document["failed"]] == (
        [("b", True)] if why else []
    )
    three.faults.clear()
    if why:
        three.ok("push", "b", "--prune", "--yes")
    assert "b" not in three.states()


def test_a_search_that_misses_a_prompt_does_not_archive_it(three: World) -> None:
    for number in range(100):
        three.publish(f"other/{number}")  # a search costs less than the list from now on
    three.git("checkout", "-q", "HEAD~1")
    three.path("b").unlink()
    three.commit("Drop b")
    nothing = {"items": [], "page": 1, "pages": 0, "per_page": 100, "total": 0, "has_next": False}

    def miss(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        return Reply(nothing) if "name=b" in seen.target and any(map(deleting, three.seen)) else None

    three.faults += [fault(deleting, DROPPED), miss]
    done = three.run("push", "b", "--prune", "--yes", "--json")
    assert (done.code, done.document["archived"]) == (5, []), str(done)


# -- reads that fail: nothing is written ----------------------------------------------------------------


VERBS = ("push", "pull", "status", "diff")


@pytest.mark.parametrize("broken", READS)
def test_what_cannot_be_read_writes_nothing(three: World, broken: str) -> None:
    three.publish("a")
    before = three.files()
    record = (three.root / ".promptsync/record.json").read_bytes()
    three.faults.append(READS[broken])
    for verb in VERBS:
        document = three.exits(4, verb, "--json").document
        assert document["error"]["message"] and [] in document.values()
        assert (three.writes, three.files() == before) == ([], True)
        assert (three.root / ".promptsync/record.json").read_bytes() == record


def test_a_closed_port_and_a_missing_key_exit_4_and_write_nothing(three: World) -> None:
    before = three.files()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for verb in VERBS:
        three.exits(4, verb, "--remote", f"http://127.0.0.1:{port}")
        keyless = three.exits(4, verb, "--json", PROMPTLAYER_API_KEY="")
        assert "PROMPTLAYER_API_KEY" in keyless.document["error"]["hint"]
    assert (three.writes, three.files() == before) == ([], True)


def test_a_key_that_may_only_read_publishes_nothing_and_exits_4(three: World) -> None:
    three.faults.append(fault(publishing(), failing(403, "read-only key")))
    done = three.exits(4, "push", "--json")
    assert told(done) == happened(three) == {}
    assert {one["name"] for one in done.document["failed"]} == {"a", "b", "c"}
    assert "read-only key" in done.document["error"]["message"]
