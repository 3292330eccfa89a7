"""The scores of a prompt's versions, from past runs of its evaluations."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptsync.checks.assignment import highest, select_checks
from promptsync.checks.catalogue import Evaluation, PastRun, list_evaluations, named
from promptsync.checks.evaluations import with_score
from promptsync.checks.reports import named_version, read_report
from promptsync.errors import RemoteError
from promptsync.files.worktree import scan
from promptsync.inspect.log import LoggedVersion, read_log
from promptsync.parallel import mapped
from promptsync.project.target import NoSuchPrompt, find_prompt
from promptsync.prompt.version import Version

if TYPE_CHECKING:
    from promptsync.project.project import Project
    from promptsync.registry.protocol import Registry

NEWEST = 50
"""How many runs of each evaluation are read by default."""


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A completed run and its score. ``version`` is the version of the prompt that it ran.

    ``reason`` is why the version or the score is unknown. Only the newest run of a version ``counts``;
    ``change`` is the difference from the run that counts for the version before.
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
    """One evaluation of the prompt, with its runs of known versions, by version and then oldest first."""

    evaluation: str
    min_score: float | None
    runs: tuple[ScoredRun, ...]

    @property
    def points(self) -> tuple[ScoredRun, ...]:
        """The runs that count, one for each version."""
        return tuple(run for run in self.runs if run.counts)


@dataclass(frozen=True, slots=True)
class ScoreHistory:
    """The scores of one prompt. ``apart`` are runs without a version of it or without a score.

    ``versions`` are those that a run names, if the registry still has them. ``missing`` are evaluations that
    the files name and the registry does not have. ``unread`` counts older runs, ``unfinished`` those that
    have not completed.
    """

    name: str
    series: tuple[Series, ...]
    versions: Mapping[int, LoggedVersion]
    apart: tuple[ScoredRun, ...] = ()
    missing: tuple[str, ...] = ()
    unread: int = 0
    unfinished: int = 0


def score_history(project: Project, name: str, *, newest: int = NEWEST) -> ScoreHistory:
    """Return the scores of the ``newest`` runs of each evaluation of a prompt. Starts nothing.

    Its evaluations are those that its file and the configuration name; if there are none, all whose last run
    used it. Raises ``NoSuchPrompt``, and ``RemoteError`` if the registry does not list runs.
    """
    registry = project.registry
    try:
        listed = find_prompt(project, name)
    except NoSuchPrompt as error:
        if any(one.name == name for one in list_evaluations(registry)):
            hint = f"promptsync eval show {shlex.quote(name)}"
            raise NoSuchPrompt(f"{error.message}; it is an evaluation", hint=hint) from None
        raise
    evaluations, minimums, missing = _wanted(project, name, listed.template_id)
    past = {one.id: one.completed for one in evaluations}
    chosen = [(one, run) for one in evaluations for run in past[one.id][:newest]]
    read = mapped(lambda pair: _read(registry, *pair, name, listed.template_id), chosen)
    runs = [run for run in read if run.version is not None or run.evaluation_id in minimums]
    scored = [run for run in runs if run.version is not None and run.score is not None]
    series = [_series(one, minimums.get(one.id), scored) for one in evaluations]
    return ScoreHistory(
        name,
        tuple(one for one in series if one.runs),
        _versions(project, listed, scored),
        tuple(run for run in runs if run.version is None or run.score is None),
        missing,
        unread=sum(max(0, len(ended) - newest) for ended in past.values()),
        unfinished=sum(len(one.runs or ()) - len(past[one.id]) for one in evaluations),
    )


def _wanted(
    project: Project, name: str, template_id: int
) -> tuple[Sequence[Evaluation], Mapping[int, float | None], tuple[str, ...]]:
    """Return the evaluations to read, the minimums of those that the files name, and names without one."""
    files = scan(project.root, project.config.prompts).files
    checks = {one.name: one for one in select_checks([name], files, project.config).evaluations}
    known = list_evaluations(project.registry, runs=True)
    if known and all(one.runs is None for one in known):
        raise RemoteError(
            f"{project.registry.url} does not list the runs of its evaluations", code="unsupported"
        )
    by_key = {key: named(known, key) for key in checks}
    found = tuple(dict.fromkeys(one for ones in by_key.values() for one in ones))
    minimums = {
        one.id: highest(checks[key].min_score for key, ones in by_key.items() if one in ones) for one in found
    }
    missing = tuple(key for key, ones in by_key.items() if not ones)
    if found:
        return found, minimums, missing
    # No evaluation is named for the prompt, so those whose last run used it are taken.
    lasts = [(one, one.last) for one in known if one.last is not None]
    read = mapped(lambda pair: _read(project.registry, *pair, name, template_id), lasts)
    return [one for (one, _), run in zip(lasts, read, strict=True) if run.version is not None], {}, missing


def _read(registry: Registry, one: Evaluation, past: PastRun, name: str, template_id: int) -> ScoredRun:
    found = ScoredRun(one.name, one.id, past.id, None, past.score)
    report = read_report(registry, one, past)
    if report is None:
        return replace(found, reason="its report no longer exists")
    run = with_score(registry, report.run)
    if run.error is not None:
        raise run.error
    version, reason = named_version(run, name, template_id)
    return replace(
        found,
        ran_at=report.ran_at,
        score=run.score,
        failed_cells=len(run.failed_cells),
        version=version,
        reason=reason if version is None or run.score is not None else "no score",
    )


def _series(one: Evaluation, min_score: float | None, scored: Iterable[ScoredRun]) -> Series:
    runs = sorted(
        (run for run in scored if run.evaluation_id == one.id),
        key=lambda run: (run.version or 0, run.report_id),
    )
    # Sorted by version and then by report id, so the last run of a version wins.
    newest = {run.version: run.report_id for run in runs}
    compared: list[ScoredRun] = []
    before: float | None = None
    for run in runs:
        counts = newest[run.version] == run.report_id
        change = run.score - before if counts and run.score is not None and before is not None else None
        compared.append(replace(run, counts=counts, change=change))
        before = run.score if counts else before
    return Series(one.name, min_score, tuple(compared))


def _versions(project: Project, listed: Version, scored: Iterable[ScoredRun]) -> Mapping[int, LoggedVersion]:
    numbers = {run.version for run in scored if run.version is not None}
    if not numbers:
        return {}
    found = read_log(project, listed, limit=listed.version - min(numbers) + 1).versions
    return {one.version: one for one in found if one.version in numbers}
