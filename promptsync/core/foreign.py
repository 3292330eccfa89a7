"""A ``pulled:`` that is not this prompt's: it came along with a copied file, a new name, or another registry.

What was published from a text that includes version N is numbered above N. So where a version up to N was
made from a text that says ``pulled: N`` already, the number means another prompt's versions, or those of
another registry.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from promptsync.core.lineage import LocalHistory, Read, Revision

_MOST = 20
"""Versions below a number that are looked at: each may cost a request, and a wrong number is mostly low."""


def without_foreign(local: LocalHistory, read: Read, limit: int) -> LocalHistory:
    """Return a history without the numbers that cannot be this prompt's in this registry.

    Versions are read, newest first, only while no text that says the number is that version's.
    """
    said = {one.pulled for one in (local.working, *local.revisions) if one is not None}
    void = {one for one in said if one is not None and one <= limit and _is_foreign(local, read, one)}
    return _without(local, void) if void else local


def _is_foreign(local: LocalHistory, read: Read, number: int) -> bool:
    record = local.record
    if record is not None and record.pulled == number:
        return record.version < number
    texts = [one for one in (local.working, *local.revisions) if one is not None and one.pulled == number]
    found = read(number)
    if found is not None and any(one.digest == found.digest for one in texts):
        return False
    for lower in range(number, max(number - _MOST, 0), -1):
        version = read(lower)
        mark = version.mark if version is not None else None
        if mark is None or mark.commit is None or mark.dirty:
            continue
        made = next((one for one in local.revisions if _is_made_by(one, mark.commit)), None)
        if made is not None:
            return made.pulled is not None and made.pulled >= lower
    return False


def _is_made_by(revision: Revision, commit: str) -> bool:
    return any(one.startswith(commit) for one in (revision.commit, *revision.replaced))


def _without(local: LocalHistory, void: Collection[int]) -> LocalHistory:
    working = local.working
    if working is not None and working.pulled in void:
        working = replace(working, pulled=None)
    revisions = tuple(replace(one, pulled=None) if one.pulled in void else one for one in local.revisions)
    return replace(local, working=working, revisions=revisions)
