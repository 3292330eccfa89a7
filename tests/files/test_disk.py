from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from promptsync.errors import PromptsyncError, Refused
from promptsync.files.cache import Cache
from promptsync.files.disk import backup, delete, locked, private_directory, write


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_a_file_comes_with_its_directories_and_every_byte_and_goes_with_those_that_it_empties(
    tmp_path: Path,
) -> None:
    for path in ("prompts/a/b/c.yaml", "prompts/a/d.yaml"):
        write(tmp_path, path, "é\r\nx\n", within="prompts")
        assert (tmp_path / path).read_bytes() == "é\r\nx\n".encode()
    delete(tmp_path, "prompts/a/b/c.yaml", within="prompts")
    assert names(tmp_path) == ["prompts", "prompts/a", "prompts/a/d.yaml"]
    delete(tmp_path, "prompts/a/d.yaml", within="prompts")
    delete(tmp_path, "prompts/a/d.yaml", within="prompts")
    assert names(tmp_path) == ["prompts"]


def test_a_replaced_file_keeps_its_mode_and_a_new_one_follows_the_umask(tmp_path: Path) -> None:
    before, new = os.umask(0o027), tmp_path / "new.yaml"
    try:
        write(tmp_path, "new.yaml", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(new.stat().st_mode) == 0o640
    new.chmod(0o604)
    write(tmp_path, "new.yaml", "y")
    assert (stat.S_IMODE(new.stat().st_mode), new.read_text()) == (0o604, "y")


@pytest.mark.parametrize(
    "path", ["../x.yaml", "prompts/../../x.yaml", "other/x.yaml", "prompts", "/etc/x.yaml"]
)
def test_nothing_is_written_outside(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    (root / "prompts").mkdir(parents=True)
    for change in (
        lambda: write(root, path, "x", within="prompts"),
        lambda: delete(root, path, within="prompts"),
    ):
        with pytest.raises(Refused, match="leads out of prompts"):
            change()
    assert names(tmp_path) == ["root", "root/prompts"]


def test_only_a_link_to_a_file_inside_is_followed(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    write(root, "prompts/real.yaml", "a")
    write(target, "x.yaml", "mine")
    links = {"link.yaml": "real.yaml", "folder": "../../target", "x.yaml": "../../target/x.yaml"}
    for name, to in links.items():
        (root / "prompts" / name).symlink_to(to)
    for path in ("prompts/folder/x.yaml", "prompts/folder/new.yaml", "prompts/x.yaml"):
        with pytest.raises(Refused):
            write(root, path, "yours", within="prompts")
    assert names(target) == ["x.yaml"] and (target / "x.yaml").read_text() == "mine"
    write(root, "prompts/link.yaml", "b", within="prompts")
    assert (root / "prompts/link.yaml").is_symlink()
    assert (root / "prompts/real.yaml").read_text() == "b"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (("folder", ""), ("file/a.yaml", ""), ("pipe", "it is not a regular file")):
        with pytest.raises(PromptsyncError, match=f"could not write.*{reason}"):
            write(tmp_path, path, "y")
    assert names(tmp_path) == ["file", "folder", "pipe"] and (tmp_path / "pipe").is_fifo()


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.yaml", "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PromptsyncError, match="No space left"):
        write(tmp_path, "a.yaml", "new" * 10_000)
    assert names(tmp_path) == ["a.yaml"]
    assert (tmp_path / "a.yaml").read_text() == "old"


def test_the_lock_clears_what_killed_runs_left_out_of_sight(tmp_path: Path) -> None:
    private = tmp_path / ".promptsync"
    left = [private / ".a.tmp", private / "cache" / ".b.tmp"]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    with locked(tmp_path):
        assert [path for path in left if path.exists()] == []
        write(tmp_path, "prompts/a.yaml", "x")
    assert (tmp_path / "prompts/a.yaml").read_text() == "x"
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("is_folder", [True, False])
def test_the_cache_is_never_written_through_a_link(tmp_path: Path, is_folder: bool) -> None:
    root = tmp_path / "root"
    root.mkdir()
    Cache(root).put("https://x.example", 1, 7, 2, {})
    (path,) = (root / ".promptsync/cache").iterdir()
    link = path.parent if is_folder else path
    link.rename(tmp_path / "target")
    link.symlink_to(tmp_path / "target")
    Cache(root).put("https://x.example", 1, 7, 2, {"new": 1})
    Cache(root).put("https://x.example", 1, 8, 2, {"new": 1})
    target = tmp_path / "target"
    beyond = [one for one in (target, *target.rglob("*")) if one.is_file()]
    assert [one.read_text() for one in beyond] == ["{}"]


def test_the_lock_keeps_another_run_out_until_it_is_released(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(Refused, match="another promptsync is writing"), locked(tmp_path):
        raise AssertionError
    with locked(tmp_path):
        pass
    (private_directory(tmp_path) / "lock").unlink(missing_ok=True)
    (private_directory(tmp_path) / "lock").mkdir()
    with pytest.raises(PromptsyncError, match="cannot lock") as caught, locked(tmp_path):
        raise AssertionError
    assert not isinstance(caught.value, Refused)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/.promptsync").write_text("a file in its place")
    with pytest.raises(PromptsyncError, match="could not write to"):
        private_directory(tmp_path / "other")


def test_a_backup_is_a_copy_and_never_replaces_another(tmp_path: Path) -> None:
    write(tmp_path, "prompts/a.yaml", "one")
    first = backup(tmp_path, "prompts/a.yaml", "20260101T120000")
    assert first == tmp_path / ".promptsync/backup/20260101T120000/prompts/a.yaml"
    write(tmp_path, "prompts/a.yaml", "two")
    second = backup(tmp_path, "prompts/a.yaml", "20260101T120000")
    assert (first.read_text(), second.read_text()) == ("one", "two")
    with pytest.raises(PromptsyncError, match="could not back up"):
        backup(tmp_path, "prompts/gone.yaml", "x")
