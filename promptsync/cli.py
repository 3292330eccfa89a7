"""The entry point: reads the environment, runs the verb, prints its outcome and exits with its code."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from promptsync import __version__
from promptsync.commands.shared.groups import VerbGroup, shared_options, usage_error
from promptsync.commands.shared.session import Environment, Session
from promptsync.errors import Bug, Interrupted, PromptsyncError, UsageError
from promptsync.terminal import streams

if TYPE_CHECKING:  # --version and --help load nothing that they do not need
    from promptsync.registry.timeouts import Timeouts
    from promptsync.show.outcome import Outcome

GROUPS = {
    "Start": {
        "init": "Set up prompt files in this directory.",
        "doctor": "Check your setup and print the commands that fix it.",
        "completion": "Print the completion script of a shell.",
        "schema": "Print the JSON Schema of a file format.",
        "help": "Show the help of a command.",
    },
    "Files and registry": {
        "status": "Show what changed in your files and in the registry.",
        "diff": "Show differences field by field.",
        "push": "Publish changed prompts as new versions.",
        "pull": "Bring the registry's changes into your files.",
        "mv": "Move or rename the file of a prompt.",
        "bump": "Move the pins of a snippet in your files.",
        "lint": "Check prompt files offline.",
        "render": "Show what the model would see.",
    },
    "Registry": {
        "ls-remote": "List the prompts of the registry.",
        "log": "List the versions of a prompt.",
        "show": "Print one version of a prompt as YAML.",
    },
    "Release": {
        "deploy": "Publish, check and release what is committed.",
        "label": "List, set, move and delete release labels.",
        "promote": "Point one label at the version of another.",
        "rollback": "Move a label back to an earlier version.",
    },
    "Check": {
        "eval": "List, run and show evaluations.",
        "agent": "List, run and show agents.",
        "dataset": "List datasets.",
        "track": "Log requests, and add scores and metadata.",
    },
    "Embedded registry": {
        "serve": "Run the embedded registry over HTTP.",
    },
}
"""Every verb with its line in the help, by purpose. Stands here so that the help loads no verb's module."""

VERBS = {name: line for verbs in GROUPS.values() for name, line in verbs.items()}

UNWRITTEN = 5


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
            from promptsync.commands.shared.completion import teach

            teach(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        verbs = [
            CompletionItem(name, help=line) for name, line in VERBS.items() if name.startswith(incomplete)
        ]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, VERBS))
        for purpose, verbs in GROUPS.items():
            with formatter.section(purpose):
                formatter.write_dl([(name.ljust(widest), line) for name, line in verbs.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="promptsync help COMMAND shows the options of a command.",
)
@click.version_option(__version__, "--version", prog_name="promptsync")
@shared_options
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
    sys.exit(run(arguments, os.environ))


def run(arguments: Sequence[str], environ: Mapping[str, str], *, timeouts: Timeouts | None = None) -> int:
    """Run one command line, print its output and return its exit code.

    ``timeouts`` says how long to wait for a registry.
    """
    session = Session(_environment(environ), tuple(arguments), timeouts=timeouts)
    if instruction := environ.get("_PROMPTSYNC_COMPLETE"):  # a shell wants to complete a word
        from promptsync.commands.shared.completion import complete

        return complete(group, session, instruction)
    wants_json = "--json" in arguments  # needed even if click cannot parse the arguments
    try:
        outcome = group.main(list(arguments), prog_name="promptsync", standalone_mode=False, obj=session)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        return _fail(session, usage_error(error), wants_json)
    except click.ClickException as error:
        return _fail(session, UsageError(error.format_message()), wants_json)
    except PromptsyncError as error:
        return _fail(session, error, wants_json)
    except (KeyboardInterrupt, click.Abort):
        return _fail(session, Interrupted("interrupted"), wants_json)
    except Exception as error:
        if not session.verb and streams.is_full(error):  # --help and --version print by themselves
            return _unwritten(error)
        return _fail(session, _bug(error, arguments), wants_json)
    return int(outcome or 0) if isinstance(outcome, int | None) else _show(session, outcome)


def _show(session: Session, outcome: Outcome) -> int:
    """Print an outcome and return its exit code, even if the reader closes the pipe early."""
    outcome = session.on_remote(outcome)
    try:
        _write_github_files(session, outcome)
        _print(session, outcome)
    except KeyboardInterrupt:
        streams.close_stdout()
        return outcome.exit_code or Interrupted.exit_code
    except BrokenPipeError:
        streams.close_stdout()
    except OSError as error:
        unwritten = _unwritten(error)
        return outcome.exit_code or unwritten
    return outcome.exit_code


def _unwritten(error: Exception) -> int:
    """Print that stdout cannot be written, and return the exit code for that."""
    streams.close_stdout()
    why = getattr(error, "strerror", None) or error
    click.echo(f"error: the output could not be written: {why}", err=True)
    return UNWRITTEN


def _write_github_files(session: Session, outcome: Outcome) -> None:
    variables = session.environment.variables
    if not variables:
        return
    from promptsync.show.github import write_github_files

    problem = write_github_files(variables, outcome.summary, outcome.outputs, outcome.error)
    if problem is not None:
        session.say(f"warning: {problem}")


def _print(session: Session, outcome: Outcome) -> None:
    from promptsync.terminal import output

    error = outcome.error
    if session.json:
        code, remote = outcome.exit_code, session.remote_name
        click.echo(output.document(outcome.body, remote=remote, exit_code=code, error=error))
        return
    lines = outcome.lines
    if session.form == "markdown":
        lines = outcome.summary or lines
    lines = session.shown(lines)
    if lines:
        is_log = session.form != "github" and not streams.is_file(sys.stdout)
        _print_result(session, "\n".join(_disarmed(session, lines) if is_log else lines))
    if error is not None:
        lines = _disarmed(session, output.error_lines(error))
        click.echo("\n".join(lines), err=True, color=session.use_colour)


def _print_result(session: Session, text: str) -> None:
    pager = session.environment.pager
    if pager is not None and session.uses_pager and not session.no_pager:
        shown = click.unstyle(text) if session.use_colour is False else text
        if streams.page(f"{shown}\n", pager):
            return
    click.echo(text, color=session.use_colour)


def _disarmed(session: Session, lines: Sequence[str]) -> Sequence[str]:
    """Return lines that a GitHub workflow does not execute as commands, whatever text they contain."""
    if not session.environment.variables.get("GITHUB_ACTIONS"):
        return lines
    from promptsync.show.github import disarmed

    return disarmed(lines)


def _fail(session: Session, error: PromptsyncError, wants_json: bool) -> int:
    from promptsync.show.outcome import Outcome

    body = getattr(error, "body", None) or session.blank
    session.json = session.json or wants_json
    if isinstance(error, UsageError) and not error.hint and session.verb:
        error = error.replaced(hint=f"promptsync {session.verb} --help")
    lines: list[str] = []
    if session.form == "markdown":
        from promptsync.show.markdown import error_markdown

        lines = error_markdown(error)
    return _show(session, Outcome(lines, body, error.exit_code, error))


def _bug(error: Exception, arguments: Sequence[str]) -> Bug:
    import platform
    import tempfile
    import traceback

    report = "".join(
        [
            f"promptsync {__version__}, Python {platform.python_version()}, {platform.platform()}\n",
            f"arguments: {list(arguments)!r}\n\n",
            *traceback.format_exception(error),
        ]
    )
    where = "could not be written"
    try:
        with tempfile.NamedTemporaryFile(prefix="promptsync-", suffix=".txt", delete=False) as file:
            file.write(report.encode("utf-8", "backslashreplace"))
            where = file.name
    except OSError:
        pass
    return Bug(
        f"a bug in promptsync: {type(error).__name__}; report: {where}",
        hint="promptsync status\nplease send us the report",
    )


def _environment(environ: Mapping[str, str]) -> Environment:
    ci = environ.get("CI", "").lower() not in ("", "0", "false", "no")
    interactive = sys.stderr.isatty() and not ci
    return Environment(
        api_key=environ.get("PROMPTLAYER_API_KEY") or None,
        base_url=environ.get("PROMPTLAYER_BASE_URL") or None,
        remote=environ.get("PROMPTSYNC_REMOTE") or None,
        model_url=environ.get("PROMPTSYNC_MODEL_URL") or None,
        model_name=environ.get("PROMPTSYNC_MODEL_NAME") or None,
        secret=environ.get,
        ci=ci,
        colour=False if environ.get("NO_COLOR") else None,
        interactive=interactive,
        columns=streams.columns(environ.get("COLUMNS", "")),
        pager=None if ci else _pager(environ),
        variables={key: value for key, value in environ.items() if key.startswith("GITHUB_")},
    )


def _pager(environ: Mapping[str, str]) -> str | None:
    """Return the pager that git would use, ``None`` where stdout is not a terminal that can show one."""
    if not sys.stdout.isatty() or environ.get("TERM", "dumb") == "dumb":
        return None
    import shutil

    pager = environ.get("GIT_PAGER", environ.get("PAGER", shutil.which("less") or ""))
    return pager if pager.strip() not in ("", "cat") else None
