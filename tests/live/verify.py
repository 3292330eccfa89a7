"""Runs promptsync against a real registry, and reports what differs from what promptsync expects.

``make verify-live`` runs it with the key in ``PROMPTLAYER_API_KEY``. It creates prompts, labels and tables
with names of its own, touches no others, and removes them at the end, also after Ctrl-C and failures. It
prints a report in Markdown on stdout. The exit code is 0 if all is as expected, 1 if something differs, 2 for
usage errors and a no, 3 if ``PROMPTSYNC_READ_ONLY`` is set, 4 if the registry failed or something is left,
and 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from findings import STOPS, Chapter, Differs, Finding, Outcome, RegistryFailed, Report, Seen, Step, shown
from questions import QUESTIONS
from session import REFUSED, Session
from story import STORY
from table_questions import TABLE_QUESTIONS
from workspace import PREFIX, UNKNOWN_SHAPE, Foreign, Workspace

from promptsync.errors import PromptsyncError

URL = "https://api.promptlayer.com"
CHAPTERS = (*STORY, *QUESTIONS, *TABLE_QUESTIONS)
NEEDS = {"model": "needs --with-model", "protected": "needs --protected"}


def main(arguments: Sequence[str], environ: dict[str, str], **options: Any) -> int:
    """Verify, and return the exit code. ``options`` are for tests."""
    given = _parsed(arguments)
    key = environ.get("PROMPTLAYER_API_KEY", "")
    if not key:
        _say("error: PROMPTLAYER_API_KEY is not set\nhint: PROMPTLAYER_API_KEY=pl_... make verify-live")
        return 2
    if environ.get("PROMPTSYNC_READ_ONLY", "").lower() not in ("", "0", "no", "false"):
        _say("error: PROMPTSYNC_READ_ONLY is set, and verify-live writes to the registry")
        return REFUSED
    if problem := _unusable(given):
        _say(problem)
        return 2
    run = given.clean or secrets.token_hex(3)
    report = Report(given.url, f"{PREFIX}/{run}/", key)
    exchanges: list[str] = []
    workspace: Workspace | None = None
    try:
        workspace = Workspace(
            given.url,
            key,
            run,
            note=exchanges.append,
            protected=given.protected,
            timeouts=options.get("timeouts"),
        )
        if given.clean:
            return _cleaned(workspace, report, run)
        _say(_announced(workspace, given))
        if not given.yes and not _confirmed():
            return 2
        with tempfile.TemporaryDirectory(prefix="verify-live-") as root:
            session = Session(Path(root), workspace, given.url, key, given.with_model, given.protected)
            session.exchanges = exchanges
            session.command = options.get("command", session.command)
            session.report = given.report
            return _verified(session, report, run, given.only)
    except PromptsyncError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        _say(report.scrubbed(f"error: {shown(str(error))}{hint}"))
        return error.exit_code
    except RegistryFailed as error:
        _say(report.scrubbed(f"error: {shown(str(error))}"))
        return 4
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    finally:
        if workspace is not None:
            workspace.close()


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="verify-live", description=__doc__.splitlines()[0])
    parser.add_argument("--url", default=URL, help=f"the registry (default: {URL})")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument(
        "--with-model",
        default="",
        metavar="PROVIDER/MODEL",
        help="also run a check on a table, which sends about 5 short requests to this model",
    )
    parser.add_argument(
        "--protected",
        default="",
        metavar="LABEL",
        help="a label that is protected in this workspace: also ask to set it on a prompt of this run",
    )
    parser.add_argument("--report", default="", metavar="FILE", help="write the report to a file")
    parser.add_argument(
        "--only", action="append", default=[], metavar="CHAPTER", help="only chapters that start like this"
    )
    parser.add_argument("--clean", default="", metavar="RUN", help="only remove what an earlier run left")
    return parser.parse_args(arguments)


def _chosen(only: Sequence[str]) -> list[Chapter]:
    starts = tuple(start.lower() for start in only) or ""
    return [chapter for chapter in CHAPTERS if chapter.title.lower().startswith(starts)]


def _unusable(given: argparse.Namespace) -> str:
    """Return the error in the options that would be known too late, at the end of the run."""
    if not _chosen(given.only):
        titles = ", ".join(chapter.title for chapter in CHAPTERS)
        return f"error: no chapter starts with {' or '.join(map(shown, given.only))}\nhint: {titles}"
    try:
        if given.report:
            Path(given.report).open("a").close()
    except OSError as error:
        return f"error: {shown(given.report)} cannot be written: {error.strerror}\nhint: pass --report FILE"
    return ""


def _announced(workspace: Workspace, given: argparse.Namespace) -> str:
    """Read which workspace it is, and return what will be done."""
    number = workspace.registry.workspace_id
    if workspace.prompts():
        raise RegistryFailed(f"there are prompts {workspace.names}…; run the command again")
    place = f"workspace {number}" if number is not None else "the workspace of your key, which has no prompts"
    calls = f"about 5 calls of {shown(given.with_model)}" if given.with_model else "no call of a model"
    protected = f", and {shown(given.protected)} on one of these prompts" if given.protected else ""
    lines = (
        "verify-live runs promptsync against a real registry.",
        f"  where    {shown(given.url)}, {place}",
        f"  creates  prompts and tables {workspace.names}…",
        f"  labels   {workspace.label}…{protected}",
        f"  costs    about 30 prompts, 50 versions, 3 tables; {calls}",
        "  after    deletes labels and tables; archives the prompts, which the API cannot delete",
    )
    width = shutil.get_terminal_size().columns
    return "\n".join(textwrap.fill(line, width, subsequent_indent=" " * 11) for line in lines)


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        _say("error: there is no terminal to ask on\nhint: pass --yes")
        return False
    sys.stderr.write("Continue? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _verified(session: Session, report: Report, run: str, only: Sequence[str]) -> int:
    """Take all steps, clean up and print the report."""
    chosen = _chosen(only)
    code = 0
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        session.set_up()
        for chapter in chosen:
            _read(chapter, session, report)
    except (RegistryFailed, KeyboardInterrupt) as stop:
        code = 4 if isinstance(stop, RegistryFailed) else 130
        report.stopped = str(stop) or "Ctrl-C"
        _say(report.scrubbed(f"stopped: {shown(report.stopped)}"))
        tried = {(finding.chapter, finding.step) for finding in report.findings}
        report.findings += [
            Finding(chapter.title, step.title, step.expected, "stopped before", Outcome.NOT_TRIED)
            for chapter in chosen
            for step in chapter.steps
            if (chapter.title, step.title) not in tried
        ]
    finally:
        signal.signal(signal.SIGTERM, before)
        left = _removed(session.workspace, report, run)
    text = report.markdown()
    if session.report:
        Path(session.report).write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    _say(f"{report.counts()}{f'; report in {session.report}' if session.report else ''}")
    if code:
        return code
    return 4 if left else int(report.has(Outcome.DIFFERS))


def _read(chapter: Chapter, session: Session, report: Report) -> None:
    """Take the steps of a chapter."""
    _say(f"{chapter.title}")
    broken = ""
    for step in chapter.steps:
        if broken or (step.needs and not getattr(session, step.needs)):
            _add(report, chapter, step, broken or NEEDS[step.needs], Outcome.NOT_TRIED)
            continue
        session.exchanges.clear()
        seen = _seen(step, session)
        is_expected, text = (seen == step.expected, seen) if isinstance(seen, str) else seen
        outcome = Outcome.AS_EXPECTED if is_expected else Outcome.DIFFERS
        _add(report, chapter, step, text, outcome, tuple(session.exchanges))
        if not is_expected and chapter.is_story:
            broken = f"needs the step before: {step.title}"


def _seen(step: Step, session: Session) -> Seen:
    """Take a step. Raises ``RegistryFailed`` if no other step makes sense."""
    try:
        return step.act(session)
    except Differs as error:
        return False, str(error)
    except PromptsyncError as error:
        if error.code in STOPS:
            raise RegistryFailed(str(error)) from None
        return False, f"{error.code}: {error}"
    # An answer of an unknown shape can make a step fail in any way, and git and commands may fail, too.
    except (Foreign, *UNKNOWN_SHAPE, OSError, subprocess.SubprocessError) as error:
        return False, f"{type(error).__name__}: {error}"


def _add(
    report: Report, chapter: Chapter, step: Step, seen: str, outcome: Outcome, exchanges: tuple[str, ...] = ()
) -> None:
    report.findings.append(Finding(chapter.title, step.title, step.expected, seen, outcome, exchanges))
    _say(report.scrubbed(f"  {outcome:11}  {step.title}"))
    if outcome is Outcome.DIFFERS:
        _say(
            report.scrubbed(
                f"               expected {shown(step.expected)}\n               seen     {shown(seen)}"
            )
        )


def _removed(workspace: Workspace, report: Report, run: str) -> list[str]:
    """Remove what the run created, and say what is left."""
    _say("Cleaning up …")
    try:
        report.left = workspace.clean()
    except KeyboardInterrupt:
        report.left = [f"unknown, because of Ctrl-C: prompts and tables {workspace.names}…"]
    for what in report.left:
        _say(report.scrubbed(f"not removed: {shown(what)}"))
    if report.left:
        _say(f"hint: make verify-live ARGS='--clean {run}'")
    return report.left


def _cleaned(workspace: Workspace, report: Report, run: str) -> int:
    left = _removed(workspace, report, run)
    _say("" if left else f"nothing is left of {workspace.names}…")
    return 4 if left else 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
