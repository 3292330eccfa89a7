"""A registry without operations for labels, and a private directory that cannot be used."""

from __future__ import annotations

import pytest
from worlds import World, failing, fault

# -- no operation for labels ----------------------------------------------------------------------------


@pytest.fixture
def no_labels(world: World) -> World:
    """A registry that has no operation for labels."""
    no_route = failing(404, "Not Found")
    world.faults += [
        fault(lambda seen: seen.path.endswith(("/labels", "/label")), no_route),
        fault(lambda seen: seen.path.startswith("/prompt-labels"), no_route),
    ]
    return world


def test_labels_cannot_be_changed_and_nothing_is_written(no_labels: World) -> None:
    no_labels.write("a")
    no_labels.commit()
    no_labels.ok("push")
    no_labels.edit("a", "Hello", "Ciao")
    no_labels.commit()
    for line in ("push --label prod", "deploy --label prod --yes", "label set a beta --version 1"):
        for options in ("", " --dry-run"):
            assert no_labels.run(*f"{line}{options} --json".split()).code == 4, line
            assert no_labels.states() == {"a": "ahead"}


# -- private files --------------------------------------------------------------------------------------


def test_a_private_directory_that_cannot_be_used_is_reported_before_any_write(world: World) -> None:
    (world.root / ".promptsync").write_text("a file in its place")
    world.write("a")
    for verb in ("push", "pull"):
        done = world.run(verb)
        assert (done.code, world.writes) == (2, [])
        assert ".promptsync" in done.err and "hint: " in done.err
    (world.root / ".promptsync").unlink()
    (world.root / ".promptsync/lock").mkdir(parents=True)
    done = world.run("push")
    assert (done.code, world.writes) == (2, [])
    assert "lock" in done.err
