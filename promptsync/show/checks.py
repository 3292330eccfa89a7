"""How a proof looks: tables for people, bodies for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from promptsync.checks.receipt import Proof, Proven, ProvenAgent, ProvenEvaluation
from promptsync.show.markdown import MOST, Page, cell
from promptsync.show.runs import (
    MOST_CELLS,
    agent_run_body,
    cell_lines,
    cut,
    evaluation_run_body,
    id_text,
    model_lines,
    score_text,
)
from promptsync.terminal import output
from promptsync.terminal.output import count

_LONG_NAME: Final = 40
_LONG_VERDICT: Final = 80
_MOST_DOUBTS: Final = 5


def proof_lines(proof: Proof) -> list[str]:
    """A table of the evaluations with their failed cells, and one of the agents."""
    lines = _evaluation_lines(proof.evaluations) if proof.evaluations else []
    if proof.agents:
        lines += ([""] if lines else []) + _agent_lines(proof.agents)
    return lines + _doubt_lines(proof)


def change_text(one: ProvenEvaluation) -> str:
    """How a score differs from the one before, with its sign."""
    change = _change(one)
    return "-" if change is None else "0" if change == 0 else f"{change:+g}"


def verdict_text(one: Proven) -> str:
    """``passed``, or why not, as one line that fits a table."""
    if one.run.is_under_way:
        return "running"
    # what the registry said is told before which request it said it to, which the error below tells as well
    said = getattr(one.run.error, "reason", "")
    return cut(said or one.verdict, _LONG_VERDICT) if one.verdict else "passed"


def _verdict(one: Proven) -> str:
    meaning = "remote" if one.run.is_under_way else "bad" if one.verdict else "good"
    return output.style(verdict_text(one), meaning)


def _evaluation_lines(proven: Sequence[ProvenEvaluation]) -> list[str]:
    rows = [("EVALUATION", "PROMPTS", "REPORT", "SCORE", "LAST", "CHANGE", "MINIMUM", "VERDICT")]
    for one in proven:
        run = one.run
        rows.append(
            (
                cut(run.evaluation, _LONG_NAME),
                _prompts(one),
                id_text(run.report_id),
                output.style(score_text(run.score), "bad" if one.verdict else "good"),
                score_text(run.previous_score),
                change_text(one),
                score_text(one.standard.min_score),
                _verdict(one),
            )
        )
    lines = output.table(rows, headed=True)
    for one in proven:
        lines += cell_lines(one.run)
    return lines + model_lines(one.run for one in proven)


def _agent_lines(proven: Sequence[ProvenAgent]) -> list[str]:
    rows = [("AGENT", "PROMPTS", "EXECUTION", "NODES", "VERDICT")]
    rows += [
        (
            cut(one.run.agent, _LONG_NAME),
            _prompts(one),
            id_text(one.run.execution_id),
            str(len(one.run.outputs)),
            _verdict(one),
        )
        for one in proven
    ]
    return output.table(rows, headed=True)


def _doubt_lines(proof: Proof) -> list[str]:
    """The doubts that were allowed; the others are verdicts."""
    allowed = [(one, doubt) for one in proof.all if not one.verdict for doubt in one.doubts]
    lines = [
        output.style(f"{cut(_name(one), _LONG_NAME)}: {cut(str(doubt))}", "warn")
        for one, doubt in allowed[:_MOST_DOUBTS]
    ]
    if len(allowed) > _MOST_DOUBTS:
        lines.append(
            output.style(f"and {len(allowed) - _MOST_DOUBTS} more are no proof; --json has all", "warn")
        )
    return lines


def _name(one: Proven) -> str:
    return one.run.evaluation if isinstance(one, ProvenEvaluation) else one.run.agent


def _prompts(one: Proven) -> str:
    """The prompts of a check; for one that was named on the command line, the version in its report."""
    if not one.check.prompts:
        version = one.run.version if isinstance(one, ProvenEvaluation) else None
        return "-" if version is None else f"v{version}"
    first, *others = one.check.prompts
    return cut(first, _LONG_NAME) + (f" +{len(others)}" if others else "")


def _change(one: ProvenEvaluation) -> float | None:
    run = one.run
    if run.score is None or run.previous_score is None:
        return None
    return round(run.score - run.previous_score, 2)


def evaluations_body(proof: Proof) -> list[dict[str, Any]]:
    """The evaluations of a proof for programs."""
    return [
        {
            **evaluation_run_body(one.run, one.verdict),
            "prompts": list(one.check.prompts),
            "change": _change(one),
            "minimum": one.standard.min_score,
            "unbound": _unbound(one),
        }
        for one in proof.evaluations
    ]


def agents_body(proof: Proof) -> list[dict[str, Any]]:
    """The agents of a proof for programs."""
    return [
        {
            **agent_run_body(one.run, one.verdict),
            "prompts": list(one.check.prompts),
            "input_variables": dict(one.check.input_variables),
            "unbound": _unbound(one),
        }
        for one in proof.agents
    ]


def _unbound(one: Proven) -> list[dict[str, Any]]:
    return [
        {"prompt": doubt.prompt, "version": doubt.version, "reason": doubt.reason} for doubt in one.doubts
    ]


def proof_markdown(proof: Proof, *, most: int = MOST) -> list[str]:
    """Return the evaluations with their scores, failed cells and models, and the agents."""
    page = Page(most)
    if proof.evaluations:
        page.table(_EVALUATIONS, [_evaluation(one) for one in proof.evaluations])
        page.items(_cells(proof.evaluations))
    models = sorted({one.run.model for one in proof.evaluations if one.run.model is not None})
    if models:
        page.say(f"Answered by {', '.join(map(cell, models[:_MOST_MODELS]))}")
    if proof.agents:
        page.table(_AGENTS, [_agent(one) for one in proof.agents])
    return page.lines


_EVALUATIONS: Final = ("Evaluation", "Prompts", "Score", "Last", "Change", "Minimum", "Verdict")
_AGENTS: Final = ("Agent", "Prompts", "Verdict")
_MOST_MODELS: Final = 3


def _evaluation(one: Proven) -> list[str]:
    assert isinstance(one, ProvenEvaluation)
    run = one.run
    numbers = [score_text(run.score), score_text(run.previous_score), change_text(one)]
    return [
        cell(run.evaluation),
        _names(one),
        *numbers,
        score_text(one.standard.min_score),
        _verdict_cell(one),
    ]


def _agent(one: Proven) -> list[str]:
    assert not isinstance(one, ProvenEvaluation)
    return [cell(one.run.agent), _names(one), _verdict_cell(one)]


def _verdict_cell(one: Proven) -> str:
    if one.run.is_under_way or not one.verdict:
        return verdict_text(one)
    return f"**failed**: {cell(one.verdict)}"


def _names(one: Proven) -> str:
    if not one.check.prompts:
        return "-"
    first, *others = one.check.prompts
    return cell(first) + (f" and {len(others)} more" if others else "")


def _cells(proven: Iterable[ProvenEvaluation]) -> list[str]:
    lines = []
    for one in proven:
        told = one.run.told_cells
        for failed in told[:MOST_CELLS]:
            where = f"row {failed.row}" + (f", {cell(failed.column)}" if failed.column else "")
            lines.append(f"{cell(one.run.evaluation)}, {where}: {cell(failed.reason or 'no reason given')}")
        if len(told) > MOST_CELLS:
            lines.append(f"and {count(len(told) - MOST_CELLS, 'more failed cell')}")
    return lines
