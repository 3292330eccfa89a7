"""What ``eval`` and ``agent`` share: options, lists, the choice of checks, the JUnit file, outcomes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from promptsync.checks.assignment import choose_changed, choose_named
from promptsync.checks.catalog import find_checks
from promptsync.checks.results import CheckResults
from promptsync.checks.run_checks import run_with_cases
from promptsync.checks.runs import TIMEOUT
from promptsync.commands.shared.ci import origin, resolve_since, since_option
from promptsync.commands.shared.groups import together
from promptsync.commands.shared.options import SECONDS, check_apart, format_option
from promptsync.commands.shared.session import Session
from promptsync.errors import Interrupted, PromptsyncError, UsageError
from promptsync.show.checks import (
    add_results,
    choice_body,
    choice_notes,
    nothing_run,
    output_lines,
    results_lines,
    run_notes,
    runs_body,
)
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

if TYPE_CHECKING:
    from pathlib import Path

    from promptsync.checks.assignment import Choice, Kind
    from promptsync.checks.catalog import CatalogItem
    from promptsync.checks.results import Standard
    from promptsync.checks.tested_text import Wanted
    from promptsync.project.project import Project
    from promptsync.registry.protocol import Registry
    from promptsync.show.markdown import Page

Item = TypeVar("Item", bound="CatalogItem")

_VERBS: Final = {"evaluation": "eval", "agent": "agent"}

BLANK: Mapping[str, Any] = {"changed": [], "runs": []}
"""The keys that the JSON document of a run has in any case."""

junit_option = click.option(
    "--junit", "junit_file", metavar="FILE", help="Write the results as JUnit XML, even if the command fails."
)
"""Adds ``--junit FILE``, whose value is passed as ``junit_file``; give it to ``JunitFile``."""

run_options = together(
    click.option(
        "--changed", is_flag=True, help="Run the checks of changed prompts, from their files and checks:."
    ),
    since_option,
    click.option(
        "--allow-unbound",
        is_flag=True,
        help="With --changed: accept a run that may have used another version of the prompt.",
    ),
    junit_option,
    format_option("markdown"),
    click.option("--no-wait", is_flag=True, help="Start it and exit without waiting for the result."),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=SECONDS,
        help=f"Stop waiting after SECONDS, with exit code 1 (default: {TIMEOUT:g}).",
    ),
)
"""Adds the options of a run; pass their values to ``run_together``."""

wait_option = together(
    click.option("--wait", is_flag=True, help="Wait until the run has ended."),
    click.option(
        "--timeout", metavar="SECONDS", type=SECONDS, help="With --wait: stop waiting after SECONDS."
    ),
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
    **what: Any,
) -> Outcome:
    """Run the named checks, or those of the prompts that changed; ``options`` are those of ``run_options``.

    ``what`` says which version of an agent runs, and its variables. Raises ``UsageError`` for names and
    options that make no sense together.
    """
    from promptsync.commands.shared.tables import run_tables, write_report

    _check_options(kind, names, options)
    variables = what.pop("variables", None)
    junit = JunitFile(session, options["junit_file"])
    report = writable(session, "--report", options.get("report_file"))
    results = CheckResults()
    wanted: Sequence[Wanted] = ()
    with junit.errors_of(f"{_VERBS[kind]} run"), session.project() as project:
        choice = _choice(session, project, kind, names, options, variables)
        located = find_checks(project.registry, choice.selection)
        if choice.selection.tables:
            results, wanted = run_tables(session, project, choice.selection.tables, standard, options)
        if located and not results.interrupted:
            has_cases = any(check.cases for check, _ in located)
            others = run_with_cases(
                project,
                located,
                choice.wanted,
                standard=standard,
                timeout=0 if options["no_wait"] else options["timeout"] or TIMEOUT,
                progress=session.bar,
                origin=origin(session, project) if has_cases else "",
                **what,
            )
            results = CheckResults((*results.all, *others.all), others.interrupted)
        unwritten = write_report(session, project, report, results, wanted)
    for note in run_notes(results, session.command_on_remote):
        session.say(note)
    unwritten = junit.write(results) or unwritten
    error = results.error or unwritten
    outcome = results_outcome(kind, results, choice_body(choice))
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
            add_results(page, results)
        else:
            page.say(nothing_run(choice, noun))

    return outcome.replaced(error=error, outputs=outputs, markdown=add)


def results_outcome(kind: Kind, results: CheckResults, body: Mapping[str, Any] = BLANK) -> Outcome:
    """Return results of one kind as text and JSON."""
    lines = [*results_lines(results), *output_lines(results)]
    return Outcome(lines, {**BLANK, **body, "runs": runs_body(results, kind)}, error=results.error)


def _check_options(kind: Kind, names: Sequence[str], options: Mapping[str, Any]) -> None:
    changed = options["changed"]
    for other in ((f"names of {kind}s", names), ("--prompt", options.get("prompts"))):
        check_apart(("--changed", changed), other)
    check_apart(("--no-wait", options["no_wait"]), ("--timeout", options["timeout"]))
    if not names and not changed:
        verb = f"promptsync {_VERBS[kind]}"
        raise UsageError(f"no {kind} named", hint=f"{verb} list\n{verb} run --changed")
    for option in ("since", "allow_unbound", "tables"):
        if options.get(option) and not changed:
            raise UsageError(f"--{option.replace('_', '-')} needs --changed", hint="add --changed")


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
    session.blank = {**session.blank, **choice_body(choice)}
    for note in choice_notes(choice, "table" if only_tables else kind):
        session.say(note)
    return choice


def writable(session: Session, option: str, file: str | None) -> Path | None:
    """Return the path of an option's file, relative to the directory of the session, ``None`` without one.

    Creates its parent directories. Raises ``UsageError`` if it cannot be written.
    """
    if file is None:
        return None
    path = session.directory / file
    try:
        if not file or path.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Try to write now: a run may take long, and its results must not be lost for want of permission.
        with path.open("ab") if path.exists() else tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(
            f"{option}: cannot write {file}: {error.strerror}; nothing was run", hint="choose another file"
        ) from None
    return path


def write_text(path: Path, option: str, text: str) -> PromptsyncError | None:
    """Write a file of results, and return what prevents it."""
    try:
        path.write_text(text, "utf-8", newline="\n")
    except OSError as problem:
        message = f"{option}: cannot write {path}: {problem.strerror}"
        return PromptsyncError(message, code="not-written")
    return None


class JunitFile:
    """The file of ``--junit``; without one, nothing is written. Raises ``UsageError`` if it cannot be."""

    def __init__(self, session: Session, file: str | None) -> None:
        self._path = writable(session, "--junit", file)

    def write(
        self, results: CheckResults, error: PromptsyncError | None = None, what: str = "deploy"
    ) -> PromptsyncError | None:
        """Write results, and the error of the command if they are not its reason; return what prevents it."""
        if self._path is None:
            return None
        from promptsync.show.result_files import junit

        return write_text(self._path, "--junit", junit(results, error, what))

    @contextmanager
    def errors_of(self, what: str) -> Iterator[None]:
        """Write an error that ends a command, so that no older results are left in the file."""
        try:
            yield
        except PromptsyncError as error:
            self.write(CheckResults(), error, what)
            raise
        except KeyboardInterrupt:
            self.write(CheckResults(), Interrupted("interrupted"), what)
            raise
