"""Runs evaluations and agents at the same time, and finds out which of them passed on which versions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from promptsync.checks.agents import AgentBatch, AgentOrder, AgentRun
from promptsync.checks.assignment import AgentCheck, EvaluationCheck, Found, with_limits
from promptsync.checks.batch import Patience, Progress, Status, complete, finish, poll, run_together
from promptsync.checks.catalogue import Evaluation, NoSuchItem, list_evaluations, pick
from promptsync.checks.evaluations import EvaluationBatch, EvaluationRun, missed_cells
from promptsync.checks.live_scores import LiveScore, Releases, compared_with, live_scores
from promptsync.checks.receipt import AgentResult, CheckResults, EvaluationResult, Standard
from promptsync.checks.run_versions import Binder
from promptsync.errors import AnswerIsNo, UsageError
from promptsync.parallel import mapped
from promptsync.registry.errors import NotFound

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_LONGEST_ID: Final = 18


def run_checks(
    registry: Registry,
    found: Found,
    *,
    standard: Standard,
    patience: Patience | None,
    progress: Progress,
    versions: Mapping[str, int] | None = None,
    unpublished: Mapping[str, str] | None = None,
    orders: Sequence[AgentOrder] | None = None,
    live: Mapping[str, int | None] | None = None,
) -> CheckResults:
    """Run checks at the same time, wait until they have ended, and return which passed.

    Without ``patience`` they are only started. The minimum of ``standard`` and that of a check both apply.
    ``versions`` are the versions to check, by prompt; for prompts without one, any version will do.
    ``unpublished`` are prompts whose files differ from the registry, and why. ``orders`` replace
    the plain runs of the agents in ``found``. ``live`` are the versions that are live, by prompt (``None``:
    none is): scores are compared with theirs where there is a ``max_drop``.

    A failure of the registry is in the result of the check that it belongs to. Ctrl-C ends the wait, and the
    results say so. ``RemoteError`` is raised only before anything is started.
    """
    checked = {name for check in (*found.evaluations, *found.agents) for name in check[0].prompts}
    wanted = {name: number for name, number in (versions or {}).items() if name in checked}
    # Before the runs start, so that a version published meanwhile is noticed.
    binder = Binder(registry, wanted, unpublished or {})
    if orders is None:
        orders = [AgentOrder(agent, check.input_variables) for check, agent in found.agents]
    releases = Releases(wanted, live or {}, binder.template_ids)
    lives = _live_scores(registry, found, standard, releases)
    evaluations = EvaluationBatch(registry, [item for _, item in found.evaluations])
    agents = AgentBatch(registry, orders)
    finished = run_together(
        [evaluations, agents], patience=patience, progress=progress, what="running checks"
    )
    results = CheckResults(
        tuple(
            judge(check, run, standard, scores)
            for (check, _), run, scores in zip(found.evaluations, evaluations.runs, lives, strict=True)
        ),
        tuple(
            AgentResult(check, run, reason=standard.agent_failure(run))
            for (check, _), run in zip(found.agents, agents.runs, strict=True)
        ),
        interrupted=not finished,
    )
    if results.interrupted:
        return results
    explained = tuple(
        replace(one, run=replace(one.run, missed_cells=missed_cells(registry, one.run)))
        if one.is_too_low
        else one
        for one in results.evaluations
    )
    return binder.bind(replace(results, evaluations=explained), orders, allow_unbound=standard.allow_unbound)


def judge(
    check: EvaluationCheck, run: EvaluationRun, standard: Standard, scores: Sequence[LiveScore] = ()
) -> EvaluationResult:
    """Return the result of a run, which must reach ``standard`` and the limits of its check.

    ``scores`` are those of the live versions of its prompts.
    """
    standard = standard.with_limits(check)
    live = compared_with(run, scores)
    return EvaluationResult(check, run, standard, live, reason=standard.evaluation_failure(run, live))


def _live_scores(
    registry: Registry,
    found: Found,
    standard: Standard,
    releases: Releases,
) -> list[tuple[LiveScore, ...]]:
    """Return for each evaluation the scores of the live versions, none where no drop is limited."""

    def read(pair: tuple[EvaluationCheck, Evaluation]) -> tuple[LiveScore, ...]:
        check, evaluation = pair
        if standard.with_limits(check).max_drop is None:
            return ()
        return live_scores(registry, check, evaluation, releases)

    return mapped(read, found.evaluations)


def show_run(
    registry: Registry,
    wanted: str,
    limits: Sequence[EvaluationCheck] = (),
    *,
    patience: Patience | None,
    progress: Progress,
) -> CheckResults:
    """Return the result of a run that was started before; with ``patience``, wait until it has ended.

    ``wanted`` is what ``find_run`` takes. ``limits`` apply to the evaluations that they name. Raises what
    ``find_run`` raises, and ``RemoteError`` if the report cannot be read.
    """
    evaluations = list_evaluations(registry, runs=True)
    known = find_run(evaluations, wanted, registry.url)
    before = []
    for one in evaluations:
        if one.id == known.evaluation_id:
            # The previous score is that of the run before this one. Newer runs have larger ids.
            older = tuple(run for run in one.runs or () if run.id < (known.report_id or 0))
            before.append(replace(one, runs=older))
    batch = EvaluationBatch(registry, before)
    batch.runs = [replace(known, status=Status.RUNNING)]
    finished = True
    if patience is None:
        poll([batch])
        complete([batch])
    else:
        finished = finish([batch], patience=patience, progress=progress, what="running evaluations")
    (run,) = batch.runs
    if run.status is Status.UNREADABLE and run.error is not None:
        if isinstance(run.error, NotFound):
            message = f"{registry.url} has no evaluation and no run {wanted!r}"
            raise NoSuchItem(message, hint="promptsync eval list")
        raise run.error
    check = EvaluationCheck(run.name, ())
    for one in evaluations:
        if one.id == run.evaluation_id:
            check = with_limits(check, one, limits, evaluations)
    result = judge(check, run, Standard(allow_unscored=check.min_score is None))
    return CheckResults((result,), interrupted=not finished)


def show_execution(
    registry: Registry, wanted: str, *, patience: Patience | None, progress: Progress
) -> CheckResults:
    """Return the result of a run of an agent; with ``patience``, wait until it has ended.

    ``wanted`` is the id of the execution. Raises ``UsageError`` if it is none, ``NoSuchItem`` if the
    registry has no such execution, and ``RemoteError`` if it cannot be read.
    """
    if not _is_id(wanted):
        raise UsageError(
            f"{wanted!r} is not the id of an execution, which agent run prints",
            hint=f"promptsync agent run {shlex.quote(wanted)} --no-wait\npromptsync agent list",
        )
    batch = AgentBatch(registry, ())
    batch.runs = [AgentRun(f"execution {wanted}", execution_id=int(wanted), status=Status.RUNNING)]
    finished = True
    if patience is None:
        poll([batch])
    else:
        finished = finish([batch], patience=patience, progress=progress, what="running agents")
    (run,) = batch.runs
    if run.error is not None:
        if isinstance(run.error, NotFound):
            message = f"{registry.url} has no execution {wanted}"
            raise NoSuchItem(message, hint="promptsync agent list")
        raise run.error
    result = AgentResult(AgentCheck(run.name, ()), run, reason=Standard().agent_failure(run))
    return CheckResults(agents=(result,), interrupted=not finished)


def find_run(evaluations: Sequence[Evaluation], wanted: str, url: str) -> EvaluationRun:
    """Return the run that ``wanted`` names: a report id, or the last run of an evaluation's name or id.

    If the registry does not list runs, the evaluation's own id is the report to read. Raises ``NoSuchItem``,
    and ``AnswerIsNo`` for an evaluation that was never run.
    """
    for one in evaluations:
        run = next((run for run in one.runs or () if str(run.id) == wanted), None)
        # A name takes precedence over an equal id, as everywhere.
        if run is not None and wanted not in {other.name for other in evaluations}:
            return EvaluationRun(one.name, one.id, run.id)
    is_known = any(wanted in (one.name, str(one.id)) for one in evaluations)
    if not is_known and _is_id(wanted):
        return EvaluationRun(f"report {wanted}", None, int(wanted))
    (one,) = pick(evaluations, [wanted], "evaluation", url)
    if one.runs is None:
        return EvaluationRun(one.name, one.id, one.id)
    if not one.runs:
        raise AnswerIsNo(
            f"{one.name} has never been run", hint=f"promptsync eval run {one.id}", code="never-run"
        )
    return EvaluationRun(one.name, one.id, one.runs[0].id)


def _is_id(text: str) -> bool:
    # No registry has longer ids, and Python refuses to read thousands of digits.
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID and int(text) > 0
