"""Evaluation files: ``evaluations/NAME.yaml`` declares the rows, columns and scorecard of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Final

from msgspec import Struct, convert

from promptsync.files import schema
from promptsync.files.errors import InvalidFile
from promptsync.files.evaluation_rows import read_rows
from promptsync.files.worktree import read, walk
from promptsync.files.yaml import load as yaml_load
from promptsync.prompt.evaluation import OUTPUT, Column, Scorecard, sources
from promptsync.prompt.prompt import KeyPath, Problem

FOLDER: Final = "evaluations"
"""The directory of evaluation files, beside the configuration."""


class EvaluationFile(Struct, frozen=True):
    """One evaluation file. ``path`` is relative to the configuration, with ``/``.

    ``prompts`` are names or patterns. ``rows`` are inputs by column. ``variables`` are columns by variable,
    for those with another name. ``output`` is the title of the prompt column. ``text`` is the file itself.
    """

    name: str
    path: str
    prompts: tuple[str, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    variables: Mapping[str, str] = {}
    output: str = OUTPUT
    columns: tuple[Column, ...] = ()
    scorecard: Scorecard = Scorecard()
    min_score: float | None = None
    max_drop: float | None = None
    runs: int = 1
    text: str = ""

    def matches(self, prompt: str) -> bool:
        """Whether the evaluation checks a prompt without an entry in ``checks:``."""
        return any(fnmatchcase(prompt, pattern) for pattern in self.prompts)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of the rows, in order."""
        return tuple(dict.fromkeys(column for row in self.rows for column in row))

    def position(self, keypath: KeyPath) -> tuple[int, int]:
        """Return the line and column, from 1, of a key or item, or of the nearest thing around it."""
        return yaml_load.position(self.text, keypath)


def load_evaluations(root: Path) -> tuple[EvaluationFile, ...]:
    """Return the evaluation files of a working copy. Raises InvalidFile, with everything wrong in them."""
    files, problems = scan_evaluations(root)
    if problems:
        raise InvalidFile(problems)
    return files


def scan_evaluations(root: Path) -> tuple[tuple[EvaluationFile, ...], list[Problem]]:
    """Return the evaluation files that can be read, and what is wrong with the others."""
    places: dict[str, Path] = {}
    problems: list[Problem] = []
    top = root / FOLDER
    if top.is_symlink():
        return (), [
            Problem(FOLDER, 1, 1, "file-refused", f"{FOLDER} is a symbolic link; make it a directory.")
        ]
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
            problems.append(Problem(path, *file.position(("name",)), "evaluation", message, hint=hint))
    return tuple(files.values()), problems


def parse(data: bytes, path: str, top: Path) -> EvaluationFile:
    """Return the evaluation in a file at ``path``; files with rows are below ``top``. Raises InvalidFile."""
    loaded = yaml_load.load(data, path)
    if loaded.value is None:
        raise InvalidFile.at(path, "missing-key", "The file is empty: an evaluation has rows:.")
    if problems := schema.check(loaded, path, "evaluation"):
        raise InvalidFile(problems)
    value = {key: item for key, item in loaded.value.items() if item is not None}
    prompts = value.get("prompts", [])
    rows = value["rows"]
    if isinstance(rows, str):
        at = yaml_load.position(loaded.text, ("rows",))
        rows = read_rows(rows, (path, *at), top)
    known = {
        "name": PurePosixPath(path).relative_to(FOLDER).with_suffix("").as_posix(),
        **value,
        "prompts": [prompts] if isinstance(prompts, str) else prompts,
        "rows": rows,
        "path": path,
        "text": loaded.text,
    }
    # In the schema 4.0 is an integer, too.
    file = convert(known, EvaluationFile, strict=False)
    if problems := [
        Problem(path, *file.position(keypath), "evaluation", message, hint=hint)
        for keypath, message, hint in _contradictions(file)
    ]:
        raise InvalidFile(problems)
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
    card = file.scorecard
    bounds = {"pass": card.pass_threshold, "warn": card.warn_threshold}
    thresholds: list[tuple[KeyPath, str, Mapping[str, float]]] = [(("scorecard",), "", bounds)]
    for index, step in enumerate(card.steps):
        own = {**bounds, **step.thresholds}
        thresholds.append((("scorecard", "steps", index), f"{step.title}: ", own))
    for place, whose, values in thresholds:
        if values["warn"] > values["pass"]:
            message = (
                f"{whose}The threshold for warn, {values['warn']:g}, is above {values['pass']:g} for pass."
            )
            yield place, message, ""


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
