"""What promptsync needs of a registry: code outside ``registry/`` calls one only through these protocols.

``registry.open`` returns them. Checks, tables and tracking have no protocol: they exchange PromptLayer's own
JSON objects. Everything else has types of its own. Every method can be called from many threads at once, and
raises the errors in ``registry.errors``.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, Self

import msgspec

from promptsync.prompt.prompt import Label, Prompt, Version

if TYPE_CHECKING:
    from promptsync.registry.promptlayer.checks import Checks as Checks
    from promptsync.registry.promptlayer.checks import Tables as Tables
    from promptsync.registry.promptlayer.checks import Tracking as Tracking


OnPage = Callable[[int, int], None]
"""Called with the number of pages read so far, and the number of all pages as far as it is known."""


class Memory(Protocol):
    """Keeps raw versions for the next process, because they never change.

    The keys are ids, never a name. ``get`` returns ``None`` for a version that it does not have, and
    ``versions`` all of them, from any registry.
    """

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None: ...
    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None: ...
    def versions(self) -> Iterable[dict[str, Any]]: ...


class Prompts(Protocol):
    """The prompts of a registry and their versions."""

    @property
    def stores_tags(self) -> bool:
        """Whether the registry stores tags, as far as its responses have shown."""

    def list(
        self,
        *,
        status: str = "active",
        label: str | None = None,
        name: str | None = None,
        on_page: OnPage | None = None,
    ) -> builtins.list[Version]:
        """Return every prompt, each at its latest version; ``status`` is ``active`` or ``deleted``.

        ``label`` selects the prompts that have it, each at that label's version. ``name`` matches parts of
        names and ignores case. Snippets may be expanded in the bodies, so two equal bodies mean equal
        prompts, but different bodies may be equal prompts too.
        """

    def latest(self, names: Collection[str], *, needed: Collection[str] = ()) -> builtins.list[Version]:
        """Return the active prompts with these names, as ``list`` does now, by fewer requests.

        If one of the ``needed`` names does not exist, the whole list was read to be sure of that.
        """

    def get(
        self,
        template_id: int | None,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        fresh: bool = False,
    ) -> Version:
        """Return one version of a prompt as it was published, with unexpanded snippet references.

        Pass at most one of ``version`` and ``label``; the default is the latest version. Tags belong to the
        prompt, so an old version has the present ones. A version that was read before may come from the
        memory, unless ``fresh``.

        Raises ``NotFound``, ``RenamedRemotely`` if ``template_id`` has another name now, and
        ``NotReadableRaw`` if the registry returns only a form of this prompt that may not be its source.
        """

    def unfilled(self, template_id: int, name: str, version: int) -> dict[str, Any]:
        """Return what the registry returns to an application that fills in the variables of a version itself.

        Snippets and tools are in place, and ``llm_kwargs`` is there. Raises ``NotFound`` and ``Unsupported``,
        and ``NotReadableRaw`` if the registry filled in the variables all the same.
        """

    def publish(self, prompt: Prompt, *, message: str) -> NewVersion:
        """Publish ``prompt`` as a new version. No label moves.

        After ``NotSent``, which includes ``Rejected``, there is no new version. After ``FateUnknown`` there
        may be one: read back before deciding. Read back after a success too, because the registry may drop
        fields that it does not know.
        """

    def archive(self, template_id: int, is_snippet: bool) -> None:
        """Archive a prompt with all its versions. Raises ``NotFound``."""

    def snippet_usage(self, template_id: int, name: str) -> dict[str, Any]:
        """Return who references a snippet: prompts in ``snippet_usage[]``, labels in ``label_usage[]``."""

    def tool(
        self, tool: int | str, *, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Return the definition of a registry tool: its latest version, or that of ``version`` or ``label``.

        Raises ``NotFound``.
        """

    def render(
        self,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return what would be sent to a model: ``prompt_template``, ``llm_kwargs``, …

        ``provider`` and ``model`` replace those of the prompt. Never store the result as a source, because
        its snippets are expanded.
        """


class Labels(Protocol):
    """The release labels of a registry. It may hold a change for approval: read the label again after it."""

    def of(self, template_id: int, name: str) -> list[Label]:
        """Return the labels of one prompt, each with the version that it points at.

        Raises ``Unsupported`` if the registry can set labels only while publishing.
        """

    def all(self) -> list[Label] | None:
        """Return the labels of all prompts in one request, ``None`` if the registry has no such list.

        Each label names its prompt by id, by name or by both. A list that is missing is requested once.
        """

    @property
    def may_list_all(self) -> bool:
        """Whether ``all`` has not returned ``None``."""

    def can_change(self, template_id: int, name: str) -> bool:
        """Whether labels can be created, moved and deleted without a publish.

        Nothing is written to find out, and the prompt need not exist.
        """

    def set(self, template_id: int, name: str, label: str, version: int, existing: Label | None) -> None:
        """Point a prompt's ``label`` at ``version``: move ``existing``, or create the label without it."""

    def delete(self, label: Label) -> None:
        """Delete a label. It is no error if it does not exist any more."""


class Registry(Protocol):
    """One registry with one key. Use it as a context manager, or call ``close``."""

    @property
    def url(self) -> str: ...
    @property
    def timeouts(self) -> Timeouts: ...
    @property
    def prompts(self) -> Prompts: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def checks(self) -> Checks: ...
    @property
    def tables(self) -> Tables: ...
    @property
    def tracking(self) -> Tracking: ...

    @property
    def workspace_id(self) -> int | None:
        """The workspace of the key, ``None`` if the registry does not return it.

        Costs requests if no version was read yet.
        """

    @property
    def workspace_seen(self) -> int | None:
        """The workspace if a response so far has named it. Costs no request."""

    def page(self, prompt: Version) -> str:
        """Return the URL of a prompt in the dashboard, ``""`` if it is not known. Costs what the id costs."""

    def capabilities(self, prompt: Version) -> Capabilities:
        """Find out what the registry supports, with one of its prompts."""

    @property
    def width(self) -> int:
        """How many requests may be under way by now, as the registry's responses have shown."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


_Number = Annotated[int, msgspec.Meta(ge=-(10**18), le=10**18)]


class Timeouts(msgspec.Struct, frozen=True):
    """How long to wait for a registry, in seconds."""

    request: float = 60.0
    """For each attempt of a request in all, from connecting to the last byte of the response."""
    answer: float = 30.0
    """For the first byte of a response, and for each further one."""
    connect: float = 10.0
    connect_loopback: float = 3.0
    """A server on this machine accepts immediately, or something else is listening."""
    attempts: int = 6
    """How often a request is sent at most."""
    first_retry: float = 0.5
    """Before the first retry of a request; doubled for each further one."""
    longest_wait: float = 60.0
    """Before any retry. A longer ``Retry-After`` counts as this much."""
    read_back: float = 1.0
    """Between two attempts to find out whether a publish without a response succeeded."""

    def limited_to(self, request: float) -> Timeouts:
        """Return these, with another time for a whole request; half of it may pass without any byte."""
        return msgspec.structs.replace(self, request=request, answer=request / 2)

    def shortened(self) -> Timeouts:
        """Return shorter ones, for a report on the state of the registry."""
        answer = min(self.answer, 10.0)
        return msgspec.structs.replace(self, answer=answer, attempts=2, longest_wait=10.0)


class SheetId(NamedTuple):
    """The ids of a sheet and of its table."""

    table_id: str
    sheet_id: str


class NewVersion(msgspec.Struct, frozen=True):
    """The version that a publish created."""

    template_id: int
    version: int


class Capabilities(msgspec.Struct, frozen=True):
    """Whether a registry returns prompts ``raw``, with unexpanded snippets, and what it does with labels."""

    raw: bool
    lists_all_labels: bool
    changes_labels: bool


def number(raw: Mapping[str, Any], *keys: str) -> int | None:
    """Return the first integer under ``keys``, which may be text or ``7.0``.

    Booleans do not count, and neither do numbers that are too large to be an id or a version.
    """
    for key in keys:
        if raw.get(key) is not None:
            with suppress(msgspec.ValidationError):
                return msgspec.convert(raw[key], _Number, strict=False)
    return None


def text(raw: Mapping[str, Any], *keys: str) -> str | None:
    """Return the first string under ``keys``."""
    return next((raw[key] for key in keys if isinstance(raw.get(key), str)), None)
