"""The evaluations, agents and datasets of a registry, and the prompts that their steps use."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from promptsync.errors import RemoteError, UsageError
from promptsync.registry.values import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


class NoSuchItem(UsageError):
    """The registry has no evaluation, agent or run with that name or id."""

    code = "not-found"


class CatalogueItem(Protocol):
    """Anything with a name and an id."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...


ItemT = TypeVar("ItemT", bound=CatalogueItem)

_PROMPT_STEP: Final = "PROMPT_TEMPLATE"
_HOLDERS: Final = ("template", "prompt_template", "prompt")
_NAMES: Final = ("name", "prompt_name")
_VERSIONS: Final = ("version_number", "prompt_version_number", "version")
_LABELS: Final = ("label", "release_label", "prompt_label")


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of an evaluation, as listed. ``score`` is ``None`` if the list has none."""

    id: int
    name: str
    status: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A pipeline. ``runs`` are newest first; ``None`` if the registry does not list them."""

    id: int
    name: str
    dataset_id: int | None
    created_at: str | None
    runs: tuple[PastRun, ...] | None

    @property
    def completed(self) -> tuple[PastRun, ...]:
        """The runs that completed, newest first; none if the registry does not list them."""
        return tuple(run for run in self.runs or () if run.status.upper() == "COMPLETED")

    @property
    def last(self) -> PastRun | None:
        """The newest run that completed."""
        return next(iter(self.completed), None)


@dataclass(frozen=True, slots=True)
class Agent:
    """A workflow. ``version`` is its latest."""

    id: int
    name: str
    version: int | None
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One version of a dataset. ``name`` is the name of the group that its versions belong to."""

    id: int
    name: str
    group_id: int | None
    version: int | None
    columns: tuple[str, ...]
    deleted: bool


def list_evaluations(registry: Registry, *, runs: bool = False) -> list[Evaluation]:
    """Return the evaluations; with ``runs``, each with its runs."""
    found = registry.checks.list_evaluations(include_runs=runs)
    # A run of a pipeline is a report like the pipeline; only the pipeline itself is a blueprint.
    return [_evaluation(raw) for raw in found if raw.get("is_blueprint") is not False]


def list_agents(registry: Registry) -> list[Agent]:
    """Return the agents."""
    return [
        Agent(
            _id(raw),
            _name(raw),
            number(raw, "latest_version_number"),
            _strings(raw.get("release_labels")),
        )
        for raw in registry.checks.list_agents()
    ]


def list_datasets(registry: Registry) -> list[Dataset]:
    """Return the dataset versions."""
    return [_dataset(raw) for raw in registry.checks.list_datasets()]


def pick(items: Sequence[ItemT], wanted: Iterable[str], kind: str, url: str) -> list[ItemT]:
    """Return the items with those names or ids, each once, in that order; ``kind`` is what errors call them.

    A name takes precedence over an equal id. Raises ``NoSuchItem``, and ``UsageError`` for a name that
    several items share.
    """
    return list(dict.fromkeys(_pick_one(items, text, kind, url) for text in wanted))


def named(items: Sequence[ItemT], wanted: str) -> list[ItemT]:
    """Return the items with a name; if there are none, the one with that id."""
    by_name = [item for item in items if item.name == wanted]
    return by_name or [item for item in items if str(item.id) == wanted]


def _pick_one(items: Sequence[ItemT], wanted: str, kind: str, url: str) -> ItemT:
    found = named(items, wanted)
    if len(found) > 1:
        ids = ", ".join(str(item.id) for item in found)
        raise UsageError(
            f"{url} has several {kind}s named {wanted!r}, with the ids {ids}", hint="use the id instead"
        )
    if not found:
        close = difflib.get_close_matches(wanted, [item.name for item in items], 1)
        verb = "eval" if kind == "evaluation" else kind
        hint = f"did you mean {close[0]!r}?" if close else f"promptsync {verb} list"
        raise NoSuchItem(f"{url} has no {kind} {wanted!r}", hint=hint)
    return found[0]


def score_of(raw: object) -> float | None:
    """Return the number in a registry's score: bare, or under ``overall_score`` or ``score``."""
    # The score of a report is a mapping or a bare number, depending on the operation.
    if isinstance(raw, Mapping):
        values = (raw.get(key) for key in ("overall_score", "score"))
        return next((found for value in values if (found := score_of(value)) is not None), None)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return float(raw)


def _evaluation(raw: Mapping[str, Any]) -> Evaluation:
    listed = raw.get("runs")
    runs = None
    if isinstance(listed, list):
        past = [
            PastRun(_id(one), _name(one), str(one.get("status") or ""), score_of(one.get("score")))
            for one in listed
            if isinstance(one, dict)
        ]
        runs = tuple(sorted(past, key=lambda run: -run.id))
    return Evaluation(_id(raw), _name(raw), number(raw, "dataset_id"), text(raw, "created_at"), runs)


def _dataset(raw: Mapping[str, Any]) -> Dataset:
    given = raw.get("dataset_group")
    group: Mapping[str, Any] = given if isinstance(given, dict) else {}
    return Dataset(
        _id(raw),
        _name(group) or _name(raw),
        number(raw, "dataset_group_id") or number(group, "id"),
        number(raw, "version_number"),
        _strings(raw.get("column_names")),
        raw.get("is_deleted") is True,
    )


def _strings(raw: object) -> tuple[str, ...]:
    return tuple(map(str, raw)) if isinstance(raw, list) else ()


def _name(raw: Mapping[str, Any]) -> str:
    return str(raw.get("name") or "")


def _id(raw: Mapping[str, Any]) -> int:
    found = number(raw, "id")
    if found is None:
        raise RemoteError(
            f"the registry listed an item without an id: {str(dict(raw))[:80]}", code="bad-answer"
        )
    return found


@dataclass(frozen=True, slots=True)
class Use:
    """A prompt that a step uses: its latest version unless ``version`` or ``label`` pins it."""

    step: str
    prompt: str
    version: int | None = None
    label: str | None = None


def uses_in(steps: object, type_key: str) -> tuple[Use, ...]:
    """Return the prompts in a list of columns or nodes, whose type is under ``type_key``.

    PromptLayer does not document how a step names its prompt; steps that we do not understand are skipped.
    """
    found = []
    for step in steps if isinstance(steps, list) else ():
        if not isinstance(step, Mapping) or step.get(type_key) != _PROMPT_STEP:
            continue
        configuration: Any = step.get("configuration")
        for key in _HOLDERS:
            prompt = configuration.get(key) if isinstance(configuration, Mapping) else None
            if isinstance(prompt, Mapping) and (name := text(prompt, *_NAMES)) is not None:
                label = text(prompt, *_LABELS) or None
                found.append(Use(text(step, "name") or "", name, number(prompt, *_VERSIONS), label))
                break
    return tuple(found)


def uses_of_agent(
    registry: Registry, agent_id: int, *, label: str | None = None, version: int | None = None
) -> tuple[Use, ...]:
    """Return the prompts in the nodes of one version of an agent, none if the registry does not list them."""
    try:
        found = registry.checks.agent(agent_id, label=label, version=version)
    except RemoteError:
        return ()
    return uses_in(found.get("nodes"), "node_type")
