"""Which side changed a prompt: the relation of its two sides, their base, and what a push or pull records.

Also which versions were passed over: neither the latest version nor your files include them.
"""

from __future__ import annotations

import msgspec

from promptsync.history.graph import Graph, Includes, Missing, Revision, Tags
from promptsync.prompt.prompt import State

_MOST_AT_ONCE = 16
"""How many versions each round reads at most, until a common one is found."""


class Base(msgspec.Struct, frozen=True):
    """The newest text that both sides include.

    ``version`` is the newest version with this text, ``None`` if only git has it. ``tags`` are the prompt's
    tags at that time, ``None`` if they are unknown.
    """

    digest: str
    version: int | None
    tags: Tags | None


class Decision(msgspec.Struct, frozen=True):
    """Which side changed what. All numbers are version numbers, newest first.

    ``push`` are the parents of a version published now, ``force`` those of a version forced over the latest.
    ``pull`` are the versions that a text includes once the tracked version is pulled into it. ``is_included``
    says that the file already includes the tracked version.
    """

    relation: State
    base: Base | None
    push: tuple[int, ...]
    force: tuple[int, ...]
    pull: tuple[int, ...]
    is_included: bool


class PassedOver(msgspec.Struct, frozen=True):
    """A version that neither the latest version nor your files include.

    ``numbers`` are itself and the other passed-over versions that it includes. ``base`` is the digest of the
    text from which its changes are merged into the file, ``None`` if there is no common text. ``edits`` are
    those of the ``numbers`` that nobody pushed: they were saved in the dashboard.
    """

    version: int
    numbers: tuple[int, ...]
    base: str | None
    edits: tuple[int, ...]


def decide(graph: Graph) -> Decision:
    """Return which side changed what. Raises ``Missing`` with what must be read first."""
    common = _find_common(graph)
    of_file, of_tracked = graph.of_file, graph.includes(graph.tracked)
    relation, base = _relation(graph, graph.heads(common), of_file, of_tracked)
    return Decision(
        relation,
        base,
        push=graph.heads(of_file | graph.includes(graph.latest)),
        force=graph.heads(of_file),
        pull=graph.heads(of_file | of_tracked),
        is_included=graph.tracked in of_file,
    )


def passed_over(graph: Graph) -> tuple[PassedOver, ...]:
    """Return the heads of the passed-over versions, oldest first.

    Every version down to the first is needed: raises ``Missing`` until they are read.
    """
    graph.look_from(1)
    included = graph.of_file | graph.includes(graph.latest)
    not_included = frozenset(graph.window) - included
    heads = []
    for head in sorted(graph.heads(not_included)):
        common = graph.heads(graph.includes(head) & included)
        revision = shared_in_git(graph, head, frozenset(common)) if common else None
        base = revision.digest if revision is not None else None
        # Of several common versions none has all that both sides have.
        if base is None and len(common) == 1:
            base = graph.digest(common[0])
        if base is not None and base not in graph.contents:
            raise Missing(texts=[base])
        numbers = graph.includes(head) & not_included
        edits = tuple(number for number in sorted(numbers) if graph.own_mark(number) is None)
        heads.append(PassedOver(head, tuple(sorted(numbers)), base, edits))
    return tuple(heads)


def _find_common(graph: Graph) -> Includes:
    """Return the versions that both sides include, of a window that is large enough to compare them.

    The window reaches from the latest version down to the newest common one, and covers all versions that
    this one or a later one passed over. Raises ``Missing`` until these are read.
    """
    floor = graph.latest
    graph.version(floor)
    # The window is everything that was read so far without a gap.
    while floor > 1 and floor - 1 in graph.versions:
        floor -= 1
    graph.look_from(floor)
    included = graph.of_file & graph.includes(graph.tracked)
    # Without a key and without a commit, no further version can turn out to be common.
    if not graph.lineage.revisions and (graph.file is None or not graph.file.keys):
        return included
    newest = max(included, default=0)
    if newest == 0 and floor > 1:
        # Steps grow, so that the usual case reads few versions and a long search takes few rounds.
        step = min(graph.latest - floor + 1, _MOST_AT_ONCE)
        raise Missing(versions=range(max(floor - step, 1), floor))
    # A version passed over those between itself and its newest parent.
    passed_over = min(
        (graph.parents(number)[0] + 1 for number in graph.window if number >= newest), default=1
    )
    lowest = max(min(passed_over, newest, graph.tracked), 1)
    if lowest < floor:
        raise Missing(versions=range(lowest, floor))
    return included


def _relation(
    graph: Graph, common: tuple[int, ...], of_file: Includes, of_tracked: Includes
) -> tuple[State, Base | None]:
    tracked, theirs = graph.tracked, graph.digest(graph.tracked)
    ours = graph.file.digest if graph.file is not None else None
    if ours == theirs:
        return State.IN_SYNC, _base_at(graph, tracked, of_file)
    if graph.file is not None and graph.was_sent_as(graph.file, tracked):
        return State.ALTERED, _base_at(graph, tracked, of_file)
    # The registry's side has nothing new.
    if tracked in of_file:
        return State.AHEAD, _base_at(graph, tracked, of_file)
    # Without a common version or one of the texts there is nothing to merge.
    if not common or ours is None or theirs is None:
        return State.DIVERGED, _base_at(graph, common[0], of_file) if common else None
    base = _base_in_git(graph, frozenset(common), of_tracked - of_file)
    if base is None:
        base = _base_at(graph, common[0], of_file)
        if len(common) > 1:
            return State.DIVERGED, base
    # The file includes a version that the tracked one does not, so neither side builds on the other.
    fork = bool(of_file - of_tracked)
    if fork and theirs == base.digest:
        # The registry's side reverted the file's version on purpose, so the file must not simply win.
        return State.DIVERGED, base
    result = graph.merged(base.digest, ours, theirs)
    if result == ours:
        return State.AHEAD, base
    if result == theirs and not fork:
        return State.BEHIND, base
    return State.DIVERGED, base


def _base_in_git(graph: Graph, common: Includes, above: Includes) -> Base | None:
    """Return a newer common text from git: the tracked version was made on top of the commit in its mark."""
    # A file that shows an old version does not build on what HEAD has.
    if graph.shows_old_version:
        return None
    for number in sorted(above - {0}, reverse=True):
        mark = graph.own_mark(number)
        if mark is not None and mark.commit and graph.place(mark.commit) is not None:
            revision = shared_in_git(graph, number, common)
            if revision is None or revision.digest is None:
                return None
            same = (head for head in graph.heads(common) if graph.digest(head) == revision.digest)
            return Base(revision.digest, next(same, None), revision.tags)
    return None


def shared_in_git(graph: Graph, number: int, common: Includes) -> Revision | None:
    """Return the newest revision that ``HEAD`` and a version's commit share, if it includes ``common``.

    The version was made on top of it. ``None`` if ``HEAD`` reaches the commit itself.
    """
    mark, lineage = graph.own_mark(number), graph.lineage
    place = graph.place(mark.commit) if mark is not None and mark.commit else None
    if mark is None or place is None or (not mark.dirty and place in lineage.of_head):
        return None
    # The newest one that both reach, like git's merge base.
    shared = max(lineage.of_head & lineage.reached(place), default=None)
    return lineage.revisions[shared] if shared is not None and common <= graph.at(shared) else None


def _base_at(graph: Graph, version: int, of_file: Includes) -> Base:
    """Return a version with its tags, or those of the newest version before it whose tags are known."""
    before = sorted((graph.includes(version) & of_file) - {0, version}, reverse=True)
    known = (_tags_at(graph, number) for number in (version, *before))
    tags = next((tags for tags in known if tags is not None), None)
    return Base(graph.digest(version) or "", version, tags)


def _tags_at(graph: Graph, version: int) -> Tags | None:
    """Return the tags that came into the file with the key of a version, or that it was published with.

    Tags have no versions, so a pull may bring tags that were changed since the version was published.
    """
    revisions, of_head = graph.lineage.revisions, graph.lineage.of_head
    with_key = [place for place in of_head if any(key.version == version for key in revisions[place].keys)]
    # Later revisions keep the key, whatever tags they add.
    place = min(with_key) if with_key else graph.published_from(version)
    return revisions[place].tags if place is not None else None
