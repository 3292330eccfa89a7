"""Changes of release labels: the plan and the receipt as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from promptsync.project.pointers import Labelled
from promptsync.prompt.labels import is_own
from promptsync.show.lines import noted
from promptsync.show.outcome import Outcome
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:  # most pushes and deploys change no label
    from promptsync.labels.apply import LabelReceipt
    from promptsync.labels.move import ChangedLabel
    from promptsync.labels.plan import LabelPlan


def show_labels(rows: Sequence[tuple[Labelled, str]], *, with_previous: bool) -> Outcome:
    """Return where labels point. The text has labels such as ``LABEL.previous`` only ``with_previous``."""
    body, cells = [], []
    for prompt, label in rows:
        name, version, latest = prompt.listed.name, prompt.version(label), prompt.listed.version
        body.append({"name": name, "label": label, "version": version, "latest": latest})
        if with_previous or is_own(label):
            behind = output.style(f"latest v{latest}", "faint") if version != latest else ""
            cells.append((output.name(name), _label(label), f"v{version}", behind))
    return Outcome(output.table(cells), {"labels": body})


def show_plan(plan: LabelPlan, *, with_dry_run: bool = False) -> Outcome:
    """Return a plan; ``with_dry_run`` says so in the document."""
    from promptsync.labels.move import ChangedLabel

    unchanged = [ChangedLabel(change, change.old == change.new) for change in plan.changes]
    body: dict[str, Any] = {"labels": [changed_body(changed) for changed in unchanged]}
    if with_dry_run:
        body |= {"dry_run": True, "fingerprint": plan.fingerprint}
    # Whoever goes back to a commit wants to see what moves, not the whole registry.
    shown = plan.pending if plan.commit else plan.changes
    rows: list[tuple[str, ...]]
    rows = [
        (f"  {output.name(change.name)}", _label(change.label), way(change.old, change.new))
        for change in shown
    ]
    rows += [(f"  {name}", label, at, f"skipped: {why}") for name, label, at, why in _skipped_cells(plan)]
    return Outcome([*output.table(rows), *_deleted_lines(plan)], body)


def _deleted_lines(plan: LabelPlan) -> Iterator[str]:
    """Yield what is live under the labels that are deleted."""
    for change in plan.pending:
        if change.new is None and is_own(change.label):
            where = f"v{change.old} is live under {output.name(change.label)}"
            yield noted("live", "warn", change.name, f"{where}; applications that load it get nothing")


def headline(plan: LabelPlan) -> str:
    """Return how many labels move, are created and deleted."""
    counts = Counter(
        (change.label, "is deleted" if change.new is None else "moves") for change in plan.pending
    )
    nothing = "no label moves" if plan.commit else "nothing to change"
    return _of_commit(plan, _counted(counts) or nothing)


def _counted(counts: Counter[tuple[str, str]]) -> str:
    return ", ".join(
        f"{output.name(label)} {verb} on {count(number, 'prompt')}"
        for (label, verb), number in counts.items()
    )


def _of_commit(plan: LabelPlan, counts: str) -> str:
    """Return counts with the commit that the labels go to, and how many do not move to it."""
    if not plan.commit:
        return counts
    unchanged = len(plan.changes) - len(plan.pending)
    commit = output.name(plan.commit)
    parts = [f"{counts} to {commit}" if plan.pending else counts]
    if unchanged:
        is_all = not plan.pending
        parts.append(
            f"{count(unchanged, 'prompt')} already at {commit}" if is_all else f"{unchanged} unchanged"
        )
    parts += [f"{len(plan.skipped)} skipped"] if plan.skipped else []
    return ", ".join(parts)


def show_receipt(plan: LabelPlan, receipt: LabelReceipt | None, was_shown: bool = False) -> Outcome:
    """Return the result of each change; after ``was_shown`` only the counts and what failed."""
    if receipt is None:
        from promptsync.labels.apply import LabelReceipt
        from promptsync.labels.move import ChangedLabel

        receipt = LabelReceipt(tuple(ChangedLabel(change, True) for change in plan.changes))
    rows = [row for row in receipt.changed if not (was_shown and row.moved and not (row.note or row.reason))]
    if plan.commit:
        rows = [row for row in rows if row.change.old != row.change.new]
    skipped = [("  skipped", *cells) for cells in _skipped_cells(plan)]
    lines = output.table([*map(_row, rows), *skipped])
    if was_shown or plan.commit or len(receipt.changed) > 1:
        lines.append(output.aside(_of_commit(plan, summary(receipt.changed))))
    body = {"labels": [changed_body(changed) for changed in receipt.changed]}
    return Outcome(lines, body, error=receipt.error)


def _skipped_cells(plan: LabelPlan) -> list[tuple[str, str, str, str]]:
    return [
        (output.name(row.name), _label(row.label), f"v{row.version}", output.name(row.reason))
        for row in plan.skipped
    ]


def skipped_body(plan: LabelPlan) -> list[dict[str, Any]]:
    """Return the labels that stay where they are for a JSON document."""
    return [
        {"name": row.name, "label": row.label, "version": row.version, "reason": row.reason}
        for row in plan.skipped
    ]


def summary(labels: Sequence[ChangedLabel]) -> str:
    """Return on how many prompts each label moved, and how many did not."""
    moves = [label.change for label in labels if label.is_move]
    moved = _counted(Counter((move.label, "deleted" if move.new is None else "moved") for move in moves))
    unknown = sum(label.is_unknown for label in labels)
    stayed = sum(not label.moved for label in labels) - unknown
    parts = [moved, f"{stayed} not moved" if stayed else "", f"{unknown} unknown" if unknown else ""]
    return ", ".join(filter(None, parts)) or "no label was changed"


def changed_body(changed: ChangedLabel) -> dict[str, Any]:
    """Return a change for a JSON document."""
    change = changed.change
    reason = changed.reason or changed.note
    return label_body(change.name, change.label, change.old, change.new, changed.moved, reason)


def label_body(
    name: str, label: str, old: int | None, new: int | None, moved: bool, reason: str
) -> dict[str, Any]:
    """Return for a JSON document from where to where a label moves, and whether it did."""
    return {"name": name, "label": label, "from": old, "to": new, "moved": moved, "reason": reason}


def way(old: int | None, new: int | None) -> str:
    """Return from which version to which a label moves."""
    if old == new:
        return f"v{new}"
    shown = "deleted" if new is None else f"v{new}"
    lower = f"  {output.style('lower', 'warn')}" if old is not None and new is not None and new < old else ""
    return f"{f'v{old}' if old is not None else 'new'} -> {shown}{lower}"


def changed_row(word: str, changed: ChangedLabel) -> tuple[str, ...]:
    """Return a change as a row that begins with a word."""
    change = changed.change
    why = output.safe(changed.reason or changed.note, newlines=False)
    return (f"  {word}", output.name(change.name), _label(change.label), way(change.old, change.new), why)


def _row(changed: ChangedLabel) -> tuple[str, ...]:
    old, new = changed.change.old, changed.change.new
    if changed.is_unknown:
        word = output.style("unknown", "bad")
    elif not changed.moved:
        word = output.style("not moved", "bad")
    elif changed.is_overtaken:
        word = output.style("moved", "warn")
    elif old == new:
        word = output.style("unchanged", "faint")
    elif new is None:
        word = output.style("deleted", "warn")
    else:
        word = output.style("created" if old is None else "moved", "good")
    return changed_row(word, changed)


def _label(name: str) -> str:
    return output.style(output.name(name), "strong")
