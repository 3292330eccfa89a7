"""Runs checks and judges them: which of them passed, and on which versions."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from promptsync.checks.assignment import Check, Located, with_limits
from promptsync.checks.catalog import Agent, Evaluation, NoSuchItem, list_evaluations, pick, uses_of_agent
from promptsync.checks.evaluations import explained
from promptsync.checks.follow import Progress, follow, run_together
from promptsync.checks.past_runs import NOT_COMPARED, LiveScore, PastRuns
from promptsync.checks.receipt import CheckResult, CheckResults, Failure, Standard
from promptsync.checks.run import Run, Status
from promptsync.checks.tables.comparison import Comparison
from promptsync.checks.versions import WantedVersions, latest_of, named_version, unbound
from promptsync.errors import AnswerIsNo, RemoteError, UsageError
from promptsync.parallel import mapped
from promptsync.project.target import LATEST, At
from promptsync.prompt.prompt import Version
from promptsync.registry.errors import NotFound

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_LONGEST_ID: Final = 18


def run_checks(
    registry: Registry,
    located: Located,
    wanted: WantedVersions | None = None,
    *,
    standard: Standard,
    timeout: float,
    progress: Progress,
    at: At = LATEST,
) -> CheckResults:
    """Run checks at the same time, wait until they have ended, and return which passed on ``wanted``.

    With a ``timeout`` of 0 they are only started. The limits of ``standard`` and those of a check both apply.
    Agents run at their version ``at``.

    A failure of the registry is in the result of the check that it belongs to. Ctrl-C ends the wait, and the
    results say so. ``RemoteError`` is raised only before anything is started.
    """
    wanted = wanted or WantedVersions()

    def new_run(check: Check, item: Evaluation | Agent) -> Run:
        if isinstance(item, Evaluation):
            return Run(kind="evaluation", name=item.name, item_id=item.id, previous_score=item.last_score)
        run = Run(kind="agent", name=item.name, item_id=item.id, variables=check.input_variables, at=at)
        if wanted.versions.keys() & set(check.prompts):
            return replace(run, uses=uses_of_agent(registry, item.id, at))
        return run

    runs = mapped(lambda pair: new_run(*pair), located)
    if not run_together(registry, runs, timeout=timeout, progress=progress, what="Running checks"):
        judged = [judge(check, run, standard) for (check, _), run in zip(located, runs, strict=True)]
        return CheckResults(tuple(judged), interrupted=True)
    checked = {name for check, _ in located for name in check.prompts} & wanted.versions.keys()
    latest: Mapping[str, Version] = {}
    unread = ""
    try:
        latest = latest_of(registry, checked)
    except RemoteError as error:
        unread = f"the latest version could not be read: {error.message}"

    def judged_run(index: int) -> CheckResult:
        check, item = located[index]
        run, live = runs[index], NOT_COMPARED
        if isinstance(item, Evaluation):
            try:
                live = _live_score(PastRuns(registry, item), check, run, standard, wanted, latest)
            except RemoteError as error:
                run = replace(run, error=error)
        return _explained(registry, judge(check, run, standard, live))

    results = mapped(judged_run, range(len(located)))
    passed = [(result.run, result.check.prompts if result.passed else ()) for result in results]
    gaps = unbound(passed, wanted, latest, unread)
    with_gaps = []
    for result, unchecked in zip(results, gaps, strict=True):
        failures = [Failure("unbound", str(gap)) for gap in unchecked if not standard.allow_unbound]
        with_gaps.append(replace(result, unbound=unchecked, failures=(*result.failures, *failures)))
    return CheckResults(tuple(with_gaps))


def judge(
    check: Check,
    run: Run,
    standard: Standard,
    live: LiveScore = NOT_COMPARED,
    comparison: Comparison | None = None,
) -> CheckResult:
    """Return the result of a run, which must reach ``standard`` and the limits of its check.

    ``live`` is the score that its own is compared with. In a table, ``comparison`` compares the rows.
    """
    check = check.with_limits(standard.min_score, standard.max_drop)
    result = CheckResult(check, run, live, allow_unscored=standard.allow_unscored, comparison=comparison)
    return replace(result, failures=tuple(_failures(result, standard)))


def _failures(result: CheckResult, standard: Standard) -> Iterator[Failure]:
    """Yield why a run failed; nothing if it passed or is under way."""
    run = result.run
    failed_node = next((name for name, node in run.outputs.items() if node.failed), None)
    if run.error is not None:
        yield Failure("error", run.error.message)
    elif run.status is Status.TIMED_OUT:
        yield Failure("timed-out", f"timed out; {run.location} is still running")
    elif failed_node is not None:  # it says more about the reason than the status of the run
        node = run.outputs[failed_node]
        yield Failure("failed-node", f"node {failed_node} failed: {node.error or node.status}")
    elif run.stopped:
        yield Failure("failed", run.stopped)
    elif run.status not in (Status.COMPLETED, Status.RUNNING):
        yield Failure("failed", f"did not complete: {run.status}")
    elif run.kind != "agent" and run.status is Status.COMPLETED:
        yield from _shortfalls(result, standard)


def _shortfalls(result: CheckResult, standard: Standard) -> Iterator[Failure]:
    check, run, live = result.check, result.run, result.live
    if run.failed:
        yield Failure("failed-cell", f"{run.failed} failed {'cell' if run.failed == 1 else 'cells'}")
        return
    score = run.score
    if score is None:
        if not standard.allow_unscored:
            yield Failure("unscored", "no score")
    elif check.min_score is not None and score < check.min_score:
        reached = f"{score:g} on the echo model" if run.is_echo else f"score {score:g}"
        yield Failure("min-score", f"{reached} is below the minimum of {check.min_score:g}")
    elif check.min_score is None and run.verdict == "fail":
        # An explicit minimum takes the place of the scorecard's own thresholds.
        yield Failure("scorecard", "the verdict of its scorecard is fail")
    if run.kind == "table":
        yield from _noise(result, standard)
        return
    drop = live.drop(score)
    if drop is not None and check.max_drop is not None and drop > check.max_drop:
        fell = f"score fell {drop:g} points from live v{live.version} ({live.score:g} -> {score:g})"
        yield Failure("max-drop", f"{fell}; max_drop is {check.max_drop:g}")


def _noise(result: CheckResult, standard: Standard) -> Iterator[Failure]:
    """Yield why the rows of a table got worse, or why they cannot tell."""
    comparison = result.comparison
    if comparison is None or result.check.max_drop is None:
        return
    if comparison.verdict == "fail":
        yield Failure("max-drop", comparison.reason)
    if comparison.verdict == "cannot tell" and standard.fails_on_noise:
        yield Failure("cannot-tell", f"cannot tell: {comparison.reason}")


def _live_score(
    past: PastRuns,
    check: Check,
    run: Run,
    standard: Standard,
    wanted: WantedVersions,
    latest: Mapping[str, Version],
) -> LiveScore:
    """Return with which live score a run is compared: the highest of the prompts that it names."""
    if run.score is None or check.with_limits(None, standard.max_drop).max_drop is None:
        return NOT_COMPARED
    ids = {name: prompt.template_id for name, prompt in latest.items()}
    names = [
        name for name in check.prompts if name in wanted.live and name in wanted.versions and name in ids
    ]
    if len(names) > 1:
        run_by_it = [name for name in names if named_version(run, name, ids[name])[0] is not None]
        if not run_by_it:
            return LiveScore(reason=f"the report names none of {', '.join(names)}")
        names = run_by_it
    scores = [past.live_score(name, ids[name], wanted.versions[name], wanted.live[name]) for name in names]
    return max(scores, key=lambda live: -1.0 if live.score is None else live.score, default=NOT_COMPARED)


def _explained(registry: Registry, result: CheckResult) -> CheckResult:
    """Return a result with the cells that explain why it failed."""
    is_explicable = result.run.failed or result.failed_by("min-score", "max-drop")
    return replace(result, run=explained(registry, result.run)) if is_explicable else result


def show_run(
    registry: Registry, wanted: str, limits: Sequence[Check] = (), *, timeout: float, progress: Progress
) -> CheckResults:
    """Return the result of a run that was started before; with a ``timeout``, wait until it has ended.

    ``wanted`` is what ``find_run`` takes. ``limits`` apply to the evaluations that they name. Raises what
    ``find_run`` raises, and ``RemoteError`` if the report cannot be read.
    """
    known = list_evaluations(registry)
    run = find_run(known, wanted, registry.url)
    check = Check("evaluation", run.name)
    for evaluation in known:
        if evaluation.id == run.item_id:
            check = with_limits(check, evaluation, limits, known)
    missing = f"{registry.url} has no evaluation and no run {wanted!r}"
    return _shown(registry, check, run, missing, timeout, progress)


def show_execution(registry: Registry, wanted: str, *, timeout: float, progress: Progress) -> CheckResults:
    """Return the result of a run of an agent; with a ``timeout``, wait until it has ended.

    ``wanted`` is the id of the execution. Raises ``UsageError`` if it is none, ``NoSuchItem`` if the
    registry has no such execution, and ``RemoteError`` if it cannot be read.
    """
    if not _is_id(wanted):
        raise UsageError(
            f"{wanted!r} is not an execution id",
            hint=f"promptsync agent run {shlex.quote(wanted)} --no-wait\npromptsync agent list",
        )
    run = Run(kind="agent", name=f"execution {wanted}", id=int(wanted))
    missing = f"{registry.url} has no execution {wanted}"
    return _shown(registry, Check("agent", run.name), run, missing, timeout, progress)


def _shown(
    registry: Registry, check: Check, run: Run, missing: str, timeout: float, progress: Progress
) -> CheckResults:
    runs = [replace(run, status=Status.RUNNING)]
    is_over = follow(registry, runs, timeout=timeout, progress=progress, what=f"running {check.kind}s")
    run = runs[0]
    if run.status is Status.UNREADABLE and run.error is not None:
        if isinstance(run.error, NotFound):
            raise NoSuchItem(missing, hint=f"promptsync {run.verb} list")
        raise run.error
    result = judge(check, run, Standard(allow_unscored=check.min_score is None))
    return CheckResults((_explained(registry, result),), interrupted=not is_over)


def find_run(evaluations: Sequence[Evaluation], wanted: str, url: str) -> Run:
    """Return the run that ``wanted`` names: a report id, or the last run of an evaluation's name or id.

    If the registry does not list runs, the evaluation's own id is the report to read. Raises ``NoSuchItem``,
    and ``AnswerIsNo`` for an evaluation that was never run.
    """
    # A name takes precedence over an equal id, as everywhere.
    is_name = any(evaluation.name == wanted for evaluation in evaluations)
    by_report = {str(past.id): evaluation for evaluation in evaluations for past in evaluation.runs or ()}
    if not is_name and wanted in by_report:
        evaluation, report = by_report[wanted], int(wanted)
    elif not is_name and _is_id(wanted) and all(str(evaluation.id) != wanted for evaluation in evaluations):
        return Run(kind="evaluation", name=f"report {wanted}", id=int(wanted))
    else:
        evaluation = pick(evaluations, wanted, "evaluation", url)
        if evaluation.runs is not None and not evaluation.runs:
            command = f"promptsync eval run {evaluation.id}"
            raise AnswerIsNo(f"{evaluation.name} has never been run", hint=command, code="never-run")
        report = evaluation.runs[0].id if evaluation.runs else evaluation.id
    # Newer runs have larger ids.
    previous = next((past.score for past in evaluation.completed if past.id < report), None)
    run = Run(kind="evaluation", name=evaluation.name, item_id=evaluation.id, id=report)
    return replace(run, previous_score=previous)


def _is_id(text: str) -> bool:
    # No registry has longer ids, and Python refuses to read thousands of digits.
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID and int(text) > 0
