"""Computing the queued cells of a sheet, column by column, each after the columns that it reads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import httpx
from msgspec import Struct
from msgspec.structs import replace

from promptsync.parallel import mapped
from promptsync.prompt.prompt import JINJA2
from promptsync.rendering import Engine, render_template
from promptsync.server.checks.models import JUDGE, Model, ModelError, Models
from promptsync.server.http import ApiError, Id, checked
from promptsync.server.prompts import items, references
from promptsync.server.prompts.template import stored_metadata, stored_template
from promptsync.server.store.database import Database, Store, encoded
from promptsync.server.tables import store
from promptsync.server.tables.primitives import NoResult, Read, primitive, score_of, structured
from promptsync.server.tables.store import COMPLETED, FAILED, QUEUED, TEXT, SheetCell, SheetColumn

BATCH: Final = 100
"""How many cells or rows are stored at once where no model is asked over a network."""

LOCAL: Final = (None, "echo", "scripted")
"""The names of models, or of none, that answer at once."""

_ASKING: Final = threading.Lock()
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

PROMPT: Final = "PROMPT_TEMPLATE"
"""The type of the columns that run a prompt."""

NODE: Final = "AGENT_NODE"
"""The type of the columns that are nodes of an agent. The API creates none."""

CALLBACK: Final = "CALLBACK"
"""The type of the column after the nodes of an agent that calls back."""

_CALLBACK_SECONDS = 10

_log = logging.getLogger(__name__)


class CellResult(Struct, frozen=True):
    """What a cell gets: a value, or the reason why there is none."""

    value: Any = None
    error: str | None = None


class _Reference(Struct, frozen=True):
    name: str
    version_number: Id | None = None
    label: str | None = None

    def prompt(self, db: Database) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the template, with its snippets and registry tools, and the metadata."""
        version = items.version(db, items.find(db, self.name), self.version_number, self.label)
        template, _ = references.expanded(db, version["body"]["prompt_template"])
        return references.resolved(db, template)[0], version["body"]["metadata"]


class _Inline(Struct, frozen=True):
    prompt_template: dict[str, Any]
    metadata: dict[str, Any] | None = None


class PromptColumn(Struct, frozen=True):
    """The configuration of a prompt column: which prompt, and the columns of its variables."""

    prompt_template_variable_mappings: dict[str, str]
    template: _Reference | None = None
    inline_template: _Inline | None = None
    engine: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if (self.template is None) is (self.inline_template is None):
            raise ValueError("needs either template or inline_template")
        if self.engine:
            raise ValueError("an engine does not run here; the prompt's own model does")
        if self.inline_template is not None:
            stored_template(self.inline_template.prompt_template)

    def prompt(self, db: Database) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the template and the metadata. An inline template is used as it is, without snippets."""
        if self.template is not None:
            return self.template.prompt(db)
        assert self.inline_template is not None
        metadata = stored_metadata(self.inline_template.metadata)
        return stored_template(self.inline_template.prompt_template), metadata


def check_config(kind: str, config: Mapping[str, Any]) -> None:
    """Raise a 400 for the configuration of a computed column that cannot run."""
    if kind == PROMPT:
        checked(config, PromptColumn, "config")
    else:
        primitive(kind, config, "config")


def reader(columns: Iterable[SheetColumn], cells: Mapping[str, SheetCell]) -> Read:
    """Return what reads the values of a row, whose cells are known by the ids of their columns."""
    known = {name: column for column in columns for name in (column.title, column.id)}

    def read(reference: str) -> Any:
        column = known.get(reference)
        if column is None:
            raise NoResult(f"the sheet has no column {reference[:100]!r}")
        cell = cells.get(column.id)
        if cell is None:
            raise NoResult("the row was deleted")
        if column.type != TEXT and cell.status != COMPLETED:
            why = f"failed: {cell.error}" if cell.status == FAILED else "is not computed"
            raise NoResult(f"{column.title!r} {why}")
        return cell.value

    return read


def results_of(work: Callable[[_Item], _Result], items: Sequence[_Item], *, is_local: bool) -> list[_Result]:
    """Return the results for items; several at a time, if a model answers over a network."""
    if is_local:
        return list(map(work, items))
    # One sheet at a time, because each asks as much at once as the model allows.
    with _ASKING:
        return mapped(work, items)


def rows_of(db: Database, sheet_id: str, indices: Sequence[int]) -> dict[int, dict[str, SheetCell]]:
    """Return the cells of rows by the ids of their columns."""
    rows: dict[int, dict[str, SheetCell]] = {index: {} for index in indices}
    for cell in store.cells_of(db, sheet_id, rows=indices):
        rows[cell.row_index][cell.column_id] = cell
    return rows


def compute_next(registry: Store, models: Models, sheet_id: str) -> bool:
    """Compute the next cells of a sheet that are queued; false if there are none."""
    with registry.read() as db:
        source = "SELECT ifnull(source_id, id) FROM sheets WHERE id = ?"
        source_id = next(iter(db.execute(source, (sheet_id,)).fetchone() or ()), sheet_id)
        columns = store.columns_of(db, sheet_id)
        sql = "SELECT 1 FROM cells WHERE column_id = ? AND status = 'QUEUED' LIMIT 1"
        queued = {column.id: column for column in columns if db.execute(sql, (column.id,)).fetchone()}
        # The first of them that reads no other one.
        column = next((column for column in queued.values() if not column.reads & queued.keys()), None)
        if column is None:
            return False
        result, model = _computation(db, models, column)
        # An agent asks once at a time, so that several can run at the same time.
        is_local = model in LOCAL or column.type == NODE
        # What a model over a network has answered must not be lost with the answers that are still to come.
        most = BATCH if is_local else models.parallel
        cells = list(store.cells_of(db, sheet_id, columns=[column.id], statuses=[QUEUED], most=most))
        read_columns = columns if source_id == sheet_id else store.columns_of(db, source_id)
        rows = rows_of(db, source_id, [cell.row_index for cell in cells])
    readers = [reader(read_columns, rows[cell.row_index]) for cell in cells]
    results = results_of(result, readers, is_local=is_local)
    with registry.write() as db:
        # A cell that was cancelled or edited meanwhile stays as it is now, even if it is queued again.
        ids = [cell.id for cell in cells]
        now = store.cells_of(db, sheet_id, ids=ids, statuses=[QUEUED])
        waiting = {(cell.id, cell.operation_id) for cell in now}
        if not waiting:
            return True
        version = store.touch(db, sheet_id)
        computed = [
            replace(
                cell,
                status=COMPLETED if outcome.error is None else FAILED,
                value=outcome.value,
                error=outcome.error,
                computed_version=version,
                model=model,
            )
            for cell, outcome in zip(cells, results, strict=True)
            if (cell.id, cell.operation_id) in waiting
        ]
        store.set_cells(db, computed)
        store.mark_stale(db, sheet_id, [column.id], [cell.row_index for cell in computed], pending=False)
    return True


def _computation(
    db: Database, models: Models, column: SheetColumn
) -> tuple[Callable[[Read], CellResult], str | None]:
    """Return what computes a cell from its row, and the name of the model that it asks."""
    try:
        if column.type == CALLBACK:
            return _callback(db, column), None
        if column.type == NODE:
            return _node(db, models, column)
        if column.type != PROMPT:
            computed = primitive(column.type, column.config, "config")
        else:
            configured = checked(column.config, PromptColumn, "config")
            template, metadata = configured.prompt(db)
            mappings, model = configured.prompt_template_variable_mappings, models.of(metadata)
    except ApiError as error:
        failed = CellResult(error=error.message)
        return lambda read: failed, None
    ask = models.judge
    # A run of an evaluation has lists as they are, and whether a row passes instead of a score.
    sql = "SELECT table_id IS NULL FROM sheets WHERE id = ?"
    (is_run,) = db.execute(sql, (column.sheet_id,)).fetchone()

    def compute(read: Read) -> CellResult:
        try:
            if column.type == PROMPT:
                values = {name: read(source) for name, source in mappings.items()}
                values = values if is_run else {name: structured(value) for name, value in values.items()}
                return _respond(model, template, metadata, values)
            value = computed.result(read, ask)
            return CellResult(score_of(value) == 1 if is_run and column.is_output else value)
        except (NoResult, ModelError) as error:
            return CellResult(error=str(error))

    if column.type == "LLM_ASSERTION":
        return compute, models.called(JUDGE).name
    return compute, model.name if column.type == PROMPT else None


def _node(
    db: Database, models: Models, column: SheetColumn
) -> tuple[Callable[[Read], CellResult], str | None]:
    """Return what computes a node of an agent: its prompt gets the inputs and the results before it."""
    prompt, variables = column.config["prompt"], column.config["variables"]
    template, metadata = _Reference(prompt["name"], prompt["version"], prompt["label"]).prompt(db)
    earlier = [other for other in store.columns_of(db, column.sheet_id) if other.id in column.reads]
    model = models.of(metadata)

    def compute(read: Read) -> CellResult:
        try:
            values = {other.title: read(other.id) for other in earlier}
        except NoResult as error:
            return CellResult(error=f"Skipped, because {error}")
        engine = Engine()
        rendered = {name: engine(text, JINJA2, values).text for name, text in variables.items()}
        return _respond(model, template, metadata, values | rendered)

    return compute, model.name


def _callback(db: Database, column: SheetColumn) -> Callable[[Read], CellResult]:
    from promptsync.server.checks.agents import node_results

    (run_id,) = db.execute("SELECT id FROM runs WHERE sheet_id = ?", (column.sheet_id,)).fetchone()
    results = node_results(db, run_id)[1]
    return lambda read: _call_back(column.config["url"], run_id, results)


def _respond(
    model: Model, template: Mapping[str, Any], metadata: Mapping[str, Any] | None, values: Mapping[str, Any]
) -> CellResult:
    """Return what a model answers to a template with these values."""
    try:
        rendered, _ = render_template(template, values)
        return CellResult(model.answer(rendered, metadata))
    except Exception as error:
        # A template can make the client fail in any way. That must fail this cell only.
        _log.warning("The model %s failed: %r", model.name, error)
        return CellResult(error=str(error) or repr(error))


def _call_back(url: str, execution_id: int, results: Mapping[str, Any]) -> CellResult:
    """Send the results of an execution to the address that its client gave."""
    body = encoded({"workflow_version_execution_id": execution_id, "results": results}).encode()
    try:
        httpx.post(url, content=body, headers={"Content-Type": "application/json"}, timeout=_CALLBACK_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        _log.warning("The callback of execution %s failed: %s", execution_id, error)
        return CellResult(error=str(error))
    return CellResult()
