"""200 prompts in a registry that takes some time to respond."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks import world
from benchmarks.measure import Run, best, promptsync, python, worst_case
from benchmarks.registry import counted, serving, warm
from benchmarks.table import Budget, Row, judged, seconds

COUNT = 200
PAGES = math.ceil(COUNT / 100)


@dataclass(frozen=True, slots=True)
class Place:
    """A working copy whose prompts are all pushed.

    ``sample`` is for how many of them the loop over the SDK runs; its time is multiplied to that for all.
    """

    folder: Path
    root: Path
    url: str
    latency: float
    rounds: int
    sample: int

    def run(self, *arguments: str) -> Run:
        """Run promptsync once, and count its requests."""
        return counted(self.url, lambda: promptsync(self.root, *arguments))

    def title(self, work: str) -> str:
        """Return what a row says of its work."""
        return f"{work} at {self.latency * 1000:.0f} ms"

    def loop(self, what: str, root: Path | None = None, *more: str) -> float:
        """Return the seconds that the loop over the official SDK takes."""
        place = str(root or self.root)
        return float(python("-m", "benchmarks.plain", what, place, self.url, str(self.sample), *more).out)

    def row(self, work: str, run: Run, budget: Budget, loop: float) -> Row:
        """Return the row of a run beside the loop over the SDK."""
        ratio = loop / run.seconds
        sample = "" if self.sample >= COUNT else f" (from {self.sample})"
        compared = f"loop over the SDK {seconds(loop)}{sample}: {ratio:.1f} x faster"
        if budget.seconds is not None:
            budget = replace(budget, rule=f"loop / {loop / budget.seconds:.1f}")
        return judged(self.title(work), run, budget, compared, ratio)


@contextmanager
def pushed(folder: Path, latency: float, rounds: int, sample: int) -> Iterator[Place]:
    """Yield a place with a registry of its own."""
    folder.mkdir()
    with serving(folder / "registry.db", latency) as url:
        root = world.working_copy(folder / "root", url, world.prompts(COUNT))
        world.commit_all(root, "Start")
        promptsync(root, "push")
        # An empty registry cannot be warmed.
        warm(url)
        yield Place(folder, root, url, latency, rounds, sample)


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Yield the rows of status, pull, push, rollback and deploy at 20 ms."""
    rounds, sample = (2, COUNT // 5) if quick else (5, COUNT)
    with pushed(folder / "a", 0.02, rounds, sample) as place:
        yield from no_op(place, Budget(0.32, PAGES + 1))
        yield from pull(place, Budget(1.0, 1.02 * COUNT))
        yield push(place, Budget(1.2, COUNT + 8))
        yield from _rollback(place)
    with pushed(folder / "b", 0.02, rounds, sample) as place:
        yield _deploy(place)


def no_op(place: Place, budget: Budget) -> Iterator[Row]:
    """Yield the rows of status and push where nothing changed."""
    loop = place.loop("sdk-status")
    for verb in ("status", "push"):
        (run,) = best(place.rounds, partial(place.run, verb))
        yield place.row(f"no-op {verb}, {COUNT} prompts", run, budget, loop)


def pull(place: Place, budget: Budget) -> Iterator[Row]:
    """Yield the rows of a first pull into a git repository, and of a second one without its files."""
    first: list[Run] = []
    second: list[Run] = []
    for number in range(place.rounds):
        root = world.working_copy(place.folder / f"pull-{number}", place.url)
        world.commit_all(root, "Start")
        at = replace(place, root=root)
        first.append(at.run("pull"))
        files = list((root / "prompts").rglob("*.yaml"))
        for file in files:
            file.unlink()
        second.append(at.run("pull"))
        if len(files) != COUNT or not all(file.exists() for file in files):
            raise RuntimeError(f"the pulls did not write {COUNT} files")
    run, again = worst_case(first), worst_case(second)
    loop = place.loop("sdk-pull", place.folder / "sdk")
    yield place.row(f"cold pull, {COUNT} prompts", run, budget, loop)
    hits = 1 - again.reads / COUNT
    yield replace(
        judged(
            place.title(f"pull after a pull, {COUNT} files deleted"),
            again,
            Budget(requests=PAGES + 1),
            f"{again.reads} of {COUNT} versions read again: hit rate of the cache {hits:.1%}",
        ),
        ratio=hits,
    )


def push(place: Place, budget: Budget) -> Row:
    """Return the row of a push of changed prompts. The loop over the SDK publishes further versions."""
    runs = []
    for edition in range(2, 2 + place.rounds):
        world.write_files(place.root, world.prompts(COUNT, edition))
        world.commit_all(place.root, f"Edition {edition}")
        runs.append(place.run("push", "--max-changes", str(COUNT)))
    loop = place.loop("sdk-push")
    return place.row(f"push of {COUNT} changed prompts", worst_case(runs), budget, loop)


def _rollback(place: Place) -> Iterator[Row]:
    """Undo the release of the last commit, which changed every prompt, and release it again, in turn."""
    latest = place.rounds + 1
    # The loop over the SDK has published a further version since.
    promptsync(place.root, "label", "set", "*", "prod", "--to", str(latest - 1))
    promptsync(place.root, "label", "move", "*", "prod", "--to", str(latest))
    back, forward = best(
        place.rounds,
        lambda: place.run("rollback", "--label", "prod", "--to", "HEAD~1"),
        lambda: place.run("rollback", "--label", "prod", "--to", "HEAD"),
    )
    loop = place.loop("sdk-rollback", None, str(latest - 1))
    # Five a label: it is read, moved and read back, and labels beside it say what was taken back.
    for run, work in ((back, "rollback"), (forward, "rollback and forward again")):
        yield place.row(f"{work}, {COUNT} labels", run, Budget(3.3, 5 * COUNT + 20), loop)


def _deploy(place: Place) -> Row:
    """Return the row of a deploy of what is released, beside a loop that compares the released versions."""
    promptsync(place.root, "label", "set", "*", "prod", "--to", "1")
    (run,) = best(place.rounds, lambda: place.run("deploy", "--label", "prod"))
    loop = place.loop("sdk-status", None, "prod")
    return place.row(f"no-op deploy, {COUNT} prompts", run, Budget(0.30), loop)
