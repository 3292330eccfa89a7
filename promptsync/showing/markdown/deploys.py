"""Plans and receipts of a deploy as Markdown: for the comment on a pull request, and for summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptsync.deploy.receipt import DeployReceipt
from promptsync.output import count
from promptsync.showing.deploy_errors import failure, rehearsal_failure
from promptsync.showing.deploys import NOT_REHEARSED, nothing_lines, plan_lines, receipt_lines
from promptsync.showing.markdown.differences import add_differences
from promptsync.showing.markdown.errors import add_error
from promptsync.showing.markdown.page import MOST, Page, code, shortened
from promptsync.showing.proofs import proof_lines

if TYPE_CHECKING:
    from promptsync.deploy.planning import DeployPlan
    from promptsync.deploy.rehearsal import Rehearsal
    from promptsync.sync.difference import Difference

_LONG_LABEL = 100


def deploy_markdown(receipt: DeployReceipt, *, most: int = MOST) -> list[str]:
    """Return what a deploy did: versions, scores and labels, and the error that it ended in."""
    page = Page(most)
    label = _label(receipt.plan)
    moved = sum(one.moved for one in receipt.labels)
    if receipt.plan.is_empty:
        page.say(f"**Nothing to release to {label}**")
    elif receipt.is_released:
        page.say(f"**{count(moved, 'prompt')} released to {label}**")
    else:
        page.say(f"**{label} is only partly moved**" if moved else f"**Nothing was released to {label}**")
    page.fence(map(click.unstyle, receipt_lines(receipt)))
    error = failure(receipt)
    if error is not None:
        add_error(page, error)
    return page.lines


def deploy_plan_markdown(
    plan: DeployPlan,
    found: Sequence[Difference] = (),
    rehearsal: Rehearsal | None = None,
    *,
    is_rehearsed: bool = True,
    most: int = MOST,
) -> list[str]:
    """Return what a deploy will do: the plan, how its rehearsal went, and what differs from the label.

    Without ``is_rehearsed`` a rehearsal was asked for, and there was no reason for it.
    """
    page = Page(most)
    label = _label(plan)
    if plan.is_empty:
        page.say(f"**Nothing to release to {label}**")
        page.fence(map(click.unstyle, nothing_lines(plan)))
        return page.lines
    told = count(len(plan.survey.releases), "prompt")
    page.say(f"**To release to {label}: {told}** · fingerprint {code(plan.fingerprint)}")
    page.fence(map(click.unstyle, plan_lines(plan)))
    if rehearsal is not None:
        _add_rehearsal(page, rehearsal)
    if not is_rehearsed:
        page.say(f"{NOT_REHEARSED[0].upper()}{NOT_REHEARSED[1:]}.")
    if found:
        add_differences(page, found)
    return page.lines


def _add_rehearsal(page: Page, rehearsal: Rehearsal) -> None:
    receipt = rehearsal.receipt
    error = rehearsal_failure(rehearsal)
    ran = receipt.proof is not None and bool(receipt.proof.all)
    word = "failed" if error is not None else "passed" if ran else "passed, and nothing was proven in it"
    page.say(
        f"**Rehearsal {word}**: these texts in a throw-away registry, with the evaluations and agents of the "
        "fixtures. Those of the registry itself run in the deploy, before a label moves."
    )
    lines = proof_lines(receipt.proof) if receipt.proof is not None and ran else []
    if error is not None and not ran:
        lines = receipt_lines(receipt)
    lines += [f"not in the fixtures, and so not run: {name}" for name in rehearsal.without]
    if lines:
        page.fence(map(click.unstyle, lines))
    if error is not None:
        add_error(page, error)


def _label(plan: DeployPlan) -> str:
    return code(shortened(plan.label, _LONG_LABEL))
