"""Who changed what, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from promptsync.core.compare import State
from promptsync.files.problems import text_of
from promptsync.output import count, table
from promptsync.showing.markdown.page import MOST, Page

if TYPE_CHECKING:
    from promptsync.sync.snapshot import Item, Snapshot


def status_markdown(
    snapshot: Snapshot, passed_over: Mapping[str, Sequence[int]] = MappingProxyType({}), *, most: int = MOST
) -> list[str]:
    """Return the prompts that are not in sync, one line each, what was passed over, and unreadable files."""
    page = Page(most)
    counts = Counter(item.state for item in snapshot.items)
    told = ", ".join(f"{number} {state}" for state, number in sorted(counts.items())) or "no prompts"
    page.say(f"**{told}**")
    changed = [item for item in snapshot.items if item.state is not State.IN_SYNC]
    if changed:
        page.fence(table([_row(item) for item in changed]))
    if passed_over:
        page.say(f"**{count(len(passed_over), 'prompt')} with versions that were passed over**")
        page.fence(f"{name}  {', '.join(f'v{one}' for one in found)}" for name, found in passed_over.items())
    if snapshot.problems:
        page.say(f"**{count(len(snapshot.problems), 'problem')} in files that cannot be read**")
        page.fence(text_of(problem) for problem in snapshot.problems)
    return page.lines


def _row(item: Item) -> tuple[str, ...]:
    version = f"v{item.version}" if item.version is not None else "-"
    base = item.base.version if item.base is not None else None
    if base is not None and item.version is not None and base != item.version:
        version = f"v{base} -> v{item.version}"
    return (str(item.state), item.name, version, item.path or "")
