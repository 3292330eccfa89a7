"""The options of every verb, groups of verbs, and suggestions for mistyped words."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from promptsync.errors import UsageError
from promptsync.parallel import MOST_REQUESTS

_OTHER_WORDS: Mapping[str, str] = {
    "add": "push",
    "apply": "push",
    "check": "lint",
    "clone": "init",
    "commit": "push",
    "evals": "eval",
    "fetch": "pull",
    "list": "ls-remote",
    "ls": "ls-remote",
    "merge": "pull --merge",
    "publish": "push",
    "release": "deploy",
    "rename": "mv",
    "revert": "rollback",
    "search": "ls-remote",
    "sync": "status",
    "tag": "label",
    "validate": "lint",
    "versions": "log",
}
"""What other programs call our verbs."""

_OTHER_WAYS: Mapping[str, str] = {
    "new": "add a file to prompts/, then promptsync push",
    "plan": "promptsync push --dry-run\npromptsync deploy --dry-run",
    "rm": "git rm the file and commit, then promptsync push --prune NAME",
}
"""What to do for verbs of other programs for which we need more than one."""


def together(*options: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds several options in this order."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def _set_directory(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        before = context.obj.given_directory
        context.obj.given_directory = os.path.join(before, value)  # noqa: PTH118 -- quick to start


def _set(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value not in (None, False, 0) and parameter.name is not None:
        setattr(context.obj, parameter.name, value)


class _Shared(click.Option):
    """An option that every verb takes. Its value goes to the session, not to the function."""


_option = functools.partial(click.option, cls=_Shared, callback=_set, expose_value=False)

shared_options = together(
    _option(
        "-C",
        "directory",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        callback=_set_directory,
        help="Run as if started in DIR.",
    ),
    _option(
        "--remote", metavar="NAME|URL", help="Use this registry: a remote from promptsync.yaml, or a URL."
    ),
    _option(
        "-j",
        "--jobs",
        metavar="N",
        type=click.IntRange(1, MOST_REQUESTS),
        help=f"Send at most N requests at once, 1 to {MOST_REQUESTS} (default: {MOST_REQUESTS}).",
    ),
    _option("--json", is_flag=True, help="Print one JSON document."),
    _option("-q", "--quiet", is_flag=True, help="Print only the result."),
    _option("-v", "--verbose", count=True, help="Print more."),
    _option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        help="Use colors (default: on a terminal).",
    ),
    _option("--no-pager", is_flag=True, help="Do not show long output in a pager."),
)
"""Adds the options that every verb takes. Their values go to the session, not to the function."""


def format_options(command: click.Command, context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the verb's own options, then those of every verb."""
    own: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Argument):
            continue  # the text of the help describes it
        record = parameter.get_help_record(context)
        if record is not None:
            (shared if isinstance(parameter, _Shared) else own).append(record)
    with formatter.section("Options"):
        formatter.write_dl(own)
    if shared:
        with formatter.section("Options of every command"):
            formatter.write_dl(shared)


class VerbGroup(click.Group):
    """A verb that has verbs of its own."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **{"subcommand_metavar": "COMMAND [ARGS]...", **attributes})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which they are declared

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not ctx.resilient_parsing:
            raise UsageError(f"{ctx.command_path} has no command {name!r}", hint=_meant(ctx, name, known))
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.get_short_help_str(80)) for name, verb in verbs if verb])


def _meant(context: click.Context, name: str, known: Sequence[str]) -> str:
    path = context.command_path
    if context.parent is None and name in _OTHER_WAYS:
        return _OTHER_WAYS[name]
    other = _OTHER_WORDS.get(name) if context.parent is None else None
    close = other or close_word(name, known)
    if close is not None and close.split()[0] in known:
        return f"did you mean '{path} {close}'?"
    return f"{path} help" if context.parent is None else f"{path} --help"


def close_word(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like ``word``, ``None`` if none is close."""
    import difflib

    by_folded = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, 1)
    return by_folded[close[0]] if close else None


def usage_error(error: click.UsageError) -> UsageError:
    """Return click's error as ours, with a hint; click's help for a missing verb is printed."""
    path = error.ctx.command_path if error.ctx is not None else "promptsync"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return UsageError("no command given", hint=f"{path} {'status' if path == 'promptsync' else '--help'}")
    # click puts choices on lines of their own
    return UsageError(" ".join(error.format_message().split()), hint=f"{path} --help")
