"""Agents, which the API calls workflows: listing, reading, running, results."""

from __future__ import annotations

import itertools
from typing import Any

from promptsync.server.checks.runner import enqueue, is_queued
from promptsync.server.checks.steps import QUEUED, SUCCESS, node_result
from promptsync.server.http.answer import ApiError, Response, malformed, not_found
from promptsync.server.http.listing import Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts.find import WORKFLOW, find, version
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, encoded, insert

MAX_SUFFIX = 200
"""Longest ``channel_name_suffix`` of a run, in characters."""


def list_workflows(request: Request) -> Response:
    """List agents with the names of their labels."""
    listing = Listing(request.query)
    listing.by_fixture()
    columns = (
        'i.id, i.name, i.deleted AS "is_deleted [flag]",'
        " (SELECT max(number) FROM workflow_versions WHERE workflow_id = i.id) AS latest_version_number,"
        " (SELECT json_group_array(name) FROM (SELECT name FROM workflow_labels WHERE workflow_id = i.id"
        ' ORDER BY name)) AS "release_labels [json]"'
    )
    with request.store.read() as db:
        page, rows = listing.page(db, columns, "workflows i", per_page=30)
    common: dict[str, Any] = {"workspace_id": request.store.workspace_id, "user_id": None, "external_ids": []}
    return Response({"items": [{**dict(row), **common} for row in rows], **page.counts, **page.neighbours})


def get_workflow(request: Request) -> Response:
    """Return an agent both flat, as declared, and nested, as recorded and as the SDK reads it."""
    number, label = request.query.version()
    with request.store.read() as db:
        workflow = find(db, request.path["identifier"], WORKFLOW)
        chosen = version(db, workflow, number, label, WORKFLOW)
        nodes = decoded(chosen["spec"])["nodes"]
        required = sorted(_required(db, nodes))
        labels = [row["name"] for row in _labels(db, workflow["id"]) if row["version_id"] == chosen["id"]]
    return Response(
        {
            "success": True,
            "workflow_id": workflow["id"],
            "workflow_name": workflow["name"],
            "version": chosen["number"],
            "version_number": chosen["number"],
            "workflow_version_id": chosen["id"],
            "commit_message": None,
            "required_input_variables": dict.fromkeys(required, "string"),
            "release_labels": labels,
            "created_at": chosen["created_at"],
            "nodes": _nodes(chosen["id"], nodes),
            "edges": _edges(nodes),
            "workflow": {
                "id": workflow["id"],
                "workspace_id": request.store.workspace_id,
                "user_id": None,
                "name": workflow["name"],
                "is_draft": False,
                "is_deleted": bool(workflow["deleted"]),
            },
        }
    )


def _nodes(version_id: int, nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Nodes run one after another, so each depends on the one before it.
    names = [node["name"] for node in nodes]
    return [
        {
            "id": str(number),
            "workflow_version_id": version_id,
            "name": node["name"],
            "node_type": "PROMPT_TEMPLATE",
            "is_output_node": node["output"],
            "configuration": {"prompt": node["prompt"], "variables": node["variables"]},
            "dependencies": names[number - 2 : number - 1] if number > 1 else [],
        }
        for number, node in enumerate(nodes, 1)
    ]


def _edges(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(number),
            "source_node_name": before["name"],
            "target_node_name": after["name"],
            "is_and": True,
            "conditionals": [],
        }
        for number, (before, after) in enumerate(itertools.pairwise(nodes), 1)
    ]


def workflow_labels(request: Request) -> Response:
    """List the labels of an agent."""
    with request.store.read() as db:
        workflow = find(db, request.path["identifier"], WORKFLOW)
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
    """Start an agent: 201, or 202 with a callback. Clients poll for the result or get it over a WebSocket."""
    body = request.body()
    inputs = body.object("input_variables") or {}
    metadata = body.string_map("metadata")
    number = body.optional_id("workflow_version_number")
    label = body.optional_text("workflow_label_name")
    if number is not None and label is not None:
        raise malformed("Specify workflow_version_number or workflow_label_name, not both.")
    callback = body.optional_text("callback_url")
    if callback is not None and not callback.startswith(("http://", "https://")):
        raise body.fault("callback_url", "must be an http or https URL")
    everything = body.flag("return_all_outputs")
    suffix = body.optional_text("channel_name_suffix", least=1, most=MAX_SUFFIX)
    with request.store.write() as db:
        workflow = find(db, request.path["identifier"], WORKFLOW)
        chosen = version(db, workflow, number, label, WORKFLOW)
        missing = sorted(_required(db, decoded(chosen["spec"])["nodes"]) - inputs.keys())
        execution_id = insert(
            db,
            "executions",
            version_id=chosen["id"],
            inputs=encoded(inputs),
            metadata=encoded(metadata),
            callback_url=callback,
            channel=None if suffix is None else f"workflows:{workflow['id']}:run:{suffix}",
            all_outputs=everything,
            created_at=now(),
        )
        enqueue(db, "execution", execution_id)
    request.runner.wake()
    answer = {
        "success": True,
        "message": "Workflow execution created.",
        "warning": f"Missing input variables: {', '.join(missing)}." if missing else None,
        "workflow_version_execution_id": execution_id,
    }
    return Response(answer, 201 if callback is None else 202)


def execution_results(request: Request) -> Response:
    """Return the results of an execution: 200 if it is finished, 202 while it runs.

    Without ``return_all_outputs``, return an object with the output nodes, which every client can read.
    ``false`` follows a recorded response: see ``output``.
    """
    query = request.query
    execution_id = query.integer("workflow_version_execution_id")
    if execution_id is None:
        raise query.fault("workflow_version_execution_id", "is required")
    everything = query.flag("return_all_outputs")
    name, number = query.text("workflow_node_name"), query.integer("workflow_node_id")
    with request.store.read() as db:
        is_finished, nodes = node_results(db, execution_id)
    status = 200 if is_finished else 202
    if name or number:
        chosen = {
            key: node for place, (key, node) in enumerate(nodes.items(), 1) if key == name or place == number
        }
        if not chosen:
            raise not_found(f"Execution {execution_id} has no node {name or number}.")
        return Response(chosen, status)
    if everything is None:
        return Response(_outputs(nodes), status)
    return Response(output(nodes, everything=everything), status)


def node_results(db: Database, execution_id: int) -> tuple[bool, dict[str, dict[str, Any]]]:
    """Return whether an execution is finished, and the results of its nodes by name. Raises a 404."""
    execution = db.execute(
        "SELECT e.results, v.spec FROM executions e JOIN workflow_versions v ON v.id = e.version_id"
        " WHERE e.id = ?",
        (execution_id,),
    ).fetchone()
    if execution is None:
        raise not_found(f"There is no execution with the id {execution_id}.")
    done = decoded(execution["results"])
    nodes = decoded(execution["spec"])["nodes"]
    # Read in the same transaction as the results, so that a finished execution has no unfinished nodes.
    is_finished = not is_queued(db, "execution", execution_id)
    return is_finished, {node["name"]: done.get(node["name"]) or node_result(node, QUEUED) for node in nodes}


def output(nodes: dict[str, dict[str, Any]], *, everything: bool) -> Any:
    """Return the bare value of the only output node if it succeeded, otherwise an object by node name.

    With ``everything``, return all nodes.
    """
    if everything:
        return nodes
    results = _outputs(nodes)
    first = next(iter(results.values()))
    return first["value"] if len(results) == 1 and first["status"] == SUCCESS else results


def _outputs(nodes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: node for name, node in nodes.items() if node["is_output_node"]}


def _labels(db: Database, workflow_id: int) -> list[Row]:
    return db.execute(
        "SELECT l.*, v.number FROM workflow_labels l JOIN workflow_versions v ON v.id = l.version_id"
        " WHERE l.workflow_id = ? ORDER BY l.name",
        (workflow_id,),
    ).fetchall()


def _required(db: Database, nodes: list[dict[str, Any]]) -> set[str]:
    """Return the variables that the nodes' prompts use and no earlier node or computed variable provides."""
    required: set[str] = set()
    provided: set[str] = set()
    for node in nodes:
        prompt = node["prompt"]
        try:
            used = version(db, find(db, prompt["name"]), prompt["version"], prompt["label"])
        except ApiError:
            # The run reports the missing prompt, at its node.
            continue
        required |= set(decoded(used["template"])["input_variables"]) - provided - node["variables"].keys()
        provided.add(node["name"])
    return required
