"""What happens to people in git, told from the outside: real git, the embedded registry, the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from working_copy import NAME, Copy


@pytest.fixture
def copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Copy:
    """A repository whose prompt was committed and published as version 1."""
    made = Copy(tmp_path / "work", tmp_path / "registry.db", capsys).begin()
    made.commit("Hello")
    assert made.push() == [1]
    return made


STORIES = {
    "a fresh clone of what CI pushed is in sync, and an edit is ahead": """
        commit "Good day"
        ci: push -> 2
        fresh: is in-sync
        fresh: write "Good evening"
        fresh: is ahead
        fresh: commit
        again: is in-sync
        fresh: push -> 3
    """,
    "a shallow clone that has the base can push": """
        commit "Good day"
        push -> 2
        shallow: push ->
        shallow: write "Good evening"
        shallow: is ahead
        shallow: push -> 3
    """,
    "a pushed commit can be reverted, and reverted again": """
        commit "Good day"
        push -> 2
        git revert --no-edit HEAD
        push -> 3
        three: is in-sync
        git revert --no-edit HEAD
        reads "Good day"
        push -> 4
        four: is in-sync
    """,
    "a version that was pulled is looked at again over later work; the text tells, not the number": """
        publish Theirs
        ok pull
        commit
        commit Mine
        push -> 3
        ok pull support/refund --version 2
        reads Theirs
        is behind
        push ->
        forget
        is behind
    """,
    "old text that was forced from an old commit is included by what followed in git": """
        commit "Good day"
        push -> 2
        git checkout -q HEAD~1
        push support/refund --force -y -> 3
        is in-sync
        git checkout -q main
        is ahead
        ci: push -> 4
    """,
    "drafts are pushed, edited, committed and pushed": """
        write One
        push -> 2
        write Two
        push -> 3
        commit Three
        is ahead
        push -> 4
        write Four
        push -> 5
        commit
        fresh: write Five
        fresh: is ahead
    """,
    "a colleague's draft is not overwritten until their commit brings it in": """
        colleague: write Draft
        colleague: push -> 2
        is behind
        commit Mine
        is diverged
        colleague: commit
        git fetch -q ../colleague main
        git merge -q -X ours FETCH_HEAD -> conflict
        is ahead
    """,
    "a commit from elsewhere is no edit of a draft": """
        colleague: commit Theirs
        write Draft
        push -> 2
        git stash -q
        git pull -q ../colleague main
        reads Theirs
        is diverged
    """,
    "a merge of a branch that had pushed is in sync": """
        git checkout -qb feature
        commit One
        push -> 2
        git checkout -q main
        git commit -q --allow-empty -m "Something else"
        git merge -q --no-ff -m Merge feature
        is in-sync
        forget
        write Two
        is ahead
    """,
    "a conflict that was kept ours is settled for everybody": """
        publish Theirs
        commit Mine
        ok pull --ours support/refund
        reads Mine
        is ahead
        commit
        fresh: is ahead
        fresh: push -> 3
    """,
    "a conflict that was kept ours and pushed before its commit says nothing about the old commit": """
        publish Theirs
        colleague: ok pull
        colleague: commit
        commit Mine
        ok pull --ours support/refund
        push -> 3
        colleague: is behind
        commit
        fresh: write "Mine again"
        fresh: is ahead
    """,
    "a detached HEAD is like a branch": """
        git checkout -q --detach
        commit "Good day"
        push -> 2
        git checkout -q main
        is behind
        git merge -q HEAD@{1}
        is in-sync
    """,
}


@pytest.mark.parametrize("story", STORIES)
def test_a_story(copy: Copy, story: str) -> None:
    copy.play(STORIES[story])


def test_a_shallow_clone_does_not_bring_back_what_was_deleted(copy: Copy) -> None:
    copy.commit("Other", "other")
    copy.path().unlink()
    copy.commit()
    shallow = copy.clone("shallow", "--depth=1")
    shallow.push()
    assert "fetch-depth: 0" in shallow.refused("pull")
    assert not shallow.path().exists()
    shallow.ok("pull", NAME)
    assert shallow.text() == "Hello"
    assert copy.state() == "deleted-locally"


# -- where the files are -------------------------------------------------------------------------------------


def test_a_sparse_checkout_hides_and_does_not_delete(copy: Copy) -> None:
    copy.commit("Other", "other")
    copy.push()
    copy.git("sparse-checkout", "set", "--no-cone", "/*", "!/prompts/support/")
    assert not copy.path().exists()
    for arguments in (["status"], ["push", "--prune", "-y"], ["pull"]):
        assert "git sparse-checkout add prompts/support" in copy.refused(*arguments)
    copy.git("sparse-checkout", "add", "prompts/support")
    assert copy.states() == dict.fromkeys([NAME, "other"], "in-sync")


def test_a_repository_inside_another_one_is_a_repository_of_its_own(
    copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outer = Copy(tmp_path / "outer", tmp_path / "other.db", capsys)
    outer.root.mkdir()
    outer.git("init", "-q", "-b", "main")
    outer.git("submodule", "--quiet", "add", f"file://{copy.root}", "libs/prompts")
    outer.git("commit", "-qm", "Add the prompts")
    inner = Copy(outer.root / "libs" / "prompts", copy.registry, capsys)
    assert inner.state() == "in-sync"
    inner.commit("Good day")
    assert inner.state() == "ahead"
    assert inner.push() == [2]
    assert copy.state() == "behind"


def test_before_the_first_commit_the_record_is_the_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unborn = Copy(tmp_path / "work", tmp_path / "registry.db", capsys).begin()
    unborn.write("Hello")
    assert unborn.state() == "new"
    assert unborn.push() == [1]
    unborn.write("Good day")
    assert unborn.state() == "ahead"
    assert unborn.push() == [2]
    unborn.commit("Good evening")
    assert unborn.state() == "ahead"
    unborn.publish("Theirs")
    assert unborn.state() == "diverged"


def test_line_ends_that_git_converts_are_no_difference(copy: Copy) -> None:
    copy.commit("Good day")
    copy.push()
    windows = copy.clone("windows", "-c", "core.autocrlf=true")
    assert b"\r\n" in windows.path().read_bytes()
    assert windows.state() == "in-sync"
    windows.path().write_bytes(windows.path().read_bytes().replace(b"Good day", b"Good evening"))
    assert windows.state() == "ahead"
    windows.commit()
    windows.forget()
    assert windows.push() == [3]
    windows.publish("Theirs")
    windows.ok("pull")
    assert windows.state() == "in-sync"
    windows.commit()
    windows.forget()
    windows.path().write_bytes(windows.path().read_bytes().replace(b"Theirs", b"Mine"))
    assert windows.state() == "ahead"


def test_odd_settings_of_git_change_nothing(copy: Copy) -> None:
    for key, value in (
        ("log.showSignature", "true"),
        ("diff.renames", "copies"),
        ("core.quotePath", "true"),
        ("color.ui", "always"),
        ("log.date", "relative"),
        ("diff.noprefix", "true"),
        ("core.abbrev", "40"),
        ("log.follow", "true"),
        ("log.mailmap", "true"),
    ):
        copy.git("config", key, value)
    copy.commit("Good day")
    assert copy.state() == "ahead"
    assert copy.push() == [2]
    copy.commit("Grüße", "höflich/gruß")
    assert copy.push() == [1]
    copy.forget()
    copy.write("Good evening")
    copy.write("Tschüß", "höflich/gruß")
    assert copy.states() == {NAME: "ahead", "höflich/gruß": "ahead"}
