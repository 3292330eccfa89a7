"""The files in the recipes for the sidecar: Compose reads them, and their parts fit each other and serve."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptsync.commands.serve import PORT, command

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
HEALTH = ["wget", "-qO-", f"http://127.0.0.1:{PORT}/health"]


def text_of(recipe: str) -> str:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", (RECIPES / recipe).read_text("utf-8"), re.M | re.S)
    return str(block)


def options(arguments: list[str]) -> dict[str, Any]:
    """Return what ``serve`` reads from its arguments; it fails for unknown ones."""
    assert arguments[0] == "serve"
    return command.make_context("serve", arguments[1:]).params


def test_the_compose_file_is_valid_and_its_parts_fit(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema")
    file = tmp_path / "compose.yaml"
    file.write_text(text_of("sidecar-compose.md"), "utf-8")
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    services = yaml.safe_load(file.read_text("utf-8"))["services"]
    sidecar, environment = services["prompts"], services["app"]["environment"]
    read = options(shlex.split(sidecar["command"]))
    assert environment == {
        "PROMPTLAYER_BASE_URL": f"http://{read['allowed'][0]}:{read['port']}",
        "PROMPTLAYER_API_KEY": read["api_key"],
    }
    assert read["allowed"] == ("prompts",)
    assert sidecar["volumes"] == [f"./bundle:{read['bundle'].parent.as_posix()}:ro"]
    assert sidecar["healthcheck"]["test"] == ["CMD", *HEALTH]


def test_the_parts_of_the_deployment_fit() -> None:
    pod = yaml.safe_load(text_of("sidecar-kubernetes.md"))["spec"]["template"]["spec"]
    (sidecar,), (app,) = pod["initContainers"], pod["containers"]
    read = options(sidecar["args"])
    (mount,), (volume,) = sidecar["volumeMounts"], pod["volumes"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], read["bundle"].parent.as_posix())
    assert (read["host"], read["api_key"]) == ("127.0.0.1", None)
    assert sidecar["startupProbe"]["exec"]["command"] == HEALTH
    assert app["env"][0] == {"name": "PROMPTLAYER_BASE_URL", "value": f"http://127.0.0.1:{read['port']}"}
