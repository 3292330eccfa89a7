"""Which function handles which method and path. A new endpoint is a function and a line in this table.

Paths are matched as they arrive, percent-encoded: a template called ``a/labels`` is ``a%2Flabels``.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule

from promptsync.server.http import FORM, PROTOBUF, SUPPORTED, Response, not_found

if TYPE_CHECKING:
    from promptsync.server.http import Request

    Handler = Callable[[Request], Response]

TEMPLATE = "/prompt-templates/<identifier>"
FOLDERS = "/api/public/v2/folders"
SKILLS = "/api/public/v2/skill-collections"
EVALUATIONS = "/api/public/v2/evaluations"
REQUESTS = "/api/public/v2/requests"
TABLES = "/api/public/v2/tables"
TABLE = f"{TABLES}/<table_id>"
SHEET = f"{TABLE}/sheets/<sheet_id>"

ROUTES: tuple[tuple[str, str, str], ...] = (
    ("GET", "/prompt-templates", "prompts.read.list_templates"),
    ("GET", "/prompt-templates/labels", "prompts.items.list_labels"),
    ("GET", TEMPLATE, "prompts.read.get_raw"),
    ("POST", TEMPLATE, "prompts.read.get_rendered"),
    ("GET", f"{TEMPLATE}/labels", "prompts.items.list_labels"),
    ("GET", f"{TEMPLATE}/snippet-usage", "prompts.read.snippet_usage"),
    ("POST", "/rest/prompt-templates", "prompts.publish.publish"),
    ("PATCH", "/rest/prompt-templates/<identifier>", "prompts.publish.patch"),
    # The SDK for JavaScript does not encode names. The routes above are matched first.
    ("GET", "/prompt-templates/<path:identifier>", "prompts.read.get_raw"),
    ("POST", "/prompt-templates/<path:identifier>", "prompts.read.get_rendered"),
    ("GET", "/api/public/v2/tool-registry/<identifier>", "prompts.read.get_tool"),
    ("POST", "/prompts/<prompt_id>/label", "prompts.items.create_label"),
    ("PATCH", "/prompt-labels/<prompt_label_id>", "prompts.items.move_label"),
    ("DELETE", "/prompt-labels/<prompt_label_id>", "prompts.items.delete_label"),
    ("GET", SKILLS, "skills.list_collections"),
    ("POST", SKILLS, "skills.create_collection"),
    ("GET", f"{SKILLS}/<identifier>", "skills.get_collection"),
    ("PATCH", f"{SKILLS}/<identifier>", "skills.rename_collection"),
    ("POST", f"{SKILLS}/<identifier>/versions", "skills.save_version"),
    ("POST", FOLDERS, "prompts.folders.create_folder"),
    ("GET", f"{FOLDERS}/resolve-id", "prompts.folders.resolve_folder"),
    ("GET", f"{FOLDERS}/entities", "prompts.folders.list_entities"),
    ("DELETE", f"{FOLDERS}/entities", "prompts.folders.delete_entities"),
    # The paths of the customer's and the vendor's documents, each with the alias that the official SDK calls.
    ("POST", "/rest/log-request", "tracking.log.log_request"),
    ("POST", "/log-request", "tracking.log.log_request"),
    ("POST", "/track-request", "tracking.log.track_request"),
    ("POST", "/rest/track-prompt", "tracking.log.track_prompt"),
    ("POST", "/library-track-prompt", "tracking.log.track_prompt"),
    ("POST", "/rest/track-score", "tracking.log.track_score"),
    ("POST", "/library-track-score", "tracking.log.track_score"),
    ("POST", "/rest/track-metadata", "tracking.log.track_metadata"),
    ("POST", "/library-track-metadata", "tracking.log.track_metadata"),
    ("POST", "/rest/track-group", "tracking.log.track_group"),
    ("POST", "/track-group", "tracking.log.track_group"),
    ("POST", "/create-group", "tracking.log.create_group"),
    ("GET", f"{REQUESTS}/<request_id>", "tracking.search.get_request"),
    ("POST", f"{REQUESTS}/search", "tracking.search.search_requests"),
    ("POST", "/spans-bulk", "tracking.spans.create_spans"),
    ("POST", "/v1/traces", "tracking.spans.ingest_traces"),
    ("GET", "/api/public/v2/traces/<trace_id>", "tracking.spans.get_trace"),
    ("GET", "/api/public/v2/datasets", "checks.evaluations.list_datasets"),
    ("GET", "/api/public/v2/datasets/<dataset_id>/rows", "checks.evaluations.get_dataset_rows"),
    ("GET", EVALUATIONS, "checks.evaluations.list_evaluations"),
    ("GET", f"{EVALUATIONS}/<report_id>", "checks.evaluations.get_evaluation"),
    ("POST", f"{EVALUATIONS}/<report_id>/run", "checks.evaluations.run_evaluation"),
    ("GET", f"{EVALUATIONS}/<report_id>/rows", "checks.evaluations.get_rows"),
    ("GET", "/reports/<report_id>", "checks.evaluations.get_evaluation"),
    ("POST", "/reports/<report_id>/run", "checks.evaluations.run_report"),
    ("GET", "/reports/<report_id>/score", "checks.evaluations.get_score"),
    ("GET", "/workflows", "checks.agents.list_workflows"),
    ("GET", "/workflows/<identifier>", "checks.agents.get_workflow"),
    ("GET", "/workflows/<identifier>/labels", "checks.agents.workflow_labels"),
    ("POST", "/workflows/<identifier>/run", "checks.agents.run_workflow"),
    ("GET", "/workflow-version-execution-results", "checks.agents.execution_results"),
    ("GET", TABLES, "tables.sheets.list_tables"),
    ("POST", TABLES, "tables.sheets.create_table"),
    ("GET", TABLE, "tables.sheets.get_table"),
    ("PATCH", TABLE, "tables.sheets.update_table"),
    ("DELETE", TABLE, "tables.sheets.delete_table"),
    ("GET", f"{TABLE}/sheets", "tables.sheets.list_sheets"),
    ("POST", f"{TABLE}/sheets", "tables.sheets.create_sheet"),
    ("GET", f"{TABLE}/sheets/operations/<operation_id>", "tables.sheets.get_operation"),
    ("GET", SHEET, "tables.sheets.get_sheet"),
    ("PATCH", SHEET, "tables.sheets.update_sheet"),
    ("DELETE", SHEET, "tables.sheets.delete_sheet"),
    ("GET", f"{SHEET}/columns", "tables.columns.list_columns"),
    ("POST", f"{SHEET}/columns", "tables.columns.create_column"),
    ("PATCH", f"{SHEET}/columns/<column_id>", "tables.columns.update_column"),
    ("DELETE", f"{SHEET}/columns/<column_id>", "tables.columns.delete_column"),
    ("GET", f"{SHEET}/rows", "tables.rows.list_rows"),
    ("POST", f"{SHEET}/rows", "tables.rows.add_rows"),
    ("DELETE", f"{SHEET}/rows", "tables.rows.delete_rows"),
    ("GET", f"{SHEET}/cells/<cell_id>", "tables.rows.get_cell"),
    ("PATCH", f"{SHEET}/cells/<cell_id>", "tables.rows.update_cell"),
    ("GET", f"{SHEET}/status-counts", "tables.rows.count_statuses"),
    ("POST", f"{SHEET}/cells/recalculations", "tables.operations.recalculate_cells"),
    ("POST", f"{SHEET}/cells/<cell_id>/recalculations", "tables.operations.recalculate_cells"),
    ("GET", f"{SHEET}/operations", "tables.operations.list_operations"),
    ("POST", f"{SHEET}/operations", "tables.operations.create_operation"),
    ("GET", f"{SHEET}/operations/<operation_id>", "tables.operations.get_operation"),
    ("DELETE", f"{SHEET}/operations/<operation_id>", "tables.operations.cancel_operation"),
    ("GET", f"{SHEET}/scorecard", "tables.scorecards.get_scorecard"),
    ("PATCH", f"{SHEET}/scorecard", "tables.scorecards.configure_scorecard"),
    ("DELETE", f"{SHEET}/scorecard", "tables.scorecards.delete_scorecard"),
    ("POST", f"{SHEET}/scorecard/recalculate", "tables.scorecards.recalculate_scorecard"),
    ("POST", f"{SHEET}/scorecard/cancel", "tables.scorecards.cancel_scorecard"),
    ("GET", f"{SHEET}/scorecard/calculations/<calculation_id>", "tables.scorecards.get_calculation"),
    ("GET", f"{SHEET}/scorecard/rows", "tables.scorecards.list_rows"),
    ("GET", f"{SHEET}/scorecard/rows/<row_index>", "tables.scorecards.get_row"),
    ("GET", f"{SHEET}/versions", "tables.rows.list_versions"),
    ("POST", f"{SHEET}/versions", "tables.rows.create_version"),
    # The history of scores stands at the same place.
    ("GET", f"{SHEET}/versions/<string(length=36):version_id>", "tables.rows.get_version"),
    ("POST", "/api/public/v2/dataset-versions/add-trace", "tables.sheets.add_trace"),
    ("POST", "/ws-token-request-library", "checks.updates.issue_token"),
)
"""Method, path and handler, which is a name so that it is imported for its first request."""

OTHER_BODIES: Mapping[str, str] = {
    "skills.create_collection": FORM,
    "skills.save_version": FORM,
    "tracking.spans.ingest_traces": PROTOBUF,
}
"""The media type that a handler accepts instead of JSON."""


@lru_cache
def _routes(first: str) -> MapAdapter:
    """Return the routes whose paths start with the segment ``first``.

    Each route is compiled, which takes longer than most requests and would delay the start.
    """
    rules = [
        Rule(path, methods=[method], endpoint=handler)
        for method, path, handler in ROUTES
        if path.split("/")[1] == first
    ]
    # Redirects would lose the body of a POST, so a trailing slash is simply accepted.
    compiled = Map(rules, strict_slashes=False, merge_slashes=False, redirect_defaults=False)
    return compiled.bind("")


def match(method: str, path: str) -> tuple[str, Mapping[str, str]]:
    """Return the name of the handler of a raw path, and its decoded parameters.

    404 for all others, among them the operations of PromptLayer's API that this registry lacks: the SDKs
    repeat requests after a 5xx.
    """
    try:
        # As werkzeug, which ignores additional slashes at the beginning.
        first = path.lstrip("/").partition("/")[0]
        handler, raw = _routes(first).match(path, method=method)
    except (NotFound, MethodNotAllowed):
        shown = f"{method[:20]} {path[:200]}"
        raise not_found(f"This registry does not support {shown}; {SUPPORTED}") from None
    return handler, {name: urllib.parse.unquote(value) for name, value in raw.items()}


@cache
def load(handler: str) -> Handler:
    """Return the handler with this name, one of those in ``ROUTES``."""
    module, _, function = handler.rpartition(".")
    loaded: Handler = getattr(import_module(f"promptsync.server.{module}"), function)
    return loaded
