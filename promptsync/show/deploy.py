"""Plans and receipts of a deploy, as text for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from promptsync.deploy.live_snippets import LiveSnippet
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.labels.apply import Changed
from promptsync.show import push
from promptsync.show.checks import results_lines
from promptsync.show.deploy_errors import failure, rehearsal_failure, release_held
from promptsync.show.diff_markdown import add_differences
from promptsync.show.lines import will_pass_over_line
from promptsync.show.markdown import MOST, Page, add_error, code, shortened
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference
    from promptsync.deploy.rehearse import Rehearsal

DRY = output.Aside("DRY RUN: nothing is published, run or moved")

_LISTED = 10


def plan_lines(plan: DeployPlan) -> list[str]:
    """Return what will be done, in order, and what will be left."""
    label = output.name(plan.label)
    rows: list[tuple[str, ...]] = []
    for action in plan.push.actions:
        rows.append((*push.action_row(action)[:3], push.action_row(action)[-1]))
    for member in plan.survey.releases:
        if not member.publishes:
            rows.append((f"  {output.style('use', 'good')}", output.name(member.name), f"v{member.version}"))
    lines = [] if plan.is_empty else [f"Deploy to {output.style(label, 'strong')}:", *output.table(rows)]
    if plan.is_new_label:
        lines.insert(1, f"  {output.style('new label', 'warn')}  no prompt here has {label} yet")
    lines += _table(_check_rows(plan))
    lines += _table(_move_rows(plan))
    lines += [will_pass_over_line(one.name, one.passed_over) for one in plan.push.actions if one.passed_over]
    lines += _live_lines(plan)
    return lines + left_lines(plan)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    return output.table(rows) if rows else []


def _check_rows(plan: DeployPlan) -> list[tuple[str, ...]]:
    word = f"  {output.style('check', 'good')}"
    rows: list[tuple[str, ...]] = [
        (word, output.name(one.name), _names(one.prompts), _minimum(one.min_score))
        for one in plan.selection.evaluations
    ]
    rows += [(word, output.name(one.name), _names(one.prompts), "agent") for one in plan.selection.agents]
    return rows


def _minimum(score: float | None) -> str:
    return "" if score is None else f"at least {score:g}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(output.name, names[:3])) + more


def _move_rows(plan: DeployPlan) -> list[tuple[str, ...]]:
    return [
        (
            f"  {output.style('move', 'good')}",
            output.name(member.name),
            output.style(output.name(plan.label), "strong"),
            _way(member.released, member.version),
            output.style("left over", "warn") if member.left_over else "",
        )
        for member in plan.survey.releases
    ]


def _way(old: int | None, new: int | None) -> str:
    if old == new:
        return f"v{new}"
    return f"{_version(old)} -> {_version(new)}"


def _version(version: int | None) -> str:
    return "-" if version is None else f"v{version}"


def _live_lines(plan: DeployPlan) -> Iterator[str]:
    for one in plan.live:
        if one.already:
            continue
        how = "when its label moves" if one.by_label else "when it is published"
        text = f"live {how}, before its users are checked ({_names(one.parents)}); taken back on failure"
        yield _line("live", "warn", one.name, text)


def nothing_lines(plan: DeployPlan) -> list[str]:
    """Return why there is nothing to do."""
    label, left = output.name(plan.label), left_lines(plan)
    if left:
        return [*left, output.Aside(f"nothing else to deploy to {label}")]
    return [*left, output.Aside(f"nothing to deploy: {label} says what git says")]


def _unchecked_lines(names: Sequence[str]) -> list[str]:
    shown = names if len(names) <= _LISTED + 1 else names[:_LISTED]
    lines = [_line("unchecked", "warn", name, "no evaluation and no agent") for name in shown]
    if len(shown) < len(names):
        lines.append(
            f"  {output.style('unchecked', 'warn')}  and {len(names) - len(shown)} more; --json has all"
        )
    return lines


def left_lines(plan: DeployPlan, *, released: bool = False) -> list[str]:
    """Return what a deploy leaves, passes over or cannot check, and why; ``released``: the labels moved."""
    survey = plan.survey
    label = output.name(plan.label)
    lines = []
    for one in plan.live:
        if one.already and not released:
            text = f"v{one.before} is live already, and unchecked: {_names(one.parents)} renders it; "
            lines.append(_line("live", "warn", one.name, f"{text}{_way_back(plan, one)} takes it back"))
    lines += _unchecked_lines(plan.unchecked)
    for held in survey.held:
        text = (
            f"v{held.version} says what the file says, and {label} was moved back to v{held.released}; "
            f"{release_held(held, plan.label)} checks and releases it all the same"
        )
        lines.append(_line("held", "warn", held.name, text))
    lines += [_line("left", "warn", one.name, f"{one.state}, {one.reason}") for one in survey.passed]
    lines += [_line("left", "warn", name, f"deleted in git; it keeps {label}") for name in survey.deleted]
    return lines


def _way_back(plan: DeployPlan, one: LiveSnippet) -> str:
    name = shlex.quote(one.name)
    if one.by_label:
        return f"promptsync rollback {name} --label {shlex.quote(plan.label)}"
    return "git revert of its change, and a deploy,"


def _line(word: str, meaning: str, name: str, text: str) -> str:
    line = f"  {output.style(word, meaning)}  {output.name(name)}: {output.safe(text, newlines=False)}"
    return output.hanging(line, 6)


NOT_REHEARSED = "not rehearsed: this change touches none of these prompts"


def receipt_lines(receipt: DeployReceipt) -> list[str]:
    """Return what was done, and then what was not."""
    plan = receipt.plan
    if plan.is_empty:
        return nothing_lines(plan)
    lines = [
        _line(
            "left over", "warn", member.name, "no commit of this push touched it, and no deploy released it"
        )
        for member in plan.survey.releases
        if member.left_over
    ]
    if plan.push.actions:
        lines += push.receipt_lines(receipt.push)
    if receipt.results is not None:
        lines += results_lines(receipt.results)
    lines += _table([_label_row(one) for one in receipt.labels])
    for live in receipt.live:
        after = live.note or ("taken back" if live.taken_back else "")
        how = f"unchecked; {after}" if after else "before it was checked"
        lines.append(_line("live", "warn", live.name, f"for {live.seconds:.1f} s {how}"))
    lines += left_lines(plan, released=receipt.is_released)
    return [*lines, output.Aside(_summary(receipt))]


def _label_row(done: Changed) -> tuple[str, ...]:
    change = done.change
    word = output.style("released", "good") if done.moved else output.style("not released", "bad")
    why = output.safe(done.reason or done.note, newlines=False)
    label = output.style(output.name(change.label), "strong")
    return (f"  {word}", output.name(change.name), label, _way(change.old, change.new), why)


def _summary(receipt: DeployReceipt) -> str:
    label = output.name(receipt.plan.label)
    if receipt.is_released:
        return f"{output.count(len(receipt.labels), 'prompt')} released to {label}"
    if any(one.is_unknown for one in receipt.labels):
        return f"not released; nobody knows where {label} is now"
    if any(one.moved for one in receipt.labels):
        return f"not released; {label} is partly moved"
    return f"nothing was released; {label} is where it was"


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
    ran = receipt.results is not None and bool(receipt.results.all)
    word = "failed" if error is not None else "passed" if ran else "passed, without any checks"
    page.say(
        f"**Rehearsal {word}**: these texts in a throw-away registry, with the evaluations and agents of the "
        "fixtures. Those of the registry itself run in the deploy, before a label moves."
    )
    lines = results_lines(receipt.results) if receipt.results is not None and ran else []
    if error is not None and not ran:
        lines = receipt_lines(receipt)
    lines += [f"not in the fixtures, and so not run: {name}" for name in rehearsal.without]
    if lines:
        page.fence(map(click.unstyle, lines))
    if error is not None:
        add_error(page, error)


def _label(plan: DeployPlan) -> str:
    return code(shortened(plan.label, _LONG_LABEL))
