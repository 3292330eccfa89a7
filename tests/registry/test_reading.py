from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from scripted_registry import Reply, Scripted, Seen, client, item, version

from promptsync.registry.address import segment
from promptsync.registry.errors import BadAnswer, NotFound, RenamedRemotely

NOT_FOUND = Reply({"success": False, "message": "no prompt of that name"}, status=404)


class Shelf:
    """A cache in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int, int, int], dict[str, Any]] = {}

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None:
        return self.kept.get((url, workspace_id, template_id, version))

    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None:
        self.kept[url, workspace_id, template_id, version] = dict(raw)


def test_a_raw_read_is_fresh_unresolved_and_addressed_by_id() -> None:
    script = Scripted(Reply(version("a/b", 3, created_at="2026-02-01T08:00:00Z", tags=["t"])))
    with client(script) as registry:
        read = registry.prompts.get(7, "a/b", version=3)
        assert registry.workspace_id == 9
    assert script.seen[0].target == "/prompt-templates/7?version=3&resolve_snippets=false"
    assert script.seen[0].headers["Cache-Control"] == "no-cache"
    assert (read.template_id, read.version, read.workspace_id) == (7, 3, 9)
    assert (read.message, read.created_at) == ("first (v1)", "2026-02-01T08:00:00Z")
    assert read.prompt.tags == ("t",)
    assert read.prompt.extra == {}


@pytest.mark.parametrize("name", ["a/b", "a:b", "ä 50%", ".."])
def test_a_prompt_without_an_id_is_addressed_by_its_encoded_name(name: str) -> None:
    script = Scripted(Reply(version(name)))
    with client(script) as registry:
        assert registry.prompts.get(None, name, label="prod").prompt.name == name
    assert script.seen[0].target == f"/prompt-templates/{segment(name)}?label=prod&resolve_snippets=false"


def test_another_version_than_the_one_that_was_asked_for_is_refused() -> None:
    with client(Scripted(Reply(version(number=2)))) as registry, pytest.raises(BadAnswer) as caught:
        registry.prompts.get(7, "greet", version=1)
    assert "GET /prompt-templates/7" in caught.value.message


def test_a_prompt_is_missing_only_if_both_ways_of_reading_agree() -> None:
    script = Scripted(NOT_FOUND)
    with client(script) as registry, pytest.raises(NotFound, match=r"no prompt 'greet' with the version 3"):
        registry.prompts.get(7, "greet", version=3)
    assert [seen.method for seen in script.seen] == ["GET", "POST"]
    script = Scripted(Reply(version()), NOT_FOUND)
    with client(script) as registry:
        registry.prompts.get(7, "greet")
        with pytest.raises(NotFound):
            registry.prompts.get(8, "gone")
        assert registry.requests == 2


def test_a_renamed_prompt_is_refused_with_exit_code_three() -> None:
    with client(Scripted(Reply(version("new")))) as registry, pytest.raises(RenamedRemotely) as caught:
        registry.prompts.get(7, "old")
    assert (caught.value.exit_code, caught.value.code) == (3, "renamed-remotely")
    assert "'old'" in caught.value.message and "'new'" in caught.value.message


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
    script = Scripted(Reply(version("greet", 1)))
    with client(script, memory=shelf) as registry:
        first = registry.prompts.get(7, "greet", version=1)
        assert registry.prompts.get(7, "greet", version=1) == first
        assert registry.requests == 1
        assert [*shelf.kept] == [(registry.url, 9, 7, 1)]
    shelf = Shelf()
    with client(Scripted(Reply(version("greet", 1))), memory=shelf) as registry:
        shelf.put(registry.url, 9, 7, 1, version("greet", 1, commit_message="stale"))
        assert registry.prompts.get(7, "greet", version=1).message == "first (v1)"
    script = Scripted(Reply(version("greet", 1)), Reply(version("greet", 2)), Reply(version("greet", 1)))
    with client(script, memory=Shelf()) as registry:
        assert registry.prompts.get(7, "greet").version == 1
        assert registry.prompts.get(7, "greet").version == 2
        assert registry.prompts.get(7, "greet", label="prod").version == 1
        assert registry.requests == 3


def test_an_invalid_cache_entry_is_ignored() -> None:
    for kept in (
        {},
        {"id": 7},
        version("other", 2),
        version("greet", 3),
        version("greet", 2, 8),
        version(prompt_template=1),
    ):
        shelf = Shelf()
        script = Scripted(Reply(version("greet", 1)), Reply(version("greet", 2)))
        with client(script, memory=shelf) as registry:
            registry.prompts.get(7, "greet")
            shelf.kept[registry.url, 9, 7, 2] = kept
            assert registry.prompts.get(7, "greet", version=2).version == 2, kept
            assert registry.requests == 2, kept
