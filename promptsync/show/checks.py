"""Results of checks: one view of tables and notes, rendered as text or Markdown, and the JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec.structs import asdict

from promptsync.checks.agents import AgentRun
from promptsync.checks.choose import Choice
from promptsync.checks.evaluations import EvaluationRun
from promptsync.checks.receipt import CheckResult, CheckResults
from promptsync.show import markdown
from promptsync.show.view import Phrase, Quote, Table, cut, number_text
from promptsync.terminal import output
from promptsync.terminal.output import count

MOST_CELLS: Final = 10
"""Failed cells of a run that text and Markdown show; JSON has all."""

_MOST_UNBOUND: Final = 5
_MOST_NAMES: Final = 10
_LONG_NAME: Final = 40
_LONG_REASON: Final = 80

_EVALUATIONS: Final = ("Evaluation", "Prompts", "Report", "Score", "Last", "Change", "Minimum", "Result")
_COMPARED: Final = (*_EVALUATIONS[:4], "Live", "Change", "Minimum", "Max drop", "Result")
"""The columns where scores are compared with those of live versions."""
_AGENTS: Final = ("Agent", "Prompts", "Execution", "Nodes", "Result")


def results_lines(results: CheckResults) -> list[str]:
    """Return results as text: a table of the evaluations and one of the agents, each with its notes."""
    lines: list[str] = []
    for table in _tables(results):
        lines += [*([""] if lines else []), *table.lines]
    return lines


def results_markdown(results: CheckResults, *, most: int = markdown.MOST) -> list[str]:
    """Return results as Markdown of at most ``most`` characters: what ``results_lines`` returns as text."""
    page = markdown.Page(most)
    for table in _tables(results):
        table.add_to(page)
    return page.lines


def _tables(results: CheckResults) -> Iterator[Table]:
    if results.evaluations:
        head = _COMPARED if any(result.live for result, _ in results.evaluations) else _EVALUATIONS
        rows = [_evaluation_row(result, run, head) for result, run in results.evaluations]
        notes = [note for result, run in results.evaluations for note in _notes(result, run)]
        yield Table(head, rows, notes + _unbound(result for result, _ in results.evaluations))
    if results.agents:
        rows = [_agent_row(result, run) for result, run in results.agents]
        yield Table(_AGENTS, rows, _unbound(result for result, _ in results.agents))


def _evaluation_row(result: CheckResult, run: EvaluationRun, head: Sequence[str]) -> list[Phrase]:
    live = result.live
    change = _drop(result, run, -1) if head is _COMPARED else _change(run)
    cells = {
        "Evaluation": Phrase((Quote(run.name),), most=_LONG_NAME),
        "Prompts": _prompts(result, "-" if run.version is None else f"v{run.version}"),
        "Report": _number(run.id),
        "Score": _number(run.score, "bad" if result.passed is False else "good"),
        "Last": _number(run.previous_score),
        "Live": Phrase(("-" if live is None or live.score is None else f"{live.score:g} (v{live.version})",)),
        "Change": Phrase(("-" if change is None else f"{change:+g}" if change else "0",)),
        "Minimum": _number(result.check.min_score),
        "Max drop": _number(result.check.max_drop),
        "Result": _result(result),
    }
    return [cells[name] for name in head]


def _agent_row(result: CheckResult, run: AgentRun) -> list[Phrase]:
    name = Phrase((Quote(run.name),), most=_LONG_NAME)
    return [name, _prompts(result, "-"), _number(run.id), _number(len(run.outputs)), _result(result)]


def _change(run: EvaluationRun) -> float | None:
    """Return the score less the previous one."""
    if run.score is None or run.previous_score is None:
        return None
    return round(run.score - run.previous_score, 2)


def _drop(result: CheckResult, run: EvaluationRun, sign: int = 1) -> float | None:
    """Return how far a score is below that of the live version, ``None`` if one of the two is unknown."""
    drop = result.live.drop(run.score) if result.live is not None else None
    return None if drop is None else sign * drop


def _prompts(result: CheckResult, otherwise: str) -> Phrase:
    """Return the prompts of a check, ``otherwise`` for one that was named on the command line."""
    if not result.check.prompts:
        return Phrase((otherwise,))
    first, *others = result.check.prompts
    return Phrase((Quote(first), f" and {len(others)} more" if others else ""), most=_LONG_NAME)


def _number(number: float | None, meaning: str = "") -> Phrase:
    return Phrase((number_text(number),), meaning)


def _result(result: CheckResult) -> Phrase:
    if result.passed is not False:
        return Phrase(("running",), "remote") if result.passed is None else Phrase(("passed",), "good")
    # the registry's own words come first; the error below the table names the request as well
    reason = getattr(result.run.error, "reason", "") or result.reason
    return Phrase(("failed", ": ", Quote(reason)), "bad", _LONG_REASON)


def _notes(result: CheckResult, run: EvaluationRun) -> Iterator[Phrase]:
    name = Quote(run.name)
    cells = (*run.failed_cells, *run.missed_cells)
    for cell in cells[:MOST_CELLS]:
        column = () if cell.column is None else (", ", Quote(cell.column))
        reason = Quote(cell.reason or "no reason given")
        yield Phrase((name, f": row {cell.row}", *column, ": ", reason))
    if len(cells) > MOST_CELLS:
        yield Phrase((name, f": {count(len(cells) - MOST_CELLS, 'more failed cell')}; --json has all"))
    if result.live is not None and result.live.reason:
        least = result.check.min_score
        decides = "there is no minimum" if least is None else f"the minimum of {least:g} decides"
        yield Phrase((name, ": max_drop not applied: ", Quote(result.live.reason), f"; {decides}"), "warn")
    if run.model is not None:
        yield Phrase((name, ": answered by ", Quote(run.model)), "faint")


def _unbound(results: Iterable[CheckResult]) -> list[Phrase]:
    """Return notes on unchecked versions that are allowed; those that are not are reasons of failure."""
    allowed = [(result.run.name, gap) for result in results if result.passed for gap in result.unbound]
    notes = [Phrase((Quote(name), ": ", Quote(gap)), "warn") for name, gap in allowed[:_MOST_UNBOUND]]
    if len(allowed) > _MOST_UNBOUND:
        more = count(len(allowed) - _MOST_UNBOUND, "more version")
        notes.append(Phrase((f"{more} not checked; --json has all",), "warn"))
    return notes


def output_lines(results: CheckResults) -> list[str]:
    """Return the output of each node of each run of an agent."""
    lines: list[str] = []
    for _, run in results.agents:
        for name, node in run.outputs.items():
            lines += ["", output.style(f"--- {output.name(run.name)}: {output.name(name)} ---", "strong")]
            if node.failed:
                reason = f"{node.status.lower()}: {output.safe(node.error or 'no reason given')}"
                lines.append(output.style(reason, "bad"))
            else:
                is_text = isinstance(node.value, str)
                text = node.value if is_text else json.dumps(node.value, ensure_ascii=False, indent=2)
                lines += output.safe(text).split("\n")
    return lines


def run_notes(results: CheckResults, on_remote: Callable[[str], str]) -> Iterator[str]:
    """Yield the warnings of the registry, and how to follow each run that is under way.

    ``on_remote`` adds the remote to a command.
    """
    for _, run in results.agents:
        if run.warning:
            yield f"{output.style('warning:', 'warn')} {output.name(f'{run.name}: {run.warning}')}"
    # After Ctrl-C, the hint of the error says it.
    for result in () if results.interrupted else results.under_way:
        if command := result.run.follow_command:
            yield output.style(f"{cut(result.run.name)}: {on_remote(command)}", "faint")


def choice_notes(choice: Choice, kind: str) -> Iterator[str]:
    """Yield what changed, what of it is not checked, and what the runs cannot check."""
    since = output.name(choice.since)
    if not choice.changed:
        yield f"no prompt changed since {since}: no {kind} was run"
        return
    yield f"{count(len(choice.changed), 'prompt')} changed since {since}: {_listed(choice.changed)}"
    if choice.without:
        rest = f"; no {kind} was run" if len(choice.without) == len(choice.changed) else ""
        yield f"no {kind} is named for {_listed(choice.without)}{rest}"
    if choice.wanted.unpublished:
        warning, names = output.style("warning:", "warn"), _listed(tuple(choice.wanted.unpublished))
        yield f"{warning} the registry runs its own text, which differs from your files: {names}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(output.name, names[:_MOST_NAMES]))
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def nothing_run(choice: Choice, kind: str) -> str:
    """Return why no check was run, as a sentence."""
    if not choice.changed:
        return f"No {kind} was run: no prompt changed since {markdown.code(choice.since)}."
    return f"No {kind} was run: none is named for what changed since {markdown.code(choice.since)}."


def choice_body(choice: Choice) -> dict[str, Any]:
    """Return the keys of an ``eval run`` or ``agent run`` document about the choice of checks."""
    return {
        "changed": list(choice.changed),
        "since": choice.since or None,
        "without": list(choice.without),
        "unpublished": list(choice.wanted.unpublished),
    }


def evaluations_body(results: CheckResults) -> list[dict[str, Any]]:
    """Return the ``runs`` of an ``eval run`` document."""
    return [
        {
            "evaluation": run.name,
            "evaluation_id": run.item_id,
            "report_id": run.id,
            "score": run.score,
            "previous_score": run.previous_score,
            "change": _change(run),
            "minimum": result.check.min_score,
            # Outside of a deploy, scores are compared with nothing.
            "max_drop": result.check.max_drop if result.live else None,
            "live_version": result.live.version if result.live else None,
            "live_score": result.live.score if result.live else None,
            "drop": _drop(result, run),
            "not_compared": (result.live.reason or None) if result.live else None,
            **_common_body(result),
            "failed_cells": [asdict(cell) for cell in run.failed_cells],
            "missed_cells": [asdict(cell) for cell in run.missed_cells],
            "version": run.version,
            "model": run.model,
        }
        for result, run in results.evaluations
    ]


def agents_body(results: CheckResults) -> list[dict[str, Any]]:
    """Return the ``runs`` of an ``agent run`` document."""
    return [
        {
            "agent": run.name,
            "agent_id": run.item_id,
            "execution_id": run.id,
            "input_variables": dict(result.check.input_variables),
            **_common_body(result),
            "outputs": {
                name: {"value": node.value, "status": node.status, "error": node.error or None}
                for name, node in run.outputs.items()
            },
            "warning": run.warning or None,
        }
        for result, run in results.agents
    ]


def _common_body(result: CheckResult) -> dict[str, Any]:
    return {
        "status": str(result.run.status),
        "passed": result.passed,
        "reason": result.reason or None,
        "prompts": list(result.check.prompts),
        "unbound": [asdict(gap) for gap in result.unbound],
    }
