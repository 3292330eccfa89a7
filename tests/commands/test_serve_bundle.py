"""``promptsync serve --bundle``: a process beside an application, which outlives every change of its file."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import httpx
import pytest
from bundles import response, write_bundle
from test_serve import get, serving
from worlds import World

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
