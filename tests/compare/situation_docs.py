"""The manual's page of situations and faults, generated from the tables that the tests go through.

``python tests/compare/situation_docs.py`` generates it again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "situations.md"

sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / one) for one in ("", "registry", "compare", "push"))]

from fault_table import FATES, OTHERS, READ_CODE, READS  # noqa: E402
from situation_table import HISTORIES, SITUATIONS, Does, History, Situation  # noqa: E402

HEAD = """\
# What happens when

What `status`, `push`, `pull` and `deploy` do in each situation. A test plays every row, with real git and
the embedded registry. Exit codes other than 0 are in brackets.

## Who changed what

Version 1 was published from a commit that everybody has, and `prod` points at it. A and B are clones on
`main`, W is on a branch. Then this happened:

| what happened | `status` | `push` | `pull` | `pull --merge` | `deploy --label prod` | passed over |
|---|---|---|---|---|---|---|
"""

LEGEND = """
* `push` and `deploy`: `v2`, `v4^2` and so on are the [mark](who-changed-what.md#versions-form-a-graph) at
  the end of the version's message. `v2` includes the version before it. `v4^2` includes version 2 but not
  version 3. `v4^3^2` includes both. `+` means that the text was not committed.
* `pull --merge`: whose changes the file contains afterwards, and which versions its `synced:` names. `theirs`
  is the registry's text.
* `deploy`: what a deploy of this text does once it is committed.
* passed over: the versions that the latest one does not include, as `status` lists them.

## Other situations

A prompt was committed and published as version 1. Then this happened:

| what happened | `status` | `push` | `pull` |
|---|---|---|---|
"""

MIDDLE = """
To settle `diverged`, use `pull --merge`, `pull --theirs`, `pull --ours` or `push NAME --force`.
To settle `conflict`, edit the file: choose a side and delete the marker lines.

## A publish that goes wrong

This happens to one prompt among several; the others are published anyway. promptsync looks up what arrived
before it sends anything again. The next push publishes the rest, and nothing twice.

| what happens | exit | sent | what the push reports |
|---|---|---|---|
"""

READING = f"""
## A read that goes wrong

If one of these happens while promptsync reads, no command changes your files or the registry. The exit code
is {READ_CODE}.

"""

REST = """
## Everything else

| what happens | exit | what promptsync reports |
|---|---|---|
"""


def lines() -> Iterator[str]:
    yield HEAD
    for history in HISTORIES:
        yield _row(history.what, *_cells(history))
    yield LEGEND
    for row in SITUATIONS:
        yield _row(row.what, _states(row), _does(row.push), _does(row.pull))
    yield MIDDLE
    for what, fate in FATES.items():
        times = {1: "once", 2: "twice", 3: "three times"}[fate.sent]
        yield f"| {what} | {fate.code} | {times} | {fate.told} |\n"
    yield READING
    for what in READS:
        yield f"* {what}\n"
    yield REST
    for what, code, told, _ in OTHERS:
        yield f"| {what} | {code} | {told} |\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def _cells(row: History) -> Iterator[str]:
    yield f"`{row.state}`"
    yield from map(_does, (row.push, row.pull))
    yield _merge(row.merge)
    yield _does(row.deploy)
    yield ", ".join(f"v{number}" for number in row.passed_over) or "-"


def _states(row: Situation) -> str:
    if row.states is None:
        return _does(row.push)
    if not row.states:
        return "does not list it"
    found = [state for state in row.states.values() if state != "in-sync"]
    code = " [1]" if "invalid" in found else ""
    return (", ".join(f"`{state}`" for state in found) or "`in-sync`") + code


def _merge(does: Does) -> str:
    keys = ", ".join(map(str, does.keys))
    return f"{does.text}, `synced:` {keys}" if does.text else "unchanged"


def _does(does: Does) -> str:
    if does.code:
        return f"refuses: `{does.error}` [{does.code}]"
    done = [f"publishes `{does.mark}`"] if does.mark else [f"publishes v{one}" for one in does.published]
    done += [f"writes v{one}" for one in does.written]
    done += [f"moves `prod` to v{does.label}"] if does.label is not None else []
    return ", ".join([*done, *([does.note] if does.note else [])]) or "nothing"


def page() -> str:
    """The whole page as Markdown."""
    return "".join(lines())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
