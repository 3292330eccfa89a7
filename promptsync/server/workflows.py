"""Agents, which the API calls workflows: listing, reading, running, results."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping
from typing import Any

from promptsync.server import query, records
from promptsync.server.catalogue_list import Listing, listed
from promptsync.server.clock import now
from promptsync.server.draft import read_id
from promptsync.server.errors import ApiError, invalid, malformed, not_found
from promptsync.server.http import Request, Response, path_id
from promptsync.server.records import Row, decoded, encoded
from promptsync.server.runner import enqueue, is_queued

_LISTING = Listing(source="workflows i", columns="i.*")


def list_workflows(request: Request) -> Response:
    """``GET /workflows``: items with their label names."""
    with request.context.store.read() as db:
        page, total, rows = listed(db, request.query, _LISTING, {}, per_page=30)
        items = [
            {
                "id": row["id"],
                "workspace_id": request.context.store.workspace_id,
                "user_id": None,
                "name": row["name"],
                "is_deleted": bool(row["deleted"]),
                "latest_version_number": _version(db, row)["number"],
                "release_labels": [label["name"] for label in _labels(db, row["id"])],
                "external_ids": [],
            }
            for row in rows
        ]
    return Response({"items": items, **page.numbers(total), **page.neighbours(total)})


def get_workflow(request: Request) -> Response:
    """``GET /workflows/{id_or_name}``: flat as declared, and nested as recorded and as the SDK reads it."""
    number, label = query.integer(request.query, "version"), query.text(request.query, "label")
    if number is not None and label is not None:
        raise invalid("version and label exclude each other.", "query", "version")
    with request.context.store.read() as db:
        workflow = _find(db, request.args["identifier"])
        version = _version(db, workflow, number, label)
        nodes = decoded(version["spec"])["nodes"]
        required = sorted(_required(db, nodes))
        labels = [row["name"] for row in _labels(db, workflow["id"]) if row["version_id"] == version["id"]]
    return Response(
        {
            "success": True,
            "workflow_id": workflow["id"],
            "workflow_name": workflow["name"],
            "version": version["number"],
            "version_number": version["number"],
            "workflow_version_id": version["id"],
            "commit_message": None,
            "required_input_variables": dict.fromkeys(required, "string"),
            "release_labels": labels,
            "created_at": version["created_at"],
            "nodes": [_node(version, nodes, index) for index in range(len(nodes))],
            "edges": _edges(nodes),
            "workflow": _nested(workflow, request.context.store.workspace_id),
        }
    )


def _nested(workflow: Row, workspace_id: int) -> dict[str, Any]:
    return {
        "id": workflow["id"],
        "workspace_id": workspace_id,
        "user_id": None,
        "name": workflow["name"],
        "is_draft": False,
        "is_deleted": bool(workflow["deleted"]),
    }


def _edges(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(index),
            "source_node_name": before["name"],
            "target_node_name": after["name"],
            "is_and": True,
            "conditionals": [],
        }
        for index, (before, after) in enumerate(itertools.pairwise(nodes), 1)
    ]


def _node(version: Row, nodes: list[dict[str, Any]], index: int) -> dict[str, Any]:
    node = nodes[index]
    return {
        "id": str(index + 1),
        "workflow_version_id": version["id"],
        "name": node["name"],
        "node_type": "PROMPT_TEMPLATE",
        "is_output_node": node["output"],
        "configuration": {"prompt": node["prompt"], "variables": node["variables"]},
        "dependencies": [nodes[index - 1]["name"]] if index else [],
    }


def workflow_labels(request: Request) -> Response:
    """``GET /workflows/{id_or_name}/labels``."""
    with request.context.store.read() as db:
        workflow = _find(db, request.args["identifier"])
        labels = [
            {
                "release_label": row["name"],
                "release_label_id": row["id"],
                "workflow_version_id": row["version_id"],
                "workflow_version_number": row["number"],
            }
            for row in _labels(db, workflow["id"])
        ]
    return Response({"success": True, "release_labels": labels})


def run_workflow(request: Request) -> Response:
    """``POST /workflows/{id_or_name}/run``: 201, or 202 with a callback; the result is polled."""
    body = request.object()
    inputs = {} if body.get("input_variables") is None else body["input_variables"]
    if not isinstance(inputs, dict):
        raise malformed("input_variables has to be an object.")
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise malformed("metadata has to map strings to strings.")
    number = read_id(body.get("workflow_version_number"), "workflow_version_number")
    label = body.get("workflow_label_name")
    if not isinstance(label, str | None):
        raise malformed("workflow_label_name has to be a string or null.")
    if number is not None and label is not None:
        raise malformed("workflow_version_number and workflow_label_name exclude each other.")
    callback = _callback(body.get("callback_url"))
    with request.context.store.write() as db:
        version = _version(db, _find(db, request.args["identifier"]), number, label)
        missing = sorted(_required(db, decoded(version["spec"])["nodes"]) - inputs.keys())
        created = db.execute(
            "INSERT INTO executions (version_id, inputs, metadata, callback_url, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (version["id"], encoded(inputs), encoded(metadata), callback, now()),
        )
        execution_id = int(created.lastrowid or 0)
        enqueue(db, "execution", execution_id)
    request.context.runner.wake()
    answer = {
        "success": True,
        "message": "Workflow execution created.",
        "warning": f"Missing input variables: {', '.join(missing)}." if missing else None,
        "workflow_version_execution_id": execution_id,
    }
    return Response(answer, 201 if callback is None else 202)


def _callback(url: Any) -> str | None:
    if url is None or (isinstance(url, str) and url.startswith(("http://", "https://"))):
        return url
    raise malformed("callback_url has to be an http or https URL.")


def execution_results(request: Request) -> Response:
    """``GET /workflow-version-execution-results``: 200 when done, 202 while it runs.

    Without ``return_all_outputs`` a single output node that succeeded comes as its bare value; otherwise
    the answer is an object by node name.
    """
    execution_id = query.integer(request.query, "workflow_version_execution_id")
    if execution_id is None:
        raise invalid("workflow_version_execution_id is required.", "query", "workflow_version_execution_id")
    everything = query.boolean(request.query, "return_all_outputs") or False
    with request.context.store.read() as db:
        execution = db.execute(
            "SELECT e.results, v.spec FROM executions e JOIN workflow_versions v ON v.id = e.version_id"
            " WHERE e.id = ?",
            (execution_id,),
        ).fetchone()
        if execution is None:
            raise not_found(f"There is no execution with the id {execution_id}.")
        running = is_queued(db, "execution", execution_id)
    nodes = decoded(execution["spec"])["nodes"]
    results = {node["name"]: _result(node, decoded(execution["results"])) for node in nodes}
    if not everything:
        results = {name: result for name, result in results.items() if result["is_output_node"]}
    only = next(iter(results.values())) if len(results) == 1 else None
    if only is not None and not everything and only["status"] == "SUCCESS":
        return Response(only["value"], 202 if running else 200)
    return Response(results, 202 if running else 200)


def _result(node: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    waiting = {
        "status": "QUEUED",
        "value": None,
        "error_message": None,
        "raw_error_message": None,
        "is_output_node": node["output"],
    }
    found: dict[str, Any] = results.get(node["name"], waiting)
    return found


def no_websocket(request: Request) -> Response:
    """``POST /ws-token-request-library``: there is no socket here, so that the SDK cannot wait on one."""
    raise not_found(
        "This registry pushes no results; poll GET /workflow-version-execution-results for those of a run."
    )


def _find(db: sqlite3.Connection, identifier: str) -> Row:
    row: Row | None = db.execute(
        "SELECT * FROM workflows WHERE NOT deleted AND (name = ? OR id = ?) ORDER BY name = ? DESC LIMIT 1",
        (identifier, path_id(identifier), identifier),
    ).fetchone()
    if row is None:
        raise not_found(f"There is no workflow called {identifier!r}.")
    return row


def _version(
    db: sqlite3.Connection, workflow: Row, number: int | None = None, label: str | None = None
) -> Row:
    if label is not None:
        condition, value = (
            "v.id = (SELECT version_id FROM workflow_labels WHERE workflow_id = ? AND name = ?)",
            label,
        )
    elif number is not None:
        condition, value = "v.workflow_id = ? AND v.number = ?", str(number)
    else:
        condition, value = "v.workflow_id = ? AND ? = ''", ""
    row: Row | None = db.execute(
        f"SELECT v.* FROM workflow_versions v WHERE {condition} ORDER BY v.number DESC LIMIT 1",
        (workflow["id"], value),
    ).fetchone()
    if row is None:
        what = f"release label {label!r}" if label is not None else f"version {number}"
        raise not_found(f"The workflow {workflow['name']!r} has no {what}.")
    return row


def _labels(db: sqlite3.Connection, workflow_id: int) -> list[Row]:
    return db.execute(
        "SELECT l.*, v.number FROM workflow_labels l JOIN workflow_versions v ON v.id = l.version_id"
        " WHERE l.workflow_id = ? ORDER BY l.name",
        (workflow_id,),
    ).fetchall()


def _required(db: sqlite3.Connection, nodes: list[dict[str, Any]]) -> set[str]:
    """The variables that the nodes' prompts use and no earlier node or computed variable provides."""
    required: set[str] = set()
    provided: set[str] = set()
    for node in nodes:
        prompt = node["prompt"]
        try:
            template = records.find(db, prompt["name"])
            version = records.version(db, template, prompt["version"], prompt["label"])
        except ApiError:
            # That the prompt is missing is said by the run, at its node.
            continue
        required |= set(decoded(version["template"])["input_variables"]) - provided - node["variables"].keys()
        provided.add(node["name"])
    return required
