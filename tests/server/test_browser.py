"""A page in a real browser tries everything to change a served registry, or to read it.

Skipped where there is no Chromium; ``apt-get install chromium`` has one.
"""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from registry_server import Caller, completion, flat, running
from stored import skills_of
from werkzeug import Request, Response
from werkzeug.serving import make_server

from promptsync.server import serve

pytestmark = pytest.mark.lane

PAGE = Path(__file__).with_name("attack_page.html")
SECRET = "our secret prompt"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it does not start as root, as in containers, otherwise
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--no-proxy-server",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
)
WITHOUT_PREFLIGHT = {
    *("form-text-plain", "fetch-no-cors", "fetch-no-cors-json", "fetch-no-type", "fetch-text-plain"),
    *("beacon", "beacon-blob", "xhr"),
}
"""What publishes at a registry that checks nothing."""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def attack(browser: str, profile: Path, victim: str, page: str, target: str) -> dict[str, str]:
    """Open the page in the browser; return what became of each attack. ``PORT`` stands for the attacker's.

    The attacker passes on what is not for the page, as a name does that was bound anew.
    """
    reports: queue.Queue[dict[str, str]] = queue.Queue()

    @Request.application
    def attacker(request: Request) -> Response:
        if request.path == "/page":
            return Response(PAGE.read_bytes(), mimetype="text/html")
        if request.path == "/report":
            reports.put(request.get_json(force=True))
            return Response()
        url, body = f"{victim}{request.full_path}", request.get_data()
        passed = httpx.request(
            request.method, url, content=body, headers=dict(request.headers), trust_env=False
        )
        return Response(passed.content, passed.status_code, mimetype=passed.headers["Content-Type"])

    server = make_server("127.0.0.1", 0, attacker, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"{page}/page?target={quote(target)}".replace("PORT", str(server.server_port))
    command = [browser, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-port=0", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            return reports.get(timeout=120)
        finally:
            process.terminate()
            server.shutdown()
            server.server_close()


@pytest.fixture
def victim(app: Any) -> Caller:
    call = Caller(app)
    body = flat("victim", completion(SECRET), release_labels=["prod"])
    assert call("POST", "/rest/prompt-templates", body).status == 201
    return call


def held(app: Any, call: Caller) -> tuple[list[str], Any, list[str]]:
    """The messages of all versions in the registry, its labels, and the names of its skills."""
    listed = call("GET", "/prompt-templates").body["items"]
    assert [item["prompt_name"] for item in listed] == ["victim"]
    versions = range(1, listed[0]["version"] + 1)
    raw = [call("GET", f"/prompt-templates/victim?version={version}").body for version in versions]
    labels = call("GET", "/prompt-templates/labels").body
    return [one["commit_message"] for one in raw], labels, skills_of(app)


def test_the_attacks_work_on_a_registry_that_checks_nothing(
    app, victim, browser, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(serve, "check", lambda *_: None)
    with running(app) as url:
        outcomes = attack(browser, tmp_path / "profile", url, "http://attacker.test:PORT", url)
    messages, _, skills = held(app, victim)
    assert set(messages) >= WITHOUT_PREFLIGHT
    assert outcomes["websocket"] == "open"
    assert skills == ["skill-json"]
    labels = victim("GET", "/prompt-templates/victim/labels").body["release_labels"]
    assert labels[0]["prompt_version_number"] > 1


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("http://attacker.test:PORT", "127.0.0.1"),
        ("http://localhost:PORT", "localhost"),
        ("http://attacker.test:PORT", "0.0.0.0"),
        ("http://attacker.test:PORT", "rebound.test"),
        # A name that was bound anew: one origin, so that the browser itself allows everything.
        ("http://attacker.test:PORT", ""),
    ],
)
def test_a_page_can_neither_change_nor_read_anything(app, victim, browser, tmp_path, page, name) -> None:
    before = held(app, victim)
    with running(app) as url:
        target = url.replace("127.0.0.1", name) if name else ""
        outcomes = attack(browser, tmp_path / "profile", url, page, target)
    assert held(app, victim) == before
    assert [text for text in outcomes.values() if SECRET in text] == []
    if name:
        assert outcomes["websocket"].startswith("closed")
        assert [text for text in outcomes.values() if "victim" in text] == []
    else:
        assert all(outcomes[attempt].startswith("basic 403") for attempt in ("fetch-json", "read"))
