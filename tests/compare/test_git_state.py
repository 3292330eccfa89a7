"""The git state to compare with: named as git names it, or missing in every way that a clone can lack it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from gitcopy import Copy, git

from promptsync.errors import PromptsyncError

A = "prompts/a.yaml"
ZEROS = "0" * 40
GONE = "1234567890" * 4


def text(content: str) -> str:
    return f"content: {content}\n"


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A branch that changed ``b``; main went on and changed ``a``. Both began with a tag."""
    copy = Copy.made(tmp_path_factory.mktemp("made"))
    copy.put({A: text("One"), "prompts/b.yaml": text("One")})
    copy.commit()
    copy.git("tag", "v1")
    copy.put({A: text("Two")})
    copy.commit()
    copy.git("checkout", "-q", "-b", "feature", "v1")
    copy.put({"prompts/b.yaml": text("Two")})
    copy.commit("Change b on a branch")  # of two commits of one second, nobody knows which is the younger
    return copy


@pytest.fixture
def branch(made_once: Copy, tmp_path: Path) -> Copy:
    top = tmp_path / "origin"
    shutil.copytree(made_once.top, top)
    return Copy(top, top)


STATES: list[tuple[str | None, tuple[str, ...]]] = [
    (None, ()),
    ("HEAD", ()),
    ("HEAD~1", ("b",)),
    ("v1", ("b",)),
    ("refs/tags/v1", ("b",)),
    ("@", ()),
    ("@~1", ("b",)),
    ("main", ("a", "b")),
    ("main..", ("a", "b")),
    ("main..HEAD", ("a", "b")),
    ("main...", ("b",)),
    ("main...HEAD", ("b",)),
    ("main@{0}", ("a", "b")),
    (":/Change b", ()),
    (ZEROS, ("a", "b")),
    ("0" * 64, ("a", "b")),
]


def test_a_state_is_named_as_git_names_it(branch: Copy) -> None:
    for since, names in STATES:
        found = branch.changed(since)
        assert (found.names, found.since) == (names, since or "HEAD"), since
        assert (found.commit is None) == (since is not None and not since.strip("0"))
    commit = branch.git("rev-parse", "main")
    found = branch.changed(commit[:9])
    assert (found.commit, found.names) == (commit, ("a", "b"))


NO_STATES = [
    ("", "revision", "origin/main"),
    (" ", "revision", "origin/main"),
    ("...", "revision", "origin/main"),
    ("--all", "revision", "origin/main"),
    ("-x", "revision", "origin/main"),
    ("a\nb", "revision", "origin/main"),
    ("main..v1", "revision", "--since main"),
    ("main...v1", "revision", "--since main"),
    ("HEAD:prompts", "unknown-revision", "git log --oneline HEAD"),
    ("nowhere", "unknown-revision", "git fetch origin nowhere"),
    ("nowhere...", "unknown-revision", "git fetch origin nowhere"),
    ("origin/nowhere", "unknown-revision", "git fetch origin nowhere\n"),
    ("a;b", "unknown-revision", "git fetch origin 'a;b'"),
    (GONE, "unknown-revision", f"git fetch origin {GONE}"),
    ("HEAD~9", "unknown-revision", "git log --oneline HEAD"),
]


def test_what_names_no_commit_is_an_error(branch: Copy) -> None:
    for since, code, hint in NO_STATES:
        with pytest.raises(PromptsyncError) as caught:
            branch.changed(since)
        assert (caught.value.exit_code, caught.value.code) == (2, code), since
        assert hint in caught.value.hint


def test_a_branch_that_only_the_origin_has_is_named(branch: Copy, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(branch.top), "clone")
    clone = Copy(tmp_path / "clone", tmp_path / "clone")
    with pytest.raises(PromptsyncError) as caught:
        clone.changed("main")
    assert caught.value.hint == "--since origin/main"
    assert clone.changed("origin/main...").names == ("b",)


def cloned(origin: Copy, directory: Path, *options: str) -> Copy:
    """A clone over a transport, which makes it as shallow as it is told."""
    git(directory, "clone", "-q", *options, f"file://{origin.top}", "clone")
    return Copy(directory / "clone", directory / "clone")


@pytest.mark.parametrize(
    ("options", "since"),
    [
        (("--depth", "1"), "HEAD~1"),
        (("--depth", "1"), "v1"),
        (("--depth", "1"), "origin/main"),
        (("--depth", "1"), "origin/main..."),
        (("--depth", "1"), GONE),
        (("--depth", "1", "--no-single-branch"), "origin/main..."),
    ],
)
def test_a_shallow_clone_says_what_to_fetch(
    branch: Copy, tmp_path: Path, options: tuple[str, ...], since: str
) -> None:
    clone = cloned(branch, tmp_path, *options)
    with pytest.raises(PromptsyncError) as caught:
        clone.changed(since)
    assert (caught.value.exit_code, caught.value.code) == (3, "shallow-clone")
    assert "fetch-depth: 0" in caught.value.hint
    assert since.removesuffix("...") in caught.value.message
    clone.git("fetch", "-q", "--unshallow", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    assert since == GONE or clone.changed(since)


def test_a_shallow_clone_is_deep_enough_when_it_holds_the_state(branch: Copy, tmp_path: Path) -> None:
    clone = cloned(branch, tmp_path, "--depth", "2")
    assert clone.changed("HEAD~1").names == ("b",)
    clone.git("fetch", "-q", "--depth", "1", "origin", "main")
    assert clone.changed("FETCH_HEAD").names == ("a", "b")


def _no_git(copy: Copy) -> None:
    (copy.top / ".git").rename(copy.top / "elsewhere")


def _no_commit(copy: Copy) -> None:
    copy.git("checkout", "-q", "--orphan", "empty")


def _unrelated(copy: Copy) -> None:
    copy.git("checkout", "-q", "--orphan", "other")
    copy.commit()


@pytest.mark.parametrize(
    ("spoil", "since", "code", "hint"),
    [
        (_no_git, None, "no-repository", "git init"),
        (_no_git, "main", "no-repository", "git init"),
        (_no_git, ZEROS, "no-repository", "git init"),
        (_no_commit, None, "no-commit", "git commit"),
        (_no_commit, "main", "no-commit", "git commit"),
        (_unrelated, "main...", "no-merge-base", "--since main"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_where_no_state_can_be_told_there_is_an_error(
    branch: Copy, spoil: Callable[[Copy], None], since: str | None, code: str, hint: str
) -> None:
    spoil(branch)
    with pytest.raises(PromptsyncError) as caught:
        branch.changed(since)
    assert (caught.value.exit_code, caught.value.code) == (2, code)
    assert hint in caught.value.hint
    if spoil is _unrelated:
        assert branch.changed("main").names == ("a", "b")
    elif spoil is _no_commit:
        assert branch.kinds(ZEROS) == {"a": "added", "b": "added"}
