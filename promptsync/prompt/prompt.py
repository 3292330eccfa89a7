"""The one type that both sides are turned into before anything is compared, and its companions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MAX_NAME = 512
"""Longest prompt name the registry takes, in code points."""

MAX_MESSAGE = 72
"""Longest commit message the registry takes, in code points."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The content of one prompt, as the registry would hold it.

    ``template`` is the wire template: always with ``type`` (``chat`` or ``completion``), messages or
    content as lists of blocks, not normalised. ``metadata`` is the wire metadata with its ``model`` key,
    ``{}`` when there is none. ``tags`` belong to the prompt, not to a version. ``extra`` holds
    version-level fields that this tool does not know.
    """

    name: str
    template: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Local:
    """What a prompt file says that is not content: never published, never in the digest."""

    evaluations: tuple[str, ...] = ()
    agents: tuple[Mapping[str, Any], ...] = ()
    examples: tuple[Mapping[str, Any], ...] = ()
    synced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Remote name to the versions that the text includes, as ``history.key`` spells them; ``""`` stands for
    the default remote (where the file has no mapping)."""


@dataclass(frozen=True, slots=True)
class RemoteVersion:
    """One immutable version of a prompt, read raw (snippet references unexpanded)."""

    template_id: int
    version: int
    prompt: Prompt
    message: str | None = None
    created_at: str | None = None
    workspace_id: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One item of the registry's list: its tracked version with a body that may hold expanded snippets.

    A body from the list may only ever prove equality.
    """

    template_id: int
    version: int
    prompt: Prompt
    message: str | None = None
    is_snippet: bool = False

    @property
    def name(self) -> str:
        return self.prompt.name


@dataclass(frozen=True, slots=True)
class Label:
    """A release label of one prompt."""

    name: str
    version: int
    label_id: int
    template_id: int | None = None
    prompt_name: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong at a place in a file. ``line`` and ``column`` count from 1; ``rule`` is a stable id."""

    path: str
    line: int
    column: int
    rule: str
    message: str
    severity: str = "error"
    hint: str = ""


SCALARS: Final = frozenset({str, int, bool, type(None)})
"""The types of values that are their own copy; a number with a point may stand for an integer."""


def _copier(last: Callable[[Any], Any], *, nulls: bool) -> Callable[[Any], Any]:
    """Return a function that copies; ``last`` makes what is neither a mapping, a sequence nor a scalar."""

    def copy(value: Any) -> Any:
        if type(value) in SCALARS:
            return value
        if isinstance(value, Mapping):
            return {key: copy(item) for key, item in value.items() if nulls or item is not None}
        if isinstance(value, list | tuple):
            return [copy(item) for item in value]
        return last(value)

    return copy


def _same(value: Any) -> Any:
    return value


def _integral(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


copied: Final = _copier(_same, nulls=True)
"""User JSON as it is, nulls and all."""
without_nulls: Final = _copier(_same, nulls=False)
"""The same without the keys whose value is null."""
plain: Final = _copier(_integral, nulls=True)
"""User JSON with integral floats as integers, to compare."""
clean: Final = _copier(_integral, nulls=False)
"""The same without the keys whose value is null."""
