"""145 prompts that people wrote, through the registry into files and back, byte for byte."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_server import running
from worlds import SYNCED

from promptsync.cli import run
from promptsync.files.worktree import scan
from promptsync.server.app import create_app

PATH = Path(__file__).parents[2] / "shared" / "data" / "real-prompts.csv"

pytestmark = pytest.mark.skipif(not PATH.is_file(), reason=f"the prompts are not here: {PATH}")

ENVIRON = {"PROMPTLAYER_API_KEY": "pl_test"}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    with PATH.open(encoding="utf-8", newline="") as file:
        return {row["act"]: row["prompt"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URLs of two empty registries over HTTP."""
    folder = tmp_path_factory.mktemp("registries")
    with (
        create_app(folder / "1.db") as first,
        create_app(folder / "2.db") as second,
        running(first) as one,
        running(second) as other,
    ):
        yield one, other


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, registries: tuple[str, str]) -> Path:
    """An empty working copy; its remotes are ``first``, the default, and ``second``."""
    root = tmp_path_factory.mktemp("repository")
    remotes = {"first": {"url": registries[0]}, "second": {"url": registries[1]}}
    # JSON is YAML
    (root / "promptsync.yaml").write_text(json.dumps({"remote": "first", "remotes": remotes}), "utf-8")
    return root


@pytest.fixture(scope="module")
def pulled(repository: Path, registries: tuple[str, str], texts: dict[str, str]) -> Path:
    """The working copy after a pull of what somebody published without us."""
    with httpx.Client(base_url=registries[0], headers={"X-API-KEY": "pl_test"}) as client:
        for name, text in texts.items():
            client.post("/rest/prompt-templates", json=_nested_body(name, text)).raise_for_status()
    assert promptsync(repository, "pull") == 0
    return repository


def _nested_body(name: str, text: str) -> dict[str, Any]:
    """A publish in the vendor's words."""
    message = {"role": "user", "content": [{"type": "text", "text": text}]}
    version = {"prompt_template": {"type": "chat", "messages": [message]}, "commit_message": "Collect"}
    return {"prompt_template": {"prompt_name": name}, "prompt_version": version, "release_labels": ["prod"]}


def promptsync(root: Path, *arguments: str) -> int:
    return run(["-C", str(root), *arguments], ENVIRON)


def without_key(path: Path) -> str:
    """What a file says: without git, a push writes ``synced:``."""
    return SYNCED.sub("", path.read_bytes().decode())


def only_text(template: Any) -> str:
    (message,) = template["messages"]
    (block,) = message["content"]
    text: str = block["text"]
    return text


def test_every_text_is_pulled_as_it_was_published(pulled: Path, texts: dict[str, str]) -> None:
    files = scan(pulled, "prompts").files
    assert {name: only_text(file.prompt.template) for name, file in files.items()} == texts


def test_most_texts_of_several_lines_are_literal_blocks(pulled: Path, texts: dict[str, str]) -> None:
    files = scan(pulled, "prompts").files
    several = [name for name, text in texts.items() if "\n" in text]
    literal = [name for name in several if "content: |" in files[name].text]
    assert len(literal) >= 0.95 * len(several)


def test_after_a_pull_there_is_nothing_to_do(pulled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert promptsync(pulled, "status", "--exit-code") == 0
    assert "145 prompts, all in sync" in capsys.readouterr().out
    assert promptsync(pulled, "--json", "push") == 0
    receipt = json.loads(capsys.readouterr().out)
    assert (receipt["published"], receipt["plan"]) == ([], [])
    assert promptsync(pulled, "--json", "pull") == 0
    assert json.loads(capsys.readouterr().out)["written"] == []


def test_what_is_pushed_is_what_the_official_sdk_gets(
    pulled: Path, registries: tuple[str, str], texts: dict[str, str]
) -> None:
    promptlayer = pytest.importorskip("promptlayer")
    before = {path: without_key(path) for path in pulled.rglob("*.yaml")}
    assert promptsync(pulled, "--remote", "second", "push") == 0
    assert promptsync(pulled, "--remote", "second", "status", "--exit-code") == 0
    assert {path: without_key(path) for path in pulled.rglob("*.yaml")} == before
    sdk = promptlayer.PromptLayer(api_key="pl_test", base_url=registries[1])
    assert {name: only_text(sdk.templates.get(name)["prompt_template"]) for name in texts} == texts


def test_real_prompts_have_no_lint_errors(pulled: Path) -> None:
    assert promptsync(pulled, "lint") == 0
