"""Which prompts a verb is about: names, patterns of names, and the paths of their files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from worlds import World, template

NAMES = ["hello", "support/refund", "support/return"]


@template
def changed(world: World) -> None:
    """Three prompts in sync, each changed since; ``support/return`` lives in a file of another name."""
    for name in NAMES:
        world.write(name)
    world.path("support/return").rename(world.path("support/parcel"))
    world.commit()
    world.ok("push")
    for name in ("hello", "support/refund", "support/parcel"):
        world.edit(name, "Hello", "Ciao")
    world.commit()


# what is given, what is meant
GIVEN: list[tuple[tuple[str, ...], list[str]]] = [
    (("hello",), ["hello"]),
    (("support/*",), ["support/refund", "support/return"]),
    (("*re?u*",), ["support/refund", "support/return"]),
    (("hello", "hello", "hel*"), ["hello"]),
    (("prompts/hello.yaml",), ["hello"]),
    (("prompts/support/parcel.yaml",), ["support/return"]),
    (("prompts/support",), ["support/refund", "support/return"]),
    (("prompts/support/",), ["support/refund", "support/return"]),
    (("prompts",), NAMES),
    (("./prompts/hello.yaml", "support/refund"), ["hello", "support/refund"]),
]


KEYS = {"status": "prompts", "diff": "changes", "push -n": "plan", "pull --merge -n": "written"}


@pytest.mark.parametrize("verb", KEYS)
def test_what_is_given_is_what_is_meant(changed: World, verb: str) -> None:
    first, *options = verb.split()
    for name in NAMES if first == "pull" else ():
        changed.publish(name, "Hello {name}", metadata={"owner": "shop"})
    for given, meant in GIVEN if first == "status" else GIVEN[1:7:2]:
        document = changed.run(first, *given, *options, "--json").document
        assert sorted(one["name"] for one in document[KEYS[verb]]) == meant, given
    if first == "status":
        for other in ("show", "log", "open", "render"):
            done = changed.run(other, "support/refund@prod")
            assert "hint: did you mean 'support/refund:prod'?" in done.err


def test_paths_are_relative_to_where_one_is(changed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(changed.root / "prompts" / "support")
    absolute = str(changed.path("support/refund"))
    changed.root = Path()
    for path in ("refund.yaml", "../support/refund.yaml", absolute):
        assert changed.ok("diff", "--name-only", path).out == "support/refund\n"


def test_a_path_that_is_gone_still_means_its_prompt_and_a_directory_becomes_a_pattern(changed: World) -> None:
    changed.path("hello").unlink()
    document = changed.run("status", "prompts/hello.yaml", "--json").document
    assert [(one["name"], one["state"]) for one in document["prompts"]] == [("hello", "deleted-locally")]
    shutil.rmtree(changed.root / "prompts" / "support")
    for path in ("prompts/support", "prompts/support/"):
        refused = changed.run("push", path, "--prune", "-n")
        assert (refused.code, "hint: did you mean 'support/*'?" in refused.err) == (2, True), str(refused)
    prompts = changed.run("status", "support/*", "--json").document["prompts"]
    assert {one["state"] for one in prompts} == {"deleted-locally"}


def test_a_name_that_looks_like_a_pattern_is_a_name(world: World) -> None:
    for name in ("a*", "ab"):
        world.write(name)
    assert [one["name"] for one in world.run("push", "a*", "-n", "--json").document["plan"]] == ["a*"]


def test_what_is_forced_is_named_and_never_matched(changed: World) -> None:
    changed.publish("support/refund")
    for option in ("--force", "--restore"):
        for names, why in {
            (): "needs the names of the prompts",
            ("support/*",): "needs exact names, and 'support/*' is a pattern",
            ("hello", "prompts/support"): "needs exact names, and 'prompts/support' is a directory",
        }.items():
            refused = changed.run("push", *names, option, "-y")
            assert (refused.code, changed.writes) == (2, []), str(refused)
            assert f"{option} {why}" in refused.err
    changed.ok("push", "prompts/support/refund.yaml", "--force", "-y")
    assert changed.text("support/refund", 3) == "Ciao {name}"


UNKNOWN = [
    *("status helo", "diff helo", "push helo", "push helo --force", "push helo --restore", "pull helo"),
    *("pull --theirs helo", "pull helo --version 1", "log helo", "show helo", "label list helo"),
    *("render helo", "render helo --from-registry", "ls-remote helo", "diff helo@1", "show helo:prod"),
    *("label set helo prod", "rollback helo --label prod", "promote a b helo", "status he?o.yaml"),
]


def test_an_unknown_name_is_a_usage_error_with_the_closest_match(changed: World) -> None:
    for command in UNKNOWN:
        done = changed.run(*command.split(), "--json")
        assert done.code == 2, str(done)
        error = json.loads(done.out)["error"]
        assert error["code"] == "not-found"
        is_pattern = "?" in command
        message = "no prompt matches 'he" if is_pattern else "there is no prompt 'he"
        assert error["message"].startswith(message)
        assert error["hint"] == "did you mean 'hello'?" or is_pattern
    assert changed.writes == []


def test_a_file_that_include_does_not_match_is_counted_and_its_name_is_explained(world: World) -> None:
    world.publish("kept")
    world.write("kept")
    world.write("apart")
    config = world.root / "promptsync.yaml"
    config.write_text(f"{config.read_text('utf-8')}\ninclude: [kept]\n", "utf-8")
    assert "1 prompt file ignored (not in include); promptsync lint lists them" in world.ok("status").out
    refused = world.run("push", "prompts/apart.yaml")
    assert (
        refused.code == 2
        and "'apart' is not published, because include in promptsync.yaml does not match it" in refused.err
    )


def test_an_archived_prompt_without_a_file_is_looked_for_in_git(changed: World) -> None:
    changed.publish("gone")
    changed.archive("gone")
    shown = changed.run("show", "gone")
    assert shown.code == 2 and "it is archived\nhint: git log -- " in shown.err
    changed.write("gone")
    assert "hint: promptsync push gone --restore\n" in changed.run("show", "gone").err


# -- ids ----------------------------------------------------------------------------------------------------


def test_the_id_of_a_prompt_is_no_name(world: World) -> None:
    world.publish("greet", "One")
    for command in ("show", "label list", "pull", "push"):
        done = world.run(*command.split(), str(world.read("greet")["id"]))
        assert (done.code, "there is no prompt" in done.err) == (2, True), str(done)
    assert world.writes == []
