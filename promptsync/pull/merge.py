"""Merges versions into the text of a file, one after the other. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from promptsync.compare.conflict import edit
from promptsync.errors import Refused
from promptsync.prompt.prompt import Prompt

if TYPE_CHECKING:
    from promptsync.prompt.merge import FieldConflict


class MergeStep(Struct, frozen=True):
    """A version to merge, and the version that it was made from, ``None`` without one.

    ``theirs`` is ``None`` if the registry no longer has the version. ``is_passed_over`` says that a later
    version passed it over.
    """

    version: int
    base: Prompt | None
    theirs: Prompt | None
    is_passed_over: bool = False


class Unmerged(Struct, frozen=True):
    """A prompt that does not merge with the ``version`` of the registry, field by field."""

    name: str
    path: str
    version: int
    conflicts: tuple[FieldConflict, ...]
    is_passed_over: bool = False

    @property
    def is_markable(self) -> bool:
        """Whether conflict markers in its texts show every conflict."""
        return all(conflict.markable for conflict in self.conflicts)


class MergeConflict(Refused):
    """Prompts that do not merge; ``unmerged`` has their fields."""

    code = "merge-conflict"

    def __init__(self, unmerged: Sequence[Unmerged], *, marked: bool) -> None:
        self.unmerged = tuple(unmerged)
        fields = sum(len(prompt.conflicts) for prompt in unmerged)
        places = f"{fields} place" if fields == 1 else f"{fields} places"
        self.reason = f"both sides changed the same text in {places}"
        """Why these prompts do not merge."""
        if all(prompt.is_passed_over for prompt in unmerged):
            versions = f"passed-over v{unmerged[0].version} does"
            several = "passed-over versions do"
            self.reason = f"{versions if len(unmerged) == 1 else several} not merge in {places}"
        names = ", ".join(repr(prompt.name) for prompt in unmerged[:3])
        more = f" and {len(unmerged) - 3} more" if len(unmerged) > 3 else ""
        result = "the files have conflict markers" if marked else "nothing was written"
        hint = edit(unmerged[0].path) if marked else _ways_out(unmerged)
        super().__init__(f"{names}{more}: {self.reason}; {result}", hint=hint)


def _ways_out(unmerged: Sequence[Unmerged]) -> str:
    is_passed_over = unmerged[0].is_passed_over
    alike = [prompt for prompt in unmerged if prompt.is_passed_over == is_passed_over]
    names = shlex.join(prompt.name for prompt in alike)
    is_markable = all(prompt.is_markable for prompt in alike)
    if is_passed_over:
        meant = f"{names}@{alike[0].version}" if len(alike) == 1 else names
        first = f"pull {meant} --passed-over --markers" if is_markable else f"diff {names}"
        return f"promptsync {first}\npromptsync pull {meant} --no-passed-over"
    ways = [f"promptsync pull {names} {way}" for way in ("--merge --markers", "--theirs", "--ours")]
    return "\n".join(ways[:2] if is_markable else ways[1:])


def merge_steps(
    text: Prompt, path: str, steps: Sequence[MergeStep]
) -> tuple[Prompt, Sequence[MergeStep], Unmerged | None]:
    """Merge steps into the text of the file at ``path``, up to the first that does not merge.

    Returns the text, the steps that it includes, and what does not merge: then the last step has conflict
    markers, as far as these can show its conflicts.
    """
    from promptsync.prompt.merge import merge  # only some pulls merge

    for place, step in enumerate(steps, 1):
        if step.theirs is None:
            continue
        side = f"v{step.version}" if step.is_passed_over else f"registry v{step.version}"
        result = merge(step.base, text, step.theirs, names=("yours", side))
        text = result.prompt
        if result.conflicts:
            unmerged = Unmerged(text.name, path, step.version, result.conflicts, step.is_passed_over)
            return text, steps[:place], unmerged
    return text, steps, None
