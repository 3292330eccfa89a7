"""``promptsync pull``: bring the registry's changes into the files, or put given versions there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptsync.commands.shared.action import carry_out, dry_run_option, expect_option, yes_option
from promptsync.commands.shared.options import choose_format, format_option, version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import Refused, RemoteError, UsageError
from promptsync.project.project import Project
from promptsync.project.target import At, NoSuchPrompt, exact_names, may_have_version, named_by
from promptsync.pull.options import PullOptions

if TYPE_CHECKING:  # loaded while the registry is listed
    from promptsync.pull.apply import PullReceipt
    from promptsync.pull.plan import PulledVersions, PullPlan
    from promptsync.show.outcome import Outcome


@verb(
    "pull",
    short_help="Write the registry's changes into the files.",
    blank={"written": [], "merged": [], "conflicts": [], "deleted": []},
)
@click.argument("names", nargs=-1, metavar="[NAME[@N|:LABEL]]...")
@click.option("--merge", is_flag=True, help="Merge prompts that changed on both sides, field by field.")
@click.option("--markers", is_flag=True, help="Merge, and write conflict markers where texts do not merge.")
@click.option("--theirs", is_flag=True, help="Take the registry's text of the NAMEs and back yours up.")
@click.option("--ours", is_flag=True, help="Keep your text of the NAMEs as the next version.")
@click.option(
    "--passed-over/--no-passed-over",
    default=None,
    help="Merge versions that a later one passed over, or leave those of the NAMEs out for good.",
)
@click.option(
    "--partial", is_flag=True, help="Skip what does not merge and write the rest; still exits with 3."
)
@click.option("--prune", is_flag=True, help="Delete the files of prompts that are archived in the registry.")
@dry_run_option
@yes_option
@expect_option
@version_options
@click.option(
    "--output",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files to DIR instead, for a build.",
)
@format_option("markdown")
def command(
    session: Session,
    names: tuple[str, ...],
    merge: bool,
    markers: bool,
    theirs: bool,
    ours: bool,
    passed_over: bool | None,
    partial: bool,
    prune: bool,
    dry_run: bool,
    yes: bool,
    expect: str | None,
    at: At,
    target: Path | None,
    form: str | None,
) -> Outcome:
    """Write what changed in the registry into the files. Comments and layout stay.

    Files that you changed are skipped. A prompt that changed on both sides stops the pull before its first
    write, unless --merge can merge it. --passed-over also merges versions that a later one did not include,
    and with NAME@N only that one. --theirs, --ours and --no-passed-over need exact names or paths of files.
    With --label or --version the files get exactly those versions, unless uncommitted text would be lost.

    \b
    promptsync pull
    promptsync pull --merge
    promptsync pull --merge --passed-over --partial --format markdown > drift.md
    promptsync pull support/refund@3
    promptsync pull --label prod --output build/prompts
    promptsync pull support/refund support/greeting --theirs
    """
    choose_format(session, form)
    options = PullOptions(names, theirs, ours, prune, merge or markers, markers, passed_over, partial)
    _check_together(options, at, target)
    with session.project() as project:
        flag = "--theirs" if theirs else "--ours" if ours else "--no-passed-over"
        if theirs or ours or passed_over is False:
            exact_names(project, session.directory, names, flag)
        if passed_over is None:
            names, at = _at_version(session, project, names, at)
            names = named_by(project, session.directory, names)
        options = replace(options, names=names, command=session.command())
        _check_together(options, at, target)
        if target is not None:
            return _export(session, project, names, at, target, dry_run)
        try:
            return carry_out(
                session,
                project,
                plan=lambda: _plan(project, session.directory, options, at),
                apply=lambda made: _apply(project, made),
                show_plan=lambda made: _show_plan(project, made),
                show_receipt=lambda made, done, shown: _show_receipt(project, made, done, shown),
                headline=_headline,
                unchanged="nothing was written",
                dry_run=dry_run,
                yes=yes,
                expect=expect,
            )
        except Refused as refusal:
            return _show_refusal(refusal, dry_run)


def _at_version(
    session: Session, project: Project, names: tuple[str, ...], at: At
) -> tuple[tuple[str, ...], At]:
    """Return the names without ``@N`` and ``:LABEL``, and the one version that these specify."""
    if not any(map(may_have_version, names)):
        return names, at
    from promptsync.compare.versions import choose

    try:
        chosen = choose(project, session.directory, names, at)
    except NoSuchPrompt:
        return names, at  # a name that only the files have, which planning handles
    versions = {one.at for one in chosen}
    if len(versions) > 1:
        raise UsageError("pull writes one version at a time", hint="run it once for each version")
    return tuple(one.listed.name for one in chosen), versions.pop()


def _check_together(options: PullOptions, at: At, directory: Path | None) -> None:
    if at.number is not None and len(options.names) != 1:
        raise UsageError("--version needs exactly one NAME", hint="promptsync pull NAME --version N")
    is_version = bool(at)
    if (options.merge or options.passed_over is not None) and (is_version or directory is not None):
        passed_over = "--passed-over" if options.passed_over else "--no-passed-over"
        flag = "--merge" if options.merge else passed_over
        raise UsageError(f"{flag} cannot be combined with --label, --version or --output")
    if options.theirs and options.ours:
        raise UsageError("--theirs and --ours cannot be combined", hint="run pull once for each")
    side = "--theirs" if options.theirs else "--ours"
    if (options.theirs or options.ours) and (options.merge or options.passed_over):
        other = "--passed-over" if options.passed_over else "--markers" if options.markers else "--merge"
        raise UsageError(f"{side} and {other} cannot be combined", hint="run pull once for each")
    if is_version and (options.ours or options.prune or options.partial):
        raise UsageError("--label and --version cannot be combined with --ours, --prune or --partial")
    if directory is not None and (options.theirs or options.ours or options.prune or options.partial):
        raise UsageError("--output cannot be combined with --theirs, --ours, --prune or --partial")


def _plan(project: Project, directory: Path, options: PullOptions, at: At) -> PullPlan:
    if at:
        from promptsync.pull.materialise import plan_materialise

        return plan_materialise(
            project, options.names, label=at.label, version=at.number, theirs=options.theirs
        )
    from promptsync.compare.gather import gather

    snapshot = gather(project, meanwhile=_load)
    from promptsync.compare.conflict import Conflict
    from promptsync.pull.plan import plan_pull

    if options.passed_over is not None and options.names:
        from promptsync.pull.passed_over import at_versions

        options = at_versions(project, directory, snapshot, options)
    try:
        return plan_pull(project, snapshot, options)
    except Conflict as conflict:
        from promptsync.show.diff import explained

        raise explained(project, conflict) from None


def _load() -> None:
    """Load what a pull needs once the registry is listed."""
    import promptsync.pull.apply
    import promptsync.show.pull  # noqa: F401


def _apply(project: Project, plan: PullPlan) -> PullReceipt:
    from promptsync.pull.apply import apply_pull

    return apply_pull(project, plan)


def _show_plan(project: Project, plan: PullPlan) -> Outcome:
    from promptsync.show.pull import show_plan

    return show_plan(plan, lambda: _taken(project, plan))


def _show_receipt(project: Project, plan: PullPlan, receipt: PullReceipt | None, was_shown: bool) -> Outcome:
    from promptsync.show.pull import show_receipt

    return show_receipt(plan, receipt, was_shown, lambda: _taken(project, plan))


def _headline(plan: PullPlan) -> str:
    from promptsync.show.pull import headline

    return headline(plan)


def _show_refusal(refusal: Refused, dry_run: bool) -> Outcome:
    """Return the outcome of a conflict. Raises any other refusal."""
    from promptsync.compare.conflict import Conflict
    from promptsync.pull.merge import MergeConflict
    from promptsync.show.pull import show_refusal

    if not isinstance(refusal, Conflict | MergeConflict):
        raise refusal
    return show_refusal(refusal, dry_run=dry_run)


def _taken(project: Project, plan: PullPlan) -> Mapping[str, PulledVersions]:
    """Read the versions that a pull brings in; if that fails, the pull is shown without them."""
    from promptsync.pull.plan import read_pulled

    try:
        return read_pulled(project, plan)
    except RemoteError:
        return {}


def _export(
    session: Session,
    project: Project,
    names: tuple[str, ...],
    at: At,
    directory: Path,
    dry_run: bool,
) -> Outcome:
    from promptsync.pull.materialise import export
    from promptsync.show.outcome import Outcome
    from promptsync.terminal import output

    target = session.directory / directory
    written = export(project, names, target, label=at.label, version=at.number, dry_run=dry_run)
    rows = [
        (f"  {output.safe(path)}", output.name(one.prompt.name), f"v{one.version}") for path, one in written
    ]
    would = "would be " if dry_run else ""
    count = output.count(len(written), "file")
    lines = [*output.table(rows), output.aside(f"{count} {would}written to {output.safe(str(directory))}")]
    if dry_run:
        lines = [output.aside("DRY RUN: nothing was written"), *lines]
    body = {
        "written": [{"name": one.prompt.name, "path": path, "version": one.version} for path, one in written],
        "merged": [],
        "conflicts": [],
        "deleted": [],
        "dry_run": dry_run,
    }
    return Outcome(lines, body)
