"""What needs no registry: the start, lint, and lint as a hook."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from benchmarks import world
from benchmarks.measure import CONSOLE_SCRIPT, ROOT, Run, best, promptsync, python
from benchmarks.plain import BARE
from benchmarks.table import Budget, Row, judged, seconds

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
            partial(promptsync, folder, option),
            partial(python, "-c", bare, option),
        )
        ratio = ours.seconds / theirs.seconds
        budget = Budget(1.2 * theirs.seconds, rule="1.2 x")
        yield judged(
            option, ours, budget, f"bare click program {seconds(theirs.seconds)}: {ratio:.2f} x", ratio
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
    ratio = (ours.seconds - start.seconds) / work
    return judged(
        f"lint, {files:,} files",
        ours,
        Budget(1.1 * work + start.seconds, rule="1.1 x + start"),
        f"C-YAML load + jinja2 parse {seconds(work)}: {ratio:.2f} x + start",
        ratio,
    )


def _hook(folder: Path, files: int) -> Row:
    """Run the hook as pre-commit does, for changed files among many, beside a hook that does nothing."""
    root = world.working_copy(folder / "hook", "http://127.0.0.1:1", world.prompts(files))
    (hook,) = [
        one
        for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
        if one["id"] == "promptsync-lint"
    ]
    # As it is shipped, but with this promptsync: pre-commit would build an environment for it first.
    hook = {**hook, "language": "system", "entry": shlex.join([sys.executable, "-c", CONSOLE_SCRIPT, "lint"])}
    nothing = {**hook, "id": "nothing", "entry": "true"}
    config = root / ".pre-commit-config.yaml"
    config.write_text(json.dumps({"repos": [{"repo": "local", "hooks": [hook, nothing]}]}), "utf-8")
    world.commit_all(root, "Import")
    changed = [str(root / world.path_of(number)) for number in range(_CHANGED)]
    enter = "import os, sys; os.chdir(sys.argv.pop(1)); from pre_commit.main import main; sys.exit(main())"

    def run(hook: str) -> Run:
        return python("-c", enter, str(root), "run", hook, "--config", str(config), "--files", *changed)

    ours, floor, bare = best(
        5,
        lambda: run("promptsync-lint"),
        lambda: run("nothing"),
        lambda: promptsync(root, "lint", *changed),
    )
    if "Passed" not in ours.out or "Passed" not in floor.out or f"{_CHANGED} files checked" not in bare.out:
        raise RuntimeError(f"the hooks did not check the files:\n{ours.out}{floor.out}{bare.out}")
    return judged(
        f"pre-commit, {_CHANGED} changed of {files:,} files",
        ours,
        Budget(0.6),
        f"a hook that does nothing {seconds(floor.seconds)}; lint of these alone {seconds(bare.seconds)}",
        ours.seconds / floor.seconds,
    )
