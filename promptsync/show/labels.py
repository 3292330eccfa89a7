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
    from promptsync.labels.plan import LabelChange, LabelPlan, SkippedLabel


def show_labels(rows: Sequence[tuple[Labelled, str]], *, with_previous: bool) -> Outcome:
    """Return where labels point. The text has labels such as ``LABEL.previous`` only ``with_previous``."""
    body = [
        {
            "name": one.listed.name,
            "label": name,
            "version": one.version(name),
            "latest": one.listed.version,
        }
        for one, name in rows
    ]
    shown = [(one, name) for one, name in rows if with_previous or is_own(name)]
    return Outcome(output.table(_listed_row(one, name) for one, name in shown), {"labels": body})


def _listed_row(one: Labelled, label: str) -> tuple[str, ...]:
    version, latest = one.version(label), one.listed.version
    behind = output.style(f"latest v{latest}", "faint") if version != latest else ""
    return output.name(one.listed.name), output.style(output.name(label), "strong"), f"v{version}", behind


def show_plan(plan: LabelPlan, *, with_dry_run: bool = False) -> Outcome:
    """Return a plan; ``with_dry_run`` says so in the document."""
    from promptsync.labels.move import ChangedLabel

    done = [ChangedLabel(one, one.old == one.new) for one in plan.changes]
    body: dict[str, Any] = {"labels": [changed_body(one) for one in done]}
    if with_dry_run:
        body |= {"dry_run": True, "fingerprint": plan.fingerprint}
    # Whoever goes back to a commit wants to see what moves, not the whole registry.
    shown = plan.pending if plan.commit else plan.changes
    rows: list[tuple[str, ...]]
    rows = [(f"  {output.name(one.name)}", _label(one), way(one.old, one.new)) for one in shown]
    rows += [(f"  {name}", label, at, f"skipped: {why}") for name, label, at, why in _skipped_cells(plan)]
    return Outcome([*output.table(rows), *_deleted_lines(plan)], body)


def _deleted_lines(plan: LabelPlan) -> Iterator[str]:
    """Yield what is live under the labels that are deleted."""
    for one in plan.pending:
        if one.new is None and is_own(one.label):
            text = f"v{one.old} is live under {output.name(one.label)}; applications that load it get nothing"
            yield noted("live", "warn", one.name, text)


def headline(plan: LabelPlan) -> str:
    """Return how many labels move, are created and deleted."""
    counts = Counter((one.label, "is deleted" if one.new is None else "moves") for one in plan.pending)
    nothing = "no label moves" if plan.commit else "nothing to change"
    return _of_commit(plan, _counted(counts) or nothing)


def _counted(counts: Counter[tuple[str, str]]) -> str:
    return ", ".join(
        f"{output.name(label)} {done} on {count(number, 'prompt')}"
        for (label, done), number in counts.items()
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

        receipt = LabelReceipt(tuple(ChangedLabel(one, True) for one in plan.changes))
    rows = [one for one in receipt.changed if not (was_shown and one.moved and not (one.note or one.reason))]
    if plan.commit:
        rows = [one for one in rows if one.change.old != one.change.new]
    skipped = [("  skipped", *cells) for cells in _skipped_cells(plan)]
    lines = output.table([*map(_row, rows), *skipped])
    if was_shown or plan.commit or len(receipt.changed) > 1:
        lines.append(output.aside(_of_commit(plan, summary(receipt.changed))))
    body = {"labels": [changed_body(one) for one in receipt.changed]}
    return Outcome(lines, body, error=receipt.error)


def _skipped_cells(plan: LabelPlan) -> list[tuple[str, str, str, str]]:
    return [
        (output.name(one.name), _label(one), f"v{one.version}", output.name(one.reason))
        for one in plan.skipped
    ]


def skipped_body(plan: LabelPlan) -> list[dict[str, Any]]:
    """Return the labels that stay where they are for a JSON document."""
    return [
        {"name": one.name, "label": one.label, "version": one.version, "reason": one.reason}
        for one in plan.skipped
    ]


def summary(changed: Sequence[ChangedLabel]) -> str:
    """Return on how many prompts each label moved, and how many did not."""
    done = [one.change for one in changed if one.moved and one.change.old != one.change.new]
    moved = _counted(Counter((one.label, "deleted" if one.new is None else "moved") for one in done))
    unknown = sum(one.is_unknown for one in changed)
    stayed = sum(not one.moved for one in changed) - unknown
    parts = [moved, f"{stayed} not moved" if stayed else "", f"{unknown} unknown" if unknown else ""]
    return ", ".join(filter(None, parts)) or "no label was changed"


def changed_body(done: ChangedLabel) -> dict[str, Any]:
    """Return a change for a JSON document."""
    one = done.change
    return label_body(one.name, one.label, one.old, one.new, done.moved, done.reason or done.note)


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


def changed_row(word: str, done: ChangedLabel) -> tuple[str, ...]:
    """Return a change as a row that begins with a word."""
    one = done.change
    why = output.safe(done.reason or done.note, newlines=False)
    return (f"  {word}", output.name(one.name), _label(one), way(one.old, one.new), why)


def _row(done: ChangedLabel) -> tuple[str, ...]:
    one = done.change
    if done.is_unknown:
        word = output.style("unknown", "bad")
    elif not done.moved:
        word = output.style("not moved", "bad")
    elif done.is_overtaken:
        word = output.style("moved", "warn")
    elif one.old == one.new:
        word = output.style("unchanged", "faint")
    elif one.new is None:
        word = output.style("deleted", "warn")
    else:
        word = output.style("created" if one.old is None else "moved", "good")
    return changed_row(word, done)


def _label(one: LabelChange | SkippedLabel) -> str:
    return output.style(output.name(one.label), "strong")
