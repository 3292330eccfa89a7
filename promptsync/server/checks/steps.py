"""The steps of runs: a row of an evaluation, a node of an agent, and the callback after its last node."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from promptsync.prompt.texts import JINJA2
from promptsync.rendering.engine import Engine, render_template
from promptsync.server.checks.agents import CALLBACK, node_results
from promptsync.server.checks.model import Model
from promptsync.server.checks.models import Models
from promptsync.server.checks.runs import (
    EVALUATION_RUN,
    StepCell,
    chosen_version,
    next_step,
    steps_of,
    store_cells,
)
from promptsync.server.checks.scoring import computed, is_prompt
from promptsync.server.http.answer import ApiError
from promptsync.server.prompts import items, snippets, tools
from promptsync.server.store.database import Database, Row, Store, decoded, encoded

_CALLBACK_SECONDS = 10

_log = logging.getLogger(__name__)


def do_next(store: Store, models: Models, run_id: int) -> bool:
    """Do the first step of a run that has no cells yet; false if there is none."""
    with store.read() as db:
        run = db.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
        step = next_step(db, run_id)
    if step is None:
        return False
    # No transaction may be open meanwhile, because the model can take minutes.
    if run["kind"] == EVALUATION_RUN:
        cells, model = _row(store, models, run, step.inputs)
    elif CALLBACK in step.inputs:
        cells, model = [_call_back(store, step.inputs[CALLBACK], run_id)], None
    else:
        cell, model = _node(store, models, run, step.inputs)
        cells = [cell]
    with store.write() as db:
        store_cells(db, run_id, step, cells, model)
    return True


def _row(store: Store, models: Models, run: Row, row: Mapping[str, Any]) -> tuple[list[StepCell], str | None]:
    """Return the computed cells of a row, and the name of the model of its prompt."""
    values = {name: StepCell(value) for name, value in row.items()}
    columns = [c for c in decoded(run["spec"])["columns"] if c["column_type"] != "DATASET"]
    model = None
    for column in columns:
        if is_prompt(column):
            mappings = column["configuration"].get("prompt_template_variable_mappings") or {}
            inputs = {**row, **{variable: row.get(title) for variable, title in mappings.items()}}
            cell, model = _answer(
                store, models, lambda db: items.version_by_id(db, run["version_id"]), inputs
            )
        else:
            cell = computed(column, values, models.judge)
        values[column["name"]] = cell
    return [values[column["name"]] for column in columns], model


def _node(store: Store, models: Models, run: Row, node: Mapping[str, Any]) -> tuple[StepCell, str | None]:
    with store.read() as db:
        earlier = {step.inputs["name"]: step.cells[0] for step in steps_of(db, run["id"]) if step.cells}
    failed = next((name for name, cell in earlier.items() if cell.error is not None), None)
    if failed is not None:
        return StepCell(error=f"Skipped, because the node {failed!r} failed."), None
    values = decoded(run["spec"])["input_variables"] | {name: cell.value for name, cell in earlier.items()}
    engine, configuration = Engine(), node["configuration"]
    values |= {name: engine(text, JINJA2, values).text for name, text in configuration["variables"].items()}
    return _answer(store, models, lambda db: chosen_version(db, configuration["prompt"]), values)


def _answer(
    store: Store, models: Models, version: Callable[[Database], Row], values: Mapping[str, Any]
) -> tuple[StepCell, str | None]:
    """Return the answer to a prompt, and the name of the model that was asked."""
    try:
        with store.read() as db:
            chosen = version(db)
            template, _ = snippets.expanded(db, chosen["body"]["prompt_template"])
            template, _ = tools.resolved(db, template)
    except ApiError as error:
        return StepCell(error=error.message), None
    metadata = chosen["body"]["metadata"]
    model = models.of(metadata)
    return respond(model, template, metadata, values), model.name


def respond(
    model: Model, template: Mapping[str, Any], metadata: Mapping[str, Any] | None, values: Mapping[str, Any]
) -> StepCell:
    """Return what a model answers to a template with these values."""
    try:
        rendered, _ = render_template(template, values)
        return StepCell(model.answer(rendered, metadata))
    except Exception as error:
        # A template can make the client fail in any way. That must fail this cell only.
        _log.warning("The model %s failed: %r", model.name, error)
        return StepCell(error=str(error) or repr(error))


def _call_back(store: Store, url: str, run_id: int) -> StepCell:
    with store.read() as db:
        _, results = node_results(db, run_id)
    body = encoded({"workflow_version_execution_id": run_id, "results": results}).encode()
    try:
        httpx.post(url, content=body, headers={"Content-Type": "application/json"}, timeout=_CALLBACK_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        _log.warning("The callback of execution %s failed: %s", run_id, error)
        return StepCell(error=str(error))
    return StepCell()
