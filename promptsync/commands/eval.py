"""``promptsync eval``: list, run and show evaluations."""

from __future__ import annotations

import json

import click

from promptsync.checks.assignment import find_checks, limits_in
from promptsync.checks.catalogue import list_evaluations
from promptsync.checks.choose import choose_evaluations
from promptsync.checks.receipt import Standard
from promptsync.checks.run import run_checks, show_run
from promptsync.commands.shared.checks import (
    BLANK,
    changed_checks,
    check_choice,
    checks_outcome,
    choosing_options,
    errors_written_to,
    first_result,
    junit_option,
    patience_of,
    patience_to_wait,
    result_file,
    wait_option,
    waiting_options,
)
from promptsync.commands.shared.options import SCORE, choose_format, format_option
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.show import catalogue
from promptsync.show.checks import evaluations_body, follow_notes, results_lines
from promptsync.show.junit import junit
from promptsync.show.outcome import Outcome


@verb_group("eval", short_help="List, run and show evaluations.")
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
    with session.project(needs_config=False) as project:
        found = list_evaluations(project.registry, runs=True)
    if not found:
        session.say("no evaluations")
    return Outcome(catalogue.evaluation_lines(found), catalogue.evaluations_body(found))


@verb("run", parent=command, short_help="Run evaluations and check their scores.", blank=BLANK)
@click.argument("names", nargs=-1, metavar="[NAME|ID...]")
@choosing_options
@click.option(
    "--min-score",
    metavar="N",
    type=SCORE,
    help="Exit with 1 if a score, 0 to 100, is below N. A higher min_score in checks: takes precedence.",
)
@click.option("--allow-unscored", is_flag=True, help="Accept evaluations without a score.")
@junit_option
@format_option("markdown")
@waiting_options
def run_command(
    session: Session,
    names: tuple[str, ...],
    changed: bool,
    since: str | None,
    allow_unbound: bool,
    min_score: float | None,
    allow_unscored: bool,
    junit_file: str | None,
    form: str | None,
    no_wait: bool,
    timeout: float | None,
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
    choose_format(session, form)
    check_choice("evaluation", names, changed=changed, since=since, allow_unbound=allow_unbound)
    patience = patience_of(no_wait, timeout)
    report = result_file(session, "--junit", junit_file)
    with errors_written_to(report, "eval run"), session.project() as project:
        if changed:
            choice = changed_checks(session, project, "evaluation", since)
        else:
            choice = choose_evaluations(names, project.config)
        results = run_checks(
            project.registry,
            find_checks(project.registry, choice.selection),
            standard=Standard(min_score, allow_unscored, allow_unbound),
            patience=patience,
            progress=session.bar,
            versions=choice.versions,
            unpublished=choice.unpublished,
        )
    for note in () if results.interrupted else follow_notes(results, session.command_on_remote):
        session.say(note)
    return checks_outcome(
        "evaluation",
        choice,
        results,
        lines=results_lines(results),
        runs=evaluations_body(results),
        errors=[results.error, report.write(lambda: junit(results))],
        outputs={"scores": json.dumps({one.run.name: one.run.score for one in results.evaluations})},
    )


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
    patience = patience_to_wait(wait, timeout)
    with session.project() as project:
        limits = limits_in(project.config)
        results = show_run(project.registry, wanted, limits, patience=patience, progress=session.bar)
    code, error = first_result(results.error)
    return Outcome(results_lines(results), {**BLANK, "runs": evaluations_body(results)}, code, error)
