"""What ``pull --output`` writes for a build, and what it never writes over."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds import World, template


@template
def three(world: World) -> None:
    """``a``, ``b`` and ``c`` in sync."""
    for name in "abc":
        world.write(name)
    world.commit("Say hello")
    world.ok("push")


def test_an_export_leaves_no_trace_in_the_working_copy_and_deletes_nothing(
    three: World, tmp_path: Path
) -> None:
    three.ok("push", "b", "--label", "prod")
    three.publish("b", "Theirs {name}")
    target = tmp_path / "build" / "prompts"
    target.mkdir(parents=True)
    (target / "old.yaml").write_text("name: old\n")
    before, record = three.files(), (three.root / ".promptsync/record.json").read_bytes()
    done = three.ok("pull", "--label", "prod", "--output", str(target), "--dry-run")
    assert done.out.startswith("DRY RUN") and not (target / "b.yaml").exists()
    three.ok("pull", "--label", "prod", "--output", str(target))
    assert sorted(path.name for path in target.iterdir()) == ["b.yaml", "old.yaml"]
    assert "Hello" in (target / "b.yaml").read_text("utf-8")
    assert three.files() == before
    assert (three.root / ".promptsync/record.json").read_bytes() == record
    assert three.states()["b"] == "behind"


def test_an_export_into_a_place_that_cannot_be_written_is_reported(three: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    done = three.run("pull", "--output", str(tmp_path / "file" / "below"))
    assert done.code == 2
    assert "could not write" in done.err


FOREIGN = {
    "notes": "my notes\n",
    "another prompt": "name: bb\ncontent: Mine\n",
    "a prompt without name:": "content: Mine\n",
    "broken YAML": "name: [\n",
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_an_export_never_replaces_a_file_that_it_did_not_make(
    three: World, tmp_path: Path, text: str
) -> None:
    (tmp_path / "b.yaml").write_text(text)
    for more in ((), ("--dry-run",)):
        done = three.run("pull", "--output", str(tmp_path), *more)
        assert done.code == 3, str(done)
        assert f"{tmp_path / 'b.yaml'} is not an earlier export of 'b'; nothing was written" in done.err
    assert (tmp_path / "b.yaml").read_text() == text
    assert not (tmp_path / "a.yaml").exists()


def test_an_earlier_export_is_replaced(three: World, tmp_path: Path) -> None:
    three.ok("pull", "--output", str(tmp_path))
    three.publish("b", "Theirs {name}")
    three.ok("pull", "--output", str(tmp_path))
    assert "Theirs" in (tmp_path / "b.yaml").read_text("utf-8")


@pytest.mark.parametrize("place", ["prompts", "texts/sub", ".git", ".git/sub"])
def test_an_export_never_enters_a_working_copy_or_git(three: World, tmp_path: Path, place: str) -> None:
    directory = "texts" if place.startswith("texts") else "prompts"
    (tmp_path / "promptsync.yaml").write_text(f"prompts: {directory}\n")
    (tmp_path / place).mkdir(parents=True)
    mine = tmp_path / place / "b.yaml"
    mine.write_text("name: b\ncontent: Mine\n")
    done = three.run("pull", "b", "--output", str(tmp_path / place))
    assert done.code == 2
    assert "--output would write into" in done.err and "nothing was written" in done.err
    assert mine.read_text() == "name: b\ncontent: Mine\n"


@pytest.mark.parametrize("config", ["remote: x\n", "remotes: [\n"])
def test_a_configuration_above_an_export_that_cannot_be_used_is_ignored(
    three: World, tmp_path: Path, config: str
) -> None:
    (tmp_path / "promptsync.yaml").write_text(config)
    three.ok("pull", "b", "--output", str(tmp_path / "build"))
    assert (tmp_path / "build" / "b.yaml").exists()
