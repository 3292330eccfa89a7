"""What is remembered of a registry saves requests, and changes nothing else when it is wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted_registry import KEY, Reply, Seen, item, serving, template
from strict_registries import Customer, Strict, Vendor, error
from test_listing import asked, pages_of

from promptsync.files.cache import Cache
from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import Rejected
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.protocol import Timeouts

PUBLISH = "/rest/prompt-templates"
FLAT, NESTED = f"POST {PUBLISH} flat", f"POST {PUBLISH} nested"
SORTED = "GET /prompt-templates sorted"
A_DAY_AGO = 25 * 60 * 60
GREET = Prompt("greet", template())


class Memory:
    """Keeps facts in a dictionary, and versions not at all."""

    def __init__(self, *lacking: str, seconds_ago: int = 0) -> None:
        self.kept: dict[str, Any] = dict.fromkeys(lacking, int(time.time()) - seconds_ago)

    def facts(self, url: str) -> dict[str, Any]:
        return dict(self.kept)

    def keep_facts(self, url: str, facts: Mapping[str, Any]) -> None:
        self.kept = dict(facts)

    def get(self, *key: Any) -> None: ...

    def put(self, *key: Any) -> None: ...


@contextmanager
def process(react: Callable[[Seen], Reply], memory: Any) -> Iterator[PromptLayer]:
    timeouts = Timeouts(answer=5.0, first_retry=0.001)
    with serving(react) as url, PromptLayer(url, KEY, memory=memory, timeouts=timeouts) as registry:
        yield registry


def publishes(registry: Strict) -> list[str]:
    bodies = [seen.body for seen in registry.seen if (seen.method, seen.path) == ("POST", PUBLISH)]
    registry.seen.clear()
    return ["nested" if "prompt_version" in body else "flat" for body in bodies]


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [(Customer, ["flat"], ["flat"]), (Vendor, ["flat", "nested"], ["nested"])],
)
def test_the_next_process_publishes_in_the_form_that_worked(
    kind: Callable[[], Strict], first: list[str], second: list[str]
) -> None:
    registry, memory = kind(), Memory()
    for sent in (first, second):
        with process(registry, memory) as opened:
            opened.prompts.publish(GREET, message="m")
        assert publishes(registry) == sent
    assert len(registry.prompts["greet"]) == 2


@pytest.mark.parametrize(("kind", "wrong"), [(Customer, FLAT), (Vendor, NESTED)])
def test_a_wrong_memory_costs_one_request_and_is_corrected(kind: Callable[[], Strict], wrong: str) -> None:
    registry, memory = kind(), Memory(wrong)
    with process(registry, memory) as opened:
        for _ in range(2):
            opened.prompts.publish(GREET, message="m")
    right = wrong.rpartition(" ")[2]
    assert publishes(registry)[1:] == [right, right]
    assert wrong not in memory.kept
    assert len(registry.prompts["greet"]) == 2


@pytest.mark.parametrize("flat", [400, 422, 409])
@pytest.mark.parametrize("nested", [404, 422])
def test_an_error_does_not_depend_on_what_is_remembered(flat: int, nested: int) -> None:
    def react(seen: Seen) -> Reply:
        status = nested if "prompt_version" in seen.body else flat
        return error(status, f"no {status}")

    told = []
    for memory in (Memory(), Memory(FLAT)):
        with process(react, memory) as opened, pytest.raises(Rejected) as caught:
            opened.prompts.publish(GREET, message="m")
        told.append((caught.value.status, caught.value.hint))
    assert told[0] == told[1]


def test_the_next_process_requests_all_pages_at_once() -> None:
    together = threading.Barrier(3, timeout=120)
    pages, memory = pages_of([item(n) for n in range(1, 251)]), Memory()

    def react(seen: Seen) -> Reply:
        if memory.kept:
            together.wait()
        reply: Reply = pages(seen)
        return reply

    for _ in range(2):
        with process(react, memory) as opened:
            assert [listed.template_id for listed in opened.prompts.list()] == [*range(1, 251)]
            assert opened.requests == 3


@pytest.mark.parametrize("count", [0, 1, 100, 250, 350, 1200])
@pytest.mark.parametrize("remembered", [-1, 1, 2, 9, 10**9])
def test_a_list_that_changed_in_between_is_read_whole(remembered: int, count: int) -> None:
    memory = Memory()
    memory.kept = {"pages": remembered}
    with process(pages_of([item(n) for n in range(1, count + 1)]), memory) as opened:
        assert [listed.template_id for listed in opened.prompts.list()] == [*range(1, count + 1)]
    assert memory.kept["pages"] == -(-count // 100)


def test_an_order_that_a_registry_refuses_is_tried_again_after_a_day() -> None:
    calls: list[dict[str, str]] = []
    pages = pages_of([item(n) for n in range(1, 251)])

    def sortless(seen: Seen) -> Reply:
        calls.append(asked(seen))
        return error(422, "unknown parameter sort_by") if "sort_by" in asked(seen) else pages(seen)

    memory = Memory()
    for refused in (1, 0):
        calls.clear()
        with process(sortless, memory) as opened:
            assert len(opened.prompts.list()) == 250
        assert sum("sort_by" in query for query in calls) == refused
    memory = Memory(SORTED, seconds_ago=A_DAY_AGO)
    with process(pages, memory) as opened:
        assert len(opened.prompts.list()) == 250
    assert memory.kept == {"pages": 3}


def test_a_label_list_that_failed_is_not_worth_a_request_for_a_day_and_is_found_again() -> None:
    memory = Memory()
    with process(lambda seen: error(404, "Prompt not found: labels"), memory) as opened:
        assert opened.labels.may_list_all
        assert opened.labels.all() is None
        assert not opened.labels.may_list_all
    with process(lambda seen: Reply({"release_labels": []}), memory) as opened:
        assert not opened.labels.may_list_all
        # What is remembered never stands in for the answer itself.
        assert opened.labels.all() == []
    with process(lambda seen: Reply({"release_labels": []}), memory) as opened:
        assert opened.labels.may_list_all


@pytest.mark.parametrize("kept", [{"lacks": {"sort": 7}}, {FLAT: "now"}, {FLAT: 99_999_999_999}])
def test_a_damaged_memory_is_no_memory(kept: dict[str, Any]) -> None:
    registry, memory = Vendor(), Memory()
    memory.kept = kept
    with process(registry, memory) as opened:
        assert opened.labels.may_list_all
        opened.prompts.publish(GREET, message="m")
    assert publishes(registry) == ["flat", "nested"]


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_file_is_no_memory_and_one_that_cannot_be_written_changes_nothing(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / ".promptsync").mkdir()
    Cache(tmp_path).keep_facts("http://registry", {FLAT: 7})
    (file,) = (tmp_path / ".promptsync/cache").iterdir()
    file.write_text(text)
    assert Cache(tmp_path).facts("http://registry") == {}
    file.unlink()
    file.parent.rmdir()
    file.parent.write_text("in the way")
    with process(Vendor(), Cache(tmp_path)) as opened:
        assert opened.prompts.publish(GREET, message="m").version == 1


def test_a_directory_that_is_no_working_copy_stays_as_it_is(tmp_path: Path) -> None:
    with process(Vendor(), Cache(tmp_path)) as opened:
        opened.prompts.publish(GREET, message="m")
    assert [*tmp_path.iterdir()] == []
