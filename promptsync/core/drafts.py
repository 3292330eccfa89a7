"""Which versions were written in the registry's own pages and passed over by a release since.

A version without a mark of its own is a *draft*: no commit published it. The next marked version above it
tells what became of it:

* a clean mark: whoever published that version had the draft in the file, for a push refuses else;
* a mark with ``+``: it was published without, over the draft. The draft is *superseded*;
* none: nothing covers it, the prompt is simply behind, and a pull brings it.

What lies higher does not matter. A clean mark above a ``+`` vouches for the text of the ``+`` and for drafts
between the two, and that text is the very one that lacks the older draft; so is what somebody edits in the
registry on top of it. Superseded drafts stay so until the files answer for them: ``pulled: N`` says that a
text includes the versions up to N, or that whoever wrote it knew them and left them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptsync.core.message import Mark, parse_mark


@dataclass(frozen=True, slots=True)
class Run:
    """Drafts directly above one another, lowest first.

    ``covered_by`` is the version that was published over them, ``below`` the one that they started from.
    """

    drafts: tuple[int, ...]
    below: int | None
    covered_by: int


def own_mark(version: int, message: str | None) -> Mark | None:
    """Return the mark of a version, ``None`` where there is none or where it was copied from another's."""
    mark = parse_mark(message)
    return mark if mark is not None and mark.version == version else None


def superseded_runs(messages: Mapping[int, str | None], answered: int = 0) -> list[Run]:
    """Return the superseded drafts above the version ``answered``, as runs, lowest first.

    ``messages`` are those of all versions above ``answered`` by number, without versions that are gone.
    ``below`` is ``answered`` where a run begins right above it, ``None`` where nothing is known below.
    """
    runs: list[Run] = []
    drafts: list[int] = []
    below = answered or None
    for version in sorted(number for number in messages if number > answered):
        mark = own_mark(version, messages[version])
        if mark is None:
            drafts.append(version)
            continue
        if drafts and mark.dirty:
            runs.append(Run(tuple(drafts), below, version))
        below, drafts = version, []
    return runs
