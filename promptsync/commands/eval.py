"""``promptsync eval``: list, run and show evaluations."""

from __future__ import annotations

import shlex
from typing import Any

import click
import msgspec

from promptsync.checks.assignment import choose_named, limits_in, select_checks
from promptsync.checks.catalog import Evaluation, list_evaluations, list_tables, table_hint
from promptsync.checks.comparison import noise
from promptsync.checks.definition import pull_table
from promptsync.checks.results import CheckResult, Standard
from promptsync.checks.run_checks import show_run
from promptsync.checks.tables import last_result
from promptsync.commands.shared import checks
from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import SCORE, timeout_option
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.errors import UsageError
from promptsync.files.prompt_file import scan
from promptsync.parallel import mapped
from promptsync.show import checks as show_checks
from promptsync.show.notes import number_text
from promptsync.show.outcome import Outcome, bodies, body
from promptsync.terminal import output


@verb_group("eval")
def command() -> None:
    """Evaluations check prompts: each row is sent to a model with the prompt, and the answer is scored.

    \b
    promptsync eval list
    promptsync eval run "refund quality" --min-score 80
    promptsync eval show "refund quality"
    """


@verb("list", parent=command, short_help="List evaluations.")
def list_command(session: Session) -> Outcome:
    """List evaluation files with their last runs, the tables of the registry, and its evaluations.

    \b
    promptsync eval list
    """
    with session.project(needs_config=False) as project:
        evaluations = list_evaluations(project.registry)
        tables = list_tables(project.registry)
        ids = {table["title"]: table["id"] for table in tables}
        names = sorted(file.name for file in project.evaluations)
        results = mapped(lambda name: last_result(project, name, ids[name]) if name in ids else None, names)
    last = {result.run.name: result for result in results if result is not None}
    ran = {item.name: item for item in reversed(evaluations)}
    rows = [_row(name, "file", ids.get(name, "-"), ran.get(name), last.get(name)) for name in names]
    rows += [_row(table["title"], "table", table["id"]) for table in tables if table["title"] not in names]
    others = (item for item in evaluations if item.name not in names)
    rows += [_row(item.name, "evaluation", str(item.id), item) for item in others]
    if not rows:
        session.say("no evaluations")
    files = bodies(project.evaluations, "name path prompts")
    for entry in files:
        result = last.get(entry["name"])
        entry["last_run"] = body(result, show_checks.LAST_RUN) if result is not None else None
    document = {"evaluations": msgspec.to_builtins(evaluations), "tables": tables, "files": files}
    lines = output.table([("NAME", "KIND", "RUNS", "LAST SCORE", "ID"), *rows]) if rows else []
    return Outcome([*lines, *map(show_checks.last_run_line, last.values())], document)


def _row(
    name: str, kind: str, id_: str, item: Evaluation | None = None, last: CheckResult | None = None
) -> tuple[str, ...]:
    runs = None if item is None or item.runs is None else len(item.runs)
    score = number_text(item.last_score if item is not None else None)
    score = score if last is None else show_checks.score_text(last.run)
    return output.name(name), kind, number_text(runs), score, output.name(id_)


@verb("run", parent=command, short_help="Run evaluations and check their scores.")
@click.argument("names", nargs=-1, metavar="[NAME|ID...]")
@option(
    "--min-score",
    "N",
    "Exit with 1 if a score, 0 to 100, is below N. A higher min_score in checks: takes precedence.",
    type=SCORE,
)
@flag("--allow-unscored", "Accept evaluations without a score.")
@checks.table_options
@checks.run_options
def run_command(
    session: Session, names: tuple[str, ...], min_score: float | None, allow_unscored: bool, **options: Any
) -> Outcome:
    """Run evaluations together, and wait for their scores.

    Name evaluations, or pass --changed to run those that evaluation files, prompt files or checks: assign to
    changed prompts. A prompt has changed if it, or a snippet in it, differs from another git state. If an
    evaluation file differs, its table runs for all of its prompts.

    If NAME is an evaluation file or a table, the prompts in your files run on its rows, unpublished, beside
    the live versions. Any other NAME is an evaluation of the registry, which runs what is published; with
    --changed, it passes only if it used the version that matches the file.

    Exits with 1 if cells failed, a score is missing or below the minimum, a score dropped by more than
    max_drop, or a run timed out.

    \b
    promptsync eval run "refund quality" --min-score 80
    promptsync eval run "Refund quality" --prompt support/refund --report report.html
    promptsync eval run --changed --since origin/main --junit report.xml
    promptsync eval run 44 45 --no-wait --json
    """
    standard = Standard(min_score, allow_unscored, options["allow_unbound"])
    return checks.run_together(session, "evaluation", names, options, standard)


@verb("show", parent=command, short_help="Show a run of an evaluation.")
@click.argument("wanted", metavar="NAME|ID")
@checks.prompt_option
@checks.label_option
@checks.wait_option
def show_command(
    session: Session, wanted: str, prompts: tuple[str, ...], label: str | None, **waiting: Any
) -> Outcome:
    """Show the run with the report id ID, or the last run of the evaluation NAME.

    For an evaluation file or a table, this is the run on your files.

    Exits with 1 if the run failed or is below the min_score in checks:, or if --timeout ended the wait.

    \b
    promptsync eval show "refund quality"
    promptsync eval show 45 --wait
    """
    seconds = checks.time_to_wait(**waiting)
    with session.project() as project:
        tables = choose_named(project, "evaluation", [wanted], only=prompts).of("table")
        if tables:
            return checks.results_outcome("evaluation", checks.show_tables(session, project, tables, label))
        limits = limits_in(project.config)
        results = show_run(project, "evaluation", wanted, limits, timeout=seconds)
    return checks.results_outcome("evaluation", results)


@verb("pull", parent=command, short_help="Write an evaluation file from a table.")
@click.argument("table")
@option("--sheet", "TITLE", "The sheet that has the rows (default: the first).")
def pull_command(session: Session, table: str, sheet: str | None) -> Outcome:
    """Write the rows, columns and scorecard of the TABLE with this title or id into an evaluation file.

    The rows go into a CSV file beside it. Existing files are not overwritten.

    \b
    promptsync eval pull "Refund quality"
    promptsync eval pull "Refund quality" --sheet Cases
    """
    with session.project() as project:
        pulled = pull_table(project, table, sheet=sheet)
    if pulled.left_out:
        session.say(f"not in the file: {', '.join(map(output.name, pulled.left_out))}")
    lines = [f"wrote {output.name(path)}" for path in pulled.written]
    return Outcome(lines, msgspec.to_builtins(pulled))


@verb("noise", parent=command, short_help="Measure how far scores move without any change.")
@click.argument("name")
@checks.prompt_option
@checks.label_option
@option("--runs", None, "How often each row runs (default: 3).", type=click.IntRange(2, 20), default=3)
@checks.max_cells_option
@timeout_option
def noise_command(session: Session, name: str, runs: int, **options: Any) -> Outcome:
    """Run live versions several times on the rows of the table NAME, and compare the runs.

    The output says which rows don't always get the same verdict, how far the score moves, and which max_drop
    an unchanged prompt would pass in four of five runs. Nothing is reused from earlier runs.

    \b
    promptsync eval noise "Refund quality" --runs 5
    """
    with session.project() as project:
        tables = choose_named(project, "evaluation", [name], only=options["prompts"]).of("table")
        if not tables:
            files = scan(project.root, project.config.prompts).files
            checking = select_checks({name} & files.keys(), files, project.config, project.evaluations)
            hint = table_hint(project.registry, name, [file.name for file in project.evaluations], "noise")
            if named := checking.of("table"):
                hint = f"promptsync eval noise {shlex.join([named[0].name, '--prompt', name])}"
            raise UsageError(f"no prompt is checked on a table {name!r}", hint=hint or "promptsync eval list")
        results = checks.run_noise(session, project, tables, runs, options)
    measured = [(result, noise(result.run.rows, runs)) for result in results.all if result.run.rows]
    document = {"noise": [show_checks.noise_body(*pair) for pair in measured]}
    lines = [line for pair in measured for line in show_checks.noise_lines(*pair)]
    lines += show_checks.echo_lines(results)
    error = results.error
    if error is not None and error.hint:
        error = error.replaced(hint=f"promptsync eval noise {shlex.quote(name)}")
    return Outcome(lines, document, error=error)
