"""What a deploy did, in full, also when it was stopped in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptsync.deploy.plan import DeployPlan
from promptsync.errors import PromptsyncError
from promptsync.labels.apply import Changed
from promptsync.push.receipt import PushReceipt

if TYPE_CHECKING:
    from promptsync.checks.receipt import Proof


@dataclass(frozen=True, slots=True)
class LiveTime:
    """How long a snippet was live before it was proven, in seconds, and what became of it.

    ``taken_back`` says that what was there before is live again; ``note`` says why not, if it should be.
    """

    name: str
    seconds: float
    taken_back: bool = False
    note: str = ""


@dataclass
class DeployReceipt:
    """``is_released`` says that all was proven and that every label points where it should.

    ``labels`` has what became of the label of each release; it is empty while nothing was tried.
    ``unsettled`` tells what could not be taken back beside those.
    ``interrupted`` is Ctrl-C, ``running`` are the runs of checks that went on then. ``error`` is what stopped
    it half-way otherwise.
    """

    plan: DeployPlan
    push: PushReceipt = field(default_factory=PushReceipt)
    proof: Proof | None = None
    labels: Sequence[Changed] = ()
    live: Sequence[LiveTime] = ()
    unsettled: list[str] = field(default_factory=list)
    running: Sequence[Any] = ()
    is_released: bool = False
    interrupted: bool = False
    error: PromptsyncError | None = None
