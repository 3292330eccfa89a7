"""What a registry holds, the versions of a prompt, and the commits that hold the same."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import pytest
from worlds import World, asking, failing, fault

from promptsync.commands.log import read_log
from promptsync.errors import PromptsyncError
from promptsync.project.target import resolve
from promptsync.project.versions import Catalog, find_versions, read_versions
from promptsync.prompt.prompt import Version


def commit(world: World, text: str, path: str = "prompts/greet.yaml") -> str:
    """Commit a text and publish it; return the commit."""
    world.put(path, f"content: {text}\n")
    world.commit(text)
    world.ok("push", "greet", "--force", "-y")
    return world.git("rev-parse", "HEAD").strip()


def log(world: World, name: str) -> list[Any]:
    with world.project() as project:
        entries = read_log(project, Catalog(project)[name])
    return [SimpleNamespace(**entry.body, short=entry.short) for entry in entries]


def show(world: World, *wanted: str) -> tuple[Version, tuple[str, ...] | None]:
    with world.project() as project:
        catalog = Catalog(project)
        (version,) = find_versions(project, resolve(project, wanted, catalog), catalog)
        return version


# -- the versions --------------------------------------------------------------------------------------


def test_versions_are_listed_newest_first_with_labels_messages_and_the_commits_that_have_their_texts(
    world: World,
) -> None:
    first = commit(world, "Hello {name}")
    world.publish_all("greet", "two (v2)", "three")
    world.point("greet", prod=2, staging=3, live=2)
    found = log(world, "greet")
    assert [(one.version, one.message, one.labels, one.commit, one.base) for one in found] == [
        (3, "three", ("staging",), None, False),
        (2, "two", ("live", "prod"), None, False),
        (1, "Hello {name}", (), first, True),
    ]
    world.forget()
    log(world, "greet")
    # two lists, the labels, the newest version; the others are in the cache
    assert len(world.seen) == 4
    marks = [version["mark"] for version in world.run("log", "greet", "--json").document["versions"]]
    assert marks[0] == "" and marks[2] not in world.ok("log", "greet").out
    assert f"Mark:   {marks[2]}" in world.ok("-v", "log", "greet").out

    world.git("mv", "prompts/greet.yaml", "prompts/other.yaml")
    world.put("prompts/other.yaml", "content: Two\nname: greet\n")
    world.commit("Move it")
    assert log(world, "greet")[2].commit == first
    place = world.root.parent / "clone"
    world.git("clone", "-q", "--depth=1", world.root.as_uri(), str(place))
    found = log(World(place, world.call, world.url), "greet")
    assert [(one.version, one.base) for one in found] == [(3, False), (2, False), (1, False)]
    world.faults.append(fault(asking("GET", "/labels"), failing(404, "Not Found")))
    assert [one.labels for one in log(world, "greet")] == [None] * 3


def test_no_more_versions_are_read_than_asked_for(world: World) -> None:
    world.publish_all("greet", *(f"text {number}" for number in range(1, 42)))
    for limit, count in ((1, 1), (40, 40), (99, 41), (None, 41)):
        with world.project() as project:
            listed = Catalog(project)["greet"]
            shutil.rmtree(world.root / ".promptsync/cache", ignore_errors=True)
            world.forget()
            found = read_versions(project, listed, limit)
        assert [one.version for one in found] == list(range(41, 41 - count, -1))
        assert len(world.seen) == count
    world.faults.append(fault(asking("GET", "version=40&"), failing(404, "Prompt version not found")))
    shutil.rmtree(world.root / ".promptsync/cache")
    with world.project() as project:
        assert [one.version for one in read_versions(project, listed, 2)] == [41, 39]


# -- a single version ----------------------------------------------------------------------------------

WANTED = [
    ("support/refund", "support/refund", 3),
    ("support/refund@03", "support/refund", 3),
    ("support/refund:eu:west", "support/refund", 1),
    ("Example: title@1", "Example: title", 1),
    ("Example: title: draft", "Example: title", 1),
    ("mail@example.org", "mail@example.org", 1),
    ("release@2", "release@2", 1),  # a prompt of that very name comes before version 2 of another
    ("release@1", "release", 1),
]


def test_names_may_hold_what_separates_versions_and_labels(world: World) -> None:
    world.publish_all("support/refund", "one", "two", "three")
    world.point("support/refund", **{"eu:west": 1})
    for other in ("Example: title", "mail@example.org", "release", "release@2"):
        world.publish_all(other, "one")
    world.publish_all("release", "two")
    world.point("Example: title", **{" draft": 1})
    for wanted, name, version in WANTED:
        found = show(world, wanted)[0]
        assert (found.prompt.name, found.version) == (name, version), wanted


MISSING = [
    ("greet@9", "no version 9; its latest is v2"),
    ("greet:staging", "no label 'staging'"),
    ("gret@1", "no prompt 'gret'"),
    ("greet@" + "9" * 5000, "no prompt"),
    (":", "no prompt"),
]


def test_what_does_not_exist_is_a_usage_error(world: World) -> None:
    world.publish_all("greet", "one", "two")
    world.point("greet", prod=1)
    for wanted, words in MISSING:
        with pytest.raises(PromptsyncError, match=words) as caught:
            show(world, wanted)
        assert caught.value.hint
        assert (caught.value.exit_code, caught.value.code) == (2, "not-found"), wanted


def test_a_version_is_shown_with_its_labels_and_the_tags_of_today(world: World) -> None:
    world.publish_all("greet", "one")
    show(world, "greet@1")
    world.publish_all("greet", "two")
    world.tag("greet", "a", "b")
    world.point("greet", prod=1)
    found, labels = show(world, "greet@1")
    assert (labels, found.prompt.tags) == (("prod",), ("a", "b"))
    world.faults.append(fault(asking("GET", "/labels"), failing(404, "Not Found")))
    found, labels = show(world, "greet:prod")  # a registry without labels still resolves one
    assert (found.version, labels) == (1, None)
