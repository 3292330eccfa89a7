"""What a request loads: the module of its handler, and not those of the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from promptsync.server.app import install_command

ROOT = Path(__file__).parents[2]

READ_AND_PUBLISH = """
import sys
sys.path.insert(0, sys.argv[1])
from registry_server import Caller, flat
from promptsync.server.app import create_app
with create_app(sys.argv[2]) as app:
    call = Caller(app)
    assert call("POST", "/rest/prompt-templates", flat("a", release_labels=["prod"])).status == 201
    assert call("GET", "/prompt-templates").body["total"] == 1
    assert call("GET", "/prompt-templates/a?version=1&resolve_snippets=false").status == 200
    assert call("GET", "/prompt-templates/labels").status == 200
print(*sys.modules, sep="\\n")
"""


def test_reading_and_publishing_loads_nothing_else(tmp_path):
    command = [sys.executable, "-c", READ_AND_PUBLISH, str(ROOT / "tests"), str(tmp_path / "registry.db")]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()
    names = {
        name.removeprefix("promptsync.server.") for name in loaded if name.startswith("promptsync.server.")
    }
    heavy = {
        name for name in names if name.startswith(("checks.", "tables.", "tracking.", "skills", "providers"))
    }
    assert heavy == {"checks.models", "tables.store"}


def test_a_package_that_is_not_installed_is_named_with_the_command_that_installs_it(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    answer = call("POST", "/v1/traces", raw=b"x", content_type="application/x-protobuf")
    assert answer.status == 400
    assert "opentelemetry" in answer.body["message"]
    assert answer.body["message"].endswith(install_command())


def test_the_command_that_installs_it_is_for_the_python_that_runs(monkeypatch):
    monkeypatch.setattr("sys.executable", "/a b/python")
    for pip, command in (
        ("here", "'/a b/python' -m pip install 'promptsync[serve]'"),
        (None, "uv pip install 'promptsync[serve]' --python '/a b/python'"),
    ):
        monkeypatch.setattr("promptsync.server.app.find_spec", lambda name, pip=pip: pip)
        assert install_command() == command
