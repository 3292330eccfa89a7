"""Computing the queued cells of a sheet, column by column, each after the columns that it reads."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from promptsync.parallel import mapped
from promptsync.prompt.prompt import JINJA2
from promptsync.rendering import Engine, render_template
from promptsync.server.checks.models import JUDGE, ModelError, Models
from promptsync.server.http import ApiError, Id, Name, checked
from promptsync.server.prompts import items
from promptsync.server.prompts.templates import expanded, resolved, stored_metadata, stored_template
from promptsync.server.store.database import Database, Row, Store
from promptsync.server.tables import store
from promptsync.server.tables.primitives import PRIMITIVES, NoResult, Read, primitive, score_of, structured
from promptsync.server.tables.store import COMPLETED, FAILED, PROMPT, QUEUED, TEXT, SheetCell, SheetColumn

_BATCH: Final = 100
"""How many cells are stored at once where no model is asked over a network."""

_LOCAL: Final = (None, "echo", "scripted")
"""The names of models, or of none, that answer at once."""

_ASKING: Final = threading.Lock()

_log = logging.getLogger(__name__)


Compute = Callable[[Read], Any]
"""Returns the value of a cell from its row. Raises ``NoResult`` or ``ModelError``, or fails otherwise."""


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


COMPUTED: Final[Mapping[str, type[Struct]]] = {PROMPT: PromptColumn, **PRIMITIVES}
"""The configurations of the computed columns that run here, by type."""


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
        # A calculation reads the sheet that it scores.
        sql = "SELECT ifnull(source_id, id), table_id IS NULL FROM sheets WHERE id = ?"
        source_id, is_run = db.execute(sql, (sheet_id,)).fetchone()
        try:
            compute, model = _computation(db, models, column, is_run=is_run)
        except ApiError as error:
            compute, model = partial(_fail, error.message), None
        is_local = model in _LOCAL
        # What a model over a network has answered must not be lost with the answers that are still to come.
        most = _BATCH if is_local else models.parallel
        cells = list(store.cells_of(db, sheet_id, columns=[column.id], statuses=[QUEUED], most=most))
        sources = store.columns_of(db, source_id)
        rows = store.rows_of(db, source_id, [cell.row_index for cell in cells])

    def result(cell: SheetCell) -> SheetCell:
        value, error = _result(compute, _reader(sources, rows[cell.row_index]))
        status = COMPLETED if error is None else FAILED
        return replace(cell, status=status, value=value, error=error, model=model)

    if is_local or len(cells) == 1:
        results = list(map(result, cells))
    else:
        # One sheet at a time, because each asks as much at once as the model allows.
        with _ASKING:
            results = mapped(result, cells)
    with registry.write() as db:
        # A cell that was cancelled or edited meanwhile stays as it is now, even if it is queued again.
        ids = [cell.id for cell in cells]
        now = store.cells_of(db, sheet_id, ids=ids, statuses=[QUEUED])
        waiting = {(cell.id, cell.operation_id) for cell in now}
        computed = [cell for cell in results if (cell.id, cell.operation_id) in waiting]
        if computed:
            version = store.touch(db, sheet_id)
            store.set_cells(db, [replace(cell, last_computed_version=version) for cell in computed])
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


def _fail(reason: str, read: Read) -> None:
    raise NoResult(reason)


def _result(compute: Compute, read: Read) -> tuple[Any, str | None]:
    """Return the value of a cell, or why it has none."""
    try:
        return compute(read), None
    except (NoResult, ModelError) as error:
        return None, str(error)
    except Exception as error:
        # A template can make the client of a model fail in any way. That must fail this cell only.
        _log.warning("A cell failed: %r", error)
        return None, str(error) or repr(error)


def _computation(
    db: Database, models: Models, column: SheetColumn, *, is_run: bool
) -> tuple[Compute, str | None]:
    """Return what computes a cell from its row, and the name of the model that it asks. Raises ``ApiError``.

    A run has lists as they are, and whether a row passes instead of a score. Elsewhere, texts that are JSON
    lists or mappings become those.
    """
    if column.type != PROMPT:
        computed = primitive(column.type, column.config, "config")

        def compute(read: Read) -> Any:
            value = computed.result(read, models.judge)
            return score_of(value) == 1 if is_run and column.is_output_column else value

        return compute, models.called(JUDGE).name if column.type == "LLM_ASSERTION" else None
    config = checked(column.config, PromptColumn, "config")
    template, metadata = config.prompt(db)
    model = models.of(metadata)

    def ask(read: Read) -> str:
        values = {name: read(source) for name, source in config.prompt_template_variable_mappings.items()}
        if not is_run:
            values = {name: structured(value) for name, value in values.items()}
        engine = Engine()
        own = {name: engine(text, JINJA2, values).text for name, text in config.variables.items()}
        rendered, _ = render_template(template, values | own)
        return model.answer(rendered, metadata)

    return ask, model.name


PASS, WARN, FAIL, ERROR, SKIPPED = "pass", "warn", "fail", "error", "skipped"
VERDICTS: Final = (PASS, WARN, FAIL, ERROR, SKIPPED)
"""The verdicts, from good to bad; the last is that of a sheet without rows."""

_Share = Annotated[float, Meta(ge=0, le=1)]


class Thresholds(Struct, frozen=True):
    """The least scores that pass and that only warn. The defaults are those of the vendor's SDK."""

    passing: _Share = field(name="pass", default=0.8)
    warning: _Share = field(name="warn", default=0.6)

    def verdict(self, score: float) -> str:
        """Return the verdict of a score."""
        return PASS if score >= self.passing else WARN if score >= self.warning else FAIL


class Aggregation(Struct, frozen=True):
    """How the scores of steps become one score with a verdict."""

    method: Literal["weighted_mean"] = "weighted_mean"
    required_step_failure_behavior: Literal["fail", "warn", "error"] = "fail"
    pass_threshold: _Share = 0.8
    warn_threshold: _Share = 0.6


class ScoringStep(Struct, frozen=True):
    """A step of a scorecard, as in the API; it gets an ``id`` when it is stored."""

    title: Name
    primitive_type: str
    id: str | None = None
    source_column_ids: list[str] = []
    weight: Annotated[float, Meta(gt=0, le=1e9)] = 1
    required: bool = False
    thresholds: Thresholds = Thresholds()
    primitive_config: dict[str, Any] = {}
    score_adapter: dict[str, Any] | None = None
    description: str | None = None
    order_index: int = 0

    def result(self, cell: SheetCell) -> dict[str, Any]:
        """Return what the step found in a row, as in the API; without a score, why not."""
        score, message = None, cell.error
        try:
            score = score_of(cell.value) if message is None else None
        except NoResult as error:
            message = str(error)
        verdict = ERROR if score is None else self.thresholds.verdict(score)
        about = {"title": self.title, "primitive_type": self.primitive_type, "verdict": verdict}
        return {**about, "score": score, "raw_value": cell.value, "error_message": message}


class ScorecardBody(Struct, frozen=True):
    """A scorecard, as a client sends it."""

    name: Name
    aggregation: Aggregation
    evaluated_column_ids: list[str] = []
    steps: Annotated[list[ScoringStep], Meta(max_length=100)] = []
    display_config: dict[str, Any] | None = None
    baseline_config: dict[str, Any] | None = None


class SheetScorecard(ScorecardBody, frozen=True, kw_only=True):
    """A scorecard, as it is stored. ``config_hash`` changes with everything that decides about scores."""

    id: str
    config_hash: str
    created_at: str
    updated_at: str


def aggregate(
    steps: Sequence[ScoringStep], scores: Sequence[float | None], how: Aggregation
) -> tuple[float, str]:
    """Return the score and the verdict of a row, or of the sheet from the means of its steps.

    A step without a score counts as 0, and makes the verdict an error.
    """
    pairs = list(zip(steps, scores, strict=True))
    total = sum(step.weight * (score or 0) for step, score in pairs) / sum(step.weight for step in steps)
    verdicts = [Thresholds(how.pass_threshold, how.warn_threshold).verdict(total)]
    for step, score in pairs:
        if score is None:
            verdicts.append(ERROR)
        elif step.required and step.thresholds.verdict(score) == FAIL:
            verdicts.append(how.required_step_failure_behavior)
    return total, max(verdicts, key=VERDICTS.index)


def row_score(scorecard: SheetScorecard, cells: Sequence[SheetCell]) -> dict[str, Any]:
    """Return the score of a row from its cells, one for each step, as in a response."""
    results = {step.id: step.result(cell) for step, cell in zip(scorecard.steps, cells, strict=True)}
    scores = [result["score"] for result in results.values()]
    total, verdict = aggregate(scorecard.steps, scores, scorecard.aggregation)
    errors = [
        f"{result['title']}: {result['error_message']}"
        for result in results.values()
        if result["error_message"]
    ]
    return {
        "step_results": results,
        "aggregate_score": total,
        "aggregate_verdict": verdict,
        "computed_at": max(cell.updated_at for cell in cells),
        "error_summary": "; ".join(errors) or None,
    }


def summary(scorecard: SheetScorecard, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the scores of all rows add up to, as in a response."""
    summaries, means = {}, []
    for step in scorecard.steps:
        results = [row["step_results"][step.id] for row in rows]
        # A row without a score counts as 0, because otherwise errors would raise the mean.
        means.append(sum(result["score"] or 0 for result in results) / max(1, len(results)))
        about = {"title": step.title, "average_score": means[-1], "total_count": len(results)}
        counts = verdict_counts(result["verdict"] for result in results)
        summaries[step.id] = about | {f"{verdict}_count": count for verdict, count in counts.items()}
    total, verdict = aggregate(scorecard.steps, means, scorecard.aggregation)
    if any(row["error_summary"] for row in rows):
        verdict = ERROR
    return {
        "criterion_summaries": summaries,
        "aggregate_score": total if rows else None,
        "aggregate_verdict": verdict if rows else SKIPPED,
    }


def verdict_counts(verdicts: Iterable[str]) -> dict[str, int]:
    """Return how often each verdict occurs."""
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in VERDICTS}
