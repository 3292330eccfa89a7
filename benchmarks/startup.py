"""What needs no registry: the start, and lint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import world
from benchmarks.measure import Row, best, promptsync, python, seconds
from benchmarks.plain import BARE

_ROUNDS = 20


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    yield from _start(folder, 10 if quick else _ROUNDS)
    yield _lint(folder, 200 if quick else 1000)


def _start(folder: Path, rounds: int) -> Iterator[Row]:
    (folder / "bare.py").write_text(BARE, "utf-8")
    bare = f"import sys; sys.path.insert(0, {str(folder)!r}); from bare import main; main(sys.argv[1:])"
    for option in ("--version", "--help"):
        ours, theirs = best(
            rounds,
            lambda option=option: promptsync(folder, option),  # type: ignore[misc]
            lambda option=option: python("-c", bare, option),  # type: ignore[misc]
        )
        ratio = ours.seconds / theirs.seconds
        yield Row(
            option,
            seconds(ours.seconds),
            f"bare click program {seconds(theirs.seconds)}: {ratio:.2f} x",
            "1.3 x",
            ratio <= 1.3,
        )


def _lint(folder: Path, files: int) -> Row:
    root = world.working_copy(folder / "lint", "http://127.0.0.1:1", world.prompts(files))
    ours, plain, start = best(
        5,
        lambda: promptsync(root, "lint"),
        lambda: python("-m", "benchmarks.plain", "lint", str(root / "prompts")),
        lambda: promptsync(root, "--version"),
    )
    work = float(plain.out)
    allowed = 1.5 * work + start.seconds
    return Row(
        f"lint, {files:,} files",
        seconds(ours.seconds),
        f"C-YAML load + jinja2 parse {seconds(work)}: {(ours.seconds - start.seconds) / work:.2f} x + start",
        f"1.5 x + start: {seconds(allowed)}",
        ours.seconds <= allowed,
    )
