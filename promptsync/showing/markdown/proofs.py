"""What became of checks, as a table for the summary of a workflow's step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from promptsync.checks.proof import Proof, Proven, ProvenEvaluation
from promptsync.output import count
from promptsync.showing.markdown.page import MOST, Page, cell
from promptsync.showing.proofs import change_text, verdict_text
from promptsync.showing.runs import MOST_CELLS, score_text


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
    return [cell(run.evaluation), _prompts(one), *numbers, score_text(one.standard.min_score), _verdict(one)]


def _agent(one: Proven) -> list[str]:
    assert not isinstance(one, ProvenEvaluation)
    return [cell(one.run.agent), _prompts(one), _verdict(one)]


def _verdict(one: Proven) -> str:
    if one.run.is_under_way or not one.verdict:
        return verdict_text(one)
    return f"**failed**: {cell(one.verdict)}"


def _prompts(one: Proven) -> str:
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
