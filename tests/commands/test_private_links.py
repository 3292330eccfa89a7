"""Private files and the registry are never read or written through a symbolic link that a clone brought."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptsync.cli import run

CONFIG = 'remotes: {local: {url: "local:"}}\n'
VERBS = [["status"], ["diff"], ["push", "-y"], ["pull"], ["log", "a"], ["label", "list"]]


def victim(tmp_path: Path) -> Path:
    """A directory of the user with a file that nothing may change."""
    place = tmp_path / "victim"
    place.mkdir()
    (place / "mine").write_text("mine")
    return place


def working_copy(tmp_path: Path, *, pushed: bool = True, config: str = CONFIG) -> Path:
    root = tmp_path / "copy"
    (root / "prompts").mkdir(parents=True)
    (root / "promptsync.yaml").write_text(config)
    (root / "prompts/a.yaml").write_text("name: a\ncontent: x\n")
    if pushed:
        assert run(["-C", str(root), "push", "-q"], {}) == 0
        path = root / "prompts/a.yaml"
        path.write_text(path.read_text().replace("content: x", "content: y"))
    return root


def everything(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("target", ["", "new", "mine"])
@pytest.mark.parametrize(
    "link",
    [
        "",
        "cache",
        "backup",
        "tmp",
        "starter",
        "registry.db",
        "registry.db-wal",
        "registry.db-shm",
        "registry.db-journal",
        "lock",
        "record.json",
        ".gitignore",
    ],
)
def test_a_link_in_the_private_directory_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], link: str, target: str
) -> None:
    root, outside = working_copy(tmp_path, pushed=False), victim(tmp_path)
    place = root / ".promptsync" / link
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside / target)
    before = everything(outside)
    for verb in VERBS:
        capsys.readouterr()
        assert run(["-C", str(root), *verb], {}) == 3
        shown = capsys.readouterr().err
        assert f"{place} is a symbolic link" in shown
        assert f"hint: rm {place}\n" in shown
        assert everything(outside) == before
    assert run(["-C", str(root), "doctor", "--offline"], {}) == 1
    assert f"{place} is a symbolic link" in capsys.readouterr().out
    assert everything(outside) == before
    place.unlink()
    assert run(["-C", str(root), "push"], {}) == 0


def test_a_link_further_below_is_not_followed(tmp_path: Path) -> None:
    root, outside = working_copy(tmp_path), victim(tmp_path)
    links = [*(root / ".promptsync/cache").iterdir(), root / ".promptsync/backup/x"]
    assert len(links) > 2
    for place in links:
        place.parent.mkdir(exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(outside / "mine")
    before = everything(outside)
    for verb in VERBS:
        assert run(["-C", str(root), *verb], {}) == 0
    assert everything(outside) == before


@pytest.mark.parametrize("verb", [["status"], ["push", "-y"]])
def test_a_database_elsewhere_that_is_a_link_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    root = working_copy(tmp_path, pushed=False, config='remotes: {local: {url: "local:db/r.db"}}\n')
    outside = victim(tmp_path)
    (root / "db").mkdir()
    (root / "db/r.db").symlink_to(outside / "new.db")
    assert run(["-C", str(root), *verb], {}) == 3
    assert "r.db is a symbolic link" in capsys.readouterr().err
    assert set(everything(outside)) == {"mine"}


def test_the_private_directory_of_a_linked_working_copy_is_its_own(tmp_path: Path) -> None:
    root = working_copy(tmp_path)
    (tmp_path / "short").symlink_to(root)
    assert run(["-C", str(tmp_path / "short"), "status", "--exit-code"], {}) == 1
    assert run(["-C", str(tmp_path / "short"), "push"], {}) == 0
