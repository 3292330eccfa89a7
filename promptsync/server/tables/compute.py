"""Computing the queued cells of a sheet, column by column, each after the columns that it reads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.parallel import mapped
from promptsync.prompt.prompt import JINJA2
from promptsync.rendering import Engine, render_template
from promptsync.server.checks.models import JUDGE, Model, ModelError, Models
from promptsync.server.http import ApiError, Id, checked
from promptsync.server.prompts import items
from promptsync.server.prompts.template import expanded, resolved, stored_metadata, stored_template
from promptsync.server.store.database import Database, Row, Store
from promptsync.server.tables import store
from promptsync.server.tables.primitives import NoResult, Read, primitive, score_of, structured
from promptsync.server.tables.store import (
    COMPLETED,
    FAILED,
    PROMPT,
    QUEUED,
    TEXT,
    SheetCell,
    SheetColumn,
)

_BATCH: Final = 100
"""How many cells are stored at once where no model is asked over a network."""

_LOCAL: Final = (None, "echo", "scripted")
"""The names of models, or of none, that answer at once."""

_ASKING: Final = threading.Lock()

_log = logging.getLogger(__name__)


class CellResult(Struct, frozen=True):
    """What a cell gets: a value, or the reason why there is none."""

    value: Any = None
    error: str | None = None


Compute = Callable[[Read], CellResult]
"""Computes a cell from its row."""


class RegistryPrompt(Struct, frozen=True):
    """A prompt of the registry at a version, at a label, or as it is now."""

    name: str
    version_number: Id | None = None
    label: str | None = None

    def version(self, db: Database) -> Row:
        """Return the version; 404 if there is none."""
        return items.version(db, items.find(db, self.name), self.version_number, self.label)


class _Inline(Struct, frozen=True):
    prompt_template: dict[str, Any]
    metadata: dict[str, Any] | None = None


class PromptColumn(Struct, frozen=True):
    """The configuration of a prompt column: which prompt, and the columns of its variables.

    The nodes of agents are such columns, too. They have ``variables``, which are templates with these values.
    """

    prompt_template_variable_mappings: dict[str, str]
    template: RegistryPrompt | None = None
    inline_template: _Inline | None = None
    variables: dict[str, str] = {}
    engine: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if (self.template is None) is (self.inline_template is None):
            raise ValueError("needs either template or inline_template")
        if self.engine:
            raise ValueError("an engine does not run here; the prompt's own model does")
        if self.inline_template is not None:
            stored_template(self.inline_template.prompt_template)

    def prompt(self, db: Database) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the template, with snippets and tools of the registry, and the metadata.

        An inline template is used as it is, without snippets.
        """
        if self.template is not None:
            body = self.template.version(db)["body"]
            template, _ = expanded(db, body["prompt_template"])
            return resolved(db, template)[0], body["metadata"]
        assert self.inline_template is not None
        metadata = stored_metadata(self.inline_template.metadata)
        return stored_template(self.inline_template.prompt_template), metadata


def check_config(kind: str, config: Mapping[str, Any]) -> None:
    """Raise a 400 for the configuration of a computed column that cannot run."""
    if kind == PROMPT:
        checked(config, PromptColumn, "config")
    else:
        primitive(kind, config, "config")


def compute_next(registry: Store, models: Models, sheet_id: str) -> bool:
    """Compute the next cells of a sheet that are queued; false if there are none."""
    with registry.read() as db:
        columns = store.columns_of(db, sheet_id)
        sql = "SELECT 1 FROM cells WHERE column_id = ? AND status = 'QUEUED' LIMIT 1"
        queued = {column.id: column for column in columns if db.execute(sql, (column.id,)).fetchone()}
        # The first of them that reads no other one.
        column = next((column for column in queued.values() if not column.reads & queued.keys()), None)
        if column is None:
            return False
        compute, model = _computation(db, models, column)
        is_local = model in _LOCAL
        # What a model over a network has answered must not be lost with the answers that are still to come.
        most = _BATCH if is_local else models.parallel
        cells = list(store.cells_of(db, sheet_id, columns=[column.id], statuses=[QUEUED], most=most))
        # A calculation reads the sheet that it scores.
        sql = "SELECT ifnull(source_id, id) FROM sheets WHERE id = ?"
        (source_id,) = db.execute(sql, (sheet_id,)).fetchone()
        sources = store.columns_of(db, source_id)
        rows = store.rows_of(db, source_id, [cell.row_index for cell in cells])
    readers = [_reader(sources, rows[cell.row_index]) for cell in cells]
    if is_local or len(cells) == 1:
        results = list(map(compute, readers))
    else:
        # One sheet at a time, because each asks as much at once as the model allows.
        with _ASKING:
            results = mapped(compute, readers)
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
                last_computed_version=version,
                model=model,
            )
            for cell, outcome in zip(cells, results, strict=True)
            if (cell.id, cell.operation_id) in waiting
        ]
        store.set_cells(db, computed)
        store.mark_stale(db, sheet_id, [column.id], [cell.row_index for cell in computed], pending=False)
    return True


def _reader(columns: Iterable[SheetColumn], cells: Mapping[str, SheetCell]) -> Read:
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


def _computation(db: Database, models: Models, column: SheetColumn) -> tuple[Compute, str | None]:
    """Return what computes a cell from its row, and the name of the model that it asks."""
    # A run has lists as they are, and whether a row passes instead of a score.
    sql = "SELECT table_id IS NULL FROM sheets WHERE id = ?"
    (is_run,) = db.execute(sql, (column.sheet_id,)).fetchone()
    try:
        if column.type == PROMPT:
            config = checked(column.config, PromptColumn, "config")
            template, metadata = config.prompt(db)
            model = models.of(metadata)
            return _prompted(config, template, metadata, model, structures=not is_run), model.name
        computed, ask = primitive(column.type, column.config, "config"), models.judge
    except ApiError as error:
        failed = CellResult(error=error.message)
        return lambda read: failed, None

    def compute(read: Read) -> CellResult:
        try:
            value = computed.result(read, ask)
            return CellResult(score_of(value) == 1 if is_run and column.is_output_column else value)
        except (NoResult, ModelError) as error:
            return CellResult(error=str(error))

    return compute, models.called(JUDGE).name if column.type == "LLM_ASSERTION" else None


def _prompted(
    config: PromptColumn, template: Any, metadata: Any, model: Model, *, structures: bool
) -> Compute:
    """Return what asks a model; with ``structures``, texts that are JSON lists or mappings become those."""

    def compute(read: Read) -> CellResult:
        try:
            mappings = config.prompt_template_variable_mappings
            values = {name: read(source) for name, source in mappings.items()}
        except NoResult as error:
            return CellResult(error=str(error))
        if structures:
            values = {name: structured(value) for name, value in values.items()}
        try:
            engine = Engine()
            own = {name: engine(text, JINJA2, values).text for name, text in config.variables.items()}
            rendered, _ = render_template(template, values | own)
            return CellResult(model.answer(rendered, metadata))
        except Exception as error:
            # A template can make the client fail in any way. That must fail this cell only.
            _log.warning("The model %s failed: %r", model.name, error)
            return CellResult(error=str(error) or repr(error))

    return compute
