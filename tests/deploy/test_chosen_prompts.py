"""Some prompts are released without the others: by name, or because the others failed their checks."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from deploying import change
from worlds import World, failing, fault, is_move, template_on


def versions(world: World) -> dict[str, int | None]:
    return {name: world.label(name, "prod") for name in ("a", "b", "c", "tone")}


@template_on("released")
def failing_a(world: World) -> None:
    """``a`` fails its checks, ``b`` and ``c`` pass."""
    world.edit("a", "polite", "rude")
    change(world, "hello", "welcome", "bc")


@pytest.fixture
def with_snippet(released: World) -> World:
    """``a`` and ``b`` begin to render the released ``tone``, and only ``a`` relies on it to be polite."""

    def build(world: World) -> None:
        world.write("tone", content="A polite tone.", commit="Add a tone")
        world.ok("deploy")

    world = released.built(build)
    world.write("a", "@@@tone@@@ hello, {name}", tags=["greeting"])
    world.write("b", "A polite hello, {name} @@@tone@@@", tags=["greeting"])
    return world


def test_named_prompts_are_released_without_the_others(failing_a: World) -> None:
    """A conflict in another one does not hold them up."""
    version = failing_a.publish("a", "An edit, polite, {name}", release_labels=["prod"])
    failing_a.exits(3, "deploy")
    failing_a.exits(2, "deploy", "nobody")
    done = failing_a.ok("deploy", "[b]", "prompts/c.yaml", "--json")
    assert [member["name"] for member in done.document["members"]] == ["b", "c"]
    assert sorted(failing_a.published) == ["b", "c"]
    assert versions(failing_a) == {"a": version, "b": 2, "c": 2, "tone": None}


def test_a_failed_check_releases_nothing_and_says_how_to_release_the_others(failing_a: World) -> None:
    done = failing_a.exits(1, "deploy")
    assert versions(failing_a) == dict.fromkeys("abc", 1) | {"tone": None}
    assert "nothing was released; prod did not move; 2 other prompts passed" in done.out
    assert done.err.endswith("hint: promptsync deploy b c\n")
    failing_a.ok("deploy", "b", "c")
    assert failing_a.exits(1, "deploy", "a").err.endswith(" deploy a\n")  # and not everything


def test_the_way_on_does_not_name_prompts_without_checks(released: World) -> None:
    """A failed check may have run them."""
    released.write("sql", "Select {name}")
    change(released, "polite", "rude")
    done = released.exits(1, "deploy")
    assert done.err.endswith(" deploy\n") and "other prompt" not in done.out
    released.ok("deploy", "sql")
    assert (released.label("a", "prod"), released.label("sql", "prod")) == (1, 1)


def test_keep_going_releases_what_passed_and_says_what_it_kept_back(failing_a: World, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    failing_a.faults.append(fault(is_move, failing(403)))
    failing_a.exits(4, "deploy", "--keep-going", "--junit", str(junit))
    suites = ElementTree.parse(junit).getroot().attrib
    assert (suites["failures"], suites["errors"]) == ("1", "1")  # the check, and the deploy itself
    failing_a.faults.clear()
    done = failing_a.exits(1, "deploy", "--keep-going", "--junit", str(junit))
    assert versions(failing_a) == {"a": 1, "b": 2, "c": 2, "tone": None}
    assert "kept back  a: its checks failed" in done.out
    assert "2 prompts released to prod, 1 kept back" in done.out
    assert "\nhint: fix the prompt and commit it\nhint: promptsync -C " in done.err, done.err
    assert f" deploy --keep-going --junit {junit}\n" in done.err
    suites = ElementTree.parse(junit).getroot().attrib
    assert (suites["failures"], suites["errors"]) == ("1", "0")


# -- snippets -----------------------------------------------------------------------------------------------


def test_a_named_prompt_brings_the_snippets_that_it_needs_without_a_pin(released: World) -> None:
    released.write("pinned", content="A polite tone.", commit="Add a snippet")
    released.ok("push", "pinned")
    released.write("inner", content="Politely.")
    released.write("tone", content="A polite tone. @@@inner@@@")
    released.write("other", content="Unused.")
    released.write("pinned", content="A very polite tone.")
    released.write("a", "@@@tone@@@ @@@pinned@version_number:1@@@ hello, {name}", tags=["greeting"])
    released.commit("Use snippets")
    plan = released.run("deploy", "a", "--dry-run")
    assert "released too, because a renders it" in plan.out and "because tone renders it" in plan.out
    members = released.ok("deploy", "a", "--json").document["members"]
    needed_by = {member["name"]: member["needed_by"] for member in members}
    assert needed_by == {"a": None, "tone": "a", "inner": "tone"}
    assert (released.label("tone", "prod"), released.label("inner", "prod")) == (1, 1)
    assert (released.version("other"), released.version("pinned")) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"tone": "rude"}, ["a", "b", "tone"]),
        ({"a": "@@@tone@@@ rude", "tone": "kind"}, ["a", "b", "tone"]),
        ({}, []),
    ],
)
def test_snippets_fall_with_users(with_snippet: World, changes: dict[str, str], kept: list[str]) -> None:
    for name, text in changes.items():
        with_snippet.edit(name, "@@@tone@@@" if name == "a" else "polite", text)
    with_snippet.edit("c", "hello", "welcome", commit="Change them")
    done = with_snippet.run("deploy", "--keep-going", "--json")
    assert (done.code, done.document["kept_back"]) == (1 if kept else 0, kept), str(done)
    released = {"a": 2, "b": 2, "c": 2, "tone": 1}
    assert versions(with_snippet) == released | dict.fromkeys(kept, 1)
