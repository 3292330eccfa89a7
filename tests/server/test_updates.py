"""Results of agents over a WebSocket, for a raw client of Centrifugo's protocol and for the official SDK."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from contextlib import contextmanager, suppress
from urllib.parse import quote

import pytest
from registry_server import Caller, chat, completion, flat, running
from tables import sheet_of
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from wire import sent

from promptsync.server import serve
from promptsync.server.app import create_app
from promptsync.server.checks import agents

FIXTURES = """
agents:
  - name: refund agent
    labels: [prod]
    nodes:
      - {name: draft, prompt: {name: support/refund}}
      - {name: answer, prompt: {name: polish}, output: true}
  - name: failing
    nodes: [{name: only, prompt: {name: nobody}}]
"""
CHANNEL, OTHER = "workflows:1:run:abc", "workflows:1:run:other"
RUN = {"input_variables": {"question": "Where?"}, "channel_name_suffix": "abc"}
RESULT = "Q: Where?!"
SECONDS = 120
"""How long a test waits for what must happen."""


@pytest.fixture
def app(app):
    for name, template in (("support/refund", chat("Q: {question}")), ("polish", completion("{draft}!"))):
        assert Caller(app)("POST", "/rest/prompt-templates", flat(name, template)).status == 201
    return app


def token_for(call, channel=CHANNEL):
    answer = call("POST", f"/ws-token-request-library?capability={quote(channel, safe='')}")
    assert answer.status == 201, answer.body
    return answer.body["token_details"]["token"]


def start(call, agent=1, **more):
    return call("POST", f"/workflows/{agent}/run", RUN | more).body["workflow_version_execution_id"]


class Client:
    """A client of Centrifugo's protocol that checks nothing."""

    def __init__(self, connection):
        self.connection = connection
        self.number = 0

    def send(self, *commands):
        self.connection.send("\n".join(json.dumps(command) for command in commands))

    def read(self):
        return json.loads(self.connection.recv(SECONDS))

    def do(self, method, **parameters):
        self.number += 1
        self.send({"id": self.number, method: parameters})
        reply = self.read()
        assert reply.pop("id") == self.number
        return reply

    def subscribe(self, token, channel=CHANNEL):
        assert self.do("connect", token=token)["connect"]["client"]
        assert self.do("subscribe", channel=channel) == {"subscribe": {}}

    def result(self, channel=CHANNEL):
        push = self.read()["push"]
        data = push["pub"]["data"]
        assert (push["channel"], data["message_name"]) == (channel, "SET_WORKFLOW_COMPLETE")
        return json.loads(data["data"])

    def closed(self):
        """Return how the server closed the socket."""
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                self.connection.recv(SECONDS)
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code, caught.value.rcvd.reason


@contextmanager
def client(url):
    address = url.replace("http", "ws") + "/connection/websocket"
    with connect(address, open_timeout=SECONDS) as connection:
        yield Client(connection)


# -- results -------------------------------------------------------------------------------------------


def test_a_result_arrives_on_the_channel_of_its_run_at_every_subscription(call, url):
    with client(url) as ours, client(url) as others:
        ours.subscribe(token_for(call))
        others.subscribe(token_for(call, OTHER), OTHER)
        execution = start(call)
        result = {"workflow_version_execution_id": execution, "final_output": RESULT, "result_code": "OK"}
        assert ours.result() == result
        second = start(call, channel_name_suffix="other")
        assert others.result(OTHER)["workflow_version_execution_id"] == second
    # Also later, and again.
    for channel in (CHANNEL, f"workflow_updates:{execution}"):
        with client(url) as later:
            later.subscribe(token_for(call, channel), channel)
            assert later.result(channel) == result
            assert later.do("unsubscribe", channel=channel) == {"unsubscribe": {}}
            assert later.do("subscribe", channel=channel) == {"subscribe": {}}
            assert later.result(channel) == result


@pytest.mark.parametrize("works", ["here", "there"])
def test_a_result_of_another_process_arrives(app, url, tmp_path, works):
    with create_app(tmp_path / "registry.db") as other, client(url) as subscriber:
        # A subscription works on a run that was started and not finished.
        (other if works == "here" else app).runner.close()
        subscriber.subscribe(token_for(Caller(app)))
        start(Caller(other))
        assert subscriber.result()["final_output"] == RESULT


RUNS = [
    ({"workflow_id_or_name": 1}, RESULT),
    ({"workflow_id_or_name": "refund agent", "workflow_label_name": "prod"}, RESULT),
    ({"workflow_id_or_name": 1, "return_all_outputs": True}, {"draft": "Q: Where?", "answer": RESULT}),
    ({"workflow_id_or_name": 2, "return_all_outputs": True}, {"only": None}),
]


@pytest.mark.parametrize(
    ("is_async", "longest"),
    [(False, agents.MAX_OUTPUT), (True, 1)],
    ids=["sync and sent", "async and fetched because it is long"],
)
def test_the_sdk_runs_an_agent_and_raises_if_it_failed(url, monkeypatch, is_async, longest):
    promptlayer = pytest.importorskip("promptlayer")
    monkeypatch.setattr(agents, "MAX_OUTPUT", longest)
    kind = promptlayer.AsyncPromptLayer if is_async else promptlayer.PromptLayer
    sdk = kind(api_key="pl_test", base_url=url)
    for arguments, outputs in RUNS:
        result = sdk.run_workflow(input_variables=RUN["input_variables"], **arguments)
        result = asyncio.run(result) if is_async else result
        if isinstance(outputs, dict):
            result = {name: node["value"] for name, node in result.items()}
        assert result == outputs, arguments
    if not is_async:
        with pytest.raises(promptlayer.exceptions.PromptLayerAPIError, match="no prompt template called"):
            sdk.run_workflow("failing", input_variables=RUN["input_variables"])


def test_the_progress_of_a_sheet_arrives_and_ends_the_wait_of_the_sdk(app, call, url):
    live_progress = pytest.importorskip("promptlayer.evaluations.live_progress")
    sheet = sheet_of(call, ["Output"], [["a"], ["b"]])
    sheet.column("Words", "COUNT", source="Output", type="words")
    sheet.column("Code", "CODE_EXECUTION")
    operation = sheet("POST", "/operations", {}, status=202)["operation_id"]
    updates = []
    waiting = live_progress.await_sheet_execution_progress(
        api_key="pl_test",
        base_url=url,
        sheet_id=sheet.sheet_id,
        execution_ids=[operation],
        on_execution_update=updates.append,
        timeout_seconds=SECONDS,
    )
    # Without its polling, only the socket ends the wait.
    last = asyncio.run(waiting)[operation]
    counts = {"completed_count": 2, "failed_count": 2, "pending_count": 0, "cell_count": 4}
    assert (
        last
        == updates[-1]
        == {"operation_id": operation, "execution_id": operation, **counts} | {"status": "completed"}
    )


# -- tokens and commands -------------------------------------------------------------------------------

CHANNELS = {
    201: (f"workflows:1:run:{'a' * 200}",),
    404: ("workflows:9:run:abc", "workflow_updates:9", f"smart_sheets:smart_sheet%23{'a' * 36}"),
    422: (
        *("", "x", "workflows:1:run:", "workflows:x:run:abc", "workflow_updates:-1"),
        *(f"workflows:1:run:{'a' * 201}", f"workflow_updates:{'9' * 30}"),
        "smart_sheets:smart_sheet%23a",
    ),
}


def test_which_channels_have_tokens(app, call):
    for status, channels in CHANNELS.items():
        for channel in channels:
            assert call("POST", f"/ws-token-request-library?capability={channel}").status == status, channel
    details = call("POST", f"/ws-token-request-library?capability={CHANNEL}").body["token_details"]
    capability = {key: ["presence", "subscribe"] for key in ("user:1", CHANNEL)}
    assert (details["capability"], details["clientId"]) == (capability, "1")
    assert details["expires"] - details["issued"] == 3_600_000


def test_commands_arrive_together_or_in_pieces_or_as_bytes_and_may_be_refused(call, url):
    connect_command = {"id": 1, "connect": {"token": token_for(call)}}
    with client(url) as subscriber:
        subscriber.send(connect_command, {"id": 2, "subscribe": {"channel": CHANNEL}})
        assert [subscriber.read()["id"], subscriber.read()["id"]] == [1, 2]
    with client(url) as subscriber:
        text = json.dumps(connect_command)
        subscriber.connection.send([text[:5], text[5:9], text[9:]])
        assert subscriber.read()["id"] == 1
        subscriber.connection.send(b'{"id": 2, "subscribe": {"channel": "x"}}\n')
        denied = {"error": {"code": 103, "message": "permission denied"}}
        assert subscriber.read() == {"id": 2, **denied}
        for method, channel in (("subscribe", OTHER), ("subscribe", ""), ("publish", CHANNEL)):
            subscriber.number = 2
            assert subscriber.do(method, channel=channel) == denied


BROKEN = [
    *("x", "[]", "null", "{}", '{"subscribe": {}}', "[" * 5000, b"\xff\xfe"),
    *('{"id": 0, "subscribe": {}}', '{"id": "1", "subscribe": {}}', '{"id": 9, "subscribe": []}'),
    *('{"id": 9, "subscribe": {"channel": 1}}', '{"id": 9, "connect": {"token": "x"}}'),
]


def test_what_closes_a_socket(call, url, tmp_path, monkeypatch):
    (tmp_path / "other.yaml").write_text(FIXTURES)
    with create_app(tmp_path / "other.db", fixtures=tmp_path / "other.yaml") as other:
        of_another_registry = token_for(Caller(other))
    token = token_for(call)
    invalid = ("", "x", CHANNEL, "ß", f"{token}x", token[1:], of_another_registry)
    first = [json.dumps({"id": 1, "connect": {"token": wrong}}) for wrong in invalid]
    for connected, message, reason in (
        *((False, message, (3500, "invalid token")) for message in (*first, '{"id": 1, "connect": {}}')),
        *((False, message, (3501, "bad request")) for message in ('{"id": 1}', '{"id": 1, "subscribe": {}}')),
        *((True, message, (3501, "bad request")) for message in BROKEN),
        *((False, message, (1009, None)) for message in ("x" * 65537, ["x" * 65536, "x"])),
    ):
        with client(url) as stranger:
            if connected:
                stranger.do("connect", token=token)
            # The server may close before the last part is sent.
            with suppress(ConnectionClosed):
                stranger.connection.send(message)
            closed = stranger.closed()
            assert closed == (reason[0], reason[1] or closed[1]), message
    monkeypatch.setattr(agents, "CONNECT_SECONDS", 0.0)
    with client(url) as silent:
        assert silent.closed() == (3502, "stale")


def test_a_failure_closes_the_socket(app, call, url, caplog):
    with client(url) as subscriber:
        subscriber.do("connect", token=token_for(call))
        app.store.close()
        subscriber.send({"id": 2, "subscribe": {"channel": CHANNEL}})
        assert subscriber.closed() == (1011, "the registry failed; see its log")
    assert "is closed" in caplog.text


# -- sockets -------------------------------------------------------------------------------------------


def test_the_number_of_sockets_has_a_limit(url, call, monkeypatch):
    monkeypatch.setattr(serve, "MAX_SOCKETS", 1)
    with client(url) as first:
        with pytest.raises(InvalidStatus) as caught, client(url):
            pass
        assert caught.value.response.status_code == 503
        assert "All 1 WebSockets" in json.loads(caught.value.response.body)["message"]
        first.subscribe(token_for(call))  # it still works
    while True:  # until the server has noticed
        with suppress(InvalidStatus), client(url) as again:
            again.subscribe(token_for(call))
            break


def test_sockets_keep_no_threads_of_the_server_and_are_closed_when_it_stops(app, call):
    with running(app, threads=1) as url, client(url) as first:
        context = client(url)
        second = context.__enter__()
        request = urllib.request.Request(f"{url}/workflows", headers={"X-API-KEY": "k"})
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            assert response.status == 200
        first.subscribe(token_for(call))
        second.subscribe(token_for(call))
    assert second.closed()[0] == 1012
    context.__exit__(None, None, None)


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


def test_which_handshakes_are_accepted(url):
    for changed, status in (
        ({}, 101),
        ({"Sec-WebSocket-Protocol": ""}, 101),
        ({"Sec-WebSocket-Protocol": "centrifuge-protobuf"}, 101),
        ({"Connection": "keep-alive"}, 401),
        ({"Upgrade": "x"}, 401),
        ({"Host": "evil.test"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ):
        assert sent(url, "GET", "/connection/websocket", UPGRADE | changed).status == status, changed
    assert sent(url, "GET", "/other/websocket", UPGRADE).status == 404
