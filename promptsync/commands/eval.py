"""``promptsync eval``: list, run and show evaluations."""

from __future__ import annotations

from typing import Any

import click

from promptsync.checks.assignment import limits_in
from promptsync.checks.catalog import Evaluation, list_evaluations
from promptsync.checks.judge import show_run
from promptsync.checks.receipt import Standard
from promptsync.commands.shared.checks import (
    BLANK,
    list_items,
    results_outcome,
    run_options,
    run_together,
    time_to_wait,
    wait_option,
)
from promptsync.commands.shared.options import SCORE
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.show.lines import number_text
from promptsync.show.outcome import Outcome


@verb_group("eval")
def command() -> None:
    """Evaluations check prompts: each row of a dataset is sent to a model, and the answer is scored.

    \b
    promptsync eval list
    promptsync eval run "refund quality" --min-score 80
    promptsync eval show "refund quality"
    """


@verb("list", parent=command, short_help="List evaluations.", blank={"evaluations": []})
def list_command(session: Session) -> Outcome:
    """List the evaluations of the registry, with their last scores if it lists runs.

    \b
    promptsync eval list
    """
    return list_items(session, "evaluations", list_evaluations, ("RUNS", "LAST SCORE"), _row)


def _row(evaluation: Evaluation) -> tuple[str, ...]:
    runs = None if evaluation.runs is None else len(evaluation.runs)
    return number_text(runs), number_text(evaluation.last_score)


@verb("run", parent=command, short_help="Run evaluations and check their scores.", blank=BLANK)
@click.argument("names", nargs=-1, metavar="[NAME|ID...]")
@click.option(
    "--min-score",
    metavar="N",
    type=SCORE,
    help="Exit with 1 if a score, 0 to 100, is below N. A higher min_score in checks: takes precedence.",
)
@click.option("--allow-unscored", is_flag=True, help="Accept evaluations without a score.")
@run_options
def run_command(
    session: Session,
    names: tuple[str, ...],
    min_score: float | None,
    allow_unscored: bool,
    **options: Any,
) -> Outcome:
    """Run evaluations together, and wait for their scores.

    Name them, or use --changed for the evaluations of changed prompts, as named in their files and in
    checks:. A prompt has changed if it differs from another git state, or contains a snippet that does. With
    --changed, a run passes only if it used the version that matches the file.

    The exit code is 1 if cells failed, a score is missing or below the minimum, or a run timed out.

    \b
    promptsync eval run "refund quality" --min-score 80
    promptsync eval run --changed --since origin/main --junit report.xml
    promptsync eval run 44 45 --no-wait --json
    """
    standard = Standard(min_score, allow_unscored, options["allow_unbound"])
    return run_together(session, "evaluation", names, options, standard)


@verb("show", parent=command, short_help="Show a run of an evaluation.", blank=BLANK)
@click.argument("wanted", metavar="NAME|ID")
@wait_option
def show_command(session: Session, wanted: str, wait: bool, timeout: float | None) -> Outcome:
    """Show the run with the report id ID, or the last run of the evaluation NAME.

    The exit code is 1 if the run failed or is below the min_score in checks:, or if --timeout ended the wait.

    \b
    promptsync eval show "refund quality"
    promptsync eval show 45 --wait
    """
    seconds = time_to_wait(wait, timeout)
    with session.project() as project:
        limits = limits_in(project.config)
        results = show_run(project.registry, wanted, limits, timeout=seconds, progress=session.bar)
    return results_outcome("evaluation", results)
