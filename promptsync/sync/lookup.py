"""Finds prompts of the registry by the names that somebody typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from promptsync.core.prompt import Listed
from promptsync.errors import UsageError
from promptsync.sync.gather import list_all
from promptsync.sync.project import Project


class NoSuchPrompt(UsageError):
    """There is no prompt of a name that somebody typed, in the registry or on either side."""

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
    import difflib  # most names are right

    return next(iter(difflib.get_close_matches(name, list(names), 1)), None)


def unknown(name: str, names: Iterable[str]) -> NoSuchPrompt:
    """Return the error for a name that neither side has, with the nearest one that there is."""
    close = close_name(name, names)
    hint = f"did you mean {close!r}? " if close is not None else ""
    return NoSuchPrompt(
        f"there is no prompt {name!r} in scope, here or in the registry",
        hint=f"{hint}promptsync status -v lists the prompts",
    )


def no_such_prompt(project: Project, name: str, names: Iterable[str]) -> NoSuchPrompt:
    """Return the error for a name, with the nearest one that there is, or that it is archived."""
    close = close_name(name, names)
    hint = f"did you mean {close!r}? " if close is not None else ""
    if any(item.name == name for item in project.registry.list(status="deleted", name=name)):
        hint = f"it is archived: promptsync push --restore {name} publishes the file again; "
    return NoSuchPrompt(
        f"there is no prompt {name!r} in {project.registry.url}",
        hint=f"{hint}promptsync ls-remote lists what the registry holds",
    )
