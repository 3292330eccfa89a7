"""Plans and receipts of a pull: as text for people, as documents, and as the body of a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promptsync.compare.state import State
from promptsync.errors import Incomplete, PromptsyncError, Refused
from promptsync.history.message import without_mark
from promptsync.pull.apply import PullReceipt
from promptsync.pull.merge import MergeConflict, Unmerged
from promptsync.pull.passed_over import listed
from promptsync.pull.plan import PullPlan
from promptsync.pull.write import Write
from promptsync.show import diff
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.compare.snapshot import Item
    from promptsync.prompt.prompt import RemoteVersion
    from promptsync.pull.plan import Blocked, Taken

_LEFT = {
    State.AHEAD: "changed here; promptsync push publishes it",
    State.NEW: "only here; promptsync push publishes it",
    State.ALTERED: "the registry keeps it differently from what it was given",
    State.DELETED_REMOTELY: "archived in the registry; pull --prune deletes the file",
}
_MOST_LINES = 100
_KEPT = "archived in the registry, and kept here, for no commit holds this text"
_COLOURS = {"conflict": "bad"}


# -- text ---------------------------------------------------------------------------------------------------


def pull_lines(plan: PullPlan, receipt: PullReceipt, *, dry_run: bool) -> list[str]:
    """Return what was written, or would be, and what was left."""
    rows = []
    for one in receipt.written:
        word = _word(plan, one)
        shown = output.style(word, _COLOURS.get(word, "remote"))
        version = f"v{one.version}"
        rows.append(
            (
                f"  {shown}",
                output.name(one.name),
                version,
                output.safe(one.path),
                _passed_over(plan, one.name),
            )
        )
    lines = output.table(rows)
    lines += [f"  {output.style('deleted', 'warn')}  {output.safe(gone.path)}" for gone in receipt.deleted]
    lines += [
        f"  your text of {output.name(name)} is kept in {output.safe(str(path))}"
        for name, path in receipt.backups.items()
    ]
    lines += [f"  {output.style('left', 'warn')}  {text}" for text in _left(plan)]
    done = len(receipt.written) + len(receipt.deleted)
    would = "would be " if dry_run else ""
    lines.append(output.Aside(f"{output.count(done, 'file')} {would}written" if done else "nothing to pull"))
    if receipt.unrecorded:
        lines.append(f"  note: this working copy could not remember that: {output.safe(receipt.unrecorded)}")
    return lines


def _word(plan: PullPlan, one: Write) -> str:
    if any(other.name == one.name for other in plan.marked):
        return "conflict"
    if one.old is None:
        return "restored" if one.restored else "new"
    return "merged" if one.merged else "updated"


def _passed_over(plan: PullPlan, name: str) -> str:
    numbers = [one.version for one in plan.passed_over.get(name, ())]
    if not numbers:
        return ""
    return f"{'with' if plan.options.passed_over else 'without'} {listed(numbers)}, passed over before"


def _left(plan: PullPlan) -> Iterator[str]:
    for one in plan.blocked:
        yield f"{output.name(one.name)}: {output.safe(one.reason)}"
    for item in plan.left:
        reason = _reason(plan, item)
        if reason:
            yield f"{output.name(item.name)}: {item.state}, {reason}"


def _reason(plan: PullPlan, item: Item) -> str:
    if plan.options.prune and item.state is State.DELETED_REMOTELY:
        return _KEPT
    return _LEFT.get(item.state, "")


# -- documents ----------------------------------------------------------------------------------------------


def pull_body(
    plan: PullPlan, receipt: PullReceipt, unmerged: Sequence[Unmerged] = (), *, dry_run: bool
) -> dict[str, Any]:
    """Return what was written, or would be, for a JSON document."""
    written = [{"name": one.name, "path": one.path, "version": one.version} for one in receipt.written]
    merged = {one.name for one in receipt.written if one.merged}
    return {
        "written": written,
        "merged": [one for one in written if one["name"] in merged],
        "conflicts": diff.conflicts_body((*plan.marked, *plan.unmerged, *unmerged)),
        "deleted": [{"name": one.name, "path": one.path} for one in receipt.deleted],
        "passed_over": [
            {
                "name": name,
                "versions": [one.version for one in versions],
                "brought_in": plan.options.passed_over is True,
            }
            for name, versions in plan.passed_over.items()
        ],
        "left": [{"name": one.name, "path": one.path, "reason": one.reason} for one in plan.blocked],
        "backups": {name: str(path) for name, path in receipt.backups.items()},
        "dry_run": dry_run,
    }


def pull_outputs(plan: PullPlan, receipt: PullReceipt, conflicts: int = 0) -> dict[str, str]:
    """Return what the later steps of a workflow may ask: whether files changed, how many, what was left."""
    count = len(receipt.written) + len(receipt.deleted)
    conflicts = max(conflicts, len(plan.blocked) + len(plan.marked))
    return {"changed": "true" if count else "false", "count": str(count), "conflicts": str(conflicts)}


def pull_error(plan: PullPlan, receipt: PullReceipt) -> PromptsyncError | None:
    """Return the error that a pull ends in, ``None`` when all is as it should be."""
    done = len(receipt.written) + len(receipt.deleted)
    rest = output.count(len(plan.writes) + len(plan.deletes) - done, "file")
    if receipt.interrupted:
        interrupted = PromptsyncError(
            f"interrupted; {output.count(done, 'file')} written until then, {rest} left as before",
            hint="promptsync pull does the rest",
            code="interrupted",
        )
        interrupted.exit_code = receipt.exit_code
        return interrupted
    if receipt.stopped is not None:
        return Incomplete(
            f"{receipt.stopped.message}; {output.count(done, 'file')} written before that, {rest} left alone",
            hint=f"{receipt.stopped.hint}\npromptsync pull does the rest",
            code=receipt.stopped.code,
        )
    if plan.marked:
        return MergeConflict(plan.marked, marked=True)
    return _blocked(plan) if plan.blocked else None


def _blocked(plan: PullPlan) -> Refused:
    first = plan.blocked[0]
    more = f" (and {len(plan.blocked) - 1} more)" if len(plan.blocked) > 1 else ""
    return Refused(
        f"{first.name!r} was left as it is: {first.reason}{more}",
        hint=first.refusal.hint,
        details=[line for one in plan.unmerged for line in diff.unmerged(one)],
        code=first.refusal.code,
    )


# -- the body of a pull request -----------------------------------------------------------------------------

_EXPLAINED = (
    "A version was passed over when a later one was published without its text. "
    "Such versions are merged into the files here, and the next push or deploy publishes the merged text. "
    "To leave one out, change its text back and keep the line `synced:`, which says that you have seen it."
)

_ARCHIVED = (
    "Nothing was done about that. Either `promptsync push --restore NAME` publishes one again, "
    "or `promptsync pull --prune` deletes the files; `promptsync status --drift` stops pushes until then."
)


def pull_markdown(plan: PullPlan, receipt: PullReceipt, taken: Mapping[str, Taken]) -> list[str]:
    """Return what comes from the registry: the prompts, their versions and differences, and what was left."""
    from promptsync.show.markdown import Page, html

    page = Page()
    count = len(receipt.written) + len(receipt.deleted)
    page.say(f"**{output.count(count, 'prompt')} from the registry**" if count else "**Nothing to pull**")
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
        page.say(f"**{output.count(len(plan.blocked), 'prompt')} left as before**, for somebody to decide:")
        unmerged = {one.name: one for one in plan.unmerged}
        told = [line for one in plan.blocked for line in _blocked_lines(one, unmerged.get(one.name))]
        page.fence(_short(told, "line"))
    if archived := [item.name for item in plan.left if item.state is State.DELETED_REMOTELY]:
        page.say(f"**{output.count(len(archived), 'prompt')} archived in the registry**, with a file here:")
        page.fence(_short(archived, "prompt"))
        page.say(_ARCHIVED)
    for number, one in enumerate(receipt.written):
        title = f"{html(one.name)}: {_word(plan, one)}, {_versions(one)}"
        lines = [*_told(plan, one, taken.get(one.name)), *_difference(one)]
        if not page.details(title, lines, rest=len(receipt.written) - number):
            rest = [other.name for other in receipt.written[number:]]
            page.say(f"… and {output.count(len(rest), 'more prompt')}, too much to show here:")
            page.names(rest)
            break
    return page.lines


def _versions(one: Write) -> str:
    known = one.old is not None and one.since is not None and one.since != one.version
    return f"v{one.since} -> v{one.version}" if known else f"v{one.version}"


def _short(lines: Sequence[str], what: str) -> list[str]:
    """Return the first lines and a count of the others: a page has to have room for what differs."""
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"… and {output.count(more, f'more {what}')}"] if more > 0 else [])]


def _blocked_lines(one: Blocked, unmerged: Unmerged | None) -> Iterator[str]:
    yield f"{one.name}: {one.reason}"
    yield from (f"  {line}" for line in one.refusal.hint.splitlines())
    if unmerged is not None:
        yield from (f"  {line}" for line in diff.unmerged(unmerged)[1:])


def _told(plan: PullPlan, write: Write, taken: Taken | None) -> Iterator[str]:
    """Say of each version when it was made and with which words; the registry does not tell by whom."""
    if taken is not None:
        if taken.older:
            yield f"# {output.count(taken.older, 'older version')}"
        yield from (_version(one) for one in taken.versions)
    word = "passed over" if plan.options.passed_over else "passed over, left out"
    yield from (f"{_version(one)} ({word})" for one in plan.passed_over.get(write.name, ()))


def _version(one: RemoteVersion) -> str:
    message = without_mark(one.message) or "(no message)"
    return f"# v{one.version}  {output.moment(one.created_at or '(no date)')}  {message}"


def _difference(write: Write) -> Sequence[str]:
    from promptsync.compare.difference import step
    from promptsync.show.diff_markdown import step_lines

    found = step(write.path, write.old_prompt, write.prompt)
    return step_lines([found]) if found.fields else ["# the text stays as it is"]
