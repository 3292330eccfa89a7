"""``promptsync diff --since``: what changed in git, field by field, without a registry."""

from __future__ import annotations

from worlds import World, template


@template
def branch(world: World) -> None:
    """A branch: ``a`` changed, ``b`` is gone, ``c`` became ``d``, ``e`` came, ``f`` renders ``tone``."""
    for name in "abc":
        world.write(name, f"{name} says hello to {{name}}")
    world.write("tone", content="Be kind.")
    world.write("f", "@@@tone@@@ {question}")
    world.commit()
    world.git("switch", "-qc", "topic")
    world.edit("a", "hello", "good morning")
    world.path("b").unlink()
    world.edit("c", "name: c", "name: d")
    world.write("e", "New {thing}")
    world.edit("tone", "kind", "very kind")
    world.commit()


def test_every_way_to_differ_is_shown_and_the_registry_is_not_asked(branch: World) -> None:
    found = branch.ok("diff", "--since", "main", "--json").document["changes"]
    states = {one["name"]: one["state"] for one in found}
    assert states == {
        "a": "changed",
        "b": "deleted",
        "c": "deleted",
        "d": "added",
        "e": "added",
        "f": "dependant",
        "tone": "changed",
    }
    changes = {one["name"]: one for one in found}
    assert changes["a"]["fields"][0]["old"] == "a says hello to {name}"
    assert changes["b"]["fields"][0]["new"] is None
    assert changes["d"]["title"] == "nothing -> prompts/c.yaml"
    assert changes["e"]["variables"]["added"] == ["thing"]
    assert changes["f"]["title"] == "renders tone"
    assert branch.seen == []


def test_it_comes_as_markdown_and_as_text(branch: World) -> None:
    markdown = branch.ok("diff", "--since", "main...", "--format", "markdown").out
    assert markdown.startswith("**7 prompts differ**")
    assert "<code>f</code>: dependant" in markdown and "+a says good morning to {name}" in markdown
    text = branch.ok("diff", "--since", "main", "a").out
    assert "a  changed" in text and "main -> prompts/a.yaml" in text
    assert branch.ok("diff", "--since", "HEAD").out == "no differences\n"
    assert branch.run("diff", "--since", "main", "--exit-code").code == 1


def test_what_it_cannot_mean_is_refused(branch: World) -> None:
    assert branch.run("diff", "--since", "main", "--label", "prod").code == 2
    assert "no prompt 'nobody'" in branch.run("diff", "--since", "main", "nobody").err
    assert branch.run("diff", "--since", "").code == 2
    assert "nowhere" in branch.run("diff", "--since", "nowhere").err


def test_a_file_of_old_that_could_not_be_read_shows_the_whole_prompt(branch: World) -> None:
    branch.path("a").write_text("messages: [", "utf-8")
    branch.commit()
    branch.write("a", "Mended {name}")
    (change,) = branch.ok("diff", "--since", "HEAD", "--json").document["changes"]
    assert change["title"] == "nothing -> prompts/a.yaml"
