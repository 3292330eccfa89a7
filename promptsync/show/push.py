"""A push: its plan and its receipt as text, JSON and Markdown."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from promptsync.compare.pins import NO_PINS, PinReport
from promptsync.history.mark import parse_mark
from promptsync.project.project import Project
from promptsync.push.actions import PUBLISHING, Action, Kind, PushPlan
from promptsync.push.receipt import Moved, PushReceipt
from promptsync.show.lines import (
    backup_lines,
    kept_tag_lines,
    noted,
    passed_over_line,
    rename_note,
    tally,
    will_pass_over_line,
)
from promptsync.show.markdown import MOST, Page, code
from promptsync.show.outcome import Outcome
from promptsync.show.pins import pin_lines
from promptsync.show.push_json import push_body
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference
    from promptsync.compare.live_users import LiveUser

# -- the plan -----------------------------------------------------------------------------------------------


def show_plan(
    project: Project, plan: PushPlan, differences: Callable[[], Sequence[Difference]] = tuple
) -> Outcome:
    """Return the plan of a push; ``differences`` finds those of its prompts, for Markdown."""
    receipt = PushReceipt(skipped=list(plan.skipped))
    return Outcome(
        plan_lines(plan),
        push_body(plan, receipt, dry_run=True),
        receipt.exit_code,
        receipt.error,
        markdown=lambda: plan_markdown(plan, differences(), where=project.title),
    )


def headline(plan: PushPlan, where: str = "") -> str:
    """Return how many prompts a push publishes, labels and archives, and where."""
    kinds = Counter(action.kind for action in plan.actions)
    published = sum(kinds[kind] for kind in PUBLISHING)
    parts = [(published, "to publish"), (kinds[Kind.LABEL], "to label"), (kinds[Kind.ARCHIVE], "to archive")]
    counts = tally("prompt", parts)
    if not counts:
        return "nothing to push"
    is_all = published == len(plan.actions)
    return f"{counts} {'to' if is_all else 'in'} {output.safe(where)}" if where else counts


def plan_lines(plan: PushPlan) -> list[str]:
    """Return what will be done with each prompt, and what will be skipped."""
    lines = output.table((action_row(action) for action in plan.actions), free=True) if plan.actions else []
    lines += [_passes_over(one) for one in plan.actions if one.passed_over]
    lines += _unchecked_lines(plan.unchecked, plan.governed, "will move")
    lines += _live_lines(plan.live)
    lines += kept_tag_lines(plan, {action.name for action in plan.actions})
    return [*lines, *skipped_lines(plan), *_rename_lines(plan), *pin_lines(plan.pins)]


def _passes_over(action: Action) -> str:
    if action.kind is not Kind.RESTORE:
        return will_pass_over_line(action.name, action.passed_over)
    # No version of an archived prompt can be pulled, so it is brought in after the push.
    text = f"v{action.current}, the archived version, which your file does not include; after the push,"
    command = f"promptsync pull --passed-over {shlex.quote(action.name)}"
    return noted("passes over", "warn", action.name, f"{text} {command} brings it in")


def action_row(action: Action) -> tuple[str, ...]:
    """Return what will be done with one prompt as a row: word, name, versions, labels, message."""
    arrow = f"v{action.current}" if action.current is not None else "-"
    version = f"{arrow} -> v{action.next}" if action.next != action.current else arrow
    if action.kind is Kind.ARCHIVE:
        version = f"{arrow} -> archived"
    labels = [f"+{output.name(label)}" for label in action.labels]
    labels += [f"{output.name(label)} v{at}" for label, at in action.released]
    if action.kind is Kind.RESTORE:
        # Archived prompts are listed only by labels that are known.
        labels.append("live again" if action.released else "its labels answer again")
    meaning = "bad" if action.kind in (Kind.ARCHIVE, Kind.FORCE) else "good"
    return (
        f"  {output.style(action.kind, meaning)}",
        output.name(action.name),
        version,
        " ".join(labels),
        output.safe(action.message or "", newlines=False),
    )


def _unchecked_lines(names: Sequence[str], labels: Sequence[str], move: str) -> list[str]:
    """Return the prompts on which governed labels move without checks."""
    what = f"{', '.join(map(output.name, labels))} {move} without checks"
    return [noted("unchecked", "warn", name, what) for name in names]


def _live_lines(live: Mapping[str, Sequence[LiveUser]]) -> list[str]:
    """Return the snippets that live prompts render at once, without checks."""
    if not live:
        return []
    from promptsync.compare.live_users import named_users

    return [
        noted("unchecked", "warn", name, f"live at once in {named_users(users)}")
        for name, users in sorted(live.items())
    ]


def skipped_lines(plan: PushPlan) -> list[str]:
    """Return which prompts will be skipped, and why."""
    return [noted("skipped", "warn", one.name, f"{one.state}, {one.reason}") for one in plan.skipped]


def _rename_lines(plan: PushPlan, *, done: bool = False) -> list[str]:
    archived = {action.name for action in plan.actions if action.kind is Kind.ARCHIVE}
    notes = [
        rename_note(action.name, action.was, is_archived=action.was in archived, done=done)
        for action in plan.actions
        if action.was is not None
    ]
    return [output.hanging(f"  {output.style('note:', 'warn')} {note}", 6) for note in notes]


# -- the receipt --------------------------------------------------------------------------------------------


def show_receipt(
    project: Project, plan: PushPlan, receipt: PushReceipt | None, was_shown: bool = False
) -> Outcome:
    """Return what a push did; ``was_shown`` leaves out what the plan has shown, and what went as planned."""
    done = receipt if receipt is not None else PushReceipt(skipped=list(plan.skipped))
    pins = plan.pins.after(done.versions)
    if receipt is None:
        lines = [*skipped_lines(plan), output.Aside("nothing to push")]
    else:
        lines = [
            *receipt_lines(done, plan if was_shown else None),
            *kept_tag_lines(plan, done.versions),
            *_rename_lines(plan, done=True),
            *pin_lines(pins),
        ]
    return Outcome(
        lines,
        push_body(plan, done, dry_run=False),
        done.exit_code,
        done.error,
        markdown=lambda: plan_markdown(plan) if receipt is None else receipt_markdown(done, pins),
    )


def receipt_lines(
    receipt: PushReceipt,
    shown: PushPlan | None = None,
    passed_over: Mapping[str, Mapping[int, str]] = MappingProxyType({}),
) -> list[str]:
    """Return what was done, what was not, and the counts; what went as in the plan ``shown`` counts only.

    ``passed_over`` is what is known of versions that were passed over, by prompt.
    """
    planned = {action.name: action.next for action in shown.actions} if shown is not None else {}
    published = [one for one in receipt.published if planned.get(one.name) != one.version]
    rows = [
        (
            f"  {output.style('published', 'good')}",
            output.name(one.name),
            f"v{one.version}",
            output.safe(one.message, newlines=False),
        )
        for one in sorted(published, key=lambda one: one.name)
    ]
    lines = output.table(rows, free=True, aside=True)
    lines += [
        noted("live again", "warn", one.name, ", ".join(f"{label} at v{at}" for label, at in one.live_again))
        for one in receipt.published
        if one.live_again
    ]
    lines += [
        noted("published", "good", name, f"v{one.version} by somebody else, with the same text")
        for name, one in receipt.already.items()
    ]
    archived = [(f"  {output.style('archived', 'warn')}", output.name(name)) for name in receipt.archived]
    lines += output.table(archived if shown is None else [], aside=True)
    moved = [label for label in receipt.labels if label.moved]
    lines += output.table(map(_label_row, moved if shown is None else []), aside=True)
    lines += output.table(_label_row(label) for label in receipt.labels if not label.moved)
    lines += _unchecked_lines(receipt.unchecked, receipt.governed, "moved")
    lines += _live_lines(receipt.changed_live)
    lines += _trouble(receipt)
    lines += [
        passed_over_line(one.name, one.passed_over, passed_over.get(one.name, {}))
        for one in receipt.published
        if one.passed_over
    ]
    if shown is None:
        lines += [noted("skipped", "warn", one.name, one.reason) for one in receipt.skipped]
    lines += _synced_lines(receipt)
    lines.append(summary(receipt))
    if receipt.unrecorded:
        lines.append(
            f"  {output.style('note:', 'warn')} this working copy could not record the push: "
            f"{output.safe(receipt.unrecorded, newlines=False)}"
        )
    return lines


def summary(receipt: PushReceipt) -> str:
    """Return the counts of what was done; without those that are zero."""
    parts = [f"{count(len(receipt.published), 'prompt')} published"] if receipt.published else []
    moved = Counter(one.label for one in receipt.labels if one.moved and one.old != one.new)
    parts += [f"{output.name(label)} moved on {count(moved[label], 'prompt')}" for label in sorted(moved)]
    numbers = {
        "published by somebody else": len(receipt.already),
        "archived": len(receipt.archived),
        "failed": sum(not one.unknown for one in receipt.failed) + sum(one.failed for one in receipt.labels),
        "unknown": receipt.unknown,
        "skipped": len(receipt.skipped),
    }
    parts += [f"{number} {what}" for what, number in numbers.items() if number]
    return ", ".join(parts) or "nothing was published"


def _synced_lines(receipt: PushReceipt) -> Iterator[str]:
    """Yield what was written into files; a version made from a commit needs nothing."""
    if receipt.synced:
        files = count(len(receipt.synced), "file")
        marks = [parse_mark(one.message) for one in receipt.published]
        in_git = any(mark is not None and mark.commit is not None for mark in marks)
        why = " because the text is not committed; commit first to avoid it" if in_git else ""
        yield output.Aside(f"  synced: was written to {files}{why}")
    yield from backup_lines(receipt.backups)
    for name, reason in receipt.unsynced.items():
        yield noted("note", "warn", name, f"synced: was not written: {reason}")


def _label_row(moved: Moved) -> tuple[str, ...]:
    word, meaning = ("labelled", "good") if moved.moved else ("not labelled", "bad")
    way = f"v{moved.new}" if moved.old in (None, moved.new) else f"v{moved.old} -> v{moved.new}"
    reason = output.safe(moved.reason, newlines=False)
    return f"  {output.style(word, meaning)}", output.name(moved.name), output.name(moved.label), way, reason


def _trouble(receipt: PushReceipt) -> Iterator[str]:
    for failed in receipt.failed:
        yield noted("unknown" if failed.unknown else "failed", "bad", failed.name, failed.reason)
    for name, paths in receipt.altered.items():
        yield noted("altered", "bad", name, f"the registry returned {', '.join(paths)} differently")
    for name, why in receipt.unverified.items():
        yield noted("unverified", "bad", name, why)
    skipped = {one.name for one in receipt.skipped}
    for name, what in receipt.raced.items():
        if name not in skipped:
            yield noted("raced", "bad", name, what)


# -- Markdown -----------------------------------------------------------------------------------------------


def plan_markdown(
    plan: PushPlan, differences: Sequence[Difference] = (), *, where: str = "", most: int = MOST
) -> list[str]:
    """Return what a push will do: a headline, the plan, and the differences, cut with counts."""
    page = Page(most)
    if not plan.actions:
        page.say("**Nothing to publish**")
    else:
        place = f" · {code(where)}" if where else ""
        page.say(f"**{headline(plan)}**{place} · fingerprint {code(plan.fingerprint)}")
    if lines := plan_lines(plan):
        page.fence(click.unstyle(line) for line in lines)
    if differences and plan.actions:
        from promptsync.show.diff_markdown import add_differences

        add_differences(page, differences)
    return page.lines


def receipt_markdown(receipt: PushReceipt, pins: PinReport = NO_PINS, *, most: int = MOST) -> list[str]:
    """Return what a push did."""
    page = Page(most)
    page.say(f"**{summary(receipt)}**")
    page.fence(click.unstyle(line) for line in (*receipt_lines(receipt)[:-1], *pin_lines(pins)))
    return page.lines
