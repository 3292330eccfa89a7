"""The three-way merge of a prompt and of its tags. Nothing is lost without a conflict.

It merges documents, which have the keys of a prompt file, so that what a registry fills in plays no part.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.prompt.canonical import canonical, comparable, digest, encode, kept_references
from promptsync.prompt.document import to_document, to_prompt
from promptsync.prompt.merge_fields import FieldConflict, FieldMerger, ThreeWay
from promptsync.prompt.prompt import Local, Prompt
from promptsync.prompt.tags import merged_tags

TOOL_REFERENCES: Final = "changed on both sides, and the registry shows its own tools expanded"


class Merge(Struct, frozen=True):
    """A merged prompt. Where there are conflicts, texts have conflict markers and other fields are ours."""

    prompt: Prompt
    conflicts: tuple[FieldConflict, ...] = ()


def merge(
    base: Prompt | None, ours: Prompt, theirs: Prompt, *, names: tuple[str, str] = ("yours", "theirs")
) -> Merge:
    """Merge two prompts that were made from ``base``.

    Without a ``base``, everything counts as added on both sides. ``names`` label the conflict markers. The
    result has the name of ``ours``, and its references to tools that the registry returns expanded.
    """
    merged = _merged(base, ours, theirs, FieldMerger(names))
    our, their = frozenset(ours.tags), frozenset(theirs.tags)
    kept = merged_tags(frozenset(base.tags) if base is not None else our & their, our, their)
    tags = tuple(dict.fromkeys(tag for tag in (*ours.tags, *theirs.tags) if tag in kept))
    return replace(merged, prompt=replace(merged.prompt, tags=tags))


def deciding(base: Prompt, ours: Prompt, theirs: Prompt) -> Prompt | None:
    """Merge only to decide which side changed what; ``None`` on a conflict. Never write the result.

    Texts that conflict are merged word by word. The result has the tags of ``ours``, which decide nothing.
    """
    merged = _merged(base, ours, theirs, FieldMerger(("", ""), by_words=True))
    return None if merged.conflicts else replace(merged.prompt, tags=ours.tags)


def _merged(base: Prompt | None, ours: Prompt, theirs: Prompt, merger: FieldMerger) -> Merge:
    """Merge everything except the tags."""
    whole = _whole(base, ours, theirs)
    if whole is not None:
        return Merge(replace(whole, name=ours.name))
    before, there = _beside(ours, base, theirs)
    # It is unknown what became of our references, so our tools stay, with one conflict about all of them.
    if before is None and base is not None:
        before = _with_tools_of(ours, base)
        tools = (side.template.get("tools") for side in (base, ours, theirs))
        merger.conflict(("tools",), TOOL_REFERENCES, ThreeWay(*tools))
    document = merger.document(_document(before) if before else {}, _document(ours), _document(there))
    prompt, _ = to_prompt(document, ours.name)
    return Merge(prompt, tuple(merger.conflicts))


def _whole(base: Prompt | None, ours: Prompt, theirs: Prompt) -> Prompt | None:
    """Return the side that includes all changes, if there is one."""
    if digest(ours) == digest(comparable(ours, theirs)):
        return ours
    if base is None:
        return None
    if digest(base) == digest(theirs):
        return ours
    before, there = _beside(ours, base, theirs)
    return there if before is not None and digest(before) == digest(ours) else None


def _beside(ours: Prompt, base: Prompt | None, theirs: Prompt) -> tuple[Prompt | None, Prompt]:
    """Return base and theirs with our references to the registry's tools instead of the expanded tools.

    The base is ``None`` if there is none, or if they have other tools by now, so that it is unknown which of
    these our references stand for.
    """
    if base is None:
        return None, comparable(ours, theirs)
    if not kept_references(ours, base) and not kept_references(ours, theirs):
        return base, theirs
    was, now = (encode(canonical(side)["template"].get("tools", [])) for side in (base, theirs))
    return (_with_tools_of(ours, base) if was == now else None), _with_tools_of(ours, theirs)


def _with_tools_of(ours: Prompt, side: Prompt) -> Prompt:
    return replace(side, template={**side.template, "tools": ours.template.get("tools")})


def _document(prompt: Prompt) -> dict[str, Any]:
    """Return the content as in a prompt file, but with a template format in each message."""
    document = to_document(replace(prompt, tags=()), Local())
    del document["name"]
    if "messages" in document:
        shared = document.pop("template_format", None)
        first = {"template_format": shared} if shared is not None else {}
        # The shared format is that of most messages, so it may differ although only one message changed.
        document["messages"] = [{**first, **message} for message in document["messages"]]
    return document
