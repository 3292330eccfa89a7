"""Which snippets a push needs, and in which order it publishes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from promptsync.core.compare import State
from promptsync.core.snippets import Reference, SnippetCycle, of_prompt, publish_order, rendered_in
from promptsync.errors import Refused
from promptsync.sync.snapshot import Snapshot

_Find = Callable[[Mapping[str, Any]], Iterable[Reference]]


def _references(snapshot: Snapshot, name: str, find: _Find) -> set[str]:
    return {reference.name for reference in find(snapshot.worktree.files[name].prompt.template)}


def levels(snapshot: Snapshot, chosen: set[str]) -> list[list[str]]:
    """Return the names in groups, each of which only uses snippets of those before it."""

    def order(find: _Find) -> list[list[str]]:
        return publish_order({name: _references(snapshot, name, find) & chosen for name in chosen})

    try:
        return order(of_prompt)
    except SnippetCycle:
        # where nothing is expanded a prompt may well mention itself
        return order(rendered_in)


def check_snippets(snapshot: Snapshot, chosen: set[str]) -> None:
    """Refuse to publish a prompt without a snippet that it uses, or without the version that it pins."""
    _check_published(snapshot, chosen)
    _check_pins(snapshot, chosen)


def _check_published(snapshot: Snapshot, chosen: set[str]) -> None:
    for name in sorted(chosen):
        for other in sorted(_references(snapshot, name, rendered_in) - chosen - set(snapshot.listing)):
            item = snapshot.get(other)
            known = item is not None and item.file is not None
            restore = "--restore " if item is not None and item.state is State.DELETED_REMOTELY else ""
            raise Refused(
                f"{name!r} uses the snippet {other!r}, which is not published",
                hint=f"promptsync push {restore}{shlex.quote(other)} {shlex.quote(name)}"
                if known
                else f"create {other!r}, or take the reference out",
                code="snippet-unpublished",
            )


def _check_pins(snapshot: Snapshot, chosen: set[str]) -> None:
    """Refuse to publish a prompt that pins a version which no snippet will have by then."""
    for name in sorted(chosen):
        for reference in rendered_in(snapshot.worktree.files[name].prompt.template):
            listed = snapshot.listing.get(reference.name)
            last = (listed.version if listed is not None else 0) + (reference.name in chosen)
            if reference.version is not None and reference.version > last:
                raise Refused(
                    f"{name!r} uses version {reference.version} of the snippet {reference.name!r}, which "
                    f"{'has' if reference.name not in chosen else 'will have'} no version after {last}",
                    hint=f"pin one that is there: promptsync log {shlex.quote(reference.name)}",
                    code="snippet-version",
                )
