"""Ctrl-C, and SIGTERM, in a real process while the registry does not answer: the run ends at once."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from worlds import Reply, Seen, World, asking, fault, template

LONG = 20
"""Seconds: less than a request may take, so that a run which waits for one is found out."""

LISTING = asking("GET", "/prompt-templates?")
VERSION = asking("GET", "resolve_snippets=false")
LATER_PAGE = asking("GET", "page=2")


@contextmanager
def hanging(world: World, matches: Callable[[Seen], bool]) -> Iterator[None]:
    """The registry does not answer what matches."""
    released = threading.Event()

    def hang(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        released.wait(3 * LONG)
        return forward(seen)

    world.faults.append(fault(matches, hang))
    try:
        yield
    finally:
        world.faults.clear()
        released.set()


def until(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not happened() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    assert happened()


FINISHING = r"finishing \d+ requests?; press Ctrl-C again to stop immediately"


def ended(process: subprocess.Popen[str], err: str = "") -> dict[str, object]:
    """The document of a run that ends now."""
    out, shown = process.communicate(timeout=LONG)
    assert process.returncode == 130 and re.fullmatch(err, shown.strip()), out + shown
    document: dict[str, object] = json.loads(out)
    assert document["error"]["code"] == "interrupted"  # type: ignore[index]
    return document


@template
def apart(world: World) -> None:
    """A long list, ten prompts of which changed here, ten there and ten on both sides."""
    for number in range(101):
        world.publish(f"p{number:03}")
    world.ok("pull")
    world.commit()
    for number in range(20):
        world.edit(f"p{number:03}", "Theirs", "Ours")
    world.commit()
    for number in range(10, 30):
        world.publish(f"p{number:03}", "Theirs, again {name}")


@pytest.mark.parametrize(
    ("verb", "matches", "number"),
    [
        ("status", LISTING, signal.SIGTERM),
        ("status", LATER_PAGE, signal.SIGINT),
        ("pull", VERSION, signal.SIGINT),
        ("push", LISTING, signal.SIGINT),
    ],
)
def test_ctrl_c_and_sigterm_while_the_registry_is_read_end_at_once(
    apart: World, verb: str, matches: Callable[[Seen], bool], number: int
) -> None:
    before = apart.files()
    with hanging(apart, matches), apart.started(verb, "--json") as process:
        until(process, lambda: any(map(matches, apart.seen)))
        process.send_signal(number)
        ended(process)
    assert apart.writes == []
    assert apart.files() == before


def test_many_reads_at_once_are_left_too(apart: World) -> None:
    """The first raw read tells the workspace; the others go out together."""
    first = [True]
    lock = threading.Lock()

    def others(seen: Seen) -> bool:
        with lock:
            if VERSION(seen) and first[0]:
                first[0] = False
                return False
        return VERSION(seen)

    with hanging(apart, others), apart.started("status", "--json") as process:
        until(process, lambda: len([one for one in apart.seen if VERSION(one)]) >= 5)
        process.send_signal(signal.SIGINT)
        ended(process)


def test_a_push_that_is_terminated_tells_what_was_done(world: World) -> None:
    names = [f"p{number:02}" for number in range(24)]
    for name in names:
        world.write(name)
    world.commit()
    world.faults.append(fault(asking("POST", "/rest/prompt-templates"), slowly))
    with world.started("push", "--json") as process:
        until(process, lambda: len(world.published) >= 4)
        process.send_signal(signal.SIGTERM)
        document = ended(process, FINISHING)
    told = {one["name"] for one in document["published"]}  # type: ignore[attr-defined]
    assert told == {name for name in names if world.version(name) == 1}
    assert 0 < len(told) < len(names)


def slowly(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
    return replace(forward(seen), delay=0.05)


@pytest.fixture
def staged(world: World) -> World:
    """Sixteen prompts whose next version is under ``staging``, the first one under ``prod``."""
    for number in range(16):
        world.write(f"p{number:02}")
    world.commit()
    world.ok("push", "--label", "prod")
    for number in range(16):
        world.edit(f"p{number:02}", "Hello", "Ciao")
    world.commit()
    world.ok("push", "--label", "staging", "--max-changes", "16")
    world.forget()
    return world


def moves(world: World) -> int:
    return len([one for one in world.writes if one.method == "PATCH" and "label" in one.path])


def test_ctrl_c_while_labels_move_together_moves_back_what_moved(staged: World) -> None:
    staged.faults.append(fault(asking("PATCH", "label"), slowly))
    with staged.started("promote", "staging", "prod", "-y", "--json") as process:
        until(process, lambda: moves(staged) >= 3)
        process.send_signal(signal.SIGINT)
        document = ended(process, FINISHING)
    told = document["labels"]
    assert isinstance(told, list) and len(told) == 16
    assert [one["moved"] for one in told] == [False] * 16
    assert any("moved back" in one["reason"] for one in told)
    assert {staged.label(f"p{number:02}", "prod") for number in range(16)} == {1}
    staged.faults.clear()
    staged.ok("promote", "staging", "prod", "-y")
    assert {staged.label(f"p{number:02}", "prod") for number in range(16)} == {2}
