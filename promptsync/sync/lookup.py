"""Finds prompts of the registry by the names that somebody typed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from promptsync.core.prompt import Listed
from promptsync.errors import AnswerIsNo
from promptsync.sync.gather import list_all
from promptsync.sync.project import Project


class NoSuchPrompt(AnswerIsNo):
    """The registry has no prompt of that name."""

    code = "not-found"


def find_prompt(project: Project, name: str) -> Listed:
    """Return the active prompt of a name at its latest version. Raises ``NoSuchPrompt``."""
    found = peek_prompt(project, name)
    if found is not None:
        return found
    # some registries match names in ways of their own, and a hint needs the other names anyhow
    return in_listing(project, name, {item.name: item for item in list_all(project)})


def peek_prompt(project: Project, name: str) -> Listed | None:
    """Return the active prompt of a name, ``None`` when a search for it does not find it."""
    registry = project.registry
    found = next((item for item in registry.list(name=name) if item.name == name), None)
    if found is not None:
        # A prompt that is named like this one's id would be taken for it: the client has to have seen it.
        registry.list(name=str(found.template_id))
    return found


def in_listing(project: Project, name: str, listing: Mapping[str, Listed]) -> Listed:
    """Return the prompt of a name from the list of all. Raises ``NoSuchPrompt``."""
    found = listing.get(name)
    if found is None:
        raise no_such_prompt(project, name, listing)
    return found


def close_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that somebody may have meant, ``None`` when nothing comes near."""
    return next(iter(difflib.get_close_matches(name, list(names), 1)), None)


def no_such_prompt(project: Project, name: str, names: Iterable[str]) -> NoSuchPrompt:
    """Return the error for a name, with the nearest one that there is, or that it is archived."""
    close = close_name(name, names)
    hint = f"did you mean {close!r}? " if close is not None else ""
    if any(item.name == name for item in project.registry.list(status="deleted", name=name)):
        hint = f"it is archived: promptsync push --restore {name} publishes the file again; "
    return NoSuchPrompt(
        f"{project.registry.url} has no prompt {name!r}",
        hint=f"{hint}promptsync ls-remote lists what the registry holds",
    )
