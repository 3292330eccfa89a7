"""Reading a version: how it is addressed, what is missing, and what comes from the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from scripted_registry import Reply, Scripted, Seen, client, item, version

from promptsync.registry.address import segment
from promptsync.registry.errors import BadAnswer, NotFound, RenamedRemotely

NOT_FOUND = Reply({"success": False, "message": "no prompt of that name"}, status=404)


class Shelf:
    """A cache in a dictionary, by URL, workspace, prompt and version."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str | int, ...], dict[str, Any]] = {}

    def get(self, *key: str | int) -> dict[str, Any] | None:
        return self.kept.get(key)

    def put(self, url: str, workspace: int, template: int, version: int, raw: Mapping[str, Any]) -> None:
        self.kept[url, workspace, template, version] = dict(raw)


def test_a_raw_read_is_fresh_unresolved_and_addressed_by_id() -> None:
    script = Scripted(Reply(version("a/b", 3, created_at="2026-02-01T08:00:00Z", tags=["t"])))
    with client(script) as registry:
        read = registry.prompts.get(7, "a/b", version=3)
        assert registry.workspace_id == 9
    assert script.seen[0].target == "/prompt-templates/7?version=3&resolve_snippets=false"
    assert script.seen[0].headers["Cache-Control"] == "no-cache"
    assert (read.template_id, read.version, read.workspace_id) == (7, 3, 9)
    assert (read.message, read.created_at) == ("first (v1)", "2026-02-01T08:00:00Z")
    assert (read.prompt.tags, read.prompt.extra) == (("t",), {})


def test_a_prompt_without_an_id_is_addressed_by_its_encoded_name() -> None:
    for name in ("a/b", "a:b", "ä 50%", ".."):
        script = Scripted(Reply(version(name)))
        with client(script) as registry:
            assert registry.prompts.get(None, name, label="prod").prompt.name == name
        assert script.seen[0].target == (
            f"/prompt-templates/{segment(name)}?label=prod&resolve_snippets=false"
        )


def test_another_version_or_another_name_than_was_asked_for_is_refused() -> None:
    with client(Scripted(Reply(version(number=2)))) as registry:
        with pytest.raises(BadAnswer, match="GET /prompt-templates/7"):
            registry.prompts.get(7, "greet", version=1)
        with pytest.raises(RenamedRemotely, match=r"'old'.*'greet'") as caught:
            registry.prompts.get(7, "old")
        assert (caught.value.exit_code, caught.value.code) == (3, "renamed-remotely")


def test_a_prompt_is_missing_only_if_both_ways_of_reading_agree() -> None:
    script = Scripted(NOT_FOUND)
    with client(script) as registry, pytest.raises(NotFound, match=r"no prompt 'greet' with the version 3"):
        registry.prompts.get(7, "greet", version=3)
    assert [seen.method for seen in script.seen] == ["GET", "POST"]
    with client(Scripted(Reply(version()), NOT_FOUND)) as registry:
        registry.prompts.get(7, "greet")
        with pytest.raises(NotFound):
            registry.prompts.get(8, "gone")
        assert registry.requests == 2


@pytest.mark.parametrize("is_name_first", [False, True])
@pytest.mark.parametrize("is_listed_before", [False, True])
def test_an_all_digit_name_and_an_equal_id_are_different_prompts(
    is_name_first: bool, is_listed_before: bool
) -> None:
    prompts = {"71": 5, "greet": 71}
    by_id = {str(number): name for name, number in prompts.items()}

    def react(seen: Seen) -> Reply:
        if seen.path == "/prompt-templates":
            return Reply({"items": [item(number, name) for name, number in prompts.items()], "pages": 1})
        asked = seen.path.rpartition("/")[2]
        name = asked if is_name_first and asked in prompts else by_id.get(asked, asked)
        return NOT_FOUND if name not in prompts else Reply(version(name, 1, prompts[name]))

    with client(react) as registry:
        if is_listed_before:
            registry.prompts.list()
        for name, number in prompts.items():
            assert registry.prompts.get(number, name).template_id == number
            assert registry.prompts.get(None, name).template_id == number
            assert registry.prompts.render(name)["prompt_name"] == name
        with pytest.raises(NotFound):
            registry.prompts.get(None, "5")


# -- the cache -------------------------------------------------------------------------------------------


def test_the_cache_has_known_versions_of_a_known_workspace() -> None:
    shelf = Shelf()
    with client(Scripted(Reply(version())), memory=shelf) as registry:
        first = registry.prompts.get(7, "greet", version=1)
        assert registry.prompts.get(7, "greet", version=1) == first
        assert (registry.requests, [*shelf.kept]) == (1, [(registry.url, 9, 7, 1)])
    with client(Scripted(Reply(version())), memory=shelf) as registry:
        shelf.put(registry.url, 9, 7, 1, version(commit_message="stale"))
        assert registry.prompts.get(7, "greet", version=1).message == "first (v1)"
    script = Scripted(*(Reply(version("greet", number)) for number in (1, 2, 1)))
    with client(script, memory=Shelf()) as registry:
        reads = [registry.prompts.get(7, "greet", label=label).version for label in (None, None, "prod")]
        assert (reads, registry.requests) == ([1, 2, 1], 3)


def test_an_invalid_cache_entry_is_ignored() -> None:
    other = (version("other", 2), version("greet", 3), version("greet", 2, 8), version(prompt_template=1))
    for kept in ({}, {"id": 7}, *other):
        shelf = Shelf()
        script = Scripted(Reply(version("greet", 1)), Reply(version("greet", 2)))
        with client(script, memory=shelf) as registry:
            registry.prompts.get(7, "greet")
            shelf.kept[registry.url, 9, 7, 2] = kept
            assert registry.prompts.get(7, "greet", version=2).version == 2, kept
            assert registry.requests == 2, kept
