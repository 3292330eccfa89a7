"""``promptsync pull``: bring the registry's changes into the files, or put given versions there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from promptsync import output, present
from promptsync.commands.session import Outcome, Session, verb
from promptsync.core.compare import State
from promptsync.errors import AnswerIsNo, Refused, UsageError
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
    "--theirs", multiple=True, metavar="NAME", help="Take the registry's text of NAME; back yours up."
)
@click.option(
    "--ours", multiple=True, metavar="NAME", help="Keep your text of NAME as the one that comes next."
)
@click.option("--prune", is_flag=True, help="Delete the files of prompts that are archived in the registry.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be written.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before files are deleted.")
@click.option("--label", metavar="LABEL", help="Put the versions under LABEL into the files.")
@click.option("--version", type=click.IntRange(1), metavar="N", help="Put version N into the file of NAME.")
@click.option(
    "--output",
    "directory",
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
    directory: Path | None,
) -> Outcome:
    """Write what changed in the registry into the files; comments and layout of the files survive.

    Files that you changed are left alone. A prompt that changed on both sides stops the pull before its first
    write, unless --merge can merge it. With --label or --version the files get exactly those versions, where
    nothing can be lost by it.

    \b
    promptsync pull
    promptsync pull --merge
    promptsync pull --label prod --output build/prompts
    promptsync pull support/refund --theirs support/refund
    """
    if label is not None and version is not None:
        raise UsageError("--label and --version exclude each other")
    if version is not None and len(names) != 1:
        raise UsageError("--version needs the one NAME that has it", hint="promptsync pull NAME --version N")
    if (merge or markers) and (label, version, directory) != (None, None, None):
        raise UsageError("--merge takes no --label, --version or --output: they put a version there as it is")
    options = PullOptions(names, theirs, ours, prune, merge=merge or markers, markers=markers)
    with session.project() as project:
        if directory is not None:
            return _export(session, project, names, label, version, directory)
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
) -> Outcome:
    target = session.directory / directory
    written = export(project, names, target, label=label, version=version)
    rows = [(f"  {path}", output.name(one.prompt.name), f"v{one.version}") for path, one in written]
    lines = [*output.table(rows), f"{output.count(len(written), 'file')} written below {directory}"]
    body = {
        "written": [{"name": one.prompt.name, "path": path, "version": one.version} for path, one in written],
        "merged": [],
        "conflicts": [],
        "deleted": [],
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
        f"  your text of {output.name(name)} is kept in {path}" for name, path in receipt.backups.items()
    ]
    lines += [line for item in plan.left if (line := _left(item))]
    done = len(receipt.written) + len(receipt.deleted)
    would = "would be " if dry_run else ""
    lines.append(f"{output.count(done, 'file')} {would}written" if done else "nothing to pull")
    if dry_run:
        lines = [_DRY, "", *lines, _DRY]
    body = _body(receipt, plan.marked, dry_run=dry_run)
    if not plan.marked:
        return Outcome(lines, body)
    conflict = MergeConflict(plan.marked, marked=True, markable=True)
    return Outcome(lines, body, conflict.exit_code, conflict)


def _left(item: Item) -> str:
    reason = _LEFT.get(item.state)
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
