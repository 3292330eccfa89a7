"""The base: the newest version of the registry that a local file is known to include.

What a lock file would hold is already in two histories. Git knows each revision of the file, the registry
each version; what ties them together is, in this order of strength,

1. a mark: a version whose message ends in its own number and a commit that ``HEAD`` reaches agrees with the
   file of that commit, and with what a commit that took its place here was made from (an amended one, as
   the reflog tells). A mark of uncommitted text, ``1a2b3c4+``, does so with the first later revision that
   holds that very text. While there is none, the text may include that draft or not: it is in doubt, and
   counts as changed on both sides. A version that was forced over others carries such a mark too; it counts
   where no lower version came in with newer text, for else it brought old text back;
2. ``pulled:`` in the working file or in a revision: that text includes that version. Uncommitted it decides
   alone, for somebody may have put old text there on purpose to look at it, the very version that ``HEAD``
   names included. It counts for nothing where a version up to it was made from a text that says it already:
   then it came with a copied file, from a former name or from another registry;
3. the record that this working copy keeps of a push of uncommitted text, while the file descends from it:
   it is on the same revision with text of its own, or a commit made here afterwards went on from there;
4. alignment: what neither tells is found by the longest common subsequence of the two histories *after* the
   newest of these ties. A text that was merely seen at some time is no tie: restored and reverted texts mean
   different things at different places in the order. So a version without a mark of its own that repeats a
   text from before the tie is left out.

Tags have no versions. Where nobody saw the tags of the base, tags that differ count as changed on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from promptsync.core.common import aligned
from promptsync.core.foreign import without_foreign
from promptsync.core.lineage import LocalHistory, Pushed, Read, Revision, Tags, Text, Tie, Version
from promptsync.core.marks import marked
from promptsync.core.told import record_holds, told, uncommitted

__all__ = ["Base", "LocalHistory", "Pushed", "Revision", "Tags", "Text", "Version", "find_base"]


@dataclass(frozen=True, slots=True)
class Base:
    """The text that agrees with ``version``: its ``digest``, and its ``tags`` or ``None`` where nobody knows.

    ``version_digest`` is that of the version as the registry keeps it, ``kept_tags`` are the tags that it was
    seen to keep. ``seen_tags`` are those of the revision that brought the version in, which somebody may have
    edited before the commit. ``doubtful`` says that the local text may well include a newer version that was
    pushed uncommitted, and nobody can tell. ``certain`` is false when history that cannot be seen (a shallow
    clone) might hold a newer base.
    """

    version: int
    digest: str
    version_digest: str
    tags: Tags | None
    how: str
    seen_tags: Tags | None = None
    kept_tags: Tags | None = None
    certain: bool = True
    doubtful: bool = False


def find_base(local: LocalHistory, tracked: Version, read: Read) -> Base | None:
    """Return the base of a prompt, or ``None`` when the two sides have nothing in common.

    ``tracked`` is the version that stands for the registry. ``read`` returns an older version by its number,
    or ``None`` when the registry no longer has it; it is asked for as few as the answer needs, newest first.
    """
    versions = {tracked.number: tracked}

    def version(number: int) -> Version | None:
        if number not in versions:
            found = read(number)
            if found is None:
                return None
            versions[number] = found
        return versions[number]

    local = without_foreign(local, version, tracked.number)
    own = uncommitted(local, version, tracked.number)
    if own is not None:
        return _settle(own, version, tracked, local)
    tie, drafts = marked(local, version, tracked.number, told(local, tracked.number))
    if tie is None or tie.version < tracked.number:
        tie = aligned(local, version, tracked.number, tie) or tie
    base = _settle(tie, version, tracked, local) if tie is not None else None
    if base is None or tie is None:
        return None
    doubtful = any(draft.version > tie.version or draft.position <= tie.position for draft in drafts)
    return replace(base, doubtful=doubtful)


def _settle(tie: Tie, read: Read, tracked: Version, local: LocalHistory) -> Base | None:
    found = read(tie.version)
    if found is None and tie.digest is None:
        return None
    version_digest = found.digest if found is not None else ""
    tags, kept, record = tie.tags, None, local.record
    if record is not None and record.version == tie.version:
        if tags is None and (tie.how == "materialised" or record_holds(local, record)):
            tags = record.tags
        if tags == record.tags:
            kept = record.kept_tags
    return Base(
        version=tie.version,
        digest=tie.digest or version_digest,
        version_digest=version_digest,
        tags=tags,
        how=tie.how,
        seen_tags=tie.seen_tags,
        kept_tags=kept,
        certain=tie.version == tracked.number or tie.how == "materialised",
    )
