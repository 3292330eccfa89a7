"""Changes of release labels: the plan and the receipt as text and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from promptsync.labels.move import ChangedLabel, LabelReceipt
from promptsync.labels.plan import LabelChange, LabelPlan, SkippedLabel
from promptsync.project.versions import Labelled
from promptsync.prompt.labels import is_own
from promptsync.show.notes import listed
from promptsync.show.outcome import Outcome, Row, bodies, planned, row_lines
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.checks.verdicts import Verdict

_MOST_WARNINGS = 10


def show_labels(rows: Sequence[tuple[Labelled, str]], *, with_previous: bool) -> Outcome:
    """Return where labels point. The text has labels such as ``LABEL.previous`` only ``with_previous``."""
    body, cells = [], []
    for prompt, label in rows:
        name, version, latest = prompt.listed.name, prompt.labels.get(label), prompt.listed.version
        body.append({"name": name, "label": label, "version": version, "latest": latest})
        if with_previous or is_own(label):
            behind = output.style(f"latest v{latest}", "faint") if version != latest else ""
            cells.append((output.name(name), _label(label), f"v{version}", behind))
    return Outcome(output.table(cells), {"labels": body})


def show_changes(plan: LabelPlan, receipt: LabelReceipt | None, warnings: Sequence[Verdict]) -> Outcome:
    """Return a plan with what speaks against it and its fingerprint if it is known, or what became of it."""
    changed = as_planned(plan.changes) if receipt is None else receipt.changed
    # Whoever goes back to a commit wants to see what moves, not the whole registry.
    shown = [label for label in changed if not plan.commit or label.change.old != label.change.new]
    skipped, counts = planned(map(_skipped, plan.skipped)), []
    if receipt is None:
        rows = [Row(*_action(label.change), label.change.name, _cells(label.change)) for label in shown]
        deleted = (label for label in plan.pending if label.new is None and is_own(label.label))
        rows += [*skipped, *(live_row(label.name, label.label, label.old) for label in deleted)]
    else:
        rows = [*map(label_row, shown), *skipped]
        moved = {label.change.name for label in changed if label.moved or label.is_unknown}
        warnings = [warning for warning in warnings if warning.name in moved]
        if plan.commit or len(changed) > 1:
            counts = [output.aside(_of_commit(plan, summary(changed)))]
    warned = bodies(warnings, "name version failed reason")
    body: dict[str, Any] = {"labels": labels_body(changed), "warnings": warned}
    if receipt is None and (plan.workspace or plan.is_empty):
        body["fingerprint"] = plan.fingerprint
    lines = [*row_lines([*rows, *planned(_warnings(warnings))]), *counts]
    return Outcome(lines, body, error=receipt.error if receipt is not None else None)


def headline(plan: LabelPlan, failed: Sequence[Verdict]) -> str:
    """Return how many labels move, are created and deleted, and why that needs a person who confirms it."""
    nothing = "no label moves" if plan.commit else "nothing to change"
    counts = _of_commit(plan, _counts(plan.pending, "moves", "is created", "is deleted") or nothing)
    if not failed:
        return counts
    first = f"{output.name(failed[0].name)} v{failed[0].version}"
    if number := len({verdict.name for verdict in failed}) - 1:
        what = "to versions that are unchecked, break applications, are on hold or live immediately"
        return f"{counts}, {number + 1} of them {what}; first: {first}"
    return f"{counts}, to a version that {failed[0].objection}: {first}"


# -- rows and counts ----------------------------------------------------------------------------------------


_WORDS = {"overtaken": ("moved", "warn"), "waits": ("waits", "warn"), "unknown": ("unknown", "bad")}
"""The word and its colour for the endings that have one of their own."""


def label_row(changed: ChangedLabel, moved: str = "moved", note: str = "") -> Row:
    """Return what became of a label: it ``moved``, in the word of the command, with a ``note`` about that."""
    change = changed.change
    word, meaning = _WORDS.get(changed.ending, (f"not {moved}", "bad"))
    if changed.ending == "moved":
        word, meaning = (moved, "good") if moved != "moved" else _action(change)
        word = {"move": "moved", "create": "created", "delete": "deleted"}.get(word, word)
    why = changed.why or (note if changed.moved else "")
    is_planned = changed.ending == "moved" and not changed.why
    return Row(word, meaning, change.name, _cells(change), why, is_planned=is_planned)


def _action(change: LabelChange) -> tuple[str, str]:
    """Return what is done with a label, and the colour of that."""
    if change.old == change.new:
        return "unchanged", "faint"
    if change.new is None:
        return "delete", "warn"
    return "create" if change.old is None else "move", "good"


def live_row(name: str, label: str, version: int | None) -> Row:
    """Return what it means that a label goes, also with its prompt."""
    where = f"v{version} is live under {label}"
    return Row("live", "warn", name, note=f"{where}; applications that load it get nothing")


def _skipped(skipped: SkippedLabel) -> Row:
    cells = (_label(skipped.label), f"v{skipped.version}")
    return Row("skipped", "warn", skipped.name, cells, skipped.reason)


def _cells(change: LabelChange) -> tuple[str, ...]:
    return (_label(change.label), way(change.old, change.new))


def way(old: int | None, new: int | None) -> str:
    """Return from which version to which a label moves."""
    if old == new:
        return f"v{new}"
    shown = "deleted" if new is None else f"v{new}"
    lower = f"  {output.style('lower', 'warn')}" if old is not None and new is not None and new < old else ""
    return f"{f'v{old}' if old is not None else 'new'} -> {shown}{lower}"


def _warnings(warnings: Sequence[Verdict]) -> Iterator[Row]:
    """Yield a row for the echo model and for each of the first warnings, and how many more there are."""
    if len(echo := [verdict for verdict in warnings if verdict.result and verdict.result.run.is_echo]) > 1:
        warnings = [verdict for verdict in warnings if verdict not in echo]
        names = listed([verdict.name for verdict in echo], 3)
        yield Row("warning", "warn", names, note="unchecked, because their checks ran on the echo model")
    shown = warnings if len(warnings) <= _MOST_WARNINGS + 1 else warnings[:_MOST_WARNINGS]
    for verdict in shown:
        yield Row("warning", "warn", verdict.name, note=f"v{verdict.version} {verdict}")
    if more := len(warnings) - len(shown):
        yield Row("warning", "warn", f"and {more} more; --json has all")


def _label(name: str) -> str:
    return output.style(output.name(name), "strong")


def summary(labels: Sequence[ChangedLabel]) -> str:
    """Return on how many prompts each label moved, and how many did not."""
    moved = _counts([label.change for label in labels if label.is_move], "moved", "created", "deleted")
    unknown = sum(label.is_unknown for label in labels)
    stayed = sum(not label.moved for label in labels) - unknown
    parts = [moved, f"{stayed} not moved" if stayed else "", f"{unknown} unknown" if unknown else ""]
    return ", ".join(filter(None, parts)) or "no label was changed"


def _counts(changes: Iterable[LabelChange], moved: str, created: str, deleted: str) -> str:
    """Return what is done with each label, and on how many prompts; a label that moves on one moves."""
    words: dict[str, list[str]] = {}
    for change in changes:
        word = deleted if change.new is None else created if change.old is None else moved
        words.setdefault(change.label, []).append(word)
    return ", ".join(
        f"{output.name(label)} {moved if moved in own else own[0]} on {output.count(len(own), 'prompt')}"
        for label, own in words.items()
    )


def _of_commit(plan: LabelPlan, counts: str) -> str:
    """Return counts with the commit that the labels go to, and how many do not move to it."""
    if not plan.commit:
        return counts
    commit, there = output.name(plan.commit), len(plan.changes) - len(plan.pending)
    parts = [f"{counts} to {commit}" if plan.pending else counts]
    if there:
        already = f"{output.count(there, 'prompt')} already at {commit}"
        parts.append(f"{there} unchanged" if plan.pending else already)
    parts += [f"{len(plan.skipped)} skipped"] if plan.skipped else []
    return ", ".join(parts)


# -- JSON ---------------------------------------------------------------------------------------------------


def as_planned(changes: Iterable[LabelChange]) -> tuple[ChangedLabel, ...]:
    """Return planned changes as a receipt has them: made only if there is nothing to do."""
    return tuple(ChangedLabel(one, "moved" if one.old == one.new else "stayed") for one in changes)


def labels_body(labels: Iterable[ChangedLabel]) -> list[dict[str, Any]]:
    """Return changes for a JSON document."""
    keys = "name=change.name label=change.label from=change.old to=change.new moved waits reason=why"
    return bodies(labels, keys)
