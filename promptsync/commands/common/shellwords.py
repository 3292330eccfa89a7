"""The words of a command line that is being typed, as shells split them, and words as shells take them."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
