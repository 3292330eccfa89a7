"""``promptsync eval show --history``: what the versions of a prompt scored, as a table and as a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptsync.checks.evaluations import Standard
from promptsync.checks.outcome import Interrupted, Status
from promptsync.checks.reports import EvaluationRun
from promptsync.commands.eval_run import BLANK, eval_run
from promptsync.commands.shared.options import checked_filters, interrupted, list_filters, patience_of
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.errors import AnswerIsNo, PromptsyncError, UsageError
from promptsync.show.outcome import Outcome
from promptsync.show.runs import (
    cell_lines,
    evaluation_run_body,
    id_text,
    model_lines,
    score_text,
    state,
    still_running,
)
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.checks.catalogue import Evaluation
    from promptsync.checks.scores import History


def history_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--history`` and what goes with it."""
    for option in (
        click.option(
            "--max-count",
            metavar="N",
            type=click.IntRange(1),
            help="With --history: read the newest N runs of each evaluation (default: 50).",
        ),
        click.option(
            "--plot",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="With --history: also draw it, as FILE.svg or FILE.png.",
        ),
        click.option(
            "--history", is_flag=True, help="NAME is a prompt: list what its versions scored, with a chart."
        ),
    ):
        function = option(function)
    return function


def show_history(session: Session, name: str, plot: Path | None, max_count: int | None) -> Outcome:
    """List the scores of a prompt's versions, and draw them into ``plot``."""
    from promptsync.checks.scores import NEWEST, score_history
    from promptsync.show.scores import history_body, history_lines, history_notes

    draw = None if plot is None else _picture_into(session.directory / plot)
    with session.project() as project:
        history = score_history(project, name, newest=max_count or NEWEST)
    for note in history_notes(history):
        session.say(note)
    if draw is not None:
        draw(history)
        session.say(f"drawn into {output.name(str(plot))}")
    body = {"changed": [], "runs": [], "history": history_body(history)}
    return Outcome(history_lines(history, blocks=_shows_blocks(session)), body)


def _shows_blocks(session: Session) -> bool:
    """Blocks go where colour goes; everything else gets plain text."""
    from promptsync.show.scores import can_show

    wants = session.use_colour if session.use_colour is not None else sys.stdout.isatty()
    return wants and can_show(sys.stdout.encoding)


def _picture_into(path: Path) -> Callable[[History], None]:
    """Return what draws a history into a file. Raises ``PromptsyncError`` at once where that cannot be."""
    from promptsync.files.state.disk import check_place, replace
    from promptsync.show.plot import picture, picture_format

    kind = picture_format(path)
    check_place(path)

    def draw(history: History) -> None:
        if not history.series:
            raise AnswerIsNo(
                f"there is nothing to draw: no run tells the score of a version of {history.name!r}",
                hint="promptsync eval run EVALUATION makes one",
                code="no-history",
            )
        replace(path, picture(history, kind))

    return draw


_STANDARD = Standard(allow_unscored=True)


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

    with session.project(needs_config=False) as project:
        found = list_evaluations(project.registry, runs=True, **checked_filters(filters))
    if not found:
        session.say("no evaluations")
    rows = [("ID", "NAME", "RUNS", "LAST SCORE")] + [
        (
            str(one.id),
            output.name(one.name),
            "-" if one.runs is None else str(len(one.runs)),
            score_text(one.last.score if one.last is not None else None),
        )
        for one in found
    ]
    lines = output.table(rows, headed=True) if found else []
    return Outcome(lines, {"evaluations": [_listed_body(one) for one in found]})


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


verb("run", parent=command, short_help="Run evaluations, and judge their scores.", blank=BLANK)(eval_run)


@verb("show", parent=command, short_help="Show how a run of an evaluation is or was.", blank=BLANK)
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
    from promptsync.checks.evaluations import await_report, run_to_show
    from promptsync.registry.errors import NotFound

    if timeout is not None and not wait:
        raise UsageError("--timeout needs --wait", hint="add --wait")
    patience = patience_of(not wait, timeout)
    with session.project() as project:
        registry = project.registry
        evaluations = list_evaluations(registry, runs=True)
        known = run_to_show(evaluations, wanted, registry.url)
        try:
            run = await_report(registry, known, known=evaluations, patience=patience, progress=session.bar)
        except Interrupted as stop:
            (known,) = [one for one in stop.runs if isinstance(one, EvaluationRun)]
            return interrupted(_lines(known), _body(known), still_running(stop.runs))
    if run.status is Status.UNREADABLE and run.error is not None:
        raise _nobody(registry.url, wanted) if isinstance(run.error, NotFound) else run.error
    return Outcome(_lines(run), _body(run))


def _nobody(url: str, wanted: str) -> PromptsyncError:
    from promptsync.checks.catalogue import NoSuchItem

    return NoSuchItem(
        f"{url} has no evaluation and no run {wanted!r}", hint="promptsync eval list shows what it has"
    )


def _lines(run: EvaluationRun) -> list[str]:
    passed = not _STANDARD.verdict(run)
    rows = [
        ("EVALUATION", "REPORT", "STATUS", "SCORE", "BEFORE", "FAILED CELLS", "PROMPT"),
        (
            output.name(run.evaluation),
            id_text(run.report_id),
            state(run.status, passed),
            output.style(score_text(run.score), "good" if passed else "bad"),
            score_text(run.previous_score),
            str(len(run.failed_cells)),
            "-" if run.version is None else f"v{run.version}",
        ),
    ]
    return [*output.table(rows, headed=True), *cell_lines(run), *model_lines([run])]


def _body(run: EvaluationRun) -> dict[str, Any]:
    return {"changed": [], "runs": [evaluation_run_body(run, _STANDARD.verdict(run))]}
