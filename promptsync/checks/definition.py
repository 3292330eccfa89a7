"""What a sheet is made of: declared in a file, read from a table, or pulled from it into a file."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from promptsync.checks.catalog import NoSuchItem, prompt_of
from promptsync.errors import Refused, UsageError
from promptsync.files.disk import write
from promptsync.files.evaluation import FOLDER, parse
from promptsync.files.yaml import layout
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.project import Project
from promptsync.prompt.evaluation import (
    OUTPUT,
    STEP_THRESHOLDS,
    Column,
    EvaluationFile,
    Scorecard,
    cell_text,
    sources,
)
from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.registry.errors import Unsupported
from promptsync.registry.protocol import SheetId, number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry, Tables


PROMPT: Final = "PROMPT_TEMPLATE"
"""The type of prompt columns."""

VARIABLES: Final = "prompt_template_variable_mappings"
"""The key of a prompt column that names a column for each variable."""

TEXT: Final = "TEXT"
"""The type of columns that nothing computes: the inputs."""

_SET_BY_REGISTRY: Final = frozenset({"id", "backing_column_id", "config_hash", "created_at", "updated_at"})


class Definition(Struct, frozen=True):
    """What a sheet is made of. Columns are named by their titles, where the API has their ids.

    ``columns`` are the computed ones in order; that with the title ``output`` is the prompt column, without
    its text. ``steps`` and ``aggregation`` are those of the scorecard, as the API has them. ``place`` says
    where all that is declared. ``table_id`` and ``sheets`` are those of its table, if that is made already.
    """

    name: str
    place: str
    inputs: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    columns: tuple[Column, ...]
    output: str
    steps: tuple[Mapping[str, Any], ...]
    aggregation: Mapping[str, Any]
    table_id: str | None = None
    sheets: tuple[Mapping[str, Any], ...] = ()


def of_file(file: EvaluationFile) -> Definition:
    """Return what an evaluation file declares. Raises ``UsageError`` for a scorecard without steps."""
    steps = [
        {
            "title": step.title,
            "primitive_type": step.type,
            "primitive_config": step.config,
            "weight": step.weight,
            "required": step.required,
            "thresholds": {**STEP_THRESHOLDS, **step.thresholds},
        }
        for step in file.scorecard.steps
    ]
    aggregation = to_builtins(file.scorecard)
    del aggregation["steps"]
    return _checked(
        Definition(
            file.name,
            file.path,
            file.inputs,
            tuple(file.row_texts),
            (Column(file.output, PROMPT, {VARIABLES: file.variables}), *file.columns),
            file.output,
            tuple(steps),
            aggregation,
        )
    )


def of_sheet(tables: Tables, sheet: SheetId, table: str, title: str) -> Definition:
    """Read the definition of a sheet of the dashboard. Raises ``UsageError`` if it cannot be run."""
    content, scorecard = tables.rows(sheet), as_mapping(tables.scorecard(sheet).get("scorecard"))
    steps = [*mappings(scorecard.get("steps"))]
    backing = {text(step, "backing_column_id") for step in steps}
    titles = titles_of(content["columns"])
    columns = [
        (titles[column["id"]], type_of(column), column)
        for column in content["columns"]
        if text(column, "id") in titles.keys() - backing
    ]
    place = f"sheet {title!r} of table {table!r}"
    twice = {name for name in titles.values() if [*titles.values()].count(name) > 1}
    if twice:
        raise UsageError(f"{place} has several columns {min(twice)!r}", hint="rename one of them")
    prompts = [name for name, kind, _ in columns if kind == PROMPT]
    if len(prompts) != 1:
        names = f"{len(prompts)} prompt columns: {', '.join(prompts)}" if prompts else "no prompt column"
        hint = "keep one prompt column in the sheet, or choose another sheet with sheet: in promptsync.yaml"
        raise UsageError(f"{place} has {names}", hint=hint)
    inputs = tuple(name for name, kind, _ in columns if kind == TEXT)
    rows = [{name: cells.get(name, "") for name in inputs} for cells in row_texts(content)]
    computed = [
        Column(name, kind, renamed(as_mapping(column.get("config")), titles))
        for name, kind, column in columns
        if kind != TEXT
    ]
    return _checked(
        Definition(
            table,
            place,
            inputs,
            tuple(row for row in rows if any(row.values())),
            tuple(computed),
            prompts[0],
            tuple(with_titles(step, titles) for step in steps),
            as_mapping(scorecard.get("aggregation")),
        )
    )


def read_table(registry: Registry, file: EvaluationFile | None, name: str, sheet: str | None) -> Definition:
    """Return what the table of a check is made of: that of an evaluation file, or one of the registry."""
    tables = registry.tables
    declared = of_file(file) if file is not None else None
    try:
        named = [table for table in tables.titled(name) if table.get("title") == name]
        if not named and declared is None:
            named = [table for table in tables.titled("") if table.get("id") == name]
    except Unsupported as error:
        message = f"{registry.url} has no Tables: {error.message}"
        raise Unsupported(
            message, hint="use evaluation instead of table under checks in promptsync.yaml"
        ) from None
    if len(named) > 1 and declared is None:
        ids = ", ".join(str(table.get("id")) for table in named)
        raise UsageError(
            f"{registry.url} has several tables named {name!r}, with the ids {ids}", hint="use the id instead"
        )
    if not named:
        if declared is not None:
            return declared
        hint = "promptsync eval list\nif it was renamed, use its new name or its id; "
        hint += "for a new one, write evaluations/NAME.yaml"
        raise NoSuchItem(
            f"{registry.url} has no table {name!r}, and no file in evaluations/ has that name", hint=hint
        )
    # Two first runs at the same time may have made the table twice.
    table = min(named, key=lambda table: text(table, "created_at") or "")
    table_id = str(table.get("id"))
    sheets = tuple(tables.sheets(table_id))
    if declared is None:
        theirs = [other for other in sheets if prompt_of(title_of(other)) is None]
        chosen = next((other for other in theirs if sheet in (None, title_of(other))), None)
        if chosen is None:
            titles = ", ".join(map(title_of, theirs))
            hint = f"its sheets: {titles}" if theirs else "add a sheet with rows in the dashboard"
            missing = "only sheets that promptsync made" if sheets and not theirs else "no sheets"
            missing = f"no sheet {sheet!r}" if theirs else missing
            raise UsageError(f"table {name!r} has {missing}", hint=hint)
        title = text(table, "title") or name
        declared = of_sheet(tables, SheetId(table_id, str(chosen.get("id"))), title, title_of(chosen))
    return replace(declared, table_id=table_id, sheets=sheets)


def title_of(sheet: Mapping[str, Any]) -> str:
    """Return the title of a sheet."""
    return text(sheet, "title") or ""


def as_csv(definition: Definition, runs: int = 1) -> bytes:
    """Return the rows, ``runs`` times one after the other, as CSV."""
    file = io.StringIO()
    # What is not in quotation marks must not contain a carriage return.
    writer = csv.DictWriter(file, definition.inputs, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows([*definition.rows] * runs)
    return file.getvalue().encode("utf-8", "replace")


def _checked(definition: Definition) -> Definition:
    if not definition.rows:
        raise UsageError(f"{definition.place} has no rows", hint="add rows to it")
    if not definition.steps:
        message = f"the scorecard of {definition.place} has no steps, so no row can pass or fail"
        raise UsageError(message, hint="add a step to the scorecard")
    return definition


def with_titles(step: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """Return a step without what the registry fills in, and with titles in place of ids."""
    kept = {
        key: value
        for key, value in step.items()
        if key not in _SET_BY_REGISTRY and value not in (None, [], {})
    }
    if isinstance(read := kept.pop("source_column_ids", None), list):
        kept["source_column_ids"] = [titles.get(name, name) for name in read if isinstance(name, str)]
    if column := text(kept, "target_column_id"):
        kept["target_column_id"] = titles.get(column, column)
    return {**kept, "primitive_config": renamed(as_mapping(step.get("primitive_config")), titles)}


def renamed(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a ``config`` with other names for the columns that it reads, as far as ``names`` has them."""
    result = dict(config)
    for (key, *inside), column in sources(config):
        name, key = names.get(column, column), str(key)
        if not inside:
            result[key] = name
        elif isinstance(config[key], list):
            result[key] = [name if other == column else other for other in result[key]]
        else:
            result[key] = {**result[key], inside[0]: name}
    return result


def titles_of(columns: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the titles of columns by their ids."""
    return {column["id"]: text(column, "title") or "" for column in columns if text(column, "id")}


def ids_of(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids of the columns of a sheet by their titles."""
    return {title: column for column, title in titles_of(content["columns"]).items()}


def type_of(column: Mapping[str, Any]) -> str:
    """Return the type of a column; the API has it in either case."""
    return (text(column, "type") or TEXT).upper()


def row_texts(content: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the texts of the cells of each row, by the titles of their columns."""
    titles = titles_of(content["columns"])
    for row in sorted_rows(content["rows"]):
        cells = as_mapping(row.get("cells"))
        yield {title: cell_text_of(as_mapping(cells.get(column))) for column, title in titles.items()}


def sorted_rows(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows in the order of their indexes."""
    return sorted(rows, key=lambda row: number(row, "row_index") or 0)


def cell_text_of(cell: Mapping[str, Any]) -> str:
    """Return the text of a cell."""
    shown, value = cell.get("display_value"), cell.get("value")
    if isinstance(value, dict) and value.keys() == {"value"}:
        value = value["value"]
    # A text may be shown shortened; other values may be shown better than as JSON.
    return shown if isinstance(shown, str) and not isinstance(value, str) else cell_text(value)


_STEP: Final = {"title": "title", "primitive_type": "type", "primitive_config": "config"}
_DEFAULTS: Final[Mapping[str, Any]] = {"weight": 1, "required": False}
_KNOWN: Final = {*_STEP, *_DEFAULTS, "thresholds", "source_column_ids", "order_index"}


class PulledEvaluation(Struct, frozen=True):
    """An evaluation file from a table. ``written`` are the paths of it and of its rows.

    ``left_out`` is what the table has and a file cannot declare.
    """

    path: str
    written: tuple[str, ...]
    left_out: tuple[str, ...]


def pull_table(project: Project, name: str, *, sheet: str | None = None) -> PulledEvaluation:
    """Write what a sheet of a table declares, by default its first one, into a new file with its name.

    Raises ``Refused`` if there is a file of the evaluation or at its path, and for a table that no file can
    declare.
    """
    definition = read_table(project.registry, None, name, sheet)
    slug = re.sub(r"\W+", "-", definition.name.lower()).strip("-") or "evaluation"
    path, rows = f"{FOLDER}/{slug}.yaml", f"{FOLDER}/{slug}.csv"
    known = [file.path for file in project.evaluations if file.name == definition.name]
    present = [path for path in (path, rows) if (project.root / path).exists()]
    if existing := [*known, *present]:
        raise Refused(
            f"{existing[0]} exists; nothing was written",
            hint=f"git rm {shlex.join(dict.fromkeys(existing))}\nrun this again, and see git diff HEAD",
            code="exists",
        )
    declared, left_out = _declared(definition)
    prompt = next(column for column in definition.columns if column.title == definition.output)
    named = as_mapping(prompt.config.get("template")).get("name")
    document = {"name": definition.name, "prompts": named, "rows": f"{slug}.csv", **declared}
    document = {key: value for key, value in document.items() if value not in (None, [], {})}
    try:
        parse(json.dumps({**document, "rows": definition.rows}).encode(), path, project.root / FOLDER)
    except InvalidFile as error:
        message = f"{definition.place} cannot be an evaluation file: {error.problems[0].message}"
        raise Refused(message, hint="change the table in the dashboard", code="unwritable") from None
    write(project.root, rows, as_csv(definition).decode(), within=FOLDER)
    write(project.root, path, "\n".join(layout.mapping(document, 0)) + "\n", within=FOLDER)
    return PulledEvaluation(path, (rows, path), left_out)


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
        "variables": {name: title for name, title in variables.items() if name != title},
        "output": definition.output if definition.output != OUTPUT else None,
        "columns": [{key: value for key, value in column.items() if value} for column in others],
        "scorecard": {**{key: value for key, value in card.items() if value != usual[key]}, "steps": steps},
    }, tuple(left_out)
