"""What is not released to a label, and why, as text, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from promptsync.project.pointers import deploy_command
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.not_released import Unreleased
    from promptsync.project.project import Project
    from promptsync.show.markdown import Page


class Pending(Struct, frozen=True):
    """What is not released, and why, by prompt and version: ``refund quality 50 < 90``."""

    releases: Sequence[Unreleased] = ()
    reasons: Mapping[tuple[str, int], str] = {}

    def of(self, name: str) -> list[Unreleased]:
        """Return what is not released of one prompt."""
        return [release for release in self.releases if release.name == name]

    def text(self, release: Unreleased) -> str:
        """Return what is not released, after the label and the version under it."""
        if release.is_rolled_back:
            return f"v{release.version} rolled back"
        reason = self.reasons.get((release.name, release.version))
        return f"v{release.version} not released" + (f": {reason}" if reason else "")


NOTHING_PENDING = Pending()


def not_released_lines(project: Project, pending: Pending) -> Iterator[str]:
    """Yield how much is not released to each label, and the command that releases it."""
    labels = dict.fromkeys(release.label for release in pending.releases)
    for label in labels:
        rolled_back = sum(release.is_rolled_back for release in pending.releases if release.label == label)
        late = sum(release.label == label for release in pending.releases) - rolled_back
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
    branches = [branch for branch, name in project.config.labels.items() if name == label]
    if project.history is None or project.history.branch in branches:
        return deploy_command(project, label)
    return f"promptsync deploy, on {output.name(branches[0])}"


def not_released_body(pending: Pending, name: str) -> list[dict[str, object]]:
    """Return the ``not_released`` of one prompt."""
    return [
        {
            "label": release.label,
            "version": release.version,
            "released": release.released,
            "rolled_back": release.is_rolled_back,
            "reason": pending.reasons.get((release.name, release.version)),
        }
        for release in pending.of(name)
    ]


def add_not_released(page: Page, pending: Pending) -> None:
    """Add what is not released to a page, if anything."""
    if pending.releases:
        page.say(f"**{count(len({release.name for release in pending.releases}), 'prompt')} not released**")
        page.fence(map(_line, pending.releases, map(pending.text, pending.releases)))


def _line(release: Unreleased, text: str) -> str:
    at = f"v{release.released}" if release.released else "-"
    return f"{release.name}  {release.label} {at}, {text}"
