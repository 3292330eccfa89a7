"""``promptsync serve``: a process that prints its URL, answers, and ends when it is told to."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from evaluation_files import declared, evaluation, put
from idle_clients import hold
from worlds import World

from promptsync.server.app import install_command

FIXTURES = declared("", evaluation("cases", "ask", [{"question": "Hello"}]))
TEXT = {"type": "completion", "content": [{"type": "text", "text": "Hi"}]}
TIMES = {"request_start_time": 1767225700, "request_end_time": 1767225701}


@contextmanager
def serving(root: Path, *arguments: str, json_lines: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the verb on a free port; the value is the process and what it printed first."""
    command = [sys.executable, "-m", "promptsync", "-C", str(root), "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, "".join(_stream(process).readline() for _ in range(json_lines or 1)).strip()
        finally:
            process.kill()


def _stream(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def get(url: str, path: str, key: str | None = "pl_any", host: str = "") -> httpx.Response:
    headers = {"X-API-KEY": key or "", "Host": host}
    with httpx.Client(transport=httpx.HTTPTransport()) as client:
        return client.get(url + path, headers={name: value for name, value in headers.items() if value})


@pytest.mark.parametrize(("ending", "options"), [(signal.SIGINT, []), (signal.SIGTERM, ["--json"])])
def test_what_it_serves_is_printed_first_and_a_signal_ends_it_cleanly(
    tmp_path: Path, ending: signal.Signals, options: list[str]
) -> None:
    with serving(tmp_path, *options, json_lines=7 if options else 0) as (process, url):
        if options:
            document = json.loads(url)
            url = document["url"]
            assert document["database"] == str(tmp_path / "registry.db")
        assert url.startswith("http://127.0.0.1:")
        assert get(url, "/prompt-templates").json()["total"] == 0
        assert get(url, "/prompt-templates", key=None).status_code == 401
        with hold(url, 5):  # one for each way to wait
            process.send_signal(ending)
            out, err = process.communicate(timeout=120)
        assert (process.returncode, out, "Traceback" in err) == (0, "", False)
        assert options or str(tmp_path / "registry.db") in err


def test_it_serves_the_embedded_registry_of_the_working_copy_with_its_fixtures(local: World) -> None:
    remotes = "far: {url: 'https://x.example'}, local: {url: 'local:', fixtures: registry.yaml}"
    local.put("promptsync.yaml", f"remote: far\nremotes: {{{remotes}}}\n")
    put(local.root, FIXTURES)
    local.put("prompts/one.yaml", "content: text\n")
    local.ok("push", "--remote", "local")
    with serving(local.root / "prompts") as (_, url):
        assert get(url, "/prompt-templates").json()["items"][0]["prompt_name"] == "one"
        assert dataset(url) == "cases"


def dataset(url: str, key: str = "pl_any") -> str:
    found = get(url, "/api/public/v2/datasets", key).json()["datasets"]
    return str(found[0]["dataset_group"]["name"])


def test_a_database_fixtures_and_a_key_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "promptsync.yaml").write_text("broken: [\n")
    put(tmp_path, FIXTURES).rename(tmp_path / "mine.yaml")
    options = ["--db", "a.db", "--fixtures", "mine.yaml", "--api-key", "pl_secret"]
    with serving(tmp_path, *options) as (process, url):
        assert dataset(url, "pl_secret") == "cases"
        assert get(url, "/prompt-templates", key="pl_other").status_code == 401
        assert (tmp_path / "a.db").exists()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        assert "pl_secret" not in err


def test_how_many_logged_requests_are_kept_can_be_set(tmp_path: Path) -> None:
    with serving(tmp_path, "--keep-requests", "1", "--keep-days", "30") as (_, url), httpx.Client() as client:
        log = {"provider": "openai", "model": "x", "input": TEXT, "output": TEXT, **TIMES}
        for number in (1, 2):
            assert (
                client.post(f"{url}/log-request", json=log, headers={"X-API-KEY": "k"}).json()["id"] == number
            )
        statuses = [get(url, f"/api/public/v2/requests/{number}").status_code for number in (1, 2)]
        assert statuses == [404, 200]


REFUSED = [
    (["--host", "0.0.0.0"], "can be reached from other machines, which requires --api-key"),
    (["--host", ""], "--host is empty"),
    (["--host", "no-such-host.invalid"], "cannot listen on no-such-host.invalid"),
    (["--api-key", " "], "--api-key is empty"),
    (["--api-key", " x "], "contains spaces, quotes or other invalid characters"),
    (["--print-env", "--host", ""], "--host is empty"),
    (["--print-env", "--host", "a b"], "cannot listen on a b"),
    (["--print-env", "--host", "0.0.0.0"], "which requires --api-key"),
    (["--allow-host", "http://registry.test"], "--allow-host http://registry.test is not a host name"),
    (["--allow-host", ""], "is not a host name"),
    (["--db", "none/a.db"], "the directory of the database does not exist"),
    (["--fixtures", "none.yaml"], "the fixtures file does not exist"),
    (["--port", "70000"], "70000 is not in the range"),
    (["--keep-requests", str(2**63)], "is not in the range"),
    (["--keep-days", str(2**63)], "is not in the range"),
]


def test_what_cannot_be_served_is_refused_in_words(world: World) -> None:
    (world.root / "promptsync.yaml").unlink()
    before = sorted(world.root.iterdir())
    for arguments, message in REFUSED:
        done = world.run("serve", *arguments)
        assert (done.code, message in done.err) == (2, True), done.err
    assert sorted(world.root.iterdir()) == before


def test_another_address_needs_the_key_and_knows_its_names(tmp_path: Path) -> None:
    options = ["--host", "127.0.0.2", "--api-key", "pl_secret", "--allow-host", "registry.test"]
    with serving(tmp_path, *options) as (_, url):
        assert url.startswith("http://127.0.0.2:")
        for path, key, host, status in (
            ("/prompt-templates", "pl_secret", "", 200),
            ("/prompt-templates", "pl_other", "", 401),
            ("/nowhere", None, "", 401),
            ("/prompt-templates", "pl_secret", "registry.test", 200),
            ("/prompt-templates", "pl_secret", "evil.test", 403),
        ):
            assert get(url, path, key, host).status_code == status


def test_a_port_in_use_is_named(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = world.run("serve", "--port", port)
    assert (done.code, done.out) == (2, "")
    assert port in done.err and "--port" in done.err


def test_a_file_that_is_no_registry_is_left_alone(world: World) -> None:
    notes = world.put("notes.db", "my notes, which are no database at all\n" * 50)
    before = notes.read_bytes()
    done = world.run("serve", "--port", "0", "--db", "notes.db")
    assert (done.code, "notes.db" in done.err) == (4, True)
    assert notes.read_bytes() == before


def test_without_its_extra_the_command_that_installs_it_is_the_hint(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptsync.server.app.find_spec", lambda name: None)
    done = world.run("serve", "--port", "0")
    assert (done.code, done.out) == (2, "")
    assert "uvicorn" in done.err and f"hint: {install_command()}\n" in done.err


def test_the_variables_for_the_sdk_are_printed_for_a_shell(world: World) -> None:
    for host, url in {
        "::1": "[::1]",
        "0.0.0.0": "127.0.0.1",
        "::": "[::1]",
        "localhost": "localhost",
    }.items():
        quoted = "serve", "--print-env", "--api-key", "its$ecret;x", "--host", host, "--port", "9"
        shell = f"{world.ok(*quoted).out}echo $PROMPTLAYER_BASE_URL $PROMPTLAYER_API_KEY"
        done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True)
        assert done.stdout == f"http://{url}:9 its$ecret;x\n"
    variables = world.ok("serve", "--print-env", "--json").document["environment"]
    assert variables == {"PROMPTLAYER_BASE_URL": "http://127.0.0.1:8470", "PROMPTLAYER_API_KEY": "local"}
    assert world.run("serve", "--print-env", "--port", "0").code == 2
