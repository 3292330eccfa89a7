"""``promptsync ls-remote``: which prompts it lists, and what it knows about each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from release_world import World, faulty, world

from promptsync.project.target import find_prompt


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    with world(tmp_path, capsys) as here:
        stock(here)
        yield here


def stock(here: World) -> None:
    here.publish("greet", "one", tags=["a"])
    here.publish("support/refund", "one", "two", tags=["a", "b"])
    here.publish("support/tone", "one", snippet=True)
    here.publish("old", "one")
    here.label("support/refund", prod=1, staging=2)
    here.project.registry.prompts.archive(find_prompt(here.project, "old").template_id, is_snippet=False)


def listed(here: World, *arguments: str) -> dict[str, dict[str, Any]]:
    document = here.run("ls-remote", "--json", *arguments).document
    return {prompt["name"]: prompt for prompt in document["prompts"]}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("", ["greet", "support/refund", "support/tone"]),
        ("*r*e*", ["greet", "support/refund", "support/tone"]),
        ("support/*", ["support/refund", "support/tone"]),
        ("GREET*", []),
        ("gr?et", ["greet"]),
        ("--label prod", ["support/refund"]),
        ("--label nowhere", []),
        ("--tag a", ["greet", "support/refund"]),
        ("--tag b --tag a", ["support/refund"]),
        ("--tag A", []),
        ("--status deleted", ["old"]),
        ("--status all", ["greet", "old", "support/refund", "support/tone"]),
    ],
)
def test_the_list_is_filtered(here: World, arguments: str, names: list[str]) -> None:
    assert [*listed(here, *arguments.split())] == names


def test_the_list_has_labels_archived_prompts_and_files(here: World) -> None:
    here.write("prompts/elsewhere.yaml", "name: greet\ncontent: x\n")
    prompts = listed(here, "--status", "all")
    assert prompts["support/refund"]["labels"] == [
        {"label": "prod", "version": 1},
        {"label": "staging", "version": 2},
    ]
    assert prompts["greet"]["labels"] == []
    assert (prompts["old"]["archived"], prompts["old"]["labels"]) == (True, None)
    assert [name for name, prompt in prompts.items() if prompt["adopted"]] == ["greet"]
    assert listed(here, "--label", "prod")["support/refund"]["version"] == 1


def test_labels_are_read_singly_only_when_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answers(method: str, path: str) -> tuple[int, Any] | None:
        return (404, {"message": "no prompt labels"}) if path == "/prompt-templates/labels" else None

    with faulty(tmp_path, answers, capsys) as (sound, broken, _):
        stock(sound)
        assert [prompt["labels"] for prompt in listed(broken, "support/*").values()] == [None, None]
        singly = [prompt["labels"] for prompt in listed(broken, "support/*", "-v").values()]
        assert [len(labels) for labels in singly] == [2, 0]


def test_many_pages_are_one_list(here: World) -> None:
    for number in range(120):
        here.publish(f"p{number:03}", "one")
    assert [*listed(here)][-2:] == ["support/refund", "support/tone"]
    assert "p119" in listed(here)
