"""What computes the cells of runs: the answers of models, and the callback at the end of an agent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import httpx
from msgspec import Struct

from promptsync.prompt.texts import JINJA2
from promptsync.rendering.engine import Engine, render_template
from promptsync.server.checks.model import Model
from promptsync.server.store.database import encoded

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


def respond(
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


def node_values(values: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the values for a node's prompt: ``values``, and the variables that are rendered from them."""
    engine = Engine()
    return {**values, **{name: engine(text, JINJA2, values).text for name, text in variables.items()}}


def call_back(url: str, execution_id: int, results: Mapping[str, Any]) -> CellResult:
    """Send the results of an execution to the address that its client gave."""
    body = encoded({"workflow_version_execution_id": execution_id, "results": results}).encode()
    try:
        httpx.post(url, content=body, headers={"Content-Type": "application/json"}, timeout=_CALLBACK_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        _log.warning("The callback of execution %s failed: %s", execution_id, error)
        return CellResult(error=str(error))
    return CellResult()
