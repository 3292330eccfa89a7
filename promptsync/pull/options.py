"""What was requested of a pull."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What was requested. Empty ``names`` mean every prompt in scope.

    ``passed_over`` says whether versions that were passed over are brought in or left out for good, ``None``
    if neither. ``partial`` writes what can be written and skips the rest.
    """

    names: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    prune: bool = False
    merge: bool = False
    markers: bool = False
    passed_over: bool | None = None
    partial: bool = False
