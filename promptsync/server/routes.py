"""Which function handles which method and path. A new endpoint is a function and a line in this table.

A handler gets the request, the database and, below a table or a sheet, its row. It returns the value of the
response, or a response if that has another status or type.

Paths are matched as they arrive, percent-encoded: a template called ``a/labels`` is ``a%2Flabels``.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule

from promptsync.server.http import FORM, PROTOBUF, ApiError, Response
from promptsync.server.tables.store import rows_of_path

if TYPE_CHECKING:
    from promptsync.server.http import Request
    from promptsync.server.store.database import Database


class ApiRoute(NamedTuple):
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
        module, _, function = self.handler.rpartition(".")
        handle = getattr(import_module(f"promptsync.server.{module}"), function)
        answer = handle(request, db, *rows_of_path(request, db))
        if isinstance(answer, dict) and self.path.startswith("/api/public/v2/"):
            answer = {"success": True, **answer}
        return answer if isinstance(answer, Response) else Response(answer, self.status)


ID = "int(max=999999999999999999)"
"""The converter for an id in a path: operations that are missing have a word in its place."""
TEMPLATE = "/prompt-templates/<identifier>"
FOLDERS = "/api/public/v2/folders"
SKILLS = "/api/public/v2/skill-collections"
EVALUATIONS = "/api/public/v2/evaluations"
REQUESTS = "/api/public/v2/requests"
TABLES = "/api/public/v2/tables"
TABLE = f"{TABLES}/<table_id>"
SHEET = f"{TABLE}/sheets/<sheet_id>"

ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute("GET", "/prompt-templates", "prompts.templates.list_templates"),
    ApiRoute("GET", "/prompt-templates/labels", "prompts.items.list_labels"),
    ApiRoute("GET", TEMPLATE, "prompts.templates.get_raw"),
    ApiRoute("POST", TEMPLATE, "prompts.templates.get_rendered"),
    ApiRoute("GET", f"{TEMPLATE}/labels", "prompts.items.list_labels"),
    ApiRoute("GET", f"{TEMPLATE}/snippet-usage", "prompts.templates.snippet_usage"),
    ApiRoute("POST", "/rest/prompt-templates", "prompts.templates.publish", 201),
    # The SDK for JavaScript does not encode names. The routes above are matched first.
    ApiRoute("GET", "/prompt-templates/<path:identifier>", "prompts.templates.get_raw"),
    ApiRoute("POST", "/prompt-templates/<path:identifier>", "prompts.templates.get_rendered"),
    ApiRoute("GET", "/api/public/v2/tool-registry/<identifier>", "prompts.templates.get_tool"),
    ApiRoute("POST", f"/prompts/<{ID}:prompt_id>/label", "prompts.items.create_label"),
    ApiRoute("PATCH", f"/prompt-labels/<{ID}:prompt_label_id>", "prompts.items.move_label"),
    ApiRoute("DELETE", f"/prompt-labels/<{ID}:prompt_label_id>", "prompts.items.delete_label"),
    ApiRoute("POST", SKILLS, "skills.create_collection", 201, FORM),
    ApiRoute("GET", f"{SKILLS}/<identifier>", "skills.get_collection"),
    ApiRoute("PATCH", f"{SKILLS}/<identifier>", "skills.rename_collection"),
    ApiRoute("POST", f"{SKILLS}/<identifier>/versions", "skills.save_version", 201, FORM),
    ApiRoute("POST", FOLDERS, "prompts.folders.create_folder", 201),
    ApiRoute("GET", f"{FOLDERS}/resolve-id", "prompts.folders.resolve_folder"),
    ApiRoute("GET", f"{FOLDERS}/entities", "prompts.folders.list_entities"),
    ApiRoute("DELETE", f"{FOLDERS}/entities", "prompts.folders.delete_entities"),
    # The paths of the customer's and the vendor's documents, each with the alias that the official SDK calls.
    ApiRoute("POST", "/rest/log-request", "tracking.log.log_request", 201),
    ApiRoute("POST", "/log-request", "tracking.log.log_request", 201),
    ApiRoute("POST", "/track-request", "tracking.log.track_request"),
    ApiRoute("POST", "/rest/track-prompt", "tracking.log.track_prompt"),
    ApiRoute("POST", "/library-track-prompt", "tracking.log.track_prompt"),
    ApiRoute("POST", "/rest/track-score", "tracking.log.track_score"),
    ApiRoute("POST", "/library-track-score", "tracking.log.track_score"),
    ApiRoute("POST", "/rest/track-metadata", "tracking.log.track_metadata"),
    ApiRoute("POST", "/library-track-metadata", "tracking.log.track_metadata"),
    ApiRoute("POST", "/rest/track-group", "tracking.log.track_group"),
    ApiRoute("POST", "/track-group", "tracking.log.track_group"),
    ApiRoute("POST", "/create-group", "tracking.log.create_group"),
    ApiRoute("GET", f"{REQUESTS}/<{ID}:request_id>", "tracking.search.get_request"),
    ApiRoute("POST", f"{REQUESTS}/search", "tracking.search.search_requests"),
    ApiRoute("POST", "/spans-bulk", "tracking.spans.create_spans", 201),
    ApiRoute("POST", "/v1/traces", "tracking.spans.ingest_traces", 200, PROTOBUF),
    ApiRoute("GET", "/api/public/v2/traces/<trace_id>", "tracking.spans.get_trace"),
    ApiRoute("GET", "/api/public/v2/datasets", "checks.evaluations.list_datasets"),
    ApiRoute("GET", f"/api/public/v2/datasets/<{ID}:dataset_id>/rows", "checks.evaluations.get_dataset_rows"),
    ApiRoute("GET", EVALUATIONS, "checks.evaluations.list_evaluations"),
    ApiRoute("GET", f"{EVALUATIONS}/<{ID}:report_id>", "checks.evaluations.get_evaluation"),
    ApiRoute("POST", f"{EVALUATIONS}/<{ID}:report_id>/run", "checks.evaluations.run_evaluation", 201),
    ApiRoute("GET", f"{EVALUATIONS}/<{ID}:report_id>/rows", "checks.evaluations.get_rows"),
    ApiRoute("GET", f"/reports/<{ID}:report_id>", "checks.evaluations.get_evaluation"),
    ApiRoute("POST", f"/reports/<{ID}:report_id>/run", "checks.evaluations.run_evaluation", 201),
    ApiRoute("GET", f"/reports/<{ID}:report_id>/score", "checks.evaluations.get_score"),
    ApiRoute("GET", "/workflows", "checks.agents.list_workflows"),
    ApiRoute("GET", "/workflows/<identifier>", "checks.agents.get_workflow"),
    ApiRoute("GET", "/workflows/<identifier>/labels", "checks.agents.workflow_labels"),
    ApiRoute("POST", "/workflows/<identifier>/run", "checks.agents.run_workflow", 201),
    ApiRoute("GET", "/workflow-version-execution-results", "checks.agents.execution_results"),
    ApiRoute("GET", TABLES, "tables.sheets.list_tables"),
    ApiRoute("POST", TABLES, "tables.sheets.create_table", 201),
    ApiRoute("GET", TABLE, "tables.sheets.get"),
    ApiRoute("PATCH", TABLE, "tables.sheets.update_table"),
    ApiRoute("DELETE", TABLE, "tables.sheets.delete"),
    ApiRoute("GET", f"{TABLE}/sheets", "tables.sheets.list_sheets"),
    ApiRoute("POST", f"{TABLE}/sheets", "tables.sheets.create_sheet", 202),
    ApiRoute("GET", f"{TABLE}/sheets/operations/<operation_id>", "tables.sheets.get_operation"),
    ApiRoute("GET", SHEET, "tables.sheets.get"),
    ApiRoute("PATCH", SHEET, "tables.sheets.update_sheet"),
    ApiRoute("DELETE", SHEET, "tables.sheets.delete"),
    ApiRoute("GET", f"{SHEET}/columns", "tables.sheets.list_columns"),
    ApiRoute("POST", f"{SHEET}/columns", "tables.sheets.create_column", 201),
    ApiRoute("PATCH", f"{SHEET}/columns/<column_id>", "tables.sheets.update_column"),
    ApiRoute("DELETE", f"{SHEET}/columns/<column_id>", "tables.sheets.delete_column"),
    ApiRoute("GET", f"{SHEET}/rows", "tables.rows.list_rows"),
    ApiRoute("POST", f"{SHEET}/rows", "tables.rows.add_rows", 201),
    ApiRoute("DELETE", f"{SHEET}/rows", "tables.rows.delete_rows"),
    ApiRoute("GET", f"{SHEET}/cells/<cell_id>", "tables.rows.get_cell"),
    ApiRoute("PATCH", f"{SHEET}/cells/<cell_id>", "tables.rows.update_cell"),
    ApiRoute("GET", f"{SHEET}/status-counts", "tables.rows.count_statuses"),
    ApiRoute("POST", f"{SHEET}/cells/recalculations", "tables.rows.recalculate_cells", 202),
    ApiRoute("POST", f"{SHEET}/cells/<cell_id>/recalculations", "tables.rows.recalculate_cells", 202),
    ApiRoute("GET", f"{SHEET}/operations", "tables.rows.list_operations"),
    ApiRoute("POST", f"{SHEET}/operations", "tables.rows.create_operation", 202),
    ApiRoute("GET", f"{SHEET}/operations/<operation_id>", "tables.rows.get_operation"),
    ApiRoute("DELETE", f"{SHEET}/operations/<operation_id>", "tables.rows.cancel_operation"),
    ApiRoute("GET", f"{SHEET}/scorecard", "tables.scorecards.get_scorecard"),
    ApiRoute("PATCH", f"{SHEET}/scorecard", "tables.scorecards.configure_scorecard"),
    ApiRoute("DELETE", f"{SHEET}/scorecard", "tables.scorecards.delete_scorecard"),
    ApiRoute("POST", f"{SHEET}/scorecard/recalculate", "tables.scorecards.recalculate_scorecard", 202),
    ApiRoute("POST", f"{SHEET}/scorecard/cancel", "tables.scorecards.cancel_scorecard"),
    ApiRoute("GET", f"{SHEET}/scorecard/calculations/<calculation_id>", "tables.scorecards.get_calculation"),
    ApiRoute("GET", f"{SHEET}/scorecard/rows", "tables.scorecards.list_rows"),
    ApiRoute("GET", f"{SHEET}/scorecard/rows/<row_index>", "tables.scorecards.get_row"),
    ApiRoute("POST", "/api/public/v2/dataset-versions/add-trace", "tables.sheets.add_trace", 201),
    ApiRoute("POST", "/ws-token-request-library", "checks.agents.issue_token", 201),
)

_READS = {"prompts.templates.get_rendered", "tracking.search.search_requests", "checks.agents.issue_token"}
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


def match(method: str, path: str) -> tuple[ApiRoute, Mapping[str, Any]]:
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
        lacks = f"This registry does not support {shown}; see docs/compatibility.md in promptsync."
        raise ApiError(404, lacks) from None
    decoded = urllib.parse.unquote
    return route, {name: decoded(value) if isinstance(value, str) else value for name, value in raw.items()}
