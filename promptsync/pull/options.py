"""What was requested of a pull."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What was requested. Empty ``names`` mean every prompt in scope.

    ``theirs`` and ``ours`` are about all the ``names``. ``passed_over`` says whether versions that were
    passed over are brought in or left out for good, ``None`` if neither; for a prompt in ``versions`` it is
    about that version alone. ``partial`` writes what can be written and skips the rest.
    ``command`` is what was typed.
    """

    names: tuple[str, ...] = ()
    theirs: bool = False
    ours: bool = False
    prune: bool = False
    merge: bool = False
    markers: bool = False
    passed_over: bool | None = None
    partial: bool = False
    command: str = "promptsync pull"
    versions: Mapping[str, int] = field(default_factory=dict)
