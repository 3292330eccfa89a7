"""What ``eval run`` and ``agent run`` share: options, the choice of checks, result files, outcomes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from promptsync.checks.run import TIMEOUT
from promptsync.commands.shared.groups import together
from promptsync.commands.shared.options import SECONDS, choose_format, format_option
from promptsync.commands.shared.session import Session
from promptsync.commands.shared.since import resolve_since, since_option
from promptsync.errors import Interrupted, PromptsyncError, UsageError
from promptsync.show.outcome import Outcome

if TYPE_CHECKING:
    from promptsync.checks.catalog import Agent, Dataset, Evaluation, Kind
    from promptsync.checks.choose import Choice
    from promptsync.checks.receipt import CheckResults, Standard
    from promptsync.project.project import Project
    from promptsync.registry.protocol import Registry

BLANK: Mapping[str, Any] = {"changed": [], "runs": []}
"""The keys that the JSON document of a run has in any case."""

junit_option = click.option(
    "--junit", "junit_file", metavar="FILE", help="Write the results as JUnit XML, even if the command fails."
)
"""Adds ``--junit FILE``, whose value is passed as ``junit_file``; give it to ``result_file``."""

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
    session: Session, noun: str, read: Callable[[Registry], Sequence[Evaluation | Agent | Dataset]]
) -> Outcome:
    """Return the list of evaluations, agents or datasets of the registry."""
    from promptsync.show.catalog import list_outcome

    with session.project(needs_config=False) as project:
        items = read(project.registry)
    if not items:
        session.say(f"no {noun}")
    return list_outcome(noun, items)


class Ran(Struct, frozen=True):
    """What was chosen, what came of it, and the error of its JUnit file."""

    kind: Kind
    choice: Choice
    results: CheckResults
    not_written: PromptsyncError | None


def run_together(
    session: Session,
    kind: Kind,
    names: Sequence[str],
    options: Mapping[str, Any],
    standard: Standard,
    *,
    variables: Mapping[str, Any] | None = None,
    label: str | None = None,
    version: int | None = None,
) -> Ran:
    """Run the named checks, or those of the prompts that changed; ``options`` are those of ``run_options``.

    Raises ``UsageError`` for names and options that make no sense together.
    """
    from promptsync.checks.assignment import find_checks
    from promptsync.checks.choose import choose_named
    from promptsync.checks.judge import run_checks
    from promptsync.show.checks import run_notes
    from promptsync.show.junit import junit

    choose_format(session, options["form"])
    _check_options(kind, names, options)
    timeout = 0 if options["no_wait"] else options["timeout"] or TIMEOUT
    report = result_file(session, "--junit", options["junit_file"])
    what = f"{'eval' if kind == 'evaluation' else kind} run"
    with errors_written_to(report, what), session.project() as project:
        if options["changed"]:
            choice = _changed_checks(session, project, kind, options["since"], variables)
        else:
            choice = choose_named(kind, names, project.config, variables)
        results = run_checks(
            project.registry,
            find_checks(project.registry, choice.selection),
            choice.wanted,
            standard=standard,
            timeout=timeout,
            progress=session.bar,
            label=label,
            version=version,
        )
    for note in run_notes(results, session.command_on_remote):
        session.say(note)
    return Ran(kind, choice, results, report.write(lambda: junit(results)))


def run_outcome(
    ran: Ran,
    runs: Sequence[Mapping[str, Any]],
    *,
    lines: Sequence[str] = (),
    error: PromptsyncError | None = None,
    outputs: Mapping[str, str] | None = None,
) -> Outcome:
    """Return the outcome of a run of checks, whose document has ``runs``; ``lines`` follow its table."""
    from promptsync.show.checks import choice_body, nothing_run, results_lines, results_markdown

    results = ran.results
    code, error = first_result(results.error, error, ran.not_written)
    return Outcome(
        [*results_lines(results), *lines],
        {**choice_body(ran.choice), "runs": list(runs)},
        code,
        error,
        results_markdown(results) if results.all else [nothing_run(ran.choice, ran.kind), ""],
        {
            "passed": str(error is None and not results.under_way).lower(),
            "changed": json.dumps(ran.choice.changed),
            **(outputs or {}),
        },
    )


def _check_options(kind: Kind, names: Sequence[str], options: Mapping[str, Any]) -> None:
    changed = options["changed"]
    if names and changed:
        raise UsageError(f"--changed cannot be combined with names of {kind}s", hint="drop one of them")
    if not names and not changed:
        verb = "eval" if kind == "evaluation" else kind
        raise UsageError(f"no {kind} named", hint=f"promptsync {verb} list\npromptsync {verb} run --changed")
    for option, is_set in (("--since", options["since"]), ("--allow-unbound", options["allow_unbound"])):
        if is_set and not changed:
            raise UsageError(f"{option} needs --changed", hint="add --changed")
    if options["no_wait"] and options["timeout"] is not None:
        raise UsageError("--no-wait and --timeout cannot be combined", hint="remove one of the two")


def _changed_checks(
    session: Session, project: Project, kind: Kind, since: str | None, variables: Mapping[str, Any] | None
) -> Choice:
    """Return the checks of the prompts that changed, and report what changed."""
    from promptsync.checks.choose import choose_changed
    from promptsync.show.checks import choice_body, choice_notes

    choice = choose_changed(project, kind, resolve_since(session, since), variables)
    session.blank = {**session.blank, **choice_body(choice)}
    for note in choice_notes(choice, kind):
        session.say(note)
    return choice


class ResultFile:
    """The file for results that an option names. Without a path, nothing is written."""

    def __init__(self, path: Path | None, option: str) -> None:
        self._path = path
        self._option = option

    def write(self, text: Callable[[], str]) -> PromptsyncError | None:
        """Write what ``text`` returns; return the error if that fails."""
        if self._path is None:
            return None
        try:
            self._path.write_text(text(), "utf-8", newline="\n")
        except OSError as error:
            return PromptsyncError(
                f"{self._option}: cannot write {self._path}: {error.strerror}", code="not-written"
            )
        return None


def result_file(session: Session, option: str, file: str | None) -> ResultFile:
    """Return the file that an option names, relative to the directory of the session.

    Creates its parent directories. Raises ``UsageError`` if it cannot be written.
    """
    if file is None:
        return ResultFile(None, option)
    path = session.directory / file
    try:
        if not file or path.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Try to write now: a run may take long, and its results must not be lost for want of permission.
        if path.exists():
            with path.open("ab"):
                pass
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as error:
        raise UsageError(
            f"{option}: cannot write {file}: {error.strerror}; nothing was run", hint="choose another file"
        ) from None
    return ResultFile(path, option)


@contextmanager
def errors_written_to(results: ResultFile, what: str) -> Iterator[None]:
    """Write an error that ends a command to its JUnit file, so that no older results are left in it."""
    try:
        yield
    except PromptsyncError as error:
        reason = error
        results.write(lambda: _junit(reason, what))
        raise
    except KeyboardInterrupt:
        results.write(lambda: _junit(Interrupted("interrupted"), what))
        raise


def _junit(error: PromptsyncError, what: str) -> str:
    from promptsync.show.junit import junit_of_error

    return junit_of_error(error, what)


def first_result(*errors: PromptsyncError | None) -> tuple[int, PromptsyncError | None]:
    """Return the first error, with its exit code; 0 and ``None`` if there is none."""
    error = next((error for error in errors if error is not None), None)
    return (error.exit_code if error is not None else 0), error
