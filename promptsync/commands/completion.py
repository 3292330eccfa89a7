"""The scripts that shells load for completion. They ask ``promptsync completion SHELL --line …`` at each tab.

An answer has a line for each thing to offer: its kind (``word``, ``file`` or ``dir``), the word, its help.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.show.outcome import Outcome

BASH: Final = r"""# completion of promptsync for bash
_promptsync_completion() {
    local kind value
    COMPREPLY=()
    while IFS=$'\t' read -r kind value; do
        case $kind in
            word) COMPREPLY+=("$value") ;;
            file) compopt -o default 2>/dev/null ;;
            dir) compopt -o dirnames 2>/dev/null ;;
        esac
    done < <("$1" completion bash --line "${COMP_LINE:0:COMP_POINT}" --breaks "$COMP_WORDBREAKS" 2>/dev/null)
}
complete -o nosort -F _promptsync_completion promptsync 2>/dev/null ||
    complete -F _promptsync_completion promptsync
"""

ZSH: Final = r"""#compdef promptsync
# completion of promptsync for zsh
_promptsync_completion() {
    local line
    local -a parts values described
    for line in "${(@f)$("$words[1]" completion zsh --line "${(j: :)words[1,CURRENT]}" 2>/dev/null)}"; do
        parts=("${(@ps:\t:)line}")
        case $parts[1] in
            word)
                if [[ -n $parts[3] ]]; then
                    described+=("${parts[2]//:/\\:}:$parts[3]")
                else
                    values+=("$parts[2]")
                fi
                ;;
            file) _files ;;
            dir) _files -/ ;;
        esac
    done
    (( $#described )) && _describe -V promptsync described
    (( $#values )) && compadd -V promptsync -a values
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _promptsync_completion "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
    compdef _promptsync_completion promptsync
fi
"""

FISH: Final = r"""# completion of promptsync for fish
function _promptsync_completion
    set -l line (commandline -cp | string collect)
    promptsync completion fish --line "$line" 2>/dev/null | while read -d \t -l kind value help
        switch $kind
            case word
                if test -n "$help"
                    printf '%s\t%s\n' $value $help
                else
                    printf '%s\n' $value
                end
            case file
                __fish_complete_path (commandline -ct)
            case dir
                __fish_complete_directories (commandline -ct)
        end
    end
end
complete --command promptsync --no-files --keep-order --arguments '(_promptsync_completion)'
"""

SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}
"""By the name of the shell."""


_BLANKS = " \t\r\n"
_BARE = re.compile(r"[^\w@%+=:,./-]", re.ASCII)
_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')


@dataclass(frozen=True, slots=True)
class Word:
    """``text`` is what the program will get. ``quote`` is the quote that is open at the end of it.

    ``kept`` counts the characters of the text that stay as they are when the shell replaces the word: some
    shells begin a new word at characters such as ``:`` and ``=``, and at quotes.
    """

    text: str = ""
    quote: str = ""
    kept: int = 0


def split(line: str, breaks: str = "") -> list[Word]:
    """Return the words up to the end of ``line``; the last one, perhaps empty, is the one being typed.

    ``breaks`` are the characters at which the shell begins to replace.
    """
    words: list[Word] = []
    text, quote, kept, is_escaped, is_word = "", "", 0, False, False
    for character in line:
        if is_escaped:
            text += character if not quote or character in '\\"$`' else f"\\{character}"
            is_escaped = False
        elif character == "\\" and quote != "'":
            is_escaped = is_word = True
        elif character == quote:
            quote, kept = "", len(text) if quote in breaks else kept
        elif quote:
            text += character
        elif character in "'\"":
            quote, kept, is_word = character, len(text), True
        elif character in _BLANKS:
            if is_word:
                words.append(Word(text))
            text, kept, is_word = "", 0, False
        else:
            text, is_word = text + character, True
            kept = len(text) if character in breaks else kept
    return [*words, Word(text, quote, kept)]


def quoted(value: str, word: Word) -> str:
    """Return how ``value`` goes on where a Bourne shell replaces ``word``."""
    rest = value[word.kept :]
    if word.quote == "'":
        return rest.replace("'", "'\\''")
    if word.quote:
        return _IN_DOUBLE_QUOTES.sub(lambda found: f"\\{found[0]}", rest)
    return _BARE.sub(lambda found: f"\\{found[0]}" if found[0].isascii() else found[0], rest)


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

    from promptsync.commands.shared.completion import teach

    root = click.get_current_context().find_root().command
    teach(root, "")
    typed = Session(session.environment)
    return ShellComplete(root, {"obj": typed}, "promptsync", "").get_completions(before, incomplete)
