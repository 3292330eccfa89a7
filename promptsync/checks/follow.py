"""Starts runs together, and polls them until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from promptsync.checks import agents, evaluations
from promptsync.checks.catalog import Kind
from promptsync.checks.run import Run, Status
from promptsync.errors import RemoteError
from promptsync.parallel import for_each, mapped

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

TIMEOUT: Final = 1800.0
"""How many seconds to wait for runs by default."""

_FIRST_PAUSE: Final = 0.1
_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 5.0

_HOW: Final[Mapping[Kind, Any]] = {"evaluation": evaluations, "agent": agents}
"""The module with ``start``, ``poll`` and ``complete`` of each kind but tables."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are (0: not known yet)."""

Runs = MutableSequence[Run]
"""Runs whose states are replaced as soon as they are known, so that Ctrl-C loses none of them."""


def run_together(registry: Registry, runs: Runs, *, timeout: float, progress: Progress, what: str) -> bool:
    """Start runs, and wait until they have ended; with a ``timeout`` of 0 only start them.

    Returns false after Ctrl-C: runs that were started continue in the registry.
    """

    def start(index: int) -> None:
        run = replace(runs[index], begun=time.monotonic())
        try:
            runs[index] = _timed(_HOW[run.kind].start(registry, run))
        except RemoteError as error:
            runs[index] = run.start_failed(error)

    try:
        for_each(start, range(len(runs)))
    except KeyboardInterrupt:
        return False
    return not timeout or follow(registry, runs, timeout=timeout, progress=progress, what=what)


def follow(
    registry: Registry,
    runs: Runs,
    *,
    timeout: float,
    progress: Progress,
    what: str,
    how: Sequence[Any] = (),
) -> bool:
    """Wait until runs that were started have ended; with a ``timeout`` of 0, poll them once.

    ``how`` has what polls each of them, if not the module of its kind. Returns false if Ctrl-C cut it short.
    """
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE

    def poll(index: int) -> None:
        run = runs[index]
        try:
            run = _how(how, index, run).poll(registry, run)
        except RemoteError as error:
            run = replace(run, error=error, status=Status.UNREADABLE)
        runs[index] = _timed(run)

    def complete(index: int) -> None:
        run = runs[index]
        if timeout and run.is_under_way:
            run = _timed(replace(run, status=Status.TIMED_OUT))
        runs[index] = run if run.is_under_way else _how(how, index, run).complete(registry, run)

    try:
        while True:
            mapped(poll, [index for index, run in enumerate(runs) if run.is_under_way])
            shares = [run.progress for run in runs]
            failed = sum(run.failed for run in runs)
            doing = f"{what}, {failed} failed" if failed else what
            progress(doing, sum(ended for ended, _ in shares), sum(total for _, total in shares))
            rest = deadline - time.monotonic()
            if rest <= 0 or not any(run.is_under_way for run in runs):
                break
            time.sleep(min(pause, rest))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        mapped(complete, range(len(runs)))
    except KeyboardInterrupt:
        return False
    return True


def _how(how: Sequence[Any], index: int, run: Run) -> Any:
    return how[index] if how else _HOW[run.kind]


def _timed(run: Run) -> Run:
    """Return a run that has ended with the time that it took."""
    if run.is_under_way or run.begun is None:
        return run
    return replace(run, seconds=time.monotonic() - run.begun)
