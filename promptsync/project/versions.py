"""The prompts of the registry by name and by id, and their versions by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptsync.parallel import MOST_REQUESTS, mapped
from promptsync.project.project import Project
from promptsync.prompt.prompt import Version
from promptsync.registry.errors import NotFound, UnusablePrompt

_BATCH = MOST_REQUESTS
"""How many versions are requested before it is known how many of them exist."""


def list_all(project: Project, *, label: str | None = None) -> list[Version]:
    """Return every prompt in the registry's list, with tags if it stores any."""

    def on_page(done: int, pages: int) -> None:
        project.progress("Listing the registry", done, pages)

    return project.registry.prompts.list(label=label, with_tags=True, on_page=on_page)


class Catalog(Mapping[str, Version]):
    """The active prompts of the registry by name.

    A name costs one search. Iterating reads the whole list, once.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._found: dict[str, Version | None] = {}
        self._all: dict[str, Version] | None = None

    def __getitem__(self, name: str) -> Version:
        version = self._all.get(name) if self._all is not None else self._searched(name)
        if version is None:
            raise KeyError(name)
        return version

    def __iter__(self) -> Iterator[str]:
        return iter(self._listing())

    def __len__(self) -> int:
        return len(self._listing())

    def _searched(self, name: str) -> Version | None:
        if name not in self._found:
            prompts = self._project.registry.prompts
            version = next((item for item in prompts.list(name=name) if item.name == name), None)
            if version is not None:
                # Requests use the id in the path, where a registry may also find a prompt that is named
                # "71". The client can avoid that only if it has seen such a name.
                prompts.list(name=str(version.template_id))
            self._found[name] = version
        return self._found[name]

    def _listing(self) -> dict[str, Version]:
        if self._all is None:
            self._all = {item.name: item for item in list_all(self._project)}
        return self._all


def read_version(project: Project, listed: Version, number: int, *, fresh: bool = False) -> Version | None:
    """Return a version of a prompt, ``None`` when the registry does not have it.

    ``fresh`` reads it again although the cache has it.
    """
    prompts = project.registry.prompts
    try:
        return prompts.get(listed.template_id, listed.name, version=number, fresh=fresh)
    except NotFound:
        return None


def read_usable(project: Project, listed: Version, number: int, *, fresh: bool = False) -> Version | None:
    """Return a version of a prompt, ``None`` if it does not exist or no file can hold it."""
    try:
        return read_version(project, listed, number, fresh=fresh)
    except UnusablePrompt:
        return None


def read_versions(
    project: Project, listed: Version, limit: int | None = None, *, newest: int | None = None
) -> list[Version]:
    """Return ``limit`` versions of a prompt from ``newest`` (default: the latest) down.

    Versions that the registry has lost are left out.
    """
    versions: list[Version] = []
    number = listed.version if newest is None else newest
    count = _BATCH if limit is None else min(_BATCH, limit)
    while number > 0 and count > 0:
        numbers = range(number, max(number - count, 0), -1)
        read = mapped(lambda number: read_usable(project, listed, number), numbers)
        versions += [version for version in read if version is not None]
        number -= count
        count = _BATCH if limit is None else min(_BATCH, limit - len(versions))
        project.progress("Reading versions", len(versions), listed.version if limit is None else limit)
    return versions
