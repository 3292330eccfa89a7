"""What a push publishes, what it leaves, and what it refuses."""

from __future__ import annotations

from functools import partial

import pytest
from registry_server import chat
from worlds import World, asking, failing, fault, once, publishing, template


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
    done = three.exits(3, "push")
    assert three.writes == []
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
    three.says(2, "push b --force --yes\n", "push", "b", "--force", CI="")
    three.ok("push", "b", "--force", "-y")
    assert (three.text("b"), three.text("c")) == ("Ours {name}", "Theirs {name}")
    assert three.text("b", 2) == "Theirs {name}"


# -- reviewed plans -------------------------------------------------------------------------------------


def fingerprint(world: World, *options: str) -> str:
    return str(world.run("push", "-n", "--json", *options).document["fingerprint"])


def test_another_plan_than_the_expected_one_is_refused(three: World) -> None:
    three.edit("a", "Hello", "Ciao")
    expected = fingerprint(three)
    for changed, old, new, options in (
        ("a", "Ciao", "Salut", ""),
        ("a", "Salut", "Ciao", "--partial"),
        ("a", "name: a", "name: a\ntags: [new]", ""),
        ("a", "\ntags: [new]", "", "--label prod"),
        ("b", "Hello", "Ciao", ""),
        ("b", "Ciao", "Hello", "a --force"),
    ):
        three.edit(changed, old, new)
        done = three.run("push", "--expect", expected, *options.split())
        assert (done.code, three.writes) == (3, [])
        assert f"{fingerprint(three, *options.split())}, not {expected}" in done.err
        # what would be done now is shown
        assert done.out.splitlines() == three.ok("push", "-n", *options.split()).out.splitlines()[1:-2]
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


def test_a_push_of_more_than_half_of_many_prompts_needs_to_be_allowed(world: World) -> None:
    names = [f"p{number:02}" for number in range(10)]
    for name in names[1:]:
        world.write(name)
    world.commit("Few")
    world.ok("push")
    for name in names[1:]:
        world.edit(name, "Hello", "Ciao")
    world.write("p00")
    world.ok("push")  # all of a few, and a new one
    for name in names[:6]:
        world.edit(name, "o {", "o, {")
    world.write("new")
    world.forget()
    done = world.says(3, " push --max-changes 6\n", "push")
    assert done.out.splitlines()[0].startswith("7 prompts to publish") and world.writes == []
    assert world.exits(3, "push", "-n").out.count("update") == 6
    world.exits(3, "push", "--max-changes", "5")
    refused = world.run("deploy", "--label", "prod", "--allow-dirty", "--max-changes", "2")
    assert refused.code == 3 and " deploy --label prod --allow-dirty --max-changes 6\n" in refused.err
    world.ok("push", "p00", "p01", "p02", "p03", "p04", "new")  # half of them, and a new one
    world.ok("push", "--max-changes", "6")


# -- archiving and restoring ----------------------------------------------------------------------------


def test_only_a_committed_deletion_is_archived_and_only_with_prune(three: World) -> None:
    three.path("a").unlink()
    assert "the deletion is not committed" in three.ok("push", "--prune", "-y").out
    three.edit("b", "Hello", "Ciao", commit="Drop a, change b")
    assert "--prune archives it" in three.ok("push", "a", "c").out
    three.says(2, " --prune --yes\n", "push", "--prune", CI="")
    three.configure("include: [c]")
    three.ok("push", "--prune", "-y")
    three.configure("", instead="include: [c]\n")
    assert three.writes == []

    three.faults.append(fault(publishing("b"), failing(422)))
    found = three.exits(5, "push", "--prune", "-y", "--json").document
    assert found["archived"] == []
    assert "not archived because 'b' was not published" in found["skipped"][0]["reason"]
    three.faults.clear()
    assert three.ok("push", "--prune", "-y", "--json").document["archived"] == ["a"]
    assert three.states() == {"b": "in-sync", "c": "in-sync"}


def test_an_archived_prompt_is_published_again_only_when_told(three: World) -> None:
    three.archive("a")
    assert "--restore publishes it again" in three.ok("push").out
    assert three.writes == []
    found = three.ok("push", "a", "--restore", "--json").document
    assert [(one["name"], one["version"]) for one in found["published"]] == [("a", 2)]
    assert found["raced"] == [] and three.messages("a")[-1].endswith("v2)")
    assert set(three.states().values()) == {"in-sync"}
    three.path("a").unlink()
    said = "--restore: 'a' has no file; nothing was published\nhint: promptsync pull a\n"
    three.says(3, said, "push", "a", "--restore")


# -- snippets -------------------------------------------------------------------------------------------


def test_snippets_are_published_before_what_uses_them(world: World) -> None:
    world.write("a", "Be kind. @@@z@@@ {name}")
    function = {"name": "f", "description": "Like @@@b@@@ and @@@nobody@@@."}  # nothing is rendered there
    world.write("b", tools=[{"type": "function", "function": function}])
    world.write("z", content="@@@y@@@ Smile.")
    world.write("y", content="Please.")
    world.commit()
    for names, needed in ((["a"], "z a"), (["z", "a"], "y z a")):
        world.says(3, f"hint: promptsync push {needed}\n", "push", *names)
        assert world.writes == []
    world.faults.append(fault(publishing("z"), failing(422, "no snippet like this")))
    found = world.run("push", "--json").document
    assert (found["exit_code"], [one["name"] for one in found["published"]]) == (5, ["b", "y"])
    assert [(one["name"], one["unknown"]) for one in found["failed"]] == [("z", False)]
    assert "no snippet like this" in found["failed"][0]["reason"]
    assert [(one["name"], one["state"]) for one in found["skipped"]] == [("a", "new")]
    world.faults.clear()
    world.ok("push")
    assert world.published[-2:] == ["z", "a"]
    assert world.ok("push").out == "nothing to push\n"


def test_a_new_snippet_that_others_use_by_a_label_is_published_with_it_first(world: World) -> None:
    world.write("a", "Be kind. @@@z@label:prod@@@")
    world.write("z", content="Smile.")
    world.commit()
    said = "'a' uses the snippet 'z' at the label 'prod', which it does not have"
    assert world.says(3, said, "push").err.endswith("hint: promptsync push z --label prod\n")
    assert world.writes == []
    world.ok("push", "z", "--label", "prod")
    world.ok("push")
    assert (world.version("a"), world.label("z", "prod")) == (1, 1)


# -- messages -------------------------------------------------------------------------------------------


def test_messages_carry_the_commit_and_a_sign_for_what_is_not_committed(three: World) -> None:
    short = three.git("rev-parse", "--short=7", "HEAD")
    three.edit("a", "Hello", "Ciao")
    three.ok("push")
    three.edit("a", "Ciao", "Salut")
    three.commit("In French")
    three.ok("push", "-m", "Ask in French")
    new = three.git("rev-parse", "--short=7", "HEAD")
    three.write("b2")
    three.ok("push")
    assert [*three.messages("a"), *three.messages("b2")] == [
        f"Say hello ({short} v1)",
        f"Update a (not committed) ({short}+ v2)",
        f"Ask in French ({new} v3)",
        f"Add b2 (not committed) ({new}+ v1)",
    ]


# -- labels ---------------------------------------------------------------------------------------------


def test_a_label_that_does_not_move_is_moved_by_the_next_push_which_publishes_nothing(three: World) -> None:
    three.ok("push", "a", "--label", "prod")
    three.edit("a", "Hello", "Ciao")
    three.faults.append(fault(asking("PATCH", "/prompt-labels/"), failing(503)))
    done = three.run("push", "a", "--label", "prod", "--json")
    assert (done.code, done.document["error"]["code"]) == (5, "partial")
    assert [one["version"] for one in done.document["published"]] == [2]
    assert [(one["from"], one["moved"]) for one in done.document["labels"]] == [(1, False)]
    three.faults.clear()
    three.forget()
    again = three.ok("push", "a", "--label", "prod", "--json").document
    assert (again["published"], three.published, three.label("a", "prod")) == ([], [], 2)
    assert three.ok("push", "a", "--label", "prod").out == "nothing to push\n"


def test_a_text_with_more_in_it_that_somebody_publishes_meanwhile_is_not_ours(three: World) -> None:
    """What another version has beyond our text is somebody's edit, and nothing that the registry added."""
    three.edit("a", "Hello", "Ciao", commit="Change a")
    template = chat("Ciao {name}")
    template["messages"][0]["mood"] = "calm"
    publish = partial(three.publish, "a", prompt_template=template)
    three.faults.append(once(asking("GET", "/prompt-templates?"), publish, at=2))
    done = three.run("push", "--json")
    assert (done.code, three.version("a"), done.document["published"]) == (3, 2, []), str(done)


# -- private files --------------------------------------------------------------------------------------
