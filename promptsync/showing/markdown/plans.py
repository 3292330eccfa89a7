"""Plans and receipts of a push as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptsync.core.plan import Kind, PushPlan, PushReceipt
from promptsync.output import count
from promptsync.showing.markdown.differences import add_differences
from promptsync.showing.markdown.page import MOST, Page, code
from promptsync.showing.plans import left_lines, plan_lines, receipt_lines

if TYPE_CHECKING:
    from promptsync.sync.difference import Difference

_DONE = {
    Kind.CREATE: "to create",
    Kind.UPDATE: "to update",
    Kind.FORCE: "to force over the registry's changes",
    Kind.RESTORE: "to restore from the archive",
    Kind.ARCHIVE: "to archive",
    Kind.LABEL: "to label",
}


def plan_markdown(plan: PushPlan, found: Sequence[Difference] = (), *, most: int = MOST) -> list[str]:
    """Return what a push will do: a headline, the plan, and the differences, cut with counts."""
    page = Page(most)
    add_plan(page, plan)
    if found:
        add_differences(page, found)
    return page.lines


def add_plan(page: Page, plan: PushPlan) -> None:
    """Add the headline and the actions of a plan to a page."""
    if not plan.actions:
        page.say("**Nothing to publish**")
        if plan.left:
            page.fence(click.unstyle(line) for line in left_lines(plan))
        return
    kinds = Counter(action.kind for action in plan.actions)
    told = ", ".join(f"{kinds[kind]} {words}" for kind, words in _DONE.items() if kinds[kind])
    page.say(f"**{count(len(plan.actions), 'prompt')}: {told}** · fingerprint {code(plan.fingerprint)}")
    page.fence(click.unstyle(line) for line in plan_lines(plan))


def pushed_markdown(receipt: PushReceipt, *, most: int = MOST) -> list[str]:
    """Return what a push did."""
    page = Page(most)
    page.say(f"**{count(len(receipt.published), 'version')} published**")
    page.fence(click.unstyle(line) for line in receipt_lines(receipt))
    return page.lines
