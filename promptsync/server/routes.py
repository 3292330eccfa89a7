"""Which function handles which method and path. A new endpoint is a function and a line in this table.

Paths are matched as they arrive, percent-encoded: a template called ``a/labels`` is ``a%2Flabels``.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable, Mapping

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from promptsync.server.checks import agents, catalogue, evaluations, updates
from promptsync.server.http.answer import PROTOBUF, ApiError, Response
from promptsync.server.http.body import FORM
from promptsync.server.http.request import Request
from promptsync.server.missing import MISSING, TABLE
from promptsync.server.prompts import external_ids, folders, labels, publish, read, snippets, tools
from promptsync.server.skills import collections
from promptsync.server.tracking import log, notes, otlp, requests, search, spans

Handler = Callable[[Request], Response]

TEMPLATE = "/prompt-templates/<identifier>"
EXTERNAL_IDS = "/prompt-templates/<prompt_template_id>/external-ids"
FOLDERS = "/api/public/v2/folders"
TOOLS = "/api/public/v2/tool-registry"
SKILLS = "/api/public/v2/skill-collections"
EVALUATIONS = "/api/public/v2/evaluations"
REQUESTS = "/api/public/v2/requests"

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/prompt-templates", read.list_templates),
    ("GET", "/prompt-templates/labels", labels.all_labels),
    ("GET", TEMPLATE, read.get_raw),
    ("POST", TEMPLATE, read.get_rendered),
    ("GET", f"{TEMPLATE}/labels", labels.template_labels),
    ("GET", f"{TEMPLATE}/snippet-usage", snippets.snippet_usage),
    ("POST", "/rest/prompt-templates", publish.publish),
    ("PATCH", "/rest/prompt-templates/<identifier>", publish.patch),
    ("PUT", "/prompt-templates/by-external-id/<source>/<external_id>", publish.upsert),
    ("GET", EXTERNAL_IDS, external_ids.list_external_ids),
    ("POST", EXTERNAL_IDS, external_ids.attach),
    ("DELETE", f"{EXTERNAL_IDS}/<source>/<external_id>", external_ids.detach),
    # The SDK for JavaScript does not encode names. The routes above are matched first.
    ("GET", "/prompt-templates/<path:identifier>", read.get_raw),
    ("POST", "/prompt-templates/<path:identifier>", read.get_rendered),
    ("POST", "/prompts/<prompt_id>/label", labels.create_label),
    ("PATCH", "/prompt-labels/<prompt_label_id>", labels.move_label),
    ("DELETE", "/prompt-labels/<prompt_label_id>", labels.delete_label),
    ("GET", TOOLS, tools.list_tools),
    ("POST", TOOLS, tools.create_tool),
    ("GET", f"{TOOLS}/<identifier>", tools.get_tool),
    ("POST", f"{TOOLS}/<identifier>/versions", tools.create_version),
    ("GET", SKILLS, collections.list_collections),
    ("POST", SKILLS, collections.create_collection),
    ("GET", f"{SKILLS}/<identifier>", collections.get_collection),
    ("PATCH", f"{SKILLS}/<identifier>", collections.rename_collection),
    ("POST", f"{SKILLS}/<identifier>/versions", collections.save_version),
    ("POST", FOLDERS, folders.create_folder),
    ("PATCH", f"{FOLDERS}/<folder_id>", folders.rename_folder),
    ("GET", f"{FOLDERS}/resolve-id", folders.resolve_folder),
    ("GET", f"{FOLDERS}/entities", folders.list_entities),
    ("POST", f"{FOLDERS}/entities", folders.move_entities),
    ("DELETE", f"{FOLDERS}/entities", folders.delete_entities),
    # The paths of the customer's and the vendor's documents, each with the alias that the official SDK calls.
    ("POST", "/rest/log-request", log.log_request),
    ("POST", "/log-request", log.log_request),
    ("POST", "/track-request", log.track_request),
    ("POST", "/rest/track-prompt", notes.track_prompt),
    ("POST", "/library-track-prompt", notes.track_prompt),
    ("POST", "/rest/track-score", notes.track_score),
    ("POST", "/library-track-score", notes.track_score),
    ("POST", "/rest/track-metadata", notes.track_metadata),
    ("POST", "/library-track-metadata", notes.track_metadata),
    ("POST", "/rest/track-group", notes.track_group),
    ("POST", "/track-group", notes.track_group),
    ("POST", "/create-group", notes.create_group),
    ("GET", f"{REQUESTS}/<request_id>", requests.get_request),
    ("POST", f"{REQUESTS}/search", search.search_requests),
    ("POST", "/spans-bulk", spans.create_spans),
    ("POST", "/v1/traces", otlp.ingest_traces),
    ("GET", "/api/public/v2/traces/<trace_id>", spans.get_trace),
    ("GET", "/api/public/v2/datasets", catalogue.list_datasets),
    ("GET", "/api/public/v2/datasets/<dataset_id>/rows", catalogue.get_dataset_rows),
    ("GET", EVALUATIONS, evaluations.list_evaluations),
    ("GET", f"{EVALUATIONS}/<evaluation_id>", evaluations.get_evaluation),
    ("POST", f"{EVALUATIONS}/<evaluation_id>/run", evaluations.run_evaluation),
    ("GET", f"{EVALUATIONS}/<evaluation_id>/rows", evaluations.get_rows),
    ("GET", "/reports/<report_id>", evaluations.get_evaluation),
    ("POST", "/reports/<report_id>/run", evaluations.run_report),
    ("GET", "/reports/<report_id>/score", evaluations.get_score),
    ("GET", "/workflows", agents.list_workflows),
    ("GET", "/workflows/<identifier>", agents.get_workflow),
    ("GET", "/workflows/<identifier>/labels", agents.workflow_labels),
    ("POST", "/workflows/<identifier>/run", agents.run_workflow),
    ("GET", "/workflow-version-execution-results", agents.execution_results),
    ("POST", "/ws-token-request-library", updates.issue_token),
)

OTHER_BODIES: Mapping[Handler, str] = {
    collections.create_collection: FORM,
    collections.save_version: FORM,
    otlp.ingest_traces: PROTOBUF,
}
"""The media type that a handler accepts instead of JSON."""


def _map(rules: Iterable[tuple[str, list[str], Handler | None]]) -> Map:
    # Redirects would lose the body of a POST, so a trailing slash is simply accepted.
    return Map(
        [Rule(path, methods=methods, endpoint=handler) for path, methods, handler in rules],
        strict_slashes=False,
        merge_slashes=False,
        redirect_defaults=False,
    )


_MAP = _map((path, [method], handler) for method, path, handler in ROUTES)
_MISSING = _map((path, methods.split(), None) for path, methods in MISSING.items())


def match(method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
    """Return the handler of a raw path, and its decoded parameters.

    501 for an operation of PromptLayer's API that this registry lacks, 404 for an unknown path, 405 with
    ``Allow`` for another method.
    """
    shown = path[:200]
    if _MISSING.bind("").test(path, method=method):
        raise ApiError(501, f"This registry does not support {method} {shown}; see {TABLE} in promptsync.")
    try:
        handler, raw = _MAP.bind("").match(path, method=method)
    except NotFound:
        raise ApiError(404, f"{shown} does not exist.") from None
    except MethodNotAllowed as error:
        allowed = ", ".join(sorted({*(error.valid_methods or ()), "OPTIONS"}))
        raise ApiError(
            405, f"{shown} does not accept {method[:20]}, only {allowed}.", headers={"Allow": allowed}
        ) from None
    return handler, {name: urllib.parse.unquote(value) for name, value in raw.items()}
