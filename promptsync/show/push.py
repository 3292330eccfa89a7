"""Plans and receipts of a push, as text for people and as documents for programs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from promptsync.errors import Incomplete, PromptsyncError, Refused, RemoteError
from promptsync.push.actions import Action, Kind, Moved, PushPlan, PushReceipt
from promptsync.show.diff_markdown import add_differences
from promptsync.show.markdown import MOST, Page, code
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference

_WORDS = {
    Kind.CREATE: "create",
    Kind.UPDATE: "update",
    Kind.FORCE: "force over the registry's changes",
    Kind.RESTORE: "restore from the archive",
    Kind.ARCHIVE: "archive",
    Kind.LABEL: "label",
}


def plan_lines(plan: PushPlan) -> list[str]:
    """Return what will be done, and what will be left."""
    rows = [action_row(action) for action in plan.actions]
    lines = output.table(rows, free=True) if rows else [output.Aside("nothing to push")]
    lines += [will_pass_over_line(one.name, one.passed_over) for one in plan.actions if one.passed_over]
    return [*lines, *left_lines(plan), *rename_lines(plan)]


def rename_lines(plan: PushPlan, *, done: bool = False) -> list[str]:
    """Return what becomes of prompts whose name was changed; ``done`` says that it has happened."""
    archived = {action.name for action in plan.actions if action.kind is Kind.ARCHIVE}
    notes = [
        rename_note(action.name, action.was, is_archived=action.was in archived, done=done)
        for action in plan.actions
        if action.was is not None
    ]
    return [f"  {output.style('note:', 'warn')} {note}" for note in notes]


def rename_note(name: str, was: str, *, is_archived: bool = False, done: bool = False) -> str:
    """Return what a push makes of a changed name, and what would keep the history."""
    new, old = output.name(name), output.name(was)
    stays = "is archived" if is_archived else "stays until push --prune"
    note = f"{new} looks like {old} renamed, and is a new prompt to the registry, where {old} {stays}"
    keeps = "Renamed in the registry's own pages (its API cannot do that) it keeps its versions and labels"
    return note if done else f"{note}. {keeps}"


def action_row(action: Action) -> tuple[str, ...]:
    """Return what will be done with one prompt as a row: word, name, versions, labels, message."""
    arrow = f"v{action.current}" if action.current is not None else "-"
    version = f"{arrow} -> v{action.next}" if action.next != action.current else arrow
    if action.kind is Kind.ARCHIVE:
        version = f"{arrow} -> archived"
    labels = " ".join(f"+{output.name(label)}" for label in action.labels)
    meaning = "bad" if action.kind in (Kind.ARCHIVE, Kind.FORCE) else "good"
    return (
        f"  {output.style(_WORDS[action.kind], meaning)}",
        output.name(action.name),
        version,
        labels,
        output.safe(action.message or "", newlines=False),
    )


def left_lines(plan: PushPlan) -> list[str]:
    """Return what will be left as it is, and why."""
    return [_line("left", "warn", left.name, f"{left.state}, {left.reason}") for left in plan.left]


def passed_over_line(name: str, numbers: Sequence[int]) -> str:
    """Return what a new version passed over, and how to bring it back."""
    shown, them = ", ".join(f"v{number}" for number in numbers), "it" if len(numbers) == 1 else "them"
    text = f"{shown}; promptsync pull --passed-over {shlex.quote(name)} merges {them} into the file"
    return _line("passed over", "warn", name, text)


def will_pass_over_line(name: str, numbers: Sequence[int]) -> str:
    """Return what a new version will pass over."""
    shown, them = ", ".join(f"v{number}" for number in numbers), "it" if len(numbers) == 1 else "them"
    return _line("passes over", "warn", name, f"{shown}; promptsync pull --merge includes {them} first")


def receipt_lines(receipt: PushReceipt) -> list[str]:
    """Return what was done, and then what was not."""
    rows = [
        (
            f"  {output.style('published', 'good')}",
            output.name(one.name),
            f"v{one.version}",
            output.safe(one.message, newlines=False),
        )
        for one in sorted(receipt.published, key=lambda one: one.name)
    ]
    lines = output.table(rows, free=True)
    lines += [_line("archived", "warn", name, "") for name in receipt.archived]
    lines += output.table(_label_row(moved) for moved in receipt.labels)
    lines += _trouble(receipt)
    lines += [passed_over_line(one.name, one.passed_over) for one in receipt.published if one.passed_over]
    lines += [_line("left", "warn", left.name, left.reason) for left in receipt.skipped]
    lines += _synced_lines(receipt)
    done = output.count(len(receipt.published), "version")
    counts = f"{done} published, {len(receipt.failed)} failed, {len(receipt.skipped)} left"
    lines.append(output.Aside(counts))
    if receipt.unrecorded:
        lines.append(
            f"  {output.style('note:', 'warn')} this working copy could not remember that: "
            f"{output.safe(receipt.unrecorded, newlines=False)}"
        )
    return lines


def _synced_lines(receipt: PushReceipt) -> Iterator[str]:
    """Yield what was written into files; a version made from a commit needs nothing."""
    if receipt.synced:
        files = output.count(len(receipt.synced), "file")
        yield f"  synced: written to {files}, because the text is not committed; commit first to avoid it"
    for name, reason in receipt.unsynced.items():
        yield _line("note", "warn", name, f"synced: was not written: {reason}")


def _line(word: str, meaning: str, name: str, text: str) -> str:
    colon = ": " if text else ""
    line = f"  {output.style(word, meaning)}  {output.name(name)}{colon}{output.safe(text, newlines=False)}"
    return output.hanging(line, 6)


def _label_row(moved: Moved) -> tuple[str, ...]:
    word, meaning = ("labelled", "good") if moved.moved else ("not labelled", "bad")
    way = f"v{moved.new}" if moved.old in (None, moved.new) else f"v{moved.old} -> v{moved.new}"
    reason = output.safe(moved.reason, newlines=False)
    return f"  {output.style(word, meaning)}", output.name(moved.name), output.name(moved.label), way, reason


def _trouble(receipt: PushReceipt) -> Iterator[str]:
    for failed in receipt.failed:
        yield _line("unknown" if failed.unknown else "failed", "bad", failed.name, failed.reason)
    for name, paths in receipt.altered.items():
        yield _line("altered", "bad", name, f"the registry does not keep {', '.join(paths)} as it was given")
    for name, why in receipt.unverified.items():
        yield _line("unverified", "bad", name, why)
    told = {left.name for left in receipt.skipped}
    for name, what in receipt.raced.items():
        if name not in told:
            yield _line("raced", "bad", name, what)


def push_error(receipt: PushReceipt) -> PromptsyncError | None:
    """Return the error that a push ends in, ``None`` when all is as it should be."""
    code = receipt.exit_code
    if code == 130:
        stopped = PromptsyncError(
            f"interrupted; {output.count(len(receipt.published), 'version')} published until then",
            hint="promptsync push does the rest",
            code="interrupted",
        )
        stopped.exit_code = code
        return stopped
    if code == 4:
        reasons = [*(one.reason for one in receipt.failed), *(one.reason for one in receipt.labels)]
        return RemoteError(f"nothing was done: {reasons[0]}", hint=_KEY)
    return _incomplete(receipt) if code == 5 else _refused(receipt) if code == 3 else None


_KEY = "check the remote, the key and its permissions, then push again"


def _incomplete(receipt: PushReceipt) -> Incomplete:
    if receipt.unverified or any(failed.unknown for failed in receipt.failed):
        return Incomplete(
            "it is not known what became of some of it; see the list above",
            hint="promptsync status tells; then push again: what was published is not published twice",
            code="unknown-outcome",
        )
    if receipt.failed or any(label.failed for label in receipt.labels):
        return Incomplete(
            "not everything was done as planned; see the list above",
            hint="mend what is listed, then push again: what was published is not published twice",
            code="partial",
        )
    return Incomplete(
        "the registry does not keep everything as it was given; see the list above",
        hint="promptsync diff NAME shows what it made of it; change the file so that both agree",
        code="altered",
    )


def _refused(receipt: PushReceipt) -> Refused:
    if receipt.raced:
        name = next(iter(receipt.raced))
        is_on_top = any(one.name == name and one.passed_over for one in receipt.published)
        how = "--passed-over" if is_on_top else "--merge"
        return Refused(
            "somebody else published at the same time; see the list above",
            hint=f"promptsync pull {how} {shlex.quote(name)} brings both texts together, for the next push",
            code="raced",
        )
    if any(left.blocks for left in receipt.skipped):
        return Refused(
            "some prompts were left because they changed here and in the registry",
            hint="promptsync diff shows both changes",
            code="diverged",
        )
    return Refused(
        "a label does not point where it should",
        hint="promptsync label list NAME shows where it points",
        code="label-not-moved",
    )


def push_body(plan: PushPlan, receipt: PushReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return the body of the JSON document."""
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
                "renamed_from": action.was,
            }
            for action in plan.actions
        ],
        "fingerprint": plan.fingerprint,
        "published": [
            {
                "name": one.name,
                "version": one.version,
                "message": one.message,
                "labels": list(one.labels),
                "passed_over": list(one.passed_over),
            }
            for one in receipt.published
        ],
        "failed": [
            {"name": one.name, "reason": one.reason, "unknown": one.unknown} for one in receipt.failed
        ],
        "skipped": [{"name": one.name, "state": one.state, "reason": one.reason} for one in receipt.skipped],
        "altered": [{"name": name, "fields": list(paths)} for name, paths in receipt.altered.items()],
        "raced": [{"name": name, "reason": reason} for name, reason in receipt.raced.items()],
        "unverified": [{"name": name, "reason": why} for name, why in receipt.unverified.items()],
        "synced": list(receipt.synced),
        "archived": list(receipt.archived),
        "labels": [
            {
                "name": one.name,
                "label": one.label,
                "from": one.old,
                "to": one.new,
                "moved": one.moved,
                "reason": one.reason,
            }
            for one in receipt.labels
        ],
        "dry_run": dry_run,
    }


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
