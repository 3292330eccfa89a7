"""Results of executions, sent over a WebSocket as soon as they exist, in Centrifugo's JSON protocol.

A client gets a token for one channel, sends it in its first message, and subscribes to the channel.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec

from promptsync.server.checks.agents import MAX_SUFFIX, node_results, output
from promptsync.server.http import Id, Request, Response, invalid
from promptsync.server.prompts.items import WORKFLOW, find
from promptsync.server.store.database import Store, encoded

if TYPE_CHECKING:
    from promptsync.server.checks.runner import Runner
    from promptsync.server.serve import Receive, Send

CONNECT_SECONDS = 15.0
"""How long a client may take to send its token."""
TICK_SECONDS: Final = 0.2
"""How often a subscription looks for results."""

MAX_OUTPUT: Final = 64 * 1024
"""Largest result that is sent, in bytes. Clients fetch larger ones."""

_CHANNEL: Final = re.compile(
    rf"workflows:(?P<workflow>[0-9]{{1,18}}):run:.{{1,{MAX_SUFFIX}}}|workflow_updates:(?P<execution>[0-9]{{1,18}})",
    re.DOTALL,
)
_MOST_RUNS: Final = 100
_SECRET: Final = secrets.token_bytes()
"""Signs the tokens of this process."""


class _TokenQuery(msgspec.Struct):
    capability: str = ""


def issue_token(request: Request) -> Response:
    """Return a token for the channel ``capability``: runs with a suffix, or one execution."""
    channel = request.parameters(_TokenQuery).capability
    match = _CHANNEL.fullmatch(channel)
    if match is None:
        rule = "must be workflows:<id>:run:<suffix> or workflow_updates:<execution id>"
        raise invalid(f"capability {rule}.", "query", "capability")
    with request.store.read() as db:
        if match["workflow"]:
            find(db, match["workflow"], WORKFLOW)
        else:
            node_results(db, int(match["execution"]))
    issued = int(time.time() * 1000)
    details = {
        "expires": issued + 3600 * 1000,
        "token": _token(request.store, channel),
        "issued": issued,
        "capability": {channel: ["subscribe"]},
        "clientId": str(request.store.workspace_id),
    }
    return Response({"success": True, "token_details": details, "messaging_backend": "centrifugo"}, 201)


def _token(store: Store, channel: str) -> str:
    """Return the only token for a channel, which ends with its name."""
    signed = f"{store.workspace_id} {channel}".encode()
    return f"{hmac.digest(_SECRET, signed, 'sha256').hex()} {channel}"


class SocketClosed(Exception):
    """Raised to close a WebSocket with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Token(msgspec.Struct):
    token: str


class _Channel(msgspec.Struct):
    channel: str = ""


class _Command(msgspec.Struct):
    """One line of a message: its number, and one of the commands."""

    id: Id
    connect: _Token | None = None
    subscribe: _Channel | None = None
    unsubscribe: _Channel | None = None


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
            if conversation.channel is None and time.monotonic() > deadline:
                raise SocketClosed(3502, "stale")
            if conversation.is_subscribed:
                for push in await asyncio.to_thread(conversation.results):
                    await send({"type": "websocket.send", "text": push})
    finally:
        receiving.cancel()


class _Conversation:
    """What one client may hear, and what it has heard."""

    def __init__(self, store: Store, runner: Runner) -> None:
        self._store = store
        self._runner = runner
        self.channel: str | None = None
        """The channel of the token, ``None`` until the client has sent one."""
        self.is_subscribed = False
        self._sent: set[int] = set()

    def answer(self, line: bytes) -> str:
        """Return the response to a command."""
        try:
            command = msgspec.json.decode(line, type=_Command)
        except (ValueError, RecursionError):
            raise SocketClosed(3501, "bad request") from None
        if (command.connect is None) is (self.channel is None):
            raise SocketClosed(3501, "bad request")
        return encoded({"id": command.id, **self._obey(command)})

    def _obey(self, command: _Command) -> dict[str, Any]:
        if command.connect is not None:
            token = command.connect.token
            self.channel = token.partition(" ")[2]
            if not hmac.compare_digest(token.encode(), _token(self._store, self.channel).encode()):
                raise SocketClosed(3500, "invalid token")
            return {"connect": {"client": str(uuid.uuid4())}}
        subscription = command.subscribe or command.unsubscribe
        if subscription is None or subscription.channel != self.channel:
            return {"error": {"code": 103, "message": "permission denied"}}
        self.is_subscribed = command.subscribe is not None
        self._sent.clear()
        return {"subscribe" if command.subscribe else "unsubscribe": {}}

    def results(self) -> list[str]:
        """Return messages with the results that the client has not heard yet; work on those that are due."""
        channel = self.channel or ""
        values = channel, channel.removeprefix("workflow_updates:"), _MOST_RUNS
        sql = "SELECT id, all_outputs FROM runs WHERE channel = ? OR id = ? ORDER BY id DESC LIMIT ?"
        messages = []
        # Another process may finish executions of the same database, so only the database knows.
        with self._store.read() as db:
            for run in db.execute(sql, values).fetchall():
                if run["id"] in self._sent:
                    continue
                pending, nodes = node_results(db, run["id"])
                if pending is not None:
                    self._runner.work_on(pending)
                    continue
                self._sent.add(run["id"])
                result = output(nodes, everything=bool(run["all_outputs"]))
                messages.append(_completed(channel, run["id"], result))
        return messages


def _completed(channel: str, execution_id: int, result: Any) -> str:
    """Return the message with the result of an execution, or that the result is too large for one."""
    code = "OK"
    if len(encoded(result).encode()) > MAX_OUTPUT:
        code = "EXCEEDS_SIZE_LIMIT"
        result = (
            f"The result is larger than {MAX_OUTPUT:,} bytes. Fetch it with "
            f"GET /workflow-version-execution-results?workflow_version_execution_id={execution_id}."
        )
    about = {"workflow_version_execution_id": execution_id, "final_output": result, "result_code": code}
    data = {"message_name": "SET_WORKFLOW_COMPLETE", "data": encoded(about)}
    return encoded({"push": {"channel": channel, "pub": {"data": data}}})
