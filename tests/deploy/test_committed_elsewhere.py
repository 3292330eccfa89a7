"""A deploy refuses prompts and a configuration that another repository holds, or none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from worlds import World

DIRTY = "has changes that are not committed; deploy releases what is committed"
NOWHERE = "is in no git repository; deploy releases what is committed"


def library(world: World, place: str) -> Path:
    """Move a directory of prompts into a repository of its own; returns that repository."""
    lib = world.root.parent / "lib"
    shutil.move(world.root / place, lib)
    world.git("-C", str(lib), "init", "-q", "-b", "main")
    world.git("-C", str(lib), "add", "--all")
    world.git("-C", str(lib), "commit", "-qm", "Share")
    return lib


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


@pytest.mark.parametrize(
    ("layout", "place", "what"),
    [
        (submodule, "prompts", "prompts is a submodule"),
        (submodule, "prompts/shared", "prompts/shared is a submodule"),
        (link, "prompts", "prompts is a link to "),
    ],
)
def test_prompts_of_another_repository_are_deployed_there(
    grouped: World, layout: Callable[[World, str], None], place: str, what: str
) -> None:
    layout(grouped, place)
    grouped.forget()
    for arguments in ["deploy"], ["deploy", "--dry-run"], ["deploy", "b"]:
        done = grouped.run(*arguments)
        assert (done.code, grouped.writes) == (3, []), str(done)
        assert f"error: {what}" in done.err and "; deploy releases what the repository of" in done.err
        assert "hint: write the real directory as prompts:" in done.err


def test_a_link_to_prompts_of_this_repository_is_written_out(released: World) -> None:
    shutil.move(released.root / "prompts", released.root / "texts")
    (released.root / "prompts").symlink_to("texts")
    released.commit("Use a link")
    released.edit("b", "hello", "welcome")
    released.commit("Welcome")
    done = released.run("deploy")
    assert done.code == 3 and "error: prompts is a link to " in done.err, str(done)
    config = released.root / "promptsync.yaml"
    config.write_text("prompts: texts\n" + config.read_text().replace("prompts: prompts\n", ""))
    (released.root / "prompts").unlink()
    released.commit("Name the directory")
    assert "\n  update  b  v1 -> v2 " in released.ok("deploy", "--dry-run").out


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
