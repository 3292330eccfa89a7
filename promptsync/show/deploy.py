"""A deploy: its plan, its rehearsal and its receipt, as text and Markdown; ``deploy_json`` has the JSON."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from promptsync.deploy.members import Member
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.show import push
from promptsync.show.checks import results_lines
from promptsync.show.deploy_json import deploy_body, deploy_outputs
from promptsync.show.deploy_rows import (
    exception_lines,
    live_elsewhere,
    other_lines,
    passed_over_texts,
    plan_rows,
    row_lines,
)
from promptsync.show.labels import changed_row
from promptsync.show.lines import kept_tag_lines, noted
from promptsync.show.markdown import MOST, Page, add_error, code, shortened
from promptsync.show.outcome import Outcome
from promptsync.show.pins import pin_lines
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference
    from promptsync.deploy.rehearse import Rehearsal
    from promptsync.labels.move import ChangedLabel

_LISTED = 10
_LONG_LABEL = 100
_KEPT_BACK = "its checks failed, or those of a prompt that is only released with it"
_NOT_REHEARSED = "not rehearsed, because this change touches none of these prompts"
_REHEARSED_WITH = (
    "with these texts in a temporary registry, by the evaluations and agents of the fixtures. The deploy "
    "itself runs those of the registry before a label moves."
)


# -- the plan -----------------------------------------------------------------------------------------------


def show_plan(
    plan: DeployPlan,
    differences: Callable[[], Sequence[Difference]] = tuple,
    rehearsal: Rehearsal | None = None,
    *,
    is_rehearsed: bool = True,
) -> Outcome:
    """Return the plan of a deploy, and how its rehearsal went.

    ``differences`` compares the files with the released versions, for Markdown. Without ``is_rehearsed`` a
    rehearsal was requested and there was nothing to rehearse.
    """
    receipt = DeployReceipt(plan)
    error = rehearsal.error if rehearsal is not None else None
    lines = nothing_lines(plan) if plan.is_empty else plan_lines(plan)
    if rehearsal is not None:
        lines += ["", *rehearsal_lines(rehearsal)]
    elif not is_rehearsed:
        lines += ["", output.Aside(_NOT_REHEARSED)]
    passed = rehearsal is not None and error is None
    return Outcome(
        lines,
        {**deploy_body(receipt, dry_run=True), "passed": passed},
        error.exit_code if error is not None else 0,
        error,
        outputs=deploy_outputs(receipt, passed=error is None),
        markdown=lambda: plan_markdown(plan, differences(), rehearsal, is_rehearsed=is_rehearsed),
    )


def headline(plan: DeployPlan, where: str = "") -> str:
    """Return how many prompts a deploy releases, under which label, and where."""
    label = output.name(plan.label)
    if plan.is_empty:
        return f"nothing to release to {label}"
    place = f" in {output.safe(where)}" if where else ""
    return f"{count(len(plan.survey.releases), 'prompt')} to release to {label}{place}"


def drafts_question(plan: DeployPlan) -> str:
    """Return what a release passes over of the dashboard, which is a question of its own."""
    edits = [
        (member.name, passed_over_texts(plan)[member.name][one.version])
        for member in plan.survey.releases
        for one in member.passed_over
        if one.in_dashboard
    ]
    if not edits:
        return ""
    (name, text), *others = edits
    more = f" (and {len(others)} more)" if others else ""
    return f"{output.name(name)} is released without {output.safe(text, newlines=False)}{more}"


def plan_lines(plan: DeployPlan) -> list[str]:
    """Return what will be released and checked, and what will not: a row for each prompt."""
    rows = plan_rows(plan)
    return [*_label_lines(plan), *row_lines(rows), *other_lines(plan, rows)]


def _label_lines(plan: DeployPlan) -> list[str]:
    """Return what is unusual about the label of a plan: it is new, or not released to from here."""
    lines = []
    if plan.is_new_label:
        lines.append(f"  {output.style('new label', 'warn')}  no prompt has {output.name(plan.label)} yet")
    if plan.not_from_here:
        lines.append(f"  {output.style('not from here', 'warn')}  {output.name(plan.not_from_here)}")
    return lines


def nothing_lines(plan: DeployPlan) -> list[str]:
    """Return why there is nothing to release."""
    skipped = skipped_lines(plan)
    if skipped:
        return skipped
    if not plan.survey.latest.items:
        return [output.Aside("no prompts to deploy")]
    where = "what is committed" if plan.in_git else "what your files have"
    return [output.Aside(f"{output.name(plan.label)} points at {where}")]


def skipped_lines(plan: DeployPlan, *, released: bool = False) -> list[str]:
    """Return what is unchecked, on hold or skipped, and why. ``released`` says that the labels moved."""
    return [*_unchecked_lines(plan.unchecked), *exception_lines(plan, released=released)]


def _unchecked_lines(names: Sequence[str]) -> Iterator[str]:
    shown = names if len(names) <= _LISTED + 1 else names[:_LISTED]
    for name in shown:
        yield noted("unchecked", "warn", name, "no evaluation and no agent")
    if len(shown) < len(names):
        yield f"  {output.style('unchecked', 'warn')}  and {len(names) - len(shown)} more; --json has all"


# -- the rehearsal ------------------------------------------------------------------------------------------


def rehearsal_lines(rehearsal: Rehearsal) -> list[str]:
    """Return how a rehearsal went."""
    receipt, lines = rehearsal.receipt, [f"rehearsal: {output.name(line)}" for line in rehearsal.left_out]
    where = "with these files in a temporary registry; nothing was released"
    if rehearsal.error is not None:
        return [*lines, f"rehearsal failed, {where}", *_rehearsed_lines(receipt)]
    checks = _rehearsed_lines(receipt)
    return [*lines, f"rehearsal passed{'' if checks else ', without any checks'}, {where}", *checks]


def _rehearsed_lines(receipt: DeployReceipt) -> list[str]:
    """Return the results of the checks of a rehearsal, or what stopped it before them."""
    if receipt.results is not None and receipt.results.all:
        return results_lines(receipt.results)
    return receipt_lines(receipt) if receipt.error is not None else []


# -- the receipt --------------------------------------------------------------------------------------------


def show_receipt(plan: DeployPlan, receipt: DeployReceipt | None, was_shown: bool = False) -> Outcome:
    """Return what a deploy did; after ``was_shown`` without the rows that went as planned."""
    done = receipt if receipt is not None else DeployReceipt(plan, is_released=True)
    return Outcome(
        receipt_lines(done, was_shown=was_shown),
        deploy_body(done, dry_run=False),
        done.exit_code,
        done.error,
        outputs=deploy_outputs(done, passed=done.passed),
        markdown=lambda: receipt_markdown(done),
    )


def receipt_lines(receipt: DeployReceipt, *, was_shown: bool = False) -> list[str]:
    """Return what was done, and then what was not."""
    plan = receipt.plan
    if plan.is_empty:
        return [*nothing_lines(plan), output.Aside(headline(plan))]
    lines = []
    if not was_shown:
        waited = [member.name for member in plan.survey.releases if member.pending]
        lines += [noted("pending", "warn", name, "from an earlier deploy") for name in waited]
    if plan.push.actions:
        known = passed_over_texts(plan)
        lines += push.receipt_lines(receipt.push, plan.push if was_shown else None, known)
        lines += kept_tag_lines(plan.push, receipt.push.versions)
    if receipt.results is not None:
        lines += results_lines(receipt.results)
    labels = [one for one in receipt.labels if not was_shown or not one.moved or one.is_overtaken]
    lines += output.table(changed_row(_word(one), one) for one in labels)
    lines += [
        noted("unchecked", "warn", one.name, live_elsewhere(one))
        for one in plan.live
        if one.elsewhere and one.name in {live.name for live in receipt.live if not live.taken_back}
    ]
    for live in receipt.live:
        after = live.note or ("the old text is live again" if live.taken_back else "")
        is_checked = not after and live.name not in plan.unchecked
        how = "before it was checked" if is_checked else "; ".join(filter(None, ["unchecked", after]))
        lines.append(noted("live", "warn", live.name, f"for {live.seconds:.1f} s {how}"))
    for member in receipt.live_failures:
        lines.append(_live_failure(member, plan.label))
    if plan.keep_going:
        lines += [noted("kept back", "warn", name, _KEPT_BACK) for name in receipt.kept_back]
    lines += [] if was_shown else skipped_lines(plan, released=receipt.is_released)
    lines += pin_lines(plan.pins.after(receipt.push.versions))
    return [*lines, output.Aside(summary(receipt))]


def _live_failure(member: Member, label: str) -> str:
    text = f"{output.name(label)} is at v{member.version}, which did not pass its checks"
    if (member.live_before or member.version) < member.version:
        undo = shlex.join(["promptsync", "rollback", member.name, "--label", label])
    else:
        text, undo = f"{text}; nothing was live before it, so commit a new text", "promptsync deploy"
    return noted("live", "bad", member.name, text, undo)


def _word(changed: ChangedLabel) -> str:
    if changed.is_unknown:
        return output.style("unknown", "bad")
    if changed.is_overtaken:
        return output.style("moved", "warn")
    return output.style("released", "good") if changed.moved else output.style("not released", "bad")


def summary(receipt: DeployReceipt) -> str:
    """Return how many prompts were released, or where the label is."""
    label = output.name(receipt.plan.label)
    if receipt.plan.is_empty:
        return headline(receipt.plan)
    kept = receipt.kept_back
    if receipt.is_released:
        kept_back = f", {len(kept)} kept back" if kept else ""
        return f"{count(len(receipt.others), 'prompt')} released to {label}{kept_back}"
    if any(one.is_unknown for one in receipt.labels):
        return f"not released; the position of {label} is unknown"
    if any(one.moved for one in receipt.labels):
        return f"not released; {label} moved on some prompts"
    others = len(receipt.passed_others) if kept else 0
    passed = f"; {count(others, 'other prompt')} passed" if others else ""
    return f"nothing was released; {label} did not move{passed}"


# -- Markdown -----------------------------------------------------------------------------------------------


def receipt_markdown(receipt: DeployReceipt, *, most: int = MOST) -> list[str]:
    """Return what a deploy did: versions, scores and labels, and the error that it ended in."""
    page = Page(most)
    label = _label(receipt.plan)
    moved, kept = sum(one.moved for one in receipt.labels), len(receipt.kept_back)
    if receipt.plan.is_empty:
        page.say(f"**Nothing to release to {label}**")
    elif receipt.is_released:
        kept_back = f", {kept} kept back" if kept else ""
        page.say(f"**{count(moved, 'prompt')} released to {label}{kept_back}**")
    elif any(one.is_unknown for one in receipt.labels):
        page.say(f"**Not released; the position of {label} is unknown**")
    else:
        page.say(f"**{label} moved on some prompts**" if moved else f"**Nothing was released to {label}**")
    page.fence(map(click.unstyle, receipt_lines(receipt)))
    if receipt.error is not None:
        add_error(page, receipt.error)
    return page.lines


def plan_markdown(
    plan: DeployPlan,
    differences: Sequence[Difference] = (),
    rehearsal: Rehearsal | None = None,
    *,
    is_rehearsed: bool = True,
    most: int = MOST,
) -> list[str]:
    """Return what a deploy will do: the plan, how its rehearsal went, and what differs from the label."""
    page = Page(most)
    label = _label(plan)
    if plan.is_empty:
        page.say(f"**Nothing to release to {label}**")
        page.fence(map(click.unstyle, nothing_lines(plan)))
        return page.lines
    releases = count(len(plan.survey.releases), "prompt")
    page.say(f"**{releases} to release to {label}** · fingerprint {code(plan.fingerprint)}")
    # The rows come last, because their differences may fill the page.
    if rehearsal is not None:
        _add_rehearsal(page, rehearsal)
    if not is_rehearsed:
        page.say(f"{_NOT_REHEARSED[0].upper()}{_NOT_REHEARSED[1:]}.")
    _add_rows(page, plan, differences)
    return page.lines


def _add_rows(page: Page, plan: DeployPlan, differences: Sequence[Difference]) -> None:
    """Add a row for each prompt; one that differs from the label is the title of what differs."""
    from promptsync.compare.difference import step
    from promptsync.show.diff_markdown import step_lines

    rows = plan_rows(plan)
    steps = {one.name: one.steps for one in differences}
    others = row_lines([row for row in rows if row.name not in steps])
    if lines := [*_label_lines(plan), *others, *other_lines(plan, rows)]:
        page.fence(map(click.unstyle, lines))
    drafts = {
        member.name: [step(f"v{one.version - 1} -> v{one.version}", one.old, one.new) for one in shown]
        for member in plan.survey.releases
        if (shown := [one for one in member.passed_over if one.new is not None])
    }
    details = [(row.title, "", step_lines(steps[row.name])) for row in rows if row.name in steps]
    details += [
        (f"{name}, passed over: {found.title}", "", step_lines([found]))
        for name, changes in drafts.items()
        for found in changes
    ]
    page.differences(details)


def _add_rehearsal(page: Page, rehearsal: Rehearsal) -> None:
    receipt, error = rehearsal.receipt, rehearsal.error
    ran = receipt.results is not None and bool(receipt.results.all)
    word = "failed" if error is not None else "passed" if ran else "passed, without any checks"
    page.say(f"**Rehearsal {word}**, {_REHEARSED_WITH}")
    if lines := [*_rehearsed_lines(receipt), *rehearsal.left_out]:
        page.fence(map(click.unstyle, lines))
    if error is not None:
        add_error(page, error)


def _label(plan: DeployPlan) -> str:
    return code(shortened(plan.label, _LONG_LABEL))
