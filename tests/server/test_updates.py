"""Results of agents over a WebSocket, for a raw client of Centrifugo's protocol and for the official SDK."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from urllib.parse import quote, urlsplit

import pytest
from registry_server import Caller, chat, completion, flat, running
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

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
CHANNEL = "workflows:1:run:abc"
RUN = {"input_variables": {"question": "Where?"}, "channel_name_suffix": "abc"}
RESULT = "Q: Where?!"
SECONDS = 120
"""How long a test waits for what must happen."""


@pytest.fixture
def fixtures(tmp_path):
    (tmp_path / "registry.yaml").write_text(FIXTURES)
    return tmp_path / "registry.yaml"


@pytest.fixture
def app(app):
    for name, template in (("support/refund", chat("Q: {question}")), ("polish", completion("{draft}!"))):
        assert Caller(app)("POST", "/rest/prompt-templates", flat(name, template)).status == 201
    return app


@pytest.fixture
def url(app):
    with running(app) as base_url:
        yield base_url


def token_for(call, channel=CHANNEL):
    answer = call("POST", f"/ws-token-request-library?capability={quote(channel, safe='')}")
    assert answer.status == 201, answer.body
    return answer.body["token_details"]["token"]


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

    def result(self, channel=CHANNEL, name="SET_WORKFLOW_COMPLETE"):
        push = self.read()["push"]
        assert push["channel"] == channel
        data = push["pub"]["data"]
        assert data["message_name"] == name
        return json.loads(data["data"])

    def closed(self):
        """Return how the server closed the socket."""
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                self.connection.recv(SECONDS)
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code, caught.value.rcvd.reason


@contextmanager
def client(url, **options):
    address = url.replace("http", "ws") + "/connection/websocket"
    with connect(address, open_timeout=SECONDS, **options) as connection:
        yield Client(connection)


# -- results -------------------------------------------------------------------------------------------


def test_a_result_arrives_on_the_channel_of_the_run(call, url):
    with client(url) as ours, client(url) as others:
        ours.subscribe(token_for(call))
        others.subscribe(token_for(call, "workflows:1:run:other"), "workflows:1:run:other")
        execution = call("POST", "/workflows/1/run", RUN).body["workflow_version_execution_id"]
        assert ours.result() == {
            "workflow_version_execution_id": execution,
            "final_output": RESULT,
            "result_code": "OK",
        }
        second = call("POST", "/workflows/1/run", RUN | {"channel_name_suffix": "other"}).body
        result = others.result("workflows:1:run:other")
        assert result["workflow_version_execution_id"] == second["workflow_version_execution_id"]


@pytest.mark.parametrize("everything", [None, False, True])
@pytest.mark.parametrize("agent", [1, 2])
def test_a_result_is_what_polling_returns(call, url, agent, everything):
    body = RUN | {"return_all_outputs": everything}
    execution = call("POST", f"/workflows/{agent}/run", body).body["workflow_version_execution_id"]
    channel = f"workflow_updates:{execution}"
    with client(url) as subscriber:
        subscriber.subscribe(token_for(call, channel), channel)
        sent = subscriber.result(channel)["final_output"]
    flag = "true" if everything else "false"
    path = f"/workflow-version-execution-results?workflow_version_execution_id={execution}"
    assert call("GET", f"{path}&return_all_outputs={flag}").body == sent
    assert (sent == RESULT) is (agent == 1 and not everything)


def test_a_finished_execution_sends_its_result_to_every_subscription(call, url):
    call("POST", "/workflows/1/run", RUN)
    with client(url) as first:
        first.subscribe(token_for(call))
        execution = first.result()["workflow_version_execution_id"]
    for channel in (CHANNEL, f"workflow_updates:{execution}"):
        with client(url) as later:
            later.subscribe(token_for(call, channel), channel)
            assert later.result(channel)["final_output"] == RESULT
            assert later.do("unsubscribe", channel=channel) == {"unsubscribe": {}}
            assert later.do("subscribe", channel=channel) == {"subscribe": {}}
            assert later.result(channel)["final_output"] == RESULT


@pytest.mark.parametrize("works", ["here", "there"])
def test_a_result_of_another_process_arrives(app, url, tmp_path, works):
    with create_app(tmp_path / "registry.db") as other, client(url) as subscriber:
        # A subscription works on a run that was started and not finished.
        (other if works == "here" else app).runner.close()
        subscriber.subscribe(token_for(Caller(app)))
        Caller(other)("POST", "/workflows/1/run", RUN)
        assert subscriber.result()["final_output"] == RESULT


def test_a_long_result_has_to_be_fetched(call, url, monkeypatch):
    monkeypatch.setattr(agents, "MAX_OUTPUT", len(json.dumps(RESULT)) - 1)
    with client(url) as subscriber:
        subscriber.subscribe(token_for(call))
        call("POST", "/workflows/1/run", RUN)
        result = subscriber.result()
    assert result["result_code"] == "EXCEEDS_SIZE_LIMIT"
    path = result["final_output"].rpartition("GET ")[2].rstrip(".")
    assert call("GET", f"{path}&return_all_outputs=false").body == RESULT


# -- the official SDK ----------------------------------------------------------------------------------

RUNS = [
    ({"workflow_id_or_name": 1}, RESULT),
    ({"workflow_id_or_name": "refund agent"}, RESULT),
    ({"workflow_id_or_name": 1, "workflow_label_name": "prod"}, RESULT),
    ({"workflow_id_or_name": 1, "workflow_version": 1}, RESULT),
    ({"workflow_id_or_name": 1, "return_all_outputs": True}, {"draft": "Q: Where?", "answer": RESULT}),
    ({"workflow_id_or_name": 2, "return_all_outputs": True}, {"only": None}),
]


@pytest.mark.parametrize(
    ("is_async", "longest"),
    [(False, agents.MAX_OUTPUT), (True, 1)],
    ids=["sync and sent", "async and fetched"],
)
def test_the_sdk_runs_an_agent(url, monkeypatch, is_async, longest):
    promptlayer = pytest.importorskip("promptlayer")
    monkeypatch.setattr(agents, "MAX_OUTPUT", longest)
    kind = promptlayer.AsyncPromptLayer if is_async else promptlayer.PromptLayer
    sdk = kind(api_key="pl_test", base_url=url)
    for arguments, outputs in RUNS:
        sent = sdk.run_workflow(input_variables=RUN["input_variables"], **arguments)
        sent = asyncio.run(sent) if is_async else sent
        if isinstance(outputs, dict):
            sent = {name: node["value"] for name, node in sent.items()}
        assert sent == outputs, arguments


def test_the_sdk_raises_for_an_agent_that_failed(url):
    promptlayer = pytest.importorskip("promptlayer")
    sdk = promptlayer.PromptLayer(api_key="pl_test", base_url=url)
    with pytest.raises(promptlayer.exceptions.PromptLayerAPIError, match="no prompt template called"):
        sdk.run_workflow("failing", input_variables=RUN["input_variables"])


# -- tokens --------------------------------------------------------------------------------------------


def test_a_token_is_for_one_channel_and_one_hour(app, call):
    body = call("POST", f"/ws-token-request-library?capability={CHANNEL}").body
    details = body.pop("token_details")
    assert body == {"success": True, "messaging_backend": "centrifugo"}
    assert details["capability"] == {CHANNEL: ["subscribe"]}
    assert details["clientId"] == str(app.store.workspace_id)
    assert details["expires"] - details["issued"] == 3_600_000


CHANNELS = {
    201: (f"workflows:1:run:{'a' * 200}",),
    404: ("workflows:9:run:abc", "workflow_updates:9"),
    422: (
        *("", "x", "workflows:1", "workflows:1:run:", "workflows:x:run:abc", "workflow_updates:-1"),
        *(f"workflows:1:run:{'a' * 201}", f"workflow_updates:{'9' * 30}"),
        f"smart_sheets:smart_sheet%23{'a' * 36}",  # the SDK then polls
    ),
}


def test_which_channels_have_tokens(call):
    for capability, status in [
        (channel, status) for status, channels in CHANNELS.items() for channel in channels
    ]:
        assert call("POST", f"/ws-token-request-library?capability={capability}").status == status, capability


def test_a_socket_with_another_token_is_closed(call, url, tmp_path):
    (tmp_path / "other.yaml").write_text(FIXTURES)
    with create_app(tmp_path / "other.db", fixtures=tmp_path / "other.yaml") as other:
        of_another_registry = token_for(Caller(other))
    token = token_for(call)
    for wrong in ("", "x", CHANNEL, "ß", f"{token}x", token[1:], of_another_registry):
        with client(url) as stranger:
            stranger.send({"id": 1, "connect": {"token": wrong}})
            assert stranger.closed() == (3500, "invalid token"), wrong


# -- the protocol --------------------------------------------------------------------------------------


def test_commands_arrive_together_or_in_pieces_or_as_bytes(call, url):
    connect_command = {"id": 1, "connect": {"token": token_for(call)}}
    with client(url) as subscriber:
        subscriber.send(connect_command, {"id": 2, "subscribe": {"channel": CHANNEL}})
        assert [subscriber.read()["id"], subscriber.read()["id"]] == [1, 2]
    with client(url) as subscriber:
        text = json.dumps(connect_command)
        subscriber.connection.send([text[:5], text[5:9], text[9:]])
        assert subscriber.read()["id"] == 1
        subscriber.connection.send(b'{"id": 2, "subscribe": {"channel": "x"}}\n')
        assert subscriber.read()["id"] == 2


def test_commands_that_are_refused(call, url):
    with client(url) as subscriber:
        subscriber.subscribe(token_for(call))
        denied = {"error": {"code": 103, "message": "permission denied"}}
        for channel in ("workflows:1:run:other", "workflow_updates:1", ""):
            assert subscriber.do("subscribe", channel=channel) == denied
        for method in ("subscribe", "publish", "history", "nothing"):
            assert subscriber.do(method) == denied


BROKEN = [
    *("x", "[]", "null", "{}", '{"subscribe": {}}', "[" * 5000, b"\xff\xfe"),
    *('{"id": 0, "subscribe": {}}', '{"id": "1", "subscribe": {}}', '{"id": 9, "subscribe": []}'),
    *('{"id": 9, "subscribe": {"channel": 1}}', '{"id": 9, "connect": {"token": "x"}}'),
]


def test_what_is_no_command_closes_the_socket(call, url):
    for message in BROKEN:
        with client(url) as subscriber:
            subscriber.do("connect", token=token_for(call))
            subscriber.connection.send(message)
            assert subscriber.closed() == (3501, "bad request"), message


def test_the_first_command_is_connect_with_a_token_and_soon(url, monkeypatch):
    for command, code in (
        ({}, 3501),
        ({"subscribe": {"channel": CHANNEL}}, 3501),
        ({"connect": {}}, 3500),
        ({"connect": {"token": None}}, 3501),
    ):
        with client(url) as subscriber:
            subscriber.send({"id": 1, **command})
            assert subscriber.closed()[0] == code, command
    monkeypatch.setattr(agents, "CONNECT_SECONDS", 0.0)
    with client(url) as subscriber:
        assert subscriber.closed() == (3502, "stale")


def test_a_message_has_a_limit(url):
    for message in ("x" * 65537, ["x" * 65536, "x"]):
        with client(url) as subscriber:
            # The server may close before the last part is sent.
            with suppress(ConnectionClosed):
                subscriber.connection.send(message)
            assert subscriber.closed()[0] == 1009


def test_a_failure_closes_the_socket(app, call, url, caplog):
    with client(url) as subscriber:
        subscriber.do("connect", token=token_for(call))
        app.store.close()
        subscriber.send({"id": 2, "subscribe": {"channel": CHANNEL}})
        assert subscriber.closed() == (1011, "the registry failed; see its log")
    assert "is closed" in caplog.text


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


def test_sockets_do_not_keep_the_threads_of_the_server(app, call):
    with running(app, threads=1) as url, client(url) as first, client(url) as second:
        request = urllib.request.Request(f"{url}/workflows", headers={"X-API-KEY": "k"})
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            assert response.status == 200
        first.subscribe(token_for(call))
        second.subscribe(token_for(call))


def test_stopping_the_server_closes_its_sockets(app, call):
    with running(app) as url:
        context = client(url)
        stopped = context.__enter__()
        stopped.subscribe(token_for(call))
    assert stopped.closed()[0] == 1012
    context.__exit__(None, None, None)


def handshake(host, **changed):
    headers = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "Sec-WebSocket-Version": "13",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    return f"GET /connection/websocket HTTP/1.1\r\n{lines}\r\n".encode()


def first_line(url, data):
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), SECONDS) as raw:
        raw.sendall(data.replace(b"HERE", place.netloc.encode()))
        return raw.makefile("rb").readline().split()[1]


def test_which_handshakes_are_accepted(url):
    for data, status in (
        (handshake("HERE"), b"101"),
        (handshake("HERE", Sec_WebSocket_Protocol=""), b"101"),
        (handshake("HERE", Sec_WebSocket_Protocol="centrifuge-protobuf"), b"101"),
        (handshake("HERE", Connection="keep-alive"), b"401"),
        (handshake("HERE", Upgrade=None), b"401"),
        (handshake("HERE").replace(b"/connection", b"/other"), b"404"),
        (handshake("evil.test"), b"403"),
        (handshake("HERE", Origin="http://evil.test"), b"403"),
        (handshake("HERE", Origin="null"), b"403"),
        (handshake("HERE", Sec_Fetch_Site="cross-site"), b"403"),
    ):
        assert first_line(url, data) == status, data
