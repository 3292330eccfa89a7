"""What changed where the files are not simply below the top of a repository, or were elsewhere before."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from gitcopy import Copy, git

from promptsync.errors import PromptsyncError, UsageError

A = "prompts/a.yaml"
B = "prompts/b.yaml"
CONFIG = "promptsync.yaml"


def text(content: str, name: str = "") -> str:
    return (f"name: {name}\n" if name else "") + f"content: {content}\n"


@pytest.mark.parametrize("below", [".", "services/bot"])
def test_prompts_are_followed_into_another_directory(tmp_path: Path, below: str) -> None:
    copy = Copy.made(tmp_path, below)
    copy.put({A: text("One"), B: text("One"), "prompts/c.yaml": text("Three", "n")})
    start = copy.commit()
    (copy.root / "prompts").rename(copy.root / "texts")
    copy.put({CONFIG: "prompts: texts\n", "texts/b.yaml": text("Two")})
    assert copy.kinds(start) == {"b": "changed"}
    copy.commit()
    assert copy.kinds(start) == {"b": "changed"}


@pytest.mark.parametrize(("old", "new"), [(".", "services/bot"), ("services/bot", "."), ("bot", "robot")])
def test_where_the_configuration_moved_everything_is_new(tmp_path: Path, old: str, new: str) -> None:
    copy = Copy.made(tmp_path, old)
    copy.put({A: text("One"), B: text("One", "n")})
    start = copy.commit()
    moved = Copy(tmp_path, tmp_path / new)
    moved.root.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, "prompts"):
        (copy.root / name).rename(moved.root / name)
    assert moved.kinds(start) == {"a": "added", "n": "added"}


def test_without_a_configuration_that_says_it_the_directory_is_that_of_today(tmp_path: Path) -> None:
    for number, config in enumerate((None, "prompts: [\n", "", "- x\n", "prompts: 7\n", "remote: local\n")):
        copy = Copy.made(tmp_path / str(number), config=config or "")
        copy.put({A: text("One"), B: text("One")})
        if config is None:
            (copy.root / CONFIG).unlink()
        start = copy.commit()
        copy.put({CONFIG: "prompts: prompts\n", B: text("Two")})
        assert copy.kinds(start) == {"b": "changed"}, config


def test_only_names_that_belong_here_count(tmp_path: Path) -> None:
    copy = Copy.made(tmp_path, config="include: ['ours/*']\n")
    use = "'@@@theirs/tone@@@ @@@ours/tone@@@'"
    before = {
        "prompts/a.yaml": text(use, "ours/a"),
        "prompts/b.yaml": text("'@@@theirs/tone@@@'", "ours/b"),
        "prompts/c.yaml": text("'@@@ours/tone@@@'", "theirs/c"),
        "prompts/d.yaml": text("'@@@theirs/c@@@'", "ours/d"),
        "prompts/e.yaml": text("Gone", "theirs/e"),
        "prompts/f.yaml": text("Out", "ours/f"),
        "prompts/g.yaml": text("In", "theirs/g"),
        "prompts/theirs.yaml": text("Kind", "theirs/tone"),
        "prompts/ours.yaml": text("Kind", "ours/tone"),
    }
    copy.put(before)
    copy.commit()
    copy.put({"prompts/theirs.yaml": text("Brief", "theirs/tone")})
    assert copy.kinds() == {}
    copy.put({"prompts/ours.yaml": text("Brief", "ours/tone")})
    (copy.root / "prompts/e.yaml").unlink()
    copy.put({"prompts/f.yaml": text("Out", "theirs/f"), "prompts/g.yaml": text("In", "ours/g")})
    assert copy.kinds() == {
        "ours/tone": "changed",
        "ours/a": "dependant ours/tone",
        "ours/d": "dependant theirs/c > ours/tone",
        "ours/f": "deleted",
        "ours/g": "added",  # where it had another name, it did not belong here
    }


# -- what is refused -------------------------------------------------------------------------------------


def test_prompts_that_a_sparse_checkout_hides_are_refused(tmp_path: Path) -> None:
    copy = Copy.made(tmp_path)
    copy.put({"prompts/near/a.yaml": text("Kind"), "prompts/far away/b.yaml": text("One")})
    copy.commit()
    copy.git("sparse-checkout", "set", "prompts/near")
    with pytest.raises(PromptsyncError, match=r"hides prompts/far away/b\.yaml") as caught:
        copy.changed()
    assert (caught.value.exit_code, caught.value.code) == (3, "hidden")
    copy.git(*shlex.split(caught.value.hint)[1:])
    assert copy.kinds() == {}


def test_a_prompts_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    copy = Copy.made(tmp_path, "bot")
    (tmp_path / "shared").mkdir()
    (copy.root / "prompts").symlink_to("../shared")
    with pytest.raises(UsageError, match="is a symbolic link"):
        copy.changed()


@pytest.mark.parametrize("below", ["prompts", "prompts/shared"])
def test_a_submodule_is_an_error(tmp_path: Path, below: str) -> None:
    inner = Copy.made(tmp_path / "inner")
    inner.put({"a.yaml": text("One")})
    (inner.root / CONFIG).unlink()
    inner.commit()
    copy = Copy.made(tmp_path / "outer")
    (copy.root / below).parent.mkdir(parents=True, exist_ok=True)
    copy.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.top), below)
    copy.commit()
    with pytest.raises(PromptsyncError, match=f"{below} is a submodule"):
        copy.changed()


def test_a_linked_working_tree_compares_its_own_files(tmp_path: Path) -> None:
    copy = Copy.made(tmp_path / "main")
    copy.put({A: text("One")})
    copy.commit()
    copy.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Copy(tmp_path / "side", tmp_path / "side")
    side.put({A: text("Two")})
    assert (copy.kinds(), side.kinds(), side.kinds("main...")) == ({}, {"a": "changed"}, {"a": "changed"})


def test_a_repository_of_sha256_objects_is_read_too(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "--object-format=sha256")
    copy = Copy(tmp_path, tmp_path)
    copy.put({CONFIG: "prompts: prompts\n", A: text("One", "n"), B: text("One", "m")})
    start = copy.commit()
    (copy.root / A).rename(copy.root / "prompts/c.yaml")
    copy.put({B: text("Two", "m")})
    assert len(start) == 64
    assert copy.kinds(start) == {"m": "changed"}
