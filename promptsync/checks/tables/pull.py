"""Writes an evaluation file from a table of the registry."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from promptsync.checks.tables.definition import VARIABLES, Definition
from promptsync.checks.tables.plan import read_table
from promptsync.errors import Refused, UsageError
from promptsync.files.disk import present_text, write
from promptsync.files.errors import InvalidFile
from promptsync.files.evaluation import FOLDER, parse
from promptsync.files.git.repository import Repository
from promptsync.files.yaml import layout, load
from promptsync.files.yaml.edit import Change, edits
from promptsync.project.project import Project
from promptsync.prompt.canonical import same
from promptsync.prompt.evaluation import OUTPUT, STEP_THRESHOLDS, EvaluationFile, Scorecard, cell_text
from promptsync.prompt.limits import checked_depth
from promptsync.prompt.texts import as_mapping

MOST_INLINE: Final = 20
"""How many rows an evaluation file has itself; more are in a CSV file beside it."""

_STEP: Final = {"title": "title", "primitive_type": "type", "primitive_config": "config"}
_DEFAULTS: Final[Mapping[str, Any]] = {"weight": 1, "required": False}
_KNOWN: Final = {*_STEP, *_DEFAULTS, "thresholds", "source_column_ids", "order_index"}


class PulledEvaluation(Struct, frozen=True):
    """An evaluation file from a table. ``written`` are the paths that changed.

    ``left_out`` is what the table has and a file cannot declare.
    """

    name: str
    path: str
    rows: int
    written: tuple[str, ...]
    left_out: tuple[str, ...]


def pull_table(
    project: Project, name: str, *, sheet: str | None = None, path: str | None = None, force: bool = False
) -> PulledEvaluation:
    """Write what a sheet of a table declares, by default its first one.

    The file at ``path`` is by default that of the evaluation with this name. It keeps its prompts, limits and
    comments. Raises ``Refused`` for a file whose changes are not committed, unless ``force``, and for a table
    that no file can declare.
    """
    definition = read_table(project.registry, None, name, sheet).definition
    slug = re.sub(r"\W+", "-", definition.name.lower()).strip("-") or "evaluation"
    files = {file.path: file for file in project.evaluations}
    own = next((file.path for file in files.values() if file.name == definition.name), None)
    if None not in (path, own) and path != own:
        raise UsageError(f"{own} already has the evaluation {definition.name!r}", hint="leave out -o")
    usual = own or f"{FOLDER}/{slug}.yaml"
    if path is None and usual != own and usual in files:
        raise UsageError(f"{usual} has the evaluation {files[usual].name!r}", hint="add -o FILE")
    path = path or usual
    known = files.get(path)
    old = load.load(known.text.encode(), path).value if known is not None else {}
    document, left_out = _document(definition, known)
    rows, texts = document["rows"], {}
    beside = old["rows"] if known is not None and str(old["rows"]).endswith(".csv") else None
    if known is not None and rows == known.row_texts:
        document["rows"], rows = old["rows"], known.rows
    elif beside is not None or len(rows) > MOST_INLINE:
        document["rows"] = beside or PurePosixPath(path).with_suffix(".csv").name
        texts[(PurePosixPath(path).parent / document["rows"]).as_posix()] = _csv(definition.inputs, rows)
    else:
        rows = document["rows"] = [*map(_values, rows)]
    try:
        file = parse(json.dumps({**document, "rows": rows}).encode(), path, project.root / FOLDER)
    except InvalidFile as error:
        message = f"{definition.place} cannot be an evaluation file: {error.problems[0].message}"
        raise Refused(message, hint="change the table in the dashboard", code="unwritable") from None
    if known is None or replace(file, text=known.text) != known:
        texts[path] = _text(path, document, known, old)
    return PulledEvaluation(definition.name, path, len(rows), _write(project, texts, force), left_out)


def _document(definition: Definition, known: EvaluationFile | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the document of an evaluation file, and what it lacks of a definition."""
    prompt = next(column for column in definition.columns if column.title == definition.output)
    others = [to_builtins(column) for column in definition.columns if column is not prompt]
    named = as_mapping(prompt.config.get("template")).get("name")
    prompts = known.prompts if known is not None else [named] if named else []
    usual = to_builtins(Scorecard())
    card = {key: definition.aggregation.get(key, value) for key, value in usual.items() if key != "steps"}
    left_out = [key for key in definition.aggregation if key not in card]
    steps = []
    for step in definition.steps:
        body = {name: step[key] for key, name in _STEP.items() if step.get(key)}
        body |= {key: step[key] for key, value in _DEFAULTS.items() if step.get(key, value) != value}
        if {**STEP_THRESHOLDS, **as_mapping(step.get("thresholds"))} != STEP_THRESHOLDS:
            body["thresholds"] = step["thresholds"]
        steps.append(body)
        left_out += [f"{step.get('title')}: {key}" for key in sorted(step.keys() - _KNOWN)]
    variables = as_mapping(prompt.config.get(VARIABLES))
    limits = (known.min_score, known.max_drop, known.runs) if known is not None else (None, None, 1)
    document = {
        "name": definition.name,
        "prompts": prompts[0] if len(prompts) == 1 else [*prompts],
        "rows": [dict(row) for row in definition.rows],
        "variables": {name: title for name, title in variables.items() if name != title},
        "output": definition.output if definition.output != OUTPUT else None,
        "columns": [{key: value for key, value in column.items() if value} for column in others],
        "scorecard": {**{key: value for key, value in card.items() if value != usual[key]}, "steps": steps},
        "min_score": limits[0],
        "max_drop": limits[1],
        "runs": limits[2] if limits[2] != 1 else None,
    }
    return {key: value for key, value in document.items() if value not in (None, [], {})}, tuple(left_out)


def _values(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a row with the lists and mappings of which its cells are exactly the texts."""
    values: dict[str, Any] = dict(row)
    for title, text in row.items():
        with suppress(ValueError, RecursionError):
            value = checked_depth(json.loads(text, parse_constant=int))
            if isinstance(value, list | dict) and cell_text(value) == text:
                values[title] = value
    return values


def _csv(titles: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, titles, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace").decode()


def _text(path: str, document: Mapping[str, Any], known: EvaluationFile | None, old: Any) -> str:
    """Return the text of a file: the old one with edits that keep its comments, or a new one."""
    for text in edits(known.text, Change(old, old, document, document)) if known is not None else ():
        with suppress(InvalidFile):
            if same(load.load(text.encode(), path).value, document):
                return text
    return "\n".join(layout.mapping(document, 0)) + "\n"


def _write(project: Project, texts: Mapping[str, str], force: bool) -> tuple[str, ...]:
    """Write those texts that differ from the files, and return their paths."""
    root = project.root
    present = {path: present_text(root, path) for path in texts}
    written = tuple(path for path, text in texts.items() if present[path] != text)
    history = Repository.find(root, FOLDER)
    for path in written:
        old = present[path]
        if old is not None and not force and not (history and history.has_text(path, old.encode())):
            raise Refused(
                f"{path} has changes that are not committed; nothing was written",
                hint=f"git add {shlex.quote(path)} && git commit\nadd --force",
                code="uncommitted",
            )
    for path in written:
        write(root, path, texts[path], within=FOLDER)
    return written
