"""What clients keep open, send slowly or send wrong costs them their connection, and the others nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from idle_clients import hold
from registry_server import Caller, chat, completion, flat, running
from wire import CLOSED, Wire

from promptsync.server import serve
from promptsync.server.app import create_app

LIST = b"GET /prompt-templates HTTP/1.1\r\nHost: HERE\r\nX-API-KEY: k\r\n"
PUBLISH = LIST.replace(b"GET /", b"POST /rest/") + b"Content-Type: application/json\r\n"
BODY = json.dumps(flat("a")).encode()
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"


# -- requests that are wrong ---------------------------------------------------------------------------------


def test_a_wrong_request_gets_an_error_and_the_next_client_a_response(url) -> None:
    for sent, status in (
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nHost: HERE\r\n\r\n", 403),
        (b"GET /prompt-templates HTTP/1.1\r\nX-API-KEY: k\r\n\r\n", 400),
        (LIST + b"Host: evil.example\r\n\r\n", 400),
        (LIST + b"A: " + b"b" * 400_000 + b"\r\n\r\n", 400),
        (PUBLISH + b"Content-Length: -1\r\n\r\n", 400),
        (PUBLISH + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (PUBLISH + CHUNKED + b"\r\nxyz\r\n", 400),
    ):
        with Wire(url) as wire:
            wire.send(sent)
            assert wire.response().status == status, sent
        with Wire(url) as wire:
            wire.send(LIST + b"\r\n")
            answer = wire.response()
            assert (answer.status, answer.body["total"]) == (200, 0), sent


def test_all_forms_of_a_body_are_read_and_pipelined_requests_answered_in_their_order(url) -> None:
    forms = (
        PUBLISH + LENGTH + BODY,
        PUBLISH + b"Expect: 100-continue\r\n" + LENGTH + BODY,
        PUBLISH + CHUNKED + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
        PUBLISH + CHUNKED + b"\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
        PUBLISH.replace(b"HTTP/1.1", b"HTTP/1.0") + LENGTH + BODY,
    )
    with Wire(url) as wire:
        wire.send(b"".join(forms))
        answers = [wire.response() for _ in range(len(forms) + 1)]
    versions = [answer.body["version_number"] for answer in answers if answer.status == 201]
    assert versions == [1, 2, 3, 4, 5]


def test_a_body_over_the_limit_is_refused_in_json_and_not_kept(url, monkeypatch) -> None:
    monkeypatch.setattr(serve, "MAX_BODY", 1000)
    for length in (b"Content-Length: 200000\r\n\r\n", CHUNKED + b"\r\n30d40\r\n"):
        with Wire(url) as wire:
            wire.send(PUBLISH + length + b" " * 200_000 + (b"\r\n0\r\n\r\n" if CHUNKED in length else b""))
            answer = wire.response()
            assert (answer.status, "larger than 1,000 bytes" in answer.body["message"]) == (413, True)
            wire.send(LIST + b"\r\n")
            assert wire.response().status == 200, length


# -- clients that wait ---------------------------------------------------------------------------------------


def test_a_body_that_does_not_arrive_is_given_up_and_publishes_nothing(app, url, monkeypatch) -> None:
    with Wire(url) as wire:  # this client leaves in the middle of a body
        wire.send(PUBLISH + b"Content-Length: 9000\r\n\r\n" + BODY)
    monkeypatch.setattr(serve, "BODY_SECONDS", 0.1)
    for sent in (LENGTH, LENGTH + BODY[:-1], CHUNKED + b"\r\n5\r\n{"):
        with Wire(url) as wire:
            wire.send(PUBLISH + sent)
            answer = wire.response()
            assert (answer.status, "was not complete" in answer.body["message"]) == (408, True), sent
            assert wire.response() == CLOSED, sent
        assert Caller(app)("GET", "/prompt-templates").body["total"] == 0, sent


def test_a_body_for_a_wrong_key_is_not_waited_for(tmp_path) -> None:
    app = create_app(tmp_path / "r.db", api_key="right")
    with app, running(app) as url, Wire(url) as wire:
        wire.send(PUBLISH + LENGTH)
        assert wire.response().status == 401


def test_a_client_that_does_not_read_holds_no_thread(app) -> None:
    assert Caller(app)("POST", "/rest/prompt-templates", flat("a", chat("x" * 8_000_000))).status == 201
    with running(app, threads=1) as url, Wire(url) as wire, Wire(url) as other:
        wire.send((LIST + b"\r\n") * 2)
        assert wire.socket.recv(1)
        other.send(LIST.replace(b"templates", b"templates/labels") + b"\r\n")
        assert other.response().status == 200


def test_beyond_the_limit_of_connections_requests_are_refused_until_there_is_room(app, monkeypatch) -> None:
    monkeypatch.setattr(serve, "CONNECTIONS", 3)
    with running(app) as url, Wire(url) as last:
        with Wire(url), Wire(url) as third:
            third.send(LIST + b"\r\n")
            assert third.response().status == 503
        status = 503
        while status == 503:  # until the server has noticed
            last.send(LIST + b"\r\n")
            status = last.response().status
        assert status == 200


def test_many_writers_lose_nothing_while_more_clients_wait(app) -> None:
    """Each writes to a prompt of its own and to one that all share."""

    def write(writer: int) -> list[tuple[str, int, str]]:
        made = []
        for number in range(4):
            name, text = "shared" if number % 2 else f"writer-{writer}", f"{writer}/{number}"
            made.append((name, post(url, flat(name, completion(text)))["version_number"], text))
        return made

    with running(app) as url, hold(url, 60), ThreadPoolExecutor(10) as pool:
        written = [version for made in pool.map(write, range(10)) for version in made]
    call = Caller(app)
    stored = []
    for item in call("GET", "/prompt-templates").body["items"]:
        for version in range(1, item["version"] + 1):
            read = call("GET", f"/prompt-templates/{item['prompt_name']}?version={version}").body
            stored.append((item["prompt_name"], version, read["prompt_template"]["content"][0]["text"]))
    assert (sorted(stored), len(stored)) == (sorted(written), 40)


# -- many clients, and a server that is killed ---------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def post(base_url, body):
    url = f"{base_url}/rest/prompt-templates"
    return httpx.post(url, json=body, headers={"X-API-KEY": "k"}, timeout=120, trust_env=False).json()


def test_two_applications_share_one_database_and_each_label_points_at_one_version(tmp_path):
    with create_app(tmp_path / "r.db") as left, create_app(tmp_path / "r.db") as right:
        callers = [Caller(left), Caller(right)]

        def publish(number):
            body = flat("a", release_labels=["prod", f"l{number}"])
            return callers[number % 2]("POST", "/rest/prompt-templates", body).body["version_number"]

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(publish, range(30))) == list(range(1, 31))
        labels = callers[0]("GET", "/prompt-templates/a/labels").body["release_labels"]
    assert len(labels) == 31
    assert {label["release_label"]: label["prompt_version_number"] for label in labels}["prod"] == 30


SERVER = """
import sys
from promptsync.server.app import create_app
from promptsync.server.serve import base_url, bind, run_server
with create_app(sys.argv[1]) as app:
    run_server(app, bind("127.0.0.1", 0), lambda port: print(base_url("127.0.0.1", port), flush=True))
"""


@contextmanager
def server(path, *before):
    """The base URL of a registry in its own process, which is killed at the end."""
    command = [*before, sys.executable, "-c", SERVER, str(path)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_killed_server_keeps_everything_that_it_confirmed(tmp_path):
    answered = []

    def write(url):
        with suppress(httpx.HTTPError, ValueError):  # until it is killed
            while True:
                answered.append(post(url, flat("a", chat("x" * 2000)))["version_number"])

    with ThreadPoolExecutor(4) as pool, server(tmp_path / "r.db") as url:
        pool.map(write, [url] * 4)
        while len(answered) < 20:
            time.sleep(0.01)
    with server(tmp_path / "r.db") as url:
        following = post(url, flat("a"))["version_number"]
    assert len(set(answered)) == len(answered)
    # Each writer may have stored one more version whose answer was cut off.
    assert max(answered) < following <= len(answered) + 5


def test_idle_clients_are_served_where_the_system_allows_few_open_files(tmp_path):
    limited = ("sh", "-c", 'ulimit -Sn 40 && exec "$@"', "sh")
    with server(tmp_path / "r.db", *limited) as url, hold(url, 60):
        assert post(url, flat("a"))["version_number"] == 1
