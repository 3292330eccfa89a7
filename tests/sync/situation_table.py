"""What may have happened to a prompt, and what each verb makes of it: data for a test and for the manual.

``python tests/sync/situation_docs.py`` writes the manual anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from working_copy import NAME, Copy

OTHER = "support/return"


@dataclass(frozen=True)
class Does:
    """What a verb does: versions that it publishes or files that it writes, or the error that it ends in."""

    code: int = 0
    published: tuple[int, ...] = ()
    written: tuple[int, ...] = ()
    error: str = ""
    after: str = ""


NOTHING = Does()
REFUSES = Does(3, error="diverged")
SHALLOW = Does(3, error="shallow-clone")
INVALID = Does(1, error="invalid-file")


def publishes(version: int, note: str = "") -> Does:
    return Does(published=(version,), after=note)


def writes(version: int, note: str = "") -> Does:
    return Does(written=(version,), after=note)


def leaves(note: str) -> Does:
    return Does(after=note)


@dataclass(frozen=True)
class Situation:
    """``play`` starts from a prompt that was committed and published as version 1, and returns where to look.

    ``states`` are those of the prompts that ``status`` lists; ``None`` when it is refused.
    """

    what: str
    play: Callable[[Copy], Copy]
    states: dict[str, str] | None
    push: Does = NOTHING
    pull: Does = NOTHING


def states(state: str) -> dict[str, str]:
    return {NAME: state}


# -- how it came about --------------------------------------------------------------------------------------


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


def broken(copy: Copy) -> Copy:
    copy.path().write_text(f"name: {NAME}\nmessages: [\n")
    return copy


def old_branch(copy: Copy) -> Copy:
    copy.git("branch", "old")
    pushed(copy)
    copy.git("checkout", "-q", "old")
    return copy


def reset(copy: Copy) -> Copy:
    pushed(copy)
    copy.git("reset", "-q", "--hard", "HEAD~1")
    return copy


def reverted(copy: Copy) -> Copy:
    pushed(copy)
    copy.git("revert", "--no-edit", "HEAD")
    return copy


def reverted_both(copy: Copy) -> Copy:
    return edited_there(reverted(copy))


def rebased(copy: Copy) -> Copy:
    copy.git("checkout", "-qb", "feature")
    pushed(copy)
    copy.git("checkout", "-q", "main")
    copy.git("commit", "-q", "--allow-empty", "-m", "Something else")
    copy.git("checkout", "-q", "feature")
    copy.git("rebase", "-q", "main")
    return copy


def rebased_and_edited(copy: Copy) -> Copy:
    return edited(rebased(copy))


def squashed(copy: Copy) -> Copy:
    copy.git("checkout", "-qb", "feature")
    pushed(copy, "One")
    pushed(copy, "Two")
    copy.git("checkout", "-q", "main")
    copy.git("merge", "-q", "--squash", "feature")
    copy.git("commit", "-qm", "Feature")
    return copy.clone("fresh", "--single-branch")


def squashed_and_edited(copy: Copy) -> Copy:
    return edited(squashed(copy))


def cherry_picked(copy: Copy) -> Copy:
    copy.git("checkout", "-qb", "feature")
    pushed(copy)
    copy.git("checkout", "-q", "main")
    copy.git("commit", "-q", "--allow-empty", "-m", "Something else")
    copy.git("cherry-pick", "feature")
    return copy.clone("fresh", "--single-branch")


def cherry_picked_and_edited(copy: Copy) -> Copy:
    return edited(cherry_picked(copy))


def amended(copy: Copy) -> Copy:
    pushed(copy)
    copy.write("Good evening")
    copy.git("commit", "-qa", "--amend", "--no-edit")
    return copy


def amended_elsewhere(copy: Copy) -> Copy:
    return amended(copy).clone("fresh")


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


def draft_committed_and_edited(copy: Copy) -> Copy:
    copy.write("Draft")
    assert copy.push() == [2]
    copy.commit()
    return edited(copy)


def without_git(copy: Copy) -> Copy:
    shutil.rmtree(copy.root / ".git")
    copy.publish("Theirs")
    copy.ok("pull", "--theirs", NAME)
    return edited(copy)


def both_without_git(copy: Copy) -> Copy:
    without_git(copy)
    copy.publish("Theirs again")
    return copy


def forgotten_without_git(copy: Copy) -> Copy:
    shutil.rmtree(copy.root / ".git")
    copy.forget()
    return edited(copy)


def deleted_without_git(copy: Copy) -> Copy:
    shutil.rmtree(copy.root / ".git")
    return deleted(copy)


def forgotten(copy: Copy) -> Copy:
    pushed(copy)
    copy.forget()
    return edited(copy)


def both_forgotten(copy: Copy) -> Copy:
    return edited_there(forgotten(copy))


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


def restored_there(copy: Copy) -> Copy:
    pushed(copy)
    assert copy.publish("Hello") == 3
    return copy


def archived_there(copy: Copy) -> Copy:
    copy.archive()
    return copy


def renamed_there(copy: Copy) -> Copy:
    copy.sql("UPDATE templates SET name = ? WHERE name = ?", OTHER, NAME)
    return copy


def altered_there(copy: Copy) -> Copy:
    copy.sql("UPDATE versions SET template = replace(template, ?, ?)", "Hello", "Hallo")
    return copy


def materialised(copy: Copy) -> Copy:
    copy.ok("label", "set", NAME, "prod", "--version", "1")
    pushed(copy)
    copy.ok("pull", "--label", "prod")
    return copy


def materialised_and_committed(copy: Copy) -> Copy:
    materialised(copy)
    copy.commit()
    return copy


# -- and what is made of it ---------------------------------------------------------------------------------

KEPT = leaves("leaves your text")
PULLS = leaves("leaves it, for pull")

SITUATIONS: tuple[Situation, ...] = (
    Situation("nothing happened", nothing, states("in-sync")),
    Situation("edited here", edited, states("ahead"), publishes(2), KEPT),
    Situation("edited in the registry", edited_there, states("behind"), PULLS, writes(2)),
    Situation("edited on both sides", both, states("diverged"), REFUSES, REFUSES),
    Situation("edited on both sides, alike", both_alike, states("in-sync")),
    Situation(
        "a new file", new_here, {NAME: "in-sync", OTHER: "new"}, publishes(1), leaves("leaves the file")
    ),
    Situation(
        "a new prompt in the registry",
        new_there,
        {NAME: "in-sync", OTHER: "remote-only"},
        leaves("leaves it, for pull"),
        writes(1),
    ),
    Situation("a file that cannot be read", broken, states("invalid"), INVALID, INVALID),
    Situation("an old branch is checked out", old_branch, states("behind"), PULLS, writes(2)),
    Situation("reset to before a pushed commit", reset, states("behind"), PULLS, writes(2)),
    Situation("a pushed commit is reverted", reverted, states("ahead"), publishes(3), KEPT),
    Situation(
        "a pushed commit is reverted, and the registry edited",
        reverted_both,
        states("diverged"),
        REFUSES,
        REFUSES,
    ),
    Situation("pushed commits are rebased", rebased, states("in-sync")),
    Situation(
        "pushed commits are rebased, then edited", rebased_and_edited, states("ahead"), publishes(3), KEPT
    ),
    Situation("a branch that had pushed is squashed; a fresh clone", squashed, states("in-sync")),
    Situation("the same, then edited", squashed_and_edited, states("ahead"), publishes(4), KEPT),
    Situation("a pushed commit is cherry-picked; a fresh clone", cherry_picked, states("in-sync")),
    Situation("the same, then edited", cherry_picked_and_edited, states("ahead"), publishes(3), KEPT),
    Situation("a pushed commit is amended", amended, states("ahead"), publishes(3), KEPT),
    Situation(
        "the same in another clone, which has no reflog of it",
        amended_elsewhere,
        states("diverged"),
        REFUSES,
        REFUSES,
    ),
    Situation(
        "a pushed commit is taken back with `reset --soft` and made anew",
        reset_softly,
        states("diverged"),
        REFUSES,
        REFUSES,
    ),
    Situation("what was pulled is stashed away", stashed, states("behind"), PULLS, writes(2)),
    Situation(
        "what was pulled is stashed, brought back and edited",
        stash_popped_and_edited,
        states("ahead"),
        publishes(3),
        KEPT,
    ),
    Situation("another worktree pushed a draft", other_worktree_pushed, states("behind"), PULLS, writes(2)),
    Situation("the same, and edited here", both_worktrees, states("diverged"), REFUSES, REFUSES),
    Situation("a pushed draft is thrown away here", draft_taken_back, states("behind"), PULLS, writes(2)),
    Situation(
        "a pushed draft is committed, then edited",
        draft_committed_and_edited,
        states("ahead"),
        publishes(3),
        KEPT,
    ),
    Situation("no git: pulled, then edited", without_git, states("ahead"), publishes(3), KEPT),
    Situation("no git: edited on both sides", both_without_git, states("diverged"), REFUSES, REFUSES),
    Situation(
        "no git: the file is deleted",
        deleted_without_git,
        states("deleted-locally"),
        leaves("leaves it, also with `--prune`"),
        writes(1),
    ),
    Situation(
        "no git and no `.promptsync/`: edited", forgotten_without_git, states("diverged"), REFUSES, REFUSES
    ),
    Situation("`.promptsync/` deleted, edited", forgotten, states("ahead"), publishes(3), KEPT),
    Situation(
        "`.promptsync/` deleted, edited on both sides", both_forgotten, states("diverged"), REFUSES, REFUSES
    ),
    Situation("a shallow clone of what was pushed", shallow, states("in-sync")),
    Situation("a shallow clone of what was not pushed", shallow_and_unpushed, None, SHALLOW, SHALLOW),
    Situation("a sparse checkout hides the file", sparse, {}),
    Situation("the file is moved (`git mv`)", moved, states("in-sync")),
    Situation(
        "`name:` is changed",
        renamed,
        {NAME: "deleted-locally", OTHER: "new"},
        publishes(1, "leaves the old one; `--prune` archives it"),
        writes(1, "beside the new one"),
    ),
    Situation(
        "the file is deleted, not committed",
        deleted,
        states("deleted-locally"),
        leaves("leaves it, also with `--prune`"),
        writes(1),
    ),
    Situation(
        "the file is deleted in a commit",
        deleted_and_committed,
        states("deleted-locally"),
        leaves("leaves it; `--prune` archives it"),
        writes(1),
    ),
    Situation(
        "the same, and edited in the registry",
        deleted_and_edited_there,
        states("diverged"),
        REFUSES,
        REFUSES,
    ),
    Situation("the registry restored an old version", restored_there, states("behind"), PULLS, writes(3)),
    Situation(
        "archived in the registry",
        archived_there,
        states("deleted-remotely"),
        leaves("leaves it; `--restore NAME` publishes it again"),
        leaves("leaves the file; `--prune` deletes it"),
    ),
    Situation(
        "renamed in the registry",
        renamed_there,
        {NAME: "renamed-remotely", OTHER: "remote-only"},
        REFUSES,
        REFUSES,
    ),
    Situation(
        "the registry keeps something else than it was given",
        altered_there,
        states("altered"),
        leaves("leaves it"),
        KEPT,
    ),
    Situation(
        "an older version was put here (`pull --label`)", materialised, states("behind"), PULLS, writes(2)
    ),
    Situation("the same, committed", materialised_and_committed, states("ahead"), publishes(3), KEPT),
)
