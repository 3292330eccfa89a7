"""Rows about prompts, which every plan and every receipt consists of, and their bodies in JSON documents."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from msgspec import Struct, to_builtins

from promptsync.terminal import output


class Row(Struct, frozen=True):
    """What is said about one prompt: a word in the colour of its meaning, the name, cells, a note, a command.

    ``cells`` are escaped or styled already. The ``command`` is what to run about the note.
    """

    word: str
    meaning: str
    name: str
    cells: tuple[str, ...] = ()
    note: str = ""
    command: str = ""

    @property
    def advice(self) -> str:
        """The note with the command to run, if there is one."""
        return f"{self.note}; {self.command}" if self.command else self.note


def row_lines(rows: Iterable[Row], *, free: bool = False, aside: bool = False) -> list[str]:
    """Return rows as lines: those with cells as tables with their notes last, the others each on its own.

    ``free`` says that the notes of a table may be cut on a narrow terminal; ``aside`` that ``-q`` leaves
    the rows out.
    """
    lines: list[str] = []
    for columns, group in groupby(rows, key=lambda row: len(row.cells) if row.cells or not row.note else -1):
        if columns < 0:
            lines += (_line(row, aside) for row in group)
            continue
        table = (
            (f"  {output.style(row.word, row.meaning)}", output.name(row.name), *row.cells, _note(row))
            for row in group
        )
        lines += output.table(table, free=free, aside=aside)
    return lines


def _line(row: Row, aside: bool) -> str:
    text = f"  {output.style(row.word, row.meaning)}  {output.name(row.name)}: {_note(row)}"
    return output.Line(text, 6, row.command, aside=aside)


def _note(row: Row) -> str:
    return output.safe(row.advice, newlines=False)


def body(value: object, keys: str) -> dict[str, Any]:
    """Return a value for a JSON document with these keys: with ``to=next``, ``to`` is the field ``next``.

    A field of a field is ``to=base.version``, ``None`` if there is no ``base``.
    """
    fields = (key.partition("=") for key in keys.split())
    return {key: to_builtins(_field(value, path or key), enc_hook=str) for key, _, path in fields}


def _field(value: object, path: str) -> object:
    for name in path.split("."):
        value = getattr(value, name) if value is not None else None
    return value


def bodies(values: Iterable[object], keys: str) -> list[dict[str, Any]]:
    """Return the bodies of several values."""
    return [body(value, keys) for value in values]
