"""Two strict registries over the embedded one: each takes one document's requests and answers in its shapes.

What a document does not have is turned away as a server would that was written from it: an unknown path with
404, a method that the path lacks with 405, an unknown filter or field with 422.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from registry_server import Answer, Caller

Shape = Callable[[int, Any], tuple[int, Any]]


def success(change: Callable[[Any], Any] = lambda body: body, status: int = 0) -> Shape:
    """Change the body of a success, and perhaps its status."""
    return lambda was, body: (was, body) if was >= 400 else (status or was, change(body))


AS_IT_IS = success()


def only(keys: str, of: str = "") -> Shape:
    """Answers of success with these keys alone, or lists ``of`` items that have them."""
    names = keys.split()

    def chosen(body: Any) -> Any:
        return {name: body[name] for name in names if name in body} if isinstance(body, dict) else body

    return success(lambda body: {**body, of: [*map(chosen, body[of])]} if of else chosen(body))


@dataclass(frozen=True)
class Rule:
    """One operation of a document: the names of what may be in its body, and must be, and in its query."""

    method: str
    path: str
    optional: str | None = ""
    """``None`` allows any field."""
    needed: str = ""
    query: str = ""
    shape: Shape = AS_IT_IS
    ignored: bool = False
    """Fields that are not in the document are dropped silently instead of refused."""

    def matches(self, path: str) -> bool:
        return bool(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", self.path), path))


@dataclass
class Dialect:
    """A WSGI application that speaks one document. ``seen`` is what was asked, and how it was answered.

    ``check`` is called with the rule's path, the method, and the answer that is given.
    """

    inner: Any
    rules: tuple[Rule, ...]
    check: Callable[[str, str, int, Any], None] = lambda *_: None
    seen: list[tuple[str, str, int]] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, target = environ["REQUEST_METHOD"], environ.get("REQUEST_URI") or environ["RAW_URI"]
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, body = self.answer(environ, method, target, raw)
        self.seen.append((method, target.partition("?")[0], status))
        data = b"" if body is None else json.dumps(body).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [data]

    def answer(self, environ: Mapping[str, Any], method: str, target: str, raw: bytes) -> tuple[int, Any]:
        path, _, query = target.partition("?")
        known = [rule for rule in self.rules if rule.matches(path)]
        rule = next((rule for rule in known if rule.method == method), None)
        if rule is None:
            return (405, {"detail": "Method Not Allowed"}) if known else (404, {"detail": "Not Found"})
        if not environ.get("HTTP_X_API_KEY"):
            return 401, {"message": "Unauthorized"}
        extra = sorted(set(parse_qs(query)) - set(rule.query.split()))
        if extra:
            return refused("query", extra[0], "Extra inputs are not permitted")
        body = json.loads(raw) if raw else None
        if isinstance(body, dict) and rule.optional is not None:
            needed = set(rule.needed.split())
            fields = needed | set(rule.optional.split())
            if missing := sorted(needed - body.keys()):
                return refused("body", missing[0], "Field required")
            if not rule.ignored and (extra := sorted(body.keys() - fields)):
                return refused("body", extra[0], "Extra inputs are not permitted")
            body = {key: value for key, value in body.items() if key in fields}
        asked = rule.shape(*self.ask(method, target, body))
        self.check(rule.path, method, *asked)
        return asked

    def ask(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        answer: Answer = Caller(self.inner)(method, target, body)
        return answer.status, answer.body


def refused(place: str, name: str, why: str) -> tuple[int, Any]:
    return 422, {"detail": [{"loc": [place, name], "msg": why, "type": "value_error"}]}


TRACKING = (
    Rule("POST", "/rest/track-score", "name", "request_id score"),
    Rule("POST", "/rest/track-metadata", "", "request_id metadata"),
    Rule("POST", "/rest/track-group", "", "request_id group_id"),
)

# -- the customer's document ---------------------------------------------------------------------------

PAGES = "page per_page name status"
PUBLISHED = success(
    lambda body: {"id": body["id"], "prompt_name": body["prompt_name"], "version": body["version_number"]},
    201,
)
EVALUATION = success(lambda body: {"success": True, "id": body["report"]["id"], "status": body["status"]})
LOGGED = success(lambda body: {"success": True, "request_id": body["request_id"]}, 200)

CUSTOMER = (
    Rule("GET", "/prompt-templates/labels"),
    Rule(
        "GET",
        "/prompt-templates",
        query=f"{PAGES} label",
        shape=only("id prompt_name version prompt_template commit_message metadata", of="items"),
    ),
    Rule(
        "POST",
        "/prompt-templates/{identifier}",
        "version label provider input_variables",
        shape=only("id prompt_name version prompt_template metadata llm_kwargs"),
    ),
    # a server that knows no more than the document takes the other fields and forgets them
    Rule(
        "POST",
        "/rest/prompt-templates",
        "commit_message metadata",
        "prompt_name prompt_template",
        shape=PUBLISHED,
        ignored=True,
    ),
    Rule("POST", "/rest/log-request", None, shape=LOGGED),
    Rule("POST", "/rest/track-prompt", "version prompt_input_variables", "request_id prompt_name"),
    *TRACKING,
    Rule("GET", "/api/public/v2/datasets", query=PAGES),
    Rule("GET", "/api/public/v2/evaluations", query=PAGES, shape=only("id name", of="evaluations")),
    Rule("POST", "/api/public/v2/evaluations/{id}/run", "name dataset_id", shape=only("success report_id")),
    Rule("GET", "/api/public/v2/evaluations/{id}", shape=EVALUATION),
    Rule("GET", "/workflows", query="page per_page", shape=only("id name", of="items")),
    Rule("POST", "/workflows/{id}/run", "input_variables", shape=only("success message")),
)

# -- the vendor's specification ------------------------------------------------------------------------

COMMON = (
    "page per_page created_by_email created_after created_before updated_after updated_before "
    "external_source external_id sort_by sort_order"
)
ITEM = "id prompt_name version prompt_template commit_message metadata external_ids is_snippet"
FOLDERS = "/api/public/v2/folders"
REQUEST = (
    "success prompt_blueprint request_id provider model input_tokens output_tokens price "
    "request_start_time latency_ms trace_id"
)
FOUND = "id engine provider_type tags_array metadata scores prompt_name"


def no_prompt_of_that_name(status: int, body: Any) -> tuple[int, Any]:
    """What the customer's list of labels is to the vendor: a prompt that is called ``labels``."""
    return 404, {"success": False, "message": "Prompt template not found: labels"}


def vendor_list(more: str = "") -> Rule:
    query = f"{COMMON} name label status tags is_snippet"
    return Rule("GET", "/prompt-templates", query=query, shape=only(f"{ITEM} {more}", of="items"))


VENDOR = (
    Rule("GET", "/prompt-templates/labels", shape=no_prompt_of_that_name),
    vendor_list(),
    Rule("GET", "/prompt-templates/{identifier}", query="version label resolve_snippets include_llm_kwargs"),
    Rule(
        "POST",
        "/prompt-templates/{identifier}",
        "version label provider input_variables model model_parameter_overrides metadata_filters "
        "workspace_id",
    ),
    Rule(
        "POST",
        "/rest/prompt-templates",
        "release_labels external_ids snippet_overrides",
        "prompt_template prompt_version",
        shape=success(status=200),
    ),
    Rule("GET", "/prompt-templates/{identifier}/labels", shape=only("release_labels")),
    Rule("GET", "/prompt-templates/{identifier}/snippet-usage", query="prompt_version_number"),
    Rule("POST", "/prompts/{prompt_id}/label", "", "name prompt_version_number"),
    Rule("PATCH", "/prompt-labels/{prompt_label_id}", "", "prompt_version_number"),
    Rule("DELETE", "/prompt-labels/{prompt_label_id}", shape=success(lambda body: None, 204)),
    Rule("GET", f"{FOLDERS}/entities", query="workspace_id folder_id flatten filter_type"),
    Rule("DELETE", f"{FOLDERS}/entities", "cascade workspace_id", "entities"),
    Rule("POST", "/log-request", None, shape=only("id prompt_version status error_type error_message")),
    Rule("GET", "/api/public/v2/requests/{request_id}", shape=only(REQUEST)),
    Rule(
        "POST",
        "/api/public/v2/requests/search",
        "filter_group q page per_page sort_by sort_order include_prompt_name",
        shape=only(FOUND, of="items"),
    ),
    Rule("POST", "/rest/track-prompt", "version label prompt_input_variables", "request_id prompt_name"),
    *TRACKING,
    Rule(
        "GET",
        "/api/public/v2/datasets",
        query=f"{COMMON} name status dataset_group_id prompt_id prompt_version_id prompt_label_id "
        "workspace_id report_id",
    ),
    Rule("GET", "/api/public/v2/evaluations", query=f"{COMMON} name status include_runs workspace_id"),
    Rule("GET", "/api/public/v2/evaluations/{evaluation_id}/rows", query="page per_page workspace_id"),
    Rule("POST", "/reports/{report_id}/run", "dataset_id refresh_dataset", "name"),
    Rule("GET", "/reports/{report_id}"),
    Rule("GET", "/reports/{report_id}/score"),
    Rule("GET", "/workflows", query=COMMON),
    Rule("GET", "/workflows/{workflow_id_or_name}", query="version label"),
    Rule("GET", "/workflows/{workflow_id_or_name}/labels"),
    Rule(
        "POST",
        "/workflows/{workflow_name}/run",
        "input_variables metadata workflow_label_name workflow_version_number return_all_outputs "
        "callback_url",
    ),
    Rule(
        "GET", "/workflow-version-execution-results", query="workflow_version_execution_id return_all_outputs"
    ),
)


def customer(inner: Any) -> Dialect:
    """A registry that knows the customer's document and nothing else."""
    return Dialect(inner, CUSTOMER)


def vendor(inner: Any, check: Callable[[str, str, int, Any], None] = lambda *_: None) -> Dialect:
    """A registry that knows the vendor's specification and nothing else."""
    return Dialect(inner, VENDOR, check)


def recorded(inner: Any) -> Dialect:
    """The vendor's registry as it was recorded: its lists have tags, which its specification leaves out."""
    return Dialect(inner, (vendor_list("tags"), *VENDOR))


class Everything(Dialect):
    def answer(self, environ: Mapping[str, Any], method: str, target: str, raw: bytes) -> tuple[int, Any]:
        return self.ask(method, target, json.loads(raw) if raw else None)


def embedded(inner: Any) -> Dialect:
    """The embedded registry, which knows both documents, with what it was asked."""
    return Everything(inner, ())
