"""``promptsync diff`` in all its formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from worlds import Reply, Seen, World, asking, fault, template


@template
def three(world: World) -> None:
    """``a`` ahead, ``b`` behind, ``c`` diverged, ``d`` in sync, ``theirs`` in the registry only."""
    for name in "abcd":
        world.write(name)
    world.commit("Say hello")
    world.ok("push")
    world.edit("a", "Hello {name}", "Hello {name} {mood}")
    world.publish("b", "Theirs {name}")
    world.edit("c", "Hello", "Ours")
    world.publish("c", "Theirs {name}")
    world.publish("theirs")


def test_what_a_push_or_a_pull_would_change_is_shown(three: World) -> None:
    out = three.ok("diff").out
    shown = (
        "a  ahead",
        "v1 -> prompts/a.yaml",
        "input variables: +mood",
        "b  behind",
        "prompts/b.yaml -> v2",
    )
    assert [text for text in (*shown, "v1 -> prompts/c.yaml", "v1 -> v2") if text not in out] == []
    assert "theirs" not in out and "d  " not in out
    changes = {one["name"]: one for one in three.ok("diff", "--json").document["changes"]}
    assert set(changes) == {"a", "b", "c"}
    assert changes["a"]["variables"] == {"added": ["mood"], "removed": []}
    assert changes["c"]["fields"][0]["new"] == "Ours {name}"
    assert changes["c"]["remote_fields"][0]["new"] == "Theirs {name}"
    assert three.ok("diff", "theirs", "--name-only").out == "theirs\n"
    assert three.ok("diff", "--name-only").out == "a\nb\nc\n"
    stat = three.ok("diff", "--stat").out.splitlines()
    assert [line.split()[:2] for line in stat] == [["a", "ahead"], ["b", "behind"], ["c", "diverged"]]
    three.exits(2, "diff", "--stat", "--name-only")
    three.exits(1, "diff", "--exit-code")
    assert three.ok("diff", "--exit-code", "d").out == "no differences\n"
    three.path("d").write_text("messages: [")
    broken = three.exits(1, "diff").out
    assert "prompts/d.yaml:2:1:" in broken and "a  ahead" in broken
    assert three.run("diff", "--json").document["problems"][0]["path"] == "prompts/d.yaml"
    # What is new as a whole is shown line by line.
    three.write("d")
    system = "- role: system\n  content: |\n    Be brief.\n\n    Be kind.\n"
    three.edit("d", "messages:\n", f"messages:\n{system}")
    assert three.ok("diff", "d").out.splitlines()[2:] == [
        "    messages[0]",
        "      + role: system",
        "      + content: |",
        "      +   Be brief.",
        "      + ",
        "      +   Be kind.",
    ]


# -- ``promptsync diff --since``: what changed in git, field by field, without a registry -----------------


@template
def branch(world: World) -> None:
    """A branch: ``a`` changed, ``b`` is gone, ``c`` became ``d``, ``e`` came, ``f`` renders ``tone``."""
    for name in "abc":
        world.write(name, f"{name} says hello to {{name}}")
    world.write("tone", content="Be kind.")
    world.write("f", "@@@tone@@@ {question}", commit="Change prompts")
    world.git("switch", "-qc", "topic")
    world.edit("a", "hello", "good morning")
    world.path("b").unlink()
    world.edit("c", "name: c", "name: d")
    world.write("e", "New {thing}")
    world.edit("tone", "kind", "very kind", commit="Change prompts")


def test_every_way_to_differ_is_shown_and_the_registry_is_not_asked(branch: World) -> None:
    found = branch.ok("diff", "--since", "main", "--json").document["changes"]
    states = "changed deleted deleted added added dependant changed"
    assert [one["state"] for one in found] == states.split()
    changes = {one["name"]: one for one in found}
    assert [*changes] == [*"abcdef", "tone"]
    assert changes["a"]["fields"][0]["old"] == "a says hello to {name}"
    assert changes["b"]["fields"][0]["new"] is None
    assert [changes[name]["title"] for name in "df"] == ["nothing -> prompts/c.yaml", "renders tone"]
    assert changes["e"]["variables"]["added"] == ["thing"]
    markdown = branch.ok("diff", "--since", "main...", "--format", "markdown").out
    assert markdown.startswith("**7 prompts differ**")
    assert "<code>f</code>: dependant" in markdown and "+a says good morning to {name}" in markdown
    assert branch.ok("diff", "--since", "HEAD").out == "no differences\n"
    assert branch.run("diff", "--since", "main", "--exit-code").code == 1
    for wrong, said in (
        ("main --label prod", "--since and --label cannot be combined"),
        ("main nobody", "no prompt 'nobody'"),
        ("nowhere", "nowhere"),
    ):
        branch.says(2, said, "diff", "--since", *wrong.split())
    assert branch.seen == []
    # A file that could not be read then: the whole prompt is shown.
    branch.path("a").write_text("messages: [", "utf-8")
    branch.commit()
    branch.write("a", "Mended {name}")
    (change,) = branch.ok("diff", "--since", "HEAD", "--json").document["changes"]
    assert change["title"] == "nothing -> prompts/a.yaml"


# -- ``diff`` between any two states of a prompt, and ``log -p`` ------------------------------------------


@template
def versions(world: World) -> None:
    """``support/refund`` at v1 to v3, prod on v1 and staging on v2; ``support/tone`` at v1 under prod."""
    for text in ("One {name}", "Two {name} {mood}", "Three {name}"):
        world.publish("support/refund", text)
    world.publish("support/tone", "Kind {name}")
    world.ok("pull")
    world.commit("Pull")
    world.ok("label", "set", "support/refund", "prod", "--version", "1")
    world.ok("label", "set", "support/refund", "staging", "--version", "2")
    world.ok("label", "set", "support/tone", "prod")


FILE = "prompts/support/refund.yaml"

COMPARED = {
    ("v1 -> v3", "One", "Three"): "support/refund@1 support/refund@3",
    ("v3 -> v1", "Three", "One"): "support/refund@3 support/refund@v1",
    ("v1 (prod) -> v2", "One", "Two"): "support/refund:prod support/refund@2",
    ("v1 (prod) -> v2 (staging)", "One", "Two"): "support/refund:prod support/refund:staging",
    ("v1 -> v2", "One", "Two"): f"{FILE}@1 support/refund@2",
    ("v2 (staging) -> v3", "Two", "Three"): "prompts/support:staging support/*@3",
    (f"{FILE} -> v1", "Three", "One"): "support/refund support/refund@1",
    (f"v1 -> {FILE}", "One", "Three"): "support/refund@1 support/refund",
    (f"v2 -> {FILE}", "Two", "Three"): "support/refund@2; support/refund --version 2; support/refund --to v2",
    (f"v1 (prod) -> {FILE}", "One", "Three"): f"support/refund:prod; {FILE}:prod; --label prod; "
    "support/refund --label prod; support/*:prod; prompts/support:prod",
}


def test_any_two_states_of_a_prompt_are_compared(versions: World) -> None:
    for (title, old, new), lines in COMPARED.items():
        for line in lines.split("; "):
            (change,) = versions.ok("diff", *line.split(), "--json").document["changes"]
            assert (change["name"], change["title"], change["state"]) == ("support/refund", title, "changed")
            (field,) = change["fields"]
            assert (field["old"].split()[0], field["new"].split()[0]) == (old, new), line
    assert title in versions.ok("diff", *line.split()).out
    assert versions.ok("diff", "support/refund@3").out == "no differences\n"
    assert versions.ok("diff", "support/refund@1", "support/refund:prod", "--exit-code").out
    assert versions.run("diff", "support/refund@1", "--exit-code").code == 1
    # A pattern compares what exists, and arguments that mean different prompts are compared with their files.
    found = versions.ok("diff", "support/*:prod", "support/*:staging", "--json").document["changes"]
    assert [one["state"] for one in found] == ["changed", "deleted"]
    versions.edit("support/tone", "Kind", "Brief")
    versions.path("support/refund").unlink()
    found = versions.ok("diff", "support/refund@1", "support/tone@1", "--json").document["changes"]
    assert [one["title"] for one in found] == ["v1 -> no file", "v1 -> prompts/support/tone.yaml"]


MISSING = ["support/refund@9", "support/refund:nowhere", "support/nothing@1"]
SAME = [["support/refund@2"], ["support/refund", "--version", "2"], ["support/refund", "--to", "2"]]
SAME += [["support/refund:staging"], ["support/refund", "--label", "staging"], [f"{FILE}@2"]]


def test_every_way_to_specify_a_version_means_the_same_in_every_verb(versions: World) -> None:
    for verb in ("diff", "show", "log", "render"):
        for given in MISSING:
            error = versions.exits(2, verb, given, "--json").document["error"]
            assert (error["code"], bool(error["hint"])) == ("not-found", True), given
        versions.exits(2, verb, "support/refund@1", "--version", "2")
        versions.exits(2, verb, "support/refund", "--version", "2", "--label", "prod")
        versions.ok(verb, "support/refund@1", "--version", "1")
    for verb in ("show", "log", "render"):
        (text,) = {versions.ok(verb, *given, "-q").out for given in SAME}
        assert "Two" in text or verb == "log"


# -- log -p -------------------------------------------------------------------------------------------------


def test_the_log_names_the_author_that_git_or_the_registry_knows(world: World) -> None:
    def saved_by(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        reply = forward(seen)
        return replace(reply, body=json.dumps({**json.loads(str(reply.body)), "author": "ana@example.org"}))

    world.write("a", commit="Change prompts")
    world.ok("push")
    world.publish("a", "Theirs {name}")
    world.faults.append(fault(asking("GET", "version=2"), saved_by))
    newest, first = world.ok("log", "a").out.split("\n\n")
    assert "Author: ana@example.org" in newest.splitlines()
    assert "Author: Ann" in first.splitlines()
    authors = [one["author"] for one in world.run("log", "a", "--json").document["versions"]]
    assert authors == ["ana@example.org", "Ann"]
    # The commit of a shallow clone is not the one that v1 was published from.
    world.git("commit", "-q", "--allow-empty", "-m", "Newer")
    world.git("clone", "-q", "--depth", "1", f"file://{world.root}", "../clone")
    clone = replace(world, root=world.root.parent / "clone")
    assert [one["commit"] for one in clone.run("log", "a", "--json").document["versions"]] == [None, None]


def test_the_log_shows_what_each_version_changed(versions: World) -> None:
    found = versions.ok("log", "support/refund", "-p", "--json").document["versions"]
    changes = [(one["version"], one["fields"][0]["new"]) for one in found[:2]]
    assert changes == [(3, "Three {name}"), (2, "Two {name} {mood}")]
    assert found[1]["variables"] == {"added": ["mood"], "removed": []}
    assert found[2]["fields"]  # the first version as a whole
    assert "input variables: -mood" in versions.ok("log", "support/refund", "-p").out
