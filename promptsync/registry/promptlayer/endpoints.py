"""The table of all operations with their paths, which no other module has.

Routes are tried in order: first that of the customer's API document, then that of the vendor's current API.
Each operation says which responses allow the next route, because a request that may have been executed must
never be sent again in another form.
"""

from __future__ import annotations

from typing import Final

import msgspec

NO_ROUTE: Final = frozenset({404, 405})
"""A route that the registry does not have."""

NO_SHAPE: Final = frozenset({400, 404, 405, 422})
"""A route or a body that the registry does not accept."""


class Route(msgspec.Struct, frozen=True):
    """``path`` has ``{placeholders}``. ``shape`` names the form of the body if there are several."""

    method: str
    path: str
    shape: str = ""


class Operation(msgspec.Struct, frozen=True):
    """One thing that a registry can do.

    ``name`` completes "cannot …" in messages. Sending a ``repeatable`` operation twice has the same effect as
    sending it once. After the statuses in ``next_route_on``, the next route is tried. ``item`` is the word
    for what the path names and a 404 can be about; it is empty if only the route can be missing.
    """

    name: str
    routes: tuple[Route, ...]
    repeatable: bool = True
    next_route_on: frozenset[int] = NO_ROUTE
    item: str = ""


def _one(name: str, method: str, path: str, *, repeatable: bool = True, item: str = "") -> Operation:
    return Operation(name, (Route(method, path),), repeatable, NO_ROUTE, item)


LIST: Final = _one("list the prompts", "GET", "/prompt-templates")
READ: Final = _one("read the prompt", "GET", "/prompt-templates/{identifier}", item="prompt")
# Although it is a POST, it only reads.
RENDER: Final = _one("render the prompt", "POST", "/prompt-templates/{identifier}", item="prompt")
PUBLISH: Final = Operation(
    "publish the prompt",
    (
        Route("POST", "/rest/prompt-templates", "flat"),
        Route("POST", "/rest/prompt-templates", "nested"),
    ),
    repeatable=False,
    next_route_on=NO_SHAPE,
    item="prompt",
)
SNIPPET_USAGE: Final = _one(
    "list the users of the snippet", "GET", "/prompt-templates/{identifier}/snippet-usage", item="snippet"
)
ARCHIVE: Final = _one("archive the prompt", "DELETE", "/api/public/v2/folders/entities", item="prompt")

ALL_LABELS: Final = _one("list all release labels", "GET", "/prompt-templates/labels")
LABELS: Final = _one(
    "list the release labels of the prompt", "GET", "/prompt-templates/{identifier}/labels", item="prompt"
)
CREATE_LABEL: Final = _one(
    "create the release label", "POST", "/prompts/{template_id}/label", repeatable=False, item="version"
)
MOVE_LABEL: Final = _one("move the release label", "PATCH", "/prompt-labels/{label_id}", item="label")
DELETE_LABEL: Final = _one("delete the release label", "DELETE", "/prompt-labels/{label_id}", item="label")

LOG_REQUEST: Final = Operation(
    "log the request",
    (Route("POST", "/rest/log-request"), Route("POST", "/log-request")),
    repeatable=False,
    item="prompt",
)
TRACK_PROMPT: Final = _one("track the prompt", "POST", "/rest/track-prompt", item="request")
# It is not documented whether a second score under the same name replaces the first one.
TRACK_SCORE: Final = _one("track the score", "POST", "/rest/track-score", repeatable=False, item="request")
TRACK_METADATA: Final = _one("track the metadata", "POST", "/rest/track-metadata", item="request")
TRACK_GROUP: Final = _one("track the group", "POST", "/rest/track-group", item="request")
CREATE_GROUP: Final = _one("create a group", "POST", "/create-group", repeatable=False)

LIST_DATASETS: Final = _one("list the datasets", "GET", "/api/public/v2/datasets")
LIST_EVALUATIONS: Final = _one("list the evaluations", "GET", "/api/public/v2/evaluations")
RUN_EVALUATION: Final = Operation(
    "run the evaluation",
    (
        Route("POST", "/api/public/v2/evaluations/{evaluation_id}/run"),
        Route("POST", "/reports/{evaluation_id}/run"),
    ),
    repeatable=False,
    next_route_on=NO_SHAPE,
    item="evaluation",
)
EVALUATION: Final = Operation(
    "read the evaluation",
    (Route("GET", "/api/public/v2/evaluations/{report_id}"), Route("GET", "/reports/{report_id}")),
    item="evaluation",
)
EVALUATION_SCORE: Final = _one(
    "read the score of the evaluation", "GET", "/reports/{report_id}/score", item="evaluation"
)
EVALUATION_ROWS: Final = _one(
    "read the rows of the evaluation", "GET", "/api/public/v2/evaluations/{report_id}/rows", item="evaluation"
)

LIST_AGENTS: Final = _one("list the agents", "GET", "/workflows")
READ_AGENT: Final = _one("read the agent", "GET", "/workflows/{agent}", item="agent")
RUN_AGENT: Final = _one("run the agent", "POST", "/workflows/{agent}/run", repeatable=False, item="agent")
AGENT_RESULT: Final = _one(
    "read the result of the agent", "GET", "/workflow-version-execution-results", item="execution"
)
