"""What changed in the files since a git state: as text and JSON, and below a status as Markdown."""

from __future__ import annotations

import re

import click

from promptsync.compare.changes_since import ChangedPrompt, ChangedPrompts
from promptsync.compare.difference import ChangeKind
from promptsync.show.markdown import MOST, Page
from promptsync.show.outcome import Outcome
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
        rows = (
            (
                f"  {output.style(prompt.kind, _COLOURS[prompt.kind])}",
                output.name(prompt.name),
                _remark(prompt),
            )
            for prompt in changed.prompts
        )
        lines = [f"changed since {since}:", *output.table(rows)]

    def markdown() -> list[str]:
        above = outcome.markdown() if outcome.markdown is not None else ()
        page = Page(MOST - sum(len(line) + 1 for line in above))
        page.fence(map(click.unstyle, lines))
        return [*above, "", *page.lines]

    return Outcome(
        [*outcome.lines, "", *lines],
        {**outcome.body, **_body(changed)},
        outcome.exit_code,
        markdown=markdown,
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


def _body(changed: ChangedPrompts) -> dict[str, object]:
    return {
        "since": changed.since,
        "since_commit": changed.commit,
        "changed": [
            {
                "name": prompt.name,
                "kind": str(prompt.kind),
                "path": prompt.path,
                "old_name": prompt.old_name,
                "through": list(prompt.through),
            }
            for prompt in changed.prompts
        ],
    }


def _remark(prompt: ChangedPrompt) -> str:
    if prompt.old_name is not None:
        return f"was {output.name(prompt.old_name)}"
    if prompt.through:
        return f"through {', '.join(map(output.name, prompt.through))}"
    return output.safe(prompt.path or "")
