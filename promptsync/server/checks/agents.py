"""Agents, which the API calls workflows: listing, reading, running, results."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from promptsync.server.http import ApiError, Id, Request, Response, malformed, not_found, row_of
from promptsync.server.listing import MAX_PER_PAGE, ItemQuery
from promptsync.server.prompts import items
from promptsync.server.prompts.items import WORKFLOW, list_labels
from promptsync.server.store.database import Database
from promptsync.server.tables import store
from promptsync.server.tables.compute import RegistryPrompt
from promptsync.server.tables.store import COMPLETED, PROMPT, QUEUED, SheetColumn

AGENT_RUN = "agent run"
"""The kind of its rows in the table of runs."""

MAX_SUFFIX = 200
"""Longest ``channel_name_suffix`` of a run, in characters."""

Nodes = dict[str, dict[str, Any]]
"""Results by the names of the nodes."""


class WorkflowsQuery(ItemQuery, frozen=True):
    """The parameters of the list of agents."""

    per_page: Annotated[int, msgspec.Meta(ge=1, le=MAX_PER_PAGE)] = 30


def list_workflows(request: Request) -> Response:
    """List agents with the names of their labels."""
    query = request.parameters(WorkflowsQuery)
    columns = (
        'i.id, i.name, i.deleted AS "is_deleted [flag]", i.latest AS latest_version_number,'
        " (SELECT json_group_array(name) FROM (SELECT name FROM labels WHERE item_id = i.id"
        ' ORDER BY name)) AS "release_labels [json]", (SELECT workspace_id FROM registry) AS workspace_id,'
        " NULL AS user_id, '[]' AS \"external_ids [json]\""
    )
    with request.store.read() as db:
        page, rows = query.select_page(db, columns, "items i", f"i.kind = '{WORKFLOW}'")
    return Response({"items": [dict(row) for row in rows], **page.counts, **page.neighbours})


def get_workflow(request: Request) -> Response:
    """Return an agent both flat, as declared, and nested, as recorded and as the SDK reads it."""
    number, label = request.version()
    with request.store.read() as db:
        workflow = items.find(db, request.path["identifier"], WORKFLOW)
        version = items.version(db, workflow, number, label)
        nodes = version["body"]["nodes"]
        required = sorted(_required(db, nodes))
        names = "SELECT name FROM labels WHERE version_id = ? ORDER BY name"
        labels = [row["name"] for row in db.execute(names, (version["id"],))]
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
            "nodes": [
                {"id": str(number), "workflow_version_id": version["id"], **node}
                for number, node in enumerate(nodes, 1)
            ],
            "edges": _edges(nodes),
            "workflow": {
                "id": workflow["id"],
                "workspace_id": request.store.workspace_id,
                "user_id": None,
                "name": workflow["name"],
                "is_draft": False,
                "is_deleted": False,
            },
        }
    )


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
    return list_labels(request, WORKFLOW, "workflow_version")


class AgentRunBody(msgspec.Struct):
    """The body that starts a run."""

    input_variables: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    workflow_version_number: Id | None = None
    workflow_label_name: str | None = None
    # Refused, because results are only polled or sent over a WebSocket.
    callback_url: None = None
    return_all_outputs: bool | None = None
    channel_name_suffix: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SUFFIX)] | None = None


def run_workflow(request: Request) -> Response:
    """Start an agent: 201. Clients poll for the result or get it over a WebSocket."""
    body = request.read(AgentRunBody)
    inputs, suffix = body.input_variables or {}, body.channel_name_suffix
    if body.workflow_version_number is not None and body.workflow_label_name is not None:
        raise malformed("Specify workflow_version_number or workflow_label_name, not both.")
    with request.store.write() as db:
        workflow = items.find(db, request.path["identifier"], WORKFLOW)
        version = items.version(db, workflow, body.workflow_version_number, body.workflow_label_name)
        nodes = version["body"]["nodes"]
        missing = sorted(_required(db, nodes) - inputs.keys())
        # A node may be called like an input, which the nodes up to it still read.
        given = {f"input {name}": value for name, value in inputs.items()}
        columns, earlier = [], dict(zip(inputs, given, strict=True))
        for node in nodes:
            config = {
                "template": msgspec.structs.asdict(_prompt(node)),
                "prompt_template_variable_mappings": dict(earlier),
                "variables": node["configuration"]["variables"],
            }
            earlier[node["name"]] = node["name"]
            is_output = node["is_output_node"]
            columns.append(SheetColumn("", node["name"], PROMPT, config, is_output_column=is_output))
        about = {"name": workflow["name"], "all_outputs": bool(body.return_all_outputs)}
        about["channel"] = None if suffix is None else f"workflows:{workflow['id']}:run:{suffix}"
        run_id, sheet_id = store.create_run(db, AGENT_RUN, version, given, [given], columns, **about)
    request.runner.work_on(sheet_id)
    answer = {
        "success": True,
        "message": "Workflow execution created.",
        "warning": f"Missing input variables: {', '.join(missing)}." if missing else None,
        "workflow_version_execution_id": run_id,
    }
    return Response(answer, 201)


class ResultsQuery(msgspec.Struct):
    """Which results to return; see ``output`` for ``return_all_outputs``."""

    workflow_version_execution_id: Id
    return_all_outputs: bool | None = None
    workflow_node_name: str | None = None
    workflow_node_id: Id | None = None


def execution_results(request: Request) -> Response:
    """Return the results of an execution: 200 if it is finished, 202 while it runs."""
    query = request.parameters(ResultsQuery)
    run_id, name = query.workflow_version_execution_id, query.workflow_node_name or query.workflow_node_id
    with request.store.read() as db:
        pending, nodes = node_results(db, run_id)
    if pending is not None:
        request.runner.work_on(pending)
    results = output(nodes, everything=query.return_all_outputs)
    if name:
        # The ids of nodes count from 1, as in the description of the agent.
        results = {key: node for number, (key, node) in enumerate(nodes.items(), 1) if name in (key, number)}
        if not results:
            raise not_found(f"The execution {run_id} has no node {name}.")
    return Response(results, 200 if pending is None else 202)


def node_results(db: Database, run_id: int) -> tuple[str | None, Nodes]:
    """Return the id of the sheet of an execution that is not finished, and the results of its nodes.

    Raises a 404.
    """
    missing = f"There is no execution with the id {run_id}."
    run = row_of(db, "SELECT sheet_id FROM runs WHERE id = ? AND kind = ?", (run_id, AGENT_RUN), missing)
    cells = {cell.column_id: cell for cell in store.cells_of(db, run["sheet_id"])}
    results = {}
    for node in store.columns_of(db, run["sheet_id"]):
        if node.type == PROMPT:
            cell = cells[node.id]
            results[node.title] = {
                "status": "SUCCESS" if cell.status == COMPLETED else cell.status,
                "value": cell.value,
                "error_message": cell.error,
                "raw_error_message": cell.error,
                "is_output_node": node.is_output_column,
                "model": cell.model,
            }
    is_finished = all(cell.status != QUEUED for cell in cells.values())
    return None if is_finished else run["sheet_id"], results


def output(nodes: Nodes, *, everything: bool | None) -> Any:
    """Return all nodes, or the output nodes only, which every client can read.

    With ``False``, return the bare value of the only output node if it succeeded, as recorded.
    """
    if everything:
        return nodes
    results = {name: node for name, node in nodes.items() if node["is_output_node"]}
    first = next(iter(results.values()))
    is_bare = everything is False and len(results) == 1 and first["status"] == "SUCCESS"
    return first["value"] if is_bare else results


def _prompt(node: Mapping[str, Any]) -> RegistryPrompt:
    prompt = node["configuration"]["prompt"]
    return RegistryPrompt(prompt["name"], prompt["version"], prompt["label"])


def _required(db: Database, nodes: list[dict[str, Any]]) -> set[str]:
    """Return the variables that the nodes' prompts use and no earlier node or computed variable provides."""
    required: set[str] = set()
    provided: set[str] = set()
    for node in nodes:
        try:
            template = _prompt(node).version(db)["body"]["prompt_template"]
        except ApiError:
            # The run reports the missing prompt, at its node.
            continue
        required |= set(template["input_variables"]) - provided - node["configuration"]["variables"].keys()
        provided.add(node["name"])
    return required
