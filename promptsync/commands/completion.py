"""``promptsync completion``: the script that completes words in a shell."""

from __future__ import annotations

import click

from promptsync.commands.shared.completion import SHELLS, script
from promptsync.commands.shared.session import Session, verb
from promptsync.show.outcome import Outcome


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
    text = script(click.get_current_context().find_root().command, shell)
    return Outcome([text.rstrip("\n")], {"shell": shell, "script": text})
