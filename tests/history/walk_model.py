"""Random histories of one prompt, decided by ``promptsync.history`` and judged by an independent oracle.

A prompt text is a set of sentences, so every merge succeeds. Three clones, CI and a dashboard editor change
it. The oracle records who added or removed which sentence, and what each author had seen by then; it knows
nothing of versions, marks or keys. To measure the rule, run
``python tests/history/walk_model.py --walks 20000``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from oracle import Oracle, Seen, Text, bits

from promptsync.history import decide as deciding
from promptsync.history.decide import Decision, PassedOver, Relation
from promptsync.history.graph import Graph, Lineage, Missing, Node, Revision
from promptsync.history.mark import Key, make_key, make_mark, parse_mark, with_mark

IDENTITY, OTHER_IDENTITY = "1 7", "2 9"
SUBJECT = "Edit"
MOST_ROUNDS = 60
"""A decision that needs more rounds of reading than this is stuck in a loop."""


def digest(text: Text) -> str:
    return "t" + ",".join(map(str, sorted(text)))


def merge(base: Text, ours: Text, theirs: Text) -> Text:
    """Merge three sets: what either side added, without what either side removed."""
    return (ours & theirs) | (ours - base) | (theirs - base)


# -- git and the registry ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Commit:
    """A commit, with what the file says there. ``reach`` has one bit for each commit that it reaches.

    ``revision`` is the newest commit of the simplified history of the file, ``revisions`` are all of those.
    """

    number: int
    parents: tuple[int, ...]
    text: Text
    keys: tuple[Key, ...]
    seen: Seen
    reach: int
    revision: int = 0
    revisions: int = 0
    before: tuple[int, ...] = ()

    @property
    def short(self) -> str:
        return f"{self.number:07x}"

    @property
    def file(self) -> tuple[Text, tuple[Key, ...]]:
        return self.text, self.keys


class Git:
    """All commits of all clones, and the branches of their common remote."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.origin: dict[str, int] = {}
        self._built: dict[int, tuple[list[Revision], dict[int, int]]] = {}

    def commit(self, parents: Sequence[int], text: Text, keys: tuple[Key, ...], seen: Seen) -> int:
        number, reach = len(self.commits), 1 << len(self.commits)
        for parent in parents:
            reach |= self.commits[parent].reach
        new = Commit(number, tuple(parents), text, keys, seen, reach)
        self._simplify(new)
        self.commits.append(new)
        return number

    def _simplify(self, new: Commit) -> None:
        """Find the commit's place in the history that ``git log --full-history --parents`` shows."""
        before = tuple(dict.fromkeys(self.commits[parent].revision for parent in new.parents))
        if len(before) == 1 and self.commits[before[0]].file == new.file:
            new.revision, new.revisions = before[0], self.commits[before[0]].revisions
            return
        new.revision, new.before, new.revisions = new.number, before, 1 << new.number
        for one in before:
            new.revisions |= self.commits[one].revisions

    def oldest_alike(self, number: int) -> Commit:
        """Return the oldest commit in an unbroken run that has the same text and keys."""
        one = self.commits[number]
        while same := [parent for parent in one.parents if self.commits[parent].file == one.file]:
            one = self.commits[same[0]]
        return one

    def base(self, one: int, other: int) -> int:
        """Return the merge base of two commits."""
        return (self.commits[one].reach & self.commits[other].reach).bit_length() - 1

    def reaches(self, one: int, other: int) -> bool:
        return bool(self.commits[one].reach >> other & 1)

    def fetched(self) -> int:
        """Return all commits that a fetch brings."""
        mask = 0
        for head in self.origin.values():
            mask |= self.commits[head].reach
        return mask

    def revisions(self, head: int, marked: Mapping[str, int | None]) -> Lineage:
        """Return what git tells about the file at ``head``, and at some commits that marks name."""
        mask = self.commits[head].revisions
        for number in marked.values():
            mask |= self.commits[number].revisions if number is not None else 0
        built, places = self._built.get(mask) or self._build(mask)
        told = {
            name: places[self.commits[number].revision] if number is not None else None
            for name, number in marked.items()
        }
        return Lineage(built, places[self.commits[head].revision], told)

    def _build(self, mask: int) -> tuple[list[Revision], dict[int, int]]:
        places = {number: place for place, number in enumerate(bits(mask))}
        built = [
            Revision(
                f"{number:07x}{'0' * 33}",
                tuple(places[parent] for parent in self.commits[number].before),
                digest(self.commits[number].text),
                keys=self.commits[number].keys,
            )
            for number in places
        ]
        self._built[mask] = built, places
        return built, places


@dataclass(slots=True)
class Published:
    """A version in the registry, with what its author had seen."""

    text: Text
    seen: Seen
    version: Node


@dataclass(slots=True)
class Clone:
    """A clone: its ``HEAD``, its file, and all commits that its git has. CI is a clone without an editor."""

    name: str
    branch: str
    head: int
    text: Text
    keys: tuple[Key, ...]
    seen: Seen
    known: int
    back: int | None = None
    stash: tuple[Commit, Text, tuple[Key, ...], Seen] | None = None
    cache: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Plan:
    """A publish that was decided on and not sent yet."""

    clone: Clone
    tracked: int
    text: Text
    seen: Seen
    message: str
    dirty: bool
    label: bool


def includes_of_tracked(graph: Graph) -> frozenset[int]:
    """Return what the tracked version includes as far as the registry alone tells."""
    graph.look_from(1)
    return graph.includes(graph.tracked)


@dataclass(frozen=True, slots=True)
class Reads:
    """How many versions a question needed, how many of them were new, and whether git lacked a commit."""

    versions: int
    fresh: int
    unfetched: bool


# -- what is counted --------------------------------------------------------------------------------------

LOST_PULL = "decisions lost from a working file by pull"
LOST_MERGE = "decisions lost by pull --merge"
LOST_BACK = "decisions lost by pull --passed-over"
LOST_SILENTLY = "decisions lost from the newest version, silently"
NOT_LISTED = "passed over in the registry and not listed"
LISTED = "passed over and listed"
ASKS = "diverged although one side alone changed"
WRONG_BEHIND = "wrong behind"
WRONG_AHEAD = "wrong ahead"
EQUAL_DIFFER = "difference seen between equal texts"
BAD = (
    LOST_PULL,
    LOST_MERGE,
    LOST_BACK,
    LOST_SILENTLY,
    NOT_LISTED,
    ASKS,
    WRONG_BEHIND,
    WRONG_AHEAD,
    EQUAL_DIFFER,
)
LOST = BAD[:4]
ROWS = (*LOST, NOT_LISTED, LISTED, ASKS, WRONG_BEHIND, WRONG_AHEAD, EQUAL_DIFFER)


@dataclass
class Tally:
    """What one or several walks counted; ``unfetched`` where git lacked a commit that was asked for."""

    counts: Counter[str] = field(default_factory=Counter)
    unfetched: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    asked: int = 0
    read: int = 0
    fresh: int = 0

    def add(self, other: Tally) -> None:
        self.counts.update(other.counts)
        self.unfetched.update(other.unfetched)
        self.decisions += other.decisions
        self.asked += other.asked
        self.read += other.read
        self.fresh += other.fresh

    @property
    def lost(self) -> int:
        return sum(self.counts[row] for row in LOST)


# -- the world --------------------------------------------------------------------------------------------


def passed_over_by_latest(graph: Graph) -> Sequence[int]:
    """Return what the receipt of the latest version listed, going by its own message."""
    graph.look_from(graph.latest)
    mark = parse_mark(graph.version(graph.latest).message)
    if mark is None or (mark.version == graph.latest and not mark.parents):
        return ()
    return range(graph.latest - 1, graph.parents(graph.latest)[0], -1)


def _with_all(graph: Graph) -> tuple[Sequence[PassedOver], tuple[int, ...]]:
    """Return what was passed over, and the heads of a file that all of it is merged into."""
    heads = deciding.passed_over(graph)
    numbers = {number for head in heads for number in head.numbers}
    return heads, graph.heads(graph.of_file | graph.includes(graph.latest) | numbers)


class World:
    """One prompt, its registry, its git and its actors. Each decision is judged as it is made."""

    knows_all = False
    """Whether all versions are read before a question is asked."""

    def __init__(self) -> None:
        self.oracle = Oracle()
        self.git = Git()
        self.versions: list[Published] = []
        self.label = 1
        self.other: list[tuple[Text, Seen]] = []
        self.texts: dict[str, Text] = {}
        self.tally = Tally()
        self.log: list[str] = []
        self._unfetched = False
        self._sentences = 0
        self._missed: dict[tuple[int, bool], str] = {}
        self._start()

    def _start(self) -> None:
        text = frozenset(self.sentence() for _ in range(3))
        seen = self.oracle.settle(text, 0)
        first = self.git.commit((), text, (), seen)
        self.git.origin = {"main": first, "w": first}
        self.clones = [
            Clone(name, branch, first, text, (), seen, 1)
            for name, branch in (("A", "main"), ("B", "main"), ("W", "w"))
        ]
        self._save(text, seen, with_mark(SUBJECT, make_mark(self.git.commits[first].short, False, 1, None)))

    def _merge_known(self, base: Text, ours: Text, theirs: Text) -> tuple[str, Text]:
        found = merge(base, ours, theirs)
        return digest(found), found

    def sentence(self) -> int:
        self._sentences += 1
        return self._sentences

    def say(self, line: str) -> None:
        self.log.append(line)

    # -- the registry

    @property
    def latest(self) -> int:
        return len(self.versions)

    def _save(self, text: Text, seen: Seen, message: str | None) -> int:
        number = len(self.versions) + 1
        self.versions.append(Published(text, seen, Node(number, digest(text), message)))
        self.say(f"    = v{number} {sorted(text)} {message or '(dashboard)'}")
        return number

    def version(self, number: int) -> Published:
        return self.versions[number - 1]

    def all_versions(self) -> dict[int, Node]:
        return {one.version.number: one.version for one in self.versions}

    def keys(self, numbers: Iterable[int]) -> tuple[Key, ...]:
        return tuple(make_key(IDENTITY, one, self.version(one).version.digest or "") for one in numbers)

    # -- decisions

    def fresh_clone(self) -> Clone:
        """Return what CI has: a fresh clone of main, with every branch of the remote."""
        tip = self.git.commits[self.git.origin["main"]]
        return Clone("CI", "main", tip.number, tip.text, tip.keys, tip.seen, self.git.fetched())

    def is_committed(self, clone: Clone) -> bool:
        return (clone.text, clone.keys) == self.git.commits[clone.head].file

    def graph(self, clone: Clone, tracked: int) -> Graph:
        file = Revision("", (), digest(clone.text), keys=clone.keys)
        lineage = self.git.revisions(clone.head, {})
        return Graph(self._merge_known, file, lineage, identity=IDENTITY, tracked=tracked, latest=self.latest)

    def answer(self, question: Callable[[Graph], Any], clone: Clone, tracked: int) -> tuple[Any, Reads]:
        """Answer a question about a clone, reading only what it asks for."""
        graph = self.graph(clone, tracked)
        graph.versions |= self.all_versions() if self.knows_all else {}
        graph.contents = self.texts
        marked: dict[str, int | None] = {}
        for _ in range(MOST_ROUNDS):
            try:
                answer = question(graph)
            except Missing as missing:
                self._read(missing, clone, graph, marked)
            else:
                fresh = graph.versions.keys() - clone.cache
                clone.cache |= fresh
                return answer, Reads(len(graph.versions), len(fresh), None in marked.values())
        raise AssertionError("the same question is asked again and again")

    def _read(self, missing: Missing, clone: Clone, graph: Graph, marked: dict[str, int | None]) -> None:
        wanted = missing.versions - graph.versions.keys()
        assert wanted or missing.commits or missing.texts, "nothing new is asked for"
        assert not missing.commits & marked.keys(), "a commit is looked up twice"
        graph.versions.update((number, self.version(number).version) for number in wanted)
        for name in missing.commits:
            number = int(name, 16)
            marked[name] = number if clone.known >> number & 1 else None
        if missing.commits:
            graph.lineage = self.git.revisions(clone.head, marked)
        assert not missing.texts & self.texts.keys(), "a text is read twice"
        self.texts.update((name, self._text(name)) for name in missing.texts)

    def _text(self, name: str) -> Text:
        return frozenset(map(int, name[1:].split(","))) if len(name) > 1 else frozenset()

    def decide(self, clone: Clone, tracked: int) -> Decision:
        """Let the rule decide, and judge its answer."""
        found, reads = self.answer(deciding.decide, clone, tracked)
        self.tally.asked += 1
        self.tally.read += reads.versions
        self.tally.fresh += reads.fresh
        self._unfetched = reads.unfetched
        self._judge(clone, self.version(tracked), found)
        return found

    def _judge(self, clone: Clone, theirs: Published, found: Decision) -> None:
        what = f"{clone.name} {sorted(clone.text)} is {found.relation} of v{theirs.version.number}"
        self.say(f"    {what}")
        if clone.text == theirs.text:
            self.count(EQUAL_DIFFER, what, found.relation is not Relation.IN_SYNC)
            return
        self.tally.decisions += 1
        ours_changed, theirs_changed, unclear = self.oracle.changed(
            clone.text, theirs.text, clone.seen | theirs.seen
        )
        self.count(EQUAL_DIFFER, what, found.relation in (Relation.IN_SYNC, Relation.ALTERED))
        self.count(WRONG_BEHIND, what, found.relation is Relation.BEHIND and ours_changed)
        self.count(WRONG_AHEAD, what, found.relation is Relation.AHEAD and theirs_changed)
        needless = not unclear and ours_changed != theirs_changed
        self.count(ASKS, what, found.relation is Relation.DIVERGED and needless)

    def count(self, row: str, what: str, number: int = 1) -> None:
        if number:
            self.tally.counts[row] += int(number)
            self.tally.unfetched[row] += int(number) if self._unfetched else 0
            if row != LISTED:
                self.say(f"    !! {row}: {what}")

    # -- publishing

    def plan(
        self, clone: Clone, tracked: int, parents: Sequence[int], *, label: bool = False, agreed: bool = True
    ) -> Plan:
        dirty = not self.is_committed(clone)
        # The mark of a committed text names the oldest commit that has it.
        origin = self.git.commits[clone.head] if dirty else self.git.oldest_alike(clone.head)
        mark = make_mark(origin.short, dirty, self.latest + 1, parents)
        seen = self.with_agreed(clone.text, clone.seen, tracked) if agreed else clone.seen
        return Plan(clone, tracked, clone.text, seen, with_mark(SUBJECT, mark), dirty, label)

    def with_agreed(self, text: Text, seen: Seen, number: int) -> Seen:
        """Return what the author of a text has seen who replaces a version that it does not contradict."""
        theirs = self.version(number)
        both = seen | theirs.seen
        return seen if self.oracle.contradicted(text, both, text ^ theirs.text) else both

    def publish(self, plan: Plan) -> None:
        number = self._save(plan.text, plan.seen, plan.message)
        if plan.dirty:
            plan.clone.keys, plan.clone.seen = self.keys([number]), plan.seen | plan.clone.seen
        if plan.label:
            self.label = number
        self._judge_newest(plan.tracked)

    def _judge_newest(self, tracked: int) -> None:
        """Count what the newest version lacks and nobody took back on purpose."""
        newest, everything = self.version(self.latest), 0
        for one in self.versions:
            everything |= one.seen
        missed = self.oracle.contradicted(newest.text, everything, self.oracle.about(everything))
        before, self._missed = self._missed, {}
        for sentence in missed:
            kind = sentence not in newest.text
            row = self._how_missed(sentence, kind, everything, tracked)
            if row is None:
                continue
            self._missed[sentence, kind] = row
            if before.get((sentence, kind)) != row:
                self.count(row, f"v{self.latest} {'lacks' if kind else 'has'} {sentence}")

    def _how_missed(self, sentence: int, added: bool, everything: Seen, tracked: int) -> str | None:
        about = (self.oracle.added if added else self.oracle.removed)[sentence]
        holders = {
            one.version.number
            for one in self.versions[:-1]
            if (sentence in one.text) == added and one.seen & about
        }
        if not holders:
            return None
        if holders & self.listed():
            return LISTED
        tip = self.git.commits[self.git.origin["main"]]
        if (sentence in tip.text) == added and tip.seen & about:
            return None
        included, _ = self.answer(includes_of_tracked, self.fresh_clone(), tracked)
        return LOST_SILENTLY if holders & included else NOT_LISTED

    def listed(self) -> set[int]:
        """Return the versions that status on main, or the receipt of the newest one, lists as passed over."""
        numbers, _ = self.answer(passed_over_by_latest, self.fresh_clone(), self.latest)
        heads, _ = self.answer(deciding.passed_over, self.fresh_clone(), self.latest)
        return {*numbers}.union(*(head.numbers for head in heads))

    # -- what a clone does with promptsync

    def push(self, clone: Clone, *, force: bool = False) -> Plan | None:
        """Decide on a push; the caller publishes it."""
        found = self.decide(clone, self.latest)
        if found.relation is Relation.AHEAD:
            return self.plan(clone, self.latest, found.push)
        if force and found.relation is not Relation.IN_SYNC:
            clone.seen = self.oracle.settle(clone.text, clone.seen)
            return self.plan(clone, self.latest, found.force, agreed=False)
        return None

    def deploy(self) -> Plan | None:
        """Decide on a deploy of main. Moves the label where the latest version says the same."""
        clone = self.fresh_clone()
        found = self.decide(clone, self.label)
        if found.relation is not Relation.AHEAD:
            return None
        if self.version(self.latest).text == clone.text:
            self.label = self.latest
            return None
        to_latest = self.decide(clone, self.latest) if self.latest != self.label else found
        ahead = to_latest.relation is Relation.AHEAD
        over = self.latest if ahead else self.label
        return self.plan(clone, over, to_latest.push if ahead else found.pull, label=True)

    def write(self, clone: Clone, text: Text, keys: tuple[Key, ...], seen: Seen) -> None:
        """Write the file: its author takes it as it is."""
        clone.text, clone.keys, clone.seen = text, keys, self.oracle.settle(text, seen)
        self.say(f"    file {sorted(text)} {[str(key) for key in keys]}")

    def pull(self, clone: Clone, how: str = "") -> Decision:
        """Pull the latest version: ``how`` is an option, and none of them matters unless both changed."""
        found, theirs = self.decide(clone, self.latest), self.version(self.latest)
        keys, seen = self.keys(found.pull), clone.seen | theirs.seen
        if found.relation is Relation.BEHIND and how != "--ours":
            self._lost(LOST_PULL, clone.text, theirs.text, theirs.text, seen)
            self.write(clone, theirs.text, keys, seen)
        elif found.relation is Relation.DIVERGED and how == "--merge" and found.base is not None:
            text = merge(self._text(found.base.digest), clone.text, theirs.text)
            self._lost(LOST_MERGE, clone.text, theirs.text, text, seen)
            self.write(clone, text, keys, seen)
        elif found.relation is Relation.AHEAD and how == "--theirs":
            self.pull_version(clone, self.latest)
        elif found.relation is Relation.DIVERGED and how == "--theirs":
            self.write(clone, theirs.text, keys, seen)
        elif found.relation in (Relation.DIVERGED, Relation.BEHIND) and how == "--ours":
            self.write(clone, clone.text, keys, seen)
        return found

    def _lost(self, row: str, ours: Text, theirs: Text, result: Text, seen: Seen) -> None:
        lost = self.oracle.contradicted(result, seen, (ours ^ result) | (theirs ^ result))
        for one in lost:
            self.count(row, f"sentence {one} of {sorted(ours)} + {sorted(theirs)} = {sorted(result)}")

    def pull_version(self, clone: Clone, number: int) -> None:
        """Put a version into the file: an old one to look at, a newer one to go on with."""
        theirs, head = self.version(number), self.git.commits[clone.head]
        if theirs.seen | head.seen == head.seen:
            clone.text, clone.keys, clone.seen = theirs.text, self.keys([number]), theirs.seen
        else:
            self.write(clone, theirs.text, self.keys([number]), theirs.seen | head.seen)

    def pull_passed_over(self, clone: Clone) -> None:
        """Merge what was passed over into a file that includes the latest version."""
        found = self.pull(clone, "--merge")
        if found.relation is Relation.DIVERGED and found.base is None:
            return
        (heads, includes), _ = self.answer(_with_all, clone, self.latest)
        if not heads or any(one.base is None for one in heads):
            return
        text, seen = clone.text, self.with_agreed(clone.text, clone.seen, self.latest)
        for one in heads:
            theirs = self.version(one.version)
            result = merge(self._text(one.base or ""), text, theirs.text)
            seen |= theirs.seen
            self._lost(LOST_BACK, text, theirs.text, result, seen)
            text, seen = result, self.oracle.settle(result, seen)
        self.write(clone, text, self.keys(includes), seen)

    # -- what a clone does with git

    def commit(self, clone: Clone) -> None:
        head = self.git.commits[clone.head]
        clone.seen = self.oracle.settle(clone.text, clone.seen | head.seen)
        self.move(clone, self.git.commit((clone.head,), clone.text, clone.keys, clone.seen))

    def move(self, clone: Clone, head: int) -> None:
        """Move ``HEAD`` and the file to a commit."""
        clone.head, one = head, self.git.commits[head]
        clone.text, clone.keys, clone.seen = one.text, one.keys, one.seen
        clone.known |= one.reach
        keys = [str(key) for key in one.keys]
        self.say(f"    HEAD {one.short} {sorted(one.text)} {keys} on {[f'{p:07x}' for p in one.parents]}")

    def tidy(self, clone: Clone) -> None:
        """Leave an old commit, and commit the file, before git is asked for more."""
        if clone.back is not None:
            head, clone.back = clone.back, None
            self.move(clone, head)
        if not self.is_committed(clone):
            self.commit(clone)

    def merge_keys(self, base: Sequence[Key], ours: Sequence[Key], theirs: Sequence[Key], rng: Random) -> Any:
        if ours in (base, theirs):
            return tuple(theirs)
        if theirs == base:
            return tuple(ours)
        return rng.choice((tuple(ours), tuple(theirs), tuple(dict.fromkeys((*ours, *theirs)))))

    def git_merge(self, clone: Clone, other: int, rng: Random, *, squash: bool = False) -> None:
        """Merge a commit into ``HEAD``, as one commit without history where it is squashed."""
        if self.git.reaches(clone.head, other):
            return
        if self.git.reaches(other, clone.head) and not squash:
            self.move(clone, other)
            return
        base, ours, theirs = (
            self.git.commits[one] for one in (self.git.base(clone.head, other), clone.head, other)
        )
        text = merge(base.text, ours.text, theirs.text)
        keys = self.merge_keys(base.keys, ours.keys, theirs.keys, rng)
        if squash and (text, keys) == ours.file:
            return
        seen = self.oracle.settle(text, ours.seen | theirs.seen)
        parents = (clone.head,) if squash else (clone.head, other)
        self.move(clone, self.git.commit(parents, text, keys, seen))

    def rebase(self, clone: Clone, onto: int, rng: Random) -> None:
        """Replay the commits of ``HEAD`` that ``onto`` does not reach, without merges and empty ones."""
        ahead = [*bits(self.git.commits[clone.head].reach & ~self.git.commits[onto].reach)]
        self.move(clone, onto)
        for number in ahead:
            one = self.git.commits[number]
            if len(one.parents) == 1:
                self.apply(clone, self.git.commits[one.parents[0]], one, one.seen, rng)

    def apply(self, clone: Clone, before: Commit, after: Commit, seen: Seen, rng: Random) -> None:
        """Apply the difference of two commits to ``HEAD``, and commit it."""
        text = merge(before.text, clone.text, after.text)
        keys = self.merge_keys(before.keys, clone.keys, after.keys, rng)
        seen = self.oracle.settle(text, clone.seen | seen)
        if (text, keys) != self.git.commits[clone.head].file:
            self.move(clone, self.git.commit((clone.head,), text, keys, seen))

    def fetch(self, clone: Clone) -> None:
        clone.known |= self.git.fetched()

    def git_pull(self, clone: Clone, rng: Random) -> None:
        self.tidy(clone)
        self.fetch(clone)
        origin = self.git.origin[clone.branch]
        if clone.branch != "main" or self.git.reaches(clone.head, origin):
            return
        if rng.random() < 0.5:
            self.rebase(clone, origin, rng)
        else:
            self.git_merge(clone, origin, rng)

    def git_push(self, clone: Clone, rng: Random) -> None:
        self.git_pull(clone, rng)
        self.git.origin[clone.branch] = clone.head


# -- the operations ---------------------------------------------------------------------------------------

Operation = Callable[[World, Clone, Random], None]
OPERATIONS: dict[str, tuple[Operation, int]] = {}


def operation(weight: int) -> Callable[[Operation], Operation]:
    def register(function: Operation) -> Operation:
        OPERATIONS[function.__name__.replace("_", " ").strip()] = function, weight
        return function

    return register


@operation(12)
def add_sentence(world: World, clone: Clone, rng: Random) -> None:
    world.write(clone, clone.text | {world.sentence()}, clone.keys, clone.seen)


@operation(4)
def remove_sentence(world: World, clone: Clone, rng: Random) -> None:
    if len(clone.text) > 1:
        world.write(clone, clone.text - {rng.choice(sorted(clone.text))}, clone.keys, clone.seen)


@operation(7)
def commit(world: World, clone: Clone, rng: Random) -> None:
    world.commit(clone)  # of another file, where this one is committed


@operation(7)
def edit_and_commit(world: World, clone: Clone, rng: Random) -> None:
    add_sentence(world, clone, rng)
    world.commit(clone)


@operation(3)
def amend(world: World, clone: Clone, rng: Random) -> None:
    parents = world.git.commits[clone.head].parents
    if len(parents) != 1 or clone.back is not None:
        return
    if rng.random() < 0.5:
        add_sentence(world, clone, rng)
    seen = world.oracle.settle(clone.text, clone.seen | world.git.commits[parents[0]].seen)
    world.move(clone, world.git.commit(parents, clone.text, clone.keys, seen))


@operation(12)
def push(world: World, clone: Clone, rng: Random) -> None:
    if plan := world.push(clone):
        world.publish(plan)


@operation(2)
def push_force(world: World, clone: Clone, rng: Random) -> None:
    if plan := world.push(clone, force=True):
        world.publish(plan)


@operation(8)
def pull(world: World, clone: Clone, rng: Random) -> None:
    world.pull(clone)


@operation(6)
def pull_merge(world: World, clone: Clone, rng: Random) -> None:
    world.pull(clone, "--merge")


@operation(2)
def pull_theirs(world: World, clone: Clone, rng: Random) -> None:
    world.pull(clone, "--theirs")


@operation(2)
def pull_ours(world: World, clone: Clone, rng: Random) -> None:
    world.pull(clone, "--ours")


@operation(2)
def pull_version(world: World, clone: Clone, rng: Random) -> None:
    world.pull_version(clone, rng.randint(1, world.latest))


@operation(3)
def pull_passed_over(world: World, clone: Clone, rng: Random) -> None:
    world.pull_passed_over(clone)


@operation(4)
def git_fetch(world: World, clone: Clone, rng: Random) -> None:
    world.fetch(clone)


@operation(4)
def git_pull(world: World, clone: Clone, rng: Random) -> None:
    world.git_pull(clone, rng)


@operation(8)
def git_push(world: World, clone: Clone, rng: Random) -> None:
    world.git_push(clone, rng)


@operation(3)
def merge_main_into_branch(world: World, clone: Clone, rng: Random) -> None:
    clone = world.clones[2]
    world.tidy(clone)
    world.fetch(clone)
    world.git_merge(clone, world.git.origin["main"], rng)


@operation(2)
def rebase_branch(world: World, clone: Clone, rng: Random) -> None:
    clone = world.clones[2]
    world.tidy(clone)
    world.fetch(clone)
    world.rebase(clone, world.git.origin["main"], rng)


@operation(3)
def squash_branch(world: World, clone: Clone, rng: Random) -> None:
    _merge_branch(world, clone, rng, squash=True)


@operation(2)
def merge_branch(world: World, clone: Clone, rng: Random) -> None:
    _merge_branch(world, clone, rng, squash=False)


def _merge_branch(world: World, clone: Clone, rng: Random, *, squash: bool) -> None:
    branch, into = world.clones[2], world.clones[0] if clone.branch == "w" else clone
    world.tidy(branch)
    world.git.origin["w"] = branch.head
    world.git_pull(into, rng)
    world.git_merge(into, branch.head, rng, squash=squash)
    world.git.origin["main"] = into.head
    if rng.random() < 0.3:
        new_branch(world, branch, rng)


@operation(1)
def new_branch(world: World, clone: Clone, rng: Random) -> None:
    branch = world.clones[2]
    world.fetch(branch)
    branch.back = None
    world.move(branch, world.git.origin["main"])


@operation(2)
def cherry_pick(world: World, clone: Clone, rng: Random) -> None:
    world.tidy(clone)
    world.fetch(clone)
    others = [*bits(clone.known & ~world.git.commits[clone.head].reach)]
    found = [one for one in others if len(world.git.commits[one].parents) == 1]
    if found:
        one = world.git.commits[rng.choice(found)]
        before = world.git.commits[one.parents[0]]
        seen = world.oracle.only(one.seen & ~before.seen, one.text ^ before.text)
        world.apply(clone, before, one, seen, rng)


@operation(3)
def revert(world: World, clone: Clone, rng: Random) -> None:
    """Revert a commit, often the newest: twice in a row is a revert of a revert."""
    world.tidy(clone)
    reached = [world.git.commits[one] for one in bits(world.git.commits[clone.head].reach)]
    found = [one for one in reached if len(one.parents) == 1 and one.revision == one.number]
    if found:
        one = found[-1] if rng.random() < 0.6 else rng.choice(found)
        world.apply(clone, one, world.git.commits[one.parents[0]], 0, rng)


@operation(2)
def stash(world: World, clone: Clone, rng: Random) -> None:
    if clone.stash is None and not world.is_committed(clone):
        clone.stash = world.git.commits[clone.head], clone.text, clone.keys, clone.seen
        world.move(clone, clone.head)


@operation(2)
def stash_pop(world: World, clone: Clone, rng: Random) -> None:
    if clone.stash is None:
        return
    (before, text, keys, seen), clone.stash = clone.stash, None
    seen = world.oracle.only(seen & ~before.seen, text ^ before.text)
    world.write(
        clone,
        merge(before.text, clone.text, text),
        world.merge_keys(before.keys, clone.keys, keys, rng),
        clone.seen | seen,
    )


@operation(2)
def checkout_old_commit(world: World, clone: Clone, rng: Random) -> None:
    if clone.back is None and world.is_committed(clone):
        back = clone.head
        world.move(clone, rng.choice([*bits(world.git.commits[back].reach)]))
        clone.back = back


@operation(2)
def checkout_back(world: World, clone: Clone, rng: Random) -> None:
    if clone.back is not None and world.is_committed(clone):
        head, clone.back = clone.back, None
        world.move(clone, head)


@operation(1)
def restore_file_from_git(world: World, clone: Clone, rng: Random) -> None:
    world.move(clone, clone.head)


@operation(1)
def copy_from_another_prompt(world: World, clone: Clone, rng: Random) -> None:
    """Copy a similar file over this one: its key is void here, whatever its number is."""
    number = rng.randint(1, world.latest)
    text = clone.text | {world.sentence()}
    foreign = make_key(OTHER_IDENTITY, number, digest(text))
    world.write(clone, text, (foreign,), clone.seen)


@operation(1)
def use_a_second_registry(world: World, clone: Clone, rng: Random) -> None:
    """Push to another registry, or pull from it: keys of both are in the file then."""
    if not world.other or rng.random() < 0.5:
        world.other.append((clone.text, clone.seen))
        return
    text, seen = rng.choice(world.other)
    key = make_key(OTHER_IDENTITY, len(world.other), digest(text))
    world.write(clone, text, (*clone.keys[:1], key), clone.seen | seen)


@operation(6)
def dashboard_edit(world: World, clone: Clone, rng: Random) -> None:
    _save_page(world, world.latest, None, rng, edit=True)


@operation(2)
def dashboard_restore(world: World, clone: Clone, rng: Random) -> None:
    if world.latest == 1:
        return
    number = rng.randint(1, world.latest)
    copied = world.version(number).version.message if rng.random() < 0.5 else None
    _save_page(world, number, copied, rng, edit=False)


@operation(1)
def dashboard_stale_page(world: World, clone: Clone, rng: Random) -> None:
    _save_page(world, rng.randint(max(world.latest - 2, 1), world.latest), None, rng, edit=True)


def _save_page(world: World, number: int, message: str | None, rng: Random, *, edit: bool) -> None:
    page = world.version(number)
    text, seen = page.text, page.seen | world.version(world.latest).seen
    if edit and (len(text) < 2 or rng.random() < 0.7):
        text |= {world.sentence()}
    elif edit:
        text -= {rng.choice(sorted(text))}
    world._save(text, world.oracle.settle(text, seen), message)


@operation(10)
def deploy(world: World, clone: Clone, rng: Random) -> None:
    if plan := world.deploy():
        world.publish(plan)


@operation(5)
def race(world: World, clone: Clone, rng: Random) -> None:
    """Let somebody else publish between somebody's plan and publish."""
    if rng.random() < 0.5:
        add_sentence(world, clone, rng)
    plan = world.deploy() if rng.random() < 0.3 else world.push(clone)
    if plan is None:
        return
    other = rng.choice([one for one in world.clones if one is not clone])
    if rng.random() < 0.5:
        add_sentence(world, other, rng)
    rng.choice((push, push, deploy, dashboard_edit, dashboard_restore))(world, other, rng)
    world.publish(plan)


@operation(1)
def push_twice_at_once(world: World, clone: Clone, rng: Random) -> None:
    plan = world.deploy() if rng.random() < 0.5 else world.push(clone)
    if plan is not None:
        world.publish(plan)
        world.publish(plan)


# -- walks ------------------------------------------------------------------------------------------------

Step = tuple[str, int, int]
"""The name of an operation, the clone that does it, and the seed of its choices."""


def random_steps(seed: int, number: int) -> list[Step]:
    rng = Random(seed)
    names = rng.choices([*OPERATIONS], [weight for _, weight in OPERATIONS.values()], k=number)
    return [(name, rng.randrange(3), rng.randrange(1 << 30)) for name in names]


def run(steps: Iterable[Step]) -> World:
    world = World()
    for name, who, seed in steps:
        world.say(f"{world.clones[who].name}: {name}")
        OPERATIONS[name][0](world, world.clones[who], Random(seed))
    return world


def walk(seed: int, steps: int) -> Tally:
    """Walk once, and return what was counted."""
    return run(random_steps(seed, steps)).tally


def shrunk(steps: list[Step], row: str) -> list[Step]:
    """Leave out every step that ``row`` does not need."""
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size :]
            if run(fewer).tally.counts[row]:
                steps = fewer
            else:
                at += size
        size //= 2
    return steps


# -- measuring --------------------------------------------------------------------------------------------


def measure(walks: int, steps: int, first: int) -> tuple[Tally, float]:
    total, start = Tally(), time.perf_counter()
    for seed in range(first, first + walks):
        total.add(walk(seed, steps))
    return total, (time.perf_counter() - start) / walks


def table(tally: Tally, seconds: float) -> str:
    rows: dict[str, object] = {row: f"{tally.counts[row]} ({tally.unfetched[row]})" for row in ROWS}
    rows["decisions about texts that differ"] = tally.decisions
    read = f"{tally.read / tally.asked:.2f} / {tally.fresh / tally.asked:.2f}"
    rows["versions read per decision, all / not cached yet"] = read
    rows["time per walk"] = f"{1000 * seconds:.1f} ms"
    return "".join(f"{value}  {row}\n" for row, value in rows.items())


def examples(walks: int, steps: int, first: int, rows: Sequence[str], most: int) -> Iterator[str]:
    """Yield the first walks in which one of ``rows`` was counted, without the steps that do not matter."""
    for seed in range(first, first + walks):
        if most <= 0:
            return
        taken = random_steps(seed, steps)
        counts = run(taken).tally.counts
        row = next((row for row in rows if counts[row]), None)
        if row is not None:
            most -= 1
            yield "\n".join([f"## seed {seed}: {row}", *run(shrunk(taken, row)).log, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walks", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--examples", type=int, default=0, help="print this many shrunk walks instead")
    parser.add_argument("--row", action="append", help="the start of the rows to print examples of")
    given = parser.parse_args()
    rows = [row for row in ROWS if row.startswith(tuple(given.row))] if given.row else LOST
    if not given.examples:
        sys.stdout.write(table(*measure(given.walks, given.steps, given.first)))
    for text in examples(given.walks, given.steps, given.first, rows, given.examples):
        sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
