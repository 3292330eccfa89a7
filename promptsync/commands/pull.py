"""``promptsync pull``: bring the registry's changes into the files, or write specified versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from promptsync.commands.shared.action import carry_out, plan_options
from promptsync.commands.shared.options import check_apart, format_option, version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.conflict import Conflict
from promptsync.compare.gather import gather
from promptsync.errors import UsageError
from promptsync.project.project import Project
from promptsync.project.target import At, NoSuchPrompt, check_exact, may_have_version, resolve
from promptsync.project.versions import Catalog
from promptsync.pull.plan import apply_pull, export, plan_materialise, plan_pull
from promptsync.pull.write import MergeConflict, PullOptions
from promptsync.show import pull as show_pull
from promptsync.show.outcome import Outcome


@verb("pull")
@click.argument("names", nargs=-1, metavar="[NAME[@N|:LABEL]]...")
@click.option("--merge", is_flag=True, help="Merge prompts that changed on both sides, field by field.")
@click.option("--markers", is_flag=True, help="Merge, and write conflict markers where texts do not merge.")
@click.option("--theirs", is_flag=True, help="Take the registry's version of each NAME and back yours up.")
@click.option("--ours", is_flag=True, help="Keep your version of each NAME as the next one.")
@click.option(
    "--passed-over/--no-passed-over",
    default=None,
    help="Merge passed-over versions, or leave those of each NAME out for good.",
)
@click.option(
    "--partial", is_flag=True, help="Skip what does not merge and write the rest; still exits with 3."
)
@click.option("--prune", is_flag=True, help="Delete the files of prompts that are archived in the registry.")
@plan_options
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
    at: At,
    target: Path | None,
    **flags: Any,
) -> Outcome:
    """Bring the registry's changes into your files. Comments and layout stay.

    Files that you changed are skipped. A prompt that changed on both sides stops the pull before its first
    write, unless --merge can merge it. --passed-over also merges versions that a later one did not include.
    --theirs, --ours and --no-passed-over need exact names or paths of files. With --label or --version the
    files get exactly those versions, unless uncommitted edits would be lost.

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
            return show_pull.show_export(written, target, dry_run=session.dry_run)
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
                show=show_pull.show_pull,
                headline=show_pull.headline,
                unchanged="nothing was written",
                files_only=True,
            )
        except (Conflict, MergeConflict) as refusal:
            return show_pull.show_refusal(refusal)


def _resolved(project: Project, options: PullOptions, at: At) -> tuple[PullOptions, At]:
    """Return the options with names without ``@N`` and ``:LABEL``, and the version that these specify."""
    names = options.names
    sides = ("--theirs", options.theirs), ("--ours", options.ours)
    for flag, is_set in (*sides, ("--no-passed-over", options.passed_over is False)):
        if is_set:
            check_exact(project, names, flag)
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
    passed_over = options.passed_over
    theirs, ours, output = ("--theirs", options.theirs), ("--ours", options.ours), ("--output", directory)
    either = ("--passed-over" if passed_over else "--no-passed-over", passed_over is not None)
    version = ("--label" if at.number is None else "--version", bool(at))
    check_apart(theirs, ours, ("--markers" if options.markers else "--merge", options.merge))
    check_apart(theirs, ours, ("--passed-over", passed_over))
    prune, partial = ("--prune", options.prune), ("--partial", options.partial)
    for other in (ours, prune, partial, either, ("--merge", options.merge)):
        check_apart(version, other)
        check_apart(output, other)
    check_apart(output, theirs)
