"""``promptsync completion``: what shells need to complete words, and what they ask while somebody types."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import click

from promptsync.commands.common.session import Outcome, Session, verb
from promptsync.commands.common.shells import SCRIPTS
from promptsync.commands.common.shellwords import Word, quoted, split


@verb("completion", short_help="Print the script that completes words in a shell.")
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
@click.option("--line", hidden=True, help="Answer for a line that is being typed.")
@click.option("--breaks", hidden=True, default="", help="With --line: where bash begins a new word.")
def command(session: Session, shell: str, line: str | None, breaks: str) -> Outcome:
    """Print the script that makes a shell complete verbs, options, prompts, labels, remotes and checks.

    It reads the files here and what the last status or push saw; it never asks the registry.

    \b
    bash: promptsync completion bash > ~/.local/share/bash-completion/completions/promptsync
    zsh:  promptsync completion zsh > ~/.zfunc/_promptsync   (with fpath+=~/.zfunc before compinit)
    fish: promptsync completion fish > ~/.config/fish/completions/promptsync.fish

    For one session: eval "$(promptsync completion bash)", or promptsync completion fish | source
    """
    if line is None:
        script = SCRIPTS[shell]
        return Outcome([script.removesuffix("\n")], {"shell": shell, "script": script})
    words = split(line, breaks)
    # nothing that goes wrong here may end up in the line that somebody types
    with contextlib.suppress(Exception):
        return Outcome([*_answers(session, shell, [word.text for word in words[1:-1]], words[-1])])
    return Outcome()


def _answers(session: Session, shell: str, before: list[str], word: Word) -> Iterator[str]:
    option, is_joined, _ = word.text.partition("=")
    head = f"{option}=" if is_joined and option.startswith("-") else ""
    for item in _items(session, before, word.text):
        if item.type != "plain":
            yield item.type
            continue
        value = item.value if item.value.startswith("-") else head + item.value
        if not value.isprintable():
            continue
        text = quoted(value, word) if shell == "bash" else value
        yield "\t".join(["word", text, *([item.help] if item.help and shell != "bash" else [])])


def _items(session: Session, before: list[str], incomplete: str) -> Iterable[Any]:
    from click.shell_completion import ShellComplete

    from promptsync.commands.common.known import teach

    root = click.get_current_context().find_root().command
    teach(root, "")
    typed = Session(session.environment)
    return ShellComplete(root, {"obj": typed}, "promptsync", "").get_completions(before, incomplete)
