"""``promptsync serve --bundle``: a process beside an application, which outlives every change of its file."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from bundles import response, write_bundle
from test_serve import get, serving
from worlds import World

from promptsync.commands.serve import PORT, command

REFUND = "/prompt-templates/support%2Frefund"


@pytest.mark.parametrize(("ending", "options"), [(signal.SIGINT, []), (signal.SIGTERM, ["--json"])])
def test_it_prints_its_url_needs_no_key_and_a_signal_ends_it(
    tmp_path: Path, ending: signal.Signals, options: list[str]
) -> None:
    file = write_bundle(tmp_path / "prompts.json")
    with serving(tmp_path, "--bundle", file.name, *options, json_lines=7 if options else 0) as (process, url):
        if options:
            document = json.loads(url)
            assert document["bundle"] == str(file)
            url = document["url"]
        for key in ("any", None):
            assert get(url, REFUND, key).json()["version"] == 7
        assert get(url, REFUND, host="evil.test").status_code == 403
        process.send_signal(ending)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, "Traceback" in err) == (0, "", False)
    assert options or f"1 prompt from {file}, read-only; needs no API key; Ctrl-C stops it" in err


def test_no_request_fails_while_the_file_is_replaced_again_and_again(tmp_path: Path) -> None:
    file = write_bundle(tmp_path / "prompts.json")
    others = [write_bundle(tmp_path / f"{number}.json", response(version=number)) for number in (8, 9)]
    with serving(tmp_path, "--bundle", file.name) as (process, url), httpx.Client(base_url=url) as client:
        seen = set()
        while not {8, 9} <= seen:
            for other in others:
                shutil.copy(other, tmp_path / "next.json").replace(file)
                for _ in range(40):
                    answer = client.post(REFUND, json={"input_variables": {"text": "hi"}})
                    assert answer.status_code == 200, answer.text
                    seen.add(answer.json()["version"])
        file.write_text("{")
        while (health := client.get("/health").json())["problem"] is None:
            assert health["status"] == "ok"
        assert client.post(REFUND, json={}).json()["version"] in (8, 9)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    assert f"still serves the bundle that it read before: {file}: is not a bundle" in err


def test_what_cannot_be_served_is_a_usage_error(world: World) -> None:
    write_bundle(world.root / "prompts.json")
    world.put("notes.json", "my notes")
    before = sorted(world.root.iterdir())
    apart = "--bundle cannot be combined with --db, "
    for arguments, message in (
        (
            "none.json",
            "none.json cannot be read: No such file or directory\nhint: promptsync bundle -o none.json",
        ),
        ("notes.json", "notes.json is not a bundle: "),
        ("notes.json", "hint: promptsync help bundle\n"),
        ("prompts.json --db a.db", apart),
        ("prompts.json --fixtures registry.yaml", apart),
        ("prompts.json --keep-requests 5", apart),
        ("prompts.json --keep-days 0", apart),
        ("prompts.json --host 0.0.0.0", "which requires --api-key"),
    ):
        run = world.run("serve", "--port", "0", "--bundle", *arguments.split())
        assert (run.code, message in run.err) == (2, True), run.err
    assert sorted(world.root.iterdir()) == before


def test_beyond_loopback_it_needs_the_key_and_knows_its_names(tmp_path: Path) -> None:
    write_bundle(tmp_path / "prompts.json")
    options = ["--host", "127.0.0.2", "--api-key", "secret", "--allow-host", "prompts"]
    with serving(tmp_path, "--bundle", "prompts.json", *options) as (_, url):
        for key, host, status in (
            ("secret", "", 200),
            ("secret", "prompts:8470", 200),
            ("other", "", 401),
            (None, "", 401),
            ("secret", "evil.test", 403),
        ):
            assert get(url, REFUND, key, host).status_code == status
        assert get(url, "/health", key=None).json()["label"] == "prod"


# -- The files in the recipes for the sidecar: Compose reads them, and their parts fit each other and serve


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
