"""What the versions of a prompt scored: the past runs of its evaluations, tied to what they ran."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from promptsync.checks.catalogue import Evaluation, PastRun, list_evaluations
from promptsync.checks.reports import EvaluationRun, as_reported, with_score
from promptsync.checks.select import select_checks
from promptsync.compare.select import NoSuchPrompt, find_prompt
from promptsync.errors import RemoteError
from promptsync.files.worktree import scan
from promptsync.inspect.log import LoggedVersion, read_log
from promptsync.parallel import mapped
from promptsync.registry.errors import NotFound
from promptsync.registry.promptlayer.parse import text

if TYPE_CHECKING:
    from promptsync.compare.project import Project
    from promptsync.registry.protocol import Registry

NEWEST = 50
"""How many runs of each evaluation are read unless somebody wants more."""

_ENDED = "COMPLETED"


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A run that has ended, and the score that it gave; ``version`` is what it ran of the prompt.

    ``reason`` says why that is not known. ``change`` is from the run that counts for the version before;
    only the newest run of a version counts.
    """

    evaluation: str
    evaluation_id: int
    report_id: int
    ran_at: str | None
    score: float | None
    failed_cells: int = 0
    version: int | None = None
    reason: str = ""
    counts: bool = False
    change: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One evaluation of the prompt: ``runs`` of known versions, by version and then by age, oldest first."""

    evaluation: str
    min_score: float | None
    runs: tuple[ScoredRun, ...]

    @property
    def points(self) -> tuple[ScoredRun, ...]:
        """The run that counts for each version."""
        return tuple(run for run in self.runs if run.counts)


@dataclass(frozen=True, slots=True)
class History:
    """The scores of one prompt. ``apart`` are runs that do not tell a version of it, or have no score.

    ``versions`` are those that a run names, where the registry still has them. ``missing`` are evaluations
    that files name and the registry does not have; ``unread`` counts older runs, ``unfinished`` those that
    have not ended.
    """

    name: str
    series: tuple[Series, ...]
    versions: Mapping[int, LoggedVersion]
    apart: tuple[ScoredRun, ...] = ()
    missing: tuple[str, ...] = ()
    unread: int = 0
    unfinished: int = 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Evaluations whose runs are read, with their minima; ``named`` are those that files name for it."""

    evaluations: tuple[Evaluation, ...]
    minima: Mapping[int, float | None]
    named: frozenset[int]
    missing: tuple[str, ...]


def score_history(project: Project, name: str, *, newest: int = NEWEST) -> History:
    """Read what the ``newest`` runs of each evaluation of a prompt scored. Starts nothing.

    Its evaluations are those that its file and the configuration name, else all that ran it. Raises
    ``NoSuchPrompt``, and ``RemoteError`` where the registry does not list runs.
    """
    registry = project.registry
    listed = _find(project, name)
    wanted = _wanted(project, name, listed.template_id)
    past = {
        one.id: [run for run in one.runs or () if run.status.upper() == _ENDED] for one in wanted.evaluations
    }
    chosen = [(one, run) for one in wanted.evaluations for run in past[one.id][:newest]]
    read = mapped(lambda pair: _read(registry, *pair, name, listed.template_id), chosen)
    runs = [run for run in read if run.version is not None or run.evaluation_id in wanted.named]
    told = [run for run in runs if run.version is not None and run.score is not None]
    series = [_series(one, wanted.minima.get(one.id), told) for one in wanted.evaluations]
    return History(
        name,
        tuple(one for one in series if one.runs),
        _versions(project, name, listed.version, told),
        tuple(run for run in runs if run.version is None or run.score is None),
        wanted.missing,
        unread=sum(max(0, len(ended) - newest) for ended in past.values()),
        unfinished=sum(len(one.runs or ()) - len(past[one.id]) for one in wanted.evaluations),
    )


def _find(project: Project, name: str) -> Any:
    try:
        return find_prompt(project, name)
    except NoSuchPrompt as error:
        if any(one.name == name for one in list_evaluations(project.registry)):
            hint = "that is an evaluation; --history wants the name of a prompt that it proves"
            raise NoSuchPrompt(error.message, hint=hint) from None
        raise


def _wanted(project: Project, name: str, template_id: int) -> _Wanted:
    files = scan(project.root, project.config.prompts).files
    checks = {one.evaluation: one for one in select_checks([name], files, project.config).evaluations}
    known = list_evaluations(project.registry, runs=True)
    if known and all(one.runs is None for one in known):
        raise RemoteError(
            f"{project.registry.url} does not list the runs of its evaluations", code="unsupported"
        )
    named = {key: _called(key, known) for key in checks}
    found = tuple(dict.fromkeys(one for ones in named.values() for one in ones))
    minima = {one.id: checks[key].min_score for key, ones in named.items() for one in ones}
    missing = tuple(key for key, ones in named.items() if not ones)
    if found:
        return _Wanted(found, minima, frozenset(one.id for one in found), missing)
    return _Wanted(_that_ran(project.registry, known, name, template_id), {}, frozenset(), missing)


def _called(wanted: str, known: Iterable[Evaluation]) -> list[Evaluation]:
    """Return the evaluations of a name, else that of an id."""
    return [one for one in known if one.name == wanted] or [one for one in known if str(one.id) == wanted]


def _that_ran(
    registry: Registry, known: Sequence[Evaluation], name: str, template_id: int
) -> tuple[Evaluation, ...]:
    """Return the evaluations whose last run was of a prompt."""
    lasts = [(one, one.last) for one in known if one.last is not None]
    read = mapped(lambda pair: _read(registry, *pair, name, template_id), lasts)
    return tuple(one for (one, _), run in zip(lasts, read, strict=True) if run.version is not None)


def _read(registry: Registry, one: Evaluation, past: PastRun, name: str, template_id: int) -> ScoredRun:
    found = ScoredRun(one.name, one.id, past.id, None, past.score)
    try:
        raw = registry.checks.evaluation(past.id)
    except NotFound:
        return replace(found, reason="its report is gone")
    run = as_reported(EvaluationRun(one.name, one.id, past.id), raw)
    run = with_score(registry, run if run.score is not None else replace(run, score=past.score))
    if run.error is not None:
        raise run.error
    report = raw.get("report")
    version, reason = _ran(run, name, template_id)
    score = run.score if run.score is not None and math.isfinite(run.score) else None
    return replace(
        found,
        ran_at=text(report, "created_at") if isinstance(report, dict) else None,
        score=score,
        failed_cells=len(run.failed_cells),
        version=version,
        reason=reason if version is None or score is not None else "it has no score",
    )


def _ran(run: EvaluationRun, name: str, template_id: int) -> tuple[int | None, str]:
    """Return the version of a prompt that a run says it ran, or why it does not say so."""
    if run.version is not None and run.prompt_id == template_id:
        return run.version, ""
    pinned = {use.version for use in run.uses if use.prompt == name and use.label is None}
    if len(pinned) == 1 and None not in pinned:
        return pinned.pop(), ""
    if run.version is not None and run.prompt_id is None:
        return None, f"its report names v{run.version}, and not of which prompt"
    if run.prompt_id not in (None, template_id):
        return None, "it ran another prompt"
    return None, "its report does not say which version it ran"


def _series(one: Evaluation, min_score: float | None, told: Iterable[ScoredRun]) -> Series:
    runs = sorted(
        (run for run in told if run.evaluation_id == one.id),
        key=lambda run: (run.version or 0, run.report_id),
    )
    newest = {run.version: run.report_id for run in runs}
    judged: list[ScoredRun] = []
    before: float | None = None
    for run in runs:
        counts = newest[run.version] == run.report_id
        change = run.score - before if counts and run.score is not None and before is not None else None
        judged.append(replace(run, counts=counts, change=change))
        before = run.score if counts else before
    return Series(one.name, min_score, tuple(judged))


def _versions(
    project: Project, name: str, latest: int, told: Iterable[ScoredRun]
) -> Mapping[int, LoggedVersion]:
    numbers = {run.version for run in told if run.version is not None}
    if not numbers:
        return {}
    found = read_log(project, name, limit=latest - min(numbers) + 1).versions
    return {one.version: one for one in found if one.version in numbers}
