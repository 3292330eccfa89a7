"""The entry point: reads the environment, runs the verb, prints its outcome and exits with its code."""

from __future__ import annotations

import gc
import importlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from promptsync import __version__
from promptsync.commands.shared.groups import VerbGroup, shared_options, usage_error
from promptsync.commands.shared.session import Session, blank_document
from promptsync.errors import Bug, Incomplete, Interrupted, PromptsyncError, UsageError
from promptsync.show.github import disarmed, write_github_files
from promptsync.terminal import output, streams

if TYPE_CHECKING:  # --version and --help load nothing that they do not need
    from promptsync.registry.protocol import Timeouts
    from promptsync.show.outcome import Outcome

HELP = """\
Start:
  init        Set up prompt files in this directory.
  doctor      Check your setup and print the commands that fix it.
  completion  Print the completion script of a shell.
  schema      Print the JSON Schema of a file format.
  help        Show the help of a command.

Files:
  new         Write the file of a new prompt.
  lint        Check prompt files offline.
  render      Preview what the model receives.
  search      Find a text in your files and in cached versions.
  mv          Move or rename the file of a prompt.
  bump        Move the pins of a snippet in your files.
  types       Write types for the code that uses the prompts.

Files and registry:
  status      Show what changed in your files and in the registry.
  diff        Show differences field by field.
  push        Publish changed prompts as new versions.
  pull        Bring the registry's changes into your files.

Registry:
  ls-remote   List the prompts of the registry.
  log         List the versions of a prompt.
  show        Print one version of a prompt as YAML.
  open        Open a prompt in the PromptLayer dashboard.

Release:
  deploy      Check, publish and release what is committed.
  label       List, set, move and delete release labels.
  promote     Point one label at the version of another.
  rollback    Move a label back to an earlier version.
  bundle      Write a release to a file that applications can read.

Check:
  eval        List, run and show evaluations.
  agent       List, run and show agents.
  dataset     List datasets.
  track       Log requests, and add scores and metadata.

Embedded registry:
  serve       Run the embedded registry over HTTP.

Webhooks:
  relay       Start workflows when a prompt changes in the dashboard.
"""
"""The verbs by purpose. They stand here so that the help loads no verb's module."""

VERBS = dict(re.findall(r"^  (\S+) +(.+)$", HELP, re.MULTILINE))


class LazyGroup(VerbGroup):
    """Loads a verb's module only when that verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"promptsync.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        if ctx.resilient_parsing:  # a shell wants to complete a word
            from promptsync.commands.completion import teach

            teach(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        names = [name for name in VERBS if name.startswith(incomplete)]
        verbs = [CompletionItem(name, help=VERBS[name]) for name in names]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"\n{HELP}")


@shared_options
@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="promptsync help COMMAND shows the options of a command.",
)
@click.version_option(__version__, "--version", prog_name="promptsync")
def group() -> None:
    """Keep prompt files in git and the PromptLayer prompt registry in sync."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. The signals of a supervisor count as Ctrl-C."""
    if arguments is None:
        streams.use_utf8()
    streams.open_closed()
    # Thousands of prompts are kept until the end, and looking through them again and again finds no garbage.
    gc.set_threshold(50_000, 20, 50)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background it is ignored
        for number in filter(None, (signal.SIGTERM, getattr(signal, "SIGHUP", None))):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP
                signal.signal(number, lambda number, frame: signal.raise_signal(signal.SIGINT))
    code = run(arguments, os.environ)
    gc.freeze()  # otherwise Python looks through everything once more before it ends
    sys.exit(code)


def run(arguments: Sequence[str], environ: Mapping[str, str], *, timeouts: Timeouts | None = None) -> int:
    """Run one command line, print its output and return its exit code.

    ``timeouts`` says how long to wait for a registry.
    """
    session = Session(environ, tuple(arguments), timeouts=timeouts)
    if instruction := environ.get("_PROMPTSYNC_COMPLETE"):  # a shell wants to complete a word
        from promptsync.commands.completion import complete

        return complete(group, session, instruction)
    try:
        outcome = group.main(list(arguments), prog_name="promptsync", standalone_mode=False, obj=session)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and not session.verb:  # --help and --version print by themselves
            return _unwritten(error)
        session.json = session.json or "--json" in arguments  # click may not have come that far
        outcome = _failed(session, _known(error, arguments))
    return int(outcome or 0) if isinstance(outcome, int | None) else _show(session, outcome)


def _known(error: BaseException, arguments: Sequence[str]) -> PromptsyncError:
    """Return any error as one of ours."""
    match error:
        case PromptsyncError():
            return error
        case click.UsageError():
            return usage_error(error, next((word for word in arguments if word in VERBS), ""))
        case KeyboardInterrupt() | click.Abort():
            return Interrupted("interrupted")
        case click.ClickException():
            return UsageError(error.format_message())
        case _:
            return _bug(error, arguments)


def _show(session: Session, outcome: Outcome) -> int:
    """Print an outcome and return its exit code, even if the reader closes the pipe early."""
    try:
        if problem := write_github_files(session.environ, outcome.summary, outcome.outputs):
            session.say(f"warning: {problem}")
        _print(session, outcome)
    except BrokenPipeError:
        streams.close_stdout()
    except (KeyboardInterrupt, OSError) as error:
        stopped = _unwritten(error) if isinstance(error, OSError) else Interrupted.exit_code
        streams.close_stdout()
        return outcome.exit_code or stopped
    return outcome.exit_code


def _unwritten(error: OSError) -> int:
    """Print that stdout cannot be written, and return the exit code for that."""
    streams.close_stdout()
    click.echo(f"error: the output could not be written: {error.strerror or error}", err=True)
    return Incomplete.exit_code


def _print(session: Session, outcome: Outcome) -> None:
    color = session.use_colour
    if session.json:
        code, remote = outcome.exit_code, session.remote_name
        click.echo(output.document(outcome.body, remote=remote, exit_code=code, error=outcome.error))
        return
    lines = (session.form == "markdown" and outcome.summary) or outcome.lines
    lines = session.fitted(output.without_asides(lines) if session.quiet else lines)
    errors: Sequence[str] = [] if outcome.error is None else output.error_lines(outcome.error)
    if session.variable("GITHUB_ACTIONS"):
        errors = disarmed(errors)
        if session.form != "github" and not streams.is_file(sys.stdout):
            lines = disarmed(lines)
    if lines:
        text = "\n".join(lines)
        pager = _pager(session)
        paged = click.unstyle(text) if color is False else text
        if pager is None or not streams.page(f"{paged}\n", pager):
            click.echo(text, color=color)
    if errors:
        errors = session.fitted(errors) if sys.stderr.isatty() else errors
        click.echo("\n".join(errors), err=True, color=color)


def _failed(session: Session, error: PromptsyncError) -> Outcome:
    from promptsync.show.outcome import Outcome

    if isinstance(error, UsageError) and not error.hint and session.verb:
        error = error.replaced(hint=f"promptsync {session.verb} --help")
    body = getattr(error, "body", None) or (blank_document(session) if session.json else {})
    return session.rendered(Outcome((), body, error.exit_code, error))


def _bug(error: BaseException, arguments: Sequence[str]) -> Bug:
    import platform
    import tempfile
    import traceback

    report = f"promptsync {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    report += f"arguments: {list(arguments)!r}\n\n{''.join(traceback.format_exception(error))}"
    try:
        with tempfile.NamedTemporaryFile(prefix="promptsync-", suffix=".txt", delete=False) as file:
            file.write(report.encode("utf-8", "backslashreplace"))
        where = file.name
    except OSError:
        where = "could not be written"
    what = f"a bug in promptsync: {type(error).__name__}; report: {where}"
    return Bug(what, hint="promptsync status\nplease send us the report")


def _pager(session: Session) -> str | None:
    """Return the pager that git would use, ``None`` for short output and outside of terminals."""
    environ, is_wanted = session.environ, session.uses_pager and not session.no_pager
    is_capable = sys.stdout.isatty() and environ.get("TERM", "dumb") != "dumb" and not session.is_on("CI")
    if not (is_wanted and is_capable):
        return None
    pager = environ.get("GIT_PAGER", environ.get("PAGER", shutil.which("less") or ""))
    return pager if pager.strip() not in ("", "cat") else None
