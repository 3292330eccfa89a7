"""``promptsync pull``: bring the registry's changes into the files, or write specified versions."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from promptsync.commands.shared.action import carry_out, plan_options
from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import check_apart, format_option, version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.conflict import Conflict
from promptsync.compare.difference import step
from promptsync.compare.gather import gather
from promptsync.compare.snapshot import State
from promptsync.errors import PromptsyncError, UsageError
from promptsync.history.mark import without_mark
from promptsync.project.plan import FilesReceipt, all_of
from promptsync.project.project import Project
from promptsync.project.target import At, NoSuchPrompt, check_exact, may_have_version, resolve
from promptsync.project.versions import Catalog
from promptsync.prompt.prompt import Version
from promptsync.pull.plan import Blocked, PullPlan, apply_pull, export, plan_materialise, plan_pull
from promptsync.pull.write import MergeConflict, PullOptions, Unmerged, Write, why_kept
from promptsync.show import diff
from promptsync.show.markdown import Page
from promptsync.show.notes import backup_lines, tally, version_list
from promptsync.show.outcome import Outcome, Row, bodies, body, planned, row_lines
from promptsync.terminal import output


@verb("pull")
@click.argument("names", nargs=-1, metavar="[NAME[@N|:LABEL]]...")
@flag("--merge", "Merge prompts that changed on both sides, field by field.")
@flag("--markers", "Merge, and write conflict markers where texts do not merge.")
@flag("--theirs", "Take the registry's version of each NAME and back yours up.")
@flag("--ours", "Keep your version of each NAME as the next one.")
@option(
    "--passed-over/--no-passed-over",
    None,
    "Merge passed-over versions, or leave those of each NAME out for good.",
    default=None,
)
@flag("--partial", "Skip what does not merge and write the rest; still exits with 3.")
@flag("--prune", "Delete the files of prompts that are archived in the registry.")
@plan_options
@version_options
@option(
    "--output target",
    "DIR",
    "Write the files to DIR instead, for a build.",
    type=click.Path(file_okay=False, path_type=Path),
)
@format_option("markdown")
def command(session: Session, names: tuple[str, ...], at: At, target: Path | None, **flags: Any) -> Outcome:
    """Bring the registry's changes into your files. Comments and layout stay.

    Files that you changed are skipped. A prompt that changed on both sides stops the pull before its first
    write, unless --merge can merge it. --passed-over also merges versions that a later one did not include.
    --theirs, --ours and --no-passed-over need exact names or paths of files. With --label or --version the
    files get exactly those versions, unless uncommitted edits or pulls would be lost.

    \b
    promptsync pull
    promptsync pull --merge
    promptsync pull --merge --passed-over --partial --format markdown > drift.md
    promptsync pull support/refund@3
    promptsync pull --label prod --output build/prompts
    promptsync pull support/refund support/greeting --theirs
    """
    options = PullOptions(names, command=session.command(), **flags)
    if options.markers:
        options = replace(options, merge=True)
    with session.project() as project:
        options, at = _resolved(project, options, at)
        _check_together(options, at, target)
        if target is not None:
            written = export(project, options.names, session.directory / target, at, dry_run=session.dry_run)
            return _exported(written, target, dry_run=session.dry_run)
        try:
            return carry_out(
                session,
                project,
                plan=lambda: (
                    plan_materialise(project, options.names, at, theirs=options.theirs)
                    if at
                    else plan_pull(project, gather(project, merge_keys=options.merge), options)
                ),
                apply=lambda made: apply_pull(project, made),
                show=_shown,
                headline=_headline,
                unchanged="nothing was written",
                files_only=True,
            )
        except (Conflict, MergeConflict) as refusal:
            return _refused(refusal)


def _resolved(project: Project, options: PullOptions, at: At) -> tuple[PullOptions, At]:
    """Return the options with names without ``@N`` and ``:LABEL``, and the version that these specify."""
    names = options.names
    sides = ("--theirs", options.theirs), ("--ours", options.ours)
    for name, is_set in (*sides, ("--no-passed-over", options.passed_over is False)):
        if is_set:
            check_exact(project, names, name)
    if not any(map(may_have_version, names)):
        return options, at
    try:
        targets = resolve(project, names, Catalog(project), at=at)
    except NoSuchPrompt:
        return options, at  # a name that only the files have, which planning handles
    versions = {target.at for target in targets}
    if len(versions) > 1:
        raise UsageError("pull writes one version at a time", hint="run it once for each version")
    return replace(options, names=tuple(target.name for target in targets)), versions.pop()


def _check_together(options: PullOptions, at: At, directory: Path | None) -> None:
    if at.number is not None and len(options.names) != 1:
        raise UsageError("--version needs exactly one NAME", hint="promptsync pull NAME --version N")
    theirs, ours, passed_over = ("--theirs", options.theirs), ("--ours", options.ours), options.passed_over
    either = ("--passed-over" if passed_over else "--no-passed-over", passed_over is not None)
    check_apart(theirs, ours, ("--markers" if options.markers else "--merge", options.merge))
    check_apart(theirs, ours, ("--passed-over", passed_over))
    prune, partial = ("--prune", options.prune), ("--partial", options.partial)
    others = (ours, prune, partial, either, ("--merge", options.merge))
    for other in others:
        check_apart(("--label" if at.number is None else "--version", bool(at)), other)
    for other in (*others, theirs):
        check_apart(("--output", directory), other)


_SKIPPED = {
    State.AHEAD: "changed in your files; promptsync push publishes it",
    State.NEW: "only in your files; promptsync push publishes it",
    State.CONFLICT: "has conflict markers; choose a side and delete the marker lines",
    State.ALTERED: "the registry returned it differently from what was sent",
    State.DELETED_REMOTELY: "archived in the registry; promptsync pull --prune deletes the file",
}
_KEPT = "promptsync push {0} --restore publishes it, promptsync pull {0} --prune --theirs deletes the file"


def _headline(plan: PullPlan) -> str:
    """Return how many files a pull writes and deletes."""
    counts = [(len(plan.writes), "to write"), (len(plan.deletes), "to delete")]
    return tally("file", counts) or "nothing to pull"


def _shown(plan: PullPlan, receipt: FilesReceipt | None) -> Outcome:
    """Return what a pull will write, or with a receipt what it did."""
    made = receipt or all_of(plan.changes)
    lines = [*row_lines(planned(_rows(plan, made))), *backup_lines(made.backups)]
    lines += row_lines(planned(_skipped(plan)))
    if receipt is not None:
        counts = [(len(receipt.of(plan.writes)), "written"), (len(receipt.of(plan.deletes)), "deleted")]
        lines.append(output.aside(tally("file", counts) or "nothing was written"))
    if made.unrecorded:
        note = f"could not record the pull: {made.unrecorded}"
        lines += row_lines([Row("note", "warn", "this working copy", note=note)])
    error = made.error or plan.error
    return Outcome(
        lines,
        pull_body(plan, made),
        error=_detailed(error, plan.unmerged) if error is not None else None,
        outputs=_outputs(made, len(plan.blocked) + len(plan.marked)),
        markdown=lambda page: add_pull(page, plan, made),
    )


def _exported(written: Sequence[tuple[str, Version]], directory: Path, *, dry_run: bool) -> Outcome:
    """Return which files were written below another directory, with their versions."""
    rows = [(f"  {output.safe(path)}", output.name(one.name), f"v{one.version}") for path, one in written]
    would = "would be " if dry_run else ""
    number = f"{output.count(len(written), 'file')} {would}written to {output.safe(str(directory))}"
    files = [{"name": version.name, "path": path, "version": version.version} for path, version in written]
    document = {"written": files, "merged": [], "conflicts": [], "deleted": []}
    head = [output.aside("DRY RUN: nothing was written")] if dry_run else []
    return Outcome([*head, *output.table(rows), output.aside(number)], document)


def _refused(refusal: Conflict | MergeConflict) -> Outcome:
    """Return the outcome of a pull that wrote nothing, with the conflicts that stopped it."""
    unmerged = refusal.unmerged if isinstance(refusal, MergeConflict) else ()
    number = len(refusal.unmerged if isinstance(refusal, MergeConflict) else refusal.items)
    error, receipt = _detailed(refusal, unmerged), FilesReceipt()
    return Outcome(
        (),
        pull_body(PullPlan(), receipt) | {"conflicts": diff.conflicts_body(unmerged)},
        error=error,
        markdown=lambda page: page.error(error),
        outputs=_outputs(receipt, number),
    )


def _detailed(error: PromptsyncError, unmerged: Sequence[Unmerged]) -> PromptsyncError:
    """Return an error with the texts that do not merge."""
    details = [line for prompt in unmerged for line in diff.unmerged(prompt)]
    return error.replaced(details=details) if details else error


def _rows(plan: PullPlan, receipt: FilesReceipt) -> list[Row]:
    """Return a row for each file that was written or deleted."""
    rows = []
    for write in receipt.of(plan.writes):
        cells = (_versions(write), output.safe(write.path))
        numbers = [version.version for version in write.passed_over]
        way = "with" if plan.options.passed_over else "without"
        note = f"{way} {version_list(numbers)}, passed over before" if numbers else ""
        meaning = "bad" if write.word == "conflict" else "remote"
        rows.append(Row(write.word, meaning, write.name, cells, note))
    deletes = receipt.of(plan.deletes)
    return [*rows, *(Row("deleted", "warn", gone.name, ("", output.safe(gone.path))) for gone in deletes)]


def _versions(write: Write) -> str:
    known = write.old is not None and write.since is not None and write.since != write.version
    return f"v{write.since} -> v{write.version}" if known else f"v{write.version}"


def _skipped(plan: PullPlan) -> Iterator[Row]:
    for prompt in plan.blocked:
        yield Row("skipped", "warn", prompt.name, note=prompt.reason)
    for item in plan.skipped:
        reason = _SKIPPED.get(item.state, "")
        if item.state is State.DELETED_REMOTELY and (plan.options.prune or not item.is_committed):
            reason = f"{why_kept(item)}; {_KEPT.format(output.name(shlex.quote(item.name)))}"
        if reason:
            yield Row("skipped", "warn", item.name, note=f"{item.state}, {reason}")


def pull_body(plan: PullPlan, receipt: FilesReceipt) -> dict[str, Any]:
    """Return what was written, or would be, for a JSON document."""
    written = receipt.of(plan.writes)
    return {
        "written": bodies(written, "name path version"),
        "merged": bodies([write for write in written if write.word == "merged"], "name path version"),
        "conflicts": diff.conflicts_body((*plan.marked, *plan.unmerged)),
        "deleted": bodies(receipt.of(plan.deletes), "name path"),
        "passed_over": [
            {
                "name": write.name,
                "versions": [version.version for version in write.passed_over],
                "brought_in": plan.options.passed_over is True,
            }
            for write in plan.writes
            if write.passed_over
        ],
        "left": bodies(plan.blocked, "name path reason"),
        **body(receipt, "backups"),
    }


def _outputs(receipt: FilesReceipt, conflicts: int) -> dict[str, str]:
    """Return what later steps of a workflow read: whether files changed, how many, how many conflicts."""
    number = len(receipt.paths)
    return {"changed": "true" if number else "false", "count": str(number), "conflicts": str(conflicts)}


# -- Markdown -----------------------------------------------------------------------------------------------

_EXPLAINED = (
    "A version is passed over when a later one is published without its text. "
    "This pull merges such versions into the files, and the next push or deploy publishes the merged text. "
    "To leave one out, revert its text and keep `synced:`, or run `promptsync pull NAME --no-passed-over`."
)

_ARCHIVED = (
    "Nothing was changed. `promptsync push NAME --restore` publishes one again, `promptsync pull --prune` "
    "deletes the files; `promptsync status --drift` fails until one of them is done."
)


def add_pull(page: Page, plan: PullPlan, receipt: FilesReceipt) -> None:
    """Add what comes from the registry to a page: prompts, versions and differences, and what was skipped."""
    number = len(receipt.paths)
    title = f"{output.count(number, 'prompt')} from the registry" if number else "nothing to pull"
    page.section(title, row_lines(_rows(plan, receipt)))
    if plan.options.passed_over and any(write.passed_over for write in plan.writes):
        page.say(_EXPLAINED)
    if plan.blocked:
        page.say(f"**{output.count(len(plan.blocked), 'prompt')} skipped**, left for you to decide:")
        page.fence(line for prompt in plan.blocked for line in _blocked_lines(prompt))
    if archived := [item.name for item in plan.skipped if item.state is State.DELETED_REMOTELY]:
        prompts = output.count(len(archived), "prompt")
        page.say(f"**{prompts} archived in the registry** whose files still exist:")
        page.fence(archived)
        page.say(_ARCHIVED)
    writes = receipt.of(plan.writes)
    page.differences([(one.name, f"{one.word}, {_versions(one)}", _details(plan, one)) for one in writes])


def _blocked_lines(prompt: Blocked) -> Iterator[str]:
    yield f"{prompt.name}: {prompt.reason}"
    yield from (f"  {line}" for line in prompt.refusal.hint.splitlines())
    if prompt.unmerged is not None:
        yield from (f"  {line}" for line in diff.unmerged(prompt.unmerged)[1:])


def _details(plan: PullPlan, write: Write) -> Iterator[str]:
    """Yield the date and message of the version, and what differs; the registry does not say who made it."""
    if write.since != write.version:
        yield _version(write.source)
    word = "passed over" if plan.options.passed_over else "passed over, left out"
    yield from (f"{_version(version)} ({word})" for version in write.passed_over)
    difference = step(write.path, write.old_prompt, write.prompt)
    yield from diff.patch_lines([difference]) if difference.fields else ["# no change in the file"]


def _version(version: Version) -> str:
    message = without_mark(version.message) or "(no message)"
    return f"# v{version.version}  {output.moment(version.created_at or '(no date)')}  {message}"
