"""What changed in the files since a git state: as text and JSON, and below a status as Markdown."""

from __future__ import annotations

import re

import click

from promptsync.compare.changes_since import ChangedPrompt, ChangedPrompts
from promptsync.compare.difference import ChangeKind
from promptsync.show.markdown import MOST, Page
from promptsync.show.outcome import Outcome
from promptsync.show.rows import Row, bodies, row_lines
from promptsync.terminal import output

_COLOURS = {
    ChangeKind.ADDED: "added",
    ChangeKind.CHANGED: "warn",
    ChangeKind.RENAMED: "warn",
    ChangeKind.DELETED: "removed",
    ChangeKind.DEPENDANT: "remote",
}
_ID = re.compile(r"[0-9a-f]{40,64}")


def with_changed(outcome: Outcome, changed: ChangedPrompts) -> Outcome:
    """Return the outcome of a status with what changed in the files since a git state."""
    since = _since(changed)
    lines = [f"no prompt changed since {since}"]
    if changed.prompts:
        lines = [f"changed since {since}:", *row_lines(map(_row, changed.prompts))]
    body = {
        "since": changed.since,
        "since_commit": changed.commit,
        "changed": bodies(changed.prompts, "name kind path old_name through"),
    }

    def markdown() -> list[str]:
        above = outcome.markdown() if outcome.markdown is not None else ()
        page = Page(MOST - sum(len(line) + 1 for line in above))
        page.fence(map(click.unstyle, lines))
        return [*above, "", *page.lines]

    return Outcome(
        [*outcome.lines, "", *lines], {**outcome.body, **body}, outcome.exit_code, markdown=markdown
    )


def _since(changed: ChangedPrompts) -> str:
    """Return what was compared with, as ``origin/main (1a2b3c4)``."""
    if changed.commit is None:
        return "the first commit"
    commit = changed.commit[:7]
    if _ID.fullmatch(changed.since):
        return commit
    since = _ID.sub(lambda match: match[0][:7], output.name(changed.since))
    return f"{since} ({commit})"


def _row(prompt: ChangedPrompt) -> Row:
    remark = prompt.path or ""
    if prompt.old_name is not None:
        remark = f"was {prompt.old_name}"
    elif prompt.through:
        remark = f"through {', '.join(prompt.through)}"
    return Row(prompt.kind, _COLOURS[prompt.kind], prompt.name, (output.name(remark),))
