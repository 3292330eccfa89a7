"""The three skill methods of the official SDK, both clients, unmodified."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import Caller, chat, flat, running

from promptsync.server.app import Application, create_app

promptlayer = pytest.importorskip("promptlayer")
pytest.importorskip("promptlayer.skills")

from test_sdk_as_client import Sdk  # noqa: E402  (after the check for the SDK)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    fixtures = tmp_path / "registry.yaml"
    fixtures.write_text("tools: [{id: 7, name: weather, function: {name: get_weather}}]")
    with create_app(tmp_path / "registry.db", fixtures=fixtures) as app:
        yield app


@pytest.fixture(params=["sync", "async"])
def sdk(app: Application, request: pytest.FixtureRequest) -> Iterator[Sdk]:
    with running(app) as url:
        yield Sdk(request.param, url)


COLLECTION = {
    "name": "team/support skills",
    "provider": "claude_code",
    "files": [{"path": "CLAUDE.md", "content": "Be kind.\n"}, {"path": "triage/SKILL.md", "content": "ü"}],
    "commit_message": "Start",
}
CLAUDE, TRIAGE = ".claude/CLAUDE.md", ".claude/skills/triage/SKILL.md"
NAME = COLLECTION["name"]


def test_publish_update_and_pull(sdk: Sdk) -> None:
    made = sdk.do("skills.publish", COLLECTION)
    assert sdk.do("skills.pull", NAME)["files"] == {CLAUDE: "Be kind.\n", TRIAGE: "ü"}
    updated = sdk.do(
        "skills.update",
        NAME,
        name="crew",
        file_updates=[{"path": "CLAUDE.md", "content": "Be brief."}],
        moves=[{"old_path": "triage/SKILL.md", "new_path": "refund/SKILL.md"}],
        commit_message="Tighten",
        release_label="prod",
    )
    about = updated["skill_collection"]
    assert (about["id"], about["name"]) == (made["skill_collection"]["id"], "crew")
    assert (updated["version"]["number"], updated["version"]["commit_message"]) == (2, "Tighten")
    last = sdk.do("skills.update", "crew", deletes=["CLAUDE.md"], provider="openai")
    assert (last["version"]["number"], last["skill_collection"]["provider"]) == (3, "openai")
    assert sdk.do("skills.pull", "crew")["files"] == {".agents/skills/refund/SKILL.md": "ü"}
    assert list(sdk.do("skills.pull", "crew", label="prod")["files"]) == [
        CLAUDE,
        ".claude/skills/refund/SKILL.md",
    ]
    assert list(sdk.do("skills.pull", about["id"], version=1)["files"]) == [CLAUDE, TRIAGE]


def test_archives(sdk: Sdk, tmp_path: Path) -> None:
    sdk.do("skills.publish", COLLECTION)
    pulled = sdk.do("skills.pull", NAME, format="zip")
    with zipfile.ZipFile(io.BytesIO(pulled)) as found:
        assert found.namelist() == [CLAUDE, TRIAGE]
    about = {"name": "copy", "provider": "claude_code"}
    made = sdk.do("skills.publish", about, zip=pulled)
    assert made["version"]["file_paths"] == ["CLAUDE.md", "triage/SKILL.md"]
    file = tmp_path / "more.zip"
    with zipfile.ZipFile(file, "w") as more:
        more.writestr("logo.png", b"\x89PNG\xff" * 200_000)
    updated = sdk.do("skills.update", "copy", zip=file, deletes=["CLAUDE.md"], release_label="prod")
    assert updated["version"]["file_paths"] == ["logo.png", "triage/SKILL.md"]
    with zipfile.ZipFile(io.BytesIO(sdk.do("skills.pull", "copy", label="prod", format="zip"))) as found:
        assert found.read(".claude/logo.png") == b"\x89PNG\xff" * 200_000


def test_what_is_refused_raises_with_the_reason(sdk: Sdk) -> None:
    sdk.do("skills.publish", COLLECTION)
    for words, name, arguments, options in (
        ("no skill collection called 'nobody'", "skills.pull", ("nobody",), {}),
        ("no release label 'prod'", "skills.pull", (NAME,), {"label": "prod"}),
        ("called 'team/support skills' already", "skills.publish", (COLLECTION,), {}),
        ("The collection has no file 'x'", "skills.update", (NAME,), {"deletes": ["x"]}),
        ("read as a ZIP file", "skills.update", (NAME,), {"zip": b"x"}),
    ):
        arguments_of: Any = arguments
        with pytest.raises(Exception, match=words):
            sdk.do(name, *arguments_of, **options)


def test_a_template_arrives_with_its_tool(sdk: Sdk, app: Application) -> None:
    call = Caller(app)
    template = chat("Hello", tools=[{"type": "registry", "tool_registry_id": 7}])
    model = {"model": {"provider": "openai", "name": "gpt-4o"}}
    assert call("POST", "/rest/prompt-templates", flat("p", template, metadata=model)).status == 201
    sent = sdk.do("templates.get", "p", {"input_variables": {}})["llm_kwargs"]["tools"]
    assert [tool["function"]["name"] for tool in sent] == ["get_weather"]
