from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from idle_clients import hold
from registry_server import Caller, chat, flat, running

from promptsync.server.app import create_app

ROOT = Path(__file__).parents[2]


def post(base_url, body):
    url = f"{base_url}/rest/prompt-templates"
    return httpx.post(url, json=body, headers={"X-API-KEY": "k"}, timeout=120, trust_env=False).json()


def test_as_many_requests_as_one_client_sends_are_handled_at_once():
    at_once = 32
    together = threading.Barrier(at_once)

    def app(environ, start_response):
        together.wait(120)
        start_response("200 OK", [])
        return [b"{}"]

    with running(app) as url, ThreadPoolExecutor(at_once) as pool:
        assert list(pool.map(lambda _: post(url, {}), range(at_once))) == [{}] * at_once


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


@pytest.fixture
def server(tmp_path):
    """Start a registry in its own process; return the process and its base URL."""
    started = []

    def start(*before):
        process = subprocess.Popen(
            [*before, sys.executable, "-c", SERVER, str(tmp_path / "r.db")],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_killed_server_keeps_everything_that_it_confirmed(server):
    process, url = server()
    answered = []

    def write():
        with suppress(httpx.HTTPError, ValueError):  # until it is killed
            while True:
                answered.append(post(url, flat("a", chat("x" * 2000)))["version_number"])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(answered) < 20:
        time.sleep(0.01)
    process.kill()
    for thread in threads:
        thread.join()
    _, url = server()
    # Each writer may have stored one more version whose answer was cut off.
    following = post(url, flat("a"))["version_number"]
    assert len(set(answered)) == len(answered)
    assert max(answered) < following <= len(answered) + 5


def test_idle_clients_are_served_where_the_system_allows_few_open_files(server):
    _, url = server("sh", "-c", 'ulimit -Sn 40 && exec "$@"', "sh")
    with hold(url, 60):
        assert post(url, flat("a"))["version_number"] == 1
