"""What a changed set looks like, for people and programs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from promptsync.compare.changed import Changed, ChangedPrompt, Kind
from promptsync.compare.state import State
from promptsync.files.errors import text_of
from promptsync.show.markdown import MOST, Page
from promptsync.terminal import output
from promptsync.terminal.output import count, table

if TYPE_CHECKING:
    from promptsync.compare.snapshot import Item, Snapshot

_COLOURS = {
    Kind.ADDED: "added",
    Kind.CHANGED: "warn",
    Kind.RENAMED: "warn",
    Kind.DELETED: "removed",
    Kind.DEPENDANT: "remote",
}
_ID = re.compile(r"[0-9a-f]{40,64}")


def since_text(changed: Changed) -> str:
    """Return what was compared with, as ``origin/main (1a2b3c4)``."""
    if changed.commit is None:
        return "the first commit"
    commit = changed.commit[:7]
    if _ID.fullmatch(changed.since):
        return commit
    since = _ID.sub(lambda found: found[0][:7], output.name(changed.since))
    return f"{since} ({commit})"


def changed_lines(changed: Changed) -> list[str]:
    """Return the set as lines."""
    if not changed.prompts:
        return [f"no prompt changed since {since_text(changed)}"]
    return [
        f"changed since {since_text(changed)}:",
        *output.table(
            (f"  {output.style(one.kind, _COLOURS[one.kind])}", output.name(one.name), _remark(one))
            for one in changed.prompts
        ),
    ]


def changed_body(changed: Changed) -> dict[str, object]:
    """Return the set as keys of a JSON document."""
    return {
        "since": changed.since,
        "since_commit": changed.commit,
        "changed": [_body(one) for one in changed.prompts],
    }


def _remark(one: ChangedPrompt) -> str:
    if one.old_name is not None:
        return f"was {output.name(one.old_name)}"
    if one.through:
        return f"through {', '.join(map(output.name, one.through))}"
    return output.safe(one.path or "")


def _body(one: ChangedPrompt) -> dict[str, object]:
    return {
        "name": one.name,
        "kind": str(one.kind),
        "path": one.path,
        "old_name": one.old_name,
        "through": list(one.through),
    }


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
