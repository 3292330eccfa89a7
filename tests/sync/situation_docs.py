"""The manual's page of situations and faults, made from the tables that the tests go through.

``python tests/sync/situation_docs.py`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "situations.md"

sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / one) for one in ("", "remote", "sync"))]

from fault_table import FATES, OTHERS, READ_CODE, READS  # noqa: E402
from situation_table import SITUATIONS, Does, Situation  # noqa: E402

HEAD = """\
# What happens when

Made from the tables that the tests go through (in `tests/sync`). Each row is played in real git against the
embedded registry. Exit codes other than 0 are in brackets.

## Situations

A prompt was committed and published as version 1. Then this happened:

| situation | `status` | `push` | `pull` |
|---|---|---|---|
"""

MIDDLE = """
`diverged` is settled with `pull --merge`, `pull --theirs`, `pull --ours` or `push --force`.

## A publish that goes wrong

One prompt among several; the others are published in any case. What is in doubt is read back before anything
is sent again, and the next push does the rest and nothing twice.

| what happens | exit | sent | what the receipt says |
|---|---|---|---|
"""

READING = f"""
## A read that goes wrong

No verb writes anything then, here or in the registry; each ends with exit code {READ_CODE}.

"""

REST = """
## Everything else

| what happens | exit | what is told |
|---|---|---|
"""


def lines() -> Iterator[str]:
    yield HEAD
    for row in SITUATIONS:
        yield f"| {row.what} | {_states(row)} | {_push(row)} | {_pull(row)} |\n"
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


def _states(row: Situation) -> str:
    if row.states is None:
        return f"refuses: `{row.push.error}` [{row.push.code}]"
    if not row.states:
        return "does not list it"
    found = [state for state in row.states.values() if state != "in-sync"]
    code = " [1]" if "invalid" in found else ""
    return (", ".join(f"`{state}`" for state in found) or "`in-sync`") + code


def _push(row: Situation) -> str:
    done = [f"publishes v{number}" for number in row.push.published]
    return _does(row, row.push, done)


def _pull(row: Situation) -> str:
    done = [f"writes v{number}" for number in row.pull.written]
    return _does(row, row.pull, done)


def _does(row: Situation, does: Does, done: list[str]) -> str:
    if does.code:
        return f"refuses: `{does.error}` [{does.code}]"
    return ", ".join([*done, *([does.after] if does.after else [])]) or "nothing"


def page() -> str:
    """The whole page as Markdown."""
    return "".join(lines())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
