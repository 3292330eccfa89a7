"""A model of git and of a registry in memory, around the real ``find_base`` and ``compare``.

Every text and every set of tags is a ``Node`` that knows the nodes it was made from, so that for each state
that the rule reports the truth can be asked: had the side that would win included the side that it replaces?
Texts are unique unless they were reverted or restored, which is where a rule by digests goes wrong.

An interleaving is a list of steps, an operation with three numbers. A step that makes no sense where it
stands does nothing, so that any list is an interleaving and any part of one, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha1
from itertools import takewhile
from typing import Any, NamedTuple

from promptsync.core.base import LocalHistory, Pushed, Revision, Text, Version, find_base
from promptsync.core.compare import Side, State, compare
from promptsync.core.message import with_mark

Step = tuple[str, int, int, int]


class Node:
    """One text (or set of tags), however often it was copied, and what it was made from."""

    def __init__(self, value: Any, parents: Iterable[Node] = ()) -> None:
        self.value = value
        self.parents = list(parents)

    def ancestors(self) -> set[Node]:
        """This node and all that it includes."""
        found = {self}
        queue = [self]
        while queue:
            for parent in queue.pop().parents:
                if parent not in found:
                    found.add(parent)
                    queue.append(parent)
        return found


class File(NamedTuple):
    """The prompt's file; a deleted one has a text whose value is ``None``."""

    text: Node
    tags: Node
    pulled: int | None = None

    @property
    def says(self) -> tuple[Any, ...]:
        return (self.text.value, self.tags.value, self.pulled) if self.text.value else (None,)


@dataclass(frozen=True, eq=False)
class Commit:
    id: str
    date: int
    parents: tuple[Commit, ...]
    file: File

    def ancestors(self) -> set[Commit]:
        found = {self}
        queue = [self]
        while queue:
            for parent in queue.pop().parents:
                if parent not in found:
                    found.add(parent)
                    queue.append(parent)
        return found


@dataclass(eq=False)
class WorkingCopy:
    """One clone or worktree: its ``HEAD``, its file, and what ``.promptsync`` remembers."""

    head: Commit | None
    file: File
    record: Pushed | None = None
    passed: tuple[Node, Node] = (Node(None), Node(frozenset()))
    stash: list[tuple[File, File]] = field(default_factory=list)
    made_here: dict[str, int] = field(default_factory=dict)
    amended: dict[str, str] = field(default_factory=dict)
    git: bool = True

    @property
    def committed(self) -> File:
        return self.head.file if self.head else _NOTHING

    @property
    def clean(self) -> bool:
        return self.file.says == self.committed.says


_NOTHING = File(Node(None), Node(frozenset()))


class Lost(AssertionError):
    """The rule said that a side may be replaced which the other one had never included."""


class World:
    """One repository with several working copies, and one prompt in one registry."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.versions: list[tuple[Node, str | None]] = []
        self.tags: list[Node] = []
        self.forced: set[Node] = set()
        self.rewritten = False
        self.clock = 0
        self.made = 0
        self.conflicts = 0
        self.seen: list[tuple[State, State]] = []
        first = self._commit(File(Node(self._fresh()), Node(frozenset())), [])
        self.copies = [WorkingCopy(first, first.file), WorkingCopy(first, first.file)]

    # -- what the rule says, and the truth -------------------------------------------------------------

    def revisions(self, copy: WorkingCopy) -> list[Revision]:
        """What ``git log --full-history --date-order -m`` tells of the file."""
        if copy.head is None or not copy.git:
            return []
        changed = [
            commit
            for commit in copy.head.ancestors()
            if any(parent.file.says != commit.file.says for parent in commit.parents)
            or (not commit.parents and commit.file.says != (None,))
        ]
        return [_revision(one, copy) for one in sorted(changed, key=lambda commit: -commit.date)]

    def history(self, copy: WorkingCopy) -> LocalHistory:
        revisions = self.revisions(copy)
        text, tags, pulled = copy.file
        working = Text(text.value, tags.value, pulled) if text.value else None
        committed = bool(
            revisions and working and (revisions[0].digest, revisions[0].tags) == (text.value, tags.value)
        )
        return LocalHistory(working, tuple(revisions), copy.record, copy.git, committed)

    def version(self, number: int) -> Version | None:
        if not 1 <= number <= len(self.versions):
            return None
        node, message = self.versions[number - 1]
        return Version(number, node.value, message)

    def state(self, copy: WorkingCopy) -> State | None:
        """Return what the rule says of a working copy; ``None`` when neither side has the prompt."""
        local = self.history(copy)
        known = bool(local.revisions) or local.record is not None
        here = Side(local.working.digest, local.working.tags) if local.working else None
        latest = self.version(len(self.versions))
        if here is None and latest is None:
            return None
        there = Side(latest.digest, self.tags[-1].value) if latest else None
        base = None
        if latest is not None and here != there and (here is not None or known):
            base = find_base(local, latest, self.version)
        return compare(here, there, base, tracked=len(self.versions) or None, known=known)

    def judged(self, copy: WorkingCopy) -> State | None:
        """Return the state after having compared it with the truth. Raises ``Lost``."""
        state = self.state(copy)
        if state is None or not self.versions:
            return state
        pairs = [(copy.file.text, [node for node, _ in self.versions]), (copy.file.tags, self.tags)]
        if copy.file.text.value is None:
            pairs = pairs[:1]  # a deletion is a matter of the text
        equal = all(mine.value == theirs[-1].value for mine, theirs in pairs)
        if (state is State.IN_SYNC) != equal:
            raise Lost(f"{state}, yet the two sides are{'' if equal else ' not'} equal")
        if copy.file.text.value is None and copy.record is not None:
            pairs = [(Node(None, [pairs[0][0], copy.passed[0]]), pairs[0][1])]
        if state in (State.AHEAD, State.DELETED_LOCALLY) and not all(map(self._may_replace, pairs)):
            raise Lost(f"{state}, yet the file never included {self.versions[-1][0].value}")
        if state is State.BEHIND and not all(map(self._may_be_replaced, pairs)):
            raise Lost(f"{state}, yet the registry never included {copy.file.text.value}")
        if state is State.ALTERED:
            raise Lost("altered, yet this registry alters nothing")
        self.seen.append((state, self.truth(copy, pairs)))
        return state

    def _may_replace(self, pair: tuple[Node, list[Node]]) -> bool:
        """Whether the file may replace what the registry has.

        Of tags there are no versions, and what was forced, or published and amended away, stands outside the
        order: there it is enough that the file had it at some time.
        """
        mine, theirs = pair
        if self.forced or self.rewritten or theirs is self.tags or mine.value is None:
            return any(node.value == theirs[-1].value for node in mine.ancestors())
        return _includes(mine, theirs)

    def _may_be_replaced(self, pair: tuple[Node, list[Node]]) -> bool:
        mine, theirs = pair
        if self.forced or self.rewritten or theirs is self.tags:
            return any(node.value == mine.value for one in theirs for node in one.ancestors())
        return _included_by(mine, theirs)

    def truth(self, copy: WorkingCopy, pairs: Sequence[tuple[Node, list[Node]]]) -> State:
        """Return the state that somebody would report who knows every lineage."""
        if all(mine.value == theirs[-1].value for mine, theirs in pairs):
            return State.IN_SYNC
        if all(_includes(*pair) for pair in pairs):
            return State.AHEAD if copy.file.text.value else State.DELETED_LOCALLY
        if all(_included_by(*pair) or theirs[-1] in _all(pair[0]) for pair in pairs for theirs in pair[1:]):
            return State.BEHIND
        return State.DIVERGED

    # -- steps ------------------------------------------------------------------------------------------

    def run(self, steps: Iterable[Step]) -> None:
        """Do the steps and judge every working copy after each. Raises ``Lost``."""
        for step in steps:
            self.do(step)
            for copy in self.copies:
                self.judged(copy)

    def do(self, step: Step) -> None:
        name, who, first, second = step
        copy = self.copies[who % len(self.copies)]
        if copy.git or name in _WITHOUT_GIT:
            getattr(self, name)(copy, first, second)

    def edit(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if copy.file.text.value is None:  # written anew, whatever was there before it was deleted
            copy.file = File(copy.committed.text, copy.committed.tags)
        text, tags, pulled = self._with_pushed(copy)
        copy.file = File(Node(self._fresh(), [text]), tags, pulled)

    def edit_tags(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if copy.file.text.value:
            text, tags, pulled = self._with_pushed(copy)
            copy.file = File(text, Node(tags.value ^ {_TAGS[a % len(_TAGS)]}, [tags]), pulled)
            if copy.clean:  # edited back to what is committed, which nobody can tell from a checkout
                copy.file = copy.committed

    def delete(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if copy.file.text.value:
            copy.file = copy.committed
            text, tags, _ = self._with_pushed(copy)
            copy.file = File(Node(None, [text]), tags)

    def commit(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if copy.clean:
            return
        head = copy.committed
        file = File(_onto(copy.file.text, head.text), _onto(copy.file.tags, head.tags), copy.file.pulled)
        copy.head = self._commit(file, [copy.head] if copy.head else [])
        copy.file = file
        copy.made_here[copy.head.id] = self.clock

    def amend(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        """``git commit --amend``: the new commit takes the place of the one that it was made on top of.

        What a pull brought in and an amend takes out again leaves no trace, as if it was never committed.
        """
        if copy.head is None or copy.clean or copy.file.pulled != copy.committed.pulled:
            return
        old, head = copy.head, copy.committed
        file = File(_onto(copy.file.text, head.text), _onto(copy.file.tags, head.tags), copy.file.pulled)
        copy.head, copy.file = self._commit(file, list(old.parents)), file
        copy.made_here[copy.head.id] = self.clock
        copy.amended[copy.head.id] = old.id
        kept = {node for one in old.parents for node in one.file.text.ancestors()}
        self.rewritten = self.rewritten or any(
            text in file.text.ancestors() - kept for text, _ in self.versions
        )
        if not any(old in one.ancestors() for one in self.commits if one is not old):
            # no branch leads there any more
            self.commits = [one for one in self.commits if one is not old]

    def discard(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if copy.head:
            copy.file = copy.committed

    def stash_push(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if copy.head and not copy.clean:
            copy.stash.append((copy.file, copy.committed))
            copy.file = copy.committed

    def stash_pop(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if copy.stash and copy.clean:
            theirs, base = copy.stash.pop()
            copy.file = self._merged(base, copy.file, theirs, a)

    def checkout(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        """Check out any commit of the repository, on whatever branch.

        Uncommitted text goes with it, but not where the record does not: nothing tells then of its push.
        """
        target = self._any(a)
        if target in (None, copy.head) or (not copy.clean and target.file.says != copy.committed.says):
            return
        if copy.clean:
            copy.file = target.file
        elif copy.record is not None and copy.record.commit not in {one.id for one in target.ancestors()}:
            return
        elif copy.file.pulled is None:
            text, tags, pulled = copy.file
            copy.file = File(_onto(text, target.file.text), _onto(tags, target.file.tags), pulled)
        copy.head = target

    def merge(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        target = self._any(a)
        if target is None or copy.head is None or not copy.clean or target in copy.head.ancestors():
            return
        if copy.head in target.ancestors():
            copy.head, copy.file = target, target.file
            return
        base = self._merge_base(copy.head, target)
        file = self._merged(base.file if base else _NOTHING, copy.file, target.file, b)
        copy.head, copy.file = self._commit(file, [copy.head, target]), file

    def squash(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        target = self._any(a)
        if target is None or copy.head is None or not copy.clean or target in copy.head.ancestors():
            return
        if self._carries_draft(target):
            return
        base = self._merge_base(copy.head, target)
        self._pick(copy, base.file if base else _NOTHING, target.file, b, by_hand=True)

    def rebase(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        target = self._any(a)
        if target is None or copy.head is None or not copy.clean or target in copy.head.ancestors():
            return
        mine = copy.head.ancestors() - target.ancestors()
        if any(map(self._carries_draft, mine)):
            return
        copy.head, copy.file = target, target.file
        for one in sorted(mine, key=lambda commit: commit.date):
            if len(one.parents) < 2:
                self._pick(copy, one.parents[0].file if one.parents else _NOTHING, one.file, b)

    def revert(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        """Revert an earlier commit, where that is possible without a conflict."""
        if copy.head is None or not copy.clean:
            return
        mine = sorted((one for one in copy.head.ancestors() if one.parents), key=lambda one: -one.date)
        if not mine:
            return
        one = mine[a % len(mine)]
        before = one.parents[0].file
        if copy.file.says == one.file.says and before.says != one.file.says:
            self._put_back(copy, before)

    def restore_commit(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        """``git checkout COMMIT -- FILE`` of an earlier commit, and a commit of it."""
        if copy.head is None or not copy.clean:
            return
        mine = sorted(copy.head.ancestors(), key=lambda one: -one.date)
        file = mine[a % len(mine)].file
        if file.text.value and file.says != copy.file.says:
            text, tags, _ = copy.file
            old = File(Node(file.text.value, [text]), Node(file.tags.value, [tags]), file.pulled)
            self._committed_by_hand(copy, old)

    def registry_edit(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if self.versions:
            self._publish(Node(self._fresh(), [self.versions[-1][0]]), None, self._message(a, b))

    def registry_restore(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if self.versions:
            old = self.versions[a % len(self.versions)][0]
            if old.value != self.versions[-1][0].value:
                self._publish(Node(old.value, [self.versions[-1][0]]), None, self._message(a, b))

    def registry_tags(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if self.versions:
            self.tags.append(Node(self.tags[-1].value ^ {_TAGS[a % len(_TAGS)]}, [self.tags[-1]]))

    def pull(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if self.state(copy) in (State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY):
            self._write(copy, len(self.versions))

    def pull_theirs(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if self.state(copy) is State.DIVERGED:
            self._write(copy, len(self.versions))

    def pull_ours(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if self.state(copy) is State.DIVERGED and copy.file.text.value:
            text, tags, _ = copy.file
            latest = self.versions[-1][0]
            self._write(copy, len(self.versions))
            copy.file = copy.file._replace(
                text=Node(text.value, [text, latest]), tags=Node(tags.value, [tags, self.tags[-1]])
            )

    def materialise(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        state = self.state(copy)
        if not self.versions or copy.file.text.value is None:
            return
        number = a % len(self.versions) + 1
        safe = state in (State.IN_SYNC, State.BEHIND) or self._origin(copy)[1] is False
        written = File(self.versions[number - 1][0], self.tags[-1], number)
        if safe and written.says != copy.file.says and (state, number) != (State.IN_SYNC, len(self.versions)):
            self._write(copy, number)

    def push(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if self.state(copy) in (State.AHEAD, State.NEW):
            self._push(copy)

    def force(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        if copy.file.text.value and self.state(copy) in (State.BEHIND, State.DIVERGED):
            text, tags, pulled = copy.file
            copy.file = File(Node(text.value, [text]), Node(tags.value, [tags]), pulled)
            self._push(copy, forced=True)

    def lose_record(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        """With the record goes all knowledge that uncommitted text descends from what was pushed here."""
        copy.record = None
        text, tags, pulled = copy.file
        if not copy.clean and (pulled is None or text is not self.versions[pulled - 1][0]):
            told = pulled is not None and pulled != copy.committed.pulled
            base = self.versions[(pulled or 0) - 1][0] if told else copy.committed.text
            copy.file = File(Node(text.value, [base]), Node(tags.value, [copy.committed.tags]), pulled)

    def clone(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        target = self._any(a)
        if target is not None:
            self.copies[self.copies.index(copy)] = WorkingCopy(target, target.file)

    def leave_git(self, copy: WorkingCopy, a: int = 0, b: int = 0) -> None:
        """Go on with a copy of the file in a directory without a repository."""
        copy.git, copy.head = False, None
        self.lose_record(copy)

    # -- parts of steps -------------------------------------------------------------------------------

    def _fresh(self) -> str:
        self.made += 1
        return f"text-{self.made}"

    def _any(self, number: int) -> Commit | None:
        return self.commits[-1 - number % len(self.commits)] if self.commits else None

    def _commit(self, file: File, parents: list[Commit]) -> Commit:
        self.clock += 1
        commit = Commit(sha1(str(self.clock).encode()).hexdigest(), self.clock, tuple(parents), file)
        self.commits.append(commit)
        return commit

    def _with_pushed(self, copy: WorkingCopy) -> File:
        """Return what an edit starts from.

        Nobody can tell an edit of what was pushed here from one that took its place, so both include it.
        """
        text, tags, pulled = copy.file
        record = copy.record
        if record is None or (record.commit, record.pulled) != (self._newest(copy), pulled):
            return copy.file
        version, kept = copy.passed
        return File(Node(text.value, [text, version]), Node(tags.value, [tags, kept]), pulled)

    def _carries_draft(self, commit: Commit) -> bool:
        """Whether it includes a version that no commit ever held, which nothing tells of a copy of it."""
        held = {one.file.text for one in commit.ancestors()}
        versions = {node for node, _ in self.versions}
        return bool(versions & (commit.file.text.ancestors() - held))

    def _merge_base(self, one: Commit, other: Commit) -> Commit | None:
        return max(one.ancestors() & other.ancestors(), key=lambda commit: commit.date, default=None)

    def _merged(self, base: File, ours: File, theirs: File, choice: int) -> File:
        text = self._merged_node(base.text, ours.text, theirs.text, choice)
        tags = self._merged_node(base.tags, ours.tags, theirs.tags, choice)
        if ours.pulled == base.pulled:
            pulled = theirs.pulled
        elif theirs.pulled == base.pulled:
            pulled = ours.pulled
        else:
            self.conflicts += ours.pulled != theirs.pulled
            pulled = max(ours.pulled or 0, theirs.pulled or 0) or None
        return File(text, tags, pulled if text.value else None)

    def _merged_node(self, base: Node, ours: Node, theirs: Node, choice: int) -> Node:
        if ours in theirs.ancestors():
            return theirs
        if theirs in ours.ancestors():
            return ours
        if ours.value == theirs.value or theirs.value == base.value:
            return Node(ours.value, [ours, theirs])
        if ours.value == base.value:
            return Node(theirs.value, [ours, theirs])
        self.conflicts += 1
        fresh = ours.value if isinstance(ours.value, frozenset) else self._fresh()
        value = (fresh, ours.value, theirs.value)[choice % 3]
        return Node(value, [ours, theirs])

    def _pick(
        self, copy: WorkingCopy, base: File, theirs: File, choice: int, *, by_hand: bool = False
    ) -> None:
        """Apply one difference as one commit with one parent; what changes nothing leaves no trace."""
        ours = copy.file
        file = self._merged(base, ours, theirs, choice)
        if file.text is theirs.text:  # a copy: who has the original has not seen what became of it
            file = file._replace(text=Node(file.text.value, [ours.text, self._as_published(theirs.text)]))
        if file.pulled == ours.pulled and file.text.value not in (ours.text.value, theirs.text.value):
            file = file._replace(text=Node(file.text.value, [ours.text]))
        if file.pulled == ours.pulled:
            text = ours.text if file.text.value == ours.text.value else file.text
            tags = ours.tags if file.tags.value == ours.tags.value else file.tags
            file = File(text, tags, file.pulled)
        if file.says != ours.says:
            if by_hand:
                self._committed_by_hand(copy, file)
            else:
                copy.head = self._commit(file, [copy.head] if copy.head else [])
                copy.file = file

    def _committed_by_hand(self, copy: WorkingCopy, file: File) -> None:
        """``git commit`` of a file that was not edited; it includes what was pushed from here before."""
        copy.file = copy.committed._replace(pulled=file.pulled)
        pushed = self._with_pushed(copy)
        text, tags = _onto(file.text, pushed.text), _onto(file.tags, pushed.tags)
        copy.file = File(text, tags, file.pulled)
        copy.head = self._commit(copy.file, [copy.head] if copy.head else [])
        copy.made_here[copy.head.id] = self.clock

    def _as_published(self, text: Node) -> Node:
        """Return the first version that a text may be a copy of: which one it was, the copy does not tell."""
        included = text.ancestors()
        same = (node for node, _ in self.versions if node.value == text.value and node in included)
        return next(same, text)

    def _put_back(self, copy: WorkingCopy, old: File) -> None:
        text, tags, _ = copy.file
        file = File(Node(old.text.value, [text]), Node(old.tags.value, [tags]), old.pulled)
        copy.head = self._commit(file, [copy.head] if copy.head else [])
        copy.file = file

    def _message(self, a: int, b: int) -> str | None:
        """Nothing, something, or the copied message of an earlier version."""
        return (None, "Tidy up", self.versions[a % len(self.versions)][1])[b % 3]

    def _publish(self, text: Node, tags: Node | None, message: str | None) -> None:
        self.versions.append((text, message))
        if tags is not None and (not self.tags or self.tags[-1] is not tags):
            self.tags.append(tags)

    def _origin(self, copy: WorkingCopy) -> tuple[str | None, bool]:
        local = self.history(copy)
        if not copy.git:
            return None, True
        if not local.committed or local.revisions[0].pulled != copy.file.pulled:
            return (local.revisions[0].commit if local.revisions else None), True
        first = replace(local.revisions[0], commit="", made=None, replaced=())
        same = takewhile(
            lambda one: replace(one, commit="", made=None, replaced=()) == first, local.revisions
        )
        return [one.commit for one in same][-1], False

    def _push(self, copy: WorkingCopy, *, forced: bool = False) -> None:
        commit, dirty = self._origin(copy)
        dirty = dirty or forced
        number = len(self.versions) + 1
        message = with_mark("Work", commit[:7] if commit else None, dirty, number)
        text, tags, pulled = copy.file
        if self.versions:
            for mine, theirs in ((text, self.versions[-1][0]), (tags, self.tags[-1])):
                if theirs not in mine.ancestors():
                    mine.parents.append(theirs)
        self._publish(text, tags, message)
        if forced or (dirty and text.value == copy.committed.text.value):
            self.forced.add(text)
        newest = self._newest(copy)
        copy.record = Pushed(number, text.value, tags.value, tags.value, pulled, newest, self.clock)
        copy.passed = (text, tags)

    def _newest(self, copy: WorkingCopy) -> str | None:
        revisions = self.revisions(copy)
        return revisions[0].commit if revisions else None

    def _write(self, copy: WorkingCopy, number: int) -> None:
        text, tags = self.versions[number - 1][0], self.tags[-1]
        copy.file = File(text, tags, number)
        newest = self._newest(copy)
        copy.record = Pushed(number, text.value, tags.value, tags.value, number, newest, self.clock)
        copy.passed = (text, tags)


_TAGS = ("billing", "support")
_WITHOUT_GIT = frozenset(
    (
        *("edit", "edit_tags", "push", "pull", "pull_ours", "pull_theirs", "materialise", "force"),
        *("registry_edit", "registry_restore", "registry_tags", "clone"),
    )
)


def _all(node: Node) -> set[Node]:
    return node.ancestors()


def _onto(node: Node, head: Node) -> Node:
    """Return what a commit makes of a working text: it includes what it was committed on."""
    return node if head in node.ancestors() else Node(node.value, [node, head])


def _revision(commit: Commit, copy: WorkingCopy) -> Revision:
    text, tags, pulled = commit.file
    made, replaced = copy.made_here.get(commit.id), _replaced(commit.id, copy)
    if text.value is None:
        return Revision(commit.id, None, made=made, replaced=replaced)
    return Revision(commit.id, text.value, tags.value, pulled, made, replaced)


def _replaced(commit: str, copy: WorkingCopy) -> tuple[str, ...]:
    older = copy.amended.get(commit)
    return (older, *_replaced(older, copy)) if older is not None else ()


def _newest_included(mine: set[Node], theirs: Sequence[Node]) -> int | None:
    return next((index for index in reversed(range(len(theirs))) if theirs[index] in mine), None)


def _includes(mine: Node, theirs: Sequence[Node]) -> bool:
    """Whether ``mine`` may replace the last of ``theirs``.

    It holds that text, or what was the newest version that it includes says the same as the last one does, or
    since then it went through that very text.
    """
    last = theirs[-1]
    if mine.value == last.value:
        return True
    included = mine.ancestors()
    newest = _newest_included(included, theirs)
    if newest is None:
        return any(node.value == last.value for node in included)
    if theirs[newest].value == last.value:
        return True
    return any(node.value == last.value for node in included - theirs[newest].ancestors())


def _included_by(mine: Node, theirs: Sequence[Node]) -> bool:
    """Whether the last of ``theirs`` may replace ``mine``: what ``mine`` says was there, and went on."""
    if mine.value == theirs[-1].value or mine in theirs[-1].ancestors():
        return True
    newest = _newest_included(mine.ancestors(), theirs)
    later = theirs if newest is None else theirs[newest:]
    return any(node.value == mine.value for node in later)


OPERATIONS: dict[str, int] = {
    "edit": 8,
    "edit_tags": 1,
    "delete": 1,
    "commit": 8,
    "amend": 3,
    "discard": 1,
    "stash_push": 1,
    "stash_pop": 1,
    "checkout": 3,
    "merge": 4,
    "squash": 2,
    "rebase": 2,
    "revert": 3,
    "restore_commit": 1,
    "registry_edit": 3,
    "registry_restore": 3,
    "registry_tags": 1,
    "pull": 5,
    "pull_theirs": 1,
    "pull_ours": 2,
    "materialise": 2,
    "push": 10,
    "force": 1,
    "lose_record": 1,
    "clone": 2,
    "leave_git": 1,
}


def shortest(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Return steps that still fail and of which none can be left out."""
    left = list(steps)
    at = 0
    while at < len(left):
        without = left[:at] + left[at + 1 :]
        if fails(without):
            left, at = without, 0
        else:
            at += 1
    return left
