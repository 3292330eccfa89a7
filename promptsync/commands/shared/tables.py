"""What ``eval`` and ``deploy`` share about checks on tables: options, costs, results, the report page."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from promptsync.checks.results import CheckResults, Standard
from promptsync.checks.runs import TIMEOUT
from promptsync.checks.tables import TablePlan, check_tables, past_results, plan_tables
from promptsync.checks.tested_text import Wanted, wanted_texts
from promptsync.commands.shared.checks import write_text
from promptsync.commands.shared.ci import live_label, origin
from promptsync.commands.shared.groups import session_option, together
from promptsync.commands.shared.session import Session
from promptsync.errors import AnswerIsNo
from promptsync.prompt.evaluation import enough_rows
from promptsync.show.tables import planned_text
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.checks.assignment import Check
    from promptsync.errors import PromptsyncError
    from promptsync.project.project import Project

prompt_option = click.option(
    "--prompt",
    "prompts",
    metavar="NAME",
    multiple=True,
    help="On tables: check only this prompt. Repeatable.",
)
label_option = click.option(
    "--label", metavar="LABEL", help="On tables: the label of the live versions (default: from labels:)."
)


max_cells_option = session_option(
    "--max-cells",
    type=click.IntRange(0),
    metavar="N",
    help="On tables: compute at most N cells (default: limits: {cells: N} in promptsync.yaml).",
)
reuse_option = session_option(
    "--reuse",
    type=click.FloatRange(0),
    metavar="HOURS",
    help="On tables: reuse verdicts of the last HOURS, 0 for none (default: evaluations: {reuse: HOURS}).",
)
report_option = click.option(
    "--report", "report_file", metavar="FILE", help="Write an HTML report about the checks on tables."
)
"""Adds ``--report FILE`` as ``report_file``; ``writable`` gives the path for ``write_report``."""

tables_option = click.option(
    "--tables", is_flag=True, help="With --changed: run only checks on tables, which need nothing published."
)

table_options = together(
    prompt_option, label_option, tables_option, max_cells_option, reuse_option, report_option
)
"""Adds the options of a run on tables; pass their values to ``run_tables``."""


def run_tables(
    session: Session,
    project: Project,
    checks: Sequence[Check],
    standard: Standard,
    options: Mapping[str, Any],
) -> tuple[CheckResults, Sequence[Wanted]]:
    """Show what checks on tables cost, and run them on the texts of the files; return these, too.

    ``options`` are those of ``run_options`` and ``table_options``.
    """
    wanted = wanted_texts(project, checks, live_label(session, project, options["label"]))
    return run_plan(session, project, plan_tables(project, wanted), standard, options), wanted


def run_plan(
    session: Session, project: Project, plan: TablePlan, standard: Standard, options: Mapping[str, Any]
) -> CheckResults:
    """Show what a plan costs, ask on a terminal if that is above the limit, and run it."""
    session.say(planned_text(plan))
    if plan.refusal is not None and session.can_ask and sys.stdin.isatty():
        question = f"{plan.cells:,} cells are more than the limit of {plan.limit:,}. Compute them?"
        plan = replace(plan, limit=plan.cells) if session.confirm(question) else plan
    return check_tables(
        project,
        plan,
        standard=standard,
        timeout=options["timeout"] or TIMEOUT,
        progress=session.bar,
        origin=origin(session, project),
        wait=not options.get("no_wait"),
    )


def show_tables(
    session: Session, project: Project, checks: Sequence[Check], label: str | None
) -> CheckResults:
    """Return the results of complete runs of the texts of the files. Runs nothing.

    Raises ``AnswerIsNo`` if a prompt has none.
    """
    wanted = wanted_texts(project, checks, live_label(session, project, label))
    results = []
    for text, result in zip(wanted, past_results(project, wanted), strict=True):
        if result is None:
            raise AnswerIsNo(
                f"{text.check.name} has no complete run of {text.candidate.name} as it is in your files",
                hint=f"promptsync eval run {shlex.quote(text.check.name)}",
                code="never-run",
            )
        results.append(result)
    return CheckResults(tuple(results))


def run_noise(
    session: Session, project: Project, checks: Sequence[Check], runs: int, options: Mapping[str, Any]
) -> CheckResults:
    """Run the live text of each check several times, or that of the file if none is live.

    Raises ``AnswerIsNo`` for a table with too few rows to measure anything.
    """
    wanted = [
        Wanted(replace(text.check, runs=runs, min_score=0), text.live or text.candidate)
        for text in wanted_texts(project, checks, live_label(session, project, options["label"]))
    ]
    plan = plan_tables(project, wanted, reuse=0)
    for text, (index, _) in zip(wanted, plan.pairs, strict=True):
        definition, drop = plan.sheets[index].table.definition, text.check.max_drop or 5
        if len(definition.rows) < enough_rows(0):
            rows = count(len(definition.rows), "row")
            raise AnswerIsNo(
                f"{definition.name} has {rows}: it takes {enough_rows(0)} to measure anything, and "
                f"{enough_rows(drop)} for max_drop {drop:g}",
                hint="add rows to it",
                code="too-few-rows",
            )
    return run_plan(session, project, plan, Standard(allow_unscored=True), options)


def write_report(
    session: Session, project: Project, path: Path | None, results: CheckResults, wanted: Sequence[Wanted]
) -> PromptsyncError | None:
    """Write the page of ``--report``, unless no table was checked, and return what prevents it."""
    if path is None or not wanted:
        return None
    from promptsync.show.result_files import report

    history = project.history
    commit = history.line("log", "-1", "--format=%h by %an: %s") if history is not None else None
    about = {
        "For": origin(session, project),
        "Commit": commit or "",
        "Time": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Registry": project.title,
    }
    texts = [(text.live, text.candidate) for text in wanted]
    return write_text(path, "--report", report(results, texts, about))
