"""``promptsync diff`` in all its formats."""

from __future__ import annotations

from worlds import World, template


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
    assert "a  ahead" in out and "v1 -> prompts/a.yaml" in out
    assert "input variables: +mood" in out
    assert "b  behind" in out and "prompts/b.yaml -> v2" in out
    assert "v1 -> prompts/c.yaml" in out and "v1 -> v2" in out
    assert "theirs" not in out and "d  " not in out


def test_what_is_new_as_a_whole_is_shown_line_by_line(world: World) -> None:
    world.write("a", "Hi")
    world.commit("Say hi")
    world.ok("push")
    system = "- role: system\n  content: |\n    Be brief.\n\n    Be kind.\n"
    world.path("a").write_text(f"name: a\nmessages:\n{system}- {{role: user, content: Hi}}\n", "utf-8")
    assert world.ok("diff").out.splitlines()[2:] == [
        "    messages[0]",
        "      + role: system",
        "      + content: |",
        "      +   Be brief.",
        "      + ",
        "      +   Be kind.",
    ]


def test_the_document_has_fields_and_variables_of_each(three: World) -> None:
    found = three.ok("diff", "--json").document["changes"]
    changes = {one["name"]: one for one in found}
    assert set(changes) == {"a", "b", "c"}
    (field,) = changes["a"]["fields"]
    assert (field["old"], field["new"]) == ("Hello {name}", "Hello {name} {mood}")
    assert changes["a"]["variables"] == {"added": ["mood"], "removed": []}
    assert changes["c"]["fields"][0]["new"] == "Ours {name}"
    assert changes["c"]["remote_fields"][0]["new"] == "Theirs {name}"


def test_names_choose_and_may_be_those_of_the_registry(three: World) -> None:
    assert three.ok("diff", "theirs", "--name-only").out == "theirs\n"
    assert three.ok("diff", "d").out == "no differences\n"
    assert three.run("diff", "nobody", "--format", "json").document["error"]["code"] == "not-found"


def test_short_forms_are_one_line_a_prompt(three: World) -> None:
    assert three.ok("diff", "--name-only").out == "a\nb\nc\n"
    stat = three.ok("diff", "--stat").out.splitlines()
    assert [line.split()[:2] for line in stat] == [["a", "ahead"], ["b", "behind"], ["c", "diverged"]]
    assert three.run("diff", "--stat", "--name-only").code == 2
    assert three.run("diff", "--exit-code").code == 1
    assert three.run("diff", "--exit-code", "d").code == 0


def test_a_label_may_be_what_is_compared_with(three: World) -> None:
    three.ok("push", "d", "--label", "prod")
    three.edit("d", "Hello", "Ciao")
    three.ok("push", "d")
    assert three.ok("diff", "d", "--label", "prod", "--name-only").out == "d\n"


def test_markdown_is_fenced(three: World) -> None:
    markdown = three.ok("diff", "--format", "markdown").out
    assert markdown.startswith("**3 prompts differ**")
    assert markdown.count("<details>") == markdown.count("</details>") == 3


def test_markdown_cannot_be_broken_out_of_and_has_a_limit(three: World) -> None:
    name = "x`</summary><script>@all"
    three.publish(name, "```\n</details>\n@everyone " + "long " * 30_000)
    three.publish("y", "```` {name}\n" * 3)
    done = three.ok("diff", "--format", "markdown", name, "y", "a").out
    assert len(done) < 65_536
    assert "<script>" not in done and "<code>x&#96;&lt;/summary&gt;&lt;script&gt;&#64;all</code>" in done
    assert "too much to show here" in done or "more character" in done
    shown = three.ok("diff", "--format", "markdown", "y").out
    assert "`````diff" in shown


def test_a_file_that_cannot_be_read_is_named_beside_the_others(three: World) -> None:
    three.path("d").write_text("messages: [")
    done = three.run("diff")
    assert done.code == 1
    assert "prompts/d.yaml:2:1:" in done.out and "a  ahead" in done.out
    assert three.run("diff", "--json").document["problems"][0]["path"] == "prompts/d.yaml"
