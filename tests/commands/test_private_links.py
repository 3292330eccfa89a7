"""Private files and the registry are never read or written through a symbolic link that a clone brought."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds import World

VERBS = [["status"], ["diff"], ["push", "-y"], ["pull"], ["log", "a"], ["label", "list"]]
LINKS = [
    *("", "cache", "backup", "starter", "lock", "record.json", ".gitignore"),
    *("registry.db", "registry.db-wal", "registry.db-shm", "registry.db-journal"),
]


@pytest.fixture
def place(local: World) -> World:
    """A working copy beside a directory with a file that nothing may change."""
    local.write("a", "x")
    (local.root.parent / "victim").mkdir()
    (local.root.parent / "victim/mine").write_text("mine")
    return local


def victim(world: World) -> dict[str, str]:
    return {path.name: path.read_text() for path in (world.root.parent / "victim").iterdir()}


def test_a_link_in_the_private_directory_is_refused(place: World) -> None:
    for number, link in enumerate(LINKS):
        path = place.root / ".promptsync" / link
        path.parent.mkdir(exist_ok=True)
        for target in ("", "new", "mine"):
            path.symlink_to(place.root.parent / "victim" / target)
            # One verb for each link, and each verb for some.
            done = place.run(*VERBS[number % len(VERBS)])
            assert (done.code, f"{path} is a symbolic link" in done.err) == (3, True), str(done)
            assert f"hint: rm {path}\n" in done.err
            path.unlink()
        path.symlink_to("nowhere")
        done = place.run("doctor", "--offline")
        assert (done.code, f"{path} is a symbolic link" in done.out) == (1, True)
        path.unlink()
    assert victim(place) == {"mine": "mine"}
    place.ok("push")


def test_a_link_further_below_is_not_followed(place: World) -> None:
    place.ok("push")
    place.edit("a", "x", "y")
    links = [*(place.root / ".promptsync/cache").iterdir(), place.root / ".promptsync/backup/x"]
    assert len(links) > 2
    for path in links:
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(place.root.parent / "victim/mine")
    for verb in VERBS:
        place.ok(*verb)
    assert victim(place) == {"mine": "mine"}


@pytest.mark.parametrize("verb", ["status", "push"])
def test_a_database_elsewhere_that_is_a_link_is_refused(place: World, verb: str) -> None:
    place.put("promptsync.yaml", 'remotes: {local: {url: "local:db/r.db"}}\n')
    (place.root / "db").mkdir()
    (place.root / "db/r.db").symlink_to(place.root.parent / "victim/new.db")
    done = place.run(verb)
    assert (done.code, "r.db is a symbolic link" in done.err) == (3, True)
    assert victim(place) == {"mine": "mine"}


def test_the_private_directory_of_a_linked_working_copy_is_its_own(place: World, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(place.root)
    place.root = tmp_path / "short"
    assert place.run("status", "--exit-code").code == 1
    place.ok("push")
