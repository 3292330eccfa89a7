"""What a working copy remembers of a registry saves requests, and changes nothing else when it is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted_registry import DROPPED, KEY, Reply, Scripted, Seen, item, serving, template
from strict_registries import Customer, Strict, Vendor, error
from test_listing import asked, pages_of

from promptsync.files.cache import Cache
from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import FateUnknown, Rejected
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.values import Timeouts

PUBLISH = "/rest/prompt-templates"
FLAT, NESTED = f"POST {PUBLISH} flat", f"POST {PUBLISH} nested"
SORTED = "GET /prompt-templates sorted"
QUICK = Timeouts(answer=5.0, first_retry=0.001)


def prompt(name: str = "greet") -> Prompt:
    return Prompt(name, template())


class Place:
    """A registry and the file in which processes remember it; ``process`` opens it as a new process would."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url
        (root / ".promptsync").mkdir(exist_ok=True)

    @contextmanager
    def process(self) -> Iterator[PromptLayer]:
        with PromptLayer(self.url, KEY, memory=Cache(self.root), timeouts=QUICK) as registry:
            yield registry

    @property
    def facts(self) -> dict[str, Any]:
        return Cache(self.root).facts(self.url)

    def remember(self, *lacking: str, hours_ago: int = 0) -> None:
        """Let the registry lack these routes."""
        when = int(time.time()) - hours_ago * 60 * 60
        Cache(self.root).keep_facts(self.url, dict.fromkeys(lacking, when))


@contextmanager
def place(root: Path, react: Callable[[Seen], Reply]) -> Iterator[Place]:
    with serving(react) as url:
        yield Place(root, url)


def publishes(registry: Strict) -> list[str]:
    bodies = [seen.body for seen in registry.seen if (seen.method, seen.path) == ("POST", PUBLISH)]
    registry.seen.clear()
    return ["nested" if "prompt_version" in body else "flat" for body in bodies]


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [(Customer, ["flat"], ["flat"]), (Vendor, ["flat", "nested"], ["nested"])],
)
def test_the_next_process_publishes_in_the_shape_that_worked(
    kind: Callable[[], Strict], first: list[str], second: list[str], tmp_path: Path
) -> None:
    registry = kind()
    with place(tmp_path, registry) as here:
        for sent in (first, second):
            with here.process() as opened:
                opened.prompts.publish(prompt(), message="m")
            assert publishes(registry) == sent
    assert len(registry.prompts["greet"]) == 2


@pytest.mark.parametrize(("kind", "wrong"), [(Customer, FLAT), (Vendor, NESTED)])
def test_a_wrong_memory_costs_one_request_and_is_corrected(
    kind: Callable[[], Strict], wrong: str, tmp_path: Path
) -> None:
    registry = kind()
    with place(tmp_path, registry) as here:
        here.remember(wrong)
        with here.process() as opened:
            opened.prompts.publish(prompt("a"), message="m")
            opened.prompts.publish(prompt("b"), message="m")
        right = wrong.rpartition(" ")[2]
        assert publishes(registry)[1:] == [right, right]
        assert wrong not in here.facts
    assert [len(registry.prompts[name]) for name in "ab"] == [1, 1]


@pytest.mark.parametrize("flat", [400, 422, 409])
@pytest.mark.parametrize("nested", [404, 422])
def test_an_error_does_not_depend_on_what_is_remembered(tmp_path: Path, flat: int, nested: int) -> None:
    def react(seen: Seen) -> Reply:
        status = nested if "prompt_version" in seen.body else flat
        return error(status, f"no {status}")

    told = []
    with place(tmp_path, react) as here:
        for lacking in ([], [FLAT]):
            here.remember(*lacking)
            with here.process() as opened, pytest.raises(Rejected) as caught:
                opened.prompts.publish(prompt(), message="m")
            told.append((caught.value.status, caught.value.hint))
    assert told[0] == told[1]


def test_a_publish_without_an_answer_is_sent_in_no_other_shape(tmp_path: Path) -> None:
    script = Scripted(DROPPED)
    with place(tmp_path, script) as here:
        here.remember(FLAT)
        with here.process() as opened, pytest.raises(FateUnknown):
            opened.prompts.publish(prompt(), message="m")
    assert len(script.seen) == 1


def sortless(calls: list[dict[str, str]], sorts: list[bool]) -> Callable[[Seen], Reply]:
    def react(seen: Seen) -> Reply:
        calls.append(asked(seen))
        if "sort_by" in asked(seen) and not sorts:
            return error(422, "unknown parameter sort_by")
        reply: Reply = pages_of([item(n) for n in range(1, 251)])(seen)
        return reply

    return react


def test_an_order_that_a_registry_refuses_is_tried_again_after_a_day(tmp_path: Path) -> None:
    calls: list[dict[str, str]] = []
    upgraded: list[bool] = []
    with place(tmp_path, sortless(calls, upgraded)) as here:
        for refused in (1, 0):
            with here.process() as opened:
                assert len(opened.prompts.list()) == 250
            assert sum("sort_by" in query for query in calls) == refused
            calls.clear()
        here.remember(SORTED, hours_ago=25)
        upgraded.append(True)
        with here.process() as opened:
            assert len(opened.prompts.list()) == 250
        assert all("sort_by" in query for query in calls)
        assert here.facts == {}


def test_a_label_list_that_failed_is_not_worth_a_request_for_a_day_and_is_found_again(tmp_path: Path) -> None:
    has: list[bool] = []
    script = Scripted(
        react=lambda seen: Reply({"release_labels": []}) if has else error(404, "Prompt not found: labels")
    )
    with place(tmp_path, script) as here:
        with here.process() as opened:
            assert opened.labels.may_list_all
            assert opened.labels.all() is None
            assert not opened.labels.may_list_all
        has.append(True)
        with here.process() as opened:
            assert not opened.labels.may_list_all
            # What is remembered never stands in for the answer itself.
            assert opened.labels.all() == []
        with here.process() as opened:
            assert opened.labels.may_list_all


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"lacks": {"sort": 7}}',
        f'{{"{FLAT}": "now"}}',
        f'{{"{FLAT}": 99999999999}}',
    ],
)
def test_a_damaged_memory_is_no_memory(tmp_path: Path, text: str) -> None:
    registry = Vendor()
    with place(tmp_path, registry) as here:
        here.remember()
        (file,) = (tmp_path / ".promptsync/cache").iterdir()
        file.write_text(text)
        with here.process() as opened:
            assert opened.labels.may_list_all
            opened.prompts.publish(prompt(), message="m")
            assert [version.name for version in opened.prompts.list()] == ["greet"]
        assert publishes(registry) == ["flat", "nested"]


def test_a_memory_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    with place(tmp_path, Vendor()) as here:
        (tmp_path / ".promptsync/cache").write_text("in the way")
        with here.process() as opened:
            assert opened.prompts.publish(prompt(), message="m").version == 1


def test_a_directory_that_is_no_working_copy_stays_as_it_is(tmp_path: Path) -> None:
    with place(tmp_path, Vendor()) as here:
        (tmp_path / ".promptsync").rmdir()
        with here.process() as opened:
            opened.prompts.publish(prompt(), message="m")
    assert [*tmp_path.iterdir()] == []
