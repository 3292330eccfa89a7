"""``promptsync pull``: bring the registry's changes into the files, or put given versions there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from promptsync import output, present
from promptsync.commands.session import Outcome, Session, verb
from promptsync.core.compare import State
from promptsync.errors import AnswerIsNo, Incomplete, PromptsyncError, Refused, UsageError
from promptsync.files.private import locked
from promptsync.sync.conflict import Conflict
from promptsync.sync.gather import gather
from promptsync.sync.materialise import export, plan_materialise
from promptsync.sync.merging import MergeConflict, Unmerged
from promptsync.sync.project import Project
from promptsync.sync.pull import PullOptions, PullPlan, PullReceipt, plan_pull, pull
from promptsync.sync.snapshot import Item

_DRY = "DRY RUN: nothing is written"
_LEFT = {
    State.AHEAD: "changed here; promptsync push publishes it",
    State.NEW: "only here; promptsync push publishes it",
    State.ALTERED: "the registry keeps it differently from what it was given",
    State.DELETED_REMOTELY: "archived in the registry; pull --prune deletes the file",
}


@verb(
    "pull",
    short_help="Bring the registry's changes into the files.",
    blank={"written": [], "merged": [], "conflicts": [], "deleted": []},
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--merge", is_flag=True, help="Merge prompts that changed on both sides, field by field.")
@click.option(
    "--markers", is_flag=True, help="Merge, and write conflict markers into texts that do not merge."
)
@click.option(
    "--theirs",
    multiple=True,
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Take the registry's text of NAME, or of all that are named; back yours up.",
)
@click.option(
    "--ours",
    multiple=True,
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Keep your text of NAME, or of all that are named, as the one that comes next.",
)
@click.option("--prune", is_flag=True, help="Delete the files of prompts that are archived in the registry.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be written.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before files are deleted.")
@click.option("--label", metavar="LABEL", help="Put the versions under LABEL into the files.")
@click.option("--version", type=click.IntRange(1), metavar="N", help="Put version N into the file of NAME.")
@click.option(
    "--output",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files below DIR instead, for a build.",
)
def command(
    session: Session,
    names: tuple[str, ...],
    merge: bool,
    markers: bool,
    theirs: tuple[str, ...],
    ours: tuple[str, ...],
    prune: bool,
    dry_run: bool,
    yes: bool,
    label: str | None,
    version: int | None,
    target: Path | None,
) -> Outcome:
    """Write what changed in the registry into the files; comments and layout of the files survive.

    Files that you changed are left alone. A prompt that changed on both sides stops the pull before its first
    write, unless --merge can merge it. With --label or --version the files get exactly those versions, where
    nothing can be lost by it.

    \b
    promptsync pull
    promptsync pull --merge
    promptsync pull --label prod --output build/prompts
    promptsync pull support/refund --theirs
    """
    if label is not None and version is not None:
        raise UsageError("--label and --version exclude each other")
    if version is not None and len(names) != 1:
        raise UsageError("--version needs the one NAME that has it", hint="promptsync pull NAME --version N")
    if (merge or markers) and (label, version, target) != (None, None, None):
        raise UsageError("--merge takes no --label, --version or --output: they put a version there as it is")
    theirs, ours = _named("--theirs", theirs, names), _named("--ours", ours, names)
    _check_together(theirs, ours, prune, is_version=(label, version) != (None, None), directory=target)
    options = PullOptions(names, theirs, ours, prune, merge=merge or markers, markers=markers)
    with session.project() as project:
        if target is not None:
            return _export(session, project, names, label, version, target, dry_run)
        try:
            if dry_run:
                plan = _plan(project, options, label, version)
                return _outcome(plan, PullReceipt(list(plan.writes), list(plan.deletes)), dry_run=True)
            with locked(project.root):
                plan = _plan(project, options, label, version)
                _confirm(session, plan, yes)
                return _outcome(plan, pull(project, plan), dry_run=False)
        except MergeConflict as conflict:
            return _refused(conflict, dry_run=dry_run)


def _named(option: str, given: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that ``--theirs`` or ``--ours`` means; without its own it means the arguments."""
    if "" in given and not names:
        raise UsageError(
            f"{option} says for no prompt which text to take", hint=f"promptsync pull NAME {option}"
        )
    return tuple(dict.fromkeys([*(name for name in given if name), *(names if "" in given else ())]))


def _check_together(
    theirs: tuple[str, ...], ours: tuple[str, ...], prune: bool, *, is_version: bool, directory: Path | None
) -> None:
    both = sorted({*theirs} & {*ours})
    if both:
        raise UsageError(f"{both[0]!r} cannot be both --theirs and --ours")
    if is_version and (ours or prune):
        raise UsageError("--label and --version take no --ours and no --prune: they only write versions")
    if directory is not None and (theirs or ours or prune):
        raise UsageError("--output takes no --theirs, --ours or --prune: it touches none of your files")


def _plan(project: Project, options: PullOptions, label: str | None, version: int | None) -> PullPlan:
    if label is not None or version is not None:
        names, theirs = options.names, options.theirs
        return plan_materialise(project, names, label=label, version=version, theirs=theirs)
    snapshot = gather(project)
    try:
        return plan_pull(project, snapshot, options)
    except Conflict as conflict:
        present.explain(project, conflict)
        raise


def _refused(conflict: MergeConflict, *, dry_run: bool) -> Outcome:
    """Return the answer of a merge that wrote nothing: the fields, and what the three sides say there."""
    conflict.details = tuple(line for one in conflict.unmerged for line in present.unmerged(one))
    body = _body(PullReceipt(), conflict.unmerged, dry_run=dry_run)
    return Outcome((), body, conflict.exit_code, conflict)


def _confirm(session: Session, plan: PullPlan, yes: bool) -> None:
    if not plan.deletes or yes:
        return
    if not session.environment.interactive or session.json:
        raise Refused(
            "--prune needs a yes, and there is no terminal to ask on; nothing was written",
            hint="add -y when you are sure",
            code="not-confirmed",
        )
    for gone in plan.deletes:
        session.say(f"  delete {output.safe(gone.path)}")
    if not session.confirm(f"Delete {output.count(len(plan.deletes), 'file')}?"):
        raise AnswerIsNo("not confirmed; nothing was written", code="declined")


def _export(
    session: Session,
    project: Project,
    names: tuple[str, ...],
    label: str | None,
    version: int | None,
    directory: Path,
    dry_run: bool,
) -> Outcome:
    target = session.directory / directory
    written = export(project, names, target, label=label, version=version, dry_run=dry_run)
    rows = [
        (f"  {output.safe(path)}", output.name(one.prompt.name), f"v{one.version}") for path, one in written
    ]
    would = "would be " if dry_run else ""
    count = output.count(len(written), "file")
    lines = [*output.table(rows), f"{count} {would}written below {output.safe(str(directory))}"]
    if dry_run:
        lines = [_DRY, "", *lines, _DRY]
    body = {
        "written": [{"name": one.prompt.name, "path": path, "version": one.version} for path, one in written],
        "merged": [],
        "conflicts": [],
        "deleted": [],
        "dry_run": dry_run,
    }
    return Outcome(lines, body)


def _outcome(plan: PullPlan, receipt: PullReceipt, *, dry_run: bool) -> Outcome:
    rows = []
    marked = {one.name for one in plan.marked}
    for one in receipt.written:
        word = "new" if one.old is None else "merged" if one.merged else "updated"
        if one.name in marked:
            word = "conflict"
        rows.append(
            (
                f"  {output.style(word, 'bad' if one.name in marked else 'remote')}",
                output.name(one.name),
                f"v{one.version}",
                output.safe(one.path),
            )
        )
    lines = output.table(rows)
    lines += [f"  {output.style('deleted', 'warn')}  {output.safe(gone.path)}" for gone in receipt.deleted]
    lines += [
        f"  your text of {output.name(name)} is kept in {output.safe(str(path))}"
        for name, path in receipt.backups.items()
    ]
    lines += [line for item in plan.left if (line := _left(item, plan))]
    done = len(receipt.written) + len(receipt.deleted)
    would = "would be " if dry_run else ""
    lines.append(f"{output.count(done, 'file')} {would}written" if done else "nothing to pull")
    if dry_run:
        lines = [_DRY, "", *lines, _DRY]
    if receipt.unrecorded:
        lines.append(f"  note: this working copy could not remember that: {output.safe(receipt.unrecorded)}")
    body = _body(receipt, plan.marked, dry_run=dry_run)
    error = _error(plan, receipt)
    return Outcome(lines, body, error.exit_code if error is not None else 0, error)


def _error(plan: PullPlan, receipt: PullReceipt) -> PromptsyncError | None:
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
            f"{receipt.stopped.message} {output.count(done, 'file')} written before that, {rest} left alone",
            hint=f"{receipt.stopped.hint}\npromptsync pull does the rest",
            code=receipt.stopped.code,
        )
    return MergeConflict(plan.marked, marked=True, markable=True) if plan.marked else None


def _left(item: Item, plan: PullPlan) -> str:
    reason = _LEFT.get(item.state)
    if plan.prune and item.state is State.DELETED_REMOTELY:
        reason = "archived in the registry, and kept here, for no commit holds this text"
    if reason is None:
        return ""
    return f"  {output.style('left', 'warn')}  {output.name(item.name)}: {item.state}, {reason}"


def _body(receipt: PullReceipt, unmerged: Sequence[Unmerged], *, dry_run: bool) -> dict[str, Any]:
    written = [{"name": one.name, "path": one.path, "version": one.version} for one in receipt.written]
    merged = {one.name for one in receipt.written if one.merged}
    return {
        "written": written,
        "merged": [one for one in written if one["name"] in merged],
        "conflicts": present.conflicts_body(unmerged),
        "deleted": [{"name": one.name, "path": one.path} for one in receipt.deleted],
        "backups": {name: str(path) for name, path in receipt.backups.items()},
        "dry_run": dry_run,
    }
