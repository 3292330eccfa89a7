"""A promptsync in a process of its own that is stopped with Ctrl-C while the registry does not answer."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from worlds import Reply, Seen, World, fault

FINISHING = re.compile(r"finishing \d+ requests?; press Ctrl-C again to stop immediately\n")


@contextmanager
def held(world: World, matches: Callable[[Seen], bool]) -> Iterator[threading.Event]:
    """Let the registry do what it is told, and not answer before the event."""
    answer = threading.Event()

    def wait(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        reply = forward(seen)
        answer.wait(120)
        return reply

    world.faults.insert(0, fault(matches, wait))
    try:
        yield answer
    finally:
        answer.set()


def press(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C, and wait until the program says that it finishes what is under way."""
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert FINISHING.fullmatch(process.stderr.readline())


def until(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Wait until something happened, or the program has ended before."""
    end = time.monotonic() + 120
    while not happened() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The one document of a run that was interrupted and ends now."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and (not err.strip() or FINISHING.fullmatch(err)), out + err
    document: dict[str, Any] = json.loads(out)
    assert (document["exit_code"], document["error"]["code"]) == (130, "interrupted")
    return document
