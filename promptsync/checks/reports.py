"""Reports of past runs: reading them, and the newest one that ran a version of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptsync.checks.catalogue import Evaluation, PastRun
from promptsync.checks.evaluations import EvaluationRun, as_reported, with_score
from promptsync.registry.errors import NotFound
from promptsync.registry.values import text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_OTHER_PROMPT = "it ran another prompt"


@dataclass(frozen=True, slots=True)
class PastReport:
    """A completed run as its report has it. The score may have to be fetched: ``evaluations.with_score``."""

    run: EvaluationRun
    ran_at: str | None


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """One version of a prompt."""

    name: str
    template_id: int
    version: int


@dataclass(frozen=True, slots=True)
class NewestRun:
    """The newest run of an evaluation that ran a version of a prompt, with its score.

    Without one, ``run`` is ``None`` and ``reason`` says why. ``of_others`` says that all runs that were read
    are of other prompts.
    """

    run: EvaluationRun | None = None
    reason: str = ""
    of_others: bool = False


def read_report(registry: Registry, evaluation: Evaluation, past: PastRun) -> PastReport | None:
    """Return the report of a completed run, ``None`` if it no longer exists. Raises ``RemoteError``."""
    try:
        raw = registry.checks.evaluation(past.id)
    except NotFound:
        return None
    run = as_reported(EvaluationRun(evaluation.name, evaluation.id, past.id), raw)
    report = raw.get("report")
    ran_at = text(report, "created_at") if isinstance(report, dict) else None
    # The score in the list belongs to a run that completed.
    is_known = run.score is not None or run.stopped
    return PastReport(run if is_known else replace(run, score=past.score), ran_at)


def named_version(run: EvaluationRun, name: str, template_id: int) -> tuple[int | None, str]:
    """Return the version of a prompt that a run names, or why it names none."""
    if run.version is not None and run.prompt_id == template_id:
        return run.version, ""
    # A pipeline that pins one version of the prompt can only have run that one.
    pinned = {use.version for use in run.uses if use.prompt == name and use.label is None}
    if len(pinned) == 1 and None not in pinned:
        return pinned.pop(), ""
    if run.version is not None and run.prompt_id is None:
        return None, f"its report names v{run.version}, but not of which prompt"
    if run.prompt_id not in (None, template_id):
        return None, _OTHER_PROMPT
    return None, "its report names no version"


def newest_runs(
    registry: Registry,
    evaluation: Evaluation,
    wanted: Iterable[PromptVersion],
    *,
    most: int,
    counts: Callable[[EvaluationRun], bool] = lambda run: True,
) -> Mapping[PromptVersion, NewestRun]:
    """Return the newest completed run that names each of the wanted versions. Starts nothing.

    Reads the reports of at most ``most`` runs, the newest first, until there is one for each version that
    ``counts``. Raises ``RemoteError``.
    """
    waiting = list(dict.fromkeys(wanted))
    if evaluation.runs is None:
        return dict.fromkeys(waiting, NewestRun(reason="the registry does not list its runs"))
    found: dict[PromptVersion, NewestRun] = {}
    # By version, why each run that was read does not count.
    reasons: dict[PromptVersion, list[str]] = {one: [] for one in waiting}
    for past in evaluation.completed[:most]:
        if not waiting:
            break
        report = read_report(registry, evaluation, past)
        if report is None:
            continue
        for one in tuple(waiting):
            version, reason = named_version(report.run, one.name, one.template_id)
            reasons[one].append(reason)
            if version == one.version and counts(run := _scored(registry, report.run)):
                found[one] = NewestRun(run)
                waiting.remove(one)
    return found | {one: _none(evaluation, reasons[one], most) for one in waiting}


def _scored(registry: Registry, run: EvaluationRun) -> EvaluationRun:
    run = with_score(registry, run)
    if run.error is not None:
        raise run.error
    return run


def _none(evaluation: Evaluation, reasons: list[str], most: int) -> NewestRun:
    """Return why no run that was read counts."""
    unclear = next((reason for reason in reasons if reason not in ("", _OTHER_PROMPT)), None)
    if unclear is not None:
        return NewestRun(reason=unclear)
    of_others = bool(reasons) and all(reason == _OTHER_PROMPT for reason in reasons)
    if len(evaluation.completed) > most:
        return NewestRun(reason=f"none of its newest {most} runs ran it", of_others=of_others)
    return NewestRun(of_others=of_others)
