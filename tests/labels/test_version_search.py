"""Which version of a prompt a rollback to a commit chooses, with one prompt and with many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import chat, completion
from release_world import World, world

from promptsync.compare.labels import labelled
from promptsync.files.prompt_file import PromptFile
from promptsync.labels.version_search import Wanted, versions_with_text
from promptsync.prompt.prompt import Local, Prompt


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def file(name: str, template: dict[str, Any]) -> PromptFile:
    """A file of a commit."""
    return PromptFile(f"{name}.yaml", "", Prompt(name, template), Local())


def search(here: World, **texts: str) -> dict[str, int]:
    """The versions of prompts that have these texts, for the label prod."""
    prompts = labelled(here.project, list(texts))
    wanted = [Wanted(one, file(one.listed.name, chat(texts[one.listed.name]))) for one in prompts]
    return versions_with_text(here.project, "prod", wanted)


CHOICES: list[tuple[str, str, int, int | None, str, int | None]] = [
    ("the version under the label", "ABA", 3, None, "A", 3),
    ("rather than the one under prod.previous", "AA", 2, 1, "A", 2),
    ("the version under prod.previous", "ABC", 3, 1, "A", 1),
    ("rather than a newer one that was never live", "AAB", 3, 1, "A", 1),
    ("the withdrawn version, after a rollback", "BAA", 1, 2, "A", 2),
    ("rather than an older one with the same text", "ABA", 2, 3, "A", 3),
    ("the newest below the label", "AAB", 3, None, "A", 2),
    ("although prod.previous has another text", "AABC", 4, 3, "A", 2),
    ("rather than one above it", "ABA", 2, None, "A", 1),
    ("the newest above the label", "BAA", 1, None, "A", 3),
    ("far below the label", "AB" + "C" * 40, 42, 41, "B", 2),
    ("far above the label", "C" * 40 + "AB", 1, None, "A", 41),
    ("none, if the text was never published", "ABC", 2, 1, "D", None),
    ("none of the only version", "A", 1, None, "B", None),
]


@pytest.mark.parametrize("company", [False, True], ids=["alone", "with others"])
@pytest.mark.parametrize(
    ("versions", "label", "previous", "text", "found"),
    [case[1:] for case in CHOICES],
    ids=[case[0] for case in CHOICES],
)
def test_it_is(
    here: World, versions: str, label: int, previous: int | None, text: str, found: int | None, company: bool
) -> None:
    here.publish("refund", *versions)
    here.label("refund", prod=label, **({"prod_previous": previous} if previous is not None else {}))
    texts = {"refund": text}
    if company:
        here.publish("greet", "X", "Y")
        here.label("greet", prod=2)
        texts["greet"] = "X"
    expected = {"refund": found, "greet": 1 if company else None}
    assert search(here, **texts) == {name: at for name, at in expected.items() if at is not None}


def test_the_lists_of_the_labels_show_a_usual_release(here: World) -> None:
    names = [f"prompt-{number}" for number in range(12)]
    for name in names:
        here.publish(name, "A", "B")
        here.label(name, prod=2, prod_previous=1)
    prompts = labelled(here.project)
    before = here.project.registry.requests
    wanted = [Wanted(one, file(one.listed.name, chat("A"))) for one in prompts]
    assert set(versions_with_text(here.project, "prod", wanted).values()) == {1}
    assert here.project.registry.requests - before == 3  # one for each list


@pytest.mark.parametrize("rolled_back", [2, 3])
@pytest.mark.parametrize("company", [False, True], ids=["alone", "with others"])
def test_after_a_rollback_it_is_the_version_that_was_live(
    here: World, company: bool, rolled_back: int
) -> None:
    here.publish("refund", "A", "B", "C", "B")
    here.label("refund", prod=1, prod_previous=1, prod_released=rolled_back)
    texts = {"refund": "B"}
    if company:
        here.publish("greet", "X")
        here.label("greet", prod=1)
        texts["greet"] = "X"
    assert search(here, **texts)["refund"] == 2


def test_tags_of_a_prompt_play_no_part(here: World) -> None:
    here.publish("refund", "A", "B", tags=["old"])
    here.publish("greet", "A", "B")
    for name in ("refund", "greet"):
        here.label(name, prod=2, prod_previous=1)
    assert search(here, refund="A", greet="A") == {"refund": 1, "greet": 1}


def test_a_snippet_is_found_like_any_prompt(here: World) -> None:
    here.publish("tone", "A", "B", snippet=True)
    here.label("tone", prod=2)
    (one,) = labelled(here.project, ["tone"])
    wanted = [Wanted(one, file("tone", completion("A")))]
    assert versions_with_text(here.project, "prod", wanted) == {"tone": 1}
