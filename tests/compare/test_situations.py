"""What happens to people in git, told from the outside: real git, the embedded registry, the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from working_copy import NAME, Copy
from worlds import World, made


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Copy:
    """A repository whose prompt was committed and published as version 1."""
    made = Copy(tmp_path / "work", tmp_path / "registry.db", capsys).begin()
    made.commit("Hello")
    assert made.push() == [1]
    return made


# -- clones and CI -------------------------------------------------------------------------------------------


def test_a_fresh_clone_of_what_ci_pushed_is_in_sync_and_an_edit_is_ahead(copy: Copy) -> None:
    copy.commit("Good day")
    ci = copy.clone("ci")
    assert ci.push() == [2]
    fresh = copy.clone("fresh")
    assert fresh.state() == "in-sync"
    fresh.write("Good evening")
    assert fresh.state() == "ahead"
    fresh.commit()
    assert copy.clone("again", "--branch", "main").state() == "in-sync"
    assert fresh.push() == [3]


def test_a_clone_without_history_is_refused_only_where_there_is_something_to_settle(copy: Copy) -> None:
    copy.commit("Good day")
    copy.push()
    shallow = copy.clone("shallow", "--depth=1")
    assert shallow.state() == "in-sync"
    assert shallow.push() == []
    copy.publish("Theirs")
    told = shallow.refused("push")
    assert "fetch-depth: 0" in told and NAME in told
    assert "fetch-depth: 0" in shallow.refused("status")
    assert shallow.text() == "Good day"


def test_a_shallow_clone_that_holds_the_base_can_push(copy: Copy) -> None:
    copy.commit("Good day")
    copy.push()
    shallow = copy.clone("shallow", "--depth=1")
    shallow.write("Good evening")
    assert shallow.state() == "ahead"
    assert shallow.push() == [3]


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


def test_without_its_private_directory_a_working_copy_knows_as_much(copy: Copy) -> None:
    copy.commit("Good day")
    copy.push()
    copy.publish("Theirs")
    copy.ok("pull")
    copy.commit()
    copy.forget()
    assert copy.state() == "in-sync"
    copy.write("Mine")
    assert copy.state() == "ahead"
    copy.publish("Theirs again")
    copy.forget()
    assert copy.state() == "diverged"


# -- old text ------------------------------------------------------------------------------------------------


def test_a_git_revert_is_ahead_and_beside_an_edit_in_the_registry_diverged(copy: Copy) -> None:
    copy.commit("Good day")
    copy.push()
    copy.git("revert", "--no-edit", "HEAD")
    assert copy.state() == "ahead"
    copy.publish("Theirs")
    assert copy.state() == "diverged"
    assert "diverged" in copy.refused("push")
    assert copy.text() == "Hello"


def test_a_git_revert_can_be_pushed_and_reverted_again(copy: Copy) -> None:
    copy.commit("Good day")
    copy.push()
    for version, text in ((3, "Hello"), (4, "Good day"), (5, "Hello")):
        copy.git("revert", "--no-edit", "HEAD")
        assert copy.text() == text
        assert copy.push() == [version]
        assert copy.clone(f"clone-{version}").state() == "in-sync"


def test_the_version_that_was_pulled_can_be_looked_at_again_over_later_work(copy: Copy) -> None:
    """The number in the file is the committed one then; the text is what tells."""
    copy.publish("Theirs")
    copy.ok("pull")
    copy.commit()
    copy.commit("Mine")
    assert copy.push() == [3]
    copy.ok("pull", NAME, "--version", "2")
    assert copy.text() == "Theirs"
    assert copy.state() == "behind"
    assert copy.push() == []
    copy.forget()
    assert copy.state() == "behind"


def test_old_text_forced_from_an_old_commit_counts_as_included_by_what_followed_in_git(copy: Copy) -> None:
    copy.commit("Good day")
    copy.push()
    copy.git("checkout", "-q", "HEAD~1")
    assert copy.push(NAME, "--force", "-y") == [3]
    assert copy.state() == "in-sync"
    copy.git("checkout", "-q", "main")
    assert copy.state() == "ahead"
    assert copy.clone("ci").push() == [4]


# -- uncommitted pushes --------------------------------------------------------------------------------------


def test_drafts_can_be_pushed_edited_committed_and_pushed(copy: Copy) -> None:
    for version, text in ((2, "One"), (3, "Two")):
        copy.write(text)
        assert copy.push() == [version]
    copy.commit("Three")
    assert copy.state() == "ahead"
    assert copy.push() == [4]
    copy.write("Four")
    assert copy.push() == [5]
    copy.commit()
    fresh = copy.clone("fresh")
    fresh.write("Five")
    assert fresh.state() == "ahead"


def test_a_colleagues_draft_is_not_overwritten(copy: Copy) -> None:
    colleague = copy.clone("colleague")
    colleague.write("Draft")
    assert colleague.push() == [2]
    assert copy.state() == "behind"
    copy.commit("Mine")
    assert copy.state() == "diverged"
    # the colleague's commit brings the draft in
    colleague.commit()
    copy.git("fetch", "-q", str(colleague.root), "main")
    copy.git("merge", "-q", "-X", "ours", "FETCH_HEAD", check=False)
    assert copy.state() == "ahead"


def test_a_commit_from_elsewhere_is_no_edit_of_a_draft(copy: Copy) -> None:
    colleague = copy.clone("colleague")
    colleague.commit("Theirs")
    copy.write("Draft")
    assert copy.push() == [2]
    copy.git("stash", "-q")
    copy.git("pull", "-q", str(colleague.root), "main")
    assert copy.text() == "Theirs"
    assert copy.state() == "diverged"


# -- branches ------------------------------------------------------------------------------------------------


def test_a_merge_of_a_branch_that_had_pushed_is_in_sync(copy: Copy) -> None:
    copy.git("checkout", "-qb", "feature")
    copy.commit("One")
    copy.push()
    copy.git("checkout", "-q", "main")
    copy.git("commit", "-q", "--allow-empty", "-m", "Something else")
    copy.git("merge", "-q", "--no-ff", "-m", "Merge", "feature")
    assert copy.state() == "in-sync"
    copy.forget()
    copy.write("Two")
    assert copy.state() == "ahead"


def test_a_pushed_commit_that_was_amended_on_top_of_its_words_asks_in_every_clone(copy: Copy) -> None:
    copy.commit("Good day")
    assert copy.push() == [2]
    copy.write("Good evening")
    copy.git("commit", "-qam", "Say it better", "--amend")
    assert copy.state() == copy.clone("clone").state() == "diverged"
    copy.ok("pull", "--ours", NAME)
    assert copy.state() == "ahead"
    assert copy.push() == [3]


def test_what_was_reset_and_committed_anew_is_not_taken_for_amended(copy: Copy) -> None:
    copy.commit("Good day")
    assert copy.push() == [2]
    copy.git("reset", "-q", "--hard", "HEAD~1")
    assert copy.state() == "behind"
    copy.commit("Mine")
    assert copy.state() == "diverged"


def test_a_conflict_that_was_kept_ours_is_settled_for_everybody(copy: Copy) -> None:
    copy.publish("Theirs")
    copy.commit("Mine")
    copy.ok("pull", "--ours", NAME)
    assert (copy.text(), copy.state()) == ("Mine", "ahead")
    copy.commit()
    fresh = copy.clone("fresh")
    assert fresh.state() == "ahead"
    assert fresh.push() == [3]


def test_a_conflict_that_was_kept_ours_and_pushed_before_the_commit_does_not_vouch_for_the_old_commit(
    copy: Copy,
) -> None:
    colleague = copy.clone("colleague")
    copy.publish("Theirs")
    colleague.ok("pull")
    colleague.commit()
    copy.commit("Mine")
    copy.ok("pull", "--ours", NAME)
    assert copy.push() == [3]
    assert colleague.state() == "behind"
    copy.commit()
    fresh = copy.clone("fresh")
    fresh.write("Mine again")
    assert fresh.state() == "ahead"


# -- where the files are -------------------------------------------------------------------------------------


def test_a_moved_file_is_the_same_prompt(copy: Copy) -> None:
    copy.git("mv", f"prompts/{NAME}.yaml", "prompts/refunds.yaml")
    assert copy.states() == {NAME: "in-sync"}
    copy.commit()
    copy.forget()
    copy.path("refunds").write_text(copy.path("refunds").read_text().replace("Hello", "Good day"))
    assert copy.states() == {NAME: "ahead"}
    assert copy.push() == [2]


def test_a_sparse_checkout_hides_and_does_not_delete(copy: Copy) -> None:
    copy.commit("Other", "other")
    copy.push()
    copy.git("sparse-checkout", "set", "--no-cone", "/*", "!/prompts/support/")
    assert not copy.path().exists()
    for arguments in (["status"], ["push", "--prune", "-y"], ["pull"]):
        assert "git sparse-checkout add prompts/support" in copy.refused(*arguments)
    copy.git("sparse-checkout", "add", "prompts/support")
    assert copy.states() == dict.fromkeys([NAME, "other"], "in-sync")


def test_a_project_in_a_directory_of_a_monorepo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mono = Copy(tmp_path / "mono", tmp_path / "registry.db", capsys, base="services/bot").begin()
    mono.commit("Hello")
    assert mono.push() == [1]
    mono.commit("Good day")
    assert mono.state() == "ahead"
    ci = mono.clone("ci")
    assert ci.push() == [2]
    assert mono.state() == "in-sync"
    mono.git("checkout", "-q", "HEAD~1")
    assert mono.state() == "behind"


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


def test_on_a_detached_head_all_is_as_on_a_branch(copy: Copy) -> None:
    copy.git("checkout", "-q", "--detach")
    copy.commit("Good day")
    assert copy.push() == [2]
    copy.git("checkout", "-q", "main")
    assert copy.state() == "behind"
    copy.git("merge", "-q", "HEAD@{1}")
    assert copy.state() == "in-sync"


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


def test_a_number_that_came_with_a_copied_file_hides_no_edit_of_the_registry(world: World) -> None:
    world.write("a")
    world.commit()
    world.ok("push")
    world.publish("a", "Two {name}")
    world.ok("pull")
    world.commit("Pull")
    text = world.path("a").read_text("utf-8").replace("name: a", "name: b").replace("Two", "Another")
    assert "synced: 2-" in text
    world.path("b").write_text(text, "utf-8")
    world.commit("Copy a")
    world.ok("push")
    world.publish("b", "A colleague's {name}")
    assert world.states()["b"] == "behind"
    world.ok("push")
    assert world.version("b") == 2


def test_without_git_the_key_of_the_first_push_is_the_base_of_what_follows(tmp_path: Path) -> None:
    with made(tmp_path, git=False) as world:
        world.write("a", "Hello")
        world.ok("push")
        world.edit("a", "Hello", "Hello you")
        world.publish("a", "Hello there")
        (prompt,) = world.run("status", "--json").document["prompts"]
        assert (prompt["state"], prompt["base"]) == ("diverged", 1)
