"""What became of checks, as a table for the summary of a workflow's step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from promptsync.checks.proof import Proof, Proven, ProvenEvaluation
from promptsync.markdown.page import Page, code, shortened
from promptsync.output import count
from promptsync.proofs import change_text, verdict_text
from promptsync.runs import MOST_CELLS, score_text

_LONG: Final = 200


def proof_markdown(proof: Proof) -> list[str]:
    """Return the evaluations with their scores and failed cells, and the agents."""
    page = Page()
    if proof.evaluations:
        page.block(_table(_EVALUATIONS, map(_evaluation, proof.evaluations)))
        page.block(_cells(proof.evaluations))
    if proof.agents:
        page.block(_table(_AGENTS, map(_agent, proof.agents)))
    return page.lines


_EVALUATIONS: Final = ("Evaluation", "Prompts", "Score", "Last", "Change", "Minimum", "Verdict")
_AGENTS: Final = ("Agent", "Prompts", "Verdict")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _evaluation(one: Proven) -> list[str]:
    assert isinstance(one, ProvenEvaluation)
    run = one.run
    numbers = [score_text(run.score), score_text(run.previous_score), change_text(one)]
    return [_cell(run.evaluation), _prompts(one), *numbers, score_text(one.standard.min_score), _verdict(one)]


def _agent(one: Proven) -> list[str]:
    assert not isinstance(one, ProvenEvaluation)
    return [_cell(one.run.agent), _prompts(one), _verdict(one)]


def _verdict(one: Proven) -> str:
    if one.run.is_under_way or not one.verdict:
        return verdict_text(one)
    return f"**failed**: {_cell(one.verdict)}"


def _prompts(one: Proven) -> str:
    if not one.check.prompts:
        return "-"
    first, *others = one.check.prompts
    return _cell(first) + (f" and {len(others)} more" if others else "")


def _cells(proven: Iterable[ProvenEvaluation]) -> list[str]:
    lines = []
    for one in proven:
        told = one.run.told_cells
        for cell in told[:MOST_CELLS]:
            where = f"row {cell.row}" + (f", {_cell(cell.column)}" if cell.column else "")
            lines.append(f"- {_cell(one.run.evaluation)}, {where}: {_cell(cell.reason or 'no reason given')}")
        if len(told) > MOST_CELLS:
            lines.append(f"- and {count(len(told) - MOST_CELLS, 'more failed cell')}")
    return [*lines, ""] if lines else []


def _cell(text: str) -> str:
    """A code span that cannot end the cell of a table."""
    return code(shortened(text, _LONG)).replace("|", "\\|")
