"""Which function handles which method and path. A new endpoint is a function and a line in this table.

A handler gets the request, the database and, below a table or a sheet, its row. It returns the value of the
response, or a response if that has another status or type.

Paths are matched as they arrive, percent-encoded: a template called ``a/labels`` is ``a%2Flabels``.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule

from promptsync.server.http import FORM, PROTOBUF, SUPPORTED, Response, not_found
from promptsync.server.tables.store import rows_of_path

if TYPE_CHECKING:
    from promptsync.server.http import Request
    from promptsync.server.store.database import Database


class Route(NamedTuple):
    """A method and a path, the name of the handler, and the status of its responses.

    The handler has a name so that it is imported for its first request. ``body`` is a media type that it
    accepts besides JSON.
    """

    method: str
    path: str
    handler: str
    status: int = 200
    body: str = ""

    @property
    def reads(self) -> bool:
        """Whether it only reads the database; otherwise it is the only one that writes."""
        return self.method == "GET" or self.handler in _READS

    def __call__(self, request: Request, db: Database) -> Response:
        """Return the response to a request."""
        answer = _loaded(self.handler)(request, db, *rows_of_path(request, db))
        if isinstance(answer, dict) and self.path.startswith("/api/public/v2/"):
            answer = {"success": True, **answer}
        return answer if isinstance(answer, Response) else Response(answer, self.status)


TEMPLATE = "/prompt-templates/<identifier>"
FOLDERS = "/api/public/v2/folders"
SKILLS = "/api/public/v2/skill-collections"
EVALUATIONS = "/api/public/v2/evaluations"
REQUESTS = "/api/public/v2/requests"
TABLES = "/api/public/v2/tables"
TABLE = f"{TABLES}/<table_id>"
SHEET = f"{TABLE}/sheets/<sheet_id>"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/prompt-templates", "prompts.read.list_templates"),
    Route("GET", "/prompt-templates/labels", "prompts.items.list_labels"),
    Route("GET", TEMPLATE, "prompts.read.get_raw"),
    Route("POST", TEMPLATE, "prompts.read.get_rendered"),
    Route("GET", f"{TEMPLATE}/labels", "prompts.items.list_labels"),
    Route("GET", f"{TEMPLATE}/snippet-usage", "prompts.read.snippet_usage"),
    Route("POST", "/rest/prompt-templates", "prompts.publish.publish", 201),
    Route("PATCH", "/rest/prompt-templates/<identifier>", "prompts.publish.patch", 201),
    # The SDK for JavaScript does not encode names. The routes above are matched first.
    Route("GET", "/prompt-templates/<path:identifier>", "prompts.read.get_raw"),
    Route("POST", "/prompt-templates/<path:identifier>", "prompts.read.get_rendered"),
    Route("GET", "/api/public/v2/tool-registry/<identifier>", "prompts.read.get_tool"),
    Route("POST", "/prompts/<prompt_id>/label", "prompts.items.create_label"),
    Route("PATCH", "/prompt-labels/<prompt_label_id>", "prompts.items.move_label"),
    Route("DELETE", "/prompt-labels/<prompt_label_id>", "prompts.items.delete_label"),
    Route("GET", SKILLS, "skills.list_collections"),
    Route("POST", SKILLS, "skills.create_collection", 201, FORM),
    Route("GET", f"{SKILLS}/<identifier>", "skills.get_collection"),
    Route("PATCH", f"{SKILLS}/<identifier>", "skills.rename_collection"),
    Route("POST", f"{SKILLS}/<identifier>/versions", "skills.save_version", 201, FORM),
    Route("POST", FOLDERS, "prompts.folders.create_folder", 201),
    Route("GET", f"{FOLDERS}/resolve-id", "prompts.folders.resolve_folder"),
    Route("GET", f"{FOLDERS}/entities", "prompts.folders.list_entities"),
    Route("DELETE", f"{FOLDERS}/entities", "prompts.folders.delete_entities"),
    # The paths of the customer's and the vendor's documents, each with the alias that the official SDK calls.
    Route("POST", "/rest/log-request", "tracking.log.log_request", 201),
    Route("POST", "/log-request", "tracking.log.log_request", 201),
    Route("POST", "/track-request", "tracking.log.track_request"),
    Route("POST", "/rest/track-prompt", "tracking.log.track_prompt"),
    Route("POST", "/library-track-prompt", "tracking.log.track_prompt"),
    Route("POST", "/rest/track-score", "tracking.log.track_score"),
    Route("POST", "/library-track-score", "tracking.log.track_score"),
    Route("POST", "/rest/track-metadata", "tracking.log.track_metadata"),
    Route("POST", "/library-track-metadata", "tracking.log.track_metadata"),
    Route("POST", "/rest/track-group", "tracking.log.track_group"),
    Route("POST", "/track-group", "tracking.log.track_group"),
    Route("POST", "/create-group", "tracking.log.create_group"),
    Route("GET", f"{REQUESTS}/<request_id>", "tracking.search.get_request"),
    Route("POST", f"{REQUESTS}/search", "tracking.search.search_requests"),
    Route("POST", "/spans-bulk", "tracking.spans.create_spans", 201),
    Route("POST", "/v1/traces", "tracking.spans.ingest_traces", 200, PROTOBUF),
    Route("GET", "/api/public/v2/traces/<trace_id>", "tracking.spans.get_trace"),
    Route("GET", "/api/public/v2/datasets", "checks.evaluations.list_datasets"),
    Route("GET", "/api/public/v2/datasets/<dataset_id>/rows", "checks.evaluations.get_dataset_rows"),
    Route("GET", EVALUATIONS, "checks.evaluations.list_evaluations"),
    Route("GET", f"{EVALUATIONS}/<report_id>", "checks.evaluations.get_evaluation"),
    Route("POST", f"{EVALUATIONS}/<report_id>/run", "checks.evaluations.run_evaluation", 201),
    Route("GET", f"{EVALUATIONS}/<report_id>/rows", "checks.evaluations.get_rows"),
    Route("GET", "/reports/<report_id>", "checks.evaluations.get_evaluation"),
    Route("POST", "/reports/<report_id>/run", "checks.evaluations.run_report", 201),
    Route("GET", "/reports/<report_id>/score", "checks.evaluations.get_score"),
    Route("GET", "/workflows", "checks.agents.list_workflows"),
    Route("GET", "/workflows/<identifier>", "checks.agents.get_workflow"),
    Route("GET", "/workflows/<identifier>/labels", "checks.agents.workflow_labels"),
    Route("POST", "/workflows/<identifier>/run", "checks.agents.run_workflow", 201),
    Route("GET", "/workflow-version-execution-results", "checks.agents.execution_results"),
    Route("GET", TABLES, "tables.sheets.list_tables"),
    Route("POST", TABLES, "tables.sheets.create_table", 201),
    Route("GET", TABLE, "tables.sheets.get_table"),
    Route("PATCH", TABLE, "tables.sheets.update_table"),
    Route("DELETE", TABLE, "tables.sheets.delete_table"),
    Route("GET", f"{TABLE}/sheets", "tables.sheets.list_sheets"),
    Route("POST", f"{TABLE}/sheets", "tables.sheets.create_sheet", 202),
    Route("GET", f"{TABLE}/sheets/operations/<operation_id>", "tables.sheets.get_operation"),
    Route("GET", SHEET, "tables.sheets.get_sheet"),
    Route("PATCH", SHEET, "tables.sheets.update_sheet"),
    Route("DELETE", SHEET, "tables.sheets.delete_sheet"),
    Route("GET", f"{SHEET}/columns", "tables.sheets.list_columns"),
    Route("POST", f"{SHEET}/columns", "tables.sheets.create_column", 201),
    Route("PATCH", f"{SHEET}/columns/<column_id>", "tables.sheets.update_column"),
    Route("DELETE", f"{SHEET}/columns/<column_id>", "tables.sheets.delete_column"),
    Route("GET", f"{SHEET}/rows", "tables.rows.list_rows"),
    Route("POST", f"{SHEET}/rows", "tables.rows.add_rows", 201),
    Route("DELETE", f"{SHEET}/rows", "tables.rows.delete_rows"),
    Route("GET", f"{SHEET}/cells/<cell_id>", "tables.rows.get_cell"),
    Route("PATCH", f"{SHEET}/cells/<cell_id>", "tables.rows.update_cell"),
    Route("GET", f"{SHEET}/status-counts", "tables.rows.count_statuses"),
    Route("POST", f"{SHEET}/cells/recalculations", "tables.rows.recalculate_cells", 202),
    Route("POST", f"{SHEET}/cells/<cell_id>/recalculations", "tables.rows.recalculate_cells", 202),
    Route("GET", f"{SHEET}/operations", "tables.rows.list_operations"),
    Route("POST", f"{SHEET}/operations", "tables.rows.create_operation", 202),
    Route("GET", f"{SHEET}/operations/<operation_id>", "tables.rows.get_operation"),
    Route("DELETE", f"{SHEET}/operations/<operation_id>", "tables.rows.cancel_operation"),
    Route("GET", f"{SHEET}/scorecard", "tables.scorecards.get_scorecard"),
    Route("PATCH", f"{SHEET}/scorecard", "tables.scorecards.configure_scorecard"),
    Route("DELETE", f"{SHEET}/scorecard", "tables.scorecards.delete_scorecard"),
    Route("POST", f"{SHEET}/scorecard/recalculate", "tables.scorecards.recalculate_scorecard", 202),
    Route("POST", f"{SHEET}/scorecard/cancel", "tables.scorecards.cancel_scorecard"),
    Route("GET", f"{SHEET}/scorecard/calculations/<calculation_id>", "tables.scorecards.get_calculation"),
    Route("GET", f"{SHEET}/scorecard/rows", "tables.scorecards.list_rows"),
    Route("GET", f"{SHEET}/scorecard/rows/<row_index>", "tables.scorecards.get_row"),
    Route("GET", f"{SHEET}/versions", "tables.rows.list_versions"),
    Route("POST", f"{SHEET}/versions", "tables.rows.create_version", 201),
    # The history of scores stands at the same place.
    Route("GET", f"{SHEET}/versions/<string(length=36):version_id>", "tables.rows.get_version"),
    Route("POST", "/api/public/v2/dataset-versions/add-trace", "tables.sheets.add_trace", 201),
    Route("POST", "/ws-token-request-library", "checks.agents.issue_token", 201),
)

_READS = {"prompts.read.get_rendered", "tracking.search.search_requests", "checks.agents.issue_token"}
"""The handlers that read for other methods than GET."""


@lru_cache
def _routes(first: str) -> MapAdapter:
    """Return the routes whose paths start with the segment ``first``.

    Each route is compiled, which takes longer than most requests and would delay the start.
    """
    rules = [
        Rule(route.path, methods=[route.method], endpoint=route)
        for route in ROUTES
        if route.path.split("/")[1] == first
    ]
    # Redirects would lose the body of a POST, so a trailing slash is simply accepted.
    compiled = Map(rules, strict_slashes=False, merge_slashes=False, redirect_defaults=False)
    return compiled.bind("")


def match(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """Return the route of a raw path, and its decoded parameters.

    404 for all others, among them the operations of PromptLayer's API that this registry lacks: the SDKs
    repeat requests after a 5xx.
    """
    try:
        # As werkzeug, which ignores additional slashes at the beginning.
        first = path.lstrip("/").partition("/")[0]
        route, raw = _routes(first).match(path, method=method)
    except (NotFound, MethodNotAllowed):
        shown = f"{method[:20]} {path[:200]}"
        raise not_found(f"This registry does not support {shown}; {SUPPORTED}") from None
    return route, {name: urllib.parse.unquote(value) for name, value in raw.items()}


@cache
def _loaded(handler: str) -> Callable[..., Any]:
    """Return the handler with this name, one of those in ``ROUTES``."""
    module, _, function = handler.rpartition(".")
    loaded: Callable[..., Any] = getattr(import_module(f"promptsync.server.{module}"), function)
    return loaded
