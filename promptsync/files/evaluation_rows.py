"""The rows of an evaluation in a file of their own: CSV or JSON Lines."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from promptsync.files.errors import InvalidFile
from promptsync.files.worktree import read
from promptsync.files.yaml.syntax import NESTING, decode
from promptsync.prompt.limits import checked_depth
from promptsync.prompt.prompt import Problem

SUFFIXES: Final = (".csv", ".jsonl")

MAX_BYTES: Final = 50_000_000
"""The largest file with rows that is read."""


def read_rows(name: str, place: tuple[str, int, int], top: Path) -> list[dict[str, Any]]:
    """Return the rows in the file ``name`` beside an evaluation file; ``place`` is where that names it.

    ``top`` is the directory of evaluation files. Raises InvalidFile, for a link, too.
    """
    owner, line, column = place

    def refused(message: str) -> InvalidFile:
        return InvalidFile([Problem(owner, line, column, "evaluation", message)])

    if not name.lower().endswith(SUFFIXES) or "/" in name or "\\" in name:
        raise refused(f"rows: {name!r} is not the name of a .csv or .jsonl file beside this one.")
    shown = PurePosixPath(owner).with_name(name).as_posix()
    path = top.parent / shown
    if path.is_symlink():
        raise refused(f"rows: {name!r} is a symbolic link, and git does not have its target.")
    if not path.is_file():
        raise refused(f"rows: there is no file {shown}.")
    text = decode(read(path, shown, MAX_BYTES).removeprefix(codecs.BOM_UTF8), shown)

    def wrong(line: int, column: int, message: str) -> InvalidFile:
        return InvalidFile([Problem(shown, line, column, "evaluation-rows", message)])

    return [*(_csv if name.lower().endswith(".csv") else _json_lines)(text, wrong)]


_Wrong = Callable[[int, int, str], InvalidFile]
"""Returns the error for a line, a column and a message."""


def _csv(text: str, wrong: _Wrong) -> Iterator[dict[str, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    titles: list[str] | None = None
    try:
        for values in reader:
            if titles is None and values:
                titles = values
                for title, number in Counter(titles).items():
                    if number > 1:
                        raise wrong(start, 1, f"The header has the column {title!r} twice.")
            elif titles is not None and values:
                if len(values) != len(titles):
                    columns = f"The header has {len(titles)} columns, this row has {len(values)}."
                    raise wrong(start, 1, columns)
                yield dict(zip(titles, values, strict=True))
            start = reader.line_num + 1
    except csv.Error as error:
        raise wrong(start, 1, f"This is not CSV: {error}.") from None


def _json_lines(text: str, wrong: _Wrong) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = checked_depth(json.loads(line))
        except ValueError as error:  # a number may have too many digits
            column, message = getattr(error, "colno", 1), getattr(error, "msg", error)
            raise wrong(number, column, f"This is not JSON: {message}.") from None
        except RecursionError:
            raise wrong(number, 1, NESTING) from None
        if not isinstance(value, dict):
            raise wrong(number, 1, "A row must be a mapping.")
        yield value
