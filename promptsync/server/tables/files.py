"""Files with the rows of a sheet: CSV, or JSON with a list of objects."""

from __future__ import annotations

import base64
import csv
import io
from typing import Any

import msgspec

from promptsync.server.http.answer import malformed
from promptsync.server.http.body import MAX_BODY, parse_json
from promptsync.server.tables.store import display

# A field can be as long as a body. The default of 131,072 characters is too short for a document.
csv.field_size_limit(MAX_BODY)


def read_file(name: str, content: str) -> list[list[str]]:
    """Return the titles and then the rows of a file in base64; 400 for one that cannot be read."""
    try:
        text = base64.b64decode(content, validate=True).decode("utf-8-sig")
    except ValueError as error:
        raise malformed(f"file_content_base64: it is not base64 of UTF-8 text ({error}).") from None
    kind = name.lower().rpartition(".")[2]
    if kind not in ("csv", "json"):
        raise malformed("file_name: it must end with .csv or .json.")
    titles, *rows = _csv(text) if kind == "csv" else _json(text)
    titles = [title.strip() for title in titles]
    if not titles or "" in titles or len(set(titles)) < len(titles):
        raise malformed("file_content_base64: each column needs a title of its own.")
    return [titles, *rows]


def _csv(text: str) -> list[list[str]]:
    lines: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for line in reader:
            lines += [line] if line else []
            if len(line) > len(lines[0] if lines else []):
                raise csv.Error(f"{len(line)} values for {len(lines[0])} columns")
    except csv.Error as error:
        raise malformed(f"file_content_base64: line {reader.line_num} is not CSV: {error}.") from None
    return lines or [[]]


def _json(text: str) -> list[list[str]]:
    try:
        rows = msgspec.convert(parse_json(text.encode()), list[dict[str, Any]])
    except msgspec.ValidationError:
        raise malformed("file_content_base64: the JSON must be a list of objects.") from None
    titles = list(dict.fromkeys(title for row in rows for title in row))
    return [titles, *([display(row.get(title)) or "" for title in titles] for row in rows)]
