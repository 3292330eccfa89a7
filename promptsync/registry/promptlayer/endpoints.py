"""The table of all operations with their paths, which no other module has.

Routes are tried in order: first that of the customer's API document, then that of the vendor's current API.
Each operation says which responses allow the next route, because a request that may have been executed must
never be sent again in another form.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

RESERVED: Final = frozenset({"labels"})
"""Names that mean something else in the paths of some registries."""

NO_ROUTE: Final = frozenset({404, 405})
"""A route that the registry does not have."""

NO_PARAMETER: Final = frozenset({400, 422})
"""A parameter that the registry does not know."""

NO_SHAPE: Final = NO_ROUTE | NO_PARAMETER
"""A route or a body that the registry does not accept."""


class Route(msgspec.Struct, frozen=True):
    """``request`` is a method and a path with ``{placeholders}``; ``form`` names one of several forms of it.

    ``extra`` are parameters of this form: of the query of a GET, of the body otherwise.
    """

    request: str
    form: str = ""
    extra: tuple[tuple[str, object], ...] = ()


class Operation(msgspec.Struct, frozen=True):
    """One thing that a registry can do.

    ``name`` completes "cannot …" in messages. The ``effect`` is that it only reads, runs checks, or writes
    what the registry holds for others. Sending a ``repeatable`` operation twice has the same effect as
    sending it once. After the statuses in ``next_route_on``, the next route is tried. ``item`` is the word
    for what the path names and a 404 can be about; it is empty if only the route can be missing. The pages
    of a list have it under one of the ``keys``, and it ``holds`` values of one type.
    """

    name: str
    routes: tuple[Route, ...]
    effect: Literal["reads", "runs", "writes"]
    repeatable: bool = True
    next_route_on: frozenset[int] = NO_ROUTE
    item: str = ""
    keys: tuple[str, ...] = ()
    holds: type = dict


def _operation(name: str, *routes: str | Route, **options: Any) -> Operation:
    """Return an operation that reads if all of its requests are GETs, and otherwise writes."""
    parsed = [route if isinstance(route, Route) else Route(route) for route in routes]
    reads = all(route.request.startswith("GET ") for route in parsed)
    return Operation(name, tuple(parsed), **{"effect": "reads" if reads else "writes", **options})


def _run(name: str, *routes: str, **options: Any) -> Operation:
    """Return an operation that starts a check, or prepares one."""
    return _operation(name, *routes, effect="runs", repeatable=False, **options)


LIST: Final = _operation(
    "list the prompts",
    # Sorted by id, a list that changes while it is read shifts only at its end.
    Route("GET /prompt-templates", "sorted", (("sort_by", "id"), ("sort_order", "asc"))),
    "GET /prompt-templates",
    next_route_on=NO_PARAMETER,
    keys=("items",),
)
READ: Final = _operation(
    "read the prompt",
    Route("GET /prompt-templates/{identifier}", "raw", (("resolve_snippets", False),)),
    item="prompt",
)
# These two are POSTs that only read.
READ_RENDERED: Final = _operation(
    "read the prompt",
    Route("POST /prompt-templates/{identifier}", "unfilled", (("skip_input_variable_rendering", True),)),
    "POST /prompt-templates/{identifier}",
    next_route_on=NO_PARAMETER,
    item="prompt",
    effect="reads",
)
RENDER: Final = _operation(
    "render the prompt", "POST /prompt-templates/{identifier}", item="prompt", effect="reads"
)
PUBLISH: Final = _operation(
    "publish the prompt",
    Route("POST /rest/prompt-templates", "flat"),
    Route("POST /rest/prompt-templates", "nested"),
    repeatable=False,
    next_route_on=NO_SHAPE,
    item="prompt",
)
SNIPPET_USAGE: Final = _operation(
    "list the users of the snippet", "GET /prompt-templates/{identifier}/snippet-usage", item="snippet"
)
READ_TOOL: Final = _operation("read the tool", "GET /api/public/v2/tool-registry/{tool}", item="tool")
ARCHIVE: Final = _operation("archive the prompt", "DELETE /api/public/v2/folders/entities", item="prompt")

ALL_LABELS: Final = _operation("list all release labels", "GET /prompt-templates/labels")
LABELS: Final = _operation(
    "list the release labels of the prompt", "GET /prompt-templates/{identifier}/labels", item="prompt"
)
CREATE_LABEL: Final = _operation(
    "create the release label", "POST /prompts/{template_id}/label", repeatable=False, item="version"
)
MOVE_LABEL: Final = _operation("move the release label", "PATCH /prompt-labels/{label_id}", item="label")
DELETE_LABEL: Final = _operation("delete the release label", "DELETE /prompt-labels/{label_id}", item="label")

LOG_REQUEST: Final = _operation(
    "log the request", "POST /rest/log-request", "POST /log-request", repeatable=False, item="prompt"
)
# It is not documented whether a second score under the same name replaces the first one.
TRACK: Final = {
    what: _operation(
        f"track the {what}", f"POST /rest/track-{what}", repeatable=what != "score", item="request"
    )
    for what in ("prompt", "score", "metadata", "group")
}
CREATE_GROUP: Final = _operation("create a group", "POST /create-group", repeatable=False)

LIST_DATASETS: Final = _operation(
    "list the datasets", "GET /api/public/v2/datasets", keys=("datasets", "items")
)
LIST_EVALUATIONS: Final = _operation(
    "list the evaluations",
    Route("GET /api/public/v2/evaluations", "with runs", (("include_runs", True),)),
    "GET /api/public/v2/evaluations",
    next_route_on=NO_PARAMETER,
    keys=("evaluations", "items"),
)
RUN_EVALUATION: Final = _run(
    "run the evaluation",
    "POST /api/public/v2/evaluations/{evaluation_id}/run",
    "POST /reports/{evaluation_id}/run",
    next_route_on=NO_SHAPE,
    item="evaluation",
)
EVALUATION: Final = _operation(
    "read the evaluation",
    "GET /api/public/v2/evaluations/{report_id}",
    "GET /reports/{report_id}",
    item="evaluation",
)
EVALUATION_SCORE: Final = _operation(
    "read the score of the evaluation", "GET /reports/{report_id}/score", item="evaluation"
)
EVALUATION_ROWS: Final = _operation(
    "read the rows of the evaluation",
    "GET /api/public/v2/evaluations/{report_id}/rows",
    item="evaluation",
    keys=("rows",),
    holds=list,
)

LIST_AGENTS: Final = _operation("list the agents", "GET /workflows", keys=("items", "workflows"))
READ_AGENT: Final = _operation("read the agent", "GET /workflows/{agent}", item="agent")
RUN_AGENT: Final = _run("run the agent", "POST /workflows/{agent}/run", item="agent")
AGENT_RESULT: Final = _operation(
    "read the result of the agent", "GET /workflow-version-execution-results", item="execution"
)

_TABLES: Final = "/api/public/v2/tables"
_SHEETS: Final = _TABLES + "/{table_id}/sheets"


def _on_sheet(name: str, method: str, path: str = "", **options: Any) -> Operation:
    """Return an operation on a sheet; a write that starts work or creates something is not repeatable."""
    request, effect = f"{method} {_SHEETS}/{{sheet_id}}{path}", "reads" if method == "GET" else "runs"
    usual = {"item": "sheet", "repeatable": method != "POST", "effect": effect}
    return _operation(name, request, **{**usual, **options})


LIST_TABLES: Final = _operation("list the tables", f"GET {_TABLES}", keys=("data",))
CREATE_TABLE: Final = _run("create the table", f"POST {_TABLES}")
LIST_SHEETS: Final = _operation(
    "list the sheets of the table", f"GET {_SHEETS}", item="table", keys=("data",)
)
CREATE_SHEET: Final = _run("create the sheet", f"POST {_SHEETS}", item="table")
SHEET_IMPORT: Final = _operation(
    "read the import of the sheet", f"GET {_SHEETS}/operations/{{operation_id}}", item="import"
)
DELETE_SHEET: Final = _on_sheet("delete the sheet", "DELETE")
SHEET_ROWS: Final = _on_sheet("read the rows of the sheet", "GET", "/rows", keys=("data",))
CREATE_COLUMN: Final = _on_sheet("create the column", "POST", "/columns")
SCORECARD: Final = _on_sheet("read the scorecard", "GET", "/scorecard", item="scorecard")
SET_SCORECARD: Final = _on_sheet("set the scorecard", "PATCH", "/scorecard")
RECALCULATE: Final = _on_sheet("compute the cells", "POST", "/operations")
LIST_OPERATIONS: Final = _on_sheet("list the operations of the sheet", "GET", "/operations")
READ_OPERATION: Final = _on_sheet("read the operation", "GET", "/operations/{operation_id}", item="operation")
CANCEL_OPERATION: Final = _on_sheet(
    "cancel the operation", "DELETE", "/operations/{operation_id}", item="operation"
)
SCORE: Final = _on_sheet("score the sheet", "POST", "/scorecard/recalculate")
CANCEL_SCORE: Final = _on_sheet("stop scoring the sheet", "POST", "/scorecard/cancel", repeatable=True)
CALCULATION: Final = _on_sheet(
    "read the score of the sheet", "GET", "/scorecard/calculations/{calculation_id}", item="calculation"
)
SCORED_ROWS: Final = _on_sheet(
    "read the scores of the rows", "GET", "/scorecard/rows", item="calculation", keys=("rows",)
)
SCORED_ROW: Final = _on_sheet("read the score of the row", "GET", "/scorecard/rows/{row_index}", item="row")
