"""``promptsync status``: who changed what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from promptsync.commands.shared.options import check_apart, format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.gather import gather, offline_snapshot
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.compare.snippet_users import find_pins
from promptsync.history.mark import parse_mark
from promptsync.project.project import Project
from promptsync.project.versions import RoutedLabel, routed_labels
from promptsync.show.outcome import Outcome
from promptsync.show.status import PassedOver, Status, show_status

if TYPE_CHECKING:
    from promptsync.compare.not_released import Unreleased
    from promptsync.deploy.contract import PromptContract

_DRIFT = frozenset(
    {
        State.BEHIND,
        State.REMOTE_ONLY,
        State.DIVERGED,
        State.ALTERED,
        State.CONFLICT,
        State.DELETED_REMOTELY,
        State.RENAMED_REMOTELY,
    }
)
"""The states that a dashboard edit causes, without those of changes that still have to be pushed."""


@verb("status", is_long=True)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
@click.option("--drift", is_flag=True, help="Exit with 1 if the registry has edits that your files lack.")
@click.option("--label", metavar="LABEL", help="Compare with the versions that LABEL points at.")
@format_option("markdown")
@click.option("--offline", is_flag=True, help="Compare with the last push or pull of this working copy.")
def command(
    session: Session,
    names: tuple[str, ...],
    exit_code: bool,
    drift: bool,
    label: str | None,
    offline: bool,
) -> Outcome:
    """Show who changed each prompt since both sides last agreed: you, the registry, or both.

    \b
    promptsync status
    promptsync status --label prod --exit-code
    promptsync status --drift
    """
    check_apart(("--offline", offline), ("--drift", drift))
    check_apart(("--offline", offline), ("--label", label))
    counted = frozenset(State) - {State.IN_SYNC} if exit_code else _DRIFT if drift else frozenset()
    with session.project() as project:
        snapshot = offline_snapshot(project) if offline else gather(project, label=label, with_labels=True)
        wanted = matching(project, snapshot, names)
        # Pins mean versions of the whole history, of which a label shows one.
        pins = () if offline or label is not None else find_pins(project, snapshot)
        snapshot = replace(snapshot, items=snapshot.only(wanted))
        passed_over, has_edits = _passed_over(project, snapshot, offline, drift)
        releases = _not_released(project, snapshot)
        routed = _routed(project, snapshot, label)
        contracts = _contracts(project, snapshot, releases)
        pins = tuple(pin for pin in pins if not wanted or {pin.snippet, pin.user} & {*wanted})
        status = Status(project, snapshot, passed_over, releases, contracts, pins, routed, offline)
        outcome = show_status(status, counted, verbose=session.verbose > 0)
        if (drift and has_edits) or (exit_code and routed):
            outcome = outcome.replaced(exit_code=1)
        return outcome


def _not_released(project: Project, snapshot: Snapshot) -> Sequence[Unreleased]:
    # Under a label, the states themselves say what is not released.
    if snapshot.labels is None or snapshot.label is not None:
        return ()
    from promptsync.compare.not_released import unreleased

    releases = unreleased(project, snapshot)
    late = {release.name: release for release in releases if not release.is_rolled_back}
    if not late:
        return releases
    from promptsync.checks.verdicts import verdicts

    judged = verdicts(
        project,
        {name: release.version for name, release in late.items()},
        snapshot.worktree.files,
        live={name: release.released for name, release in late.items()},
    )
    failed = {(verdict.name, verdict.version): verdict.reason for verdict in judged if verdict.failed}
    return [replace(release, reason=failed.get((release.name, release.version))) for release in releases]


def _contracts(
    project: Project, snapshot: Snapshot, releases: Sequence[Unreleased]
) -> Sequence[PromptContract]:
    if snapshot.labels is None or snapshot.label is not None or not (releases or snapshot.of(State.AHEAD)):
        return ()
    from promptsync.deploy.contract import next_contracts

    return next_contracts(project, snapshot, [item.name for item in releases if item.is_rolled_back])


def _routed(project: Project, snapshot: Snapshot, label: str | None) -> Sequence[RoutedLabel]:
    """Return where A/B releases route labels. Sends no request for a label that no prompt has."""
    from promptsync.compare.not_released import release_labels

    labels, routed = snapshot.labels or {}, list[RoutedLabel]()
    for target in [label] if label is not None else release_labels(project):
        pointers = {item.name: labels.get(item.name, {}).get(target) for item in snapshot.items}
        if any(pointers.values()):
            answers = project.registry.prompts.list(label=target)
            routed += routed_labels(project, target, pointers, answers).values()
    return routed


def _passed_over(project: Project, snapshot: Snapshot, offline: bool, drift: bool) -> tuple[PassedOver, bool]:
    """Return what was passed over by name and, for ``drift``, whether any of it is a dashboard edit."""
    # Versions are passed over by the latest one, which a label does not show.
    if offline or snapshot.label is not None:
        return {}, False
    # The exit code of --drift must not depend on how often prompts were published since.
    items = [item for item in snapshot.items if drift or _may_pass_over(item)]
    # A shallow clone does not show what the files include.
    if not items or (not drift and project.history is not None and project.history.shallow):
        return {}, False
    from promptsync.compare.history import find_passed_over

    passed_over = find_passed_over(project, items)
    numbers = {name: [version.version for version in versions.read] for name, versions in passed_over.items()}
    return numbers, any(versions.has_edits for versions in passed_over.values())


def _may_pass_over(item: Item) -> bool:
    """Whether the mark of the tracked version names other parents than the version before it."""
    mark = parse_mark(item.listed.message) if item.file is not None and item.listed is not None else None
    return mark is not None and (mark.version != item.version or bool(mark.parents))
