"""The prompts of the registry by name and by id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptsync.project.project import Project
from promptsync.prompt.version import Version


def list_all(project: Project, *, label: str | None = None) -> list[Version]:
    """Return every prompt in the registry's list, with tags if it stores any."""

    def on_page(done: int, pages: int) -> None:
        project.progress("Listing the registry", done, pages)

    return project.registry.prompts.list(label=label, with_tags=True, on_page=on_page)


class Catalog(Mapping[str, Version]):
    """The active prompts of the registry by name.

    A name costs one search. The whole list is read when somebody iterates, and then only once.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._found: dict[str, Version | None] = {}
        self._all: dict[str, Version] | None = None

    def __getitem__(self, name: str) -> Version:
        found = self._all.get(name) if self._all is not None else self._searched(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._listing())

    def __len__(self) -> int:
        return len(self._listing())

    def ids(self) -> dict[str, str]:
        """Return the names of all prompts by their ids in digits."""
        return {str(item.template_id): name for name, item in self._listing().items()}

    def _searched(self, name: str) -> Version | None:
        if name not in self._found:
            prompts = self._project.registry.prompts
            found = next((item for item in prompts.list(name=name) if item.name == name), None)
            if found is not None:
                # Requests use the id in the path, where a registry may also find a prompt that is named
                # "71". The client can avoid that only if it has seen such a name.
                prompts.list(name=str(found.template_id))
            self._found[name] = found
        return self._found[name]

    def _listing(self) -> dict[str, Version]:
        if self._all is None:
            self._all = {item.name: item for item in list_all(self._project)}
        return self._all
