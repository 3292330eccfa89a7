"""``promptsync serve``: a process that prints its URL, answers, and ends when it is told to."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import forked
import httpx
import pytest
import yaml
from bundles import response, write_bundle
from evaluation_files import declared, evaluation, put
from idle_clients import hold
from worlds import World

from promptsync.commands.serve import PORT, command
from promptsync.server.app import install_command

FIXTURES = declared("", evaluation("cases", "ask", [{"question": "Hello"}]))
TEXT = {"type": "completion", "content": [{"type": "text", "text": "Hi"}]}
TIMES = {"request_start_time": 1767225700, "request_end_time": 1767225701}


@contextmanager
def serving(root: Path, *arguments: str, json_lines: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the verb on a free port; the value is the process and what it printed first."""
    command = [*forked.command(), "-C", str(root), "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, "".join(process.stdout.readline() for _ in range(json_lines or 1)).strip()
        finally:
            process.kill()


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


def test_a_database_fixtures_a_key_and_how_many_requests_are_kept_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "promptsync.yaml").write_text("broken: [\n")
    put(tmp_path, FIXTURES).rename(tmp_path / "mine.yaml")
    options = ["--db", "a.db", "--fixtures", "mine.yaml", "--api-key", "pl_secret"]
    options += ["--keep-requests", "1", "--keep-days", "30"]
    with serving(tmp_path, *options) as (process, url):
        assert dataset(url, "pl_secret") == "cases"
        assert get(url, "/prompt-templates", key="pl_other").status_code == 401
        assert (tmp_path / "a.db").exists()
        log = {"provider": "openai", "model": "x", "input": TEXT, "output": TEXT, **TIMES}
        for _ in range(2):
            httpx.post(f"{url}/log-request", json=log, headers={"X-API-KEY": "pl_secret"}, trust_env=False)
        logged = [get(url, f"/api/public/v2/requests/{number}", "pl_secret") for number in (1, 2)]
        assert [answer.status_code for answer in logged] == [404, 200]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        assert "pl_secret" not in err


BUNDLE = "--bundle prompts.json"
REFUSED = {
    "can be reached from other machines, which requires --api-key": "--host 0.0.0.0; "
    f"--print-env --host 0.0.0.0; {BUNDLE} --host 0.0.0.0",
    "--host is empty": "--host ''; --print-env --host ''",
    "cannot listen on no-such-host.invalid": "--host no-such-host.invalid",
    "cannot listen on a b": "--print-env --host 'a b'",
    "--api-key is empty": "--api-key ' '",
    "contains spaces, quotes or other invalid characters": "--api-key ' x '",
    "is not a host name": "--allow-host http://registry.test; --allow-host ''",
    "the directory of the database does not exist": "--db none/a.db",
    "the fixtures file does not exist": "--fixtures none.yaml",
    "is not in the range": f"--port 70000; --keep-requests {2**63}; --keep-days {2**63}",
    "none.json cannot be read: No such file or directory": "--bundle none.json",
    "hint: promptsync bundle -o none.json": "--bundle none.json",
    "notes.db is not a bundle: ": "--bundle notes.db",
    "hint: promptsync help bundle\n": "--bundle notes.db",
    "--bundle cannot be combined with --db, ": f"{BUNDLE} --db a.db; {BUNDLE} --fixtures registry.yaml; "
    f"{BUNDLE} --keep-requests 5; {BUNDLE} --keep-days 0",
}


MODELS = [
    ({"URL": "llama"}, "is not the URL of a model"),
    ({"URL": "http://192.0.2.1/v1", "KEY": "k"}, "refusing plain http"),  # which shows the key to a network
]


def test_what_cannot_be_served_is_refused_in_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.root / "promptsync.yaml").unlink()
    notes = world.put("notes.db", "my notes, which are no database at all\n" * 50)
    write_bundle(world.root / "prompts.json")
    before = sorted(world.root.iterdir()), notes.read_bytes()
    for message, lines in REFUSED.items():
        for line in lines.split("; "):
            world.says(2, message, "serve", "--port", "0", *shlex.split(line))
    for model, message in MODELS:
        environ = {f"PROMPTSYNC_MODEL_{name}": value for name, value in model.items()}
        world.says(2, message, "serve", "--port", "0", **environ)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "--port" in world.says(2, port, "serve", "--port", port).err
    (world.root / "registry.db").unlink(missing_ok=True)
    world.says(4, "notes.db", "serve", "--port", "0", "--db", "notes.db")
    assert (sorted(world.root.iterdir()), notes.read_bytes()) == before
    monkeypatch.setattr("promptsync.server.app.find_spec", lambda name: None)
    done = world.says(2, f"hint: {install_command()}\n", "serve", "--port", "0")
    assert (done.out, "uvicorn" in done.err) == ("", True)


def test_the_variables_for_the_sdk_are_printed_for_a_shell(world: World) -> None:
    hosts = {"::1": "[::1]", "0.0.0.0": "127.0.0.1", "::": "[::1]", "localhost": "localhost"}
    for host, url in hosts.items():
        quoted = "serve", "--print-env", "--api-key", "its$ecret;x", "--host", host, "--port", "9"
        shell = f"{world.ok(*quoted).out}echo $PROMPTLAYER_BASE_URL $PROMPTLAYER_API_KEY"
        assert subprocess.check_output(["sh", "-c", shell], text=True) == f"http://{url}:9 its$ecret;x\n"
    variables = world.ok("serve", "--print-env", "--json").document["environment"]
    assert variables == {"PROMPTLAYER_BASE_URL": "http://127.0.0.1:8470", "PROMPTLAYER_API_KEY": "local"}
    assert world.run("serve", "--print-env", "--port", "0").code == 2


# -- ``serve --bundle``: a process beside an application, which outlives every change of its file --------


REFUND = "/prompt-templates/support%2Frefund"


def test_it_needs_no_key_and_no_request_fails_while_the_file_is_replaced_again_and_again(
    tmp_path: Path,
) -> None:
    file = write_bundle(tmp_path / "prompts.json")
    others = [write_bundle(tmp_path / f"{number}.json", response(version=number)) for number in (8, 9)]
    with serving(tmp_path, "--bundle", file.name) as (process, url), httpx.Client(base_url=url) as client:
        for key in ("any", None):
            assert get(url, REFUND, key).json()["version"] == 7
        assert get(url, REFUND, host="evil.test").status_code == 403
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
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, "Traceback" in err) == (0, "", False)
    assert f"1 prompt from {file}, read-only; needs no API key; Ctrl-C stops it" in err
    assert f"still serves the bundle that it read before: {file} is not a bundle" in err


@pytest.mark.parametrize("bundle", [[], ["--bundle", "prompts.json"]])
def test_another_address_needs_the_key_and_knows_its_names(tmp_path: Path, bundle: list[str]) -> None:
    write_bundle(tmp_path / "prompts.json")
    options = ["--host", "127.0.0.2", "--api-key", "secret", "--allow-host", "registry.test", *bundle]
    with serving(tmp_path, *options, "--json", json_lines=7) as (_, text):
        document = json.loads(text)
        kind, file = ("bundle", "prompts.json") if bundle else ("database", "registry.db")
        url = document["url"]
        assert (document[kind], url[:17]) == (str(tmp_path / file), "http://127.0.0.2:")
        path = REFUND if bundle else "/prompt-templates"
        for host, status in {"": 200, "registry.test:8470": 200, "evil.test": 403}.items():
            assert get(url, path, "secret", host).status_code == status
        assert [get(url, path, key).status_code for key in ("other", None)] == [401, 401]
        assert bundle or get(url, "/nowhere", None).status_code == 401
        if bundle:
            assert get(url, "/health", key=None).json()["label"] == "prod"


# -- The files in the recipes for the sidecar: their parts fit each other and what ``serve`` reads ----------


RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
HEALTH = ["wget", "-qO-", f"http://127.0.0.1:{PORT}/health"]


def recipe(name: str) -> Any:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", (RECIPES / name).read_text("utf-8"), re.M | re.S)
    return yaml.safe_load(block)


def read_options(arguments: list[str]) -> dict[str, Any]:
    """What ``serve`` reads from its arguments; it fails for unknown ones."""
    assert arguments[0] == "serve"
    return command.make_context("serve", arguments[1:]).params


def test_the_parts_of_the_recipes_fit() -> None:
    services = recipe("sidecar-compose.md")["services"]
    sidecar, environment = services["prompts"], services["app"]["environment"]
    read = read_options(shlex.split(sidecar["command"]))
    assert environment == {
        "PROMPTLAYER_BASE_URL": f"http://{read['allowed'][0]}:{read['port']}",
        "PROMPTLAYER_API_KEY": read["api_key"],
    }
    assert (read["allowed"], sidecar["healthcheck"]["test"]) == (("prompts",), ["CMD", *HEALTH])
    assert sidecar["volumes"] == [f"./bundle:{read['bundle'].parent.as_posix()}:ro"]
    pod = recipe("sidecar-kubernetes.md")["spec"]["template"]["spec"]
    (sidecar,), (app,) = pod["initContainers"], pod["containers"]
    read = read_options(sidecar["args"])
    (mount,), (volume,) = sidecar["volumeMounts"], pod["volumes"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], read["bundle"].parent.as_posix())
    assert (read["host"], read["api_key"]) == ("127.0.0.1", None)
    assert sidecar["startupProbe"]["exec"]["command"] == HEALTH
    assert app["env"][0] == {"name": "PROMPTLAYER_BASE_URL", "value": f"http://127.0.0.1:{read['port']}"}
