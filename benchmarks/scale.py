"""Ten thousand prompts, how the work grows with their number, and a long git history."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import world
from benchmarks.measure import Run, best, promptsync, python
from benchmarks.registry import counted, serving
from benchmarks.table import Budget, Row, described, judged, seconds
from promptsync.prompt.prompt import Prompt

_DIFFERENT = 20
_MEGABYTES = 200
_GROWTH = 11
"""The most that ten times as many prompts may cost."""


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    count, commits = (1000, 500) if quick else (10_000, 5_000)
    rounds = 1 if quick else 2
    prompts = world.prompts(count)
    root = world.working_copy(folder / "many", "http://127.0.0.1:1", prompts)
    plain = shutil.copytree(root, folder / "many-without-git")
    commit = world.history(root, prompts, commits)
    world.publish(folder / "many.db", prompts, f"Import ({commit} v1)")
    with serving(folder / "many.db", 0) as url:
        for place in (root, plain):
            world.configure(place, url)
        many, beside = best(
            rounds + 1,
            partial(counted, url, partial(promptsync, plain, "status")),
            partial(python, "-m", "benchmarks.plain", "status", str(plain), url),
        )
        yield _nothing_to_do(many, float(beside.out), count)
        yield _status_growth(folder, prompts, many, rounds)
        yield from _twenty(root, plain, folder / "many.db", (count, commits), rounds)
    yield _pull_growth(folder, (50, 500) if quick else (300, 3000), rounds)


def _nothing_to_do(run: Run, work: float, count: int) -> Row:
    budget = Budget(1.1 * work, math.ceil(count / 100) + 1, _MEGABYTES, rule="1.1 x")
    ratio = run.seconds / work
    compared = f"C-YAML load + digest + list {seconds(work)}: {ratio:.2f} x"
    return judged(f"no-op status, {count:,} prompts", run, budget, compared, ratio)


# -- growth -------------------------------------------------------------------------------------------------


def _status_growth(folder: Path, prompts: Sequence[Prompt], many: Run, rounds: int) -> Row:
    """Compare all prompts with a tenth of them, each above one prompt."""
    taken = []
    for count in (1, len(prompts) // 10):
        place = folder / f"status-{count}"
        with _published(place, prompts[:count]) as url:
            root = world.working_copy(place / "root", url, prompts[:count])
            taken += best(rounds + 1, partial(counted, url, partial(promptsync, root, "status")))
    one, few = taken
    return _growth("no-op status", one, (few, len(prompts) // 10), (many, len(prompts)))


def _pull_growth(folder: Path, counts: tuple[int, int], rounds: int) -> Row:
    taken = []
    for count in (1, *counts):
        place = folder / f"pull-{count}"
        with _published(place, world.prompts(count)) as url:
            roots = (place / f"{number}" for number in range(rounds))
            taken += best(rounds, partial(_cold_pull, roots, url))
    one, few, many = taken
    return _growth("cold pull", one, (few, counts[0]), (many, counts[1]))


def _cold_pull(roots: Iterator[Path], url: str) -> Run:
    root = next(roots)
    world.working_copy(root, url)
    world.commit_all(root, "Start")
    return counted(url, lambda: promptsync(root, "pull"))


@contextmanager
def _published(folder: Path, prompts: Sequence[Prompt]) -> Iterator[str]:
    """Serve a registry that has these prompts."""
    folder.mkdir()
    world.publish(folder / "registry.db", prompts, "Import")
    with serving(folder / "registry.db", 0) as url:
        yield url


def _growth(work: str, one: Run, few: tuple[Run, int], many: tuple[Run, int]) -> Row:
    """Return how much more the larger number costs. CPU time decides: other programs hardly change it."""
    (small, low), (large, high) = few, many
    cpu = (large.cpu - one.cpu) / (small.cpu - one.cpu)
    wall = (large.seconds - one.seconds) / (small.seconds - one.seconds)
    requests = large.requests / small.requests
    return Row(
        f"{work}, from {low:,} to {high:,} prompts at 0 ms",
        described(large),
        f"above one prompt: CPU x {cpu:.1f}, wall time x {wall:.1f}; requests x {requests:.1f}",
        f"CPU x {_GROWTH}, requests x {_GROWTH}",
        max(cpu, requests) <= _GROWTH,
        run=large,
        ratio=cpu,
    )


# -- a long history -----------------------------------------------------------------------------------------


def _twenty(root: Path, plain: Path, database: Path, size: tuple[int, int], rounds: int) -> Iterator[Row]:
    """Compare a working copy with one that has the same files and no history."""
    count, commits = size
    changed = world.prompts(_DIFFERENT, edition=2)
    for place in (root, plain):
        world.write_files(place, changed)
    pair = partial(_status, root), partial(_status, plain)
    yield _history(f"{count:,} prompts x {commits:,} commits, {_DIFFERENT} differ", best(rounds, *pair), 0.5)
    # A prompt without a file is looked for in every blob, because its file may have had any path.
    world.publish(database, world.prompts(count + 1)[count:], "By hand")
    yield _history(f"{count:,} x {commits:,}, every blob is read", best(rounds, *pair), 2.0)


def _status(root: Path) -> Run:
    """Return a first run: without anything that an earlier one would have kept."""
    shutil.rmtree(root / ".promptsync", ignore_errors=True)
    return promptsync(root, "status")


def _history(work: str, runs: Sequence[Run], more: float) -> Row:
    within, without = runs
    budget = Budget(without.seconds + more, megabytes=_MEGABYTES, rule=f"+ {seconds(more)}")
    added = within.seconds - without.seconds
    return judged(work, within, budget, f"without history {seconds(without.seconds)}: {added:+.2f} s")
