"""A request for each operation that the embedded registry has, in an order in which each finds what it needs.

They go to ``world``, in which the ids are known: the agent (1), the dataset (2), the prompts ``greeting`` (3,
with two versions), ``tone`` (5) and ``uses a snippet`` (6), and one evaluation (1).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from evaluation_files import contains, declared, evaluation, put
from registry_server import Caller, chat, completion, flat, log_of, running

from promptsync.server.app import Application, create_app

DATA = Path(__file__).with_name("compatibility.json")
"""All outcomes, of which the page names those that are not perfect."""

OPERATIONS: dict[str, dict[str, str]] = json.loads(DATA.read_text("utf-8"))["operations"]
"""By area, the operations of the vendor's specification of August 2026, each as method and path."""

ALL = [operation for operations in OPERATIONS.values() for operation in operations]


class Try(NamedTuple):
    """A request and the status that it must get; ``lacks`` says what is missing.

    What is missing is refused, unless the status is that of success.
    ``keeps`` names values of the answer by their paths, for ``$NAME`` in later requests.
    """

    request: str
    body: Any = None
    status: int = 200
    lacks: str = ""
    keeps: Mapping[str, str] = {}

    @property
    def operation(self) -> str:
        """The operation with the fewest parameters whose path matches the target."""
        request = self.request.partition("?")[0]
        return min(
            (operation for operation in ALL if re.fullmatch(re.sub("{[^}]+}", "[^/]+", operation), request)),
            key=lambda operation: operation.count("{"),
        )


TIMES = "filters by author and time"
TEXT = {"type": "text", "text": "Hi"}
RICH = {
    "type": "chat",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "@@@tone@@@ ü 🙂\n  {a} "}]},
        {"role": "placeholder", "name": "history"},
        {
            "role": "assistant",
            "content": [],
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": [TEXT]},
        {
            "role": "user",
            "template_format": "jinja2",
            "content": [
                {"type": "image_url", "image_url": {"url": "http://x"}},
                {"type": "thinking", "thinking": "hm"},
                {"type": "media_variable", "name": "files"},
            ],
        },
    ],
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "auto",
}
MODEL = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}, "owner": "x"}
NESTED = {
    "prompt_template": {"prompt_name": "rich", "tags": ["t"]},
    "prompt_version": {"prompt_template": RICH, "metadata": MODEL, "commit_message": "m"},
    "release_labels": ["prod"],
}
LOGGED = log_of(request_end_time="2026-01-01T00:00:01Z", prompt_name="greeting", tags=["t"])
CALLED = {"function_name": "openai.chat.completions.create", "provider_type": "openai", "args": []}
TRACKED = CALLED | {
    "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
    "request_response": {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]},
    "request_start_time": 1.5,
    "request_end_time": 2.5,
    "return_prompt_blueprint": True,
}
TRACE, SPAN = "0123456789abcdef" * 2, "0123456789abcdef"
NAMED = {"name": "run", "kind": "SpanKind.INTERNAL", "parent_id": None, "attributes": {}, "events": []}
RAN = NAMED | {
    "start_time": 1767225600000000000,
    "end_time": 1767225601000000000,
    "context": {"trace_id": TRACE, "span_id": SPAN, "trace_state": ""},
    "status": {"status_code": "StatusCode.OK", "description": None},
    "resource": {"attributes": {}, "schema_url": ""},
}
SPANS = {"spans": [RAN]}
LOGGED_SPANS = {"spans": [RAN | {"log_request": LOGGED}]}
OTLP_SPAN = {"traceId": TRACE, "spanId": SPAN, "name": "run", "kind": 1}
OTLP = {"resourceSpans": [{"scopeSpans": [{"spans": [OTLP_SPAN]}]}]}
PAIR = {"source": "git", "external_id": "a"}
OTHER_FILTERS = "the filters `user_intent`, `agent_intent` and `metadata_cost_breakdown_key`"
INTENT = {"filters": [{"field": "user_intent", "operator": "is", "value": "x"}]}
SKILL = {"name": "team", "provider": "openai", "files": [{"path": "a/SKILL.md", "content": "# A"}]}
CHANGED_SKILL = {"file_updates": [{"path": "a/SKILL.md", "content": "# B"}], "release_label": "prod"}
ENCODED = base64.b64encode(b"Column A,expected\nHi,Hi\n").decode()
COMPUTED = {"title": "same", "type": "compare", "config": {"sources": ["Column A", "expected"]}}
CODE = {"title": "x", "type": "CODE_EXECUTION"}
V2 = "/api/public/v2"
PUBLISH, ENTITIES = "POST /rest/prompt-templates", f"{V2}/folders/entities"
TABLES, SKILLS, SEARCH = f"{V2}/tables", f"{V2}/skill-collections", f"POST {V2}/requests/search"
SHEETS = f"{TABLES}/$table/sheets"
SHEET = f"{SHEETS}/$sheet"
EXECUTION = "/workflow-version-execution-results?workflow_version_execution_id=4"
RUN_REPORT, RUN_AGENT = "POST /reports/1/run", "POST /workflows/echo-agent/run"
ADD_TRACE = f"POST {V2}/dataset-versions/add-trace"


def scorecard(kind: str, **config: Any) -> dict[str, Any]:
    step = {"title": "a step", "primitive_type": kind, "primitive_config": config}
    return {"name": "quality", "aggregation": {}, "steps": [step]}


def imported(name: str = "a.csv", kind: str = "file", **more: Any) -> dict[str, Any]:
    return {"source": {"type": kind, "file_name": name, "file_content_base64": ENCODED}, **more}


def asked(*requests: str) -> tuple[Try, ...]:
    """Requests without a body that succeed."""
    return tuple(map(Try, requests))


TRIES = (
    *asked("GET /prompt-templates?label=prod", "GET /prompt-templates?per_page=1"),
    Try("GET /prompt-templates?created_after=2026-01-01", None, 422, TIMES),
    Try("GET /prompt-templates/labels"),
    Try(PUBLISH, flat("flat"), 201),
    Try(PUBLISH, NESTED, 201),
    Try(PUBLISH, flat("x", chat("@@@nobody@@@")), 422),
    Try(PUBLISH, flat("x", {"type": "chat", "messages": [{"role": "nobody"}]}), 422),
    Try(PUBLISH, flat("x", snippet_overrides={"tone": "x"}), 422, "`snippet_overrides`"),
    Try(PUBLISH, flat("x", inference_client_name="x"), 422, "custom providers"),
    *asked("GET /prompt-templates/rich", "GET /prompt-templates/rich?resolve_snippets=false"),
    *asked("GET /prompt-templates/rich?include_llm_kwargs=true", "GET /prompt-templates/rich?label=prod"),
    *(
        Try("POST /prompt-templates/rich", body)
        for body in (None, {"input_variables": {"a": "1"}}, {"skip_input_variable_rendering": True})
    ),
    Try("POST /prompt-templates/3", {"version": 0}, 422),
    *asked("GET /prompt-templates/rich/labels", "GET /prompt-templates/tone/snippet-usage"),
    Try("POST /prompts/3/label", {"name": "dev", "prompt_version_number": 1}),
    Try("PATCH /prompt-labels/2", {"prompt_version_number": 2}),
    Try("POST /prompts/3/label", {"name": "dev", "prompt_version_number": 1}, 422),
    Try("PATCH /prompt-labels/2", {"prompt_version_number": 99}, 422),
    Try("DELETE /prompt-labels/3", None, 204),
    Try(f"POST {V2}/folders", {"name": "support"}, 201),
    Try(f"POST {V2}/folders", {"name": ""}, 422),
    Try(f"POST {V2}/folders", {"name": "x", "parent_id": 9}, 404),
    Try(f"POST {V2}/folders", {"name": "b", "external_ids": [PAIR]}, 400, "external ids of folders"),
    Try(f"GET {V2}/folders/resolve-id?path=support"),
    Try(f"GET {ENTITIES}?include_metadata=true&flatten=true"),
    Try(f"GET {ENTITIES}?semantic_search=true", None, 422, "search by meaning"),
    Try(f"GET {ENTITIES}?created_before=2026-01-01", None, 422, TIMES),
    Try(f"DELETE {ENTITIES}", {"entities": [{"id": 6, "type": "PROMPT"}]}),
    Try(f"DELETE {ENTITIES}", {}, 422),
    Try(f"DELETE {ENTITIES}", {"entities": [{"id": 1, "type": "FOLDER"}]}, 400, "deleting folders"),
    Try("POST /log-request", LOGGED, 201),
    Try("POST /log-request", {}, 422),
    Try("POST /rest/log-request", LOGGED, 201),
    Try("POST /track-request", TRACKED),
    Try("POST /create-group", {}),
    *(
        Try(f"POST /{path}", {"request_id": 1, **body})
        for paths, body in (
            ("rest/track-prompt library-track-prompt", {"prompt_name": "greeting"}),
            ("rest/track-score library-track-score", {"score": 90}),
            ("rest/track-metadata library-track-metadata", {"metadata": {"user": "7"}}),
            ("rest/track-group track-group", {"group_id": 1}),
        )
        for path in paths.split()
    ),
    Try(f"GET {V2}/requests/1"),
    Try(SEARCH, {"q": "Hi"}),
    Try(SEARCH, INTENT, 400, OTHER_FILTERS),
    Try("POST /spans-bulk", SPANS, 201),
    Try("POST /spans-bulk", {**SPANS, "close_after": True}, 400, "closing a trace"),
    Try("POST /spans-bulk", LOGGED_SPANS, 422, "`log_request` of a span"),
    Try("POST /v1/traces", OTLP),
    Try("POST /v1/traces?close_after=true", OTLP, 400, "closing a trace"),
    Try(f"GET {V2}/traces/{TRACE}"),
    Try(f"POST {SKILLS}", SKILL, 201),
    Try(f"POST {SKILLS}", SKILL | {"external_ids": [PAIR]}, 400, "external ids of collections"),
    Try(f"GET {SKILLS}/team"),
    Try(f"PATCH {SKILLS}/team", {"name": "crew"}),
    Try(f"POST {SKILLS}/crew/versions", CHANGED_SKILL, 201),
    Try(f"GET {V2}/tool-registry/weather", None, 404),
    Try(f"GET {V2}/datasets"),
    Try(f"GET {V2}/datasets?workspace_id=1", None, 400),
    Try(f"GET {V2}/datasets?updated_after=2026-01-01", None, 422, TIMES),
    Try(f"GET {V2}/datasets/2/rows"),
    Try(f"POST {V2}/evaluations/1/run", {"name": "nightly"}, 201),
    Try(RUN_REPORT, {"name": "nightly"}, 201),
    Try(RUN_REPORT, {"name": ""}, 422),
    Try("POST /reports/2/run", {"name": "x"}, 403),
    Try("POST /reports/99/run", {"name": "x"}, 404),
    Try(RUN_REPORT, {"name": "nightly", "refresh_dataset": True}, 403, "refreshing a dataset"),
    Try(f"GET {V2}/evaluations?include_runs=true"),
    Try(f"GET {V2}/evaluations?created_by_email=a@b.c", None, 422, TIMES),
    *asked("GET /reports/1", "GET /reports/2", "GET /reports/2/score"),
    *asked(f"GET {V2}/evaluations/2", f"GET {V2}/evaluations/2/rows", "GET /workflows"),
    Try("GET /workflows?updated_before=2026-01-01", None, 422, TIMES),
    Try("GET /workflows/echo-agent"),
    Try("GET /workflows/nobody", None, 404),
    Try("GET /workflows/echo-agent/labels"),
    Try(RUN_AGENT, {"input_variables": {}}, 201),
    Try(RUN_AGENT, {"input_variables": 3}, 422),
    Try(RUN_AGENT, {"callback_url": "http://x"}, 422, "`callback_url`"),
    *asked(f"GET {EXECUTION}&return_all_outputs=true", f"GET {EXECUTION}"),
    Try("POST /ws-token-request-library?capability=workflow_updates:4", {}, 201),
    Try(f"POST {TABLES}", {"title": "r"}, 201, keeps={"table": "table.id", "sheet": "default_sheet.id"}),
    Try(f"POST {TABLES}", {"title": "empty", "create_default_sheet": False}, 201),
    Try(f"POST {TABLES}", {"folder_id": 99}, 404),
    Try(f"GET {TABLES}?name=R&limit=1"),
    Try(f"GET {TABLES}?prompt_id=3", None, 422, "selecting by prompt"),
    Try(f"GET {TABLES}/$table"),
    Try(f"PATCH {TABLES}/$table", {"title": "refund quality", "folder_id": None}),
    Try(f"POST {SHEETS}", {"title": "blank"}, 201),
    Try(f"POST {SHEETS}", imported(), 202, keeps={"copy": "sheet.id"}),
    Try(f"POST {SHEETS}", imported(kind="request_logs"), 422, "importing logged requests"),
    Try(f"POST {SHEETS}", imported("rows.json"), 400, "importing JSON files"),
    Try(f"POST {SHEETS}", {"index": 0}, 422, "an `index`"),
    Try(f"POST {SHEETS}", imported(operation_id="x"), 422, "an `operation_id`"),
    *asked(f"GET {SHEETS}/operations/$copy", f"GET {SHEETS}"),
    Try(f"GET {SHEETS}?prompt_id=3", None, 422, "selecting by prompt"),
    Try(f"GET {SHEET}"),
    Try(f"PATCH {SHEET}", {"title": "cases"}),
    Try(f"PATCH {SHEET}", {"index": 1}, 400, "an `index`"),
    Try(f"POST {SHEET}/columns", {"title": "expected", "type": "TEXT"}, 201),
    Try(f"POST {SHEET}/columns", COMPUTED, 201, keeps={"column": "column.id"}),
    Try(f"POST {SHEET}/columns", CODE, 201, "running column types not in the manual"),
    Try(f"GET {SHEET}/columns", keeps={"text": "data.0.id"}),
    Try(f"PATCH {SHEET}/columns/$column", {"title": "the same"}),
    Try(f"POST {SHEET}/rows", {"values": [{"$text": "Hello"}]}, 201),
    Try(f"GET {SHEET}/rows?include_columns=true", keeps={"cell": "data.0.cells.$text.id"}),
    Try(f"DELETE {SHEET}/rows", {"row_indices": [1]}),
    Try(f"GET {SHEET}/cells/$cell"),
    Try(f"PATCH {SHEET}/cells/$cell", {"value": "Hello"}),
    Try(f"GET {SHEET}/status-counts"),
    Try(f"POST {SHEET}/operations", {}, 202, keeps={"operation": "operation_id"}),
    Try(f"POST {SHEET}/operations", {"row_ids": [99]}),
    *asked(f"GET {SHEET}/operations", f"GET {SHEET}/operations/$operation"),
    Try(f"DELETE {SHEET}/operations/$operation"),
    Try(f"POST {SHEET}/cells/$cell/recalculations", {}),
    Try(f"POST {SHEET}/cells/recalculations", {"cell_ids": ["$cell"]}),
    Try(f"PATCH {SHEET}/scorecard", scorecard("CONTAINS", source="$text", value="Hello")),
    Try(f"PATCH {SHEET}/scorecard", scorecard("CODE_EXECUTION"), 200, "running step types not in the manual"),
    Try(f"GET {SHEET}/scorecard"),
    Try(f"POST {SHEET}/scorecard/recalculate", {}, 202, keeps={"calculation": "calculation_id"}),
    *asked(f"GET {SHEET}/scorecard/calculations/$calculation", f"GET {SHEET}/scorecard/rows?verdict=pass"),
    Try(f"GET {SHEET}/scorecard/rows/99", None, 404),
    Try(f"POST {SHEET}/scorecard/cancel", {}),
    Try(f"POST {SHEET}/scorecard/cancel", {"row_indices": [0]}, 400, "cancelling some of the rows or steps"),
    Try(f"DELETE {SHEET}/scorecard"),
    Try(ADD_TRACE, {"trace_id": TRACE, "smart_table_id": "$table", "sheet_id": "$sheet"}, 201),
    Try(ADD_TRACE, {"trace_id": TRACE, "dataset_group_id": 1}, 422, "datasets, only sheets of Tables"),
    *asked(f"DELETE {SHEET}/columns/$column", f"DELETE {SHEETS}/$copy", f"DELETE {TABLES}/$table"),
)


# -- the registry -------------------------------------------------------------------------------------------


FIXTURES = declared(
    """\
agents:
  - name: echo-agent
    labels: [prod]
    nodes: [{name: answer, prompt: {name: greeting}, output: true}]
""",
    evaluation("quality", "greeting", [{"name": "Ana", "expect": "Ana"}], contains(column="expect")),
)
OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}


@contextmanager
def world(folder: Path) -> Iterator[Application]:
    """Open a registry in ``folder`` with two prompts, a snippet, a dataset, an evaluation and an agent."""
    fixtures = put(folder, FIXTURES)
    with create_app(folder / "registry.db", fixtures=fixtures) as app:
        call = Caller(app)
        for body in (
            flat("greeting", chat("Hello {name}"), metadata=OPENAI, release_labels=["prod"], tags=["t"]),
            flat("greeting", chat("Hi {name}"), metadata=OPENAI),
            flat("tone", completion("Be kind.")),
            flat("uses a snippet", chat("@@@tone@@@ {name}"), metadata=OPENAI),
        ):
            answer = call("POST", "/rest/prompt-templates", body)
            assert answer.status == 201, answer.body
        yield app


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve such a registry on loopback; the value is its URL."""
    with world(folder) as app, running(app) as url:
        yield url
