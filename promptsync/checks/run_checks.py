"""Runs evaluations and agents, and judges them: which of them passed, and on which versions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from promptsync.checks.assignment import Check, Kind, WantedVersions
from promptsync.checks.catalog import (
    Evaluation,
    NoSuchItem,
    list_evaluations,
    named,
    pick,
    uses_of_agent,
    with_limits,
)
from promptsync.checks.results import CheckResult, CheckResults, Failure, Standard, Unbound, judge
from promptsync.checks.runs import Run, Status, explained, follow, poll_of, run_together
from promptsync.errors import AnswerIsNo, RemoteError, UsageError
from promptsync.parallel import mapped
from promptsync.project.target import LATEST, At
from promptsync.prompt.prompt import Version
from promptsync.registry.errors import NotFound

if TYPE_CHECKING:
    from promptsync.project.project import Project
    from promptsync.registry.protocol import Registry


OTHER_PROMPT: Final = "the run used another prompt"
NO_VERSION: Final = "the run names no version"

_LONGEST_ID: Final = 18


def run_checks(
    project: Project, checks: Sequence[Check], wanted: WantedVersions, standard: Standard, at: At = LATEST
) -> CheckResults:
    """Run checks of evaluations and agents at the same time, and return which passed on ``wanted``.

    The limits of ``standard`` and those of a check both apply. Agents run at their version ``at``.

    A failure of the registry is in the result of the check that it belongs to. Ctrl-C ends the wait, and the
    results say so. ``RemoteError`` is raised only before anything is started.
    """
    registry = project.registry

    def new_run(check: Check) -> Run:
        run = Run(kind=check.kind, name=check.name, item_id=check.item_id)
        if check.kind == "evaluation":
            return run
        is_wanted = not wanted.versions.keys().isdisjoint(check.prompts)
        uses = uses_of_agent(registry, check.item_id or 0, at) if is_wanted else ()
        return replace(run, variables=check.input_variables, at=at, uses=uses)

    runs = mapped(new_run, checks)
    is_over = run_together(registry, runs, timeout=standard.timeout, progress=project.progress)
    results = [judge(check, run, standard) for check, run in zip(checks, runs, strict=True)]
    if not is_over:
        return CheckResults(tuple(results), interrupted=True)
    results = mapped(lambda result: _explained(registry, result), results)
    with_gaps = []
    for result, unchecked in zip(results, unbound(registry, results, wanted), strict=True):
        failures = [Failure("unbound", str(gap)) for gap in unchecked if not standard.allow_unbound]
        with_gaps.append(replace(result, unbound=unchecked, failures=(*result.failures, *failures)))
    return CheckResults(tuple(with_gaps))


def _explained(registry: Registry, result: CheckResult) -> CheckResult:
    """Return a result with the cells that explain why it failed."""
    is_explicable = result.run.failed or result.failed_by("min-score")
    return replace(result, run=explained(registry, result.run)) if is_explicable else result


def show_run(
    project: Project, kind: Kind, wanted: str, limits: Sequence[Check] = (), *, timeout: float
) -> CheckResults:
    """Return the result of a run that was started before; with a ``timeout``, wait until it has ended.

    ``wanted`` is the id of the execution of an agent, or what ``find_run`` takes. ``limits`` apply to the
    evaluations that they name. Raises ``UsageError`` and what ``find_run`` raises, ``NoSuchItem`` if the
    registry has no such run, and ``RemoteError`` if it cannot be read.
    """
    registry = project.registry
    if kind == "agent":
        if not _is_id(wanted):
            hint = f"promptsync agent run {shlex.quote(wanted)} --no-wait\npromptsync agent list"
            raise UsageError(f"{wanted!r} is not an execution id", hint=hint)
        run, missing = Run(kind=kind, name=f"execution {wanted}", id=int(wanted)), f"execution {wanted}"
        check = Check(kind, run.name)
    else:
        known = list_evaluations(registry)
        run, missing = find_run(known, wanted, registry.url), f"evaluation and no run {wanted!r}"
        check = Check(kind, run.name)
        for evaluation in known:
            if evaluation.id == run.item_id:
                check = with_limits(check, evaluation, limits, known)
    runs = [replace(run, status=Status.RUNNING)]
    is_over = follow(runs, {0: poll_of(registry, run)}, timeout=timeout, progress=project.progress)
    run = runs[0]
    if run.status is Status.UNREADABLE and run.error is not None:
        if isinstance(run.error, NotFound):
            raise NoSuchItem(f"{registry.url} has no {missing}", hint=f"promptsync {run.verb} list")
        raise run.error
    result = judge(check, run, Standard(allow_unscored=check.min_score is None))
    return CheckResults((_explained(registry, result),), interrupted=not is_over)


def find_run(evaluations: Sequence[Evaluation], wanted: str, url: str) -> Run:
    """Return the run that ``wanted`` names: a report id, or the last run of an evaluation's name or id.

    If the registry does not list runs, the evaluation's own id is the report to read. Raises ``NoSuchItem``,
    and ``AnswerIsNo`` for an evaluation that was never run.
    """
    # A name takes precedence over an equal id, as everywhere.
    if not named(evaluations, wanted) and _is_id(wanted):
        past = ((evaluation, run.id) for evaluation in evaluations for run in evaluation.runs or ())
        owner = next((evaluation for evaluation, report in past if str(report) == wanted), None)
        if owner is None:
            return Run(kind="evaluation", name=f"report {wanted}", id=int(wanted))
        return Run(kind="evaluation", name=owner.name, item_id=owner.id, id=int(wanted))
    evaluation = pick(evaluations, wanted, "evaluation", url)
    if evaluation.runs is not None and not evaluation.runs:
        command = f"promptsync eval run {evaluation.id}"
        raise AnswerIsNo(f"{evaluation.name} has never been run", hint=command, code="never-run")
    report = evaluation.runs[0].id if evaluation.runs else evaluation.id
    return Run(kind="evaluation", name=evaluation.name, item_id=evaluation.id, id=report)


def _is_id(text: str) -> bool:
    # No registry has longer ids, and Python refuses to read thousands of digits.
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID and int(text) > 0


def named_version(run: Run, name: str, template_id: int | None) -> tuple[int | None, str]:
    """Return the version of a prompt that the report or the steps of a run name, or why they name none."""
    if run.version is not None and run.prompt_id is not None and run.prompt_id == template_id:
        return run.version, ""
    own = [use for use in run.uses if use.prompt == name]
    label = next((use for use in own if use.label is not None), None)
    if label is not None:
        return None, f"step {label.step} uses the label {label.label}"
    pins = {use.version for use in own}
    if len(pins) > 1:
        return None, f"its steps use several versions of {name}"
    if pins and None not in pins:
        return pins.pop(), ""
    if run.version is not None and run.prompt_id is None:
        return None, f"its report names v{run.version}, but no prompt"
    is_other = run.uses if run.prompt_id is None else run.prompt_id != template_id
    return None, OTHER_PROMPT if is_other and not own else NO_VERSION


def unbound(
    registry: Registry, results: Sequence[CheckResult], wanted: WantedVersions
) -> list[tuple[Unbound, ...]]:
    """Return for each result the prompts that its run, which passed, should have checked and did not.

    A run that names no version ran the latest one: if that is the wanted one now that the runs have ended, it
    was so all the time. A run of another prompt is no failure for a prompt that some other run checked, or
    for a snippet that a checked prompt renders.
    """
    names = {name for result in results for name in result.check.prompts} & wanted.versions.keys()
    latest: Mapping[str, Version] = {}
    unread = ""
    try:
        latest = {prompt.name: prompt for prompt in registry.prompts.latest(names)}
    except RemoteError as error:
        unread = f"the latest version could not be read: {error.message}"

    def of_latest(name: str) -> str:
        """Return why a run of the latest version did not run the wanted one; empty if it did."""
        if name not in latest:
            return f"{NO_VERSION}, and the registry has no such prompt"
        number = latest[name].version
        return "" if number == wanted.versions[name] else f"{NO_VERSION}, and the latest was v{number}"

    def reason(run: Run, name: str) -> str:
        if name in wanted.unpublished or unread:
            return wanted.unpublished.get(name, unread)
        number, why = named_version(run, name, latest[name].template_id if name in latest else None)
        if why == NO_VERSION:
            return of_latest(name)
        return why if number in (None, wanted.versions[name]) else f"the run used v{number}"

    reasons = [
        {
            name: reason(result.run, name)
            for name in (result.check.prompts if result.passed else ())
            if name in wanted.unpublished or name in wanted.versions
        }
        for result in results
    ]
    checked = {name for by_name in reasons for name, why in by_name.items() if not why}
    rendered = {snippet for name in checked for snippet in wanted.renders.get(name, ())}
    elsewhere = dict.fromkeys(checked, "") | {name: of_latest(name) for name in rendered & names - checked}
    return [
        tuple(
            Unbound(name, wanted.versions.get(name), why)
            for name, first in by_name.items()
            if (why := elsewhere.get(name, first) if first == OTHER_PROMPT else first)
        )
        for by_name in reasons
    ]
