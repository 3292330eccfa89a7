"""What ``eval``, ``agent`` and ``deploy`` share: options, the choice of checks, their run, result files."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click
import msgspec
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Choice, Kind, choose_changed, choose_named
from promptsync.checks.catalog import CatalogItem, find_checks
from promptsync.checks.results import CheckResults, Standard
from promptsync.checks.run_checks import run_checks
from promptsync.checks.runs import TIMEOUT
from promptsync.checks.tables import TablePlan, check_tables, past_results, plan_tables
from promptsync.checks.tested_text import Wanted, wanted_texts
from promptsync.commands.shared.ci import live_label, origin, resolve_since, since_option
from promptsync.commands.shared.groups import flag, option, together
from promptsync.commands.shared.options import SECONDS, check_apart, format_option, writable
from promptsync.commands.shared.session import Session
from promptsync.errors import AnswerIsNo, Interrupted, PromptsyncError, UsageError
from promptsync.project.project import Project
from promptsync.prompt.evaluation import enough_rows
from promptsync.registry.protocol import Registry
from promptsync.show import checks as show_checks
from promptsync.show.markdown import Page, code
from promptsync.show.notes import listed
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

Item = TypeVar("Item", bound="CatalogItem")

_VERBS: Final = {"evaluation": "eval", "agent": "agent"}

junit_option = option(
    "--junit junit_file", "FILE", "Write the results as JUnit XML, even if the command fails."
)
report_option = option("--report report_file", "FILE", "Write an HTML report about the checks on tables.")
"""Adds ``--report FILE`` as ``report_file``, as ``junit_option`` does: both are for ``ResultFiles``."""

run_options = together(
    flag("--changed", "Run the checks of changed prompts, from their files and checks:."),
    since_option,
    flag("--allow-unbound", "With --changed: accept a run that may have used another version of the prompt."),
    junit_option,
    format_option("markdown"),
    flag("--no-wait", "Start it and exit without waiting for the result."),
    option(
        "--timeout",
        "SECONDS",
        f"Stop waiting after SECONDS, with exit code 1 (default: {TIMEOUT:g}).",
        type=SECONDS,
    ),
)
"""Adds the options of a run; pass their values to ``run_together``."""

prompt_option = option(
    "--prompt prompts", "NAME", "On tables: check only this prompt. Repeatable.", multiple=True
)
label_option = option(
    "--label", "LABEL", "On tables: the label of the live versions (default: from labels:)."
)
max_cells_option = option(
    "--max-cells",
    "N",
    "On tables: compute at most N cells (default: limits: {cells: N} in promptsync.yaml).",
    type=click.IntRange(0),
    in_session=True,
)
reuse_option = option(
    "--reuse",
    "HOURS",
    "On tables: reuse verdicts of the last HOURS, 0 for none (default: evaluations: {reuse: HOURS}).",
    type=click.FloatRange(0),
    in_session=True,
)
tables_option = flag("--tables", "With --changed: run only checks on tables, which need nothing published.")

table_options = together(
    prompt_option, label_option, tables_option, max_cells_option, reuse_option, report_option
)
"""Adds the options of a run on tables; pass their values to ``run_together``, too."""

wait_option = together(
    flag("--wait", "Wait until the run has ended."),
    option("--timeout", "SECONDS", "With --wait: stop waiting after SECONDS.", type=SECONDS),
)
"""Adds ``--wait`` and ``--timeout``; pass their values to ``time_to_wait``."""


def time_to_wait(wait: bool, timeout: float | None) -> float:
    """Return how long to wait for a run that was started before, 0 for not at all."""
    if timeout is not None and not wait:
        raise UsageError("--timeout needs --wait", hint="add --wait")
    return (timeout or TIMEOUT) if wait else 0


def list_items(
    session: Session,
    noun: str,
    read: Callable[[Registry], Sequence[Item]],
    head: tuple[str, ...],
    row: Callable[[Item], tuple[str, ...]],
) -> Outcome:
    """Return the list of evaluations, agents or datasets of the registry; ``row`` is the end of one's row."""
    with session.project(needs_config=False) as project:
        items = read(project.registry)
    if not items:
        session.say(f"no {noun}")
    rows = [(str(item.id), output.name(item.name), *row(item)) for item in items]
    lines = output.table([("ID", "NAME", *head), *rows]) if items else []
    return Outcome(lines, {noun: msgspec.to_builtins(items)})


def run_together(
    session: Session,
    kind: Kind,
    names: Sequence[str],
    options: Mapping[str, Any],
    standard: Standard,
    variables: Mapping[str, Any] | None = None,
    **version: Any,
) -> Outcome:
    """Run the named checks, or those of the prompts that changed; ``options`` are those of ``run_options``.

    ``variables`` and ``version`` are for agents. Raises ``UsageError`` for names and options that make no
    sense together.
    """
    _check_options(kind, names, options)
    command = f"{_VERBS[kind]} run"
    files = ResultFiles(session, command, options["junit_file"], options.get("report_file"))
    results = CheckResults()
    wanted: Sequence[Wanted] = ()
    with files.errors(), session.project() as project:
        choice = _choice(session, project, kind, names, options, variables)
        located = find_checks(project.registry, choice.checks, choice.limits)
        if tables := choice.of("table"):
            wanted = wanted_texts(project, tables, live_label(session, project, options["label"]))
            results = _run_plan(session, project, plan_tables(project, wanted), standard, options)
        if located and not results.interrupted:
            others = run_checks(project, located, choice.wanted, _timed(standard, options), **version)
            results = CheckResults((*results.all, *others.all), others.interrupted)
        unwritten = files.write(project, results, wanted)
    for note in show_checks.run_notes(results, session.command_on_remote):
        session.say(note)
    error = results.error or unwritten
    passed = error is None and not results.under_way
    outputs = {"passed": str(passed).lower(), "changed": json.dumps(choice.changed)}
    outputs["count"] = str(len(results.all))
    if kind == "evaluation":
        # What the echo model answered is no score.
        scored = [result for result in results.all if not result.run.is_echo]
        outputs["scores"] = json.dumps({result.title: result.run.score for result in scored})
    noun = "table" if options.get("tables") else kind

    def add(page: Page) -> None:
        if results.all:
            show_checks.add_results(page, results)
        else:
            why = "none is assigned to what changed" if choice.changed else "no prompt changed"
            page.say(f"No {noun} ran: {why} since {code(choice.since)}.")

    outcome = results_outcome(kind, results, show_checks.choice_body(choice))
    return outcome.replaced(error=error, outputs=outputs, markdown=add)


def results_outcome(kind: Kind, results: CheckResults, body: Mapping[str, Any] | None = None) -> Outcome:
    """Return results of one kind as text and JSON."""
    lines = [*show_checks.results_lines(results), *show_checks.echo_lines(results)]
    lines += show_checks.output_lines(results)
    known = {"changed": [], **(body or {}), "runs": show_checks.runs_body(results, kind)}
    return Outcome(lines, known, error=results.error)


def _check_options(kind: Kind, names: Sequence[str], options: Mapping[str, Any]) -> None:
    changed = options["changed"]
    for other in ((f"names of {kind}s", names), ("--prompt", options.get("prompts"))):
        check_apart(("--changed", changed), other)
    check_apart(("--no-wait", options["no_wait"]), ("--timeout", options["timeout"]))
    if not names and not changed:
        verb = f"promptsync {_VERBS[kind]}"
        raise UsageError(f"no {kind} named", hint=f"{verb} list\n{verb} run --changed")
    for name in ("since", "allow_unbound", "tables"):
        if options.get(name) and not changed:
            raise UsageError(f"--{name.replace('_', '-')} needs --changed", hint="add --changed")


def _choice(
    session: Session,
    project: Project,
    kind: Kind,
    names: Sequence[str],
    options: Mapping[str, Any],
    variables: Mapping[str, Any] | None,
) -> Choice:
    """Return the named checks, or those of the prompts that changed, and report what changed."""
    if not options["changed"]:
        return choose_named(project, kind, names, variables, options.get("prompts", ()))
    since, only_tables = resolve_since(session, options["since"]), bool(options.get("tables"))
    choice = choose_changed(project, kind, since, variables, only_tables=only_tables)
    session.known = show_checks.choice_body(choice)
    for note in show_checks.choice_notes(choice, "table" if only_tables else kind):
        session.say(note)
    return choice


def _run_plan(
    session: Session, project: Project, plan: TablePlan, standard: Standard, options: Mapping[str, Any]
) -> CheckResults:
    """Show what a plan costs, ask on a terminal if that is above the limit, and run it."""
    session.say(show_checks.planned_text(plan))
    if plan.refusal is not None and session.can_ask and sys.stdin.isatty():
        question = f"{plan.cells:,} cells are more than the limit of {plan.limit:,}. Compute them?"
        agreed = session.ask(question, default=False, unchanged="nothing was run")
        plan = replace(plan, limit=plan.cells) if agreed else plan
    standard = replace(_timed(standard, options), origin=origin(session, project))
    return check_tables(project, plan, standard)


def _timed(standard: Standard, options: Mapping[str, Any]) -> Standard:
    """Return a standard with how long to wait."""
    return replace(standard, timeout=0 if options.get("no_wait") else options["timeout"] or TIMEOUT)


def show_tables(
    session: Session, project: Project, checks: Sequence[Check], label: str | None
) -> CheckResults:
    """Return the results of complete runs of the texts of the files. Runs nothing.

    Raises ``AnswerIsNo`` if a prompt has none.
    """
    wanted = wanted_texts(project, checks, live_label(session, project, label))
    results = past_results(project, wanted)
    missing = [text for text, result in zip(wanted, results, strict=True) if result is None]
    if missing:
        table, names = missing[0].check.name, [text.candidate.name for text in missing]
        # A table that no prompt names needs the option.
        options = [word for name in names for word in ("--prompt", name)]
        options += ["--label", label] if label is not None else []
        what = f"{table} has no complete run of {listed(names, 1)} as it is in your files"
        hint = shlex.join(["promptsync", "eval", "run", table, *options])
        raise AnswerIsNo(what, hint=hint, code="never-run")
    return CheckResults(tuple(result for result in results if result is not None))


def run_noise(
    session: Session, project: Project, checks: Sequence[Check], runs: int, options: Mapping[str, Any]
) -> CheckResults:
    """Run the live text of each check several times, or that of the file if none is live.

    Raises ``AnswerIsNo`` for a table with too few rows to measure anything.
    """
    texts = wanted_texts(project, checks, live_label(session, project, options["label"]))
    limits = {"runs": runs, "min_score": 0}
    wanted = [Wanted(replace(text.check, **limits), text.live or text.candidate) for text in texts]
    plan = plan_tables(project, wanted, reuse=0)
    for text, (index, _) in zip(wanted, plan.pairs, strict=True):
        definition, drop = plan.contents[index].definition, text.check.max_drop or 5
        if len(definition.rows) < enough_rows(0):
            rows = output.count(len(definition.rows), "row")
            what = f"{definition.name} has {rows}: it takes {enough_rows(0)} to measure anything"
            what += f", and {enough_rows(drop)} for max_drop {drop:g}"
            raise AnswerIsNo(what, hint="add rows to it", code="too-few-rows")
    return _run_plan(session, project, plan, Standard(allow_unscored=True), options)


class ResultFiles:
    """The files of ``--junit`` and ``--report`` for a command, as far as they are wanted.

    Raises ``UsageError`` if one cannot be written.
    """

    def __init__(self, session: Session, command: str, junit: str | None, report: str | None = None) -> None:
        self._session, self._command = session, command
        self._junit = writable(session, "--junit", junit)
        self._report = writable(session, "--report", report)

    def write(
        self,
        project: Project | None,
        results: CheckResults,
        wanted: Sequence[Wanted] = (),
        error: PromptsyncError | None = None,
    ) -> PromptsyncError | None:
        """Write the results, and return what prevents it. A report needs a project and checks on tables.

        ``error`` is that of the command, which JUnit shows unless the results are its reason.
        """
        if self._junit is None and self._report is None:
            return None
        from promptsync.show.result_files import junit, report

        texts = {}
        if self._junit is not None:
            texts["--junit"] = self._junit, junit(results, error, self._command)
        if self._report is not None and project is not None and wanted:
            history = project.history
            commit = history.line("log", "-1", "--format=%h by %an: %s") if history is not None else None
            about = {
                "For": origin(self._session, project),
                "Commit": commit or "",
                "Time": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
                "Registry": project.title,
            }
            pairs = [(text.live, text.candidate) for text in wanted]
            texts["--report"] = self._report, report(results, pairs, about)
        unwritten = None
        for name, (path, text) in texts.items():
            try:
                path.write_text(text, "utf-8", newline="\n")
            except OSError as problem:
                message = f"{name}: cannot write {path}: {problem.strerror}"
                unwritten = PromptsyncError(message, code="not-written")
        return unwritten

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Write an error that ends the command, so that no older results are left in the file."""
        try:
            yield
        except (PromptsyncError, KeyboardInterrupt) as error:
            stopped = error if isinstance(error, PromptsyncError) else Interrupted("interrupted")
            self.write(None, CheckResults(), error=stopped)
            raise
