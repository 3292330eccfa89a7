"""Files without ``name:`` that move, also onto the path of another. With an edit they are new texts."""

from __future__ import annotations

import shutil

import pytest
from worlds import World

WORDS = {
    "alpha": ("apples", "amber", "anchors", "armies"),
    "beta": ("bears", "bridges", "butter", "bells"),
    "rewritten": ("rivers", "roses", "rain", "rooms"),
}


def text(words: tuple[str, ...]) -> str:
    """Return the file of a prompt without ``name:``."""
    lines = [f"Tell {{x}} all about {word} and nothing else." for word in words]
    return "messages:\n- role: user\n  content: |\n" + "".join(f"    {line}\n" for line in lines)


def change(world: World, steps: str) -> None:
    """Move, copy, edit, rewrite and delete files, as in ``move beta gamma, edit gamma``."""
    for step in steps.split(", "):
        verb, *names = step.split()
        paths = [world.path(name) for name in names]
        if verb == "move":
            paths[0].replace(paths[1])
        elif verb == "copy":
            shutil.copyfile(*paths)
        elif verb == "delete":
            paths[0].unlink()
        elif verb == "name":
            paths[0].write_text(f"name: {names[0]}\n{paths[0].read_text('utf-8')}", "utf-8")
        elif verb == "edit":
            old = paths[0].read_text("utf-8")
            paths[0].write_text(old.replace("nothing else", "little else", 1), "utf-8")
        else:
            paths[0].write_text(text(WORDS["rewritten"]), "utf-8")


def publish(world: World) -> None:
    for name in ("alpha", "beta"):
        world.path(name).parent.mkdir(exist_ok=True)
        world.path(name).write_text(text(WORDS[name]), "utf-8")
    world.commit("Add two prompts")
    world.ok("push", "--label", "prod")
    world.forget()


def origins(world: World) -> dict[str, str | None]:
    """Return the old name of each prompt that moved, and the state of each that did not."""
    prompts = world.run("status", "--json").document["prompts"]
    return {
        one["name"]: one["renamed_from"] if one["state"] == "moved" else one["state"]
        for one in prompts
        if one["path"] is not None
    }


MOVES = [
    ("move beta gamma, move alpha beta", {"beta": "alpha", "gamma": "beta"}),
    ("move alpha t, move beta alpha, move t beta", {"alpha": "beta", "beta": "alpha"}),
]


@pytest.mark.parametrize(("steps", "moved"), MOVES, ids=[row[0] for row in MOVES])
def test_no_text_is_published_under_the_name_of_another_prompt(
    world: World, steps: str, moved: dict[str, str]
) -> None:
    publish(world)
    change(world, steps)
    for is_committed in (False, True):
        if is_committed:
            world.commit("Move files")
        assert origins(world) == moved
        deploy = ("deploy", "--label", "prod", "--allow-dirty")
        for verb in (("push",), ("push", "--prune", "-y"), ("push", "beta"), ("pull",), deploy):
            done = world.run(*verb)
            assert done.code == 3, f"{verb}: {done}"
        assert "hint: promptsync mv --keep-name" in world.run("push").err
        assert world.writes == []
    world.ok("mv", "--keep-name")
    world.commit("Keep the names")
    assert world.states() == {"alpha": "in-sync", "beta": "in-sync"}


COPIES = [
    ("copy beta gamma, edit gamma", {"alpha": "in-sync", "gamma": "new"}),
    ("move alpha beta, edit beta", {"alpha": "deleted-locally", "beta": "ahead"}),
    ("move beta gamma, edit gamma", {"beta": "deleted-locally", "gamma": "new"}),
    ("edit alpha, edit beta", {"alpha": "ahead", "beta": "ahead"}),
    ("rewrite beta", {"beta": "ahead"}),
    ("delete beta, rewrite gamma", {"beta": "deleted-locally", "gamma": "new"}),
    ("delete alpha, rewrite beta", {"alpha": "deleted-locally", "beta": "ahead"}),
    ("move alpha beta, name beta", {"alpha": "deleted-locally", "beta": "ahead"}),
]


@pytest.mark.parametrize(("steps", "states"), COPIES, ids=[row[0] for row in COPIES])
def test_a_copy_an_edit_and_a_new_text_are_no_move(world: World, steps: str, states: dict[str, str]) -> None:
    publish(world)
    change(world, steps)
    assert world.states() == {"alpha": "in-sync", "beta": "in-sync"} | states
    world.commit("Change files")
    assert world.states() == {"alpha": "in-sync", "beta": "in-sync"} | states


@pytest.mark.parametrize(("steps", "in_one_commit"), [(MOVES[0][0], False), (MOVES[1][0], True)])
def test_a_prompt_that_kept_its_name_keeps_its_history(world: World, steps: str, in_one_commit: bool) -> None:
    publish(world)
    world.edit("alpha", "amber", "ants")
    world.edit("beta", "butter", "beer")
    world.commit("Reword")
    world.ok("push")
    change(world, steps)
    if not in_one_commit:
        world.commit("Move files")
    world.ok("mv", "--keep-name")
    world.commit("Keep the names")
    for path in world.root.glob("prompts/*.yaml"):
        path.write_text(path.read_text("utf-8").replace("nothing else", "little else"), "utf-8")
    shutil.rmtree(world.root / ".promptsync")  # as in a fresh clone
    assert world.states() == {"alpha": "ahead", "beta": "ahead"}
    world.ok("push")
    assert ("ants" in world.text("alpha"), "beer" in world.text("beta")) == (True, True)
    assert (world.label("alpha", "prod"), world.label("beta", "prod")) == (1, 1)


KEEP = "promptsync mv --keep-name"
ADOPT = "or add name: beta to prompts/beta.yaml to publish it as beta"


@pytest.mark.parametrize("way", [KEEP, ADOPT])
def test_a_text_that_takes_the_file_of_a_live_prompt_needs_a_name(world: World, way: str) -> None:
    publish(world)
    change(world, "move alpha beta")
    if way == ADOPT:
        world.commit("Move alpha over beta")
    assert origins(world) == {"beta": "alpha"}
    before = world.files()
    assert KEEP in world.ok("status").out
    deploy = ("deploy", "--label", "prod", "--allow-dirty")
    for verb in (("push",), ("pull",), deploy):
        done = world.run(*verb)
        hints = [line for line in done.err.splitlines() if line.startswith("hint: ")]
        assert (done.code, hints) == (3, [f"hint: {KEEP}", f"hint: {ADOPT}"]), str(done)
    assert (world.files(), world.writes) == (before, [])

    if way == ADOPT:
        change(world, "name beta")
        world.commit("Adopt the text")
        world.ok(*deploy)
        assert ("apples" in world.text("beta"), world.label("beta", "prod")) == (True, 2)
        assert world.states() == {"alpha": "deleted-locally", "beta": "in-sync"}
    else:
        world.ok("mv", "--keep-name")
        world.ok("pull")  # restores the file that was replaced
        world.commit("Keep both")
        assert world.states() == {"alpha": "in-sync", "beta": "in-sync"}


@pytest.mark.parametrize("is_new", [False, True])
def test_a_new_text_at_the_old_path_needs_names_in_both_files(world: World, is_new: bool) -> None:
    publish(world)
    change(world, "move beta gamma, rewrite beta")
    assert origins(world)["gamma"] == "beta"
    before = world.files()
    done = world.run("mv", "--keep-name")
    assert (done.code, world.files()) == (3, before)
    assert "prompts/beta.yaml is now 'beta', and the former 'beta' moved to prompts/gamma.yaml" in done.err
    assert "hint: add name: to prompts/beta.yaml and to prompts/gamma.yaml" in done.err
    if is_new:
        change(world, "name beta, name gamma")
        assert world.states() == {"alpha": "in-sync", "beta": "ahead", "gamma": "new"}
    else:
        for name, path in (("beta", "gamma"), ("delta", "beta")):
            world.edit(path, "messages:", f"name: {name}\nmessages:")
        assert world.states() == {"alpha": "in-sync", "beta": "in-sync", "delta": "new"}


def test_a_dashboard_edit_of_the_prompt_at_the_path_changes_nothing(world: World) -> None:
    publish(world)
    world.publish("beta")
    change(world, MOVES[0][0])
    assert origins(world) == {"beta": "alpha", "gamma": "beta"}
    done = world.run("pull", "--theirs", "beta")
    assert (done.code, "Other ways" in done.err) == (3, False)
    world.ok("mv", "--keep-name")
    world.commit("Keep the names")
    assert world.states() == {"alpha": "in-sync", "beta": "behind"}


@pytest.mark.parametrize(("steps", "origin"), [("", "beta"), (", edit gamma", "new")])
def test_a_move_of_which_the_deletion_alone_is_committed(world: World, steps: str, origin: str) -> None:
    publish(world)
    change(world, f"move beta gamma{steps}")
    world.git("commit", "-qam", "Move it")
    assert origins(world) == {"alpha": "in-sync", "gamma": origin}
