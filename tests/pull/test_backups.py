"""Nothing that git does not have is replaced or deleted without a copy of the file's bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from worlds import World, made

REMARK = "# why it is kind\n"


def remark(world: World, name: str) -> bytes:
    """Put a comment and an example into a file, which no registry has, and return its bytes."""
    path = world.path(name)
    text = path.read_text("utf-8").replace("messages:\n", f"messages: {REMARK}")
    path.write_text(f"{text}examples:\n- name: Ann  # a customer\n", "utf-8")
    return path.read_bytes()


def copies(world: World) -> list[bytes]:
    top = world.root / ".promptsync" / "backup"
    return [path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()]


def one(world: World, text: str = "Hello {name}") -> None:
    world.write("a", text)
    world.commit()
    world.ok("push")


def behind(world: World) -> None:
    world.publish("a", "Theirs {name}")


def diverged(world: World) -> None:
    world.edit("a", "Hello", "Ours")
    behind(world)


def pulled(world: World) -> None:
    behind(world)
    world.ok("pull")
    world.commit()


def pinned(world: World) -> None:
    world.write("tone", content="Kind.")
    world.edit("a", "Hello", "Hello @@@tone@version_number:1@@@", commit="Pin it")
    world.ok("push")
    world.edit("tone", "Kind.", "Very kind.", commit="Be very kind")
    world.ok("push", "tone")


WRITERS: dict[str, Callable[[World], object]] = {
    "pull": behind,
    "pull --prune -y": lambda world: world.archive("a"),
    "pull --theirs a": diverged,
    "pull --merge --markers": diverged,
    "pull a@1": pulled,
    "bump tone -y": pinned,
}


@pytest.mark.parametrize("verb", WRITERS)
def test_comments_and_examples_that_are_not_committed_are_copied_first(world: World, verb: str) -> None:
    one(world)
    WRITERS[verb](world)
    before = remark(world, "a")
    done = world.run(*verb.split())
    assert done.code in (0, 3), str(done)
    assert not world.path("a").exists() or world.path("a").read_bytes() != before
    assert copies(world) == [before]
    (shown,) = (line for line in done.out.splitlines() if "your version of a is backed up in" in line)
    assert Path(shown.split(" is backed up in ")[1]).read_bytes() == before


@pytest.mark.parametrize("verb", ["pull", "pull --prune -y"])
def test_what_git_has_needs_no_copy(world: World, verb: str) -> None:
    one(world)
    WRITERS[verb](world)
    before = remark(world, "a")
    world.commit()
    world.ok(*verb.split())
    assert not world.path("a").exists() or world.path("a").read_bytes() != before
    assert copies(world) == []


def test_without_git_every_text_that_loses_a_line_is_copied(tmp_path: Path) -> None:
    with made(tmp_path, git=False) as plain:
        for name in "abcd":
            plain.write(name)
        plain.ok("push")
        plain.publish("a", "Hello {name}", metadata={"owner": "me"})
        plain.ok("pull")
        assert b"owner: me" in plain.path("a").read_bytes()
        assert copies(plain) == []
        before = [remark(plain, name) for name in "abcd"]
        for name in "abcd":
            plain.publish(name, "Theirs {name}")
        done = plain.ok("pull")
        assert sorted(copies(plain)) == sorted(before)
        assert "your versions of 4 prompts are backed up in" in done.out


def test_a_push_that_changes_a_line_to_note_the_version_copies_the_file(world: World) -> None:
    # In flow style, synced: becomes part of a line that the file has.
    text = '{name: a, content: "Hello {name}"}  # why it is kind\n'
    world.path("a").write_text(text, "utf-8")
    done = world.ok("push")
    assert "synced" in world.path("a").read_text("utf-8")
    assert copies(world) == [text.encode()]
    assert "your version of a is backed up in" in done.out
