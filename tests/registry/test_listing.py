"""A list that comes in pages is whole or an error, whatever the registry says about it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest
from registry_server import chat
from scripted_registry import HTML, React, Reply, Scripted, Seen, client, item, version

from promptsync.registry.errors import BadAnswer, FateUnknown, Rejected

ITEMS = [item(number) for number in range(1, 251)]
ALL = [*range(1, 251)]


def asked(seen: Seen) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(seen.target.partition("?")[2]).items()}


def pages_of(items: Sequence[Any], *, cap: int = 100, keys: str = "pages total has_next") -> React:
    """A reaction that answers with pages of ``items``, saying no more about them than ``keys``."""

    def react(seen: Seen) -> Reply:
        query = asked(seen)
        size, number = min(int(query["per_page"]), cap), int(query["page"])
        pages = math.ceil(len(items) / size)
        if number > max(pages, 1):
            return Reply({"success": False, "message": "no such page"}, status=404)
        envelope = {"pages": pages, "total": len(items), "has_next": number < pages}
        told = {key: value for key, value in envelope.items() if key in keys.split()}
        return Reply({"items": items[(number - 1) * size : number * size], "page": number, **told})

    return react


def only(*items: dict[str, Any]) -> Scripted:
    """One page with these items."""
    return Scripted(Reply({"items": items, "pages": 1, "total": len(items)}))


def ids(registry: Any) -> list[int]:
    return [prompt.template_id for prompt in registry.prompts.list()]


@pytest.mark.parametrize("keys", ["pages total has_next", "pages", "total", "has_next", ""])
def test_every_item_is_read_once_whatever_the_registry_says_about_pages(keys: str) -> None:
    for count, cap in ((0, 100), (1, 100), (100, 100), (101, 100), (250, 100), (75, 30), (60, 30)):
        with client(pages_of(ITEMS[:count], cap=cap, keys=keys)) as registry:
            assert sorted(ids(registry)) == ALL[:count], count
            pages = max(math.ceil(count / cap), 1)
            assert registry.requests == pages if keys else registry.requests <= pages + 1, count


def test_pages_are_read_in_parallel_and_in_order_with_progress() -> None:
    together = threading.Barrier(4, timeout=120)
    answer = pages_of([*ITEMS, *(item(number) for number in range(251, 501))])

    def react(seen: Seen) -> Reply:
        if asked(seen)["page"] != "1":
            together.wait()
        return answer(seen)

    told: list[tuple[int, int]] = []
    with client(react) as registry:
        prompts = registry.prompts.list(on_page=lambda done, pages: told.append((done, pages)))
    assert [prompt.template_id for prompt in prompts] == [*range(1, 501)]
    assert told == [(1, 5), (5, 5)]


@pytest.mark.parametrize("status", [400, 422])
def test_a_registry_that_cannot_sort_gets_no_sorting_after_the_first_rejection(status: int) -> None:
    refused = Reply({"success": False, "message": "unknown parameter sort_by"}, status=status)
    plain = pages_of(ITEMS)
    with client(lambda seen: refused if "sort_by" in asked(seen) else plain(seen)) as registry:
        assert len(ids(registry)) == 250
        assert registry.requests == 4
        assert len(ids(registry)) == 250
        assert registry.requests == 7
    with client(Scripted(refused)) as registry, pytest.raises(Rejected, match="unknown parameter"):
        registry.prompts.list(status="odd")


def shifting(times: int) -> Callable[[Seen], Reply]:
    """Newest first, and a new prompt between the first and the second page, ``times`` times over."""
    items = [item(number) for number in range(150, 0, -1)]
    inserted = [0]

    def react(seen: Seen) -> Reply:
        reply = pages_of(list(items))(seen)
        if asked(seen)["page"] == "1" and inserted[0] < times:
            inserted[0] += 1
            items.insert(0, item(150 + inserted[0]))
        return reply

    return react


def test_a_list_that_shifts_while_it_is_read_is_read_again_until_that_is_an_error() -> None:
    with client(shifting(2)) as registry:
        assert sorted(ids(registry)) == [*range(1, 153)]
        assert registry.requests == 6
    with client(shifting(99)) as registry:
        with pytest.raises(BadAnswer, match="kept changing") as caught:
            registry.prompts.list()
        assert (caught.value.exit_code, registry.requests) == (4, 6)
    first, torn, whole = (
        Reply({"items": [item(number) for number in numbers], "pages": 2, "total": 4})
        for numbers in ((1, 2), (2, 4), (3, 4))
    )
    with client(Scripted(first, torn, first, whole)) as registry:
        assert ids(registry) == [1, 2, 3, 4]


HARMLESS: list[dict[str, Any]] = [
    {},
    *({"total": value} for value in ("250", "many", None, 4.5)),
    *({"pages": value} for value in (None, [], "3")),
    *({"has_next": value} for value in (False, None)),
]
LIES: list[dict[str, Any]] = [
    *({"total": value} for value in (1, 251, 9999, -1)),
    *({"pages": value} for value in (0, 1, 9, 10**9)),
    *({"pages": value, "total": None} for value in (1, 9)),
    {"pages": 1, "total": 100, "has_next": True},
    {"has_next": True},
]


@pytest.mark.parametrize("beyond", ["404", "400", "empty", "repeated"])
def test_a_list_is_whole_or_an_error_whatever_the_registry_says_about_it(beyond: str) -> None:
    for claims in (*HARMLESS, *LIES):

        def react(seen: Seen, claims: dict[str, Any] = claims) -> Reply:
            page = int(asked(seen)["page"])
            if page > 3 and beyond.isdigit():
                return Reply({"success": False, "message": "no such page"}, status=int(beyond))
            start = (page if beyond == "empty" else min(page, 3)) * 100 - 100
            envelope = {"pages": 3, "total": 250, "has_next": page < 3, **claims}
            return Reply({"items": ITEMS[start : start + 100], "page": page, **envelope})

        with client(react) as registry:
            try:
                read = ids(registry)
            except BadAnswer:
                read = []
        is_lie = claims in LIES and (beyond != "empty" or claims.get("pages") != 9)
        assert read == ([] if is_lie else ALL), claims


def test_one_failed_page_fails_the_whole_list() -> None:
    for fault, error in (
        (Reply({}, status=500), FateUnknown),
        (HTML, BadAnswer),
        (Reply({"message": "Report not found"}, status=404), BadAnswer),
        (Reply('{"items": ['), BadAnswer),
        (Reply({"items": [{"id": 3}], "pages": 3, "total": 250}), BadAnswer),
    ):

        def react(seen: Seen, fault: Reply = fault) -> Reply:
            return fault if asked(seen)["page"] == "3" else pages_of(ITEMS)(seen)

        with client(react) as registry, pytest.raises(error):
            registry.prompts.list()


# -- what an item has ------------------------------------------------------------------------------------


def test_a_list_item_has_everything_that_the_registry_returns() -> None:
    metadata = {"model": {"provider": "openai", "name": "gpt-4o"}}
    about = {
        "version": 4,
        "commit_message": "m (v4)",
        "tags": ["x"],
        "is_snippet": True,
        "metadata": metadata,
    }
    added = {"external_ids": [], "temperament": "sunny", "provider_base_url": None}
    with client(only(item(5, "a/b", **about, **added))) as registry:
        (listed,) = registry.prompts.list()
    assert (listed.template_id, listed.name, listed.version, listed.message) == (5, "a/b", 4, "m (v4)")
    assert listed.is_snippet
    assert (listed.prompt.tags, listed.prompt.metadata) == (("x",), metadata)
    assert listed.prompt.extra == {"temperament": "sunny"}


def test_a_template_has_a_type_and_blocks_whatever_was_stored() -> None:
    blocks = [{"type": "text", "text": "Hi"}]
    for given, template_type, content in (
        ({"messages": [{"role": "user", "content": "Hi"}]}, "chat", blocks),
        ({"content": "Hi"}, "completion", blocks),
        ({"type": "chat", "messages": [{"role": "user", "content": None}]}, "chat", None),
    ):
        with client(only({**item(1), "prompt_template": given})) as registry:
            template = registry.prompts.list()[0].prompt.template
        assert template["type"] == template_type, given
        assert template.get("messages", [template])[0]["content"] == content, given


def test_a_version_or_body_that_the_list_leaves_out_is_read_on_its_own() -> None:
    bare = [{"id": 1, "prompt_name": "one"}, {"id": 2, "prompt_name": "two", "prompt_template": chat()}]
    plain = only(*bare, item(3))

    def react(seen: Seen) -> Reply:
        if seen.path == "/prompt-templates":
            return plain(seen)
        number = int(seen.path.rpartition("/")[2])
        return Reply(version(bare[number - 1]["prompt_name"], 4, number))

    with client(react) as registry:
        listed = [(prompt.name, prompt.version) for prompt in registry.prompts.list()]
        assert listed == [("one", 4), ("two", 4), ("p3", 1)]
        assert registry.requests == 3
