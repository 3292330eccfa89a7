"""Writes an evaluation file from a table of the registry."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from promptsync.checks.tables.definition import VARIABLES, Definition
from promptsync.checks.tables.plan import read_table
from promptsync.errors import Refused, UsageError
from promptsync.files.disk import present_text, write
from promptsync.files.evaluation import FOLDER, parse
from promptsync.files.git.repository import Repository
from promptsync.files.yaml import layout, load
from promptsync.files.yaml.edit import Change, edits
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.project import Project
from promptsync.prompt.canonical import same
from promptsync.prompt.evaluation import OUTPUT, STEP_THRESHOLDS, Scorecard
from promptsync.prompt.prompt import as_mapping

_STEP: Final = {"title": "title", "primitive_type": "type", "primitive_config": "config"}
_DEFAULTS: Final[Mapping[str, Any]] = {"weight": 1, "required": False}
_KNOWN: Final = {*_STEP, *_DEFAULTS, "thresholds", "source_column_ids", "order_index"}


class PulledEvaluation(Struct, frozen=True):
    """An evaluation file from a table. ``written`` are the paths that changed.

    ``left_out`` is what the table has and a file cannot declare.
    """

    path: str
    written: tuple[str, ...]
    left_out: tuple[str, ...]


def pull_table(project: Project, name: str, *, sheet: str | None = None) -> PulledEvaluation:
    """Write what a sheet of a table declares, by default its first one, into the file with its name.

    A file that is there keeps its prompts, limits and comments. Raises ``Refused`` for one whose changes are
    not committed, and for a table that no file can declare.
    """
    definition = read_table(project.registry, None, name, sheet).definition
    known = next((file for file in project.evaluations if file.name == definition.name), None)
    slug = re.sub(r"\W+", "-", definition.name.lower()).strip("-") or "evaluation"
    path = known.path if known is not None else f"{FOLDER}/{slug}.yaml"
    for file in project.evaluations:
        if file.path == path and file is not known:
            raise UsageError(f"{path} has the evaluation {file.name!r}", hint="give that file another name")
    old = load.load(known.text.encode(), path).value if known is not None else {}
    declared, left_out = _declared(definition)
    texts = {}
    if known is not None and known.row_texts == [*definition.rows]:
        rows, declared["rows"] = [*known.rows], old["rows"]
    else:
        rows, beside = [*definition.rows], str(old.get("rows"))
        declared["rows"] = beside if beside.endswith(".csv") else PurePosixPath(path).with_suffix(".csv").name
        texts[(PurePosixPath(path).parent / declared["rows"]).as_posix()] = _csv(definition)
    prompt = next(column for column in definition.columns if column.title == definition.output)
    named = as_mapping(prompt.config.get("template")).get("name")
    document = {**(old or {"name": definition.name, "prompts": named}), **declared}
    document = {key: value for key, value in document.items() if value not in (None, [], {})}
    try:
        file = parse(json.dumps({**document, "rows": rows}).encode(), path, project.root / FOLDER)
    except InvalidFile as error:
        message = f"{definition.place} cannot be an evaluation file: {error.problems[0].message}"
        raise Refused(message, hint="change the table in the dashboard", code="unwritable") from None
    if known is None or replace(file, text=known.text, paths=known.paths) != known:
        texts[path] = "\n".join(layout.mapping(document, 0)) + "\n"
        for text in edits(known.text, Change(old, old, document, document)) if known is not None else ():
            with suppress(InvalidFile):
                if same(load.load(text.encode(), path).value, document):  # this one keeps its comments
                    texts[path] = text
                    break
    return PulledEvaluation(path, _write(project, texts), left_out)


def _declared(definition: Definition) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what a definition sets in an evaluation file, and what such a file lacks of it."""
    prompt = next(column for column in definition.columns if column.title == definition.output)
    others = [to_builtins(column) for column in definition.columns if column is not prompt]
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
    return {
        "rows": None,
        "variables": {name: title for name, title in variables.items() if name != title},
        "output": definition.output if definition.output != OUTPUT else None,
        "columns": [{key: value for key, value in column.items() if value} for column in others],
        "scorecard": {**{key: value for key, value in card.items() if value != usual[key]}, "steps": steps},
    }, tuple(left_out)


def _csv(definition: Definition) -> str:
    file = io.StringIO()
    # What is not in quotation marks must not contain a carriage return.
    writer = csv.DictWriter(file, definition.inputs, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(definition.rows)
    return file.getvalue().encode("utf-8", "replace").decode()


def _write(project: Project, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Write those texts that differ from the files, and return their paths."""
    root = project.root
    present = {path: present_text(root, path) for path in texts}
    written = tuple(path for path, text in texts.items() if present[path] != text)
    history = Repository.find(root, FOLDER)
    for path in written:
        old = present[path]
        if old is not None and not (history and history.has_text(path, old.encode())):
            raise Refused(
                f"{path} has changes that are not committed; nothing was written",
                hint=f"git add {shlex.quote(path)} && git commit",
                code="uncommitted",
            )
    for path in written:
        write(root, path, texts[path], within=FOLDER)
    return written
