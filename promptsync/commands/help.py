"""``promptsync help``: the help of the program or of a verb."""

from __future__ import annotations

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.show.outcome import Outcome


def _verbs(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    root = context.find_root()
    group: click.Command | None = root.command
    for word in context.params.get("words") or ():
        group = group.get_command(root, word) if isinstance(group, click.Group) else None
    names = group.list_commands(root) if isinstance(group, click.Group) else []
    return [name for name in names if name.startswith(incomplete)]


@verb("help", short_help="Show the help of a command.", is_long=True)
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=_verbs)
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
            raise UsageError(
                f"{context.command_path} has no command {word!r}", hint=f"{context.command_path} --help"
            )
        _, subcommand, _ = context.command.resolve_command(context, [word])
        assert subcommand is not None  # resolve_command raises for an unknown verb
        context = click.Context(subcommand, parent=context, info_name=word, **subcommand.context_settings)
    text = context.get_help()
    return Outcome(text.split("\n"), {"help": text})
