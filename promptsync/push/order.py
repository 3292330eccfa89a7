"""In which order snippets and their users are published, and whether every snippet will exist by then."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from promptsync.compare.conflict import edit, reason, where
from promptsync.compare.snapshot import Snapshot
from promptsync.compare.state import State
from promptsync.errors import Refused
from promptsync.project.project import Project
from promptsync.prompt.snippet_graph import follows_text, parents, publish_order
from promptsync.prompt.snippets import Reference, SnippetCycle, of_prompt, rendered_in
from promptsync.push.actions import PUBLISHING, Action, PushOptions, SkippedPrompt

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
        # A reference in a place that is not rendered, even to the prompt itself, is harmless there. Only
        # the rendered ones must be free of cycles.
        return order(rendered_in)


def users_of_conflicts(
    snapshot: Snapshot, actions: Iterable[Action], options: PushOptions
) -> dict[str, SkippedPrompt]:
    """Return the prompts that cannot be published because a snippet that they use has conflict markers.

    A prompt that pins a version of the snippet can be published. Raises ``Refused`` if there are any that
    cannot, unless the push is partial.
    """
    marked = {item.name: item for item in snapshot.of(State.CONFLICT)}
    if not marked:
        return {}
    texts = {name: rendered_in(file.prompt.template) for name, file in snapshot.worktree.files.items()}
    ways = parents(texts, dict.fromkeys(marked, follows_text))
    users = {
        one.name: marked[ways[one.name][-1]] for one in actions if one.kind in PUBLISHING and one.name in ways
    }
    found = {name: f"uses the snippet {item.name!r}, which {reason(item)}" for name, item in users.items()}
    if found and not options.partial:
        name = min(found)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        message = f"{name!r} {found[name]}{more}; nothing was published"
        raise Refused(message, hint=edit(where(users[name])), code="conflict-markers")
    states = {item.name: item.state for item in snapshot.items}
    return {name: SkippedPrompt(name, states[name], why, blocks=True) for name, why in found.items()}


def check_snippet_labels(project: Project, snapshot: Snapshot, actions: Sequence[Action]) -> None:
    """Raise ``Refused`` for a prompt that refers to a published snippet by a label that the snippet lacks.

    The registry rejects such a prompt. A new snippet gets the labels by which others refer to it.
    """
    given = {one.name: {*one.labels, *one.referred_labels} for one in actions}
    wanted = sorted(
        (reference.label, action.name, reference.name)
        for action in actions
        if action.kind in PUBLISHING
        for reference in rendered_in(snapshot.worktree.files[action.name].prompt.template)
        if reference.label is not None and reference.label not in given.get(reference.name, ())
    )
    labels = {label for label, _, _ in wanted}
    having = {label: {one.name for one in project.registry.prompts.list(label=label)} for label in labels}
    for label, name, snippet in wanted:
        if snippet in snapshot.listing and snippet not in having[label]:
            raise Refused(
                f"{name!r} uses the snippet {snippet!r} at the label {label!r}, which it does not have",
                hint=f"promptsync label set {shlex.quote(snippet)} {shlex.quote(label)}",
                code="snippet-label",
            )


def check_snippets(snapshot: Snapshot, chosen: set[str]) -> None:
    """Raise ``Refused`` for a prompt that uses a snippet, or a version of one, that will not exist."""
    for name in sorted(chosen):
        for other in sorted(_references(snapshot, name, rendered_in) - chosen - set(snapshot.listing)):
            item = snapshot.get(other)
            hint = f"create {other!r} or remove the reference"
            if item is not None and item.file is not None:
                hint = f"promptsync push {shlex.join([other, name])}"
                if item.state is State.DELETED_REMOTELY:
                    hint = f"promptsync push {shlex.quote(other)} --restore"
            raise Refused(
                f"{name!r} uses the snippet {other!r}, which is not published",
                hint=hint,
                code="snippet-unpublished",
            )
    for name in sorted(chosen):
        for reference in rendered_in(snapshot.worktree.files[name].prompt.template):
            listed = snapshot.listing.get(reference.name)
            # This push adds one version to each prompt that it publishes.
            last = (listed.version if listed is not None else 0) + (reference.name in chosen)
            if reference.version is not None and reference.version > last:
                raise Refused(
                    f"{name!r} uses version {reference.version} of the snippet {reference.name!r}, which "
                    f"{'has' if reference.name not in chosen else 'will have'} no version after {last}",
                    hint=f"promptsync log {shlex.quote(reference.name)}",
                    code="snippet-version",
                )
