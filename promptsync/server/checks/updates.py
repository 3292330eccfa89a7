"""Results of executions, sent over a WebSocket as soon as they exist, in Centrifugo's JSON protocol.

A client gets a token for one channel, sends it in its first message, and subscribes to the channel.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from promptsync.server.checks.agents import MAX_SUFFIX, node_results, output
from promptsync.server.http.answer import ApiError, Response
from promptsync.server.http.body import parse_json
from promptsync.server.http.fields import read_id
from promptsync.server.http.request import Request
from promptsync.server.http.sockets import UPGRADE, SocketClosed
from promptsync.server.prompts.find import WORKFLOW, find
from promptsync.server.routes import WEBSOCKET
from promptsync.server.store.database import Database, Store, encoded

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TOKEN_SECONDS: Final = 3600
CONNECT_SECONDS = 15.0
"""How long a client may take to send its token."""
PING_SECONDS = 25.0
PONG_SECONDS = 8.0
MAX_COMMANDS: Final = 1000
"""Most commands that a client may send over one socket, not counting its responses to pings."""

MAX_OUTPUT: Final = 64 * 1024
"""Largest result that is sent, in bytes. Clients fetch larger ones."""

_CHANNEL: Final = re.compile(
    rf"workflows:(?P<workflow>[0-9]{{1,18}}):run:.{{1,{MAX_SUFFIX}}}|workflow_updates:(?P<execution>[0-9]{{1,18}})",
    re.DOTALL,
)
_MOST_RUNS: Final = 100
_SECRET: Final = secrets.token_bytes(32)


def issue_token(request: Request) -> Response:
    """Return a token for the channel ``capability``: runs with a suffix, or one execution."""
    channel = request.query.text("capability") or ""
    match = _CHANNEL.fullmatch(channel)
    if match is None:
        raise request.query.fault(
            "capability",
            "must be workflows:<id>:run:<channel_name_suffix> or workflow_updates:<execution id>",
        )
    with request.store.read() as db:
        if match["workflow"]:
            find(db, match["workflow"], WORKFLOW)
        else:
            node_results(db, int(match["execution"]))
    issued = int(time.time() * 1000)
    expires = issued + TOKEN_SECONDS * 1000
    details = {
        "expires": expires,
        "token": _token(request.store, expires, channel),
        "issued": issued,
        "capability": {channel: ["subscribe"]},
        "clientId": str(request.store.workspace_id),
    }
    return Response({"success": True, "token_details": details, "messaging_backend": "centrifugo"}, 201)


def connect(environ: WSGIEnvironment, store: Store) -> Response:
    """Turn the connection into a WebSocket that sends the results of executions."""
    if environ["REQUEST_METHOD"] != "GET":
        raise ApiError(405, f"{WEBSOCKET} accepts only GET.", headers={"Allow": "GET"})
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
        raise ApiError(400, f"{WEBSOCKET} is a WebSocket; send the header Upgrade: websocket.")
    if UPGRADE not in environ:
        raise ApiError(404, "Only promptsync serve has WebSockets, not a registry inside a program.")
    environ[UPGRADE](Updates(store))
    return Response(status=204)


def _token(store: Store, expires: int, channel: str) -> str:
    text = f"{expires}:{channel}"
    return hmac.new(_SECRET, f"{store.workspace_id}:{text}".encode(), hashlib.sha256).hexdigest() + text


def _token_parts(store: Store, token: object) -> tuple[int, str]:
    """Return when a token expires, in milliseconds, and its channel."""
    if not token:
        raise _bad_request()
    text, _, channel = str(token)[hashlib.sha256().digest_size * 2 :].partition(":")
    expires = read_id(text) or 0
    if not hmac.compare_digest(str(token).encode(), _token(store, expires, channel).encode()):
        raise SocketClosed(3500, "invalid token")
    return expires, channel


def _bad_request() -> SocketClosed:
    return SocketClosed(3501, "bad request")


class _CommandError(Exception):
    """A response with an error: its code and its message in Centrifugo."""


class Updates:
    """The ``SocketHandler`` of one socket."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._channel: str | None = None
        """The channel of the token, ``None`` until the client has sent one."""
        self._subscribed = False
        self._sent: set[int] = set()
        self._commands = 0
        self._due = time.monotonic() + CONNECT_SECONDS
        """When to send the next ping, or to give up waiting for the client."""
        self._waiting = True

    def receive(self, message: bytes) -> Iterator[str]:
        """Handle the commands of a message, one per line."""
        for line in filter(None, message.split(b"\n")):
            try:
                command = parse_json(line)
            except ApiError:
                raise _bad_request() from None
            if command == {} and self._channel is not None:
                self._wait(PING_SECONDS, waiting=False)
            else:
                yield encoded(self._handle(command))

    def tick(self) -> Iterator[str]:
        """Send results, and a ping if one is due; close the socket if the client is gone."""
        if time.monotonic() > self._due:
            if self._channel is None:
                raise SocketClosed(3502, "stale")
            if self._waiting:
                raise SocketClosed(3012, "no pong")
            self._wait(PONG_SECONDS, waiting=True)
            yield "{}"
        if self._subscribed and self._channel is not None:
            yield from self._results(self._channel)

    def _wait(self, seconds: float, *, waiting: bool) -> None:
        self._waiting, self._due = waiting, time.monotonic() + seconds

    def _handle(self, command: Any) -> dict[str, Any]:
        self._commands += 1
        if self._commands > MAX_COMMANDS:
            raise SocketClosed(3013, "too many requests")
        if not isinstance(command, dict) or len(command) != 2:
            raise _bad_request()
        number = command.pop("id", None)
        method, parameters = command.popitem()
        is_first = self._channel is None
        if type(number) is not int or number < 1 or command or not isinstance(parameters, dict):
            raise _bad_request()
        if (method == "connect") is not is_first:
            raise _bad_request()
        try:
            return {"id": number, method: self._do(method, parameters)}
        except _CommandError as error:
            code, message = error.args
            return {"id": number, "error": {"code": code, "message": message}}

    def _do(self, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if method == "connect":
            return self._connect(parameters.get("token"))
        if method not in {"subscribe", "unsubscribe"}:
            raise _CommandError(108, "not available")
        if parameters.get("channel") != self._channel:
            raise _CommandError(103, "permission denied")
        if method == "subscribe" and self._subscribed:
            raise _CommandError(105, "already subscribed")
        self._subscribed = method == "subscribe"
        self._sent.clear()
        return {}

    def _connect(self, token: object) -> dict[str, Any]:
        expires, channel = _token_parts(self._store, token)
        if expires < time.time() * 1000:
            raise _CommandError(109, "token expired")
        self._channel = channel
        self._wait(PING_SECONDS, waiting=False)
        return {"client": str(uuid.uuid4()), "ping": math.ceil(PING_SECONDS), "pong": True}

    def _results(self, channel: str) -> Iterator[str]:
        # Another process may finish executions of the same database, so only the database knows.
        with self._store.read() as db:
            for execution_id, everything in _executions(db, channel):
                if execution_id in self._sent:
                    continue
                is_finished, nodes = node_results(db, execution_id)
                if is_finished:
                    self._sent.add(execution_id)
                    found = _completed(execution_id, output(nodes, everything=everything))
                    data = {"message_name": "SET_WORKFLOW_COMPLETE", "data": encoded(found)}
                    yield encoded({"push": {"channel": channel, "pub": {"data": data}}})


def _executions(db: Database, channel: str) -> list[tuple[int, bool]]:
    """Return the newest executions of a channel: their ids, and whether each returns all nodes."""
    prefix, _, execution_id = channel.partition(":")
    column, value = ("id", execution_id) if prefix == "workflow_updates" else ("channel", channel)
    rows = db.execute(
        f"SELECT id, all_outputs FROM runs WHERE {column} = ? ORDER BY id DESC LIMIT {_MOST_RUNS}",
        (value,),
    )
    return [(row["id"], bool(row["all_outputs"])) for row in rows]


def _completed(execution_id: int, result: Any) -> dict[str, Any]:
    code = "OK"
    if len(encoded(result).encode()) > MAX_OUTPUT:
        code = "EXCEEDS_SIZE_LIMIT"
        result = (
            f"The result is larger than {MAX_OUTPUT:,} bytes. Fetch it with "
            f"GET /workflow-version-execution-results?workflow_version_execution_id={execution_id}."
        )
    return {"workflow_version_execution_id": execution_id, "final_output": result, "result_code": code}
