"""145 prompts that people wrote, through the registry into files and back, byte for byte."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import chat, running
from worlds import PUBLISH, SYNCED, World, made

from promptsync.files.prompt_file import scan
from promptsync.server.app import create_app

PATH = Path(__file__).parents[2] / "shared" / "data" / "real-prompts.csv"

pytestmark = pytest.mark.skipif(not PATH.is_file(), reason=f"the prompts are not here: {PATH}")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    with PATH.open(encoding="utf-8", newline="") as file:
        return {row["act"]: row["prompt"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]) -> Iterator[World]:
    """A working copy without git, after a pull of what somebody published in the vendor's words."""
    with made(tmp_path_factory.mktemp("real"), git=False) as world:
        for name, text in texts.items():
            version = {"prompt_template": chat(text), "commit_message": "Collect"}
            body = {"prompt_template": {"prompt_name": name}, "prompt_version": version}
            assert world.call("POST", PUBLISH, body).status == 201
        world.ok("pull")
        yield world


def without_key(path: Path) -> str:
    """What a file says: without git, a push writes ``synced:``."""
    return SYNCED.sub("", path.read_bytes().decode())


def only_text(template: Any) -> str:
    (message,) = template["messages"]
    (block,) = message["content"]
    text: str = block["text"]
    return text


def test_every_text_is_pulled_as_it_was_published_and_most_of_several_lines_as_blocks(
    pulled: World, texts: dict[str, str]
) -> None:
    files = scan(pulled.root, "prompts").files
    assert {name: only_text(file.prompt.template) for name, file in files.items()} == texts
    several = [name for name, text in texts.items() if "\n" in text]
    literal = [name for name in several if "content: |" in files[name].text]
    assert len(literal) >= 0.95 * len(several)


def test_after_a_pull_there_is_nothing_to_do_and_lint_finds_no_errors(pulled: World) -> None:
    assert "145 prompts, all in sync" in pulled.ok("status", "--exit-code").out
    receipt = pulled.ok("push", "--json").document
    assert (receipt["published"], receipt["plan"]) == ([], [])
    assert pulled.ok("pull", "--json").document["written"] == []
    pulled.ok("lint")


def test_what_is_pushed_is_what_the_official_sdk_gets(
    pulled: World, texts: dict[str, str], tmp_path: Path
) -> None:
    promptlayer = pytest.importorskip("promptlayer")
    before = {path: without_key(path) for path in pulled.root.rglob("*.yaml")}
    config = pulled.root / "promptsync.yaml"
    with create_app(tmp_path / "second.db") as app, running(app) as url:
        config.write_text(f"{config.read_text()[:-2]}, second: {{url: '{url}'}}}}\n")
        before[config] = config.read_text()
        pulled.ok("--remote", "second", "push")
        pulled.ok("--remote", "second", "status", "--exit-code")
        assert {path: without_key(path) for path in pulled.root.rglob("*.yaml")} == before
        sdk = promptlayer.PromptLayer(api_key="pl_test", base_url=url)
        assert {name: only_text(sdk.templates.get(name)["prompt_template"]) for name in texts} == texts
