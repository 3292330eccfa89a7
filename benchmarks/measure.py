"""Running child processes and judging what they took."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

KEY = {"PROMPTLAYER_API_KEY": "pl_benchmark"}
ROOT = Path(__file__).parents[1]

_UNWANTED = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
"""Some containers set these. Each child would then compile all that it imports."""

CONSOLE_SCRIPT = "import sys; from promptsync.__main__ import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Run:
    """One child process: seconds, peak memory in megabytes, its output, CPU seconds.

    ``requests`` and ``reads``, which are those of one version of one prompt, are what a registry counted.
    ``registry_cpu`` are the CPU seconds of that registry.
    """

    seconds: float
    megabytes: float
    out: str
    cpu: float = 0
    requests: int = 0
    reads: int = 0
    registry_cpu: float = 0


Measure = Callable[[], Run]


def environment() -> dict[str, str]:
    """The environment of each child."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    return {**kept, **KEY, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "CI": "true"}


def python(*arguments: str, codes: Sequence[int] = (0,)) -> Run:
    """Run this Python with arguments. Raises ``RuntimeError`` when it ends in any other code."""
    command = [sys.executable, "-IS", str(ROOT / "benchmarks" / "launch.py"), sys.executable, *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(), text=True, check=True
    )
    out, _, figures = done.stdout.rpartition("\0")
    seconds, memory, cpu, code = map(float, figures.split())
    if code not in codes:
        raise RuntimeError(f"{' '.join(arguments)} ended in {code:.0f}:\n{out}")
    return Run(seconds, memory / (1024 * 1024 if sys.platform == "darwin" else 1024), out, cpu)


def promptsync(root: Path, *arguments: str, codes: Sequence[int] = (0,)) -> Run:
    """Run promptsync, as its console script would, in a directory."""
    return python("-c", CONSOLE_SCRIPT, "-C", str(root), *arguments, codes=codes)


def worst_case(runs: Sequence[Run]) -> Run:
    """Return the quickest run, because noise only ever adds, with the most requests and memory of all."""
    return replace(
        min(runs, key=lambda run: run.seconds),
        megabytes=max(run.megabytes for run in runs),
        requests=max(run.requests for run in runs),
        reads=max(run.reads for run in runs),
    )


def best(times: int, *measures: Measure) -> list[Run]:
    """Take the measures in turn, several times; return the ``worst_case`` of each."""
    taken: list[list[Run]] = [[] for _ in measures]
    for _ in range(times):
        for runs, measure in zip(taken, measures, strict=True):
            runs.append(measure())
    return [worst_case(runs) for runs in taken]
