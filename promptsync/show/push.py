"""A push: its plan and its receipt as text, JSON and Markdown."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from promptsync.history.mark import parse_mark, without_mark
from promptsync.project.project import Project
from promptsync.push.actions import Action, Kind, PushPlan
from promptsync.push.receipt import PushReceipt
from promptsync.show.labels import label_row, labels_body
from promptsync.show.lines import (
    backup_lines,
    kept_tag_rows,
    move_note,
    passed_over,
    rename_note,
    tally,
    will_pass_over,
)
from promptsync.show.markdown import MOST, Page, code
from promptsync.show.outcome import Outcome
from promptsync.show.pins import pin_rows, pins_body
from promptsync.show.rows import Row, row_lines
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
    parts = [(kinds[Kind.LABEL], "to label"), (kinds[Kind.ARCHIVE], "to archive")]
    counts = tally("prompt", [(len(plan.publishing), "to publish"), *parts])
    if not counts:
        return "nothing to push"
    is_all = len(plan.publishing) == len(plan.actions)
    return f"{counts} {'to' if is_all else 'in'} {output.safe(where)}" if where else counts


def plan_lines(plan: PushPlan) -> list[str]:
    """Return what will be done with each prompt, and what will be skipped."""
    lines = output.table(map(action_row, plan.actions), free=True) if plan.actions else []
    rows = [_passes_over(action) for action in plan.actions if action.passed_over]
    rows += _unchecked(plan.unchecked, plan.governed, plan.live, "will move")
    rows += [*kept_tag_rows(plan, {action.name for action in plan.actions}), *_skipped(plan)]
    return [*lines, *row_lines(rows), *_rename_lines(plan), *row_lines(pin_rows(plan.pins))]


def _passes_over(action: Action) -> Row:
    if action.kind is not Kind.RESTORE:
        return will_pass_over(action.name, action.passed_over)
    # No version of an archived prompt can be pulled, so it is brought in after the push.
    text = f"v{action.current}, the archived version, which your file does not include; after the push,"
    command = f"promptsync pull --passed-over {shlex.quote(action.name)}"
    return Row("passes over", "warn", action.name, note=f"{text} {command} brings it in")


def action_row(action: Action) -> tuple[str, ...]:
    """Return what will be done with one prompt as a row: word, name, versions, labels, message."""
    arrow = f"v{action.current}" if action.current is not None else "-"
    version = f"{arrow} -> v{action.next}" if action.next != action.current else arrow
    if action.kind is Kind.ARCHIVE:
        version = f"{arrow} -> archived"
    labels = [f"+{output.name(label)}" for label in action.labels]
    labels += [f"{output.name(label)} v{at}" for label, at in action.released]
    labels += ["its labels answer again"] if action.kind is Kind.RESTORE else []
    meaning = "bad" if action.kind in (Kind.ARCHIVE, Kind.FORCE) else "good"
    return (
        f"  {output.style(action.kind, meaning)}",
        output.name(action.name),
        version,
        " ".join(labels),
        output.safe(without_mark(action.message or ""), newlines=False),
    )


def _unchecked(
    names: Sequence[str], labels: Sequence[str], live: Mapping[str, Sequence[LiveUser]], move: str
) -> Iterator[Row]:
    """Yield what goes live without checks: governed labels, and snippets that live prompts render."""
    from promptsync.compare.live_users import named_users  # only some pushes need it

    what = f"{', '.join(labels)} {move} without checks"
    for name in names:
        yield Row("unchecked", "warn", name, note=what)
    for name, users in sorted(live.items()):
        yield Row("unchecked", "warn", name, note=f"live at once in {named_users(users)}")


def _skipped(plan: PushPlan) -> list[Row]:
    return [
        Row("skipped", "warn", prompt.name, note=f"{prompt.state}, {prompt.reason}")
        for prompt in plan.skipped
    ]


def _rename_lines(plan: PushPlan, *, done: bool = False) -> list[str]:
    archived = {action.name for action in plan.archiving}
    notes = [
        rename_note(action.name, action.was, is_archived=action.was in archived, done=done)
        for action in plan.actions
        if action.was is not None
    ]
    published = {action.name for action in plan.publishing}
    moves = plan.snapshot.possible_moves if plan.snapshot is not None and not done else ()
    notes += [move_note(old, new) for old, new in moves if new in published]
    return [output.Line(f"  {output.style('note:', 'warn')} {note}", 6) for note in notes]


# -- the receipt --------------------------------------------------------------------------------------------


def show_receipt(
    project: Project, plan: PushPlan, receipt: PushReceipt | None, was_shown: bool = False
) -> Outcome:
    """Return what a push did; ``was_shown`` leaves out what the plan has shown, and what went as planned."""
    result = receipt if receipt is not None else PushReceipt(skipped=list(plan.skipped))
    pins = row_lines(pin_rows(plan.pins.after(result.versions)))
    if receipt is None:
        lines = [*row_lines(_skipped(plan)), output.aside("nothing to push")]
    else:
        lines = receipt_lines(result, was_shown)
        lines += [*row_lines(kept_tag_rows(plan, result.versions)), *_rename_lines(plan, done=True), *pins]
    return Outcome(
        lines,
        push_body(plan, result, dry_run=False),
        result.exit_code,
        result.error,
        markdown=lambda: plan_markdown(plan) if receipt is None else receipt_markdown(receipt, pins),
    )


def receipt_lines(
    receipt: PushReceipt,
    was_shown: bool = False,
    known: Mapping[str, Mapping[int, str]] = MappingProxyType({}),
) -> list[str]:
    """Return what was done, what was not, and the counts; after ``was_shown`` what was planned counts only.

    ``known`` is what is known of versions that were passed over, by prompt.
    """
    lines = [] if was_shown else [*_lines_of_success(receipt)]
    rows = [label_row(label, "labelled") for label in receipt.labels if not label.moved]
    rows += _unchecked(receipt.unchecked, receipt.governed, receipt.changed_live, "moved")
    rows += _trouble(receipt)
    rows += [
        passed_over(prompt.name, prompt.passed_over, known.get(prompt.name, {}))
        for prompt in receipt.published
        if prompt.passed_over
    ]
    if not was_shown:
        rows += [Row("skipped", "warn", prompt.name, note=prompt.reason) for prompt in receipt.skipped]
    lines += [*row_lines(rows), *_synced_lines(receipt)]
    lines.append(summary(receipt))
    if receipt.unrecorded:
        lines.append(
            f"  {output.style('note:', 'warn')} this working copy could not record the push: "
            f"{output.safe(receipt.unrecorded, newlines=False)}"
        )
    return lines


def _lines_of_success(receipt: PushReceipt) -> Iterator[str]:
    published = (
        (
            f"  {output.style('published', 'good')}",
            output.name(prompt.name),
            f"v{prompt.version}",
            output.safe(without_mark(prompt.message), newlines=False),
        )
        for prompt in sorted(receipt.published, key=lambda prompt: prompt.name)
    )
    yield from output.table(published, free=True, aside=True)
    archived = ((f"  {output.style('archived', 'warn')}", output.name(name)) for name in receipt.archived)
    yield from output.table(archived, aside=True)
    moved = (label for label in receipt.labels if label.moved)
    yield from row_lines((label_row(label, "labelled") for label in moved), aside=True)


def summary(receipt: PushReceipt) -> str:
    """Return the counts of what was done; without those that are zero."""
    parts = [f"{count(len(receipt.published), 'prompt')} published"] if receipt.published else []
    moved = Counter(label.change.label for label in receipt.moved)
    parts += [f"{output.name(label)} moved on {count(moved[label], 'prompt')}" for label in sorted(moved)]
    stayed = sum(not (label.moved or label.is_unknown) for label in receipt.labels)
    numbers = {
        "archived": len(receipt.archived),
        "failed": sum(not prompt.unknown for prompt in receipt.failed),
        "not labelled": stayed,
        "unknown": receipt.unknown,
        "skipped": len(receipt.skipped),
    }
    parts += [f"{number} {what}" for what, number in numbers.items() if number]
    return ", ".join(parts) or "nothing was published"


def _trouble(receipt: PushReceipt) -> Iterator[Row]:
    for prompt in receipt.failed:
        yield Row("unknown" if prompt.unknown else "failed", "bad", prompt.name, note=prompt.reason)
    for name, paths in receipt.altered.items():
        yield Row("altered", "bad", name, note=f"the registry returned {', '.join(paths)} differently")
    for name, why in receipt.unverified.items():
        yield Row("unverified", "bad", name, note=why)
    for name, what in receipt.raced.items():
        yield Row("raced", "bad", name, note=what)


def _synced_lines(receipt: PushReceipt) -> Iterator[str]:
    """Yield what was written into files; a version made from a commit needs nothing."""
    if receipt.synced:
        files = count(len(receipt.synced), "file")
        marks = [parse_mark(prompt.message) for prompt in receipt.published]
        in_git = any(mark is not None and mark.commit is not None for mark in marks)
        why = " because the text is not committed; commit first to avoid it" if in_git else ""
        yield output.aside(f"  synced: was written to {files}{why}")
    yield from backup_lines(receipt.backups)
    for name, reason in receipt.unsynced.items():
        yield from row_lines([Row("note", "warn", name, note=f"synced: was not written: {reason}")])


# -- Markdown and JSON --------------------------------------------------------------------------------------


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
        from promptsync.show.diff import add_differences

        add_differences(page, differences)
    return page.lines


def receipt_markdown(receipt: PushReceipt, pins: Sequence[str] = (), *, most: int = MOST) -> list[str]:
    """Return what a push did, with lines about pins."""
    page = Page(most)
    page.say(f"**{summary(receipt)}**")
    page.fence(click.unstyle(line) for line in (*receipt_lines(receipt)[:-1], *pins))
    return page.lines


def push_body(plan: PushPlan, receipt: PushReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return the body of the JSON document."""
    live = plan.live if dry_run else receipt.changed_live
    return {
        "plan": [
            {
                "name": action.name,
                "action": str(action.kind),
                "path": action.path,
                "from": action.current,
                "to": None if action.kind is Kind.ARCHIVE else action.next,
                "message": action.message,
                "labels": list(action.labels),
                "released": dict(action.released),
                "renamed_from": action.was,
            }
            for action in plan.actions
        ],
        "fingerprint": plan.fingerprint,
        "published": [
            {
                "name": prompt.name,
                "version": prompt.version,
                "message": prompt.message,
                "labels": list(prompt.labels),
                "passed_over": list(prompt.passed_over),
            }
            for prompt in receipt.published
        ],
        "failed": [
            {"name": prompt.name, "reason": prompt.reason, "unknown": prompt.unknown}
            for prompt in receipt.failed
        ],
        "skipped": [
            {"name": prompt.name, "state": prompt.state, "reason": prompt.reason}
            for prompt in receipt.skipped
        ],
        "altered": [{"name": name, "fields": list(paths)} for name, paths in receipt.altered.items()],
        "raced": [{"name": name, "reason": reason} for name, reason in receipt.raced.items()],
        "unverified": [{"name": name, "reason": why} for name, why in receipt.unverified.items()],
        "synced": list(receipt.synced),
        "backups": {name: str(path) for name, path in receipt.backups.items()},
        "archived": list(receipt.archived),
        "labels": labels_body(receipt.labels),
        "unchecked": list(plan.unchecked) if dry_run else receipt.unchecked,
        "live": [
            {"snippet": name, "users": [{"name": user.name, "label": user.label} for user in users]}
            for name, users in sorted(live.items())
        ],
        "pins": pins_body(plan.pins if dry_run else plan.pins.after(receipt.versions)),
        "dry_run": dry_run,
    }
