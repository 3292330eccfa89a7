"""The vendor adds a field, and everything keeps working: keys that nobody here sent are no difference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from scripted_registry import Reply, Seen
from worlds import SYNCED, World, own_world

Grow = Callable[[dict[str, Any]], None]
"""Adds a key to one version in an answer."""

NAMES = ("support/refund", "support/tone", "ask")


def _messages(version: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = version["prompt_template"].get("messages", [])
    return found


def _in_messages(version: dict[str, Any]) -> None:
    for message in _messages(version):
        message.setdefault("strict", False)


def _numbered(version: dict[str, Any]) -> None:
    for number, message in enumerate(_messages(version)):
        message.setdefault("id", f"m{version.get('version') or version.get('version_number')}-{number}")


def _everywhere(version: dict[str, Any]) -> None:
    _in_messages(version)
    _numbered(version)
    version["prompt_template"].setdefault("ui", {"x": [1, {}]})
    template, model = version["prompt_template"], (version.get("metadata") or {}).get("model")
    version.setdefault("author", {"id": 7, "name": "Ann"})
    version.setdefault("etag", json.dumps(template, sort_keys=True))
    for part in (template, *_messages(version)):
        for block in part.get("content") or ():
            block |= {"cache_control": {"type": "ephemeral"}, "id": "b1"}
    if model:
        model.setdefault("tier", "standard")
    for tool in template.get("tools") or ():
        tool.setdefault("cache", True)
        tool["function"].setdefault("timeout", 30)


def growing(grow: Grow) -> Callable[[Seen, Callable[[Seen], Reply]], Reply]:
    """Let the registry add a key to every version that it returns."""

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        reply = forward(seen)
        body = json.loads(reply.content)
        versions = body["items"] if isinstance(body, dict) and "items" in body else [body]
        for version in versions:
            if isinstance(version, dict) and isinstance(version.get("prompt_template"), dict):
                grow(version)
        return Reply(json.dumps(body), reply.status, reply.headers)

    return answer


@own_world()
def three(world: World) -> None:
    """Three prompts that were pushed, committed."""
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    model = {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}
    world.write("support/refund", model=model, tools=[tool], tags=["a"])
    world.write("support/tone", content="Be kind.")
    messages = "  - {role: system, content: One}\n  - {role: user, content: '{two}'}\n"
    world.put("prompts/ask.yaml", f"name: ask\nmessages:\n{messages}")
    world.commit()
    world.ok("push")


def _in_dashboard(world: World, text: str, **keys: Any) -> None:
    """Publish a version of ``ask`` whose first message has a text and further keys."""
    template = world.read("ask")["prompt_template"]
    template["messages"][0] |= {"content": [{"type": "text", "text": text}], **keys}
    world.publish("ask", prompt_template=template)


def test_a_new_field_changes_nothing_is_mentioned_and_an_edit_is_pushed_as_before(world: World) -> None:
    world.faults.append(growing(_everywhere))
    fields = (
        "author, content[].cache_control, content[].id, etag, "
        "messages[].content[].cache_control, messages[].content[].id, messages[].id, messages[].strict, "
        "metadata.model.tier, tools[].cache, tools[].function.timeout, ui"
    )
    said = f"the registry adds fields: {fields}; they do not count as differences"
    assert said in " ".join(world.ok("status", "-v").out.split())
    shutil.copytree(world.root / ".git", world.root.parent / "other/.git")
    other = replace(world, root=world.root.parent / "other")
    other.git("reset", "-q", "--hard")
    for copy in (world, other):  # what was recorded here, and what another clone knows
        assert set(copy.states().values()) == {"in-sync"}
        for verb in ("push", "pull", "deploy --label prod -y", "promote prod live"):
            done = copy.ok(*verb.split(), "--json").document
            assert not done.get("published") and not done.get("written")
        assert copy.git("status", "--porcelain") == ""
        for names in ((), ("ask@1",)):
            assert copy.ok("diff", *names, "--json").document["changes"] == []
    assert {name: world.version(name) for name in NAMES} == dict.fromkeys(NAMES, 1)

    # committed or not, the next status and the one after a further edit know what was published
    for version, old, new in ((2, "One", "Two"), (3, "Two", "Three")):
        world.edit("ask", old, new, commit="Reword" if version == 2 else "")
        shutil.rmtree(world.root / ".promptsync")
        assert world.states()["ask"] == "ahead"
        assert [one["version"] for one in world.ok("push", "--json").document["published"]] == [version]
        assert set(world.states().values()) == {"in-sync"}
    assert "strict" not in world.path("ask").read_text()
    # a deleted file comes back without them
    before = world.path("ask").read_text()
    world.path("ask").unlink()
    world.ok("pull", "--theirs", "ask")
    assert SYNCED.sub("", world.path("ask").read_text()) == SYNCED.sub("", before)


def test_a_text_edited_in_the_dashboard_is_pulled_and_merged_without_what_the_registry_adds(
    world: World,
) -> None:
    _in_dashboard(world, "Theirs")
    world.faults.append(growing(_everywhere))
    assert world.states() == {"support/refund": "in-sync", "support/tone": "in-sync", "ask": "behind"}
    world.ok("pull")
    file = yaml.safe_load(world.path("ask").read_text())
    # What changed with the version is an edit like any other.
    assert "extra" not in file and file["messages"] == [
        {"role": "system", "content": "Theirs", "id": "m2-0"},
        {"role": "user", "content": "{two}", "id": "m2-1"},
    ]
    assert set(world.states().values()) == {"in-sync"}
    world.commit()
    assert world.ok("push", "--json").document["published"] == []

    _in_dashboard(world, "Theirs again")
    world.edit("ask", "{two}", "{two} please")
    assert world.states()["ask"] == "diverged"
    world.ok("pull", "--merge")
    text = world.path("ask").read_text()
    assert "Theirs again" in text and "{two} please" in text
    world.commit()
    assert [one["version"] for one in world.ok("push", "--json").document["published"]] == [4]
    assert set(world.states().values()) == {"in-sync"}


def test_a_key_that_changes_in_the_dashboard_is_an_edit(world: World) -> None:
    world.faults.append(growing(_in_messages))
    _in_dashboard(world, "One")
    assert world.states()["ask"] == "in-sync"  # the dashboard left the key as it was
    _in_dashboard(world, "One", strict=True)
    assert world.states()["ask"] == "behind"
    changes = world.ok("diff", "--json").document["changes"]
    assert [(one["path"], one["old"], one["new"]) for one in changes[0]["fields"]] == [
        ("messages[0].strict", None, True)
    ]
    world.ok("pull")
    assert yaml.safe_load(world.path("ask").read_text())["messages"][0]["strict"] is True
    assert world.states()["ask"] == "in-sync"
    world.edit("ask", "One", "Two")
    world.commit()
    world.ok("push")
    assert world.read("ask")["prompt_template"]["messages"][0]["strict"] is True


def test_a_key_that_was_sent_can_be_changed_and_its_removal_makes_no_difference(world: World) -> None:
    """On the file's side such a key is content like any other. One that the file lacks says nothing."""
    world.faults.append(growing(_numbered))
    for old, new, state in (
        ("content: One", "content: One, strict: true", "ahead"),
        ("strict: true", "strict: false", "ahead"),
        (", strict: false", "", "in-sync"),
    ):
        world.edit("ask", old, new)
        shutil.rmtree(world.root / ".promptsync", ignore_errors=True)
        assert world.states()["ask"] == state
        world.commit(new or "removed")
        assert len(world.ok("push", "--json").document["published"]) == (state == "ahead")
        assert world.states()["ask"] == "in-sync"
    world.edit("ask", "content: One", "content: Two")
    world.ok("push")
    messages = [world.read("ask", version)["prompt_template"]["messages"][0] for version in (1, 2, 3, 4)]
    assert [message.get("strict") for message in messages] == [None, True, False, None]


def test_a_known_field_that_the_registry_fills_in_blocks_no_deploy_once_it_is_released(world: World) -> None:
    def fill(version: dict[str, Any]) -> None:
        if version.get("metadata") and version["metadata"].get("model"):
            version["metadata"]["model"]["base_model"] = "mine"

    world.ok("push", "--label", "prod", "--skip-checks", "-y")
    world.faults.append(growing(fill))
    assert world.states()["support/refund"] == "altered"
    world.edit("ask", "content: One", "content: Two")
    world.commit()
    for _ in range(2):
        shown = world.ok("deploy", "--label", "prod").out
        assert "support/refund: the registry returned it differently" in shown


@pytest.mark.parametrize("since", [1, 3], ids=["all versions", "newer versions"])
@pytest.mark.parametrize("api", ["chat-completions", "chat"])
def test_the_api_that_a_registry_names_is_no_difference_and_another_one_is(
    world: World, api: str, since: int
) -> None:
    def fill(version: dict[str, Any]) -> None:
        model = (version.get("metadata") or {}).get("model")
        if model and (version.get("version") or version["version_number"]) >= since:
            model.setdefault("api_type", api)

    def published() -> list[str]:
        done = world.ok("deploy", "--label", "prod", "-y", "--json").document
        return [prompt["name"] for prompt in done["push"]["published"]]

    def again() -> list[str]:
        assert set(world.states().values()) == {"in-sync"}
        assert world.ok("diff", "--json").document["changes"] == []
        return published()

    name = "support/refund"
    world.edit(name, "provider: openai", "provider: google", commit="Use Gemini")
    world.ok("push", "--label", "prod", "--skip-checks", "-y")
    world.faults.append(growing(fill))
    assert again() == []
    for old, new in (("Hello", "Hi"), ("Hi", "Dear")):
        world.edit(name, old, new, commit=new)
        assert world.states()[name] == "ahead"
        assert published() == [name]
        assert again() == []
    assert world.ok("pull", "--json").document["written"] == []

    # a person's choice is one
    world.edit(name, "name: gpt-4o", "name: gpt-4o\n  api_type: chat-completions", commit="Name the API")
    world.ok("push")
    assert again() == []
    live = world.read(name)
    model = {**live["metadata"]["model"], "api_type": "responses"}
    world.publish(name, prompt_template=live["prompt_template"], metadata={"model": model}, tags=["a"])
    assert world.states()[name] == "behind"
    world.ok("pull")
    assert "api_type: responses" in world.path(name).read_text("utf-8")
    world.commit()
    assert world.ok("push", "--json").document["published"] == []
    world.says(3, "api_type was chat-completions, is responses", "deploy", "--label", "prod", "-y")
    world.edit(name, "  api_type: responses\n", "")
    assert world.states()[name] == "ahead"


def test_a_field_that_the_vendor_takes_back_is_altered(world: World) -> None:
    """Files that were pulled meanwhile have it, and nobody sent it."""
    field = growing(_in_messages)
    world.faults.append(field)
    for name in NAMES:
        world.path(name).unlink()
    shutil.rmtree(world.root / ".git")
    world.git("init", "-q", "-b", "main")
    world.ok("pull")
    assert "strict: false" in world.path("ask").read_text()
    world.commit()
    world.faults.remove(field)
    for _ in ("recorded", "without private files"):
        assert world.states()["ask"] == "altered"
        assert world.ok("push", "--json").document["published"] == []
        shutil.rmtree(world.root / ".promptsync")


def test_a_rollback_leaves_the_version_whose_key_the_dashboard_added(world: World) -> None:
    world.faults.append(growing(_in_messages))
    _in_dashboard(world, "One", mood="calm")
    world.ok("pull", "ask")
    assert "mood: calm" in world.path("ask").read_text() and "strict" not in world.path("ask").read_text()
    world.ok("label", "set", "ask", "prod", "--to", "1")
    world.ok("label", "move", "ask", "prod", "--to", "2")
    world.ok("rollback", "--label", "prod", "--to", "HEAD", "-y")
    assert world.label("ask", "prod") == 1
