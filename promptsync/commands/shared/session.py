"""One run of a verb: its settings, its outcome, and how verbs are declared."""

from __future__ import annotations

import functools
import operator
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from promptsync.commands.shared.groups import VerbGroup, shared_options
from promptsync.errors import Interrupted, UsageError
from promptsync.terminal import streams
from promptsync.terminal.output import Line, fitted
from promptsync.terminal.progress import Bar

if TYPE_CHECKING:
    from pathlib import Path

    from promptsync.files.config import Config
    from promptsync.project.project import Project
    from promptsync.registry.protocol import Timeouts
    from promptsync.server.checks.models import Endpoint
    from promptsync.show.outcome import Outcome

Answer = TypeVar("Answer", bool, str)

_WITHOUT_REMOTE = {"completion", "help", "init", "lint", "new", "relay", "schema", "serve", "types", "--help"}
"""Words of commands for which a remote makes no difference."""


@dataclass(slots=True)
class Session:
    """The settings of one run. ``directory_option`` is the value of ``-C``."""

    environ: Mapping[str, str] = field(repr=False)
    """The process's environment, in which there are keys; nothing below the command line reads it."""
    arguments: tuple[str, ...] = ()
    """The command line, without the program's name."""
    timeouts: Timeouts | None = None
    """How long to wait for a registry."""
    directory_option: str = ""
    remote: str | None = None
    jobs: int | None = None
    """The most requests at once, ``None`` for what the configuration says."""
    max_cells: int | None = None
    reuse: float | None = None
    """What tables may cost, ``None`` for what the configuration says."""
    dry_run: bool = False
    yes: bool = False
    expect: str | None = None
    """How a command that changes something is confirmed; see ``carry_out``."""
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    color: str = "auto"
    no_pager: bool = False
    form: str = ""
    """The value of ``--format``."""
    verb: str = ""
    deploy_label: str | None = None
    """The value of ``deploy --label``, which a deploy that is advised has to repeat."""
    uses_pager: bool = False
    """Whether the verb's output may be long."""
    remote_name: str | None = None
    document: str = ""
    """The name of the verb's JSON document in its schema."""
    is_plan: bool = False
    """Whether the verb has ``--dry-run``."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the verb's JSON document before there is an outcome."""
    bar: Bar = field(default_factory=lambda: Bar(shown=False))

    @property
    def directory(self) -> Path:
        """The absolute path of the directory that ``-C`` names. Raises ``UsageError`` if there is none."""
        from pathlib import Path

        directory = Path(self.directory_option)
        try:
            return directory if directory.is_absolute() else Path.cwd() / directory
        except OSError as error:
            why = error.strerror
            raise UsageError(f"the current directory cannot be used: {why}", hint="cd") from None

    def variable(self, name: str) -> str | None:
        """Return the value of an environment variable, ``None`` if it is not set or empty."""
        return self.environ.get(name) or None

    def is_on(self, name: str) -> bool:
        """Whether an environment variable, such as ``CI``, has a value that means yes."""
        return self.environ.get(name, "").strip().lower() not in ("", "0", "false", "no")

    @property
    def read_only(self) -> bool:
        """Whether everything that would change the registry is refused."""
        return self.is_on("PROMPTSYNC_READ_ONLY")

    @property
    def is_interactive(self) -> bool:
        """Whether somebody reads stderr on a terminal."""
        return sys.stderr.isatty() and not self.is_on("CI")

    @property
    def can_ask(self) -> bool:
        """Whether questions can be answered on a terminal; with ``--json`` there are none."""
        return self.is_interactive and not self.json

    @property
    def use_colour(self) -> bool | None:
        """Whether to colour; ``None`` means on a terminal."""
        if self.color != "auto":
            return self.color == "always"
        return None if self.variable("NO_COLOR") is None else False

    @property
    def columns(self) -> int | None:
        """The width of the terminal that stdout is, ``None`` if it is none."""
        return streams.columns(self.environ.get("COLUMNS", ""))

    @property
    def model_keys(self) -> dict[str, str]:
        """The keys that ``models:`` of a fixtures file can name: never that of the registry itself."""
        keys = {name: value for name, value in self.environ.items() if name.endswith("_KEY") and value}
        return {name: value for name, value in keys.items() if not name.startswith("PROMPTLAYER_")}

    def model(self) -> Endpoint | None:
        """Return the endpoint for evaluations and agents of an embedded registry, ``None`` without one.

        Raises ``UsageError`` for a malformed URL, and for a key that would cross a network unencrypted.
        """
        url, key = self.variable("PROMPTSYNC_MODEL_URL"), self.variable("PROMPTSYNC_MODEL_KEY") or ""
        if url is None:
            return None
        from promptsync.registry.address import address
        from promptsync.server.checks.models import Endpoint  # loads the server

        if not url.startswith(("http://", "https://")):
            hint = "pass its base URL, such as http://127.0.0.1:11434/v1"
            raise UsageError(f"{url!r} is not the URL of a model", hint=hint)
        if key:
            try:
                address(url)
            except UsageError as error:
                raise UsageError(f"the model's {error.message}", hint=error.hint) from None
        return Endpoint(url, key, self.variable("PROMPTSYNC_MODEL_NAME") or "")

    def command(self, *more: str, without: str | None = None) -> str:
        """Return this command line to type again, with more options and ``without`` one that has a value."""
        kept, arguments = list[str](), iter(self.arguments)
        for argument in arguments:
            if argument == without:
                next(arguments, None)  # its value
            elif not argument.startswith(f"{without}="):
                kept.append(argument)
        # What follows -- are names, so options go before it.
        end = kept.index("--") if "--" in kept else len(kept)
        kept[end:end] = [option for option in more if option not in kept]
        return shlex.join(["promptsync", *kept])

    def on_remote(self, outcome: Outcome) -> Outcome:
        """Return an outcome whose lines and hints choose the remote and label that the command line chose."""
        if not self.remote and not self.deploy_label:
            return outcome
        error = outcome.error
        if error is not None and error.hint:
            error = error.replaced(hint="\n".join(map(self.command_on_remote, error.hint.splitlines())))
        lines = list(outcome.lines)
        for number, line in enumerate(lines):
            if isinstance(line, Line) and line.command:
                command = self.command_on_remote(line.command)
                text = line.replace(line.command, command)
                lines[number] = Line(text, line.indent, command, aside=line.is_aside)
        return outcome.replaced(lines=lines, error=error)

    def command_on_remote(self, command: str) -> str:
        """Return a command with the remote and label that the command line chose, other advice as it is."""
        words = command.split()
        if words[:1] != ["promptsync"]:
            return command
        if self.deploy_label and words[1:2] == ["deploy"] and "--label" not in words:
            command += f" --label {shlex.quote(self.deploy_label)}"
        if self.remote and "--remote" not in command and not _WITHOUT_REMOTE.intersection(words):
            command += f" --remote {shlex.quote(self.remote)}"
        return command

    def config(self) -> Config:
        """Return the configuration of the working copy. Raises ``UsageError`` if there is none."""
        from msgspec.structs import replace

        from promptsync.files.config import find, load

        path = find(self.directory)
        if path is None:
            message = f"no promptsync.yaml in {self.directory} or any directory above it"
            raise UsageError(message, hint="promptsync init")
        config = load(path)
        if self.max_cells is not None:
            config = replace(config, limits_cells=self.max_cells)
        return config if self.reuse is None else replace(config, evaluations_reuse=self.reuse)

    def project(self, *, needs_config: bool = True) -> Project:
        """Return the working copy with the remote of this run; use it as a context manager.

        Without ``needs_config``, a directory without a configuration is enough if the remote is a URL.
        """
        from promptsync.files.config import FILE_NAME, Config, find

        remote = self.remote or self.variable("PROMPTSYNC_REMOTE")
        is_url = ":" in (remote or self.variable("PROMPTLAYER_BASE_URL") or "")
        if needs_config or not is_url or find(self.directory) is not None:
            return self.project_of(self.config(), remote)
        return self.project_of(Config(self.directory, self.directory / FILE_NAME), remote)

    def project_of(self, config: Config, remote: str | None) -> Project:
        """Return the working copy of a configuration, which may not have a file yet; see ``project``."""
        from promptsync.project.project import open_project

        project = open_project(
            config,
            remote=remote,
            api_key=self.variable("PROMPTLAYER_API_KEY"),
            base_url=self.variable("PROMPTLAYER_BASE_URL"),
            model=self.model(),
            model_keys=self.model_keys,
            progress=self.bar,
            on_wait=self.say,
            timeouts=self.timeouts,
            jobs=self.jobs,
            given_directory=self.directory,
            read_only=self.read_only,
        )
        self.remote_name = project.remote
        return project

    def rendered(self, outcome: Outcome) -> Outcome:
        """Return an outcome with ``dry_run``, and with its Markdown where that is printed or in a summary.

        Without any, a failure has a page about its error.
        """
        outcome = self.on_remote(outcome)
        if self.is_plan:
            outcome = outcome.replaced(body={**outcome.body, "dry_run": self.dry_run})
        in_github = self.variable("GITHUB_STEP_SUMMARY")
        if outcome.summary or not (self.form == "markdown" or in_github):
            return outcome
        from promptsync.show.markdown import Page

        page = Page()
        if outcome.markdown is not None:
            outcome.markdown(page)
        else:
            page.error(outcome.error)
        return outcome.replaced(summary=page.lines)

    def say(self, message: str) -> None:
        """Print a message on stderr, unless ``-q`` is set."""
        if not self.quiet:
            self.bar.close()
            click.echo("\n".join(self.fitted([message])), err=True, color=self.use_colour)

    def fitted(self, lines: Sequence[str]) -> Sequence[str]:
        """Return lines that fit the width of the terminal."""
        return lines if self.columns is None else fitted(lines, self.columns)

    def ask(
        self, question: str, lines: Iterable[str] = (), *, default: Answer, unchanged: str, hint: str = ""
    ) -> Answer:
        """Ask on a terminal, after ``lines`` about it, which ``-q`` does not suppress.

        The answer is yes or no if the ``default`` is, otherwise a line of text. Raises ``UsageError`` if
        stdin is not a terminal, and ``Interrupted``, which says what stays ``unchanged``, with a ``hint``.
        Must not be called unless stderr is a terminal.
        """
        self.bar.close()
        for line in self.fitted([*lines]):
            click.echo(line, err=True, color=self.use_colour)
        if not sys.stdin.isatty():
            what = "confirmation is required, but stdin is not a terminal; nothing was done"
            raise UsageError(what, hint=self.command("--yes"), code="not-confirmed")
        prompt: Any = click.confirm if isinstance(default, bool) else click.prompt
        try:
            text = "\n".join(self.fitted([Line(question)]))
            answer: Answer = prompt(text, default=default, err=True)
            return answer
        except (click.Abort, KeyboardInterrupt):
            click.echo(err=True)  # ends the line of the question
            raise Interrupted(f"interrupted; {unchanged}", hint=hint) from None


def verb_group(name: str) -> Callable[[Callable[[], None]], click.Group]:
    """Declare a verb that has verbs of its own, which ``verb(…, parent=group)`` declares."""
    return lambda function: shared_options(click.group(name, cls=VerbGroup)(function))


def blank_document(session: Session) -> dict[str, Any]:
    """Return what a JSON document has in any case: the keys that its schema requires, most of them empty."""
    from promptsync.files.schema import schema

    whole = schema("output")

    def empty(part: Mapping[str, Any]) -> Any:
        while "$ref" in part:
            keys = part["$ref"].replace("%20", " ").split("/")[1:]
            part = functools.reduce(operator.getitem, keys, whole)
        kind = part.get("type", "object")
        if kind == "object":
            values = {key: empty(part["properties"][key]) for key in part.get("required", ())}
            return {key: value for key, value in values.items() if value is not ...}
        return None if "null" in kind else {"array": [], "boolean": False, "integer": 0}.get(kind, ...)

    return {**empty(whole["$defs"].get(session.document, {})), **session.known}


class _Verb(click.Command):
    """Tells the session first which verb it is, for the case that an argument is wrong."""

    document = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if isinstance(ctx.obj, Session):
            ctx.obj.document = self.document
            ctx.obj.is_plan = any(option.name == "dry_run" for option in self.params)
        return super().parse_args(ctx, args)


def verb(
    name: str, *, parent: click.Group | None = None, is_long: bool = False, **attributes: Any
) -> Callable[[Callable[..., Outcome]], click.Command]:
    """Declare a verb. The function gets the ``Session`` first and returns an ``Outcome``.

    ``is_long`` shows its lines in a pager on a terminal; such a verb must not ask questions.
    """
    path = name if parent is None else f"{parent.name} {name}"

    def declare(function: Callable[..., Outcome]) -> click.Command:
        @functools.wraps(function)
        def run(*arguments: Any, **options: Any) -> Outcome:
            session: Session = click.get_current_context().obj
            session.verb = path
            session.uses_pager = is_long
            session.bar = Bar(shown=session.is_interactive and not session.quiet)
            if session.json and session.form not in ("", "json"):
                both = f"--json and --format {session.form}"
                raise UsageError(f"{both} cannot be combined", hint="remove one of the two")
            session.json = session.json or session.form == "json"
            try:
                return session.rendered(function(session, *arguments, **options))
            finally:
                session.bar.close()

        declared = shared_options(click.command(name, cls=_Verb, **attributes)(run))
        declared.document = path
        if parent is not None:
            parent.add_command(declared)
        return declared

    return declare
