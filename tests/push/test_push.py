"""What a push publishes, what it leaves, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from registry_server import chat
from scripted_registry import Seen
from worlds import Fault, Reply, World, asking, failing, fault, publishing, template


@template
def three(world: World) -> None:
    """Three prompts in sync: ``a``, ``b`` and ``c``."""
    for name in "abc":
        world.write(name)
    world.commit("Say hello")
    world.ok("push")


def diverge(world: World, name: str, old: str = "Hello") -> None:
    world.edit(name, old, "Ours")
    world.publish(name, "Theirs {name}")


def test_a_file_that_cannot_take_its_key_is_published_all_the_same(three: World) -> None:
    path = three.path("d")
    path.write_text("? content\n: Hello # a comment that an edit would lose\n", "utf-8")
    done = three.ok("push")
    assert "published  d  v1" in done.out
    assert "note  d: synced: was not written: prompts/d.yaml cannot be edited without losing" in done.out
    assert three.states()["d"] == "in-sync"


# -- all or nothing -------------------------------------------------------------------------------------


def test_one_diverged_prompt_among_many_stops_the_push_and_shows_both_changes(three: World) -> None:
    three.edit("a", "Hello", "Ciao")
    three.edit("b", "Hello", "Salut")
    diverge(three, "c")
    three.commit()
    done = three.run("push")
    assert done.code == 3
    assert three.writes == []
    assert three.version("a") == three.version("b") == 1
    assert "v1 -> prompts/c.yaml" in done.err and "v1 -> v2" in done.err
    assert "Ours" in done.err and "Theirs" in done.err and "Hello" in done.err
    for way in ("promptsync pull --merge c", f"promptsync -C {three.root} push --partial"):
        assert f"hint: {way}\n" in done.err
    for way in ("pull NAME --theirs", "pull NAME --ours", "push NAME --force"):
        assert way in done.err


@pytest.mark.parametrize("is_failing", [False, True])
def test_partial_publishes_the_others_and_exits_with_the_worst_of_it(three: World, is_failing: bool) -> None:
    three.edit("a", "Hello", "Ciao")
    three.edit("b", "Hello", "Ciao")
    diverge(three, "c")
    if is_failing:
        three.faults.append(fault(publishing("b"), failing(422, "no such model")))
    done = three.run("push", "--partial", "--json")
    assert (done.code, done.document["error"]["code"]) == ((5, "partial") if is_failing else (3, "diverged"))
    assert [one["name"] for one in done.document["published"]] == (["a"] if is_failing else ["a", "b"])
    assert [one["name"] for one in done.document["failed"]] == (["b"] if is_failing else [])
    assert [(one["name"], one["state"]) for one in done.document["skipped"]] == [("c", "diverged")]
    assert three.text("c") == "Theirs {name}"


def test_force_overrides_for_that_name_only_and_needs_a_yes(three: World) -> None:
    diverge(three, "b")
    diverge(three, "c")
    done = three.run("push", "b", "--force", CI="")
    assert (done.code, three.writes, "push b --force --yes\n" in done.err) == (2, [], True)
    three.ok("push", "b", "--force", "-y")
    assert (three.text("b"), three.text("c")) == ("Ours {name}", "Theirs {name}")
    assert three.text("b", 2) == "Theirs {name}"


def test_force_with_partial_skips_what_cannot_be_forced(three: World) -> None:
    diverge(three, "b")
    three.path("c").write_text(
        "name: c\ncontent: |\n  <<<<<<< yours\n  a\n  =======\n  b\n  >>>>>>> registry\n"
    )
    assert three.run("push", "b", "c", "--force", "-y").code == 3
    assert three.writes == []
    found = three.run("push", "b", "c", "--force", "--partial", "-y", "--json")
    assert found.code == 3
    assert [one["name"] for one in found.document["published"]] == ["b"]
    assert [(one["name"], one["state"]) for one in found.document["skipped"]] == [("c", "conflict")]


def test_a_name_publishes_that_name_only_whatever_the_others_are(three: World) -> None:
    for name in "ab":
        three.edit(name, "Hello", "Ciao")
    diverge(three, "c")
    three.ok("push", "a")
    assert (three.version("a"), three.version("b")) == (2, 1)


# -- reviewed plans -------------------------------------------------------------------------------------


def test_a_dry_run_sends_no_write_and_says_so_first(three: World) -> None:
    three.edit("a", "Hello", "Ciao")
    done = three.ok("push", "--dry-run")
    lines = done.out.splitlines()
    assert lines[:2] == ["DRY RUN: nothing was published", f"1 prompt to publish to team ({three.url})"]
    assert lines[-1].startswith("fingerprint ")
    assert three.writes == []
    found = three.ok("push", "-n", "--json").document
    assert found["dry_run"] is True
    assert [(one["name"], one["from"], one["to"]) for one in found["plan"]] == [("a", 1, 2)]
    assert found["published"] == []
    assert f"fingerprint {found['fingerprint']}" in done.out


def fingerprint(world: World, *options: str) -> str:
    return str(world.run("push", "-n", "--json", *options).document["fingerprint"])


def test_another_plan_than_the_expected_one_is_refused(three: World) -> None:
    three.edit("a", "Hello", "Ciao")
    expected = fingerprint(three)
    changes: list[tuple[Callable[[], object], tuple[str, ...]]] = [
        (lambda: three.edit("a", "Ciao", "Salut"), ()),
        (lambda: three.edit("a", "Salut", "Ciao"), ("--partial",)),
        (lambda: None, ("--label", "prod")),
        (lambda: None, ("a", "--force")),
        (lambda: three.edit("a", "name: a", "name: a\ntags: [new]"), ()),
        (lambda: three.edit("a", "\ntags: [new]", ""), ("--label", "prod")),
        (lambda: three.edit("b", "Hello", "Ciao"), ()),
        (lambda: three.edit("b", "Ciao", "Hello"), ("--partial",)),
        (lambda: three.publish("a", "Hello {name}"), ()),
    ]
    for change, options in changes:
        change()
        done = three.run("push", "--expect", expected, *options)
        assert (done.code, three.writes) == (3, [])
        assert f"{fingerprint(three, *options)}, not {expected}" in done.err
        # what would be done now is shown
        assert done.out.splitlines() == three.ok("push", "-n", *options).out.splitlines()[1:-2]
    three.publish("a", "Hello {name}", tags=["theirs"])
    assert (three.run("push", "--expect", expected).code, three.writes) == (3, [])
    three.edit("b", "Hello", "Ciao")
    three.ok("push", "b", "--expect", fingerprint(three, "b"))
    assert three.text("b") == "Ciao {name}"


def test_a_fingerprint_survives_a_squash_and_another_message(three: World) -> None:
    three.edit("a", "Hello", "Ciao")
    three.commit("First")
    three.edit("a", "Ciao", "Salut")
    three.commit("Second")
    before = fingerprint(three)
    three.git("reset", "-q", "--soft", "HEAD~2")
    three.commit("Both at once")
    assert fingerprint(three) == before == fingerprint(three, "-m", "Other words")


# -- limits ---------------------------------------------------------------------------------------------


def many(world: World, count: int) -> list[str]:
    names = [f"p{number:02}" for number in range(count)]
    for name in names:
        world.write(name)
    world.commit("Many")
    world.ok("push")
    world.forget()
    return names


def test_a_push_of_more_than_half_of_many_prompts_needs_to_be_allowed(world: World) -> None:
    for name in many(world, 10)[:6]:
        world.edit(name, "Hello", "Ciao")
    done = world.run("push")
    assert (done.code, world.writes) == (3, [])
    assert " push --max-changes 6\n" in done.err
    assert done.out.splitlines()[0].startswith("6 prompts to publish")
    tried = world.run("push", "-n")
    assert (tried.code, tried.out.count("update")) == (3, 6)
    assert world.run("push", "--max-changes", "5").code == 3
    refused = world.run("deploy", "--label", "prod", "--allow-dirty", "--max-changes", "2")
    assert refused.code == 3 and " deploy --label prod --allow-dirty --max-changes 6\n" in refused.err
    world.ok("push", "--max-changes", "6")
    assert world.version("p00") == 2


def test_all_of_a_few_half_of_many_and_new_ones_are_no_reason_to_ask(world: World) -> None:
    for name in many(world, 9):
        world.edit(name, "Hello", "Ciao")
    world.write("tenth")
    world.ok("push")
    for number in range(5):
        world.edit(f"p{number:02}", "Ciao", "Hello")
    for number in range(8):
        world.write(f"new{number}")
    world.ok("push")


def test_an_explicit_limit_holds_for_small_pushes_too(three: World) -> None:
    for name in "ab":
        three.edit(name, "Hello", "Ciao")
    assert (three.run("push", "--max-changes", "1").code, three.writes) == (3, [])
    three.ok("push", "--max-changes", "2")


# -- archiving and restoring ----------------------------------------------------------------------------


def test_only_a_committed_deletion_is_archived_and_only_with_prune(three: World) -> None:
    three.path("a").unlink()
    done = three.ok("push", "--prune", "-y")
    assert "the deletion is not committed" in done.out
    three.commit("Drop a")
    done = three.ok("push")
    assert "--prune archives it" in done.out
    assert three.writes == []
    refused = three.run("push", "--prune", CI="")
    assert refused.code == 2 and refused.err.endswith(" --prune --yes\n")
    found = three.ok("push", "--prune", "-y", "--json").document
    assert found["archived"] == ["a"]
    assert three.states() == {"b": "in-sync", "c": "in-sync"}


def test_prune_leaves_names_alone_that_are_not_included(three: World) -> None:
    with (three.root / "promptsync.yaml").open("a") as file:
        file.write("include: ['b', 'c']\n")
    three.path("a").unlink()
    three.commit("Drop a")
    three.ok("push", "--prune", "-y")
    assert three.writes == []


def test_a_deleted_prompt_that_moved_on_is_archived_by_force_only(three: World) -> None:
    three.path("a").unlink()
    three.commit("Drop a")
    three.publish("a")
    refused = three.run("push", "--prune", "-y")
    assert refused.code == 3
    assert "pull a --theirs" in refused.err and "push a --prune --force" in refused.err
    assert three.ok("push", "a", "--prune", "--force", "-y", "--json").document["archived"] == ["a"]


def test_nothing_is_archived_beside_a_publish_that_failed(three: World) -> None:
    three.edit("a", "Hello", "Ciao")
    three.path("b").unlink()
    three.commit("Change a, drop b")
    three.faults.append(fault(publishing("a"), failing(422)))
    found = three.run("push", "--prune", "-y", "--json")
    assert found.code == 5
    assert found.document["archived"] == []
    assert "not archived because 'a' was not published" in found.document["skipped"][0]["reason"]
    assert three.version("b") == 1


def test_an_archived_prompt_is_published_again_only_when_told(three: World) -> None:
    three.archive("a")
    done = three.ok("push")
    assert "--restore publishes it again" in done.out
    assert three.writes == []
    found = three.ok("push", "a", "--restore", "--json").document
    assert [(one["name"], one["version"]) for one in found["published"]] == [("a", 2)]
    assert found["raced"] == []
    assert three.messages("a")[-1].endswith("v2)")
    assert set(three.states().values()) == {"in-sync"}


# -- snippets -------------------------------------------------------------------------------------------


def test_snippets_are_published_before_what_uses_them(world: World) -> None:
    world.write("a", "Be kind. @@@z@@@ {name}")
    world.write("z", content="@@@y@@@ Smile.")
    world.write("y", content="Please.")
    world.commit()
    world.ok("push")
    assert world.published[-3:] == ["y", "z", "a"]
    assert set(world.states().values()) == {"in-sync"}
    assert world.ok("push").out == "nothing to push\n"


def test_a_name_is_refused_while_a_snippet_that_it_needs_is_unpublished(world: World) -> None:
    world.write("a", "Be kind. @@@z@@@")
    world.write("z", content="Smile.")
    world.commit()
    done = world.run("push", "a")
    assert (done.code, world.writes) == (3, [])
    assert "promptsync push z a" in done.err
    world.ok("push", "z", "a")


def test_the_user_of_a_snippet_that_failed_is_skipped_and_others_are_published(world: World) -> None:
    world.write("a", "Be kind. @@@z@@@")
    world.write("b")
    world.write("z", content="Smile.")
    world.commit()
    world.faults.append(fault(publishing("z"), failing(422, "no snippet like this")))
    found = world.run("push", "--json")
    assert found.code == 5
    document = found.document
    assert [one["name"] for one in document["published"]] == ["b"]
    assert [(one["name"], one["unknown"]) for one in document["failed"]] == [("z", False)]
    assert "no snippet like this" in document["failed"][0]["reason"]
    assert [(one["name"], one["state"]) for one in document["skipped"]] == [("a", "new")]
    assert "a" not in world.published
    world.faults.clear()
    assert [one["name"] for one in world.ok("push", "--json").document["published"]] == ["z", "a"]


def test_a_new_snippet_that_others_use_by_a_label_is_published_with_it_first(world: World) -> None:
    world.write("a", "Be kind. @@@z@label:prod@@@")
    world.write("z", content="Smile.")
    world.commit()
    refused = world.run("push")
    assert (refused.code, world.writes) == (3, [])
    assert "'a' uses the snippet 'z' at the label 'prod', which it does not have" in refused.err
    assert refused.err.endswith("hint: promptsync push z --label prod\n")
    world.ok("push", "z", "--label", "prod")
    world.ok("push")
    assert (world.version("a"), world.label("z", "prod")) == (1, 1)


# -- messages -------------------------------------------------------------------------------------------


def test_messages_carry_the_commit_and_a_sign_for_what_is_not_committed(three: World) -> None:
    short = three.git("log", "-1", "--format=%h", "--abbrev=7").strip()
    assert three.messages("a") == [f"Say hello ({short} v1)"]
    three.edit("a", "Hello", "Ciao")
    three.ok("push")
    assert three.messages("a")[-1] == f"Update a (not committed) ({short}+ v2)"
    three.edit("a", "Ciao", "Salut")
    three.commit("In French")
    three.ok("push", "-m", "Ask in French")
    new = three.git("log", "-1", "--format=%h", "--abbrev=7").strip()
    assert three.messages("a")[-1] == f"Ask in French ({new} v3)"
    three.write("b2")
    three.ok("push")
    assert three.messages("b2") == [f"Add b2 (not committed) ({new}+ v1)"]


def test_messages_without_git_carry_the_version_alone(world: World) -> None:
    (world.root / ".git").rename(world.root / "no-git")
    world.write("a")
    world.ok("push")
    world.edit("a", "Hello", "Ciao")
    world.ok("push")
    assert world.messages("a") == ["Add a (v1)", "Update a (v2)"]
    assert world.states() == {"a": "in-sync"}
    # The key that the push wrote is the base of what follows.
    diverge(world, "a", "Ciao")
    assert world.states() == {"a": "diverged"}


# -- labels ---------------------------------------------------------------------------------------------


def test_a_label_is_moved_to_what_was_published_and_read_back(three: World) -> None:
    three.edit("a", "Hello", "Ciao")
    found = three.ok("push", "a", "--label", "prod", "--json").document
    assert found["published"][0]["labels"] == ["prod"]
    assert [(one["to"], one["moved"]) for one in found["labels"]] == [(2, True)]
    assert three.label("a", "prod") == 2


MOVES = [
    (fault(asking("PATCH", "/prompt-labels/"), Reply({"success": True})), 3, "waits-for-approval", 1),
    (fault(asking("PATCH", "/prompt-labels/"), failing(503)), 5, "partial", 1),
    (fault(asking("PATCH", "/prompt-labels/"), failing(502), after=True), 0, None, 2),
]


@pytest.mark.parametrize(("broken", "code", "error", "at"), MOVES, ids=["no effect", "503", "502, moved"])
def test_a_label_counts_as_moved_if_it_is_read_back(
    three: World, broken: Fault, code: int, error: str | None, at: int
) -> None:
    three.ok("push", "a", "--label", "prod")
    three.edit("a", "Hello", "Ciao")
    three.faults.append(broken)
    done = three.run("push", "a", "--label", "prod", "--json")
    assert (done.code, done.document.get("error", {}).get("code")) == (code, error)
    assert [one["version"] for one in done.document["published"]] == [2]
    assert [(one["from"], one["moved"]) for one in done.document["labels"]] == [(1, code == 0)]
    assert three.label("a", "prod") == at
    three.faults.clear()
    three.forget()
    again = three.ok("push", "a", "--label", "prod", "--json").document
    assert (again["published"], three.published, three.label("a", "prod")) == ([], [], 2)
    assert three.ok("push", "a", "--label", "prod").out == "nothing to push\n"


def test_a_label_never_moves_down(three: World) -> None:
    three.ok("push", "a", "--label", "prod")
    three.edit("a", "Hello", "Ciao")

    def somebody_publishes_and_labels(seen: object, forward: object) -> None:
        if three.version("a") == 2:
            three.publish("a", release_labels=["prod"])

    three.faults.append(
        lambda seen, forward: (
            somebody_publishes_and_labels(seen, forward) if asking("GET", "/labels")(seen) else None
        )
    )
    found = three.run("push", "a", "--label", "prod", "--json")
    assert found.code == 3
    assert three.label("a", "prod") == 3
    assert "another user moved it to v3" in found.document["labels"][0]["reason"]


@pytest.mark.parametrize("keys", [{"metadata": {"owner": "Bob"}}, {"mood": "calm"}])
def test_a_text_with_more_in_it_that_somebody_publishes_meanwhile_is_not_ours(
    three: World, keys: dict[str, Any]
) -> None:
    """What another version has beyond our text is somebody's edit, and nothing that the registry added."""
    three.edit("a", "Hello", "Ciao")
    three.commit()
    lists = [0]

    def meanwhile(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        lists[0] += asking("GET", "/prompt-templates?")(seen)
        if lists[0] == 2:
            lists[0] += 1
            template = chat("Ciao {name}")
            template["messages"][0] |= {key: value for key, value in keys.items() if key != "metadata"}
            metadata = {key: value for key, value in keys.items() if key == "metadata"}
            body = {"prompt_name": "a", "prompt_template": template, "commit_message": "by hand", **metadata}
            assert three.call("POST", "/rest/prompt-templates", body).status == 201
        return None

    three.faults.append(meanwhile)
    done = three.run("push", "--json")
    assert three.version("a") == 2
    assert done.code == 3, str(done)
    assert done.document["published"] == []


def test_a_release_by_push_can_be_taken_back(world: World) -> None:
    for text in ("First.", "Second."):
        world.write("a", text)
        world.commit()
        world.ok("push", "--label", "prod")
    assert (world.label("a", "prod"), world.label("a", "prod.previous")) == (2, 1)
    world.ok("rollback", "a", "--label", "prod")
    assert world.label("a", "prod") == 1
