"""The evaluations, agents and datasets of a registry, and the prompts that their steps use."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Kind
from promptsync.errors import RemoteError, UsageError
from promptsync.project.target import At
from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.registry.address import LOCAL
from promptsync.registry.errors import Unsupported
from promptsync.registry.protocol import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_PROMPT_STEP: Final = "PROMPT_TEMPLATE"
_HOLDERS: Final = ("template", "prompt_template", "prompt")
_NAMES: Final = ("name", "prompt_name")
_VERSIONS: Final = ("version_number", "prompt_version_number", "version")
_LABELS: Final = ("label", "release_label", "prompt_label")
_OWN: Final = re.compile(r"promptsync (?P<prompt>.+) [0-9a-f]{8}", re.DOTALL)


def prompt_of(title: str) -> str | None:
    """Return the prompt that one of our sheets tests, by its title; ``None`` for any other sheet."""
    own = _OWN.fullmatch(title)
    return own["prompt"] if own is not None else None


class NoSuchItem(UsageError):
    """The registry has no evaluation, agent or run with that name or id."""

    code = "not-found"


class CatalogItem(Struct, frozen=True):
    """Anything with an id and a name."""

    id: int
    name: str


ItemT = TypeVar("ItemT", bound=CatalogItem)


class PastRun(Struct, frozen=True, rename={"id": "report_id"}):
    """A run of an evaluation, as listed. ``score`` is ``None`` if the list has none."""

    id: int
    name: str
    status: str
    score: float | None


class Evaluation(CatalogItem, frozen=True):
    """A pipeline. ``runs`` are newest first; ``None`` if the registry does not list them."""

    dataset_id: int | None
    created_at: str | None
    runs: tuple[PastRun, ...] | None

    @property
    def last_score(self) -> float | None:
        """The score of the newest run that completed."""
        return next((run.score for run in self.runs or () if run.status == "completed"), None)


class Agent(CatalogItem, frozen=True):
    """A workflow. ``version`` is its latest."""

    version: int | None
    labels: tuple[str, ...]


class Dataset(CatalogItem, frozen=True):
    """One version of a dataset. ``name`` is the name of the group that its versions belong to."""

    dataset_group_id: int | None
    version: int | None
    columns: tuple[str, ...]
    deleted: bool


def list_tables(registry: Registry) -> list[dict[str, str]]:
    """Return ``id`` and ``title`` of the tables of a registry, none if it has no Tables."""
    try:
        tables = registry.tables.titled("")
    except Unsupported:
        return []
    return [{"id": str(table.get("id")), "title": str(table.get("title"))} for table in tables]


def list_evaluations(registry: Registry) -> list[Evaluation]:
    """Return the evaluations, each with its runs if the registry lists them."""
    # A run of a pipeline is a report like the pipeline; only the pipeline itself is a blueprint.
    pipelines = [raw for raw in registry.checks.list_evaluations() if raw.get("is_blueprint") is not False]
    return [
        Evaluation(_id(raw), _name(raw), number(raw, "dataset_id"), text(raw, "created_at"), _past_runs(raw))
        for raw in pipelines
    ]


def list_agents(registry: Registry) -> list[Agent]:
    """Return the agents."""
    return [
        Agent(_id(raw), _name(raw), number(raw, "latest_version_number"), _strings(raw.get("release_labels")))
        for raw in registry.checks.list_agents()
    ]


def list_datasets(registry: Registry) -> list[Dataset]:
    """Return every version of every dataset."""
    return [_dataset(raw) for raw in registry.checks.list_datasets()]


def list_checks(registry: Registry, kind: Kind) -> Sequence[Evaluation | Agent]:
    """Return the items of one kind that can check a prompt."""
    return list_evaluations(registry) if kind == "evaluation" else list_agents(registry)


def named(items: Sequence[ItemT], wanted: str) -> list[ItemT]:
    """Return the items with a name; if there are none, the one with that id."""
    by_name = [item for item in items if item.name == wanted]
    return by_name or [item for item in items if str(item.id) == wanted]


def pick(items: Sequence[ItemT], wanted: str, kind: Kind, url: str) -> ItemT:
    """Return the item with a name or an id; a name takes precedence over an equal id.

    Raises ``NoSuchItem``, and ``UsageError`` for a name that several items share.
    """
    matches = named(items, wanted)
    if len(matches) > 1:
        ids = ", ".join(str(item.id) for item in matches)
        raise UsageError(
            f"{url} has several {kind}s named {wanted!r}, with the ids {ids}", hint="use the id instead"
        )
    if not matches:
        close = difflib.get_close_matches(wanted, [item.name for item in items], 1)
        verb = "eval" if kind == "evaluation" else kind
        hint = f"did you mean {close[0]!r}?" if close else f"promptsync {verb} list"
        raise NoSuchItem(f"{url} has no {kind} {wanted!r}", hint=hint)
    return matches[0]


def score_of(raw: object, most: int = 100) -> float | None:
    """Return the number in a registry's score: bare, or under ``overall_score`` or ``score``.

    Raises ``RemoteError`` for a score that is not from 0 to ``most``.
    """
    # The score of a report is a mapping or a bare number, depending on the operation.
    if isinstance(raw, Mapping):
        scores = (score_of(raw.get(key), most) for key in ("overall_score", "score"))
        return next((score for score in scores if score is not None), None)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    if not 0 <= round(raw, 6) <= most:  # what was computed may be a little above
        score = shortened(raw)
        raise RemoteError(f"the registry returned the score {score}, not 0 to {most}", code="bad-answer")
    return float(raw)


def _past_runs(raw: Mapping[str, Any]) -> tuple[PastRun, ...] | None:
    past = [
        PastRun(_id(run), _name(run), str(run.get("status") or "").lower(), score_of(run.get("score")))
        for run in mappings(raw.get("runs"))
    ]
    return tuple(sorted(past, key=lambda run: -run.id)) if isinstance(raw.get("runs"), list) else None


def _dataset(raw: Mapping[str, Any]) -> Dataset:
    group = as_mapping(raw.get("dataset_group"))
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
    identifier = number(raw, "id")
    if identifier is None:
        raise RemoteError(
            f"the registry listed an item without an id: {str(dict(raw))[:80]}", code="bad-answer"
        )
    return identifier


class Use(Struct, frozen=True):
    """A prompt that a step uses: its latest version unless ``version`` or ``label`` pins it."""

    step: str
    prompt: str
    version: int | None = None
    label: str | None = None


def uses_in(steps: object, type_key: str) -> tuple[Use, ...]:
    """Return the prompts in a list of columns or nodes, whose type is under ``type_key``.

    PromptLayer does not document how a step names its prompt; steps that we do not understand are skipped.
    """
    uses = []
    for step in mappings(steps):
        if step.get(type_key) != _PROMPT_STEP:
            continue
        configuration = as_mapping(step.get("configuration"))
        for prompt in mappings([configuration.get(key) for key in _HOLDERS]):
            if (name := text(prompt, *_NAMES)) is not None:
                label = text(prompt, *_LABELS) or None
                uses.append(Use(text(step, "name") or "", name, number(prompt, *_VERSIONS), label))
                break
    return tuple(uses)


def uses_of_agent(registry: Registry, agent_id: int, at: At) -> tuple[Use, ...]:
    """Return the prompts in the nodes of one version of an agent, none if the registry does not list them."""
    try:
        raw = registry.checks.agent(agent_id, label=at.label, version=at.number)
    except RemoteError:
        return ()
    return uses_in(raw.get("nodes"), "node_type")


def find_checks(
    registry: Registry, checks: Iterable[Check], limits: Sequence[Check] = ()
) -> tuple[Check, ...]:
    """Return those of the checks that are on evaluations and agents, found in the registry. Starts nothing.

    Two checks that mean one evaluation, by its name and by its id, are joined. Raises ``NoSuchItem``, with
    the places in the files, for what the registry does not have, and ``UsageError`` for an ambiguous name.
    """
    checks = [check for check in checks if check.kind != "table"]
    listed = {kind: list_checks(registry, kind) for kind in dict.fromkeys(check.kind for check in checks)}
    problems: list[UsageError] = []
    located: dict[tuple[Kind, int, str], Check] = {}
    for check in checks:
        items = listed[check.kind]
        try:
            item = pick(items, check.name, check.kind, registry.url)
        except UsageError as error:
            places = check.places
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            message = f"{places[0]}{more}: {error.message}" if places else error.message
            hint = error.hint
            if isinstance(error, NoSuchItem) and check.kind == "evaluation":
                known = [*(other.name for other in items), *(limit.name for limit in limits)]
                hint = table_hint(registry, check.name, known) or hint
            problems.append(type(error)(message, hint=hint, code=error.code))
            continue
        check = replace(with_limits(check, item, limits, items), name=item.name, item_id=item.id)
        key = (check.kind, item.id, check.inputs)
        located[key] = located[key].joined(check) if key in located else check
    if problems:
        # All missing names, so that they can be fixed in one go.
        details = [f"{problem.message} ({problem.hint})" for problem in problems[1:]]
        if registry.url.startswith(LOCAL):
            details.append("the embedded registry has what its fixtures file and evaluation files declare")
        raise problems[0].replaced(details=details)
    return tuple(located.values())


def table_hint(registry: Registry, name: str, known: Sequence[str], verb: str = "run") -> str:
    """Return a hint at a table with this name, or at the closest name of all that can run."""
    tables: dict[str, str] = {}
    with suppress(RemoteError):
        tables = {table["title"]: table["id"] for table in list_tables(registry)}
        sheets = registry.tables.sheets(tables[name]) if name in tables else ()
        if sheets and all(prompt_of(text(sheet, "title") or "") for sheet in sheets):
            return "restore its file in evaluations/: git log --stat -- evaluations"
    if name in tables:
        return f"promptsync eval {verb} {shlex.quote(name)} --prompt NAME"
    close = difflib.get_close_matches(name, [*known, *tables], 1)
    return f"did you mean {close[0]!r}?" if close else ""


def with_limits(
    check: Check, item: Evaluation | Agent, limits: Iterable[Check], known: Sequence[Evaluation | Agent]
) -> Check:
    """Return a check with the strictest of the limits that name its evaluation, by name or by id."""
    for limit in limits:
        if limit.kind == check.kind and item in named(known, limit.name):
            check = check.with_limits(limit.min_score, limit.max_drop)
    return check
