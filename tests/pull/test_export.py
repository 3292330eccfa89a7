"""What ``pull --output`` writes for a build, and what it never writes over."""

from __future__ import annotations

from pathlib import Path

from worlds import World, template


@template
def three(world: World) -> None:
    """``a``, ``b`` and ``c`` in sync."""
    for name in "abc":
        world.write(name)
    world.commit("Say hello")
    world.ok("push")


def test_an_export_leaves_no_trace_in_the_working_copy(three: World, tmp_path: Path) -> None:
    three.ok("push", "b", "--label", "prod")
    three.publish("b", "Theirs {name}")
    target = tmp_path / "build" / "prompts"
    target.mkdir(parents=True)
    before, record = three.files(), (three.root / ".promptsync/record.json").read_bytes()
    done = three.ok("pull", "--label", "prod", "--output", str(target), "--dry-run")
    assert done.out.startswith("DRY RUN") and not any(target.iterdir())
    for more in ((), ("--dry-run",), ("--label", "prod"), ("b@1",)):
        (target / "notes.txt").write_text("my notes\n")
        refused = three.run("pull", "--output", str(target), *more)
        assert refused.code == 3 and f"{target} is not empty; nothing was written" in refused.err
        assert [path.name for path in target.iterdir()] == ["notes.txt"]
        (target / "notes.txt").unlink()
    three.ok("pull", "--label", "prod", "--output", str(target))
    assert [path.name for path in target.iterdir()] == ["b.yaml"]
    assert "Hello" in (target / "b.yaml").read_text("utf-8")
    assert three.files() == before
    assert (three.root / ".promptsync/record.json").read_bytes() == record
    assert three.states()["b"] == "behind"
