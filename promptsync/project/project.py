"""A working copy and its registry: what every action of the library starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

from msgspec import structs

from promptsync.errors import PromptsyncError, UsageError
from promptsync.files.cache import Cache, Record
from promptsync.files.config import Config, is_possible, parse
from promptsync.files.disk import DIRECTORY, check_private, private_directory, real_path
from promptsync.files.evaluation import load_evaluations
from promptsync.files.git.repository import Repository
from promptsync.files.git.revisions import Revisions
from promptsync.history.mark import Key, parse_key
from promptsync.parallel import for_each, mapped
from promptsync.prompt.evaluation import EvaluationFile
from promptsync.prompt.prompt import Local
from promptsync.registry.address import LOCAL, address
from promptsync.registry.protocol import Registry, Timeouts

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are (0: unknown)."""


@dataclass
class Project:
    """One working copy with one remote. ``remote`` is the remote's name in the config, or its URL.

    Use it as a context manager: it connects when the registry is first needed, and closes at the end.
    ``model`` answers in evaluations and agents where the registry is an embedded one, an echo if ``None``;
    ``model_keys`` are keys for its ``models:`` by name.
    """

    config: Config
    remote: str
    url: str
    api_key: str | None = None
    fixtures: Path | None = None
    model: Any = None
    progress: Progress = lambda what, done, total: None
    on_wait: Callable[[str], None] | None = None
    timeouts: Timeouts | None = None
    jobs: int | None = None
    """The most requests at once, ``None`` for the default."""
    given_directory: Path | None = None
    """The directory that paths in arguments are relative to, ``None`` for the root."""
    model_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    read_only: bool = False
    """Whether the registry refuses everything that writes; checks still run."""
    _registry: Registry | None = field(default=None, init=False, repr=False)

    @property
    def root(self) -> Path:
        return self.config.root

    @property
    def registry(self) -> Registry:
        """The registry of the remote. Raises ``UsageError`` or ``RemoteError`` if it cannot be opened."""
        if self._registry is None:
            self._registry = connect(self)
        return self._registry

    @cached_property
    def evaluations(self) -> tuple[EvaluationFile, ...]:
        """The evaluation files of the working copy. Raises InvalidFile, with everything wrong in them."""
        return load_evaluations(self.root)

    @cached_property
    def _repository(self) -> Repository | None:
        return Repository.find(self.root, self.config.prompts)

    @cached_property
    def history(self) -> Repository | None:
        """The git history of the working copy, ``None`` outside of git. Loads git on first use.

        Raises ``Refused`` where git does not have or watch each file: submodules, sparse checkouts.
        """
        if self._repository is not None:
            self._repository.check_index()
        return self._repository

    @cached_property
    def committed_config(self) -> Config | None:
        """The configuration that ``HEAD`` has, ``None`` without one that can be read. Loads git."""
        path = self.config.path
        try:
            git = self._repository
            if git is None:
                return None
            return parse(path, git.run("cat-file", "blob", f"HEAD:{git.prefix}{path.name}"))
        except PromptsyncError:  # a rollback must not need git
            return None

    def governs(self, label: str) -> bool:
        """Whether only ``deploy`` moves a label: an edit that is not committed must not release it."""
        return any(config.governs(label) for config in self._configs())

    @property
    def guarded_labels(self) -> frozenset[str]:
        """The labels in ``labels:``, here or at ``HEAD``."""
        return frozenset(label for config in self._configs() for label in config.labels.values())

    @property
    def is_guarding(self) -> bool:
        """Whether any label is governed, here or at ``HEAD``."""
        return any(config.is_guarding for config in self._configs())

    def _configs(self) -> Iterator[Config]:
        """Yield the configuration of the files, and then that of ``HEAD``, which loads git."""
        yield self.config
        if self.committed_config is not None:
            yield self.committed_config

    @cached_property
    def revisions(self) -> Revisions | None:
        """The git revisions of the prompts, ``None`` outside of git."""
        return (
            Revisions(self.history, self.config.prompts, self.keys_in) if self.history is not None else None
        )

    def keys_in(self, synced: Mapping[str, Sequence[str]]) -> tuple[Key, ...]:
        """Return the versions of this remote that a file includes, by its ``synced:``."""
        # ``synced: 7-3fa9c1a`` without a remote means the default one; it is read under the key "".
        plain = synced.get("", ()) if self.is_default_remote else ()
        return tuple(key for text in synced.get(self.remote, plain) if (key := parse_key(text)) is not None)

    def with_keys(self, local: Local, keys: Sequence[Key]) -> Local:
        """Return the local part of a file, with ``keys`` for this remote."""
        synced = dict(local.synced)
        texts = tuple(str(key) for key in sorted(keys, key=lambda key: -key.version))
        if self.is_default_remote and set(synced) <= {""}:
            return structs.replace(local, synced={"": texts})
        # With a second remote, the plain keys move under the name of the default one.
        plain = synced.pop("", None)
        if plain is not None:
            synced.setdefault(self.config.default_remote, plain)
        return structs.replace(local, synced={**synced, self.remote: texts})

    @property
    def database(self) -> Path:
        """The database of the embedded registry, for a ``local:`` remote."""
        path = self.url.removeprefix(LOCAL)
        # Links to the directory are followed. The registry refuses a database file that is a link.
        place = self.root / (path or f"{DIRECTORY}/registry.db")
        return real_path(place.parent) / place.name

    @property
    def record_url(self) -> str:
        """The URL by which cache and record identify the remote."""
        return f"{LOCAL}{self.database}" if self.url.startswith(LOCAL) else address(self.url).base

    def record(self) -> Record:
        """The record of pushes and pulls of this working copy."""
        return Record(self.root)

    @property
    def title(self) -> str:
        """The remote for people: its name and where it is."""
        where = "embedded registry" if self.url.startswith(LOCAL) else self.url
        return f"{self.remote} ({where})" if self.remote != self.url else self.url

    @property
    def is_default_remote(self) -> bool:
        return self.remote == self.config.default_remote

    def mapped(self, what: str, do: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """Return the results of ``do``, which only reads, for many items at once, and report the progress."""
        waiting, numbers = list(items), count(1)

        def do_and_report(item: _Item) -> _Result:
            result = do(item)
            self.progress(what, next(numbers), len(waiting))
            return result

        return mapped(do_and_report, waiting)

    def for_each(
        self, do: Callable[[_Item], None], items: Iterable[_Item], *, width: int | None = None
    ) -> None:
        """Call ``do``, which writes, with each item, ``width`` or as many as the registry allows at once.

        After Ctrl-C, what is under way is finished, after a message.
        """

        def interrupted(number: int) -> None:
            if self.on_wait is not None:
                requests = "request" if number == 1 else "requests"
                self.on_wait(f"finishing {number} {requests}; press Ctrl-C again to stop immediately")

        for_each(do, items, width=lambda: width or self.registry.width, on_interrupt=interrupted)

    def close(self) -> None:
        if self._registry is not None:
            self._registry.close()
            self._registry = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_project(
    config: Config, *, remote: str | None = None, base_url: str | None = None, **options: Any
) -> Project:
    """Return the project for a remote, given by its name in the config or by its URL.

    Without ``remote``, ``base_url`` (the official SDK's variable) beats the config's default remote.
    ``options`` are other fields of the project; its ``jobs`` beat those of the remote.
    Raises ``UsageError`` for a name that the config does not have, and ``Refused`` for a private directory
    that is a symbolic link.
    """
    check_private(config.root)
    wanted = remote or base_url or config.default_remote
    same_url = (item for item in config.remotes.values() if item.url == wanted)
    known = config.remotes.get(wanted) or next(same_url, None)
    if not is_possible(known.url if known is not None else wanted):
        raise UsageError(f"the remote {wanted[:80]!r} is not a valid URL or path")
    if known is None and ":" not in wanted:
        names = ", ".join(sorted(config.remotes)) or "none"
        raise UsageError(
            f"there is no remote {wanted!r} in {config.path.name}",
            hint=f"use one of its remotes ({names}) or a URL",
        )
    if known is None:
        return Project(config, wanted, wanted, **options)
    fixtures = config.root / known.fixtures if known.fixtures else None
    project = Project(config, known.name, known.url, fixtures=fixtures, **options)
    project.jobs = project.jobs or known.jobs
    if known.timeout is not None:
        project.timeouts = (project.timeouts or Timeouts()).limited_to(known.timeout)
    return project


def connect(project: Project, **options: Any) -> Registry:
    """Return a client of the project's remote; ``local:`` is an embedded registry in this very process.

    ``options`` are those of ``open_registry`` that differ from the project's.
    """
    from promptsync.registry.open import open_registry

    url, api_key = project.url, project.api_key
    if url.startswith(LOCAL):
        database = project.database
        if database.parent == real_path(project.root) / DIRECTORY:
            private_directory(project.root)
        elif not database.parent.is_dir():
            raise UsageError(f"{project.url}: the directory {database.parent} does not exist")
        url, api_key = f"{LOCAL}{database}", None
    return open_registry(
        url,
        api_key,
        fixtures=str(project.fixtures) if project.fixtures and project.fixtures.is_file() else None,
        model=project.model,
        model_keys=project.model_keys,
        jobs=project.jobs,
        on_wait=project.on_wait,
        read_only=project.read_only,
        **{"memory": Cache(project.root), "timeouts": project.timeouts, **options},
    )
