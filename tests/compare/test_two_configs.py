"""Two ``promptsync.yaml`` in one repository that have a prompt of the same name in one workspace."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from stories import NAME, commit, push, refused, state
from worlds import World, template


def below(world: World, name: str) -> World:
    """A directory of the repository with a configuration of its own."""
    there = replace(world, root=world.root / name)
    if not there.root.exists():
        there.put("promptsync.yaml", (world.root / "promptsync.yaml").read_bytes())
        there.put(".gitignore", ".promptsync/\n")
    return there


def test_each_file_includes_its_own_versions(world: World) -> None:
    a, b = below(world, "a"), below(world, "b")
    for there in (a, b):
        there.write(NAME, f"Hello from {there.root.name}")
    world.commit()
    assert push(b) == [1]
    assert (state(a), state(b)) == ("diverged", "in-sync")
    commit(a, "Good morning from a")
    refused(a, "push")
    push(a, "--force", NAME, "-y")
    assert (state(a), state(b)) == ("in-sync", "diverged")
    commit(a, "Good day from a")
    assert (state(a), push(a)) == ("ahead", [3])
    commit(b, "Good day from a")
    assert (state(a), state(b)) == ("in-sync", "in-sync")
    commit(b, "Good day from b")
    refused(b, "push")


@template
def copied(world: World) -> None:
    """The file of the directory ``x`` is published; a branch has a copy of it in ``y``, published over it."""
    x, y = below(world, "x"), replace(world, root=world.root / "y")
    commit(x, "Hello")
    assert push(x) == [1]
    world.git("switch", "-qc", "by")
    shutil.copytree(x.root, y.root)
    y.commit()
    commit(y, "Hello from y")
    assert push(y) == [2]


@pytest.mark.parametrize("gone", ["", "y", "y/prompts"])
def test_a_version_of_another_file_is_not_included_on_its_branch_merged_and_removed(
    copied: World, gone: str
) -> None:
    x = below(copied, "x")
    if gone:
        copied.git("rm", "-rqf", gone)
    else:
        copied.git("switch", "-q", "main")
    commit(x, "Hello from x")
    assert state(x) == "diverged"
    refused(x, "push")
    assert x.text(NAME) == "Hello from y"
    if not gone:
        copied.git("merge", "-q", "by")
        assert state(x) == "diverged"


def test_a_moved_configuration_has_no_other_file(copied: World) -> None:
    copied.git("mv", "y", "z")
    copied.git("rm", "-rqf", "x")
    z = replace(copied, root=copied.root / "z")
    z.commit()
    commit(z, "Hello from z")
    assert state(z) == "ahead"
