"""What is not released to a label, and why, as text and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from promptsync.project.pointers import deploy_command
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.not_released import Unreleased
    from promptsync.project.project import Project
    from promptsync.show.markdown import Page


def release_text(release: Unreleased) -> str:
    """Return what is not released, after the label and the version under it."""
    if release.is_rolled_back:
        return f"v{release.version} rolled back"
    return f"v{release.version} not released" + (f": {release.reason}" if release.reason else "")


def not_released_lines(project: Project, releases: Sequence[Unreleased]) -> Iterator[str]:
    """Yield how much is not released to each label, and the command that releases it."""
    for label in dict.fromkeys(release.label for release in releases):
        rolled_back = [release.is_rolled_back for release in releases if release.label == label]
        number, name = rolled_back.count(True), output.name(label)
        if late := rolled_back.count(False):
            yield output.aside(f"{count(late, 'prompt')} not released to {name}: {_release(project, label)}")
        if number:
            until = "its text changes" if number == 1 else "their texts change"
            yield output.aside(f"{count(number, 'prompt')} rolled back from {name}, on hold until {until}")


def _release(project: Project, label: str) -> str:
    branches = [branch for branch, name in project.config.labels.items() if name == label]
    if project.history is None or project.history.branch in branches:
        return deploy_command(project, label)
    return f"promptsync deploy, on {output.name(branches[0])}"


def add_not_released(page: Page, releases: Sequence[Unreleased]) -> None:
    """Add what is not released to a page, if anything."""
    if releases:
        page.say(f"**{count(len({release.name for release in releases}), 'prompt')} not released**")
        page.fence(map(_line, releases))


def _line(release: Unreleased) -> str:
    at = f"v{release.released}" if release.released else "-"
    return f"{release.name}  {release.label} {at}, {release_text(release)}"
