"""``promptsync pull``: bring the registry's changes into the files, or put given versions there."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from promptsync.commands.shared.options import choose_format, format_option
from promptsync.commands.shared.session import Outcome, Session, verb
from promptsync.compare.conflict import Conflict
from promptsync.compare.gather import gather
from promptsync.compare.project import Project
from promptsync.compare.select import named_by
from promptsync.errors import AnswerIsNo, Refused, RemoteError, UsageError
from promptsync.files.state.disk import locked
from promptsync.pull.apply import PullReceipt, apply_pull
from promptsync.pull.materialise import export, plan_materialise
from promptsync.pull.merge import MergeConflict
from promptsync.pull.plan import PullPlan, plan_pull
from promptsync.pull.write import PullOptions
from promptsync.show import diff
from promptsync.show import pull as show_pull
from promptsync.terminal import output

_DRY = output.Aside("DRY RUN: nothing is written")


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
@click.option(
    "--passed-over/--no-passed-over",
    default=None,
    help="Merge versions that a later one passed over into the files, or leave them out for good.",
)
@click.option("--partial", is_flag=True, help="Leave what does not merge, and write the rest; still exits 3.")
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
@format_option("markdown")
def command(
    session: Session,
    names: tuple[str, ...],
    merge: bool,
    markers: bool,
    theirs: tuple[str, ...],
    ours: tuple[str, ...],
    passed_over: bool | None,
    partial: bool,
    prune: bool,
    dry_run: bool,
    yes: bool,
    label: str | None,
    version: int | None,
    target: Path | None,
    form: str | None,
) -> Outcome:
    """Write what changed in the registry into the files; comments and layout of the files survive.

    Files that you changed are left alone. A prompt that changed on both sides stops the pull before its first
    write, unless --merge can merge it. --passed-over also brings back versions that a later one was published
    over without including them. With --label or --version the files get exactly those versions, where
    nothing can be lost by it.

    \b
    promptsync pull
    promptsync pull --merge
    promptsync pull --merge --passed-over --partial --format markdown > drift.md
    promptsync pull --label prod --output build/prompts
    promptsync pull support/refund --theirs
    """
    choose_format(session, form)
    theirs, ours = _named("--theirs", theirs, names), _named("--ours", ours, names)
    options = PullOptions(names, theirs, ours, prune, merge or markers, markers, passed_over, partial)
    _check_together(options, label, version, target)
    with session.project() as project:
        names, theirs, ours = (named_by(project, session.directory, one) for one in (names, theirs, ours))
        options = replace(options, names=names, theirs=theirs, ours=ours)
        if target is not None:
            return _export(session, project, names, label, version, target, dry_run)
        try:
            if dry_run:
                plan = _plan(project, options, label, version)
                receipt = PullReceipt(list(plan.writes), list(plan.deletes))
            else:
                with locked(project.root):
                    plan = _plan(project, options, label, version)
                    _confirm(session, plan, yes)
                    receipt = apply_pull(project, plan)
        except (Conflict, MergeConflict) as refusal:
            return _refused(session, refusal, dry_run=dry_run)
        return _outcome(session, project, plan, receipt, dry_run=dry_run)


def _named(option: str, given: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that ``--theirs`` or ``--ours`` means; without its own it means the arguments."""
    if "" in given and not names:
        raise UsageError(
            f"{option} says for no prompt which text to take", hint=f"promptsync pull NAME {option}"
        )
    return tuple(dict.fromkeys([*(name for name in given if name), *(names if "" in given else ())]))


def _check_together(
    options: PullOptions, label: str | None, version: int | None, directory: Path | None
) -> None:
    if label is not None and version is not None:
        raise UsageError("--label and --version exclude each other")
    if version is not None and len(options.names) != 1:
        raise UsageError("--version needs the one NAME that has it", hint="promptsync pull NAME --version N")
    is_version = (label, version) != (None, None)
    if (options.merge or options.passed_over is not None) and (is_version or directory is not None):
        passed_over = "--passed-over" if options.passed_over else "--no-passed-over"
        flag = "--merge" if options.merge else passed_over
        raise UsageError(f"{flag} takes no --label, --version or --output: they put a version there as it is")
    both = sorted({*options.theirs} & {*options.ours})
    if both:
        raise UsageError(f"{both[0]!r} cannot be both --theirs and --ours")
    if is_version and (options.ours or options.prune or options.partial):
        raise UsageError(
            "--label and --version take no --ours, --prune or --partial: they only write versions"
        )
    if directory is not None and (options.theirs or options.ours or options.prune or options.partial):
        raise UsageError(
            "--output takes no --theirs, --ours, --prune or --partial: it touches none of your files"
        )


def _plan(project: Project, options: PullOptions, label: str | None, version: int | None) -> PullPlan:
    if label is not None or version is not None:
        names, theirs = options.names, options.theirs
        return plan_materialise(project, names, label=label, version=version, theirs=theirs)
    snapshot = gather(project)
    try:
        return plan_pull(project, snapshot, options)
    except Conflict as conflict:
        diff.explain(project, conflict)
        raise


def _refused(session: Session, refusal: Refused, *, dry_run: bool) -> Outcome:
    """Return the answer of a pull that wrote nothing: what is in the way, and what to type."""
    unmerged = refusal.unmerged if isinstance(refusal, MergeConflict) else ()
    if unmerged:
        # the fields, and what the three sides say there
        refusal.details = tuple(line for one in unmerged for line in diff.unmerged(one))
    lines: list[str] = []
    if session.form == "markdown":
        from promptsync.show.markdown import error_markdown

        lines = error_markdown(refusal)
    plan, receipt = PullPlan(), PullReceipt()
    body = show_pull.pull_body(plan, receipt, unmerged, dry_run=dry_run)
    outputs = show_pull.pull_outputs(plan, receipt, _count(refusal))
    return Outcome(lines, body, refusal.exit_code, refusal, outputs=outputs)


def _count(refusal: Refused) -> int:
    """Return how many prompts are in the way."""
    if isinstance(refusal, MergeConflict):
        return len(refusal.unmerged)
    if isinstance(refusal, Conflict):
        return len(refusal.items)
    return 0


def _confirm(session: Session, plan: PullPlan, yes: bool) -> None:
    if not plan.deletes or yes:
        return
    if not session.environment.interactive or session.json:
        raise Refused(
            "--prune needs a yes, and there is no terminal to ask on; nothing was written",
            hint="add -y when you are sure",
            code="not-confirmed",
        )
    lines = [f"  delete {output.safe(gone.path)}" for gone in plan.deletes]
    if not session.confirm(f"Delete {output.count(len(plan.deletes), 'file')}?", lines):
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
    told = output.Aside(f"{count} {would}written below {output.safe(str(directory))}")
    lines = [*output.table(rows), told]
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


def _outcome(
    session: Session, project: Project, plan: PullPlan, receipt: PullReceipt, *, dry_run: bool
) -> Outcome:
    summary: list[str] = []
    if session.form == "markdown" or session.environment.in_github:
        from promptsync.pull.plan import Taken, read_taken

        taken: Mapping[str, Taken] = {}
        with contextlib.suppress(RemoteError):  # what was done is told without them, too
            taken = read_taken(project, plan)
        summary = show_pull.pull_markdown(plan, receipt, taken)
    lines = show_pull.pull_lines(plan, receipt, dry_run=dry_run)
    if dry_run:
        lines = [_DRY, "", *lines, _DRY]
    error = show_pull.pull_error(plan, receipt)
    return Outcome(
        summary if session.form == "markdown" else lines,
        show_pull.pull_body(plan, receipt, dry_run=dry_run),
        error.exit_code if error is not None else 0,
        error,
        summary,
        show_pull.pull_outputs(plan, receipt),
    )
