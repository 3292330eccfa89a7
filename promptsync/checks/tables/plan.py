"""The sheets that checks need: those that exist, those to make, and how many cells that computes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.catalog import NoSuchItem
from promptsync.checks.run import Run, Status
from promptsync.checks.tables.content import Content, prompt_of
from promptsync.checks.tables.definition import Definition, of_file, of_sheet, with_outputs
from promptsync.checks.tables.sheet_run import read_result
from promptsync.checks.tables.tested_text import TestedText, Wanted
from promptsync.errors import Refused, UsageError
from promptsync.parallel import mapped
from promptsync.prompt.prompt import as_mapping
from promptsync.registry.errors import Unsupported
from promptsync.registry.protocol import SheetId, text

if TYPE_CHECKING:
    from promptsync.project.project import Project
    from promptsync.prompt.evaluation import EvaluationFile
    from promptsync.registry.protocol import Registry

_TAKEN_UP: Final = 24.0
"""How many hours old a sheet may be that was begun and has no score yet."""
NO_ORIGIN: Final = "promptsync"
"""The name of a scorecard, which must have one, if no origin was passed."""


class Table(Struct, frozen=True):
    """A table, and what its checks declare. ``id`` is ``None`` for one that is not made yet."""

    id: str | None
    definition: Definition
    sheets: tuple[Mapping[str, Any], ...] = ()


class PlannedSheet(Struct, frozen=True):
    """One of our sheets. ``run`` has the state in which it is: complete, begun or not there."""

    table: Table
    content: Content
    run: Run


class TablePlan(Struct, frozen=True):
    """The sheets of some checks; ``pairs`` are those of each check: its candidate and the live version.

    ``not_compared`` says for some indexes of ``wanted`` why the live version has no sheet. ``limit`` is how
    many cells may be computed.
    """

    wanted: tuple[Wanted, ...] = ()
    sheets: tuple[PlannedSheet, ...] = ()
    pairs: tuple[tuple[int, int | None], ...] = ()
    not_compared: Mapping[int, str] = {}
    limit: int = 0

    @property
    def to_run(self) -> tuple[PlannedSheet, ...]:
        """The sheets that are not complete."""
        return tuple(sheet for sheet in self.sheets if sheet.run.status is not Status.COMPLETED)

    @property
    def cells(self) -> int:
        """How many cells the checks compute, with the steps of scorecards that call a model."""
        return sum(sheet.content.cells for sheet in self.to_run)

    @property
    def model_cells(self) -> int:
        """How many of them call a model."""
        return sum(sheet.content.model_cells for sheet in self.to_run)

    @property
    def refusal(self) -> Refused | None:
        """Why the checks are not run if they compute too many cells."""
        if self.cells <= self.limit:
            return None
        calls = f"{self.cells:,} cells with {self.model_cells:,} model calls"
        return Refused(
            f"the checks would compute {calls}; the limit is {self.limit:,}",
            hint=f"add --max-cells {self.cells}",
            code="too-many-cells",
        )


def plan_tables(project: Project, wanted: Sequence[Wanted], *, reuse: float | None = None) -> TablePlan:
    """Return the sheets of some checks. Changes nothing.

    A complete sheet of at most ``reuse`` hours is not run again; the default is that of the configuration.
    Raises ``UsageError`` for a table that does not exist or cannot be run, and ``RemoteError``.
    """
    registry = project.registry
    names = dict.fromkeys((want.check.name, want.check.sheet) for want in wanted)
    files = {file.name: file for file in project.evaluations}
    tables = dict(
        zip(names, mapped(lambda name: read_table(registry, files.get(name[0]), *name), names), strict=True)
    )
    contents: dict[tuple[str, str], tuple[Table, Content]] = {}
    not_compared: dict[int, str] = {}

    def add(want: Wanted, tested: TestedText) -> tuple[str, str]:
        if tested.problem:
            raise UsageError(tested.problem, hint="promptsync ls-remote")
        table = tables[want.check.name, want.check.sheet]
        definition = table.definition
        if want.outputs is not None:
            definition = with_outputs(definition, want.outputs)
        content = Content(definition, tested, want.check.runs)
        key = table.id or table.definition.name, content.title
        contents.setdefault(key, (table, content))
        return key

    keys = []
    for index, want in enumerate(wanted):
        own, live = add(want, want.candidate), None
        if want.live is not None:
            try:
                live = add(want, want.live)
            except UsageError as error:  # its variables are others
                not_compared[index] = error.message
        keys.append((own, live if live != own else None))
    oldest = project.config.evaluations_reuse if reuse is None else reuse
    sheets = mapped(lambda pair: _planned(registry, *pair, oldest), contents.values())
    places = {key: index for index, key in enumerate(contents)}
    pairs = [(places[own], None if live is None else places[live]) for own, live in keys]
    return TablePlan(tuple(wanted), tuple(sheets), tuple(pairs), not_compared, project.config.limits_cells)


def read_table(registry: Registry, file: EvaluationFile | None, name: str, sheet: str | None) -> Table:
    """Return the table of a check: that of an evaluation file, or one of the registry."""
    tables = registry.tables
    declared = of_file(file) if file is not None else None
    try:
        named = [table for table in tables.titled(name) if table.get("title") == name]
        if not named and declared is None:
            named = [table for table in tables.titled("") if table.get("id") == name]
    except Unsupported as error:
        message = f"{registry.url} has no Tables: {error.message}"
        raise Unsupported(
            message, hint="use evaluation instead of table under checks in promptsync.yaml"
        ) from None
    if len(named) > 1 and declared is None:
        ids = ", ".join(str(table.get("id")) for table in named)
        raise UsageError(
            f"{registry.url} has several tables named {name!r}, with the ids {ids}", hint="use the id instead"
        )
    if not named:
        if declared is not None:
            return Table(None, declared)
        hint = "promptsync eval list\nif it was renamed, use its new name, or its id, which never changes"
        raise NoSuchItem(
            f"{registry.url} has no table {name!r}, and no file in evaluations/ has that name", hint=hint
        )
    # Two first runs at the same time may have made the table twice.
    table = min(named, key=lambda table: text(table, "created_at") or "")
    table_id = str(table.get("id"))
    sheets = tuple(tables.sheets(table_id))
    if declared is None:
        theirs = [other for other in sheets if prompt_of(title_of(other)) is None]
        chosen = next((other for other in theirs if sheet in (None, title_of(other))), None)
        if chosen is None:
            titles = ", ".join(map(title_of, theirs))
            hint = f"its sheets: {titles}" if theirs else "add a sheet with rows in the dashboard"
            missing = "only sheets that promptsync made" if sheets and not theirs else "no sheets"
            missing = f"no sheet {sheet!r}" if theirs else missing
            raise UsageError(f"table {name!r} has {missing}", hint=hint)
        title = text(table, "title") or name
        declared = of_sheet(tables, SheetId(table_id, str(chosen.get("id"))), title, title_of(chosen))
    return Table(table_id, declared, sheets)


def title_of(sheet: Mapping[str, Any]) -> str:
    """Return the title of a sheet."""
    return text(sheet, "title") or ""


def newest_first(sheets: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return sheets, newest first; of two made at the same time, the later one in the table is newer."""
    return sorted(sheets, key=lambda sheet: text(sheet, "created_at") or "")[::-1]


def age(raw: Mapping[str, Any], key: str) -> float:
    """Return the age in hours of the time under a key; infinity without one."""
    try:
        moment = datetime.fromisoformat(text(raw, key) or "")
    except ValueError:
        return math.inf
    return (datetime.now(UTC) - moment.replace(tzinfo=moment.tzinfo or UTC)) / timedelta(hours=1)


def _planned(registry: Registry, table: Table, content: Content, oldest: float) -> PlannedSheet:
    """Return a sheet with its state in the registry: the newest complete one counts, then one begun."""
    name = table.definition.name
    new = Run(kind="table", name=name, table_id=table.id, sheet=content.title, cells=content.cells)
    begun = None
    same = [sheet for sheet in table.sheets if title_of(sheet) == content.title]
    for sheet in newest_first(same):
        place = SheetId(table.id or "", str(sheet.get("id")))
        run = replace(new, sheet_id=place.sheet_id, url=registry.tables.link(place))
        run, is_complete = _state(registry, run, content, oldest)
        if is_complete:
            return PlannedSheet(table, content, run)
        if run.status is Status.RUNNING and begun is None and age(sheet, "created_at") < _TAKEN_UP:
            begun = replace(run, status=Status.NOT_STARTED)
    return PlannedSheet(table, content, begun or new)


def _state(registry: Registry, run: Run, content: Content, oldest: float) -> tuple[Run, bool]:
    """Return the run of a sheet, and whether it is complete; one with other content has not started."""
    place = SheetId(run.table_id or "", run.sheet_id or "")
    read = registry.tables.scorecard(place)
    scorecard, calculation = as_mapping(read.get("scorecard")), as_mapping(read.get("latest_calculation"))
    if not scorecard:
        return run, False
    rows = registry.tables.rows(place)
    if not content.matches(rows, scorecard):
        return run, False
    hashes = calculation.get("config_hash"), scorecard.get("config_hash")
    is_other = None not in hashes and hashes[0] != hashes[1]
    is_stale = as_mapping(scorecard.get("stale_state")).get("is_stale") is not False or is_other
    if text(calculation, "status") == "completed":
        # A sheet that was edited is made again, because what it says is no longer ours. So is one that ran on
        # the echo model: a real one may be there by now. Only a label that moves by hand reads it still.
        is_echo = text(calculation, "model") == "echo" and oldest < math.inf
        if is_stale or is_echo or age(calculation, "completed_at") > oldest:
            return run, False
        scored = registry.tables.scored_rows(place, text(calculation, "id") or "")
        name = text(scorecard, "name") or ""
        origin = "" if name == NO_ORIGIN else name
        past = read_result(replace(run, origin=origin, reused=True), content, rows, calculation, scored)
        if not past.failed and past.score is not None:
            return past, True
    return replace(run, status=Status.RUNNING), False
