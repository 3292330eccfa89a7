"""``promptsync eval``: list, run and show evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from promptsync import output
from promptsync.checks.outcome import Interrupted, Status
from promptsync.commands.filters import checked, list_filters
from promptsync.commands.running import interrupted, patience_of, state, waiting_options
from promptsync.commands.scorehistory import history_options, show_history
from promptsync.commands.session import Outcome, Session, verb, verb_group
from promptsync.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from promptsync.checks.catalogue import Evaluation
    from promptsync.checks.evaluations import Standard
    from promptsync.checks.reports import EvaluationRun, FailedCell

_MOST_CELLS = 10
_BLANK: dict[str, Any] = {"changed": [], "runs": []}


@verb_group("eval", short_help="List, run and show evaluations.")
def command() -> None:
    """Evaluations prove prompts: each row of a dataset is sent to a model, and what comes back is scored.

    \b
    promptsync eval list
    promptsync eval run "refund quality" --min-score 80
    promptsync eval show "refund quality"
    """


@verb("list", parent=command, short_help="List evaluations.", blank={"evaluations": []})
@list_filters(named=True)
def list_command(session: Session, **filters: Any) -> Outcome:
    """List the evaluations that can be run, with their last scores where the registry tells them.

    \b
    promptsync eval list
    promptsync eval list --name refund
    """
    from promptsync.checks.catalogue import list_evaluations

    with session.project() as project:
        found = list_evaluations(project.registry, runs=True, **checked(filters))
    if not found:
        session.say("no evaluations")
    rows = [("ID", "NAME", "RUNS", "LAST SCORE")] + [
        (
            str(one.id),
            output.name(one.name),
            "-" if one.runs is None else str(len(one.runs)),
            _score(one.last.score if one.last is not None else None),
        )
        for one in found
    ]
    return Outcome(output.table(rows) if found else [], {"evaluations": [_listed_body(one) for one in found]})


def _listed_body(one: Evaluation) -> dict[str, Any]:
    runs = (
        None
        if one.runs is None
        else [
            {"report_id": run.id, "name": run.name, "status": run.status.lower(), "score": run.score}
            for run in one.runs
        ]
    )
    return {
        "id": one.id,
        "name": one.name,
        "dataset_id": one.dataset_id,
        "created_at": one.created_at,
        "runs": runs,
    }


@verb("run", parent=command, short_help="Run evaluations, and judge their scores.", blank=_BLANK)
@click.argument("names", nargs=-1, required=True, metavar="NAME|ID...")
@click.option(
    "--min-score",
    metavar="N",
    type=click.FloatRange(0, 100),
    help="Exit with 1 when a score, 0 to 100, is under N.",
)
@click.option("--allow-unscored", is_flag=True, help="Take an evaluation without a score for passed.")
@waiting_options
def run_command(
    session: Session,
    names: tuple[str, ...],
    min_score: float | None,
    allow_unscored: bool,
    no_wait: bool,
    timeout: float | None,
) -> Outcome:
    """Run the evaluations of those names or ids at the same time, and wait for their scores.

    Exit code 1 when cells failed, a score is missing or under the minimum, or the time is up.

    \b
    promptsync eval run "refund quality" --min-score 80
    promptsync eval run 44 45 --no-wait --json
    """
    from promptsync.checks.catalogue import list_evaluations, pick
    from promptsync.checks.evaluations import Standard, failure_of, run_evaluations

    patience = patience_of(no_wait, timeout)
    standard = Standard(min_score, allow_unscored)
    with session.project() as project:
        registry = project.registry
        known = list_evaluations(registry, runs=True)
        wanted = pick(known, names, "evaluation", registry.url)
        try:
            runs = run_evaluations(registry, wanted, patience=patience, progress=session.bar)
        except Interrupted as stop:
            return _interrupted(stop.runs, standard)
    started_only = [run for run in runs if run.is_under_way]
    error = failure_of([run for run in runs if not run.is_under_way], standard)
    for run in started_only:
        session.say(output.style(f"promptsync eval show {run.report_id} tells how it ends", "faint"))
    code = error.exit_code if error is not None else 0
    return Outcome(_lines(runs, standard), _body(runs, standard), code, error)


def _interrupted(runs: Iterable[Any], standard: Standard) -> Outcome:
    known: list[EvaluationRun] = list(runs)
    left = [
        f"{run.evaluation}: report {run.report_id}; promptsync eval show {run.report_id} --wait follows it"
        for run in known
        if run.is_under_way
    ]
    return interrupted(_lines(known, standard), _body(known, standard), left)


@verb("show", parent=command, short_help="Show how a run of an evaluation is or was.", blank=_BLANK)
@click.argument("wanted", metavar="NAME|ID")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="With --wait: stop waiting after SECONDS.",
)
@history_options
def show_command(
    session: Session,
    wanted: str,
    wait: bool,
    timeout: float | None,
    history: bool,
    plot: Path | None,
    max_count: int | None,
) -> Outcome:
    """Show the run with the report id ID, or the last run of the evaluation NAME.

    With --history, NAME is a prompt: what its versions scored in the evaluations that its file and
    promptsync.yaml name for it, or, where they name none, in those that ran it. Runs that do not tell a
    version are listed apart.

    \b
    promptsync eval show "refund quality"
    promptsync eval show 45 --wait
    promptsync eval show --history support/refund --plot scores.svg
    """
    if history:
        if wait or timeout is not None:
            raise UsageError("--history shows what has ended: it takes no --wait and no --timeout")
        return show_history(session, wanted, plot, max_count)
    if plot is not None or max_count is not None:
        raise UsageError("--plot and --max-count belong to --history", hint="add --history")
    from promptsync.checks.catalogue import list_evaluations
    from promptsync.checks.evaluations import Standard, await_report, run_to_show

    if timeout is not None and not wait:
        raise UsageError("--timeout needs --wait", hint="add --wait")
    patience = patience_of(not wait, timeout)
    standard = Standard(allow_unscored=True)
    with session.project() as project:
        registry = project.registry
        known = run_to_show(list_evaluations(registry, runs=True), wanted, registry.url)
        try:
            run = await_report(registry, known, patience=patience, progress=session.bar)
        except Interrupted as stop:
            return _interrupted(stop.runs, standard)
    if run.status is Status.UNREADABLE and run.error is not None:
        raise run.error
    return Outcome(_lines([run], standard), _body([run], standard))


# -- output --------------------------------------------------------------------------------------------


def _lines(runs: Sequence[EvaluationRun], standard: Standard) -> list[str]:
    rows = [("EVALUATION", "REPORT", "STATUS", "SCORE", "BEFORE", "FAILED CELLS", "PROMPT")]
    for run in runs:
        passed = not standard.verdict(run)
        rows.append(
            (
                output.name(run.evaluation),
                "-" if run.report_id is None else str(run.report_id),
                state(run.status, passed),
                output.style(_score(run.score), "good" if passed else "bad"),
                _score(run.previous_score),
                str(len(run.failed_cells)),
                "-" if run.version is None else f"v{run.version}",
            )
        )
    lines = output.table(rows)
    for run in runs:
        lines += _cell_lines(run)
        if run.model is not None:
            said = f"{output.name(run.evaluation)}: answered by {output.name(run.model)}"
            lines.append(output.style(said, "faint"))
    return lines


def _cell_lines(run: EvaluationRun) -> list[str]:
    told = [cell for cell in run.failed_cells if cell.row is not None]
    lines = [_cell_line(run, cell) for cell in told[:_MOST_CELLS]]
    if len(told) > _MOST_CELLS:
        lines.append(
            f"{output.name(run.evaluation)}: {len(told) - _MOST_CELLS} more failed cells; --json has all"
        )
    return lines


def _cell_line(run: EvaluationRun, cell: FailedCell) -> str:
    column = "" if cell.column is None else f", {output.name(cell.column)}"
    reason = output.name(cell.reason or "no reason given")
    return f"{output.name(run.evaluation)}: row {cell.row}{column}: {reason}"


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:g}"


def _body(runs: Sequence[EvaluationRun], standard: Standard) -> dict[str, Any]:
    return {"changed": [], "runs": [_run_body(run, standard) for run in runs]}


def _run_body(run: EvaluationRun, standard: Standard) -> dict[str, Any]:
    verdict = standard.verdict(run)
    return {
        "evaluation": run.evaluation,
        "evaluation_id": run.evaluation_id,
        "report_id": run.report_id,
        "status": str(run.status),
        "score": run.score,
        "previous_score": run.previous_score,
        "passed": None if run.is_under_way else not verdict,
        "reason": None if run.is_under_way else verdict or None,
        "failed_cells": [
            {"row": cell.row, "column": cell.column, "reason": cell.reason} for cell in run.failed_cells
        ],
        "version": run.version,
        "model": run.model,
    }
