"""Ten thousand prompts, and a long git history."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks import world
from benchmarks.measure import Row, Run, best, promptsync, python, seconds
from benchmarks.registry import requests, serving

_DIFFERENT = 20
_MEGABYTES = 300


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    count, commits = (1000, 500) if quick else (10_000, 5_000)
    prompts = world.prompts(count)
    unborn = "http://127.0.0.1:1"
    root = world.working_copy(folder / "many", unborn, prompts)
    plain = shutil.copytree(root, folder / "many-without-git")
    commit = world.history(root, prompts, commits)
    world.publish(folder / "many.db", prompts, f"Import ({commit} v1)")
    with serving(folder / "many.db", 0) as url:
        for place in (root, plain):
            (place / "promptsync.yaml").write_text(f'remotes: {{it: {{url: "{url}"}}}}\n', "utf-8")
        yield _nothing_to_do(plain, url, count)
        yield from _twenty(root, plain, folder / "many.db", count, commits)


def _nothing_to_do(root: Path, url: str, count: int) -> Row:
    requests(url)
    (run,) = best(3, lambda: promptsync(root, "status"))
    asked = requests(url) // 3
    (beside,) = best(3, lambda: python("-m", "benchmarks.plain", "status", str(root), url))
    work = float(beside.out)
    most = math.ceil(count / 100) + 1
    return Row(
        f"no-op status, {count:,} prompts",
        f"{seconds(run.seconds)}, {asked} requests, {run.megabytes:.0f} MB",
        f"C-YAML load + digest + list {seconds(work)}: {run.seconds / work:.2f} x",
        f"1.5 x, {most} requests, {_MEGABYTES} MB",
        run.seconds <= 1.5 * work and asked <= most and run.megabytes < _MEGABYTES,
    )


def _twenty(root: Path, plain: Path, database: Path, count: int, commits: int) -> Iterator[Row]:
    changed = world.prompts(_DIFFERENT, edition=2)
    for place in (root, plain):
        world.write_files(place, changed)
    without = _status(plain)
    within = _status(root)
    work = f"{count:,} prompts x {commits:,} commits, {_DIFFERENT} differ"
    yield _history(work, within, without, 1.0)
    # A prompt without a file is looked for in every blob, for its file may have had any path.
    world.publish(database, world.prompts(count + 1)[count:], "By hand")
    yield _history(f"{work}, every blob is read", _status(root), _status(plain), 10.0)


def _status(root: Path) -> Run:
    """Return a first run: without anything that an earlier one would have kept."""
    shutil.rmtree(root / ".promptsync", ignore_errors=True)
    return promptsync(root, "status")


def _history(work: str, within: Run, without: Run, more: float) -> Row:
    return Row(
        work,
        f"{seconds(within.seconds)}, {within.megabytes:.0f} MB",
        f"without history {seconds(without.seconds)}: + {seconds(within.seconds - without.seconds)}",
        f"+ {more:.0f} s, {_MEGABYTES} MB",
        within.seconds <= without.seconds + more and within.megabytes < _MEGABYTES,
    )
