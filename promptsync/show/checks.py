"""Results of checks as lines, which Markdown fences, and the JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from promptsync.checks.assignment import Choice, Kind
from promptsync.checks.results import CheckResult, CheckResults
from promptsync.show.lines import cut, listed, number_text
from promptsync.show.markdown import Page, code
from promptsync.show.outcome import body
from promptsync.show.tables import (
    ON_ECHO,
    add_tables,
    cost_text,
    score_cells,
    table_body,
    table_notes,
    table_row,
)
from promptsync.terminal import output
from promptsync.terminal.output import count

MOST_CELLS: Final = 10
"""Failed cells of a run that text and Markdown show; JSON has all."""

_MOST_UNBOUND: Final = 5
_MOST_NAMES: Final = 10
_LONG_NAME: Final = 40
_LONG_REASON: Final = 80


def results_lines(results: CheckResults) -> list[str]:
    """Return a table for each kind of check, with its notes."""
    tables = results.of("table")
    notes = [note for result in tables for note in table_notes(result)]
    cost = [output.aside(f"cost: {text}", 0)] if (text := cost_text(tables)) else []
    return _apart([*_tables(tables), *notes, *cost], *_others(results))


def add_results(page: Page, results: CheckResults) -> None:
    """Add results to a page: all prompts, then the rows that changed sides."""
    tables = results.of("table")
    page.fence(_apart(_tables(tables), *_others(results)))
    add_tables(page, tables)


def _tables(results: Sequence[CheckResult]) -> list[str]:
    rows = [{**table_row(result), "Result": _result(result)} for result in results]
    columns = {key: {row[key] for row in rows} for row in rows[:1] for key in row}
    # The titles of the notes have a table, too, and without a live version nothing is compared.
    idle = [key for key, cells in columns.items() if cells == {"-"} or (key == "Table" and len(cells) == 1)]
    return _table([{key: cell for key, cell in row.items() if key not in idle} for row in rows])


def _others(results: CheckResults) -> tuple[list[str], list[str]]:
    """Return the lines of evaluations, and of agents."""
    evaluations, agents = results.of("evaluation"), results.of("agent")
    notes = (note for result in evaluations for note in _notes(result))
    return (
        [*_table(map(_evaluation_row, evaluations)), *notes, *_unbound(evaluations)],
        [*_table(map(_agent_row, agents)), *_unbound(agents)],
    )


def _apart(*parts: Sequence[str]) -> list[str]:
    """Return parts that have lines, with an empty line between them."""
    lines: list[str] = []
    for part in filter(None, parts):
        lines += ["", *part] if lines else part
    return lines


def _table(results: Iterable[Mapping[str, str]]) -> list[str]:
    rows = list(results)
    head = [tuple(map(str.upper, row)) for row in rows[:1]]
    return output.table([*head, *(tuple(row.values()) for row in rows)])


def _agent_row(result: CheckResult) -> dict[str, str]:
    run = result.run
    return {
        "Agent": cut(run.name, _LONG_NAME),
        "Prompts": _prompts(result, "-"),
        "Execution": number_text(run.id),
        "Nodes": str(len(run.outputs)),
        "Result": _result(result),
    }


def _evaluation_row(result: CheckResult) -> dict[str, str]:
    run = result.run
    return {
        "Evaluation": cut(run.name, _LONG_NAME),
        "Prompts": _prompts(result, "-" if run.version is None else f"v{run.version}"),
        "Report": number_text(run.id),
        **score_cells(result),
        "Minimum": number_text(result.check.min_score),
        "Result": _result(result),
    }


def _prompts(result: CheckResult, otherwise: str) -> str:
    """Return the prompts of a check, ``otherwise`` for one that was named on the command line."""
    if not result.check.prompts:
        return otherwise
    return listed([cut(name, _LONG_NAME) for name in result.check.prompts], 1)


def _result(result: CheckResult) -> str:
    if result.passed is not False:
        return output.style("running", "remote") if result.passed is None else output.style("passed", "good")
    if result.run.kind == "table":  # the reason is in a note
        kinds = {failure.kind for failure in result.failures}
        return output.style("cannot tell" if kinds == {"cannot-tell"} else "failed", "bad")
    # the registry's own words come first; the error below the table names the request as well
    reason = getattr(result.run.error, "reason", "") or result.reason
    return output.style(f"failed: {cut(reason, _LONG_REASON)}", "bad")


def _notes(result: CheckResult) -> Iterator[str]:
    run, name = result.run, cut(result.run.name)
    cells = (*run.failed_cells, *run.missed_cells)
    for cell in cells[:MOST_CELLS]:
        column = "" if cell.column is None else f", {cut(cell.column)}"
        yield f"{name}: row {cell.row}{column}: {cut(cell.reason or 'no reason given')}"
    if len(cells) > MOST_CELLS:
        yield f"{name}: {count(len(cells) - MOST_CELLS, 'more failed cell')}; --json has all"
    if run.is_echo:
        yield output.Line(output.style(f"{name}: {ON_ECHO}", "faint"), 4)
    elif run.model is not None:
        yield output.style(f"{name}: ran on {cut(run.model)}", "faint")


def _unbound(results: Iterable[CheckResult]) -> list[str]:
    """Return notes on unchecked versions that are allowed; those that are not are reasons of failure."""
    allowed = [(result.run.name, gap) for result in results if result.passed for gap in result.unbound]
    notes = [f"{cut(name)}: {cut(str(gap))}" for name, gap in allowed[:_MOST_UNBOUND]]
    if len(allowed) > _MOST_UNBOUND:
        notes.append(f"{count(len(allowed) - _MOST_UNBOUND, 'more version')} not checked; --json has all")
    return [output.style(note, "warn") for note in notes]


def output_lines(results: CheckResults) -> Iterator[str]:
    """Yield the output of each node of each run of an agent."""
    nodes = ((result.run.name, *node) for result in results.all for node in result.run.outputs.items())
    for agent, name, node in nodes:
        yield from ("", output.style(f"--- {output.name(agent)}: {output.name(name)} ---", "strong"))
        if node.failed:
            reason = f"{node.status.lower()}: {output.safe(node.error or 'no reason given')}"
            yield output.style(reason, "bad")
        else:
            is_text = isinstance(node.value, str)
            text = node.value if is_text else json.dumps(node.value, ensure_ascii=False, indent=2)
            yield from output.safe(text).split("\n")


def run_notes(results: CheckResults, on_remote: Callable[[str], str]) -> Iterator[str]:
    """Yield warnings of the registry, and how to follow each run; ``on_remote`` adds the remote to that."""
    for run in (result.run for result in results.all if result.run.warning):
        yield f"{output.style('warning:', 'warn')} {output.name(f'{run.name}: {run.warning}')}"
    # After Ctrl-C, the hint of the error says it.
    for result in () if results.interrupted else results.under_way:
        if command := result.run.follow_command:
            yield output.style(f"{cut(result.run.name)}: {on_remote(command)}", "faint")


def choice_notes(choice: Choice, kind: str) -> Iterator[str]:
    """Yield what changed, what of it is not checked, and what the runs cannot check."""
    since = output.name(choice.since)
    if choice.edited:
        whose = "its" if len(choice.edited) == 1 else "their"
        yield f"{_listed(choice.edited)} changed since {since}: {whose} prompts are checked"
    if not choice.changed:
        rest = "" if choice.edited else f"; no {kind} ran"
        if rest and choice.since == "HEAD":
            rest += "; for the commits of a branch, add --since main..."
        yield f"no prompt changed since {since}{rest}"
        return
    yield f"{count(len(choice.changed), 'prompt')} changed since {since}: {_listed(choice.changed)}"
    if choice.without:
        is_idle = len(choice.without) == len(choice.changed) and not choice.edited
        rest = f"; no {kind} ran" if is_idle else ""
        yield f"no {kind} is assigned to {_listed(choice.without)}{rest}"
    if choice.wanted.unpublished:
        warning, names = output.style("warning:", "warn"), _listed(tuple(choice.wanted.unpublished))
        yield f"{warning} the registry runs its own version, which differs from your files: {names}"


def _listed(names: Sequence[str]) -> str:
    return listed([*map(output.name, names)], _MOST_NAMES)


def nothing_run(choice: Choice, kind: str) -> str:
    """Return why no check was run, as a sentence."""
    if not choice.changed:
        return f"No {kind} ran: no prompt changed since {code(choice.since)}."
    return f"No {kind} ran: none is assigned to what changed since {code(choice.since)}."


def choice_body(choice: Choice) -> dict[str, Any]:
    """Return the keys of an ``eval run`` or ``agent run`` document about the choice of checks."""
    return {
        "changed": list(choice.changed),
        "since": choice.since or None,
        "without": list(choice.without),
        "unpublished": list(choice.wanted.unpublished),
    }


def runs_body(results: CheckResults, kind: Kind) -> list[dict[str, Any]]:
    """Return the ``runs`` of an ``eval run`` or ``agent run`` document; tables are evaluations there."""
    tables = results.of("table") if kind == "evaluation" else ()
    return list(map(run_body, [*tables, *results.of(kind)]))


def run_body(result: CheckResult) -> dict[str, Any]:
    """Return a result for a JSON document."""
    document = body(result, "status=run.status passed prompts=check.prompts unbound")
    if result.run.kind == "table":
        own = table_body(result)
    else:
        own = body(result, _EVALUATION if result.run.kind == "evaluation" else _AGENT)
    return {**own, **document, "reason": result.reason or None}


_EVALUATION: Final = (
    "evaluation=run.name evaluation_id=run.item_id report_id=run.id version=run.version model=run.model "
    "score=run.score previous_score=run.previous_score change=run.change minimum=check.min_score "
    "failed_cells=run.failed_cells missed_cells=run.missed_cells"
)
_AGENT: Final = (
    "agent=run.name agent_id=run.item_id execution_id=run.id input_variables=check.input_variables "
    "outputs=run.outputs warning=run.warning"
)
