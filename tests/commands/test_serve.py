"""``promptsync serve``: a process that prints its URL, answers, and ends when it is told to."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from promptsync.cli import run

FIXTURES = """\
datasets: [{name: cases, rows: [{question: Hello}]}]
"""


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


def get(url: str, path: str, key: str | None = "pl_any") -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport()) as client:
        return client.get(url + path, headers={"X-API-KEY": key} if key else {})


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_url_is_the_first_line_and_a_signal_ends_it_cleanly(
    tmp_path: Path, ending: signal.Signals
) -> None:
    with serving(tmp_path) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert get(url, "/prompt-templates").json()["total"] == 0
        assert get(url, "/prompt-templates", key=None).status_code == 401
        process.send_signal(ending)
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "")
        assert str(tmp_path / "registry.db") in err
        assert "Traceback" not in err


def test_the_json_document_comes_first_and_alone(tmp_path: Path) -> None:
    with serving(tmp_path, "--json", json_lines=7) as (process, printed):
        document = json.loads(printed)
        assert get(document["url"], "/prompt-templates").status_code == 200
        assert document["database"] == str(tmp_path / "registry.db")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "")


def test_it_serves_the_embedded_registry_of_the_working_copy_with_its_fixtures(tmp_path: Path) -> None:
    remotes = (
        "remotes:\n  far: {url: 'https://x.example'}\n  local: {url: 'local:', fixtures: registry.yaml}\n"
    )
    (tmp_path / "promptsync.yaml").write_text(f"remote: far\n{remotes}")
    (tmp_path / "registry.yaml").write_text(FIXTURES)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "one.yaml").write_text("content: text\n")
    assert run(["-C", str(tmp_path), "--remote", "local", "push"], {}) == 0
    with serving(tmp_path / "prompts") as (_, url):
        assert get(url, "/prompt-templates").json()["items"][0]["prompt_name"] == "one"
        assert get(url, "/api/public/v2/datasets").json()["datasets"][0]["dataset_group"]["name"] == "cases"


def test_a_database_fixtures_a_key_and_a_latency_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "promptsync.yaml").write_text("broken: [\n")
    (tmp_path / "mine.yaml").write_text(FIXTURES)
    given = ["--db", "a.db", "--fixtures", "mine.yaml", "--api-key", "pl_secret", "--latency", "0.2"]
    with serving(tmp_path, *given) as (process, url):
        started = time.monotonic()
        assert (
            get(url, "/api/public/v2/datasets", key="pl_secret").json()["datasets"][0]["dataset_group"][
                "name"
            ]
            == "cases"
        )
        assert time.monotonic() - started >= 0.2
        assert get(url, "/prompt-templates", key="pl_other").status_code == 401
        assert (tmp_path / "a.db").exists()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        assert "pl_secret" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines, which requires --api-key"),
        (["--host", "::"], "which requires --api-key"),
        (["--host", ""], "--host is empty"),
        (["--host", "192.0.2.1"], "which requires --api-key"),
        (["--host", "no-such-host.invalid"], "cannot listen on no-such-host.invalid"),
        (["--api-key", " "], "--api-key is empty"),
        (["--allow-host", "http://registry.test"], "--allow-host http://registry.test is not a host name"),
        (["--allow-host", "registry.test:80"], "is not a host name"),
        (["--allow-host", ""], "is not a host name"),
        (["--db", "none/a.db"], "the directory of the database does not exist"),
        (["--fixtures", "none.yaml"], "the fixtures file does not exist"),
        (["--port", "70000"], "70000 is not in the range"),
        (["--port", "0", "--latency", "-1"], "-1.0 is not in the range"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["-C", str(tmp_path), "serve", *arguments], {}) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_another_address_needs_the_key_and_knows_its_names(tmp_path: Path) -> None:
    given = ["--host", "127.0.0.2", "--api-key", "pl_secret", "--allow-host", "registry.test"]
    with serving(tmp_path, *given) as (_, url):
        assert url.startswith("http://127.0.0.2:")
        assert get(url, "/prompt-templates", key="pl_secret").status_code == 200
        assert get(url, "/prompt-templates", key="pl_other").status_code == 401
        assert get(url, "/nowhere", key=None).status_code == 401
        for host, status in (("registry.test", 200), ("evil.test", 403)):
            headers = {"X-API-KEY": "pl_secret", "Host": host}
            with httpx.Client(transport=httpx.HTTPTransport()) as client:
                assert client.get(f"{url}/prompt-templates", headers=headers).status_code == status


def test_a_port_in_use_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["-C", str(tmp_path), "serve", "--port", port], {}) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert port in found.err
    assert "--port" in found.err


def test_a_file_that_is_no_registry_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.db").write_text("my notes, which are no database at all\n" * 50)
    before = (tmp_path / "notes.db").read_bytes()
    assert run(["-C", str(tmp_path), "serve", "--port", "0", "--db", "notes.db"], {}) == 4
    assert "notes.db" in capsys.readouterr().err
    assert (tmp_path / "notes.db").read_bytes() == before
