"""The result of a command: one value, which the command line prints as text, JSON or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import force_setattr, replace

from promptsync.errors import PromptsyncError
from promptsync.show.markdown import Page
from promptsync.terminal import output


class Outcome(Struct, frozen=True):
    """``lines`` go to stdout, ``body`` into the JSON document.

    ``error`` is set if the result is also a failure; it follows the lines, on stderr, and sets the exit code
    unless there is another one. ``markdown`` adds the result to a page, which is needed only with
    ``--format markdown`` or in a GitHub workflow; then the page is in ``summary``. Later steps of a workflow
    read ``outputs``.
    """

    lines: Sequence[str] = ()
    body: Mapping[str, Any] = {}
    exit_code: int = 0
    error: PromptsyncError | None = None
    summary: Sequence[str] = ()
    outputs: Mapping[str, str] = {}
    markdown: Callable[[Page], object] | None = None

    def __post_init__(self) -> None:
        if self.error is not None and not self.exit_code:
            force_setattr(self, "exit_code", self.error.exit_code)

    def replaced(self, **changes: Any) -> Outcome:
        """Return the outcome with these fields changed."""
        return replace(self, **changes)


class Row(Struct, frozen=True):
    """What is said about one prompt: a word in the colour of its meaning, the name, cells, a note, a command.

    ``cells`` are escaped or styled already. The ``command`` is what to run about the note. A row of a receipt
    ``is_planned`` if the plan said the same.
    """

    word: str
    meaning: str
    name: str
    cells: tuple[str, ...] = ()
    note: str = ""
    command: str = ""
    is_planned: bool = False

    @property
    def advice(self) -> str:
        """The note with the command to run, if there is one."""
        return f"{self.note}; {self.command}" if self.command else self.note


def row_lines(rows: Iterable[Row], *, free: bool = False, aside: bool = False) -> list[str]:
    """Return rows as lines: those with cells as tables with their notes last, the others each on its own.

    ``free`` says that the notes of a table may be cut on a narrow terminal; ``aside`` that ``-q`` leaves
    the rows out.
    """
    rows, lines = list(rows), list[Any]()
    for columns, group in groupby(rows, key=lambda row: len(row.cells) if row.cells or not row.note else -1):
        if columns < 0:
            for row in group:
                text = f"  {output.style(row.word, row.meaning)}  {output.name(row.name)}: {_note(row)}"
                lines.append(output.Line(text, 6, row.command, aside=aside))
            continue
        table = (
            (f"  {output.style(row.word, row.meaning)}", output.name(row.name), *row.cells, _note(row))
            for row in group
        )
        lines += output.table(table, free=free, aside=aside)
    for row, line in zip(rows, lines, strict=True):
        line.is_planned = row.is_planned
    return lines


def planned(rows: Iterable[Row]) -> list[Row]:
    """Return rows of a receipt that say what the plan said: they are not repeated after a question."""
    return [replace(row, is_planned=True) for row in rows]


def _note(row: Row) -> str:
    return output.name(row.advice)


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
