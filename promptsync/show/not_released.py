"""What is not released to a label, and why, as text, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promptsync.project.pointers import deploy_command
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.not_released import Unreleased
    from promptsync.project.project import Project
    from promptsync.show.markdown import Page


@dataclass(frozen=True, slots=True)
class Pending:
    """What is not released, and why, by prompt and version: ``refund quality 50 < 90``."""

    releases: Sequence[Unreleased] = ()
    reasons: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def of(self, name: str) -> list[Unreleased]:
        """Return what is not released of one prompt."""
        return [one for one in self.releases if one.name == name]

    def text(self, one: Unreleased) -> str:
        """Return what is not released, after the label and the version under it."""
        if one.is_rolled_back:
            return f"v{one.version} rolled back"
        reason = self.reasons.get((one.name, one.version))
        return f"v{one.version} not released" + (f": {reason}" if reason else "")


NOTHING_PENDING = Pending()


def not_released_lines(project: Project, pending: Pending) -> Iterator[str]:
    """Yield how much is not released to each label, and the command that releases it."""
    labels = dict.fromkeys(one.label for one in pending.releases)
    for label in labels:
        rolled_back = sum(one.is_rolled_back for one in pending.releases if one.label == label)
        late = sum(one.label == label for one in pending.releases) - rolled_back
        if late:
            yield output.aside(
                f"{count(late, 'prompt')} not released to {output.name(label)}: {_release(project, label)}"
            )
        if rolled_back:
            yield output.aside(
                f"{count(rolled_back, 'prompt')} rolled back from {output.name(label)}, "
                f"on hold until {'its text changes' if rolled_back == 1 else 'their texts change'}"
            )


def _release(project: Project, label: str) -> str:
    branches = [branch for branch, one in project.config.labels.items() if one == label]
    if project.history is None or project.history.branch in branches:
        return deploy_command(project, label)
    return f"promptsync deploy, on {output.name(branches[0])}"


def not_released_body(pending: Pending, name: str) -> list[dict[str, object]]:
    """Return the ``not_released`` of one prompt."""
    return [
        {
            "label": one.label,
            "version": one.version,
            "released": one.released,
            "rolled_back": one.is_rolled_back,
            "reason": pending.reasons.get((one.name, one.version)),
        }
        for one in pending.of(name)
    ]


def add_not_released(page: Page, pending: Pending) -> None:
    """Add what is not released to a page, if anything."""
    if pending.releases:
        page.say(f"**{count(len({one.name for one in pending.releases}), 'prompt')} not released**")
        page.fence(
            f"{one.name}  {one.label} {f'v{one.released}' if one.released else '-'}, {pending.text(one)}"
            for one in pending.releases
        )
