"""Groups of verbs, which suggest the verb that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from promptsync.errors import UsageError

_OTHER_WORDS: Mapping[str, str] = {
    "add": "push",
    "check": "lint",
    "clone": "init",
    "commit": "push",
    "evals": "eval",
    "fetch": "pull",
    "list": "ls-remote",
    "ls": "ls-remote",
    "publish": "push",
    "release": "deploy",
    "sync": "status",
    "tag": "label",
    "validate": "lint",
    "versions": "log",
}
"""What other programs call our verbs."""

EVERYWHERE = frozenset({"-C", "--remote", "--json", "-q", "-v", "--color", "--no-pager"})
"""The options that every verb takes, by their first names."""


def format_options(command: click.Command, context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the verb's own options, then those of every verb."""
    own: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            (shared if parameter.opts[0] in EVERYWHERE else own).append(record)
    with formatter.section("Options"):
        formatter.write_dl(own)
    if shared:
        with formatter.section("Options of every verb"):
            formatter.write_dl(shared)


class VerbGroup(click.Group):
    """A verb that has verbs of its own."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **{"subcommand_metavar": "VERB [ARGS]...", **attributes})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which they are declared

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not ctx.resilient_parsing:
            raise UsageError(f"{ctx.command_path} has no verb {name!r}", hint=_meant(ctx, name, known))
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.get_short_help_str(80)) for name, verb in verbs if verb])


def _meant(context: click.Context, name: str, known: Sequence[str]) -> str:
    path = context.command_path
    other = _OTHER_WORDS.get(name) if context.parent is None else None
    close = other or close_word(name, known)
    if close in known:
        return f"did you mean '{path} {close}'?"
    if context.parent is None:
        return f"{path} help"
    return f"{path} --help"


def close_word(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like ``word``, ``None`` if none is close."""
    import difflib

    by_folded = {one.casefold(): one for one in known}
    return next((by_folded[one] for one in difflib.get_close_matches(word.casefold(), by_folded, 1)), None)
