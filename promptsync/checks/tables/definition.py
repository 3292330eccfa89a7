"""What a sheet is made of: the rows, computed columns and scorecard of an evaluation file or of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from promptsync.errors import UsageError
from promptsync.prompt.evaluation import STEP_THRESHOLDS, Column, EvaluationFile, cell_text, sources
from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.registry.protocol import SheetId, number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Tables

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
    where all that is declared.
    """

    name: str
    place: str
    inputs: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    columns: tuple[Column, ...]
    output: str
    steps: tuple[Mapping[str, Any], ...]
    aggregation: Mapping[str, Any]


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


def with_outputs(definition: Definition, outputs: Sequence[str]) -> Definition:
    """Return a definition with outputs that are there already, in place of its prompt column."""
    title = definition.output
    rows = [{**row, title: text} for row, text in zip(definition.rows, outputs, strict=True)]
    columns = tuple(column for column in definition.columns if column.title != title)
    return replace(definition, inputs=(*definition.inputs, title), rows=tuple(rows), columns=columns)


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
