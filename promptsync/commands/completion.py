"""``promptsync completion``, and what its script asks: click completes verbs and options, this module values.

Values come from files alone. Nothing here sends a request or prints a message.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from promptsync.commands.shared.session import Session, verb
from promptsync.errors import PromptsyncError
from promptsync.files.cache import Cache, SeenNames
from promptsync.files.config import Config
from promptsync.files.prompt_file import scan
from promptsync.prompt.labels import is_own
from promptsync.show.outcome import Outcome

SHELLS: Final = ("bash", "zsh", "fish")
VARIABLE: Final = "_PROMPTSYNC_COMPLETE"
"""The environment variable with which the scripts of click call the program."""

_PLAIN: Final = re.compile(r"[\w./-]+")
"""What a shell reads as one word. Other values are not offered, because bash would split them."""

_PATHS = frozenset({"FILE", "FILE|-", "PATH", "DIR"})

Offer = Callable[[Session], Iterable[str]]
"""Returns the values of a parameter."""


@verb("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(session: Session, shell: str) -> Outcome:
    """Print the script that makes a shell complete verbs, options, prompts, labels and remotes.

    Completion reads your files and what the last status or push read. It never sends a request.

    \b
    bash: promptsync completion bash > ~/.local/share/bash-completion/completions/promptsync
    zsh:  promptsync completion zsh > ~/.zfunc/_promptsync   (with fpath+=~/.zfunc before compinit)
    fish: promptsync completion fish > ~/.config/fish/completions/promptsync.fish

    For the current session: eval "$(promptsync completion bash)", or promptsync completion fish | source
    """
    completer = get_completion_class(shell)
    assert completer is not None
    text = completer(click.get_current_context().find_root().command, {}, "promptsync", VARIABLE).source()
    return Outcome([text.rstrip("\n")], {"shell": shell, "script": text})


def complete(root: click.Command, session: Session, instruction: str) -> int:
    """Print completions for the script of a shell; ``instruction`` is the value of ``VARIABLE``."""
    # An error message would appear in the middle of the command that is being typed.
    with contextlib.suppress(Exception):
        teach(root)
        return shell_complete(root, {"obj": session}, "promptsync", VARIABLE, instruction)
    return 1


class Completions(click.types.StringParamType):
    """Text with some known values."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[Any]]:
        values = {value for value in self._offer(ctx.find_root().obj) if value.startswith(incomplete)}
        return [CompletionItem(value) for value in sorted(values) if _PLAIN.fullmatch(value)]


def teach(command: click.Command) -> None:
    """Give the parameters of a verb, and of the verbs below it, their known values."""
    for parameter in command.params:
        if type(parameter.type) is not click.types.StringParamType:
            continue
        named = str(parameter.metavar or parameter.name).upper().strip("[].").split("[")[0]
        if named in _PATHS:
            parameter.type = click.Path(file_okay=named != "DIR")
        elif named in _OFFERS:
            parameter.type = Completions(_OFFERS[named])
    for below in getattr(command, "commands", {}).values():
        teach(below)


def prompts(session: Session) -> Iterator[str]:
    """The prompts with a file, and those that the registry had when it was last read."""
    config = session.config()
    worktree = scan(config.root, config.prompts)
    yield from worktree.files
    yield from worktree.broken.values()
    yield from _seen(session, config).versions


def labels(session: Session) -> Iterator[str]:
    """The labels in the configuration, and those that the registry had when it was last read."""
    config = session.config()
    yield from config.labels.values()
    yield from filter(is_own, _seen(session, config).labels)


def _seen(session: Session, config: Config) -> SeenNames:
    try:
        project = session.project_of(config, session.remote or session.variable("PROMPTSYNC_REMOTE"))
    except PromptsyncError:
        return SeenNames()
    return Cache(config.root).names(project.record_url)


_OFFERS: dict[str, Offer] = {
    **dict.fromkeys(("NAME", "OLD", "NEW", "PROMPT", "SNIPPET", "USER"), prompts),
    **dict.fromkeys(("LABEL", "FROM", "TO"), labels),
    "NAME|URL": lambda session: session.config().remotes,
}
"""The values of a parameter by what the help calls it."""
