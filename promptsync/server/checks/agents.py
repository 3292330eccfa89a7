"""Agents, which the API calls workflows: listing, reading, running, results.

Results are polled, or sent over a WebSocket as soon as they exist, in the JSON protocol of Centrifugo: a
client gets a token for one channel, sends it in its first message, and subscribes to the channel.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import re
import secrets
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from promptsync.server.http import Answer, ApiError, Id, Request, Response, invalid, row_of
from promptsync.server.listing import MAX_PER_PAGE, ItemQuery
from promptsync.server.prompts import items
from promptsync.server.store.database import Database, Store, encoded
from promptsync.server.tables import store
from promptsync.server.tables.compute import RegistryPrompt
from promptsync.server.tables.rows import progress

if TYPE_CHECKING:
    from promptsync.server.app import Runner
    from promptsync.server.serve import Receive, Send


AGENT_RUN = "agent run"
"""The kind of its rows in the table of runs."""

MAX_SUFFIX = 200
"""Longest ``channel_name_suffix`` of a run, in characters."""


class _WorkflowsQuery(ItemQuery, frozen=True):
    per_page: Annotated[int, msgspec.Meta(ge=1, le=MAX_PER_PAGE)] = 30


def list_workflows(request: Request, db: Database) -> Answer:
    """List agents with the names of their labels."""
    query = request.parameters(_WorkflowsQuery)
    columns = """i.id, i.name, i.deleted AS "is_deleted [flag]", i.latest AS latest_version_number,
        (SELECT json_group_array(name) FROM (SELECT name FROM labels WHERE item_id = i.id ORDER BY name))
            AS "release_labels [json]",
        (SELECT workspace_id FROM registry) AS workspace_id, NULL AS user_id, '[]' AS "external_ids [json]"
    """
    keys, rows = query.select_page(db, columns, "items i", f"i.kind = '{items.WORKFLOW}'")
    return {"items": [dict(row) for row in rows], **keys}


def get_workflow(request: Request, db: Database) -> Answer:
    """Return an agent both flat, as declared, and nested, as recorded and as the SDK reads it."""
    workflow, version = items.requested(request, db, items.WORKFLOW)
    nodes = version["body"]["nodes"]
    names = "SELECT name FROM labels WHERE version_id = ? ORDER BY name"
    labels = [row["name"] for row in db.execute(names, (version["id"],))]
    edge: Answer = {"is_and": True, "conditionals": []}
    about = {"workspace_id": request.workspace_id, "is_draft": False, "is_deleted": False}
    return {
        "success": True,
        "workflow_id": workflow["id"],
        "workflow_name": workflow["name"],
        "version": version["number"],
        "version_number": version["number"],
        "workflow_version_id": version["id"],
        "commit_message": None,
        "required_input_variables": dict.fromkeys(sorted(_required(db, nodes)), "string"),
        "release_labels": labels,
        "created_at": version["created_at"],
        "nodes": [
            {"id": str(number), "workflow_version_id": version["id"], **node}
            for number, node in enumerate(nodes, 1)
        ],
        "edges": [
            {"id": str(number), **edge, "source_node_name": before["name"], "target_node_name": after["name"]}
            for number, (before, after) in enumerate(itertools.pairwise(nodes), 1)
        ],
        "workflow": {"id": workflow["id"], "name": workflow["name"], "user_id": None, **about},
    }


def workflow_labels(request: Request, db: Database) -> Answer:
    """List the labels of an agent."""
    return items.list_labels(request, db, items.WORKFLOW, "workflow_version")


class _RunBody(items.VersionChoice, frozen=True):
    version: Id | None = msgspec.field(default=None, name="workflow_version_number")
    label: str | None = msgspec.field(default=None, name="workflow_label_name")
    input_variables: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    # Refused, because results are only polled or sent over a WebSocket.
    callback_url: None = None
    return_all_outputs: bool | None = None
    channel_name_suffix: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SUFFIX)] | None = None


def run_workflow(request: Request, db: Database) -> Answer:
    """Start an agent: 201. Clients poll for the result or get it over a WebSocket."""
    body = request.read(_RunBody)
    inputs, suffix = body.input_variables or {}, body.channel_name_suffix
    workflow = items.find(db, request.path["identifier"], items.WORKFLOW)
    version = items.version(db, workflow, body.version, body.label)
    nodes = version["body"]["nodes"]
    missing = sorted(_required(db, nodes) - inputs.keys())
    # A node may be called like an input, which the nodes up to it still read.
    given = {f"input {name}": value for name, value in inputs.items()}
    columns, earlier = [], dict(zip(inputs, given, strict=True))
    for node in nodes:
        config = {**node["configuration"], "prompt_template_variable_mappings": dict(earlier)}
        earlier[node["name"]] = node["name"]
        is_output = node["is_output_node"]
        columns.append(store.SheetColumn("", node["name"], store.PROMPT, config, is_output_column=is_output))
    about = {"name": workflow["name"], "all_outputs": bool(body.return_all_outputs)}
    about["channel"] = None if suffix is None else f"workflows:{workflow['id']}:run:{suffix}"
    run_id, sheet_id = store.create_run(db, AGENT_RUN, version, given, [given], columns, **about)
    request.sheets.append(sheet_id)
    return {
        "success": True,
        "message": "Workflow execution created.",
        "warning": f"Missing input variables: {', '.join(missing)}." if missing else None,
        "workflow_version_execution_id": run_id,
    }


class ResultsQuery(msgspec.Struct):
    """Which results to return; see ``output`` for ``return_all_outputs``."""

    workflow_version_execution_id: Id
    return_all_outputs: bool | None = None
    workflow_node_name: str | None = None
    workflow_node_id: Id | None = None


def execution_results(request: Request, db: Database) -> Response:
    """Return the results of an execution: 200 if it is finished, 202 while it runs."""
    query = request.parameters(ResultsQuery)
    run_id, name = query.workflow_version_execution_id, query.workflow_node_name or query.workflow_node_id
    pending, nodes = node_results(db, run_id)
    request.sheets.extend(filter(None, [pending]))
    results = output(nodes, everything=query.return_all_outputs)
    if name:
        # The ids of nodes count from 1, as in the description of the agent.
        results = {key: node for number, (key, node) in enumerate(nodes.items(), 1) if name in (key, number)}
        if not results:
            raise ApiError(404, f"The execution {run_id} has no node {name}.")
    return Response(results, 200 if pending is None else 202)


def node_results(db: Database, run_id: int) -> tuple[str | None, Answer]:
    """Return the id of the sheet of an execution that is not finished, and the results by node; or a 404."""
    missing = f"There is no execution with the id {run_id}."
    run = row_of(db, "SELECT sheet_id FROM runs WHERE id = ? AND kind = ?", (run_id, AGENT_RUN), missing)
    cells = {cell.column_id: cell for cell in store.cells_of(db, run["sheet_id"])}
    results = {}
    for node in store.columns_of(db, run["sheet_id"]):
        if node.type == store.PROMPT:
            cell = cells[node.id]
            status = "SUCCESS" if cell.status == store.COMPLETED else cell.status
            about = {"is_output_node": node.is_output_column}
            errors = {"error_message": cell.error, "raw_error_message": cell.error}
            results[node.title] = {"status": status, "value": cell.value, **errors, **about}
    is_finished = all(cell.status != store.QUEUED for cell in cells.values())
    return None if is_finished else run["sheet_id"], results


def output(nodes: Answer, *, everything: bool | None) -> Any:
    """Return all nodes, or the output nodes only, which every client can read.

    With ``False``, return the bare value of the only output node if it succeeded, as recorded.
    """
    if everything:
        return nodes
    results = {name: node for name, node in nodes.items() if node["is_output_node"]}
    first = next(iter(results.values()))
    is_bare = everything is False and len(results) == 1 and first["status"] == "SUCCESS"
    return first["value"] if is_bare else results


def _required(db: Database, nodes: list[dict[str, Any]]) -> set[str]:
    """Return the variables that the nodes' prompts use and no earlier node or computed variable provides."""
    required: set[str] = set()
    provided: set[str] = set()
    for node in nodes:
        config = node["configuration"]
        # The run reports a missing prompt, at its node.
        with suppress(ApiError):
            template = RegistryPrompt(**config["template"]).version(db)["body"]["prompt_template"]
            required |= set(template["input_variables"]) - provided - config["variables"].keys()
        provided.add(node["name"])
    return required


CONNECT_SECONDS = 15.0
"""How long a client may take to send its token."""
TICK_SECONDS: Final = 0.2
"""How often a subscription looks for results."""

MAX_OUTPUT: Final = 64 * 1024
"""Largest result that is sent, in bytes. Clients fetch larger ones."""

_CHANNEL: Final = re.compile(
    rf"workflows:(?P<workflow>[0-9]{{1,18}}):run:.{{1,{MAX_SUFFIX}}}|workflow_updates:(?P<execution>[0-9]{{1,18}})"
    r"|smart_sheets:smart_sheet#(?P<sheet>[0-9a-f-]{36})",
    re.DOTALL,
)
_PROGRESS: Final = "SMART_TABLE_EXECUTION_STATUS_UPDATE"
_SECRET: Final = secrets.token_bytes()
"""Signs the tokens of this process."""


def issue_token(request: Request, db: Database) -> Answer:
    """Return a token for the channel ``capability``: runs with a suffix, one execution, or a sheet."""
    channel = request.query.get("capability", [""])[-1]
    match = _CHANNEL.fullmatch(channel)
    if match is None:
        rule = "must be workflows:<id>:run:<suffix>, workflow_updates:<execution id> or a sheet's channel"
        raise invalid(f"capability {rule}.", "query", "capability")
    if match["workflow"]:
        items.find(db, match["workflow"], items.WORKFLOW)
    elif match["sheet"]:
        row_of(db, "SELECT id FROM sheets WHERE id = ?", (match["sheet"],), "There is no such sheet.")
    else:
        node_results(db, int(match["execution"]))
    issued, workspace_id = int(time.time() * 1000), request.workspace_id
    details = {"issued": issued, "expires": issued + 3600 * 1000, "token": _token(workspace_id, channel)}
    capability = {key: ["presence", "subscribe"] for key in ("user:1", channel)}
    details |= {"capability": capability, "clientId": "1"}
    return {"success": True, "token_details": details, "messaging_backend": "centrifugo"}


def _token(workspace_id: int, channel: str) -> str:
    """Return the only token for a channel, which ends with its name."""
    signed = f"{workspace_id} {channel}".encode()
    return f"{hmac.digest(_SECRET, signed, 'sha256').hex()} {channel}"


class SocketClosed(Exception):
    """Raised with a code and a reason to close a WebSocket."""


class _About(msgspec.Struct):
    token: str = ""
    channel: str = ""


class _Command(msgspec.Struct):
    """One line of a message: its number, and one of the commands."""

    id: Id
    connect: _About | None = None
    subscribe: _About | None = None
    unsubscribe: _About | None = None


async def converse(store: Store, runner: Runner, receive: Receive, send: Send) -> None:
    """Answer the commands of one client and send it results, until it is gone."""
    conversation = _Conversation(store, runner)
    deadline = time.monotonic() + CONNECT_SECONDS
    receiving = asyncio.ensure_future(receive())
    try:
        while True:
            await asyncio.wait({receiving}, timeout=TICK_SECONDS)
            if receiving.done():
                message = receiving.result()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("bytes") or message.get("text", "").encode()
                for line in filter(None, data.split(b"\n")):
                    await send({"type": "websocket.send", "text": conversation.answer(line)})
                receiving = asyncio.ensure_future(receive())
            if not conversation.channel and time.monotonic() > deadline:
                raise SocketClosed(3502, "stale")
            if conversation.is_subscribed:
                for push in await asyncio.to_thread(conversation.results):
                    await send({"type": "websocket.send", "text": push})
    finally:
        receiving.cancel()


class _Conversation(msgspec.Struct):
    """What one client may hear, and what it has heard. It has no channel until it has sent a token."""

    store: Store
    runner: Runner
    channel: str = ""
    is_subscribed: bool = False
    heard: set[str] = set()

    def answer(self, line: bytes) -> str:
        """Return the response to a command."""
        try:
            command = msgspec.json.decode(line, type=_Command)
        except (ValueError, RecursionError):
            raise SocketClosed(3501, "bad request") from None
        if (command.connect is None) is not bool(self.channel):
            raise SocketClosed(3501, "bad request")
        wanted = command.subscribe or command.unsubscribe
        if command.connect is not None:
            token = command.connect.token
            self.channel = token.partition(" ")[2]
            valid = _token(self.store.workspace_id, self.channel)
            if not hmac.compare_digest(token.encode(), valid.encode()):
                raise SocketClosed(3500, "invalid token")
            answer: Answer = {"connect": {"client": str(uuid.uuid4())}}
        elif wanted is None or wanted.channel != self.channel:
            answer = {"error": {"code": 103, "message": "permission denied"}}
        else:
            self.is_subscribed = command.subscribe is not None
            self.heard.clear()
            answer = {"subscribe" if self.is_subscribed else "unsubscribe": {}}
        return encoded({"id": command.id, **answer})

    def results(self) -> list[str]:
        """Return the messages that the client has not heard yet; work on what is due."""
        _, _, sheet_id = self.channel.partition("smart_sheet#")
        values = self.channel, self.channel.removeprefix("workflow_updates:")
        sql = "SELECT id, all_outputs FROM runs WHERE channel = ? OR id = ? ORDER BY id DESC LIMIT 100"
        due = {sheet_id}
        # Another process may finish executions of the same database, so only the database knows.
        with self.store.read() as db:
            messages = [_message(self.channel, _PROGRESS, update) for update in progress(db, sheet_id)]
            for run in db.execute(sql, values).fetchall():
                pending, nodes = node_results(db, run["id"])
                if pending is None:
                    result = output(nodes, everything=bool(run["all_outputs"]))
                    messages.append(_completed(self.channel, run["id"], result))
                due.add(pending or "")
        for pending in due - {""}:
            self.runner.work_on(pending)
        new = [message for message in messages if message not in self.heard]
        self.heard.update(new)
        return new


def _completed(channel: str, execution_id: int, result: Any) -> str:
    """Return the message with the result of an execution, or that the result is too large for one."""
    code = "OK"
    if len(encoded(result).encode()) > MAX_OUTPUT:
        code, path = "EXCEEDS_SIZE_LIMIT", "/workflow-version-execution-results?workflow_version_execution_id"
        result = f"The result is larger than {MAX_OUTPUT:,} bytes. Fetch it with GET {path}={execution_id}."
    about = {"workflow_version_execution_id": execution_id, "final_output": result, "result_code": code}
    return _message(channel, "SET_WORKFLOW_COMPLETE", about)


def _message(channel: str, name: str, about: Answer) -> str:
    data = {"message_name": name, "data": encoded(about)}
    return encoded({"push": {"channel": channel, "pub": {"data": data}}})
