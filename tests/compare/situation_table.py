"""What may have happened to a prompt, and what each verb makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from working_copy import NAME, Copy

OTHER = "support/return"

Play = Callable[[Copy], Copy]
"""Starts from a prompt that was committed and published as version 1, and returns where to look."""


@dataclass(frozen=True)
class Does:
    """What a verb does: versions that it publishes or writes, where it moves the label, or its error.

    ``mark`` is what follows the commit in the message of what it publishes. ``text`` is whose text the file
    holds afterwards, ``theirs`` or ``both``, and ``keys`` are the versions that ``synced:`` names then;
    without a ``text`` the file stays as it is.
    """

    code: int = 0
    error: str = ""
    published: tuple[int, ...] = ()
    mark: str = ""
    written: tuple[int, ...] = ()
    text: str = ""
    keys: tuple[int, ...] = ()
    label: int | None = None
    note: str = ""


NOTHING = Does()
REFUSES = Does(3, error="diverged")
SHALLOW = Does(3, error="shallow-clone")
HIDDEN = Does(3, error="hidden")
MARKED = Does(3, error="conflict-markers")
INVALID = Does(1, error="invalid-file")


def publishes(version: int, note: str = "") -> Does:
    return Does(published=(version,), note=note)


def publishes_as(mark: str) -> Does:
    """Publish the version that a mark such as ``v4^3^2`` names; ``+`` before it: of uncommitted text."""
    return Does(published=(int(mark.lstrip("+ v").partition("^")[0]),), mark=mark)


def writes(version: int, note: str = "") -> Does:
    return Does(written=(version,), text="theirs", keys=(version,), note=note)


def theirs(version: int) -> Does:
    return Does(text="theirs", keys=(version,))


def both_with(*keys: int) -> Does:
    return Does(text="both", keys=keys)


def moves_to(version: int) -> Does:
    return Does(label=version)


def leaves(note: str) -> Does:
    return Does(note=note)


@dataclass(frozen=True)
class History:
    """One row of the table of histories; ``plays`` are ways in which it may come about.

    ``prod`` points at version 1 at first, and ``deploy`` is that of the text once it is committed.
    """

    what: str
    plays: tuple[Play, ...]
    state: str
    push: Does = NOTHING
    pull: Does = NOTHING
    merge: Does = NOTHING
    deploy: Does = NOTHING
    passed_over: tuple[int, ...] = ()


@dataclass(frozen=True)
class Situation:
    """One row of the other table. ``states`` are those that ``status`` lists; ``None``: it is refused."""

    what: str
    play: Play
    states: dict[str, str] | None
    push: Does = NOTHING
    pull: Does = NOTHING


def states(state: str) -> dict[str, str]:
    return {NAME: state}


# -- histories: one text of many lines, edits of different ones ---------------------------------------------


def edited_and_committed(copy: Copy) -> Copy:
    copy.commit_line(1, "Say good day.")
    return copy


def pushed_line(copy: Copy) -> Copy:
    """Commit and push an edit."""
    edited_and_committed(copy)
    assert copy.push() == [2]
    return copy


def edited_in_dashboard(copy: Copy) -> Copy:
    assert copy.save_line(2, "Be friendly.") == 2
    return copy


def edited_on_both_sides(copy: Copy) -> Copy:
    return edited_and_committed(edited_in_dashboard(copy))


def pushed_uncommitted_and_edited(copy: Copy) -> Copy:
    copy.line(1, "Say good day.")
    assert copy.push() == [2]
    copy.line(3, "Be brief.")
    return copy


def pushed_uncommitted_and_forgotten(copy: Copy) -> Copy:
    copy.line(1, "Say good day.")
    assert copy.push() == [2]
    copy.commit()
    copy.forget()
    copy.commit_line(3, "Be brief.")
    return copy


def w_passed_over(copy: Copy) -> Copy:
    """W pushes uncommitted text from a branch as v2, and main, without it, is released as v3."""
    w = copy.clone("w")
    w.git("checkout", "-qb", "topic")
    w.line(1, "Say good day.")
    assert w.push() == [2]
    copy.commit_line(2, "Be friendly.")
    assert published_by(copy.ok("deploy", "--label", "prod")["push"]) == [3]
    return w


def published_by(push: dict[str, list[dict[str, int]]]) -> list[int]:
    return [one["version"] for one in push["published"]]


def a_looks_at_what_passed_w_over(copy: Copy) -> Copy:
    w_passed_over(copy)
    return copy.clone("a")


def w_merged_and_pushed(copy: Copy) -> Copy:
    w = w_passed_over(copy)
    w.ok("pull", "--merge")
    assert w.push() == [4]
    return copy.clone("a")


def raced(copy: Copy) -> tuple[Copy, Copy]:
    """Two clones plan v2 at once. The first gets it, and the second gets v3."""
    first, second = copy.clone("first"), copy.clone("second")
    first.commit_line(1, "Say good day.")
    second.commit_line(2, "Be friendly.")
    assert second.push_after(first.push) == [3]
    return first, second


def first_of_two(copy: Copy) -> Copy:
    return raced(copy)[0]


def second_of_two(copy: Copy) -> Copy:
    return raced(copy)[1]


def saved_in_between(copy: Copy) -> Copy:
    edited_and_committed(copy)
    assert copy.push_after(lambda: copy.save_line(2, "Be friendly.")) == [3]
    return copy


def restored_in_dashboard(copy: Copy) -> Copy:
    pushed_line(copy)
    assert copy.restore(1) == 3
    return copy


def restored_with_its_message(copy: Copy) -> Copy:
    pushed_line(copy)
    assert copy.restore(1, with_message=True) == 3
    return copy


def edited_and_restored_in_dashboard(copy: Copy) -> Copy:
    edited_in_dashboard(copy)
    assert copy.restore(1) == 3
    return edited_and_committed(copy)


def reverted(copy: Copy) -> Copy:
    pushed_line(copy)
    copy.git("revert", "--no-edit", "HEAD")
    return copy


def amended(copy: Copy) -> Copy:
    pushed_line(copy)
    copy.line(3, "Be brief.")
    copy.git("commit", "-qa", "--amend", "--no-edit")
    return copy


def amended_seen_from_clone(copy: Copy) -> Copy:
    return amended(copy).clone("fresh")


def on_main(copy: Copy, *lines: str) -> Copy:
    """Squash the branch into one commit on main, together with edits of further lines."""
    copy.git("checkout", "-q", "main")
    copy.git("merge", "-q", "--squash", "feature")
    for number, line in enumerate(lines, 4):
        copy.line(number, line)
    copy.commit()
    return copy


def branch_that_pushed_twice(copy: Copy) -> None:
    copy.git("checkout", "-qb", "feature")
    pushed_line(copy)
    copy.commit_line(3, "Be brief.")
    assert copy.push() == [3]


def squashed(copy: Copy) -> Copy:
    branch_that_pushed_twice(copy)
    return on_main(copy).clone("fresh", "--single-branch")


def squashed_with_more(copy: Copy) -> Copy:
    branch_that_pushed_twice(copy)
    return on_main(copy, "Ask for the receipt.").clone("fresh", "--single-branch")


def squashed_with_more_and_reverted(copy: Copy) -> Copy:
    copy.git("checkout", "-qb", "feature")
    pushed_line(copy)
    on_main(copy, "Ask for the receipt.")
    copy.git("revert", "--no-edit", "HEAD")
    return copy


def cherry_picked_with_more(copy: Copy) -> Copy:
    copy.git("checkout", "-qb", "feature")
    pushed_line(copy)
    copy.git("checkout", "-q", "main")
    copy.commit_line(3, "Be brief.")
    copy.git("cherry-pick", "feature")
    return copy.clone("fresh", "--single-branch")


def rebased_onto_changed_main(copy: Copy) -> Copy:
    copy.git("checkout", "-qb", "feature")
    pushed_line(copy)
    copy.git("checkout", "-q", "main")
    copy.commit_line(3, "Be brief.")
    copy.git("checkout", "-q", "feature")
    copy.git("rebase", "-q", "main")
    return copy


def pulled_and_squashed(copy: Copy) -> Copy:
    edited_in_dashboard(copy)
    copy.git("checkout", "-qb", "feature")
    copy.ok("pull")
    copy.commit()
    copy.commit_line(1, "Say good day.")
    return on_main(copy).clone("fresh", "--single-branch")


def old_commit_checked_out(copy: Copy) -> Copy:
    pushed_line(copy)
    copy.git("checkout", "-q", "HEAD~1")
    return copy


def old_version_put_there(copy: Copy) -> Copy:
    pushed_line(copy)
    copy.ok("pull", NAME, "--version", "1")
    return copy


def old_label_put_there(copy: Copy) -> Copy:
    pushed_line(copy)
    copy.ok("pull", "--label", "prod")
    return copy


def old_version_committed(copy: Copy) -> Copy:
    old_version_put_there(copy).commit()
    return copy


def key_of_other_prompt(copy: Copy) -> Copy:
    """The key names v2 of a prompt with the very same texts."""
    edited_in_dashboard(copy)
    for number in (1, 2):
        assert copy.publish(copy.said(number), OTHER) == number
    copy.ok("pull", OTHER)
    copy.put_key(copy.spelled_key(OTHER))
    copy.path(OTHER).unlink()
    copy.archive(OTHER)
    return edited_and_committed(copy)


def key_of_other_registry(copy: Copy) -> Copy:
    """The key names v2 of the same prompt with the very same texts, in a second registry."""
    edited_in_dashboard(copy)
    other = Copy(copy.root.parent / "elsewhere", copy.registry.parent / "other.db", copy.capsys).begin()
    for number in (1, 2):
        assert other.publish(copy.said(number)) == number
    other.ok("pull")
    copy.put_key(other.spelled_key())
    return edited_and_committed(copy)


def forced_over_dashboard_edit(copy: Copy) -> Copy:
    a = copy.clone("a")
    edited_in_dashboard(a)
    a.ok("pull")
    edited_and_committed(copy)
    assert copy.push(NAME, "--force", "-y") == [3]
    return a


def brought_back(copy: Copy) -> Copy:
    a = a_looks_at_what_passed_w_over(copy)
    a.ok("pull", "--passed-over")
    return a


def brought_back_and_pushed(copy: Copy) -> Copy:
    w = w_passed_over(copy)
    a = copy.clone("a")
    a.ok("pull", "--passed-over")
    assert a.push() == [4]
    return w


LEAVES = leaves("skips it")

HISTORIES: tuple[History, ...] = (
    History(
        "edited in the file, committed",
        (edited_and_committed,),
        "ahead",
        publishes_as("v2"),
        LEAVES,
        deploy=publishes_as("v2"),
    ),
    History("edited in the dashboard", (edited_in_dashboard,), "behind", LEAVES, writes(2), theirs(2)),
    History(
        "edited on both sides",
        (edited_on_both_sides,),
        "diverged",
        REFUSES,
        REFUSES,
        both_with(2),
        publishes_as("v3^1"),
    ),
    History(
        "pushed uncommitted, then edited further",
        (pushed_uncommitted_and_edited,),
        "ahead",
        publishes_as("+ v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "the same, `.promptsync/` deleted, committed in between",
        (pushed_uncommitted_and_forgotten,),
        "ahead",
        publishes_as("v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "W pushed uncommitted; main released over it; W looks",
        (w_passed_over,),
        "diverged",
        REFUSES,
        REFUSES,
        both_with(3, 2),
        REFUSES,
    ),
    History("the same; A, at main, looks", (a_looks_at_what_passed_w_over,), "in-sync", passed_over=(2,)),
    History(
        "the same, after `pull --merge` and push by W; A looks",
        (w_merged_and_pushed,),
        "behind",
        LEAVES,
        writes(4),
        theirs(4),
    ),
    History(
        "two clones published at once; the first looks",
        (first_of_two,),
        "diverged",
        REFUSES,
        REFUSES,
        both_with(3, 2),
        publishes_as("v4^2"),
    ),
    History(
        "two clones published at once; the second looks",
        (second_of_two,),
        "in-sync",
        deploy=moves_to(3),
        passed_over=(2,),
    ),
    History(
        "a dashboard save got in between plan and publish",
        (saved_in_between,),
        "in-sync",
        deploy=moves_to(3),
        passed_over=(2,),
    ),
    History(
        "v1 restored in the dashboard, message copied or not",
        (restored_in_dashboard, restored_with_its_message),
        "behind",
        LEAVES,
        writes(3),
        theirs(3),
        publishes_as("v4^2"),
    ),
    History(
        "dashboard edit and its restore, edited here",
        (edited_and_restored_in_dashboard,),
        "ahead",
        publishes_as("v4"),
        LEAVES,
        deploy=publishes_as("v4"),
    ),
    History(
        "a pushed commit is reverted",
        (reverted,),
        "ahead",
        publishes_as("v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "a pushed commit is amended (also seen from another clone)",
        (amended, amended_seen_from_clone),
        "ahead",
        publishes_as("v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "a branch that pushed twice is squashed; fresh clone", (squashed,), "in-sync", deploy=moves_to(3)
    ),
    History(
        "the same, squashed with one more edit",
        (squashed_with_more,),
        "ahead",
        publishes_as("v4"),
        LEAVES,
        deploy=publishes_as("v4"),
    ),
    History(
        "squashed with one more edit, then all reverted",
        (squashed_with_more_and_reverted,),
        "ahead",
        publishes_as("v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "a pushed commit is cherry-picked onto main with more, fresh clone",
        (cherry_picked_with_more,),
        "ahead",
        publishes_as("v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "rebased onto a changed main",
        (rebased_onto_changed_main,),
        "ahead",
        publishes_as("v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "pulled on a branch, edited, squash-merged; fresh clone",
        (pulled_and_squashed,),
        "ahead",
        publishes_as("v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "an old commit is checked out", (old_commit_checked_out,), "behind", LEAVES, writes(2), theirs(2)
    ),
    History(
        "`pull --version 1`, to look",
        (old_version_put_there, old_label_put_there),
        "behind",
        LEAVES,
        writes(2),
        theirs(2),
        publishes_as("v3"),
    ),
    History(
        "the same, committed",
        (old_version_committed,),
        "ahead",
        publishes_as("v3"),
        LEAVES,
        deploy=publishes_as("v3"),
    ),
    History(
        "`synced:` names a version of another prompt or registry, so it is ignored",
        (key_of_other_prompt, key_of_other_registry),
        "diverged",
        REFUSES,
        REFUSES,
        both_with(2),
        publishes_as("v3^1"),
    ),
    History(
        "forced over a dashboard edit; the dashboard editor's pull (A had v2)",
        (forced_over_dashboard_edit,),
        "diverged",
        REFUSES,
        REFUSES,
        both_with(3, 2),
        publishes_as("v4^2"),
    ),
    History(
        "passed-over v2 brought back with `pull --passed-over`",
        (brought_back,),
        "ahead",
        publishes_as("+ v4^3^2"),
        LEAVES,
        deploy=publishes_as("v4^3^2"),
    ),
    History(
        "v2 brought back by A and pushed; W had v2",
        (brought_back_and_pushed,),
        "behind",
        LEAVES,
        writes(4),
        theirs(4),
        REFUSES,
    ),
)

# -- other situations: one line of text ---------------------------------------------------------------------


def pushed(copy: Copy, text: str = "Good day") -> None:
    copy.commit(text)
    assert copy.push()


def nothing(copy: Copy) -> Copy:
    return copy


def edited(copy: Copy) -> Copy:
    copy.write("Mine")
    return copy


def edited_there(copy: Copy) -> Copy:
    copy.publish("Theirs")
    return copy


def both(copy: Copy) -> Copy:
    return edited(edited_there(copy))


def both_alike(copy: Copy) -> Copy:
    copy.publish("The same")
    copy.write("The same")
    return copy


def new_here(copy: Copy) -> Copy:
    copy.commit("New", OTHER)
    return copy


def new_there(copy: Copy) -> Copy:
    copy.publish("New", OTHER)
    return copy


def with_markers(copy: Copy) -> Copy:
    copy.commit("Ours")
    copy.publish("Theirs")
    copy.refused("pull", "--markers")
    return copy


def broken(copy: Copy) -> Copy:
    copy.path().write_text(f"name: {NAME}\nmessages: [\n")
    return copy


def reset(copy: Copy) -> Copy:
    pushed(copy)
    copy.git("reset", "-q", "--hard", "HEAD~1")
    return copy


def reverted_both(copy: Copy) -> Copy:
    pushed(copy)
    copy.git("revert", "--no-edit", "HEAD")
    return edited_there(copy)


def rebased(copy: Copy) -> Copy:
    copy.git("checkout", "-qb", "feature")
    pushed(copy)
    copy.git("checkout", "-q", "main")
    copy.git("commit", "-q", "--allow-empty", "-m", "Something else")
    copy.git("checkout", "-q", "feature")
    copy.git("rebase", "-q", "main")
    return copy


def cherry_picked(copy: Copy) -> Copy:
    copy.git("checkout", "-qb", "feature")
    pushed(copy)
    copy.git("checkout", "-q", "main")
    copy.git("commit", "-q", "--allow-empty", "-m", "Something else")
    copy.git("cherry-pick", "feature")
    return copy.clone("fresh", "--single-branch")


def reworded(copy: Copy) -> Copy:
    pushed(copy)
    copy.write("Good evening")
    copy.git("commit", "-qa", "--amend", "--no-edit")
    return copy


def reworded_elsewhere(copy: Copy) -> Copy:
    return reworded(copy).clone("fresh")


def reset_softly(copy: Copy) -> Copy:
    pushed(copy)
    copy.git("reset", "-q", "--soft", "HEAD~1")
    copy.commit("Good evening")
    return copy


def stashed(copy: Copy) -> Copy:
    copy.publish("Theirs")
    copy.ok("pull")
    copy.git("stash", "-q")
    return copy


def stash_popped_and_edited(copy: Copy) -> Copy:
    stashed(copy)
    copy.git("commit", "-q", "--allow-empty", "-m", "Something else")
    copy.git("stash", "pop", "-q")
    return edited(copy)


def other_worktree_pushed(copy: Copy) -> Copy:
    copy.git("worktree", "add", "-q", "--detach", "../other")
    other = Copy(copy.root.parent / "other", copy.registry, copy.capsys)
    other.write("Draft")
    assert other.push() == [2]
    return copy


def both_worktrees(copy: Copy) -> Copy:
    return edited(other_worktree_pushed(copy))


def draft_taken_back(copy: Copy) -> Copy:
    copy.write("Draft")
    assert copy.push() == [2]
    copy.git("checkout", "--", ".")
    return copy


def without_git(copy: Copy) -> Copy:
    shutil.rmtree(copy.root / ".git")
    copy.publish("Theirs")
    copy.ok("pull", "--theirs", NAME)
    return edited(copy)


def both_without_git(copy: Copy) -> Copy:
    without_git(copy)
    copy.publish("Theirs again")
    return copy


def keyless_without_git(copy: Copy) -> Copy:
    shutil.rmtree(copy.root / ".git")
    copy.forget()
    return edited(copy)


def deleted_without_git(copy: Copy) -> Copy:
    shutil.rmtree(copy.root / ".git")
    return deleted(copy)


def both_forgotten(copy: Copy) -> Copy:
    pushed(copy)
    copy.forget()
    return both(copy)


def shallow(copy: Copy) -> Copy:
    pushed(copy)
    return copy.clone("shallow", "--depth", "1")


def shallow_and_unpushed(copy: Copy) -> Copy:
    pushed(copy)
    copy.commit("Good evening")
    copy.commit("Good night")
    return copy.clone("shallow", "--depth", "1")


def sparse(copy: Copy) -> Copy:
    copy.git("sparse-checkout", "set", "--no-cone", "/*", "!/prompts/support/")
    return copy


def moved(copy: Copy) -> Copy:
    copy.git("mv", f"prompts/{NAME}.yaml", "prompts/money.yaml")
    copy.commit()
    return copy


def renamed(copy: Copy) -> Copy:
    path = copy.path()
    path.write_text(path.read_text().replace(f"name: {NAME}", f"name: {OTHER}"))
    copy.commit()
    return copy


def deleted(copy: Copy) -> Copy:
    copy.path().unlink()
    return copy


def deleted_and_committed(copy: Copy) -> Copy:
    deleted(copy)
    copy.commit()
    return copy


def deleted_and_edited_there(copy: Copy) -> Copy:
    return edited_there(deleted_and_committed(copy))


def archived_there(copy: Copy) -> Copy:
    copy.archive()
    return copy


def renamed_there(copy: Copy) -> Copy:
    copy.sql("UPDATE items SET name = ? WHERE name = ?", OTHER, NAME)
    return copy


def altered_there(copy: Copy) -> Copy:
    copy.sql("UPDATE versions SET body = replace(body, ?, ?)", "Hello", "Hallo")
    return copy


KEPT = leaves("keeps your text")
PULLS = leaves("skips it; `pull` gets it")

SITUATIONS: tuple[Situation, ...] = (
    Situation("nothing happened", nothing, states("in-sync")),
    Situation("the same edit on both sides", both_alike, states("in-sync")),
    Situation(
        "a new file", new_here, {NAME: "in-sync", OTHER: "new"}, publishes(1), leaves("keeps your file")
    ),
    Situation(
        "a new prompt in the registry",
        new_there,
        {NAME: "in-sync", OTHER: "remote-only"},
        leaves("skips it; `pull` gets it"),
        writes(1),
    ),
    Situation(
        "both sides edited, and `pull --markers` wrote conflict markers",
        with_markers,
        states("conflict"),
        MARKED,
        leaves("keeps the markers"),
    ),
    Situation("a file that cannot be read", broken, states("invalid"), INVALID, INVALID),
    Situation("reset to before a pushed commit", reset, states("behind"), PULLS, writes(2)),
    Situation(
        "a pushed commit is reverted, and the registry edited",
        reverted_both,
        states("diverged"),
        REFUSES,
        REFUSES,
    ),
    Situation("pushed commits are rebased onto an unrelated commit", rebased, states("in-sync")),
    Situation("a pushed commit is cherry-picked; a fresh clone", cherry_picked, states("in-sync")),
    Situation(
        "a pushed commit is amended, changing the same words again",
        reworded,
        states("diverged"),
        REFUSES,
        REFUSES,
    ),
    Situation("the same, seen from another clone", reworded_elsewhere, states("diverged"), REFUSES, REFUSES),
    Situation(
        "a pushed commit is undone with `reset --soft`, and the same words are committed differently",
        reset_softly,
        states("diverged"),
        REFUSES,
        REFUSES,
    ),
    Situation("a pulled change is stashed", stashed, states("behind"), PULLS, writes(2)),
    Situation(
        "a pulled change is stashed, restored and edited",
        stash_popped_and_edited,
        states("ahead"),
        publishes(3),
        KEPT,
    ),
    Situation(
        "another worktree pushed uncommitted text", other_worktree_pushed, states("behind"), PULLS, writes(2)
    ),
    Situation("the same, and edited in this one", both_worktrees, states("diverged"), REFUSES, REFUSES),
    Situation(
        "pushed uncommitted, then discarded with `git checkout`",
        draft_taken_back,
        states("behind"),
        PULLS,
        writes(2),
    ),
    Situation("no git: pulled, then edited", without_git, states("ahead"), publishes(3), KEPT),
    Situation("no git: edited on both sides", both_without_git, states("diverged"), REFUSES, REFUSES),
    Situation(
        "no git: the file is deleted",
        deleted_without_git,
        states("remote-only"),
        leaves("skips it; `pull` gets it"),
        writes(1),
    ),
    Situation("no git and no key: edited", keyless_without_git, states("diverged"), REFUSES, REFUSES),
    Situation(
        "`.promptsync/` deleted, edited on both sides", both_forgotten, states("diverged"), REFUSES, REFUSES
    ),
    Situation("a shallow clone of what was pushed", shallow, states("in-sync")),
    Situation("a shallow clone of what was not pushed", shallow_and_unpushed, None, SHALLOW, SHALLOW),
    Situation("a sparse checkout hides the file", sparse, None, HIDDEN, HIDDEN),
    Situation("the file is moved (`git mv`)", moved, states("in-sync")),
    Situation(
        "`name:` is changed",
        renamed,
        {NAME: "deleted-locally", OTHER: "new"},
        publishes(1, "keeps the old one; `--prune` archives it"),
        writes(1, "beside the new one"),
    ),
    Situation(
        "the file is deleted, uncommitted",
        deleted,
        states("deleted-locally"),
        leaves("skips it, even with `--prune`"),
        writes(1),
    ),
    Situation(
        "the file is deleted in a commit",
        deleted_and_committed,
        states("deleted-locally"),
        leaves("skips it; `--prune` archives it"),
        writes(1),
    ),
    Situation(
        "the same, and edited in the registry",
        deleted_and_edited_there,
        states("diverged"),
        REFUSES,
        REFUSES,
    ),
    Situation(
        "archived in the registry",
        archived_there,
        states("deleted-remotely"),
        leaves("skips it; `--restore` publishes it again"),
        leaves("keeps the file; `--prune` deletes it"),
    ),
    Situation(
        "renamed in the registry",
        renamed_there,
        {NAME: "renamed-remotely"},
        REFUSES,
        REFUSES,
    ),
    Situation(
        "the registry stores something different from what was sent",
        altered_there,
        states("altered"),
        leaves("skips it"),
        KEPT,
    ),
)
