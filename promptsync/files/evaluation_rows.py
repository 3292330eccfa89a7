"""The rows of an evaluation in a file of their own: CSV or JSON Lines."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
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

_MOST_PROBLEMS: Final = 20


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
        raise refused(f"rows: {name!r} is a symbolic link, and git does not have what it leads to.")
    if not path.is_file():
        raise refused(f"rows: there is no file {shown}.")
    text = decode(read(path, shown, MAX_BYTES).removeprefix(codecs.BOM_UTF8), shown)
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for number, at, item in (_csv if name.lower().endswith(".csv") else _json_lines)(text):
        if isinstance(item, str):
            problems.append(Problem(shown, number, at, "evaluation-rows", item))
        else:
            rows.append(item)
        if len(problems) == _MOST_PROBLEMS:
            break
    if problems:
        raise InvalidFile(problems)
    return rows


_Item = tuple[int, int, dict[str, Any] | str]
"""The line and column of a row or of the message that says what is wrong."""


def _csv(text: str) -> Iterator[_Item]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    titles: list[str] | None = None
    try:
        for values in reader:
            if not values:
                pass
            elif titles is None:
                titles = values
                for index, title in enumerate(titles):
                    if title in titles[:index]:
                        yield start, 1, f"The header has the column {title!r} twice."
            elif len(values) == len(titles):
                yield start, 1, dict(zip(titles, values, strict=True))
            else:
                yield start, 1, f"The header has {len(titles)} columns, this row has {len(values)}."
            start = reader.line_num + 1
    except csv.Error as error:
        yield start, 1, f"This is not CSV: {error}."


def _json_lines(text: str) -> Iterator[_Item]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = checked_depth(json.loads(line))
        except json.JSONDecodeError as error:
            yield number, error.colno, f"This is not JSON: {error.msg}."
        except RecursionError:
            yield number, 1, NESTING
        else:
            yield number, 1, value if isinstance(value, dict) else "A row must be a mapping."
