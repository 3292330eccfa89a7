"""Views of results: tables and notes, built once and rendered as text or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from promptsync.show import markdown
from promptsync.terminal import output

LONG_LINE: Final = 200
"""The longest quote in a line of text by default, in characters."""


class Quote(str):
    """Text from users or the registry: escaped and cut on a terminal, code in Markdown."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of ours and quotes, one after the other, in the colour of a meaning.

    ``most`` is the longest quote on a terminal, in characters.
    """

    pieces: tuple[str, ...]
    meaning: str = ""
    most: int = LONG_LINE

    @property
    def text(self) -> str:
        """The phrase for a terminal."""
        joined = "".join(cut(one, self.most) if isinstance(one, Quote) else one for one in self.pieces)
        return output.style(joined, self.meaning) if self.meaning else joined

    @property
    def markdown(self) -> str:
        """The phrase for Markdown, where the words for something bad are bold."""
        words, *rest = [markdown.cell(one) if isinstance(one, Quote) else one for one in self.pieces]
        is_bold = self.meaning == "bad" and not isinstance(self.pieces[0], Quote)
        return "".join([f"**{words}**" if is_bold else words, *rest])


@dataclass(frozen=True, slots=True)
class Table:
    """Results of one kind, with notes below them."""

    head: tuple[str, ...]
    rows: Sequence[Sequence[Phrase]]
    notes: Sequence[Phrase]

    @property
    def lines(self) -> list[str]:
        """The table and its notes as text."""
        rows = [tuple(cell.text for cell in row) for row in self.rows]
        head = tuple(one.upper() for one in self.head)
        return [*output.table([head, *rows]), *(note.text for note in self.notes)]

    def add_to(self, page: markdown.Page) -> None:
        """Add the table and its notes to a page of Markdown."""
        page.table(self.head, [[cell.markdown for cell in row] for row in self.rows])
        page.items([note.markdown for note in self.notes])


def number_text(number: float | None) -> str:
    """Return a number as a table shows it."""
    return "-" if number is None else f"{number:g}" if isinstance(number, float) else str(number)


def cut(text: str, most: int = LONG_LINE) -> str:
    """Return text as one safe line of at most ``most`` characters."""
    line = output.name(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"
