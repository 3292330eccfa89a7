"""A promptsync in a process of its own that is stopped with Ctrl-C while the registry does not answer."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worlds import KEY, Reply, Seen, World, fault

FINISHING = re.compile(r"finishing \d+ requests? that (is|are) under way; Ctrl-C again stops at once\n")


@contextmanager
def started(world: World, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environ = {
        **os.environ,
        "CI": "1",
        "PROMPTLAYER_API_KEY": KEY,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "promptsync", "-C", str(world.root), *arguments]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


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
