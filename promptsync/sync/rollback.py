"""Plans the way back of a release label."""

from __future__ import annotations

from promptsync.core.labels import previous_name
from promptsync.errors import Refused, UsageError
from promptsync.history.message import without_mark
from promptsync.sync.labels import Change, Labelled, change_to, checked_version, existing
from promptsync.sync.project import Project
from promptsync.sync.versions import read_versions

_LISTED = 8


def plan_rollback(project: Project, one: Labelled, label: str, to: int | None) -> Change:
    """Plan to take a release back: to ``to``, by default to the version that the label left last.

    Raises ``Refused``, with the versions that there are, when nobody remembers that version or when the label
    is there or below it already; and when ``to`` is no way back.
    """
    now = existing(one, label)
    if to is not None:
        version = checked_version(one, to)
        if version > now:
            raise Refused(
                f"{label!r} of {one.listed.name!r} is at v{now}: v{version} is no way back",
                hint=f"promptsync label move {one.listed.name} {label} --version {version} moves it up",
                code="higher-version",
            )
        return change_to(one, label, version)
    remembered = previous_name(label)
    if remembered is None:
        raise UsageError(
            f"{label!r} remembers the way back of another label, and has none itself",
            hint="give the version with --to N",
        )
    previous = one.version(remembered)
    if previous is None:
        raise _refusal(
            project, one, label, f"there is no {remembered!r}, so nobody knows what was live before"
        )
    if previous >= now:
        raise _refusal(project, one, label, f"{remembered!r} is at v{previous}: that release was taken back")
    return change_to(one, label, previous)


def _refusal(project: Project, one: Labelled, label: str, why: str) -> Refused:
    name = one.listed.name
    return Refused(
        f"{label!r} of {name!r} is at v{one.version(label)}, and {why}",
        hint=f"choose one: promptsync rollback {name} --label {label} --to N",
        details=_versions(project, one),
        code="nothing-to-roll-back",
    )


def _versions(project: Project, one: Labelled) -> list[str]:
    lines = []
    for found in read_versions(project, one.listed, _LISTED):
        labels = " ".join(sorted(name for name, at in one.labels.items() if at.version == found.version))
        message = without_mark(found.message)
        lines.append("  ".join(part for part in (f"v{found.version}", labels, message) if part))
    return lines
