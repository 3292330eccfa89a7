"""A request for each operation that the embedded registry has, in an order in which each finds what it needs.

They go to the registry of ``world.py``, in which the ids are known: the prompts ``greeting`` (1, with two
versions), ``tone`` (2) and ``uses a snippet`` (3), one label, one dataset, one evaluation and one agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from registry_server import chat, flat


@dataclass(frozen=True)
class Try:
    """A request and the status that it must get; ``lacks`` says what is missing if it is refused."""

    operation: str
    target: str
    body: Any = None
    status: int = 200
    lacks: str = ""

    @property
    def method(self) -> str:
        return self.operation.split()[0]

    @property
    def path(self) -> str:
        return self.operation.split()[1]


TEXT = {"type": "text", "text": "Hi"}
INPUT = {"type": "chat", "messages": [{"role": "user", "content": [TEXT]}]}
OUTPUT = {"type": "chat", "messages": [{"role": "assistant", "content": [TEXT]}]}
LOGGED = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": INPUT,
    "output": OUTPUT,
    "request_start_time": "2026-01-01T00:00:00Z",
    "request_end_time": "2026-01-01T00:00:01Z",
    "prompt_name": "greeting",
    "tags": ["t"],
}
TRACKED = {
    "function_name": "openai.chat.completions.create",
    "provider_type": "openai",
    "args": [],
    "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
    "request_response": {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]},
    "request_start_time": 1.5,
    "request_end_time": 2.5,
    "return_prompt_blueprint": True,
}
NESTED = {"prompt_template": {"prompt_name": "greeting"}, "prompt_version": {"prompt_template": chat()}}
FOLDERS = "/api/public/v2/folders"
EVALUATIONS = "/api/public/v2/evaluations"
REQUESTS = "/api/public/v2/requests"
TRACES = "/api/public/v2/traces"
SKILLS = "/api/public/v2/skill-collections"
TRACE, SPAN = "0123456789abcdef" * 2, "0123456789abcdef"
SPANS = {
    "spans": [
        {
            "name": "run",
            "context": {"trace_id": TRACE, "span_id": SPAN, "trace_state": ""},
            "kind": "SpanKind.INTERNAL",
            "parent_id": None,
            "start_time": 1767225600000000000,
            "end_time": 1767225601000000000,
            "status": {"status_code": "StatusCode.OK", "description": None},
            "attributes": {},
            "events": [],
            "resource": {"attributes": {}, "schema_url": ""},
        }
    ]
}
OTLP_SPAN = {"traceId": TRACE, "spanId": SPAN, "name": "run", "kind": 1}
OTLP = {"resourceSpans": [{"scopeSpans": [{"spans": [OTLP_SPAN]}]}]}
PAIR = {"source": "git", "external_id": "a"}

TRIES = (
    Try("GET /prompt-templates", "/prompt-templates?label=prod"),
    Try("GET /prompt-templates/{identifier}", "/prompt-templates/greeting?resolve_snippets=false"),
    Try("POST /prompt-templates/{identifier}", "/prompt-templates/1", {"input_variables": {"name": "Ana"}}),
    Try("GET /prompt-templates/{identifier}/labels", "/prompt-templates/greeting/labels"),
    Try("GET /prompt-templates/{identifier}/snippet-usage", "/prompt-templates/tone/snippet-usage"),
    Try("POST /rest/prompt-templates", "/rest/prompt-templates", flat("flat"), 201),
    Try("POST /rest/prompt-templates", "/rest/prompt-templates", NESTED, 201),
    Try(
        "POST /rest/prompt-templates",
        "/rest/prompt-templates",
        {**flat("flat"), "snippet_overrides": {"tone": "x"}},
        400,
        lacks="`snippet_overrides`",
    ),
    Try(
        "POST /rest/prompt-templates",
        "/rest/prompt-templates",
        {**flat("flat"), "inference_client_name": "x"},
        400,
        lacks="custom providers",
    ),
    Try(
        "PATCH /rest/prompt-templates/{identifier}",
        "/rest/prompt-templates/greeting",
        {"messages": {"0": {"role": "user", "content": [TEXT]}}},
        201,
    ),
    Try("POST /prompts/{prompt_id}/label", "/prompts/1/label", {"name": "dev", "prompt_version_number": 1}),
    Try("PATCH /prompt-labels/{prompt_label_id}", "/prompt-labels/1", {"prompt_version_number": 2}),
    Try("DELETE /prompt-labels/{prompt_label_id}", "/prompt-labels/2"),
    Try(f"POST {FOLDERS}", FOLDERS, {"name": "support"}, 201),
    Try(
        f"POST {FOLDERS}",
        FOLDERS,
        {"name": "b", "external_ids": [PAIR]},
        400,
        lacks="external ids of folders",
    ),
    Try(f"GET {FOLDERS}/resolve-id", f"{FOLDERS}/resolve-id?path=support"),
    Try(f"GET {FOLDERS}/entities", f"{FOLDERS}/entities"),
    Try(
        f"GET {FOLDERS}/entities",
        f"{FOLDERS}/entities?semantic_search=true",
        status=422,
        lacks="search by meaning",
    ),
    Try(f"DELETE {FOLDERS}/entities", f"{FOLDERS}/entities", {"entities": [{"id": 3, "type": "PROMPT"}]}),
    Try(
        f"DELETE {FOLDERS}/entities",
        f"{FOLDERS}/entities",
        {"entities": [{"id": 1, "type": "FOLDER"}]},
        400,
        lacks="deleting folders",
    ),
    Try("POST /log-request", "/log-request", LOGGED, 201),
    Try("POST /rest/log-request", "/rest/log-request", LOGGED, 201),
    Try("POST /track-request", "/track-request", TRACKED),
    Try("POST /create-group", "/create-group", {}),
    *(
        Try(f"POST {path}", path, {"request_id": 1, **body})
        for paths, body in (
            (("/rest/track-prompt", "/library-track-prompt"), {"prompt_name": "greeting"}),
            (("/rest/track-score", "/library-track-score"), {"score": 90}),
            (("/rest/track-metadata", "/library-track-metadata"), {"metadata": {"user": "7"}}),
            (("/rest/track-group", "/track-group"), {"group_id": 1}),
        )
        for path in paths
    ),
    Try(f"GET {REQUESTS}/{{request_id}}", f"{REQUESTS}/1"),
    Try(f"POST {REQUESTS}/search", f"{REQUESTS}/search", {"q": "Hi"}),
    Try(
        f"POST {REQUESTS}/search",
        f"{REQUESTS}/search",
        {"filters": [{"field": "user_intent", "operator": "is", "value": "x"}]},
        400,
        lacks="the filters `user_intent`, `agent_intent` and `metadata_cost_breakdown_key`",
    ),
    Try("POST /spans-bulk", "/spans-bulk", SPANS, 201),
    Try("POST /spans-bulk", "/spans-bulk", {**SPANS, "close_after": True}, 400, lacks="closing a trace"),
    Try("POST /v1/traces", "/v1/traces", OTLP),
    Try("POST /v1/traces", "/v1/traces?close_after=true", OTLP, 400, lacks="closing a trace"),
    Try(f"GET {TRACES}/{{trace_id}}", f"{TRACES}/{TRACE}"),
    Try(
        f"POST {SKILLS}",
        SKILLS,
        {"name": "team", "provider": "openai", "files": [{"path": "a/SKILL.md", "content": "# A"}]},
        201,
    ),
    Try(
        f"POST {SKILLS}",
        SKILLS,
        {"name": "b", "external_ids": [PAIR]},
        400,
        lacks="external ids of collections",
    ),
    Try(f"GET {SKILLS}", SKILLS),
    Try(f"GET {SKILLS}/{{identifier}}", f"{SKILLS}/team"),
    Try(f"PATCH {SKILLS}/{{identifier}}", f"{SKILLS}/team", {"name": "crew"}),
    Try(
        f"POST {SKILLS}/{{identifier}}/versions",
        f"{SKILLS}/crew/versions",
        {"file_updates": [{"path": "a/SKILL.md", "content": "# B"}], "release_label": "prod"},
        201,
    ),
    Try("GET /api/public/v2/datasets", "/api/public/v2/datasets"),
    Try("GET /api/public/v2/datasets/{dataset_id}/rows", "/api/public/v2/datasets/1/rows"),
    Try(f"GET {EVALUATIONS}", f"{EVALUATIONS}?include_runs=true"),
    Try(f"POST {EVALUATIONS}/{{eval_id}}/run", f"{EVALUATIONS}/1/run", {"name": "nightly"}, 201),
    Try("POST /reports/{report_id}/run", "/reports/1/run", {"name": "nightly"}, 201),
    Try(
        "POST /reports/{report_id}/run",
        "/reports/1/run",
        {"name": "nightly", "refresh_dataset": True},
        403,
        lacks="refreshing a dataset",
    ),
    Try("GET /reports/{report_id}", "/reports/2"),
    Try("GET /reports/{report_id}/score", "/reports/2/score"),
    Try(f"GET {EVALUATIONS}/{{eval_id}}", f"{EVALUATIONS}/2"),
    Try(f"GET {EVALUATIONS}/{{evaluation_id}}/rows", f"{EVALUATIONS}/2/rows"),
    Try("GET /workflows", "/workflows"),
    Try("GET /workflows/{workflow_id_or_name}", "/workflows/echo-agent"),
    Try("GET /workflows/{workflow_id_or_name}/labels", "/workflows/echo-agent/labels"),
    Try("POST /workflows/{workflow_name}/run", "/workflows/echo-agent/run", {"input_variables": {}}, 201),
    Try(
        "GET /workflow-version-execution-results",
        "/workflow-version-execution-results?workflow_version_execution_id=4&return_all_outputs=true",
    ),
    Try("POST /ws-token-request-library", "/ws-token-request-library?capability=workflow_updates:4", {}, 201),
    Try("GET /prompt-templates/labels", "/prompt-templates/labels"),
)

BESIDE_THE_SPECIFICATION = """
GET /prompt-templates/labels
POST /rest/log-request
POST /track-request
POST /create-group
POST /library-track-prompt
POST /library-track-score
POST /library-track-metadata
POST /track-group
GET /api/public/v2/evaluations/{eval_id}
POST /api/public/v2/evaluations/{eval_id}/run
POST /ws-token-request-library
"""
"""Operations that the official SDKs call or that the customer's document names."""
