"""``promptsync help``: the help of the program or of a verb."""

from __future__ import annotations

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.show.outcome import Outcome


@verb("help", is_long=True)
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
def command(session: Session, words: tuple[str, ...]) -> Outcome:
    """Show what a command does and its options, as COMMAND --help does. Without one, list the commands.

    \b
    promptsync help
    promptsync help diff
    promptsync help eval run
    """
    context = click.get_current_context().find_root()
    for word in words:
        if not isinstance(context.command, click.Group):
            path = context.command_path
            raise UsageError(f"{path} has no command {word!r}", hint=f"{path} --help")
        _, subcommand, _ = context.command.resolve_command(context, [word])
        assert subcommand is not None  # resolve_command raises for an unknown verb
        context = click.Context(subcommand, parent=context, info_name=word, **subcommand.context_settings)
    text = context.get_help()
    return Outcome(text.split("\n"), {"help": text})
