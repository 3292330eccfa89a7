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
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from questions import QUESTIONS, TABLE_QUESTIONS
from session import REFUSED, Broken, Chapter, Finding, Outcome, Report, Session, shown
from story import STORY
from workspace import PREFIX, RegistryFailed, Workspace

from promptsync.errors import PromptsyncError

URL = "https://api.promptlayer.com"
CHAPTERS = (*STORY, *QUESTIONS, *TABLE_QUESTIONS)

OPTIONS: tuple[tuple[str, str, str], ...] = (
    ("--with-model", "PROVIDER/MODEL", "also run checks on tables: about 5 short requests to this model"),
    (
        "--protected",
        "LABEL",
        "a protected label of this workspace: also ask to set it on a prompt of this run",
    ),
    ("--report", "FILE", "write the report to a file"),
    ("--clean", "RUN", "only remove what an earlier run left"),
)


def main(arguments: Sequence[str], environ: dict[str, str], **options: Any) -> int:
    """Verify, and return the exit code. ``options`` are for tests."""
    given = _parsed(arguments)
    run = given.clean or secrets.token_hex(3)
    report = Report(given.url, f"{PREFIX}/{run}/", environ.get("PROMPTLAYER_API_KEY", ""))
    if problem := _unusable(given, report.key):
        report.say(problem)
        return 2
    if environ.get("PROMPTSYNC_READ_ONLY", "").lower() not in ("", "0", "no", "false"):
        report.say("error: PROMPTSYNC_READ_ONLY is set, and verify-live writes to the registry")
        return REFUSED
    exchanges: list[str] = []
    about = {"note": exchanges.append, "protected": given.protected, "timeouts": options.get("timeouts")}
    try:
        with closing(Workspace(given.url, report.key, run, **about)) as workspace:
            if given.clean:
                return _removed(workspace, report, run)
            report.say(_announced(workspace, given))
            if not given.yes and not _confirmed(report):
                return 2
            with tempfile.TemporaryDirectory(prefix="verify-live-") as root:
                command = options.get("command", (sys.executable, "-m", "promptsync"))
                session = Session(Path(root), workspace, report, exchanges, command)
                session.model, session.protected = given.with_model, given.protected
                code = _verified(session, _chosen(given.only), run)
            if given.report:
                Path(given.report).write_text(report.markdown(), "utf-8")
            else:
                sys.stdout.write(report.markdown())
                sys.stdout.flush()
            report.say(report.counts() + (f"; report in {given.report}" if given.report else ""))
            return code
    except PromptsyncError as error:
        report.say(f"error: {shown(str(error))}" + (f"\nhint: {error.hint}" if error.hint else ""))
        return error.exit_code
    except RegistryFailed as error:
        report.say(f"error: {shown(str(error))}")
        return 4
    except KeyboardInterrupt:
        report.say("interrupted")
        return 130


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="verify-live", description=__doc__.splitlines()[0])
    parser.add_argument("--url", default=URL, help=f"the registry (default: {URL})")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    only = "only chapters that start like this"
    parser.add_argument("--only", action="append", default=[], metavar="CHAPTER", help=only)
    for name, value, text in OPTIONS:
        parser.add_argument(name, default="", metavar=value, help=text)
    return parser.parse_args(arguments)


def _chosen(only: Sequence[str]) -> list[Chapter]:
    starts = tuple(start.lower() for start in only) or ""
    return [chapter for chapter in CHAPTERS if chapter.title.lower().startswith(starts)]


def _unusable(given: argparse.Namespace, key: str) -> str:
    """Return the usage error, also one that would be known too late, at the end of the run."""
    if not key:
        return "error: PROMPTLAYER_API_KEY is not set\nhint: PROMPTLAYER_API_KEY=pl_... make verify-live"
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


def _confirmed(report: Report) -> bool:
    if not sys.stdin.isatty():
        report.say("error: there is no terminal to ask on\nhint: pass --yes")
        return False
    sys.stderr.write("Continue? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _verified(session: Session, chapters: Sequence[Chapter], run: str) -> int:
    """Take all steps and clean up; return the exit code."""
    report, code = session.report, 0
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    waiting = list(chapters)
    try:
        session.set_up()
        while waiting:
            _read(waiting[0], session)
            del waiting[0]
    except (RegistryFailed, KeyboardInterrupt) as stop:
        code = 4 if isinstance(stop, RegistryFailed) else 130
        report.stopped = str(stop) or "Ctrl-C"
        report.say(f"stopped: {shown(report.stopped)}")
        for chapter in waiting:
            report.add(Finding(chapter.title, "its other steps", "stopped before"))
    finally:
        signal.signal(signal.SIGTERM, before)
        left = _removed(session.workspace, report, run)
    has_differed = any(finding.outcome is Outcome.DIFFERS for finding in report.findings)
    return code or left or int(has_differed)


def _read(chapter: Chapter, session: Session) -> None:
    """Take the steps of a chapter."""
    session.chapter = chapter
    session.report.say(chapter.title)
    try:
        chapter.read(session)
    except Broken as broken:
        session.report.add(Finding(chapter.title, "its other steps", str(broken)))


def _removed(workspace: Workspace, report: Report, run: str) -> int:
    """Remove what the run created, and say what is left; return the exit code."""
    report.say("Cleaning up …")
    try:
        report.left = workspace.clean()
    except KeyboardInterrupt:
        report.left = [f"unknown, because of Ctrl-C: prompts and tables {workspace.names}…"]
    for what in report.left:
        report.say(f"not removed: {shown(what)}")
    if report.left:
        report.say(f"hint: make verify-live ARGS='--clean {run}'")
    else:
        report.say(f"nothing is left of {workspace.names}…")
    return 4 if report.left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
