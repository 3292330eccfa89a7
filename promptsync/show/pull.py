"""A pull: its plan and its receipt as text, JSON and Markdown, which may be the body of a pull request."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promptsync.compare.conflict import Conflict
from promptsync.compare.state import State
from promptsync.errors import Refused
from promptsync.history.mark import without_mark
from promptsync.pull.apply import PullReceipt
from promptsync.pull.merge import MergeConflict, Unmerged
from promptsync.pull.passed_over import listed
from promptsync.pull.plan import PullPlan
from promptsync.pull.write import Write
from promptsync.show import diff
from promptsync.show.lines import backup_lines, tally
from promptsync.show.outcome import Outcome
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.prompt.version import Version
    from promptsync.pull.plan import Blocked, PulledVersions

_SKIPPED = {
    State.AHEAD: "changed in your files; promptsync push publishes it",
    State.NEW: "only in your files; promptsync push publishes it",
    State.CONFLICT: "has conflict markers; choose a side and delete the marker lines",
    State.ALTERED: "the registry returned it differently from what was sent",
    State.DELETED_REMOTELY: "archived in the registry; promptsync pull --prune deletes the file",
}
_MOST_LINES = 100
_UNCOMMITTED = "archived in the registry; its file is kept because no commit has this text"
_UNPUBLISHED = (
    "archived in the registry; its file is kept because its text is not the archived one; "
    "promptsync push {0} --restore publishes it, promptsync pull {0} --prune --theirs deletes the file"
)

ReadPulled = Callable[[], "Mapping[str, PulledVersions]"]
"""Reads the versions that a pull brings in, by prompt; called only if Markdown is wanted."""


def show_plan(plan: PullPlan, taken: ReadPulled) -> Outcome:
    """Return what a pull will write."""
    done = PullReceipt(plan, list(plan.writes), list(plan.deletes))
    return _outcome(done, _lines(done), taken, dry_run=True)


def headline(plan: PullPlan) -> str:
    """Return how many files a pull writes and deletes."""
    counts = [(len(plan.writes), "to write"), (len(plan.deletes), "to delete")]
    return tally("file", counts) or "nothing to pull"


def show_receipt(plan: PullPlan, receipt: PullReceipt | None, was_shown: bool, taken: ReadPulled) -> Outcome:
    """Return what a pull did; after ``was_shown`` without the rows that went as planned."""
    done = receipt if receipt is not None else PullReceipt(plan)
    lines = _lines(done, was_shown=was_shown)
    counts = [(len(done.written), "written"), (len(done.deleted), "deleted")]
    lines.append(output.aside(tally("file", counts) or "nothing to pull"))
    if done.unrecorded:
        reason = output.safe(done.unrecorded, newlines=False)
        lines.append(f"  note: this working copy could not record the pull: {reason}")
    return _outcome(done, lines, taken, dry_run=False)


def show_refusal(refusal: Conflict | MergeConflict, *, dry_run: bool) -> Outcome:
    """Return the outcome of a pull that wrote nothing, with the conflicts that stopped it."""
    from promptsync.show.markdown import error_markdown

    unmerged = refusal.unmerged if isinstance(refusal, MergeConflict) else ()
    error: Refused = refusal
    if unmerged:
        error = refusal.replaced(details=[line for one in unmerged for line in diff.unmerged(one)])
    done = PullReceipt(PullPlan())
    number = len(unmerged) if isinstance(refusal, MergeConflict) else len(refusal.items)
    return Outcome(
        (),
        pull_body(done, unmerged, dry_run=dry_run),
        error.exit_code,
        error,
        summary=error_markdown(error),
        outputs=pull_outputs(done, number),
    )


def _outcome(done: PullReceipt, lines: Sequence[str], taken: ReadPulled, *, dry_run: bool) -> Outcome:
    error, unmerged = done.error, done.plan.unmerged
    if error is not None and unmerged and not isinstance(error, MergeConflict):
        error = error.replaced(details=[line for one in unmerged for line in diff.unmerged(one)])
    return Outcome(
        lines,
        pull_body(done, dry_run=dry_run),
        error.exit_code if error is not None else 0,
        error,
        outputs=pull_outputs(done),
        markdown=lambda: pull_markdown(done, taken()),
    )


# -- text ---------------------------------------------------------------------------------------------------


def _lines(done: PullReceipt, *, was_shown: bool = False) -> list[str]:
    plan = done.plan
    lines = [] if was_shown else output.table(_row(plan, one) for one in done.written)
    if not was_shown:
        lines += [f"  {output.style('deleted', 'warn')}  {output.safe(gone.path)}" for gone in done.deleted]
    lines += backup_lines(done.backups)
    if not was_shown:
        lines += [f"  {output.style('skipped', 'warn')}  {text}" for text in _skipped(plan)]
    return lines


def _row(plan: PullPlan, one: Write) -> tuple[str, ...]:
    word = _word(plan, one)
    return (
        f"  {output.style(word, 'bad' if word == 'conflict' else 'remote')}",
        output.name(one.name),
        f"v{one.version}",
        output.safe(one.path),
        _passed_over(plan, one.name),
    )


def _word(plan: PullPlan, one: Write) -> str:
    if any(other.name == one.name for other in plan.marked):
        return "conflict"
    if one.old is None:
        return "restored" if one.restored else "new"
    if one.merged:
        return "merged"
    return "kept yours" if plan.options.ours else "took theirs" if plan.options.theirs else "updated"


def _passed_over(plan: PullPlan, name: str) -> str:
    numbers = [one.version for one in plan.passed_over.get(name, ())]
    if not numbers:
        return ""
    return f"{'with' if plan.options.passed_over else 'without'} {listed(numbers)}, passed over before"


def _skipped(plan: PullPlan) -> Iterator[str]:
    for one in plan.blocked:
        yield f"{output.name(one.name)}: {output.safe(one.reason)}"
    for item in plan.skipped:
        reason = _SKIPPED.get(item.state, "")
        if plan.options.prune and item.state is State.DELETED_REMOTELY:
            kept = _UNCOMMITTED if item.origin.dirty else _UNPUBLISHED
            reason = kept.format(output.name(shlex.quote(item.name)))
        if reason:
            yield f"{output.name(item.name)}: {item.state}, {reason}"


# -- JSON ---------------------------------------------------------------------------------------------------


def pull_body(done: PullReceipt, unmerged: Sequence[Unmerged] = (), *, dry_run: bool) -> dict[str, Any]:
    """Return what was written, or would be, for a JSON document."""
    plan = done.plan
    written = [{"name": one.name, "path": one.path, "version": one.version} for one in done.written]
    merged = {one.name for one in done.written if one.merged}
    return {
        "written": written,
        "merged": [one for one in written if one["name"] in merged],
        "conflicts": diff.conflicts_body((*plan.marked, *plan.unmerged, *unmerged)),
        "deleted": [{"name": one.name, "path": one.path} for one in done.deleted],
        "passed_over": [
            {
                "name": name,
                "versions": [one.version for one in versions],
                "brought_in": plan.options.passed_over is True,
            }
            for name, versions in plan.passed_over.items()
        ],
        "left": [{"name": one.name, "path": one.path, "reason": one.reason} for one in plan.blocked],
        "backups": {name: str(path) for name, path in done.backups.items()},
        "dry_run": dry_run,
    }


def pull_outputs(done: PullReceipt, conflicts: int = 0) -> dict[str, str]:
    """Return what later steps of a workflow read: whether files changed, how many, how many conflicts."""
    number = len(done.written) + len(done.deleted)
    conflicts = max(conflicts, len(done.plan.blocked) + len(done.plan.marked))
    return {"changed": "true" if number else "false", "count": str(number), "conflicts": str(conflicts)}


# -- Markdown -----------------------------------------------------------------------------------------------

_EXPLAINED = (
    "A version is passed over when a later one is published without its text. "
    "This pull merges such versions into the files, and the next push or deploy publishes the merged text. "
    "To leave one out, revert its text and keep the line `synced:`, which records that you have seen it."
)

_ARCHIVED = (
    "Nothing was changed. `promptsync push NAME --restore` publishes one again, `promptsync pull --prune` "
    "deletes the files; `promptsync status --drift` fails until one of them is done."
)


def pull_markdown(receipt: PullReceipt, taken: Mapping[str, PulledVersions]) -> list[str]:
    """Return what comes from the registry: the prompts, their versions and differences, what was skipped."""
    from promptsync.show.markdown import Page

    plan, page = receipt.plan, Page()
    number = len(receipt.written) + len(receipt.deleted)
    page.say(f"**{count(number, 'prompt')} from the registry**" if number else "**Nothing to pull**")
    rows = [
        (_word(plan, one), one.name, _versions(one), one.path, _passed_over(plan, one.name))
        for one in receipt.written
    ]
    rows += [("deleted", gone.name, "", gone.path, "") for gone in receipt.deleted]
    if rows:
        page.fence(_short(output.table(rows), "prompt"))
    if plan.passed_over and plan.options.passed_over:
        page.say(_EXPLAINED)
    if plan.blocked:
        page.say(f"**{count(len(plan.blocked), 'prompt')} skipped**, for somebody to decide:")
        unmerged = {one.name: one for one in plan.unmerged}
        lines = [line for one in plan.blocked for line in _blocked_lines(one, unmerged.get(one.name))]
        page.fence(_short(lines, "line"))
    if archived := [item.name for item in plan.skipped if item.state is State.DELETED_REMOTELY]:
        page.say(f"**{count(len(archived), 'prompt')} archived in the registry** whose files still exist:")
        page.fence(_short(archived, "prompt"))
        page.say(_ARCHIVED)
    found = []
    for one in receipt.written:
        state = f"{_word(plan, one)}, {_versions(one)}"
        found.append((one.name, state, _details(plan, one, taken.get(one.name))))
    page.differences(found)
    return page.lines


def _versions(one: Write) -> str:
    known = one.old is not None and one.since is not None and one.since != one.version
    return f"v{one.since} -> v{one.version}" if known else f"v{one.version}"


def _short(lines: Sequence[str], what: str) -> list[str]:
    """Return the first lines and a count of the others, to leave room on the page for the differences."""
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"… and {count(more, f'more {what}')}"] if more > 0 else [])]


def _blocked_lines(one: Blocked, unmerged: Unmerged | None) -> Iterator[str]:
    yield f"{one.name}: {one.reason}"
    yield from (f"  {line}" for line in one.refusal.hint.splitlines())
    if unmerged is not None:
        yield from (f"  {line}" for line in diff.unmerged(unmerged)[1:])


def _details(plan: PullPlan, write: Write, taken: PulledVersions | None) -> Iterator[str]:
    """Yield the date and message of each version, and what differs; the registry does not say who made it."""
    from promptsync.compare.difference import step
    from promptsync.show.diff_markdown import step_lines

    if taken is not None:
        if taken.older:
            yield f"# {count(taken.older, 'older version')}"
        yield from (_version(one) for one in taken.versions)
    word = "passed over" if plan.options.passed_over else "passed over, left out"
    yield from (f"{_version(one)} ({word})" for one in plan.passed_over.get(write.name, ()))
    found = step(write.path, write.old_prompt, write.prompt)
    yield from step_lines([found]) if found.fields else ["# the text does not change"]


def _version(one: Version) -> str:
    message = without_mark(one.message) or "(no message)"
    return f"# v{one.version}  {output.moment(one.created_at or '(no date)')}  {message}"
