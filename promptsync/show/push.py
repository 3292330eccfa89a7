"""A push: its plan and its receipt as text, JSON and Markdown."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from promptsync.compare.difference import Difference
from promptsync.compare.released import LiveUser, after, named_users
from promptsync.history.mark import parse_mark, without_mark
from promptsync.push.actions import Action, Ending, Kind, PushPlan, PushReceipt, Result
from promptsync.show import notes
from promptsync.show.diff import add_differences
from promptsync.show.labels import label_row, labels_body, live_row
from promptsync.show.markdown import Page, code
from promptsync.show.outcome import Outcome, Row, bodies, body, row_lines
from promptsync.terminal import output

# -- the plan -----------------------------------------------------------------------------------------------


def show_plan(plan: PushPlan, place: str, differences: Callable[[], Sequence[Difference]]) -> Outcome:
    """Return the plan of a push to a place; ``differences`` finds those of its prompts, for Markdown."""
    receipt, lines = PushReceipt(plan), plan_lines(plan)

    def add(page: Page) -> None:
        if not plan.actions:
            page.section("nothing to publish", lines)
            return
        where = f" · {code(place)} · fingerprint {code(plan.fingerprint)}"
        page.section(headline(plan), lines, where)
        if shown := differences():
            add_differences(page, shown)

    return Outcome(lines, push_body(receipt, dry_run=True), error=receipt.error, markdown=add)


def headline(plan: PushPlan, where: str = "") -> str:
    """Return how many prompts a push publishes, labels and archives, and where."""
    kinds = Counter(action.kind for action in plan.actions)
    parts = [(kinds[Kind.LABEL], "to label"), (kinds[Kind.ARCHIVE], "to archive")]
    counts = notes.tally("prompt", [(len(plan.publishing), "to publish"), *parts])
    if not counts:
        return "nothing to push"
    is_all = len(plan.publishing) == len(plan.actions)
    return f"{counts} {'to' if is_all else 'in'} {output.safe(where)}" if where else counts


def plan_lines(plan: PushPlan) -> list[str]:
    """Return what will be done with each prompt, and what will be skipped."""
    rows = [_passes_over(action) for action in plan.actions if action.passed_over]
    for action in plan.archiving:
        rows += [live_row(action.name, label, version) for label, version in action.released.items()]
    rows += [*_unchecked(plan.unchecked, plan.governed, plan.live, "will move"), *_skipped(plan)]
    actions = row_lines(map(action_row, plan.actions), free=True)
    return [*actions, *row_lines(rows), *_remarks(plan)]


def _passes_over(action: Action) -> Row:
    note, name = notes.version_list(action.passed_over), shlex.quote(action.name)
    command = f"promptsync pull --merge {name}"
    if action.kind is Kind.RESTORE:
        # No version of an archived prompt can be pulled, so it is brought in after the push.
        note = f"v{action.current}, the archived version, which your file does not include; after the push"
        command = f"promptsync pull {name} --passed-over"
    return Row("passes over", "warn", action.name, note=note, command=command)


def action_row(action: Action) -> Row:
    """Return what will be done with one prompt: versions, labels, message."""
    arrow = f"v{action.current}" if action.current is not None else "-"
    version = f"{arrow} -> v{action.next}" if action.next != action.current else arrow
    if action.kind is Kind.ARCHIVE:
        version = f"{arrow} -> archived"
    labels = [f"+{output.name(label)}" for label in action.labels]
    labels += [f"{output.name(label)} v{at}" for label, at in action.released.items()]
    meaning = "bad" if action.kind in (Kind.ARCHIVE, Kind.FORCE) else "good"
    message = without_mark(action.message or "")
    return Row(action.kind, meaning, action.name, (version, " ".join(labels)), message)


def _unchecked(
    names: Sequence[str], labels: Sequence[str], live: Mapping[str, Sequence[LiveUser]], move: str
) -> Iterator[Row]:
    """Yield what goes live without checks: governed labels, and snippets that live prompts render."""
    for name in names:
        yield Row("unchecked", "warn", name, note=f"{', '.join(labels)} {move} without checks")
    for name, users in sorted(live.items()):
        yield Row("unchecked", "warn", name, note=f"live immediately in {named_users(users)}")


def _skipped(plan: PushPlan) -> list[Row]:
    return [Row("skipped", "warn", one.name, note=f"{one.state}, {one.reason}") for one in plan.skipped]


def _remarks(plan: PushPlan, versions: Mapping[str, int] | None = None) -> list[str]:
    """Return what a plan says about tags, names and pins, and after a push what is true of its versions."""
    names = {action.name for action in plan.actions} if versions is None else versions
    rows = notes.kept_tag_rows(plan, names)
    return row_lines([*rows, *notes.pin_rows(plan.pins if versions is None else after(plan.pins, versions))])


# -- the receipt --------------------------------------------------------------------------------------------


def show_receipt(plan: PushPlan, receipt: PushReceipt) -> Outcome:
    """Return what a push did."""
    *lines, title = receipt_lines(receipt)
    remarks = _remarks(plan, receipt.versions)
    return Outcome(
        [*lines, title, *remarks],
        push_body(receipt, dry_run=False),
        error=receipt.error,
        markdown=lambda page: page.section(title, [*lines, *remarks]),
    )


def receipt_lines(
    receipt: PushReceipt, known: Mapping[str, Mapping[int, str]] = MappingProxyType({})
) -> list[str]:
    """Return what was done, what was not, and the counts.

    ``known`` is what is known of versions that were passed over, by prompt.
    """
    published = sorted(receipt.of(Ending.PUBLISHED), key=lambda result: result.name)
    lines = row_lines(map(_row, published), free=True, aside=True)
    rows = [*map(_row, receipt.of(Ending.ARCHIVED))]
    rows += [label_row(label, "labelled") for label in receipt.labels if label.moved]
    lines += row_lines(rows, aside=True)
    rows = [label_row(label, "labelled") for label in receipt.labels if not label.moved]
    rows += _unchecked(receipt.unchecked, receipt.plan.governed, receipt.changed_live, "moved")
    rows += map(_row, receipt.of(Ending.FAILED, Ending.UNKNOWN, Ending.ALTERED, Ending.RACED))
    over = (result for result in receipt.published if result.passed_over)
    rows += [row for one in over for row in notes.passed_over(one.name, one.passed_over, known.get(one.name))]
    rows += map(_row, receipt.of(Ending.SKIPPED))
    if receipt.unrecorded:
        note = f"could not record the push: {receipt.unrecorded}"
        rows.append(Row("note", "warn", "this working copy", note=note))
    return [*lines, *row_lines(rows), *_synced_lines(receipt), summary(receipt)]


def _row(result: Result) -> Row:
    if result.ending is Ending.PUBLISHED:
        note = result.reason or without_mark(result.message)
        cells, is_planned = (f"v{result.version}",), not result.reason
        return Row(result.ending, "good", result.name, cells, note, is_planned=is_planned)
    is_planned = result.ending in (Ending.ARCHIVED, Ending.SKIPPED)
    meaning = "warn" if is_planned else "bad"
    return Row(result.ending, meaning, result.name, note=result.reason, is_planned=is_planned)


def summary(receipt: PushReceipt) -> str:
    """Return the counts of what was done; without those that are zero."""
    parts = [f"{output.count(len(receipt.published), 'prompt')} published"] if receipt.published else []
    moved = Counter(label.change.label for label in receipt.moved)
    parts += [
        f"{output.name(label)} moved on {output.count(moved[label], 'prompt')}" for label in sorted(moved)
    ]
    numbers = {
        "archived": len(receipt.of(Ending.ARCHIVED)),
        "failed": len(receipt.of(Ending.FAILED)),
        "not labelled": sum(not (label.moved or label.is_unknown) for label in receipt.labels),
        "unknown": receipt.unknown,
        "skipped": len(receipt.of(Ending.SKIPPED)),
    }
    parts += [f"{number} {what}" for what, number in numbers.items() if number]
    return ", ".join(parts) or "nothing was published"


def _synced_lines(receipt: PushReceipt) -> Iterator[str]:
    """Yield what was written into files; a version made from a commit needs nothing."""
    if receipt.synced:
        marks = [parse_mark(result.message) for result in receipt.published]
        in_git = any(mark is not None and mark.commit is not None for mark in marks)
        why = " because the changes are not committed; commit first to avoid this" if in_git else ""
        yield output.aside(f"  synced: was written to {output.count(len(receipt.synced), 'file')}{why}")
    yield from notes.backup_lines(receipt.backups)
    for name, reason in receipt.unsynced.items():
        yield from row_lines([Row("note", "warn", name, note=f"synced: was not written: {reason}")])


# -- JSON ---------------------------------------------------------------------------------------------------


def push_body(receipt: PushReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return the body of the JSON document."""
    plan = receipt.plan
    live = plan.live if dry_run else receipt.changed_live
    actions = "name action=kind path=item.path from=current to=next message labels released"
    return {
        "plan": bodies(plan.actions, actions),
        "fingerprint": plan.fingerprint,
        "published": bodies(receipt.published, "name version message labels passed_over"),
        "failed": bodies(receipt.failed, "name reason unknown=is_unknown"),
        "skipped": bodies(receipt.of(Ending.SKIPPED), "name state reason"),
        "altered": bodies(receipt.of(Ending.ALTERED), "name fields"),
        "raced": bodies(receipt.of(Ending.RACED), "name reason"),
        "unverified": bodies(receipt.unverified, "name reason"),
        "archived": [result.name for result in receipt.of(Ending.ARCHIVED)],
        **body(receipt, "synced backups"),
        "labels": labels_body(receipt.labels),
        "unchecked": list(plan.unchecked) if dry_run else receipt.unchecked,
        "live": [
            {"snippet": name, "users": bodies(users, "name label")} for name, users in sorted(live.items())
        ],
        "pins": notes.pins_body(plan.pins if dry_run else after(plan.pins, receipt.versions)),
        "dry_run": dry_run,
    }
