"""Three versions of a prompt made into one, field by field; pure, and nothing is lost without a word.

What is merged are documents, the words of a prompt file, so that what a registry fills in plays no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from promptsync.prompt.canonical import canonical, comparable, digest, kept_references
from promptsync.prompt.document import to_document, to_prompt
from promptsync.prompt.merge_fields import FieldConflict, FieldMerger, Sides
from promptsync.prompt.prompt import Local, Prompt

TOOL_REFERENCES = "changed on both sides, and the registry shows its own tools expanded"


@dataclass(frozen=True, slots=True)
class Merge:
    """The merged prompt. Where it has conflicts, texts hold markers and other fields are ours."""

    prompt: Prompt
    conflicts: tuple[FieldConflict, ...] = ()

    @property
    def is_markable(self) -> bool:
        """Whether markers in texts show every conflict."""
        return all(conflict.markable for conflict in self.conflicts)


def merge(
    base: Prompt | None, ours: Prompt, theirs: Prompt, *, names: tuple[str, str] = ("yours", "theirs")
) -> Merge:
    """Merge what two sides made of a prompt.

    Without a ``base`` everything counts as added on both sides. ``names`` stand on the conflict markers. The
    result keeps the name of ``ours``, and its references to tools that the registry shows expanded.
    """
    found = _merged(base, ours, theirs, FieldMerger(names))
    return replace(found, prompt=replace(found.prompt, tags=_merged_tags(base, ours, theirs)))


def deciding(base: Prompt, ours: Prompt, theirs: Prompt) -> Prompt | None:
    """Merge to decide who changed what; ``None`` on a conflict. Never write the result.

    Texts that clash merge by words. Tags are those of ``ours`` and make no difference.
    """
    found = _merged(base, ours, theirs, FieldMerger(("", ""), by_words=True))
    return None if found.conflicts else replace(found.prompt, tags=ours.tags)


def _merged(base: Prompt | None, ours: Prompt, theirs: Prompt, merger: FieldMerger) -> Merge:
    """Merge all but the tags."""
    whole = _whole(base, ours, theirs)
    if whole is not None:
        return Merge(replace(whole, name=ours.name))
    before, there = _beside(ours, base, theirs)
    if before is None and base is not None:
        before, there = _with_tools_of(ours, base), _with_tools_of(ours, theirs)
        tools = (side.template.get("tools") for side in (base, ours, theirs))
        merger.conflict(("tools",), TOOL_REFERENCES, Sides(*tools))
    document = merger.document(_document(before) if before else {}, _document(ours), _document(there))
    prompt, _ = to_prompt(document, ours.name)
    return Merge(prompt, tuple(merger.conflicts))


def _whole(base: Prompt | None, ours: Prompt, theirs: Prompt) -> Prompt | None:
    """Return the side that holds all there is, if one does."""
    if digest(ours) == digest(comparable(ours, theirs)):
        return ours
    if base is None:
        return None
    if digest(base) == digest(theirs):
        return ours
    before, there = _beside(ours, base, theirs)
    return there if before is not None and digest(before) == digest(ours) else None


def _beside(ours: Prompt, base: Prompt | None, theirs: Prompt) -> tuple[Prompt | None, Prompt]:
    """Return base and theirs with our references to the registry's tools in place of what they expand to.

    The base is ``None`` where nobody can tell which of their tools a reference stands for, or without one.
    """
    if base is None:
        return None, comparable(ours, theirs)
    kept = kept_references(ours, base)
    if not kept and not kept_references(ours, theirs):
        return base, theirs
    was, their = (canonical(side)["template"].get("tools", []) for side in (base, theirs))
    if was == their:
        return _with_tools_of(ours, base), _with_tools_of(ours, theirs)
    # what a reference stood for in the base is what it stands for in theirs, wherever that is now
    places = {there: [at for at, tool in enumerate(their) if tool == was[there]] for there in kept}
    if not kept or any(len(found) != 1 for found in places.values()):
        return None, theirs
    tools = list(theirs.template["tools"])
    for there, here in kept.items():
        tools[places[there][0]] = ours.template["tools"][here]
    return comparable(ours, base), replace(theirs, template={**theirs.template, "tools": tools})


def _with_tools_of(ours: Prompt, side: Prompt) -> Prompt:
    return replace(side, template={**side.template, "tools": ours.template.get("tools")})


def _merged_tags(base: Prompt | None, ours: Prompt, theirs: Prompt) -> tuple[str, ...]:
    """Merge the tags as sets; those of ours keep their order."""
    our, their = set(ours.tags), set(theirs.tags)
    was = set(base.tags) if base is not None else our & their
    kept = ((our | their) - was) | (was & our & their)
    return tuple(dict.fromkeys(tag for tag in (*ours.tags, *theirs.tags) if tag in kept))


def _document(prompt: Prompt) -> dict[str, Any]:
    """Return the content as a file says it, but with the format at each message."""
    document = to_document(replace(prompt, tags=()), Local())
    del document["name"]
    if "messages" in document:
        shared = document.pop("template_format", None)
        document["messages"] = [_with_format(message, shared) for message in document["messages"]]
    return document


def _with_format(message: Any, shared: str | None) -> Any:
    if not isinstance(message, Mapping) or shared is None:
        return message
    return {"template_format": shared, **message}
