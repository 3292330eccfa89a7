"""The entry point: finds the verb, reads the environment, maps every error to its exit code, and exits."""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from promptsync import __version__
from promptsync.commands.shared.groups import VerbGroup, close_word
from promptsync.commands.shared.session import Environment, Session, shared_options
from promptsync.errors import PromptsyncError, UsageError
from promptsync.show.outcome import Outcome
from promptsync.terminal import output, streams

if TYPE_CHECKING:
    from promptsync.registry.protocol import Waits

GROUPS = {
    "Start": {
        "init": "Start keeping prompts in this directory.",
        "doctor": "Tell what is wrong with this set-up, and how to mend it.",
        "completion": "Print the script that completes words in a shell.",
        "schema": "Print the JSON Schema of a file format.",
    },
    "Files and registry": {
        "status": "Show who changed what.",
        "diff": "Show what differs, field by field.",
        "push": "Publish changed prompts as new versions.",
        "pull": "Bring the registry's changes into the files.",
        "lint": "Check prompt files, offline.",
        "render": "Show what the model would see.",
    },
    "What the registry holds": {
        "ls-remote": "List what the registry holds.",
        "log": "List the versions of a prompt.",
        "show": "Print one version of a prompt as YAML.",
    },
    "Releases": {
        "deploy": "Publish, prove and release what git holds.",
        "label": "List, set, move and delete release labels.",
        "promote": "Point one label at what another points at.",
        "rollback": "Move a label back to an earlier version.",
    },
    "Proof": {
        "eval": "List, run and show evaluations.",
        "agent": "List and run agents.",
        "dataset": "List datasets.",
        "track": "Log requests, and note things about them.",
    },
    "Embedded registry": {
        "serve": "Run the embedded registry over HTTP.",
    },
}
"""Every verb with its line in the help, by what it is for. Its module is loaded when it is used."""

VERBS = {name: line for verbs in GROUPS.values() for name, line in verbs.items()}

_GIVEN = re.compile(r"'([^']*)' is not one of")

UNWRITTEN = 5
BUG = 70
INTERRUPTED = 130


class LazyGroup(VerbGroup):
    """Loads a verb's module only when that verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"promptsync.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        if ctx.resilient_parsing:  # for completion in a shell
            from promptsync.commands.shared.completion import teach

            teach(command, cmd_name)
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
    epilog="promptsync VERB --help tells the options of a verb.",
)
@click.version_option(__version__, "--version", prog_name="promptsync")
@shared_options
def group() -> None:
    """Keep prompt files in git and the PromptLayer prompt registry aligned."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. What a supervisor sends to end it is taken as Ctrl-C."""
    if arguments is None:
        streams.use_utf8()
    streams.open_closed()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it is ignored in the background
        for number in filter(None, (signal.SIGTERM, getattr(signal, "SIGHUP", None))):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores the closing of the terminal
                signal.signal(number, lambda number, frame: signal.raise_signal(signal.SIGINT))
    sys.exit(run(arguments, os.environ))


def run(arguments: Sequence[str], environ: Any, *, waits: Waits | None = None) -> int:
    """Run one command line and return its exit code; everything is printed.

    ``waits`` says how long to wait for a registry.
    """
    session = Session(_environment(environ), waits=waits)
    wants_json = "--json" in arguments
    try:
        outcome = group.main(list(arguments), prog_name="promptsync", standalone_mode=False, obj=session)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        return _fail(session, _usage(error), wants_json)
    except click.ClickException as error:
        return _fail(session, UsageError(error.format_message()), wants_json)
    except PromptsyncError as error:
        return _fail(session, error, wants_json)
    except (KeyboardInterrupt, click.Abort):
        interrupted = PromptsyncError("interrupted", code="interrupted")
        interrupted.exit_code = INTERRUPTED
        return _fail(session, interrupted, wants_json)
    except Exception as error:
        if not session.verb and streams.is_full(error):  # --help and --version print by themselves
            return _unwritten(error)
        return _fail(session, _bug(error, arguments), wants_json)
    if not isinstance(outcome, Outcome):
        return int(outcome or 0)
    return _show(session, outcome)


def _show(session: Session, outcome: Outcome) -> int:
    """Print an outcome and return its exit code, which stands also when nobody reads on."""
    try:
        _tell_github(session, outcome)
        _print(session, outcome)
    except KeyboardInterrupt:
        streams.close_stdout()
        return outcome.exit_code or INTERRUPTED
    except BrokenPipeError:
        streams.close_stdout()
    except OSError as error:
        unwritten = _unwritten(error)
        return outcome.exit_code or unwritten
    return outcome.exit_code


def _unwritten(error: Exception) -> int:
    """Tell that stdout takes no answer, and return the exit code for that."""
    streams.close_stdout()
    why = getattr(error, "strerror", None) or error
    click.echo(f"error: the answer could not be written: {why}", err=True)
    return UNWRITTEN


def _tell_github(session: Session, outcome: Outcome) -> None:
    variables = session.environment.variables
    if not variables:
        return
    from promptsync.show.github import tell_github

    problem = tell_github(variables, outcome.summary, outcome.outputs, outcome.error)
    if problem is not None:
        session.say(f"warning: {problem}")


def _print(session: Session, outcome: Outcome) -> None:
    error = outcome.error
    if session.json:
        body = output.error_body(error) if error is not None else None
        click.echo(
            output.document(outcome.body, remote=session.remote_name, exit_code=outcome.exit_code, error=body)
        )
        return
    lines = outcome.lines
    if session.form == "markdown":
        lines = outcome.summary or lines
    lines = session.shown(lines)
    if lines:
        is_log = session.form != "github" and not streams.is_file(sys.stdout)
        click.echo("\n".join(_disarmed(session, lines) if is_log else lines), color=session.use_colour)
    if error is not None:
        lines = _disarmed(session, output.error_lines(error))
        click.echo("\n".join(lines), err=True, color=session.use_colour)


def _disarmed(session: Session, lines: Sequence[str]) -> Sequence[str]:
    """Return lines that give no orders to a GitHub workflow, whatever the texts in them say."""
    if not session.environment.variables.get("GITHUB_ACTIONS"):
        return lines
    from promptsync.show.github import disarmed

    return disarmed(lines)


def _fail(session: Session, error: PromptsyncError, wants_json: bool) -> int:
    body = getattr(error, "body", None) or session.blank
    session.json = session.json or wants_json
    if isinstance(error, UsageError) and not error.hint and session.verb:
        error.hint = f"promptsync {session.verb} --help tells more"
    lines: list[str] = []
    if session.form == "markdown":
        from promptsync.show.markdown import error_markdown

        lines = error_markdown(error)
    return _show(session, Outcome(lines, body, error.exit_code, error))


def _usage(error: click.UsageError) -> UsageError:
    path = error.ctx.command_path if error.ctx is not None else "promptsync"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        hint = (
            "promptsync status shows where you stand" if path == "promptsync" else f"{path} --help tells more"
        )
        return UsageError("no verb given", hint=hint)
    said = " ".join(error.format_message().split())  # click puts choices on lines of their own
    return UsageError(f"{said}{_meant(error)}", hint=f"{path} --help tells more")


def _meant(error: click.UsageError) -> str:
    """Suggest one of the choices of an option, which click merely lists."""
    choice = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    given = _GIVEN.match(error.message)
    if not isinstance(choice, click.Choice) or given is None:
        return ""
    close = close_word(given[1], map(str, choice.choices))
    return f" Did you mean {close!r}?" if close else ""


def _bug(error: Exception, arguments: Sequence[str]) -> PromptsyncError:
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
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="promptsync-",
            suffix=".txt",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            file.write(report)
            where = file.name
    except OSError:
        pass
    found = PromptsyncError(
        f"a bug in promptsync: {type(error).__name__}; report: {where}",
        hint="please send that report; check with promptsync status what was done",
        code="bug",
    )
    found.exit_code = BUG
    return found


def _environment(environ: Any) -> Environment:
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
        variables={key: value for key, value in environ.items() if key.startswith("GITHUB_")},
    )
