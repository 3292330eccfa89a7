"""Checks on tables: the plan of the sheets that they need, and each prompt's run beside the live version."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import Check, select_checks
from promptsync.checks.catalog import prompt_of
from promptsync.checks.comparison import Comparison, compare
from promptsync.checks.content import Content
from promptsync.checks.definition import read_table, title_of
from promptsync.checks.results import CheckResult, CheckResults, Standard, judge
from promptsync.checks.runs import TIMEOUT, Run, Status, follow
from promptsync.checks.sheet_run import MOST_SHOWN, SheetRun, explained, read_result, scored_run
from promptsync.checks.tested_text import TestedText, Wanted
from promptsync.errors import Refused, RemoteError, UsageError
from promptsync.parallel import mapped
from promptsync.prompt.prompt import as_mapping
from promptsync.registry.protocol import SheetId, text

if TYPE_CHECKING:
    from promptsync.project.project import Project
    from promptsync.registry.protocol import Registry


_TAKEN_UP: Final = 24.0
"""How many hours old a sheet may be that was begun and has no score yet."""
NO_ORIGIN: Final = "promptsync"
"""The name of a scorecard, which must have one, if no origin was passed."""
_LIVE: Final = ", live version"
"""How the name of the scorecard of a live version ends, which is there to compare with."""


class TablePlan(Struct, frozen=True):
    """The sheets of some checks; ``pairs`` are those of each check: its candidate and the live version.

    ``runs`` have the state of each sheet: complete, begun or not there. ``not_compared`` says for some
    indexes of ``wanted`` why the live version has no sheet. ``limit`` is how many cells may be computed.
    """

    wanted: tuple[Wanted, ...] = ()
    contents: tuple[Content, ...] = ()
    runs: tuple[Run, ...] = ()
    pairs: tuple[tuple[int, int | None], ...] = ()
    not_compared: Mapping[int, str] = {}
    limit: int = 0

    @property
    def to_run(self) -> tuple[Content, ...]:
        """The sheets that are not complete."""
        pairs = zip(self.contents, self.runs, strict=True)
        return tuple(content for content, run in pairs if run.status is not Status.COMPLETED)

    @property
    def cells(self) -> int:
        """How many cells the checks compute, with the steps of scorecards that call a model."""
        return sum(content.cells for content in self.to_run)

    @property
    def model_cells(self) -> int:
        """How many of them call a model."""
        return sum(content.model_cells for content in self.to_run)

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
    contents: list[Content] = []
    places: dict[tuple[str, str], int] = {}
    pairs: list[tuple[int, int | None]] = []
    not_compared: dict[int, str] = {}

    def add(want: Wanted, tested: TestedText) -> int:
        if tested.problem:
            raise UsageError(tested.problem, hint="promptsync ls-remote")
        definition = tables[want.check.name, want.check.sheet]
        content = Content(definition, tested, want.check.runs)
        place = places.setdefault((definition.table_id or definition.name, content.title), len(contents))
        if place == len(contents):
            contents.append(content)
        return place

    for index, want in enumerate(wanted):
        own, live = add(want, want.candidate), None
        if want.live is not None:
            try:
                live = add(want, want.live)
            except UsageError as error:  # its variables are others
                not_compared[index] = error.message
        pairs.append((own, live if live != own else None))
    oldest = project.config.evaluations_reuse if reuse is None else reuse
    runs = mapped(lambda content: _planned(registry, content, oldest), contents)
    limit = project.config.limits_cells
    return TablePlan(tuple(wanted), tuple(contents), tuple(runs), tuple(pairs), not_compared, limit)


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


def _planned(registry: Registry, content: Content, oldest: float) -> Run:
    """Return the run of a sheet as it is in the registry: the newest complete one counts, then one begun."""
    name, table_id = content.definition.name, content.definition.table_id
    new = Run(kind="table", name=name, table_id=table_id, sheet=content.title, cells=content.cells)
    begun = None
    same = [sheet for sheet in content.definition.sheets if title_of(sheet) == content.title]
    for sheet in newest_first(same):
        place = SheetId(table_id or "", str(sheet.get("id")))
        run = replace(new, sheet_id=place.sheet_id, url=registry.tables.link(place))
        run = _state(registry, run, content, oldest)
        if run.status is Status.COMPLETED:
            return run
        if run.status is Status.RUNNING and begun is None and age(sheet, "created_at") < _TAKEN_UP:
            begun = replace(run, status=Status.NOT_STARTED)
    return begun or new


def _state(registry: Registry, run: Run, content: Content, oldest: float) -> Run:
    """Return the run of a sheet in its state: complete, running, or not started if it has other content."""
    place = SheetId(run.table_id or "", run.sheet_id or "")
    read = registry.tables.scorecard(place)
    scorecard, calculation = as_mapping(read.get("scorecard")), as_mapping(read.get("latest_calculation"))
    if not scorecard:
        return run
    rows = registry.tables.rows(place)
    if not content.matches(rows, scorecard):
        return run
    hashes = calculation.get("config_hash"), scorecard.get("config_hash")
    is_other = None not in hashes and hashes[0] != hashes[1]
    is_stale = as_mapping(scorecard.get("stale_state")).get("is_stale") is not False or is_other
    if text(calculation, "status") == "completed":
        # A sheet that was edited is made again, because what it says is no longer ours. So is one that ran on
        # the echo model: a real one may be there by now. Only a label that moves by hand reads it still.
        is_echo = text(calculation, "model") == "echo" and oldest < math.inf
        if is_stale or is_echo or age(calculation, "completed_at") > oldest:
            return run
        scored = registry.tables.scored_rows(place, text(calculation, "id") or "")
        name = (text(scorecard, "name") or "").removesuffix(_LIVE)
        origin = "" if name == NO_ORIGIN else name
        past = read_result(replace(run, origin=origin, reused=True), content, rows, calculation, scored)
        if not past.failed and past.score is not None:
            return past
    return replace(run, status=Status.RUNNING)


_IN_USE: Final = 1 / 6
"""Another run may work on a sheet that changed within this time, in hours."""


def check_tables(project: Project, plan: TablePlan, standard: Standard) -> CheckResults:
    """Run checks at the same time, wait until they have ended, and return the result of each prompt.

    Ctrl-C cancels what was started, and the results say so. Raises ``Refused`` for too many cells, before
    anything is made. A failure of the registry is in the result of the check that it belongs to.
    """
    if plan.refusal is not None:
        raise plan.refusal
    origin = standard.origin or NO_ORIGIN
    tested = {own for own, _ in plan.pairs}
    runs = [
        run if run.reused else replace(run, origin=origin if index in tested else f"{origin}{_LIVE}")
        for index, run in enumerate(plan.runs)
    ]
    interrupted = not _run(project, plan, runs, standard.timeout)
    standard = replace(standard, fails_on_noise=project.config.fails_on_noise)
    judged = [_judged(plan, index, runs, standard) for index in range(len(plan.wanted))]
    if interrupted:
        return CheckResults(tuple(judged), interrupted=True)
    results = mapped(lambda result: _explained(project.registry, result), judged)
    _remove_old(project, plan, runs)
    return CheckResults(tuple(results))


def past_results(project: Project, wanted: Sequence[Wanted]) -> list[CheckResult | None]:
    """Return the results of complete sheets, however old; ``None`` without one. Runs nothing."""
    plan = plan_tables(project, wanted, reuse=math.inf)
    standard = Standard(fails_on_noise=project.config.fails_on_noise)
    unknown = {index for index, run in enumerate(plan.runs) if run.status is not Status.COMPLETED}
    return [
        _judged(plan, index, plan.runs, standard) if unknown.isdisjoint(pair) else None
        for index, pair in enumerate(plan.pairs)
    ]


def last_result(project: Project, name: str, table_id: str) -> CheckResult | None:
    """Return how the newest run of an evaluation file ended, if any; ``max_drop`` is left out."""
    tables = project.registry.tables
    for sheet in newest_first(tables.sheets(table_id)):
        place, prompt = SheetId(table_id, str(sheet.get("id"))), prompt_of(title_of(sheet))
        read = tables.scorecard(place) if prompt is not None else {}
        if prompt is None or (text(as_mapping(read.get("scorecard")), "name") or "").endswith(_LIVE):
            continue
        checks = select_checks([prompt], {}, project.config, project.evaluations).of("table")
        check = next((check for check in checks if check.name == name), Check("table", name, (prompt,)))
        run = Run(kind="table", name=name, status=Status.RUNNING)
        calculation = as_mapping(read.get("latest_calculation"))
        if text(calculation, "status") == "completed":
            run = scored_run(run, calculation, tables.scored_rows(place, text(calculation, "id") or ""))
        return judge(check, run, Standard(allow_unscored=True))
    return None


def _run(project: Project, plan: TablePlan, runs: list[Run], timeout: float) -> bool:
    """Run the sheets of a plan that are not complete, with a ``timeout`` of 0 until cells are computed.

    Returns false if Ctrl-C cut it short.
    """
    registry, begun = project.registry, time.monotonic()
    indexes = [index for index, run in enumerate(runs) if run.status is not Status.COMPLETED]
    # Tables with an id may have the same title.
    missing = {runs[index].name for index in indexes if runs[index].table_id is None}
    made = {name: str(registry.tables.create(name).get("id")) for name in sorted(missing)}
    work: dict[int, SheetRun] = {}
    for index in indexes:
        table_id = runs[index].table_id or made[runs[index].name]
        runs[index] = replace(runs[index], table_id=table_id, status=Status.RUNNING, begun=begun)
        work[index] = SheetRun(registry, plan.contents[index], runs[index], wait=timeout > 0)
    polls = {index: sheet.poll for index, sheet in work.items()}
    has_ended = follow(runs, polls, timeout=timeout or TIMEOUT, progress=project.progress)
    if not has_ended:
        left = [index for index in work if runs[index].is_under_way]
        for index, end in zip(left, mapped(lambda index: work[index].cancel(), left), strict=True):
            runs[index] = replace(runs[index], status=Status.FAILED, stopped=end)
    elif not timeout:
        for index in work:
            if runs[index].status is Status.COMPLETED:
                runs[index] = replace(runs[index], status=Status.RUNNING)
    return has_ended


def _judged(plan: TablePlan, index: int, runs: Sequence[Run], standard: Standard) -> CheckResult:
    """Return the result of one check."""
    wanted, (own, other) = plan.wanted[index], plan.pairs[index]
    name, tested = wanted.candidate.name, wanted.live
    check = wanted.check.with_limits(None, standard.max_drop)
    run, live_run = runs[own], None if other is None else runs[other]
    run = replace(run, version=wanted.candidate.version)
    if tested is None:
        return judge(check, run, standard, not_compared=f"{name} is not live yet")
    why = plan.not_compared.get(index, "") if live_run is None else _why(live_run, run)
    comparison = not_compared = None
    if why:
        not_compared = f"{name} v{tested.version} is live, and {why}"
        comparison = Comparison(0, verdict="cannot tell", reason=not_compared)
        # A run that failed is no noise.
        standard = replace(standard, fails_on_noise=standard.fails_on_noise or live_run is not None)
    elif live_run is None:
        not_compared = f"{name} v{tested.version} is live with the same content"
    elif run.rows:
        comparison = compare(live_run.rows, run.rows, check.runs, check.max_drop)
    return judge(
        check,
        run,
        standard,
        live_version=tested.version,
        live_run=live_run,
        comparison=comparison,
        not_compared=not_compared,
    )


def _why(live: Run, new: Run) -> str:
    """Return why the run of a live version cannot be compared with a new one; empty if it can."""
    if live.error is not None:
        return live.error.message
    if live.failed:
        return f"{live.failed} of its cells failed"
    if not live.rows:
        return f"its run is {live.status}"
    is_other = new.rows and live.model != new.model
    return f"ran on {_model(live)}, and the new version on {_model(new)}" if is_other else ""


def _model(run: Run) -> str:
    return "a real model" if run.model is None else f"the {run.model} model"


def _explained(registry: Registry, result: CheckResult) -> CheckResult:
    """Return a result whose rows that got worse, or that failed, have the steps that did."""
    rows, comparison, check = result.run.rows, result.comparison, result.check
    # The rows of a comparison are numbered without their repeats.
    repeats = (
        [rows[new.index :: len(rows) // check.runs] for _, new in comparison.worse] if comparison else []
    )
    worse = [next(row.index for row in sides if not row.passed) for sides in repeats[:MOST_SHOWN]]
    failed = [row.index for row in rows if not row.passed and row.index not in worse]
    indexes = [*worse, *(failed[:MOST_SHOWN] if result.failures else ())]
    if not indexes:
        return result
    run = explained(registry, result.run, indexes)
    if worse and result.live_run is not None:
        comparison = compare(result.live_run.rows, run.rows, check.runs, check.max_drop)
    return replace(result, run=run, comparison=comparison)


def _remove_old(project: Project, plan: TablePlan, runs: Sequence[Run]) -> None:
    """Delete our older sheets: replaced ones, and those beyond the newest to keep."""
    in_use = {run.sheet_id for run in runs}
    complete = {run.sheet for run in runs if run.status is Status.COMPLETED}
    old: dict[str, SheetId] = {}
    for content in plan.contents:
        table, name = content.definition, content.text.name
        own = [other for other in table.sheets if prompt_of(title_of(other)) == name]
        own = [other for other in own if other.get("id") not in in_use]
        for number, other in enumerate(newest_first(own), start=2):  # at least one is in use
            is_replaced = title_of(other) in complete
            is_old = is_replaced or number > project.config.evaluations_keep
            if is_old and age(other, "updated_at") > _IN_USE:
                old[str(other.get("id"))] = SheetId(table.table_id or "", str(other.get("id")))
    with contextlib.suppress(RemoteError):  # the next run removes them
        for place in old.values():
            project.registry.tables.delete_sheet(place)
