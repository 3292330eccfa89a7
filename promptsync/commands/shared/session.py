"""What the command line took from the environment of its process."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from promptsync.commands.shared.groups import VerbGroup, format_options
from promptsync.errors import Refused, UsageError
from promptsync.show.outcome import Outcome
from promptsync.terminal.progress import Bar

if TYPE_CHECKING:
    from pathlib import Path

    from promptsync.compare.project import Project
    from promptsync.files.config import Config
    from promptsync.registry.protocol import Waits


@dataclass(frozen=True, slots=True)
class Environment:
    """What the command line took from the process's environment; nothing below it looks there."""

    api_key: str | None = None
    base_url: str | None = None
    remote: str | None = None
    model_url: str | None = None
    model_name: str | None = None
    secret: Callable[[str], str | None] = field(default=lambda _: None, repr=False)
    """Reads one more variable, whose name was given on the command line, such as that of a key."""
    ci: bool = False
    colour: bool | None = None
    interactive: bool = False
    columns: int | None = None
    """How wide the terminal is to which the answer goes, ``None`` when it goes elsewhere."""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_github(self) -> bool:
        """Whether a step of a GitHub workflow has a summary to be written."""
        return bool(self.variables.get("GITHUB_STEP_SUMMARY"))


@dataclass(slots=True)
class Session:
    """The settings of one run. ``given_directory`` is what ``-C`` says."""

    environment: Environment
    waits: Waits | None = None
    """How long to wait for a registry."""
    given_directory: str = ""
    remote: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    color: str = "auto"
    form: str = "text"
    """What ``--format`` says."""
    verb: str = ""
    remote_name: str | None = None
    blank: Mapping[str, Any] = field(default_factory=dict)
    """The body of the verb's JSON document while nothing was done: for a failure before it has an outcome."""
    bar: Bar = field(default_factory=lambda: Bar(shown=False))

    @property
    def directory(self) -> Path:
        """Where ``-C`` points, absolute."""
        from pathlib import Path

        return Path.cwd() / self.given_directory

    @property
    def use_colour(self) -> bool | None:
        """Whether to colour; ``None`` leaves it to what stdout is."""
        if self.color != "auto":
            return self.color == "always"
        return self.environment.colour

    def config(self) -> Config:
        """Return the configuration of the working copy. Raises ``UsageError`` when there is none."""
        from promptsync.files.config import find, load

        path = find(self.directory)
        if path is None:
            raise UsageError(
                f"no promptsync.yaml in {self.directory} or any directory above it",
                hint="run promptsync init to start one here, or give the directory with -C",
            )
        return load(path)

    def project(self, *, needs_config: bool = True) -> Project:
        """Return the working copy with the remote of this run; use it as a context manager.

        Where none is needed, a directory without a configuration will do as long as the remote is a URL.
        """
        remote = self.remote or self.environment.remote
        is_url = ":" in (remote or self.environment.base_url or "")
        config = self.config() if needs_config or not is_url else self._config_if_any()
        return self.project_of(config, remote)

    def project_of(self, config: Config, remote: str | None) -> Project:
        """Return the working copy of a configuration that may have no file yet; like ``project``."""
        from promptsync.compare.project import open_project

        project = open_project(
            config,
            remote=remote,
            api_key=self.environment.api_key,
            base_url=self.environment.base_url,
            model=self._model(),
            progress=self.bar,
            on_wait=self.say,
            waits=self.waits,
        )
        self.remote_name = project.remote
        return project

    def _config_if_any(self) -> Config:
        from promptsync.files.config import FILE_NAME, Config, find

        if find(self.directory) is not None:
            return self.config()
        return Config(self.directory, self.directory / FILE_NAME)

    def _model(self) -> Any:
        """What answers in evaluations and agents of an embedded registry, ``None`` for its echo."""
        if self.environment.model_url is None:
            return None
        from promptsync.commands.shared.models import endpoint

        return endpoint(self.environment, self.environment.model_url)

    def say(self, message: str) -> None:
        """Say something on stderr, unless told to be quiet."""
        if not self.quiet:
            self.bar.close()
            click.echo("\n".join(self.fitted([message])), err=True, color=self.use_colour)

    def shown(self, lines: Sequence[str]) -> Sequence[str]:
        """Return the lines of an answer, without the asides where ``-q`` asks for the answer alone."""
        if self.quiet:
            from promptsync.terminal.output import answer_alone

            lines = answer_alone(lines)
        return self.fitted(lines)

    def fitted(self, lines: Sequence[str]) -> Sequence[str]:
        """Return lines as the terminal has room for them."""
        if self.environment.columns is None:
            return lines
        from promptsync.terminal.fit import fitted

        return fitted(lines, self.environment.columns)

    def confirm(self, question: str, lines: Iterable[str] = (), *, default: bool = False) -> bool:
        """Ask on a terminal, after what it is about, which ``-q`` does not leave out.

        Raises ``Refused`` where nobody can answer. Must not be called without a terminal to ask on.
        """
        self._check_answerable()
        for line in lines:
            click.echo("\n".join(self.fitted([line])), err=True, color=self.use_colour)
        return click.confirm(question, default=default, err=True)

    def ask(self, question: str, *, default: str) -> str:
        """Ask for a line of text on a terminal. Raises as ``confirm`` does."""
        self._check_answerable()
        answer: str = click.prompt(question, default=default, err=True)
        return answer

    def _check_answerable(self) -> None:
        self.bar.close()
        if not sys.stdin.isatty():
            raise Refused(
                "there is a question, and its answer cannot be read from here; nothing was done",
                hint=f"promptsync {self.verb} --help tells how to say yes beforehand, mostly -y",
                code="not-confirmed",
            )


Verb = Callable[..., Outcome]


def _set_directory(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        session: Session = context.obj
        session.given_directory = os.path.join(session.given_directory, value)  # noqa: PTH118 -- quick to start


def _set(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value not in (None, False, 0) and parameter.name is not None:
        setattr(context.obj, parameter.name, value)


_SHARED: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-C",
        "directory",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        expose_value=False,
        callback=_set_directory,
        help="Work as if started in DIR.",
    ),
    click.option(
        "--remote",
        metavar="NAME|URL",
        expose_value=False,
        callback=_set,
        help="The registry to talk to: a remote of promptsync.yaml, or a URL.",
    ),
    click.option(
        "--json", is_flag=True, expose_value=False, callback=_set, help="Print exactly one JSON document."
    ),
    click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_set, help="Only the answer."),
    click.option("-v", "--verbose", count=True, expose_value=False, callback=_set, help="Say more."),
    click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        expose_value=False,
        callback=_set,
        help="When to use colour (default: on a terminal).",
    ),
)


def shared_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every verb takes. They are in the session, not among the arguments."""
    for option in reversed(_SHARED):
        function = option(function)
    return function


def verb_group(name: str, **attributes: Any) -> Callable[[Callable[[], None]], click.Group]:
    """Declare a verb that is followed by a verb of its own; ``verb(…, parent=group)`` declares those."""

    def declare(function: Callable[[], None]) -> click.Group:
        group = click.group(name, cls=VerbGroup, **attributes)(shared_options(function))
        return group

    return declare


class _Verb(click.Command):
    """Tells the session what its document holds in any case, before an argument can be wrong."""

    blank: Mapping[str, Any] = {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        format_options(self, ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if isinstance(ctx.obj, Session):
            ctx.obj.blank = self.blank
        return super().parse_args(ctx, args)


def verb(
    name: str,
    *,
    parent: click.Group | None = None,
    blank: Mapping[str, Any] | None = None,
    **attributes: Any,
) -> Callable[[Verb], click.Command]:
    """Declare a verb. The function gets the ``Session`` first and returns an ``Outcome``.

    ``blank`` are the keys that its JSON document has in any case, also when it fails.
    """

    def declare(function: Verb) -> click.Command:
        @functools.wraps(function)
        def run(*arguments: Any, **options: Any) -> Outcome:
            session: Session = click.get_current_context().obj
            session.verb = name if parent is None else f"{parent.name} {name}"
            is_shown = session.environment.interactive and not session.quiet
            session.bar = Bar(shown=is_shown, plain=session.use_colour is False)
            try:
                return function(session, *arguments, **options)
            finally:
                session.bar.close()

        declared = click.command(name, cls=_Verb, **attributes)(shared_options(run))
        declared.blank = blank or {}
        if parent is not None:
            parent.add_command(declared)
        return declared

    return declare
