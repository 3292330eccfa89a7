"""The scores of the versions that are live, which new ones must not fall too far below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptsync.checks.assignment import EvaluationCheck
from promptsync.checks.catalogue import Evaluation
from promptsync.checks.evaluations import EvaluationRun
from promptsync.checks.reports import PromptVersion, named_version, newest_runs

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

MOST = 50
"""How many runs of an evaluation are read at most."""

_DECIMALS = 6
"""Scores are decimal numbers, and a difference of two must not fail because of how floats round."""


@dataclass(frozen=True, slots=True)
class LiveScore:
    """The score of the version of a prompt that is live, by its newest run that has one.

    ``reason`` is why there is no score to compare with. ``version`` is ``None`` if no version is live.
    """

    prompt: str
    template_id: int
    version: int | None = None
    score: float | None = None
    reason: str = ""

    def drop(self, score: float | None) -> float | None:
        """Return how far a score is below this one, negative if it is higher; ``None`` if one is unknown."""
        if score is None or self.score is None:
            return None
        return round(self.score - score, _DECIMALS)


@dataclass(frozen=True, slots=True)
class Releases:
    """What a deploy checks: by prompt the version to release, the one that is live (if any), and the id."""

    versions: Mapping[str, int]
    live: Mapping[str, int | None]
    template_ids: Mapping[str, int]


def live_scores(
    registry: Registry, check: EvaluationCheck, evaluation: Evaluation, releases: Releases
) -> tuple[LiveScore, ...]:
    """Return the scores of the live versions of the prompts that an evaluation checks. Starts nothing.

    Only runs with a score and without failed cells count. Raises ``RemoteError``.
    """
    known = [name for name in check.prompts if name in releases.live and name in releases.template_ids]
    wanted = {
        name: PromptVersion(name, releases.template_ids[name], live)
        for name in known
        if (live := releases.live[name]) is not None and live != releases.versions.get(name)
    }
    newest = newest_runs(registry, evaluation, wanted.values(), most=MOST, counts=_is_clean)

    def score(name: str) -> LiveScore:
        template_id, live = releases.template_ids[name], releases.live[name]
        if name not in wanted:
            why = f"{name} is not live yet" if live is None else f"{name} v{live} is live already"
            return LiveScore(name, template_id, live, reason=why)
        found = newest[wanted[name]]
        if found.run is None:
            why = f"{name} v{live} is live, and {found.reason or 'no run of it has a score'}"
            return LiveScore(name, template_id, live, reason=why)
        return LiveScore(name, template_id, live, found.run.score)

    return tuple(score(name) for name in known)


def _is_clean(run: EvaluationRun) -> bool:
    return run.score is not None and not run.failed_cells


def compared_with(run: EvaluationRun, live: Sequence[LiveScore]) -> LiveScore | None:
    """Return with which of some live scores a run is compared: the highest of the prompts that it names."""
    if len(live) > 1:
        named = [one for one in live if named_version(run, one.prompt, one.template_id)[0] is not None]
        if not named:
            names = ", ".join(one.prompt for one in live)
            return LiveScore("", 0, reason=f"the report names none of {names}")
        live = named
    return max(live, key=lambda one: -1.0 if one.score is None else one.score, default=None)
