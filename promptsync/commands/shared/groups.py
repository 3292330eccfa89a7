"""The options of every verb, groups of verbs, and suggestions for mistyped words."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from promptsync.errors import UsageError
from promptsync.parallel import MOST_REQUESTS

_WORDS_FOR = {
    "bundle": "fallback",
    "deploy": "release",
    "doctor": "login",
    "eval run": "test",
    "init": "clone",
    "init --from-remote": "import",
    "label": "tag",
    "lint": "check validate",
    "log": "history versions",
    "ls-remote": "list ls",
    "mv": "rename",
    "new": "create",
    "pull": "fetch",
    "pull --merge": "merge",
    "push": "add apply commit publish",
    "push --dry-run": "plan",
    "push --prune NAME": "delete remove rm",
    "rollback": "revert",
    "search": "find grep",
    "status": "sync",
    "--version": "version",
}
"""What other programs call our verbs."""

_OTHER_WORDS = {word: verb for verb, words in _WORDS_FOR.items() for word in words.split()}

CommandT = TypeVar("CommandT", bound=click.Command)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorator) -> Decorator:
    """Return a decorator that adds several options in this order."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(options):
            function = each(function)
        return function

    return add


def _set_directory(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        before = context.obj.directory_option
        context.obj.directory_option = os.path.join(before, value)  # noqa: PTH118 -- quick to start


def _set(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    name = str(parameter.name)
    if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
        setattr(context.obj, name, value)


IN_SESSION: dict[str, Any] = {"callback": _set, "expose_value": False}
"""For an option whose value goes to the field of the session with its name, not to the function."""


def option(names: str, metavar: str | None, text: str, *, in_session: bool = False, **more: Any) -> Decorator:
    """Return a decorator that adds an option with these names and this help; see ``IN_SESSION``."""
    own = IN_SESSION if in_session else {}
    return click.option(*names.split(), metavar=metavar, help=text, **{**own, **more})


def flag(names: str, text: str, *, in_session: bool = False) -> Decorator:
    """Return a decorator that adds an option without a value."""
    return option(names, None, text, is_flag=True, in_session=in_session)


_WHEN = click.Choice(["auto", "always", "never"])

_SHARED = (
    option(
        "-C directory",
        "DIR",
        "Run as if started in DIR.",
        type=click.Path(exists=True, file_okay=False),
        callback=_set_directory,
        in_session=True,
    ),
    option(
        "--remote", "NAME|URL", "Use this registry: a remote from promptsync.yaml, or a URL.", in_session=True
    ),
    option(
        "-j --jobs",
        "N",
        f"Send at most N requests at once, 1 to {MOST_REQUESTS} (default: {MOST_REQUESTS}).",
        type=click.IntRange(1, MOST_REQUESTS),
        in_session=True,
    ),
    flag("--json", "Print one JSON document.", in_session=True),
    flag("-q --quiet", "Print only the result.", in_session=True),
    click.option("-v", "--verbose", count=True, help="Print more.", **IN_SESSION),
    option("--color", None, "Use colors (default: on a terminal).", type=_WHEN, in_session=True),
    flag("--no-pager", "Do not show long output in a pager.", in_session=True),
)


def shared_options(command: CommandT) -> CommandT:
    """Add the options that every verb takes. Their values go to the session, not to the function."""
    for add in _SHARED:
        add(command)
    return command


class VerbGroup(click.Group):
    """A verb that has verbs of its own."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **{"subcommand_metavar": "COMMAND [ARGS]...", **attributes})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which they are declared

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)


def usage_error(error: click.UsageError, verb: str) -> UsageError:
    """Return click's error as ours, with a hint; click's help for a missing verb is printed.

    ``verb`` is for an error of click's parser, which does not say where it happened.
    """
    context = error.ctx
    path = context.command_path if context is not None else f"promptsync {verb}".rstrip()
    is_root = context is None or context.parent is None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return UsageError("no command given", hint=f"{path} {'status' if is_root else '--help'}")
    if isinstance(error, click.exceptions.NoSuchCommand) and context is not None:
        from difflib import get_close_matches

        name, group = error.command_name, context.command
        known = group.list_commands(context) if isinstance(group, click.Group) else []
        word = next(iter(get_close_matches(name.lower(), known, 1)), None)
        word = _OTHER_WORDS.get(name, word) if is_root else word
        hint = f"did you mean '{path} {word}'?" if word else f"{path} {'help' if is_root else '--help'}"
        if word == _OTHER_WORDS["rm"]:
            hint += "\nbefore that, delete the file with git rm, and commit"
        return UsageError(f"{path} has no command {name!r}", hint=hint)
    # click puts choices on lines of their own
    return UsageError(" ".join(error.format_message().split()), hint=f"{path} --help")
