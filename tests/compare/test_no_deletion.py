"""What can look like a deletion and is none: nothing is archived for it, not even with ``--prune``."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from worlds import World, template

NAMES = [f"p{number:02}" for number in range(12)]


@template
def kept(world: World) -> None:
    for name in NAMES:
        world.write(name)
    world.commit()
    world.ok("push")


def emptied(world: World) -> None:
    for path in (world.root / "prompts").iterdir():
        path.unlink()


def removed(world: World) -> None:
    shutil.rmtree(world.root / "prompts")


def replaced_by_a_file(world: World) -> None:
    removed(world)
    (world.root / "prompts").write_text("not a directory\n")


def cut_off(world: World) -> None:
    """A directory that cannot be read: the link to where it was mounted leads nowhere."""
    removed(world)
    (world.root / "prompts").mkdir()
    (world.root / "prompts" / "team").symlink_to("/nowhere/at/all")


def half_written(world: World) -> None:
    for name in NAMES[1:]:
        world.path(name).unlink()
    world.path(NAMES[0]).write_text("messages: [")


@pytest.mark.parametrize(
    ("happened", "code"),
    [(emptied, 0), (removed, 0), (replaced_by_a_file, 2), (cut_off, 1), (half_written, 1)],
)
def test_files_that_are_gone_or_cannot_be_read_are_no_deletion(
    kept: World, happened: Callable[[World], None], code: int
) -> None:
    happened(kept)
    kept.exits(code, "push", "--prune", "-y", "--json")
    assert kept.writes == []


def test_a_deletion_that_is_in_doubt_does_not_stop_the_others_when_that_is_said(kept: World) -> None:
    kept.publish(NAMES[0])
    kept.path(NAMES[0]).unlink()
    kept.archive(NAMES[2])
    kept.path(NAMES[2]).unlink()  # the registry deleted it, too
    kept.edit(NAMES[1], "Hello", "Ciao")
    kept.commit("Delete two, change another")
    kept.forget()
    kept.says(3, "push p00 --prune --force", "push", "--prune", "-y")
    assert kept.writes == []
    done = kept.exits(3, "push", "--prune", "-y", "--partial", "--json").document
    assert ([one["name"] for one in done["published"]], done["archived"]) == ([NAMES[1]], [])
    assert kept.ok("push", "p00", "--prune", "--force", "-y", "--json").document["archived"] == ["p00"]
