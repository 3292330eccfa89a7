"""What a registry can run, and what it runs it on: found by name or id."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from promptsync.errors import RemoteError, UsageError

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


class NoSuchItem(UsageError):
    """The registry has no evaluation, agent or run of that name or id."""

    code = "not-found"


class Item(Protocol):
    """What has a name and an id."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...


ItemT = TypeVar("ItemT", bound=Item)


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of an evaluation, as its list tells it. ``score`` is ``None`` where the list has none."""

    id: int
    name: str
    status: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A pipeline. ``runs`` are those so far, newest first; ``None`` where the registry does not list them."""

    id: int
    name: str
    dataset_id: int | None
    created_at: str | None
    runs: tuple[PastRun, ...] | None

    @property
    def last(self) -> PastRun | None:
        """The newest run that has ended."""
        return next((run for run in self.runs or () if run.status.upper() == "COMPLETED"), None)


@dataclass(frozen=True, slots=True)
class Agent:
    """A workflow. ``version`` is its latest one."""

    id: int
    name: str
    version: int | None
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One version of a dataset; ``name`` is that of the group which all its versions share."""

    id: int
    name: str
    group_id: int | None
    version: int | None
    columns: tuple[str, ...]
    deleted: bool


def list_evaluations(registry: Registry, *, runs: bool = False, **filters: object) -> list[Evaluation]:
    """Every evaluation that the filters leave, with its ``runs`` if asked for."""
    found = registry.checks.list_evaluations(include_runs=runs, **filters)
    return [_evaluation(raw) for raw in found if raw.get("is_blueprint") is not False]


def list_agents(registry: Registry, **filters: object) -> list[Agent]:
    """Every agent that the filters leave."""
    return [
        Agent(
            _id(raw),
            str(raw.get("name") or ""),
            _whole(raw.get("latest_version_number")),
            tuple(map(str, raw.get("release_labels") or ())),
        )
        for raw in registry.checks.list_agents(**filters)
    ]


def list_datasets(registry: Registry, **filters: object) -> list[Dataset]:
    """Every version of every dataset that the filters leave."""
    return [_dataset(raw) for raw in registry.checks.list_datasets(**filters)]


def pick(items: Sequence[ItemT], wanted: Iterable[str], kind: str, url: str) -> list[ItemT]:
    """The items of those names or ids, each once, in that order; ``kind`` is the word for one of them.

    A name beats an id that reads the same. Raises ``NoSuchItem``, and ``UsageError`` for a name that
    several share.
    """
    return list(dict.fromkeys(_one(items, text, kind, url) for text in wanted))


def _one(items: Sequence[ItemT], wanted: str, kind: str, url: str) -> ItemT:
    found = [item for item in items if item.name == wanted] or [
        item for item in items if str(item.id) == wanted
    ]
    if len(found) > 1:
        ids = ", ".join(str(item.id) for item in found)
        raise UsageError(f"{url} has several {kind}s called {wanted!r}: {ids}", hint="give the id instead")
    if not found:
        close = difflib.get_close_matches(wanted, [item.name for item in items], 1)
        verb = {"evaluation": "eval"}.get(kind, kind)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise NoSuchItem(
            f"{url} has no {kind} {wanted!r}", hint=f"{hint}promptsync {verb} list shows what it has"
        )
    return found[0]


def score_of(raw: object) -> float | None:
    """The number in a score as the registry gives it: bare, or under ``overall_score`` or ``score``."""
    if isinstance(raw, Mapping):
        values = (raw.get(key) for key in ("overall_score", "score"))
        return next((found for value in values if (found := score_of(value)) is not None), None)
    return float(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else None


def _evaluation(raw: Mapping[str, Any]) -> Evaluation:
    listed = raw.get("runs")
    runs = [run for run in listed if isinstance(run, dict)] if isinstance(listed, list) else None
    past = None
    if runs is not None:
        made = [
            PastRun(
                _id(run), str(run.get("name") or ""), str(run.get("status") or ""), score_of(run.get("score"))
            )
            for run in runs
        ]
        past = tuple(sorted(made, key=lambda run: -run.id))
    return Evaluation(
        _id(raw),
        str(raw.get("name") or ""),
        _whole(raw.get("dataset_id")),
        _text(raw.get("created_at")),
        past,
    )


def _dataset(raw: Mapping[str, Any]) -> Dataset:
    given = raw.get("dataset_group")
    group: Mapping[str, Any] = given if isinstance(given, dict) else {}
    return Dataset(
        _id(raw),
        str(group.get("name") or raw.get("name") or ""),
        _whole(raw.get("dataset_group_id")) or _whole(group.get("id")),
        _whole(raw.get("version_number")),
        tuple(map(str, raw.get("column_names") or ())),
        raw.get("is_deleted") is True,
    )


def _id(raw: Mapping[str, Any]) -> int:
    found = _whole(raw.get("id"))
    if found is None:
        raise RemoteError(
            f"the registry lists something without an id: {str(dict(raw))[:80]}", code="bad-answer"
        )
    return found


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
