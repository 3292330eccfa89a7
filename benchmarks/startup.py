"""What needs no registry: the start, lint, and lint as a hook."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from benchmarks import world
from benchmarks.measure import ROOT, Row, best, promptsync, python, seconds
from benchmarks.plain import BARE

_ROUNDS = 20
_CHANGED = 100


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    yield from _start(folder, 10 if quick else _ROUNDS)
    yield _lint(folder, 200 if quick else 1000)
    yield _hook(folder, 400 if quick else 2000)


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


def _hook(folder: Path, files: int) -> Row:
    """Run the hook as pre-commit does, for changed files among many, beside lint of the same files."""
    root = world.working_copy(folder / "hook", "http://127.0.0.1:1", world.prompts(files))
    (hook,) = [
        one
        for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
        if one["id"] == "promptsync-lint"
    ]
    # As it is shipped, but with this promptsync: pre-commit would build an environment for it first.
    entry = shlex.join(
        [sys.executable, "-c", "import sys; from promptsync.cli import main; main(sys.argv[1:])"]
    )
    local = {"repo": "local", "hooks": [{**hook, "language": "system", "entry": f"{entry} lint"}]}
    (root / ".pre-commit-config.yaml").write_text(json.dumps({"repos": [local]}), "utf-8")
    world.commit_all(root, "Import")
    changed = [str(root / world.path_of(number)) for number in range(_CHANGED)]
    run = ["run", "promptsync-lint", "--config", str(root / ".pre-commit-config.yaml"), "--files", *changed]
    enter = "import os, sys; os.chdir(sys.argv.pop(1)); from pre_commit.main import main; sys.exit(main())"
    ours, bare, everything = best(
        5,
        lambda: python("-c", enter, str(root), *run),
        lambda: promptsync(root, "lint", *changed),
        lambda: promptsync(root, "lint"),
    )
    if "Passed" not in ours.out or f"{_CHANGED} files checked" not in bare.out:
        raise RuntimeError(f"the hook did not check the files:\n{ours.out}{bare.out}")
    ratio = ours.seconds / bare.seconds
    return Row(
        f"pre-commit, {_CHANGED} changed of {files:,} files",
        seconds(ours.seconds),
        f"lint of these {seconds(bare.seconds)}: {ratio:.2f} x; of all {seconds(everything.seconds)}",
        "2 x lint of these",
        ratio <= 2,
    )
