"""Results of checks: one view of tables and notes, rendered as text or Markdown, and the JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from promptsync.checks.agents import AgentRun
from promptsync.checks.choose import Choice
from promptsync.checks.live_scores import LiveScore
from promptsync.checks.receipt import AgentResult, CheckResult, CheckResults, EvaluationResult
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
        notes = [note for one in results.evaluations for note in _notes(one)]
        notes += _unbound(results.evaluations)
        head = _COMPARED if any(one.live for one in results.evaluations) else _EVALUATIONS
        yield Table(head, [_evaluation(one, head) for one in results.evaluations], notes)
    if results.agents:
        yield Table(_AGENTS, [_agent(one) for one in results.agents], _unbound(results.agents))


_EVALUATIONS: Final = ("Evaluation", "Prompts", "Report", "Score", "Last", "Change", "Minimum", "Result")
_COMPARED: Final = (*_EVALUATIONS[:4], "Live", "Change", "Minimum", "Max drop", "Result")
"""The columns where scores are compared with those of live versions."""
_AGENTS: Final = ("Agent", "Prompts", "Execution", "Nodes", "Result")


def _evaluation(one: EvaluationResult, head: Sequence[str]) -> list[Phrase]:
    run, live = one.run, one.live
    change = one.change
    if head is _COMPARED:
        change = -one.drop if one.drop is not None else None
    cells = {
        "Evaluation": _name(one),
        "Prompts": _prompts(one, "-" if run.version is None else f"v{run.version}"),
        "Report": _number(run.report_id),
        "Score": _number(run.score, "bad" if one.passed is False else "good"),
        "Last": _number(run.previous_score),
        "Live": Phrase(("-" if live is None or live.score is None else f"{live.score:g} (v{live.version})",)),
        "Change": Phrase(("-" if change is None else f"{change:+g}" if change else "0",)),
        "Minimum": _number(one.standard.min_score),
        "Max drop": _number(one.standard.max_drop),
        "Result": _result(one),
    }
    return [cells[name] for name in head]


def _agent(one: AgentResult) -> list[Phrase]:
    run = one.run
    return [
        _name(one),
        _prompts(one, "-"),
        _number(run.execution_id),
        _number(len(run.outputs)),
        _result(one),
    ]


def _name(one: CheckResult) -> Phrase:
    return Phrase((Quote(one.run.name),), most=_LONG_NAME)


def _prompts(one: CheckResult, otherwise: str) -> Phrase:
    """Return the prompts of a check, ``otherwise`` for one that was named on the command line."""
    if not one.check.prompts:
        return Phrase((otherwise,))
    first, *others = one.check.prompts
    return Phrase((Quote(first), f" and {len(others)} more" if others else ""), most=_LONG_NAME)


def _number(number: float | None, meaning: str = "") -> Phrase:
    return Phrase((number_text(number),), meaning)


def _result(one: CheckResult) -> Phrase:
    if one.passed is not False:
        return Phrase(("running",), "remote") if one.passed is None else Phrase(("passed",), "good")
    # the registry's own words come first; the error below the table names the request as well
    reason = getattr(one.run.error, "reason", "") or one.reason
    return Phrase(("failed", ": ", Quote(reason)), "bad", _LONG_REASON)


def _notes(one: EvaluationResult) -> Iterator[Phrase]:
    run, name = one.run, Quote(one.run.name)
    cells = [cell for cell in (*run.failed_cells, *run.missed_cells) if cell.row is not None]
    for cell in cells[:MOST_CELLS]:
        column = () if cell.column is None else (", ", Quote(cell.column))
        reason = Quote(cell.reason or "no reason given")
        yield Phrase((name, f": row {cell.row}", *column, ": ", reason))
    if len(cells) > MOST_CELLS:
        yield Phrase((name, f": {count(len(cells) - MOST_CELLS, 'more failed cell')}; --json has all"))
    if one.live is not None and one.live.reason:
        least = one.standard.min_score
        decides = "there is no minimum" if least is None else f"the minimum of {least:g} decides"
        yield Phrase((name, ": max_drop not applied: ", Quote(one.live.reason), f"; {decides}"), "warn")
    if run.model is not None:
        yield Phrase((name, ": answered by ", Quote(run.model)), "faint")


def _unbound(results: Iterable[CheckResult]) -> list[Phrase]:
    """Return notes on unchecked versions that are allowed; those that are not are reasons of failure."""
    allowed = [(one.run.name, unbound) for one in results if one.passed for unbound in one.unbound]
    notes = [Phrase((Quote(name), ": ", Quote(unbound)), "warn") for name, unbound in allowed[:_MOST_UNBOUND]]
    if len(allowed) > _MOST_UNBOUND:
        more = count(len(allowed) - _MOST_UNBOUND, "more version")
        notes.append(Phrase((f"{more} not checked; --json has all",), "warn"))
    return notes


def output_lines(runs: Iterable[AgentRun]) -> list[str]:
    """Return the output of each node of each run."""
    lines: list[str] = []
    for run in runs:
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


def follow_notes(results: CheckResults, on_remote: Callable[[str], str]) -> Iterator[str]:
    """Yield how to follow each run that is under way; ``on_remote`` adds the remote to a command."""
    for one in results.under_way:
        if one.run.follow_command:
            yield output.style(f"{cut(one.run.name)}: {on_remote(one.run.follow_command)}", "faint")


def agent_notes(results: CheckResults) -> Iterator[str]:
    """Yield the warnings of the registry."""
    warning = output.style("warning:", "warn")
    for one in results.agents:
        if one.run.warning:
            yield f"{warning} {output.name(f'{one.run.name}: {one.run.warning}')}"


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
    if choice.unpublished:
        warning, names = output.style("warning:", "warn"), _listed(tuple(choice.unpublished))
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
        "unpublished": list(choice.unpublished),
    }


def evaluations_body(results: CheckResults) -> list[dict[str, Any]]:
    """Return the ``runs`` of an ``eval run`` document."""
    return [
        {
            "evaluation": one.run.name,
            "evaluation_id": one.run.evaluation_id,
            "report_id": one.run.report_id,
            "score": one.run.score,
            "previous_score": one.run.previous_score,
            "change": one.change,
            "minimum": one.standard.min_score,
            **_live_body(one, one.live),
            **_common_body(one),
            "failed_cells": [asdict(cell) for cell in one.run.failed_cells],
            "missed_cells": [asdict(cell) for cell in one.run.missed_cells],
            "version": one.run.version,
            "model": one.run.model,
        }
        for one in results.evaluations
    ]


def _live_body(one: EvaluationResult, live: LiveScore | None) -> dict[str, Any]:
    """Return what a score is compared with: outside of a deploy, with nothing."""
    return {
        "max_drop": one.standard.max_drop if live else None,
        "live_version": live.version if live else None,
        "live_score": live.score if live else None,
        "drop": one.drop,
        "not_compared": (live.reason or None) if live else None,
    }


def agents_body(results: CheckResults) -> list[dict[str, Any]]:
    """Return the ``runs`` of an ``agent run`` document."""
    return [
        {
            "agent": one.run.name,
            "agent_id": one.run.agent_id,
            "execution_id": one.run.execution_id,
            "input_variables": dict(one.check.input_variables),
            **_common_body(one),
            "outputs": {
                name: {"value": node.value, "status": node.status, "error": node.error or None}
                for name, node in one.run.outputs.items()
            },
            "warning": one.run.warning or None,
        }
        for one in results.agents
    ]


def _common_body(one: CheckResult) -> dict[str, Any]:
    return {
        "status": str(one.run.status),
        "passed": one.passed,
        "reason": one.reason or None,
        "prompts": list(one.check.prompts),
        "unbound": [asdict(unbound) for unbound in one.unbound],
    }
