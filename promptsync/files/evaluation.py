"""Evaluation files: ``evaluations/NAME.yaml`` declares the rows, columns and scorecard of a table."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

from msgspec import convert

from promptsync.files import schema
from promptsync.files.prompt_file import read, walk
from promptsync.files.yaml import load as yaml_load
from promptsync.files.yaml.load import NESTING, InvalidFile, check_valid, decode
from promptsync.prompt.evaluation import EvaluationFile, sources
from promptsync.prompt.limits import checked_depth
from promptsync.prompt.names import SUFFIXES as YAML
from promptsync.prompt.prompt import KeyPath, Problem

FOLDER: Final = "evaluations"
"""The directory of evaluation files, beside the configuration."""


def load_evaluations(root: Path) -> tuple[EvaluationFile, ...]:
    """Return the evaluation files of a working copy. Raises InvalidFile, with everything wrong in them."""
    files, problems = scan_evaluations(root)
    check_valid(problems)
    return files


def scan_evaluations(root: Path) -> tuple[tuple[EvaluationFile, ...], list[Problem]]:
    """Return the evaluation files that can be read, and the problems of the others."""
    places: dict[str, Path] = {}
    problems: list[Problem] = []
    top = root / FOLDER
    if top.is_symlink():
        message = "This is a symbolic link; replace it with its target."
        return (), [Problem(FOLDER, 1, 1, "file-refused", message)]
    if top.is_dir():
        walk(top, FOLDER, places, problems)
    files: dict[str, EvaluationFile] = {}
    for path, place in places.items():
        try:
            file = parse(read(place, path), path, top)
        except InvalidFile as error:
            problems += error.problems
            continue
        other = files.setdefault(file.name, file)
        if other is not file:
            message = f"{other.path} also contains the evaluation {file.name!r}."
            hint = "Rename or delete one of them."
            at = yaml_load.position(file.text, ("name",))
            problems.append(Problem(path, *at, "evaluation", message, hint=hint))
    return tuple(files.values()), problems


_SIGNS: Final = [
    re.compile(rf'^({key})\s*:|"({key})"\s*:'.encode(), re.M) for key in ("rows", "scorecard|min_score")
]
"""Keys that together declare an evaluation, at the top of YAML or anywhere in JSON."""


def unread_evaluations(root: Path) -> Iterator[Problem]:
    """Yield what looks like an evaluation that nothing reads, in ``root`` and its directories ``eval*``."""
    for place in sorted([*root.glob("*.*"), *root.glob("[Ee]val*/**/*.*")]):
        path = place.relative_to(root)
        if path.suffix not in ((".json",) if path.parts[0] == FOLDER else (*YAML, ".json")):
            continue
        with suppress(InvalidFile):
            data = read(place, path.as_posix())
            if all(sign.search(data) for sign in _SIGNS):
                message = f"Nothing reads this evaluation, because it is not a {YAML[0]} file in {FOLDER}/."
                move = shlex.join(["mv", "-n", path.as_posix(), f"{FOLDER}/{path.stem}{YAML[0]}"])
                move = move if path.parts[0] == FOLDER else f"mkdir -p {FOLDER} && {move}"
                yield Problem(path.as_posix(), 1, 1, "evaluation-unread", message, "warning", move)


def parse(data: bytes, path: str, top: Path) -> EvaluationFile:
    """Return the evaluation in a file at ``path``; files with rows are below ``top``. Raises InvalidFile."""
    loaded = yaml_load.load(data, path)
    if loaded.value is None:
        raise InvalidFile.at(path, "missing-key", "The file is empty: an evaluation has rows:.")
    check_valid(schema.check(loaded, path, "evaluation"))
    value = {key: item for key, item in loaded.value.items() if item is not None}
    prompts = value.get("prompts", [])
    rows = value["rows"]
    paths = [path]
    if isinstance(rows, str):
        paths.append((PurePosixPath(path).parent / rows).as_posix())
        at = yaml_load.position(loaded.text, ("rows",))
        rows = read_rows(rows, (path, *at), top)
    known = {
        "name": PurePosixPath(path).relative_to(FOLDER).with_suffix("").as_posix(),
        **value,
        "prompts": [prompts] if isinstance(prompts, str) else prompts,
        "rows": rows,
        "path": path,
        "text": loaded.text,
        "paths": paths,
    }
    # In the schema 4.0 is an integer, too.
    file = convert(known, EvaluationFile, strict=False)
    check_valid(
        Problem(path, *yaml_load.position(file.text, keypath), "evaluation", message, hint=hint)
        for keypath, message, hint in _contradictions(file)
    )
    return file


def _contradictions(file: EvaluationFile) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield the place, the message and the hint of what the schema cannot rule out."""
    if not file.inputs:
        yield ("rows",), "There are no rows, so there is nothing to run.", ""
    elif any(not column.strip() for column in file.inputs):
        yield ("rows",), "A column of the rows has no title.", ""
    for variable, column in file.variables.items():
        if column not in file.inputs:
            hint = schema.suggestion(column, file.inputs)
            yield ("variables", variable), f"The rows have no column {column!r}.", hint
    yield from _titles(file)


def _titles(file: EvaluationFile) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield titles that are used twice, and sources that are no column above."""
    taken = {*file.inputs}
    items: list[tuple[KeyPath, str, Mapping[str, Any]]] = [(("output",), file.output, {})]
    for index, column in enumerate(file.columns):
        items.append((("columns", index), column.title, column.config))
    for index, step in enumerate(file.scorecard.steps):
        items.append((("scorecard", "steps", index), step.title, step.config))
    readable = {*taken}
    for place, title, config in items:
        for inner, source in sources(config):
            if source not in readable:
                message = f"{title}: no column above has the title {source!r}."
                yield (*place, "config", *inner), message, schema.suggestion(source, readable)
        if title in taken:
            yield (*place, "title"), f"The title {title!r} is used twice.", "Rename one of them."
        taken.add(title)
        if place[0] != "scorecard":
            readable.add(title)


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
