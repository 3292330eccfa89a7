"""Prompts and configuration that another repository holds, or none: what is committed there is deployed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from worlds import World

DIRTY = "has changes that are not committed; deploy releases what is committed"
NOWHERE = "is in no git repository; deploy releases what is committed"


def library(world: World, place: str, *, in_git: bool = True) -> Path:
    """Move a directory of prompts into a repository of its own; returns that repository."""
    lib = world.root.parent / "lib"
    shutil.move(world.root / place, lib)
    if in_git:
        world.git("-C", str(lib), "init", "-q", "-b", "main")
        commit(world, lib)
    return lib


def commit(world: World, place: Path) -> None:
    world.git("-C", str(place), "add", "--all")
    world.git("-C", str(place), "commit", "-qm", "Change")


def submodule(world: World, place: str) -> None:
    lib = library(world, place)
    world.git("rm", "-rq", "--cached", place)
    world.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), place)
    world.git("config", "submodule.prompts.ignore", "all")
    world.commit("Use a submodule")


def link(world: World, place: str) -> None:
    (world.root / place).symlink_to(library(world, place))
    world.commit("Use a link")


@pytest.fixture
def grouped(released: World) -> World:
    """The files of ``a`` and ``d`` are in a directory of their own, and ``b`` has a new text to release."""
    released.edit("b", "hello", "welcome")
    folder = released.root / "prompts/shared"
    folder.mkdir()
    for name in "ad":
        shutil.move(released.path(name), folder)
    released.commit("Group prompts")
    return released


def edited(world: World, file: Path) -> None:
    """A text that its evaluation would fail, so that a deploy of it would have to drop its checks."""
    file.write_text(file.read_text().replace("A polite", "A rude"))


def deleted(world: World, file: Path) -> None:
    file.unlink()


def added(world: World, file: Path) -> None:
    file.with_name("new.yaml").write_text("messages:\n- {role: user, content: New}\n")


@pytest.mark.parametrize(
    ("layout", "place"), [(submodule, "prompts"), (submodule, "prompts/shared"), (link, "prompts")]
)
@pytest.mark.parametrize("change", [edited, deleted, added])
def test_a_file_is_committed_in_the_repository_that_holds_it(
    grouped: World,
    layout: Callable[[World, str], None],
    place: str,
    change: Callable[[World, Path], None],
) -> None:
    layout(grouped, place)
    grouped.ok("deploy", "--dry-run")
    file = grouped.root / "prompts/shared/a.yaml"
    change(grouped, file)
    name = "new.yaml" if change is added else "a.yaml"
    grouped.forget()
    done = grouped.run("deploy")
    assert (done.code, grouped.writes) == (3, []), str(done)
    assert f"error: prompts/shared/{name} {DIRTY}" in done.err
    assert f"hint: git -C prompts/shared add {name} && git -C prompts/shared commit\n" in done.err
    commit(grouped, file.parent)
    if layout is submodule:
        for arguments in (["deploy"], ["deploy", "a"] if change is edited else ["deploy"]):
            done = grouped.run(*arguments)
            assert done.code == 3 and f"error: {place} {DIRTY}" in done.err, str(done)
            assert "hint: git add prompts && git commit\n" in done.err
        grouped.commit("Take the change")
    assert grouped.run("deploy", "--dry-run").code == 0


def test_the_last_prompt_of_a_submodule_may_be_deleted_only_in_a_commit(grouped: World) -> None:
    """``d`` has the agent that checks it, and would go with its file."""
    (grouped.root / "prompts/shared/a.yaml").rename(grouped.path("a"))
    submodule(grouped, "prompts/shared")
    (grouped.root / "prompts/shared/d.yaml").unlink()
    done = grouped.run("deploy")
    assert done.code == 3 and f"prompts/shared/d.yaml {DIRTY}" in done.err, str(done)


def test_a_link_may_lead_elsewhere_only_in_a_commit(grouped: World) -> None:
    alias = grouped.root / "prompts/alias"
    alias.symlink_to("shared")
    shutil.copytree(grouped.root / "prompts/shared", grouped.root / "prompts/.other")
    for name in "ad":
        path = grouped.root / f"prompts/shared/{name}.yaml"
        path.write_text(path.read_text().replace(f"name: {name}\n", ""))
    grouped.commit("Link")
    alias.unlink()
    alias.symlink_to(".other")
    done = grouped.run("deploy")
    assert done.code == 3 and f"prompts/alias {DIRTY}" in done.err, str(done)


def test_what_no_repository_holds_is_not_committed(released: World) -> None:
    lib = library(released, "prompts", in_git=False)
    (released.root / "prompts").symlink_to(lib)
    released.commit("Use a link")
    edited(released, released.path("a"))
    done = released.run("deploy")
    assert done.code == 3 and f"error: prompts/a.yaml {NOWHERE}" in done.err.replace(" (and 3 more)", "")
    assert "hint: move it into one, and commit it\n" in done.err


def test_a_configuration_outside_of_git_is_not_committed(released: World) -> None:
    elsewhere = released.root.parent / "shared.yaml"
    config = released.root / "promptsync.yaml"
    shutil.move(config, elsewhere)
    config.symlink_to(elsewhere)
    released.edit("a", "hello", "welcome")
    released.commit("Share the configuration")
    released.forget()
    done = released.run("deploy")
    assert done.code == 3 and f"../shared.yaml {NOWHERE}" in done.err, str(done)
    assert released.writes == []
