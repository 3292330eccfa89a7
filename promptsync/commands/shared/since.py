"""``--since REF``, by default the base of the GitHub event that started the workflow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import click

from promptsync.commands.shared.session import Session
from promptsync.errors import UsageError

EVENT_NAME: Final = "GITHUB_EVENT_NAME"
EVENT_PATH: Final = "GITHUB_EVENT_PATH"
REF: Final = "GITHUB_REF"

_MAX_EVENT: Final = 50_000_000
"""How many bytes of an event are read; GitHub's have at most 25 MB."""

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCH: Final = "refs/heads/"

since_option = click.option(
    "--since",
    metavar="REF",
    help="Compare the files with REF: origin/main, a commit, or origin/main... for the commit where this "
    "branch began (default: in GitHub Actions the base of the pull request or the commit before the push, "
    "otherwise HEAD).",
)
"""Adds ``--since REF``; pass its value to ``resolve_since``."""


def resolve_since(session: Session, since: str | None, *, required: bool = True) -> str | None:
    """Return the argument of ``changed_since``: the option, or the base of GitHub's event, or ``None``.

    Raises ``UsageError`` for an event that cannot be read. An event without a base, such as a scheduled run,
    is an error if ``required``, and otherwise ``None``.
    """
    variables = session.environment.variables
    if since is not None or not variables.get(EVENT_NAME):
        return since
    event = _read(variables)
    if event.name == "pull_request_target":
        _check_head(session, event)
    found = _before(event)
    if found is None and required:
        raise UsageError(
            f"a {event.name} event has no commit to compare with",
            hint="add --since HEAD~1 or another commit; --since HEAD compares with the commit checked out",
            code="nothing-before",
        )
    return found


def branch_to_merge_into(variables: Mapping[str, str]) -> str | None:
    """Return the branch that a pull request, or the merge group of a queue, will be merged into.

    Raises ``UsageError`` for a merge group whose event cannot be read.
    """
    if variables.get(EVENT_NAME) == "merge_group":  # GitHub sets no variable for it
        return _read(variables).text("merge_group", "base_ref").removeprefix(_BRANCH)
    return variables.get("GITHUB_BASE_REF") or None


@dataclass(frozen=True, slots=True)
class _Event:
    """The event that started a workflow. ``ref`` is the ref it runs for, such as ``refs/heads/main``."""

    name: str
    path: str
    payload: Mapping[str, Any]
    ref: str

    def text(self, *keys: str) -> str:
        """Return the text under nested keys of the payload."""
        value = self.get(*keys)
        if not isinstance(value, str) or not value:
            raise _malformed(self.path, f"it has no {'.'.join(keys)}, which a {self.name} event requires")
        return value

    def sha(self, *keys: str) -> str:
        """Return the commit under nested keys of the payload."""
        value = self.text(*keys)
        if not _SHA.fullmatch(value):
            raise _malformed(self.path, f"{'.'.join(keys)} is {value!r}, which is not a commit")
        return value

    def get(self, *keys: str) -> Any:
        value: Any = self.payload
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


def _read(variables: Mapping[str, str]) -> _Event:
    import json
    from pathlib import Path

    name, path = variables[EVENT_NAME], variables.get(EVENT_PATH, "")
    if not path:
        raise _malformed("", f"{EVENT_NAME} is {name}, but {EVENT_PATH} is not set")
    try:
        with Path(path).open("rb") as file:
            payload = json.loads(file.read(_MAX_EVENT))
    except OSError as error:
        raise _malformed(path, error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise _malformed(path, "it is not JSON") from None
    if not isinstance(payload, dict):
        raise _malformed(path, "it is not a JSON object")
    return _Event(name, path, payload, variables.get(REF, ""))


def _malformed(path: str, why: str) -> UsageError:
    return UsageError(
        f"the event of this workflow cannot be read{f' from {path}' if path else ''}: {why}",
        hint=f"add --since REF, or set {EVENT_PATH} to the file that GitHub wrote",
        code="event-file",
    )


def _before(event: _Event) -> str | None:
    """Return the state before an event, ``None`` if it has none."""
    if event.name.startswith("pull_request"):
        return f"{event.sha('pull_request', 'base', 'sha')}..."
    if event.name == "merge_group":
        return f"{event.sha('merge_group', 'base_sha')}..."
    if event.name != "push":
        return _other_branch(event, event.ref)
    before = event.sha("before")
    if before.strip("0"):
        return before
    ref = event.text("ref")
    if ref == _BRANCH + event.text("repository", "default_branch"):
        return before  # the very first push: everything in it is new
    return _other_branch(event, ref)


def _other_branch(event: _Event, ref: str) -> str | None:
    """Return where a branch began; ``None`` for the default branch, a tag, or an unknown branch."""
    default = event.get("repository", "default_branch")
    if not isinstance(default, str) or not default or not ref.startswith(_BRANCH):
        return None
    return f"origin/{default}..." if ref != _BRANCH + default else None


def _check_head(session: Session, event: _Event) -> None:
    """Refuse a pull request whose commits are not checked out, because then nothing would have changed."""
    from promptsync.files.git.history import GitHistory

    config = session.config()
    history = GitHistory.find(config.root, config.prompts)
    if history is None or not history.born:
        return  # a later step reports that there is no history
    head = event.sha("pull_request", "head", "sha")
    commit = history.commit(head)
    if commit is None or history.merge_base(commit) != commit:
        raise UsageError(
            f"HEAD does not include the last commit of the pull request, {head}: "
            "a pull_request_target event checks out the base",
            hint="set ref: ${{ github.event.pull_request.head.sha }} and fetch-depth: 0 for "
            "actions/checkout, or use the pull_request event",
            code="not-checked-out",
        )
