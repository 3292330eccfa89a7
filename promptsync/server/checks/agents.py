"""Agents, which the API calls workflows: listing, reading, running, results."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

import msgspec

from promptsync.server.checks.runs import AGENT_RUN, RunStep, create_run, is_under_way, steps_of
from promptsync.server.http.answer import ApiError, Response, malformed, not_found
from promptsync.server.http.fields import Id
from promptsync.server.http.listing import MAX_PER_PAGE, ItemQuery, Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.items import WORKFLOW
from promptsync.server.store.database import Database, encoded

MAX_SUFFIX = 200
"""Longest ``channel_name_suffix`` of a run, in characters."""

SUCCESS = "SUCCESS"
CALLBACK = "callback_url"
"""The key in the inputs of a last step that calls back."""


class WorkflowsQuery(ItemQuery, frozen=True):
    """The parameters of the list of agents."""

    per_page: Annotated[int, msgspec.Meta(ge=1, le=MAX_PER_PAGE)] = 30


def list_workflows(request: Request) -> Response:
    """List agents with the names of their labels."""
    listing = Listing.of_kind(request.parameters(WorkflowsQuery), WORKFLOW)
    columns = (
        'i.id, i.name, i.deleted AS "is_deleted [flag]", i.latest AS latest_version_number,'
        " (SELECT json_group_array(name) FROM (SELECT name FROM labels WHERE item_id = i.id"
        ' ORDER BY name)) AS "release_labels [json]"'
    )
    with request.store.read() as db:
        page, rows = listing.page(db, columns, "items i")
    common: dict[str, Any] = {"workspace_id": request.store.workspace_id, "user_id": None, "external_ids": []}
    return Response({"items": [{**dict(row), **common} for row in rows], **page.counts, **page.neighbours})


def get_workflow(request: Request) -> Response:
    """Return an agent both flat, as declared, and nested, as recorded and as the SDK reads it."""
    number, label = request.version()
    with request.store.read() as db:
        workflow = items.find(db, request.path["identifier"], WORKFLOW)
        chosen = items.version(db, workflow, number, label)
        nodes = chosen["body"]["nodes"]
        required = sorted(_required(db, nodes))
        labels = [row["name"] for row in items.labels(db, workflow) if row["version_id"] == chosen["id"]]
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
        workflow = items.find(db, request.path["identifier"], WORKFLOW)
        labels = [
            {
                "release_label": row["name"],
                "release_label_id": row["id"],
                "workflow_version_id": row["version_id"],
                "workflow_version_number": row["number"],
            }
            for row in items.labels(db, workflow)
        ]
    return Response({"success": True, "release_labels": labels})


class AgentRunBody(msgspec.Struct):
    """The body that starts a run."""

    input_variables: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    workflow_version_number: Id | None = None
    workflow_label_name: str | None = None
    callback_url: Annotated[str, msgspec.Meta(pattern="^https?://")] | None = None
    return_all_outputs: bool | None = None
    channel_name_suffix: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SUFFIX)] | None = None


def run_workflow(request: Request) -> Response:
    """Start an agent: 201, or 202 with a callback. Clients poll for the result or get it over a WebSocket."""
    body = request.read(AgentRunBody)
    inputs, number, label = body.input_variables or {}, body.workflow_version_number, body.workflow_label_name
    if number is not None and label is not None:
        raise malformed("Specify workflow_version_number or workflow_label_name, not both.")
    with request.store.write() as db:
        workflow = items.find(db, request.path["identifier"], WORKFLOW)
        chosen = items.version(db, workflow, number, label)
        steps = chosen["body"]["nodes"]
        missing = sorted(_required(db, steps) - inputs.keys())
        if body.callback_url is not None:
            steps.append({CALLBACK: body.callback_url})
        suffix = body.channel_name_suffix
        run_id = create_run(
            db,
            AGENT_RUN,
            chosen["id"],
            encoded(steps),
            name=workflow["name"],
            spec=encoded({"input_variables": inputs, "metadata": body.metadata}),
            channel=None if suffix is None else f"workflows:{workflow['id']}:run:{suffix}",
            all_outputs=bool(body.return_all_outputs),
        )
    request.runner.work_on(run_id)
    answer = {
        "success": True,
        "message": "Workflow execution created.",
        "warning": f"Missing input variables: {', '.join(missing)}." if missing else None,
        "workflow_version_execution_id": run_id,
    }
    return Response(answer, 201 if body.callback_url is None else 202)


class ResultsQuery(msgspec.Struct):
    """Which results to return. Without ``return_all_outputs``, an object with the output nodes.

    Every client can read that. ``false`` follows a recorded response: see ``output``.
    """

    workflow_version_execution_id: Id
    return_all_outputs: bool | None = None
    workflow_node_name: str | None = None
    workflow_node_id: Id | None = None


def execution_results(request: Request) -> Response:
    """Return the results of an execution: 200 if it is finished, 202 while it runs."""
    query = request.parameters(ResultsQuery)
    run_id, name, number = (
        query.workflow_version_execution_id,
        query.workflow_node_name,
        query.workflow_node_id,
    )
    with request.store.read() as db:
        is_finished, nodes = node_results(db, run_id)
    if not is_finished:
        request.runner.work_on(run_id)
    status = 200 if is_finished else 202
    if name or number:
        chosen = {
            key: node for place, (key, node) in enumerate(nodes.items(), 1) if key == name or place == number
        }
        if not chosen:
            raise not_found(f"Execution {run_id} has no node {name or number}.")
        return Response(chosen, status)
    if query.return_all_outputs is None:
        return Response(_outputs(nodes), status)
    return Response(output(nodes, everything=query.return_all_outputs), status)


def node_results(db: Database, run_id: int) -> tuple[bool, dict[str, dict[str, Any]]]:
    """Return whether an execution is finished, and the results of its nodes by name. Raises a 404."""
    run = db.execute("SELECT model FROM runs WHERE id = ? AND kind = ?", (run_id, AGENT_RUN)).fetchone()
    if run is None:
        raise not_found(f"There is no execution with the id {run_id}.")
    steps = steps_of(db, run_id)
    nodes = {
        step.inputs["name"]: _node_result(step, run["model"]) for step in steps if CALLBACK not in step.inputs
    }
    return not is_under_way(steps), nodes


def _node_result(step: RunStep, model: str | None) -> dict[str, Any]:
    if step.cells is None:
        status, value, error = "QUEUED", None, None
    else:
        value, error = step.cells[0].value, step.cells[0].error
        status = SUCCESS if error is None else "FAILED"
    return {
        "status": status,
        "value": value,
        "error_message": error,
        "raw_error_message": error,
        "is_output_node": step.inputs["output"],
        "model": model,
    }


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


def _required(db: Database, nodes: list[dict[str, Any]]) -> set[str]:
    """Return the variables that the nodes' prompts use and no earlier node or computed variable provides."""
    required: set[str] = set()
    provided: set[str] = set()
    for node in nodes:
        prompt = node["prompt"]
        try:
            used = items.version(db, items.find(db, prompt["name"]), prompt["version"], prompt["label"])
        except ApiError:
            # The run reports the missing prompt, at its node.
            continue
        required |= (
            set(used["body"]["prompt_template"]["input_variables"]) - provided - node["variables"].keys()
        )
        provided.add(node["name"])
    return required
