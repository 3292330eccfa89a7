"""Runs the checks on tables: each prompt on the rows of its evaluation, beside the live version."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from promptsync.checks.follow import Progress, follow
from promptsync.checks.judge import judge
from promptsync.checks.past_runs import LiveScore
from promptsync.checks.receipt import CheckResult, CheckResults, Standard
from promptsync.checks.run import Run, Status
from promptsync.checks.tables.comparison import Comparison, compare
from promptsync.checks.tables.content import prompt_of
from promptsync.checks.tables.plan import (
    NO_ORIGIN,
    TablePlan,
    age,
    newest_first,
    plan_tables,
    title_of,
)
from promptsync.checks.tables.sheet_run import MOST_SHOWN, SheetRun, explained
from promptsync.checks.tables.tested_text import Wanted
from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.registry.protocol import SheetId

if TYPE_CHECKING:
    from promptsync.project.project import Project
    from promptsync.registry.protocol import Registry

_IN_USE: Final = 1 / 6
"""Another run may work on a sheet that changed within this time, in hours."""


def check_tables(
    project: Project,
    wanted: Sequence[Wanted] | TablePlan,
    *,
    standard: Standard,
    timeout: float,
    progress: Progress,
    origin: str = "",
    wait: bool = True,
) -> CheckResults:
    """Run checks at the same time, wait until they have ended, and return the result of each prompt.

    ``wanted`` may be planned already. Without ``wait``, cells are only started to be computed. ``origin`` is
    what the checks are run for, such as ``pull request 12``. Ctrl-C cancels what was started, and the results
    say so. Raises what ``plan_tables`` raises, and ``Refused`` for too many cells: both before
    anything is made. A failure of the registry is in the result of the check that it belongs to.
    """
    plan = wanted if isinstance(wanted, TablePlan) else plan_tables(project, wanted)
    if plan.refusal is not None:
        raise plan.refusal
    runs = [
        sheet.run if sheet.run.reused else replace(sheet.run, origin=origin or NO_ORIGIN)
        for sheet in plan.sheets
    ]
    interrupted = not _run(project.registry, plan, runs, wait=wait, timeout=timeout, progress=progress)
    standard = replace(standard, fails_on_noise=project.config.fails_on_noise)
    judged = [_judged(plan, index, runs, standard) for index in range(len(plan.wanted))]
    if interrupted:
        return CheckResults(tuple(judged), interrupted=True)
    results = mapped(lambda result: _explained(project.registry, result), judged)
    _remove_old(project, plan, runs)
    return CheckResults(tuple(results))


def past_results(project: Project, wanted: Sequence[Wanted]) -> list[CheckResult | None]:
    """Return the results of complete sheets, however old; ``None`` without one. Runs nothing."""
    plan = plan_tables(project, wanted, reuse=math.inf)
    standard = Standard(fails_on_noise=project.config.fails_on_noise)
    runs = [sheet.run for sheet in plan.sheets]

    def result(index: int) -> CheckResult | None:
        needed = [runs[place] for place in plan.pairs[index] if place is not None]
        is_known = all(run.status is Status.COMPLETED for run in needed)
        return _judged(plan, index, runs, standard) if is_known else None

    return list(map(result, range(len(plan.wanted))))


def _run(
    registry: Registry,
    plan: TablePlan,
    runs: list[Run],
    *,
    wait: bool,
    timeout: float,
    progress: Progress,
) -> bool:
    """Run the sheets of a plan that are not complete. Returns false if Ctrl-C cut it short."""
    indexes = [index for index, run in enumerate(runs) if run.status is not Status.COMPLETED]
    # Tables with an id may have the same title.
    missing = {runs[index].name for index in indexes if runs[index].table_id is None}
    made = {name: str(registry.tables.create(name).get("id")) for name in sorted(missing)}
    begun = {"status": Status.RUNNING, "begun": time.monotonic()}
    started = [
        replace(run, table_id=run.table_id or made[run.name], **begun)
        for run in (runs[index] for index in indexes)
    ]
    work = [
        SheetRun(registry, plan.sheets[index].content, run, wait=wait)
        for index, run in zip(indexes, started, strict=True)
    ]
    what = "Running checks"
    has_ended = follow(registry, started, timeout=timeout, progress=progress, what=what, how=work)
    ends = [""] * len(work) if has_ended else mapped(SheetRun.cancel, work)
    for index, run, end in zip(indexes, started, ends, strict=True):
        if not has_ended and run.is_under_way:
            run = replace(run, status=Status.FAILED, stopped=end)
        elif not wait and run.status is Status.COMPLETED:
            run = replace(run, status=Status.RUNNING)
        runs[index] = run
    return has_ended


def _judged(plan: TablePlan, index: int, runs: Sequence[Run], standard: Standard) -> CheckResult:
    """Return the result of one check."""
    wanted, (own, other) = plan.wanted[index], plan.pairs[index]
    name, tested = wanted.candidate.name, wanted.live
    check = wanted.check.with_limits(None, standard.max_drop)
    run, live_run = runs[own], None if other is None else runs[other]
    run = replace(run, version=wanted.candidate.version)
    if tested is None:
        return judge(check, run, standard, LiveScore(name, reason=f"{name} is not live yet"))
    live = LiveScore(name, tested.version, None if live_run is None else live_run.score)
    why = plan.not_compared.get(index, "") if live_run is None else _why(live_run, run)
    comparison = None
    if why:
        live = replace(live, reason=f"{name} v{tested.version} is live, and {why}")
        comparison = Comparison(0, verdict="cannot tell", reason=live.reason or "")
        # A run that failed is no noise.
        standard = replace(standard, fails_on_noise=standard.fails_on_noise or live_run is not None)
    elif live_run is None:
        live = replace(live, reason=f"{name} v{tested.version} is live with the same content")
    elif run.rows:
        comparison = compare(live_run.rows, run.rows, check.runs, check.max_drop)
    return replace(judge(check, run, standard, live, comparison), live_run=live_run)


def _why(live: Run, new: Run) -> str:
    """Return why the run of a live version cannot be compared with a new one; empty if it can."""
    if live.error is not None:
        return live.error.message
    if live.failed:
        return f"{live.failed} of its cells failed"
    if not live.rows:
        return f"its run is {live.status}"
    is_other = new.rows and live.model != new.model
    return f"ran on {_model(live)}, and the new version on {_model(new)}" if is_other else ""


def _model(run: Run) -> str:
    return "a real model" if run.model is None else f"the {run.model} model"


def _explained(registry: Registry, result: CheckResult) -> CheckResult:
    """Return a result whose rows that got worse, or that failed, have the steps that did."""
    rows, comparison, check = result.run.rows, result.comparison, result.check
    # The rows of a comparison are numbered without their repeats.
    repeats = (
        [rows[new.index :: len(rows) // check.runs] for _, new in comparison.worse] if comparison else []
    )
    worse = [next(row.index for row in sides if not row.passed) for sides in repeats[:MOST_SHOWN]]
    failed = [row.index for row in rows if not row.passed and row.index not in worse]
    indexes = [*worse, *(failed[:MOST_SHOWN] if result.failures else ())]
    if not indexes:
        return result
    run = explained(registry, result.run, indexes)
    if worse and result.live_run is not None:
        comparison = compare(result.live_run.rows, run.rows, check.runs, check.max_drop)
    return replace(result, run=run, comparison=comparison)


def _remove_old(project: Project, plan: TablePlan, runs: Sequence[Run]) -> None:
    """Delete our older sheets: replaced ones, and those beyond the newest to keep."""
    in_use = {run.sheet_id for run in runs}
    complete = {run.sheet for run in runs if run.status is Status.COMPLETED}
    old: dict[str, SheetId] = {}
    for sheet in plan.sheets:
        own = [other for other in sheet.table.sheets if prompt_of(title_of(other)) == sheet.content.text.name]
        own = [other for other in own if other.get("id") not in in_use]
        for number, other in enumerate(newest_first(own), start=2):  # at least one is in use
            is_replaced = title_of(other) in complete
            is_old = is_replaced or number > project.config.evaluations_keep
            if is_old and age(other, "updated_at") > _IN_USE:
                old[str(other.get("id"))] = SheetId(sheet.table.id or "", str(other.get("id")))
    with contextlib.suppress(RemoteError):  # the next run removes them
        for place in old.values():
            project.registry.tables.delete_sheet(place)
