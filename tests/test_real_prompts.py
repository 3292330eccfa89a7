"""145 prompts that people wrote, through the registry into files and back, byte for byte."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from registry_server import running
from worlds import SYNCED, made

from promptsync.files.prompt_file import scan
from promptsync.server.app import create_app

PATH = Path(__file__).parents[2] / "shared" / "data" / "real-prompts.csv"

pytestmark = pytest.mark.skipif(not PATH.is_file(), reason=f"the prompts are not here: {PATH}")


def only_text(template: Any) -> str:
    (message,) = template["messages"]
    (block,) = message["content"]
    text: str = block["text"]
    return text


def test_what_was_published_is_pulled_pushed_and_read_by_the_official_sdk_as_it_was(tmp_path: Path) -> None:
    promptlayer = pytest.importorskip("promptlayer")
    with PATH.open(encoding="utf-8", newline="") as file:
        texts = {row["act"]: row["prompt"] for row in csv.DictReader(file)}
    with made(tmp_path / "world", git=False) as world:
        for name, text in texts.items():
            world.publish(name, text)
        world.ok("pull")
        files = scan(world.root, "prompts").files
        assert {name: only_text(file.prompt.template) for name, file in files.items()} == texts
        several = [name for name, text in texts.items() if "\n" in text]
        literal = [name for name in several if "content: |" in files[name].text]
        assert len(literal) >= 0.95 * len(several)
        world.ok("lint")
        assert "145 prompts, all in sync" in world.ok("status", "--exit-code").out
        receipt = world.ok("push", "--json").document
        assert (receipt["published"], receipt["plan"]) == ([], [])
        assert world.ok("pull", "--json").document["written"] == []
        with create_app(tmp_path / "second.db") as app, running(app) as url:
            world.configure(f", second: {{url: '{url}'}}}}", instead="}\n")
            before = world.files()
            world.ok("--remote", "second", "push")
            world.ok("--remote", "second", "status", "--exit-code")
            # Without git, a push writes ``synced:``.
            keyless = {path: SYNCED.sub("", content.decode()) for path, content in world.files().items()}
            assert keyless == {path: SYNCED.sub("", content.decode()) for path, content in before.items()}
            sdk = promptlayer.PromptLayer(api_key="pl_test", base_url=url)
            assert {name: only_text(sdk.templates.get(name)["prompt_template"]) for name in texts} == texts
