"""What may have happened to a prompt, and what each verb makes of it.

Each row is a title, one or several stories that come to the same, and after ``=`` the state, or the error of
``status``, and what the verbs do. ``stories.play`` plays the steps of a story, and the last one is where
to look. Of a verb:

* ``v4^3^2``: it publishes the version with this mark, ``+v4`` from uncommitted text
* ``prod 3``: it moves the label
* ``writes 2``: it writes the registry's text, version 2
* ``theirs 2`` and ``both 3,2``: whose text the file has afterwards, and the versions that ``synced:`` names
* any other word is the code of the error that it ends in; without a word it changes nothing
"""

from __future__ import annotations

from dataclasses import dataclass

PARTS = {
    "pushed line": """
        commit_line 1 "Say good day."
        push -> 2
    """,
    "dashboard edit": 'save_line 2 "Be friendly." -> 2',
    "w passed over": """
        w: git checkout -qb topic
        w: line 1 "Say good day."
        w: push -> 2
        commit_line 2 "Be friendly."
        ok deploy --label prod
        is in-sync
        w: look
    """,
    "raced": """
        first: commit_line 1 "Say good day."
        second: commit_line 2 "Be friendly."
        second: push_during "first: push -> 2" -> 3
    """,
    "branch pushed": """
        git checkout -qb feature
        play "pushed line"
    """,
    "branch pushed twice": """
        play "branch pushed"
        commit_line 3 "Be brief."
        push -> 3
    """,
    "squashed": """
        git checkout -q main
        git merge -q --squash feature
    """,
    "pushed": """
        commit "Good day"
        push -> 2
    """,
    "without git": """
        without_git
        publish Theirs
        ok pull --theirs support/refund
        write Mine
    """,
}
"""Stories with which several others begin."""

HISTORIES = """
edited in the file, committed
    commit_line 1 "Say good day."
    = ahead; push v2; deploy v2
edited in the dashboard
    play "dashboard edit"
    = behind; pull writes 2; merge theirs 2
edited on both sides
    play "dashboard edit"
    commit_line 1 "Say good day."
    = diverged; push diverged; pull diverged; merge both 2; deploy v3^1
pushed uncommitted, then edited further
    line 1 "Say good day."
    push -> 2
    line 3 "Be brief."
    = ahead; push +v3; deploy v3
the same, `.promptsync/` deleted, committed in between
    line 1 "Say good day."
    push -> 2
    commit
    forget
    commit_line 3 "Be brief."
    = ahead; push v3; deploy v3
W pushed uncommitted; main released over it; W looks
    play "w passed over"
    w: look
    = diverged; push diverged; pull diverged; merge both 3,2; deploy diverged
the same; A, at main, looks
    play "w passed over"
    a: look
    = in-sync; passed over 2
the same, after `pull --merge` and push by W; A looks
    play "w passed over"
    w: ok pull --merge
    w: push -> 4
    a: look
    = behind; pull writes 4; merge theirs 4
two clones published at once; the first looks
    play raced
    first: look
    = diverged; push diverged; pull diverged; merge both 3,2; deploy v4^2
two clones published at once; the second looks
    play raced
    second: look
    = in-sync; deploy prod 3; passed over 2
the very same text published at once, committed or not
    first: line 1 "Say good day."
    second: line 1 "Say good day."
    second: push_during "first: push -> 2" -> 3
    or
    first: commit_line 1 "Say good day."
    second: commit_line 1 "Say good day."
    second: push_during "first: push -> 2" -> 3
    = in-sync; deploy prod 3
a dashboard save got in between plan and publish
    commit_line 1 "Say good day."
    push_during 'save_line 2 "Be friendly." -> 2' -> 3
    = in-sync; deploy prod 3; passed over 2
v1 restored in the dashboard, message copied or not
    play "pushed line"
    restore 1 -> 3
    or
    play "pushed line"
    restore_with_message 1 -> 3
    = behind; pull writes 3; merge theirs 3; deploy v4^2
dashboard edit and its restore, edited here
    play "dashboard edit"
    restore 1 -> 3
    commit_line 1 "Say good day."
    = ahead; push v4; deploy v4
a pushed commit is reverted
    play "pushed line"
    git revert --no-edit HEAD
    = ahead; push v3; deploy v3
a pushed commit is amended (also seen from another clone)
    play "pushed line"
    line 3 "Be brief."
    git commit -qa --amend --no-edit
    or
    play "pushed line"
    line 3 "Be brief."
    git commit -qa --amend --no-edit
    fresh: look
    = ahead; push v3; deploy v3
a branch that pushed twice is squashed; fresh clone
    play "branch pushed twice"
    play squashed
    commit
    single: look
    = in-sync; deploy prod 3
the same, squashed with one more edit
    play "branch pushed twice"
    play squashed
    commit_line 4 "Ask for the receipt."
    single: look
    = ahead; push v4; deploy v4
squashed with one more edit, then all reverted
    play "branch pushed"
    play squashed
    commit_line 4 "Ask for the receipt."
    git revert --no-edit HEAD
    = ahead; push v3; deploy v3
a pushed commit is cherry-picked onto main with more, fresh clone
    play "branch pushed"
    git checkout -q main
    commit_line 3 "Be brief."
    git cherry-pick feature
    single: look
    = ahead; push v3; deploy v3
rebased onto a changed main
    play "branch pushed"
    git checkout -q main
    commit_line 3 "Be brief."
    git checkout -q feature
    git rebase -q main
    = ahead; push v3; deploy v3
pulled on a branch, edited, squash-merged; fresh clone
    play "dashboard edit"
    git checkout -qb feature
    ok pull
    commit
    commit_line 1 "Say good day."
    play squashed
    commit
    single: look
    = ahead; push v3; deploy v3
the mark of v2 names a commit of another branch, and main went on; an old commit is checked out
    w: commit_line 1 "Say good day."
    w: git push -q origin HEAD:w
    w: push -> 2
    git merge -q --squash w
    commit_line 2 "Be friendly."
    commit_line 3 "Be brief."
    push -> 3
    old: git checkout -q HEAD~2
    = behind; pull writes 3; merge theirs 3
an old commit is checked out
    play "pushed line"
    git checkout -q HEAD~1
    = behind; pull writes 2; merge theirs 2
`pull --version 1`, to look
    play "pushed line"
    ok pull support/refund --version 1
    or
    play "pushed line"
    ok pull --label prod
    = behind; pull writes 2; merge theirs 2; deploy v3
the same, committed
    play "pushed line"
    ok pull support/refund --version 1
    commit
    = ahead; push v3; deploy v3
`synced:` names a version of another prompt or registry, so it is ignored
    play "dashboard edit"
    take_key_of_other_prompt
    commit_line 1 "Say good day."
    or
    play "dashboard edit"
    take_key_of_other_registry
    commit_line 1 "Say good day."
    = diverged; push diverged; pull diverged; merge both 2; deploy v3^1
forced over a dashboard edit; the dashboard editor's pull (A had v2)
    a: play "dashboard edit"
    a: ok pull
    commit_line 1 "Say good day."
    push support/refund --force -y -> 3
    a: look
    = diverged; push diverged; pull diverged; merge both 3,2; deploy v4^2
forced over a restore that took its own v2 back; A, at main, which has the restore, looks
    w: line 1 "Say good day."
    w: push -> 2
    restore 1 -> 3
    commit_line 2 "Be friendly."
    push -> 4
    w: line 3 "Be brief."
    w: push support/refund --force -y -> 5
    a: look
    = diverged; push diverged; pull diverged; merge merge-conflict; deploy v6^4
passed-over v2 brought back with `pull --passed-over`
    play "w passed over"
    a: ok pull --passed-over
    = ahead; push +v4^3^2; deploy v4^3^2
v2 brought back by A and pushed; W had v2
    play "w passed over"
    a: ok pull --passed-over
    a: push -> 4
    w: look
    = behind; pull writes 4; merge theirs 4; deploy diverged
"""
"""One text of many lines, edits of different ones. It was published as version 1, where ``prod`` points.

``deploy`` is that of the text once it is committed.
"""

SITUATIONS = """
nothing happened
    look
    = in-sync
the same edit on both sides
    publish "The same"
    write "The same"
    = in-sync
a new file
    commit New support/return
    = in-sync, support/return new; push publishes 1
a new prompt in the registry
    publish New support/return
    = in-sync, support/return remote-only; pull writes 1
both sides edited, and `pull --markers` wrote conflict markers
    commit Ours
    publish Theirs
    refuses pull --markers
    = conflict; push conflict-markers
a file that cannot be read
    break_file
    = invalid; push invalid-file; pull invalid-file
pushed commits are rebased onto an unrelated commit
    git checkout -qb feature
    play pushed
    git checkout -q main
    git commit -q --allow-empty -m "Something else"
    git checkout -q feature
    git rebase -q main
    = in-sync
a pushed commit is cherry-picked; a fresh clone
    git checkout -qb feature
    play pushed
    git checkout -q main
    git commit -q --allow-empty -m "Something else"
    git cherry-pick feature
    single: look
    = in-sync
a pushed commit is amended, changing the same words again; also seen from another clone
    play pushed
    write "Good evening"
    git commit -qa --amend --no-edit
    or
    play pushed
    write "Good evening"
    git commit -qa --amend --no-edit
    fresh: look
    = diverged; push diverged; pull diverged
a pushed commit is undone with `reset --soft`, and the same words are committed differently
    play pushed
    git reset -q --soft HEAD~1
    commit "Good evening"
    = diverged; push diverged; pull diverged
a pulled change is stashed, restored and edited
    publish Theirs
    ok pull
    git stash -q
    is behind
    git commit -q --allow-empty -m "Something else"
    git stash pop -q
    write Mine
    = ahead; push publishes 3
another worktree pushed uncommitted text
    worktree: write Draft
    worktree: push -> 2
    look
    = behind; pull writes 2
pushed uncommitted, then discarded with `git checkout`
    write Draft
    push -> 2
    git checkout -- .
    = behind; pull writes 2
no git: pulled, then edited
    play "without git"
    = ahead; push publishes 3
no git: pulled, `.promptsync/` deleted, then edited
    play "without git"
    forget
    = ahead; push publishes 3
no git: edited on both sides
    play "without git"
    publish "Theirs again"
    = diverged; push diverged; pull diverged
no git: the file is deleted
    without_git
    delete
    = remote-only; pull writes 1
no git and no key: edited
    without_git
    forget
    write Mine
    = diverged; push diverged; pull diverged
a shallow clone of what was not pushed
    play pushed
    commit "Good evening"
    commit "Good night"
    shallow: look
    = error shallow-clone; push shallow-clone; pull shallow-clone
a sparse checkout hides the file
    git sparse-checkout set --no-cone "/*" "!/prompts/support/"
    = error hidden; push hidden; pull hidden
the file is moved (`git mv`)
    git mv prompts/support/refund.yaml prompts/money.yaml
    git commit -qm Move
    = in-sync
`name:` is changed
    state_name support/return
    commit
    = deleted-locally, support/return new; push publishes 1; pull writes 1
the file is deleted, uncommitted
    delete
    = deleted-locally; pull writes 1
the file is deleted in a commit
    delete
    commit
    = deleted-locally; pull writes 1
the same, and edited in the registry
    delete
    commit
    publish Theirs
    = diverged; push diverged; pull diverged
archived in the registry
    archive
    = deleted-remotely
renamed in the registry
    rename support/return
    = renamed-remotely; push diverged; pull diverged
the registry stores something different from what was sent
    alter Hello Hallo
    = altered
"""
"""One line of text, published as version 1."""


@dataclass(frozen=True)
class Row:
    """A title and a story, the state, and what each verb does in its words, by verb."""

    what: str
    story: str
    state: str
    does: dict[str, str]

    def __str__(self) -> str:
        return self.what


def rows(table: str) -> list[Row]:
    """Return a row for each story of a table."""
    found: list[Row] = []
    what, stories = "", [""]
    for line in table.strip().splitlines():
        if not line.startswith(" "):
            what, stories = line, [""]
        elif line.strip() == "or":
            stories.append("")
        elif not line.strip().startswith("="):
            stories[-1] += line + "\n"
        else:
            state, *verbs = (part.strip() for part in line.strip(" =").split(";"))
            does = dict(verb.split(" ", 1) for verb in verbs)
            found += [Row(what, story, state, does) for story in stories]
    return found
