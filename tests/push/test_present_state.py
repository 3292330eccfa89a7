"""A push of a few of many prompts looks again at those few alone, and misses nothing in between."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from worlds import Reply, Seen, World, failing, fault, once, template

COUNT = 201

BEFORE, AFTER = 1, 2
"""The first search for a prompt is right before the publish, the second right after it."""


def searched(seen: Seen) -> str:
    """The name that a request searches for."""
    path, _, query = seen.target.partition("?")
    return parse_qs(query).get("name", [""])[0] if path == "/prompt-templates" else ""


@template
def many(world: World) -> None:
    """``p200`` is changed and ``fresh`` is new; the registry has many more prompts."""
    for number in range(COUNT):
        world.publish(f"p{number:03}", "Hello {name}")
    world.write("p200")
    world.commit("Add")
    world.ok("push")
    world.write("p200", "Changed {name}")
    world.commit("Change p200")


def meanwhile(world: World, name: str, which: int, do: Callable[[], object]) -> None:
    """Let somebody else do something right before the registry gets that search for ``name``."""
    world.faults.append(once(lambda seen: searched(seen) == name, do, at=which))


def replaced(world: World) -> None:
    world.archive("p200")
    world.rename("p200", "old")
    world.publish("p200")


BEFOREHAND: dict[str, tuple[Callable[[World], object], str]] = {
    "publishes": (lambda world: world.publish("p200"), "v2 -> v3"),
    "archives it": (lambda world: world.archive("p200"), "v2 -> missing"),
    "renames it": (lambda world: world.rename("p200", "other"), "v2 -> missing"),
    "takes its place": (replaced, "v2 -> v1"),
    "creates it": (lambda world: world.publish("fresh"), "missing -> v1"),
}


@pytest.mark.parametrize(("do", "told"), BEFOREHAND.values(), ids=BEFOREHAND)
def test_what_somebody_does_before_the_publish_refuses_it(
    many: World, do: Callable[[World], object], told: str
) -> None:
    name = "fresh" if told.startswith("missing") else "p200"
    many.write(name) if name == "fresh" else many.publish("p200", "Hello {name}")
    meanwhile(many, name, BEFORE, lambda: do(many))
    error = many.exits(3, "push", "--json").document["error"]
    assert error["code"] == "remote-moved" and told.split(" -> ")[1] in str(error)
    assert many.published == []


@pytest.mark.parametrize("what", ["publishes", "archives it", "renames it"])
def test_what_somebody_does_after_the_publish_is_told(many: World, what: str) -> None:
    meanwhile(many, "p200", AFTER, lambda: BEFOREHAND[what][0](many))
    done = many.exits(3, "push", "--label", "prod", "--json").document
    assert many.published == ["p200"]
    assert (done["error"]["code"], done["error"]["hint"]) == ("raced", "promptsync pull --merge p200")
    assert not any(label["moved"] for label in done["labels"])


def test_after_a_search_that_lags_behind_the_publish_the_prompt_itself_is_read(many: World) -> None:
    before = many.forward(Seen("GET", "/prompt-templates?name=p200&page=1&per_page=100", {}, None))
    many.faults.append(fault(lambda seen: bool(searched(seen) and many.published), before))
    many.ok("push")
    assert [searched(one) for one in many.seen if searched(one)] == ["p200"] * 2


NO_SEARCH = [failing(422), Reply({"items": [], "total": 0, "pages": 0}), failing(500), Reply("<html>")]


def test_a_registry_that_cannot_search_is_listed_instead(many: World) -> None:
    for version, answer in enumerate(NO_SEARCH, 2):
        many.faults[:] = [fault(lambda seen: bool(searched(seen)), answer)]
        many.ok("push")
        assert many.version("p200") == version
        many.write("p200", f"Changed {version} times, {{name}}", commit="Change p200 again")
