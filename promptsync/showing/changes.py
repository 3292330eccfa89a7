"""What a changed set looks like, for people and programs."""

from __future__ import annotations

import re

from promptsync import output
from promptsync.sync.changed import Changed, ChangedPrompt, Kind

_COLOURS = {
    Kind.ADDED: "added",
    Kind.CHANGED: "warn",
    Kind.RENAMED: "warn",
    Kind.DELETED: "removed",
    Kind.DEPENDANT: "remote",
}
_ID = re.compile(r"[0-9a-f]{40,64}")


def since_text(changed: Changed) -> str:
    """Return what was compared with, as ``origin/main (1a2b3c4)``."""
    if changed.commit is None:
        return "the first commit"
    commit = changed.commit[:7]
    if _ID.fullmatch(changed.since):
        return commit
    since = _ID.sub(lambda found: found[0][:7], output.name(changed.since))
    return f"{since} ({commit})"


def changed_lines(changed: Changed) -> list[str]:
    """Return the set as lines."""
    if not changed.prompts:
        return [f"no prompt changed since {since_text(changed)}"]
    return [
        f"changed since {since_text(changed)}:",
        *output.table(
            (f"  {output.style(one.kind, _COLOURS[one.kind])}", output.name(one.name), _remark(one))
            for one in changed.prompts
        ),
    ]


def changed_body(changed: Changed) -> dict[str, object]:
    """Return the set as keys of a JSON document."""
    return {
        "since": changed.since,
        "since_commit": changed.commit,
        "changed": [_body(one) for one in changed.prompts],
    }


def _remark(one: ChangedPrompt) -> str:
    if one.old_name is not None:
        return f"was {output.name(one.old_name)}"
    if one.through:
        return f"through {', '.join(map(output.name, one.through))}"
    return output.safe(one.path or "")


def _body(one: ChangedPrompt) -> dict[str, object]:
    return {
        "name": one.name,
        "kind": str(one.kind),
        "path": one.path,
        "old_name": one.old_name,
        "through": list(one.through),
    }
