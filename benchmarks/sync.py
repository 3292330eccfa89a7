"""200 prompts in a registry that answers after 20 ms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from benchmarks import world
from benchmarks.measure import Row, Run, best, promptsync, python, seconds
from benchmarks.registry import requests, serving

_LATENCY = 0.02
_COUNT = 200


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    rounds = 3 if quick else 5
    with serving(folder / "200.db", _LATENCY) as url:
        root = world.working_copy(folder / "200", url, world.prompts(_COUNT))
        world.commit_all(root, "Start")
        promptsync(root, "push")
        requests(url)
        yield from _nothing_to_do(root, url, rounds)
        yield _pull(folder, url, rounds)
        yield _push(root, url, rounds)
        yield from _rollback(root, url, rounds)


def _nothing_to_do(root: Path, url: str, rounds: int) -> Iterator[Row]:
    loop = _plain("sdk-status", root, url)
    for verb in ("status", "push"):
        requests(url)
        (run,) = best(rounds, lambda verb=verb: promptsync(root, verb))  # type: ignore[misc]
        count = requests(url) // rounds
        most = math.ceil(_COUNT / 100) + 1
        yield Row(
            f"no-op {verb}, {_COUNT} prompts at 20 ms",
            f"{seconds(run.seconds)}, {count} requests",
            _times(loop, run),
            f"0.35 s, {most} requests",
            run.seconds <= 0.35 and count <= most,
        )


def _pull(folder: Path, url: str, rounds: int) -> Row:
    taken: list[float] = []
    requests(url)
    for number in range(rounds):
        root = world.working_copy(folder / f"pull-{number}", url)
        world.commit_all(root, "Start")
        taken.append(promptsync(root, "pull").seconds)
    count = requests(url) // rounds
    run = Run(min(taken), 0, "")
    loop = _plain("sdk-pull", folder / "sdk", url)
    return Row(
        f"cold pull, {_COUNT} prompts at 20 ms",
        f"{seconds(run.seconds)}, {count} requests",
        _times(loop, run),
        f"1.0 s, {_COUNT * 11 // 10} requests",
        run.seconds <= 1.0 and count <= 1.1 * _COUNT,
    )


def _push(root: Path, url: str, rounds: int) -> Row:
    taken: list[float] = []
    counts: list[int] = []
    for edition in range(2, 2 + rounds):
        world.write_files(root, world.prompts(_COUNT, edition))
        world.commit_all(root, f"Edition {edition}")
        requests(url)
        taken.append(promptsync(root, "push", "--max-changes", str(_COUNT)).seconds)
        counts.append(requests(url))
    run = Run(min(taken), 0, "")
    count = max(counts)
    loop = _plain("sdk-push", root, url)
    return Row(
        f"push of {_COUNT} changed prompts at 20 ms",
        f"{seconds(run.seconds)}, {count} requests",
        _times(loop, run),
        f"1.2 s, {_COUNT + 10} requests",
        run.seconds <= 1.2 and count <= _COUNT + 10,
    )


def _rollback(root: Path, url: str, rounds: int) -> Iterator[Row]:
    """Undo the release of the last commit, which changed every prompt, and release it again, in turn."""
    latest = rounds + 1
    # The loop over the SDK has published a further version since.
    promptsync(root, "label", "set", "*", "prod", "--to", str(latest - 1))
    promptsync(root, "label", "move", "*", "prod", "--to", str(latest))
    taken: dict[str, list[Run]] = {"HEAD~1": [], "HEAD": []}
    counts: dict[str, int] = {}
    for _ in range(rounds):
        for ref, runs in taken.items():
            requests(url)
            runs.append(promptsync(root, "rollback", "--label", "prod", "--to", ref))
            counts[ref] = requests(url)
    loop = _plain("sdk-rollback", root, url, str(latest - 1))
    for ref, what in {"HEAD~1": "rollback", "HEAD": "rollback and forward again"}.items():
        run = min(taken[ref], key=lambda run: run.seconds)
        yield Row(
            f"{what}, {_COUNT} labels at 20 ms",
            f"{seconds(run.seconds)}, {counts[ref]} requests",
            _times(loop, run),
            f"3.3 s, {4 * _COUNT + 20} requests",
            run.seconds <= 3.3 and counts[ref] <= 4 * _COUNT + 20,
        )


def _plain(what: str, root: Path, url: str, *more: str) -> float:
    root.mkdir(parents=True, exist_ok=True)
    return float(python("-m", "benchmarks.plain", what, str(root), url, *more).out)


def _times(loop: float, run: Run) -> str:
    return f"loop over the SDK {seconds(loop)}: {loop / run.seconds:.1f} x faster"
