"""``--since REF``, and what it is when nobody gives it: what the event of a GitHub workflow says."""

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

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCH: Final = "refs/heads/"

since_option = click.option(
    "--since",
    metavar="REF",
    help="Compare the files with REF: origin/main, a commit, or origin/main... for where this branch "
    "left it (default: in GitHub Actions the base of the pull request or what was there before the push, "
    "elsewhere HEAD).",
)
"""Adds ``--since REF``; give its value to ``resolve_since``."""


def resolve_since(session: Session, since: str | None, *, required: bool = True) -> str | None:
    """Return what ``changed_since`` takes: the flag, else what GitHub's event says, else ``None``.

    Raises ``UsageError`` where an event cannot be read, and where it has no state before it, such as a
    scheduled run: without ``required`` that is ``None`` too.
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
            f"a {event.name} event does not say what was there before",
            hint="add --since REF, such as --since HEAD~1; --since HEAD compares with what was checked out",
            code="nothing-before",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Event:
    """The event that started a workflow. ``ref`` is what it runs for, such as ``refs/heads/main``."""

    name: str
    path: str
    payload: Mapping[str, Any]
    ref: str

    def text(self, *keys: str) -> str:
        """Return the text at a place of the payload."""
        value = self.get(*keys)
        if not isinstance(value, str) or not value:
            raise _malformed(self.path, f"a {self.name} event has {'.'.join(keys)}, and this one does not")
        return value

    def sha(self, *keys: str) -> str:
        """Return the commit at a place of the payload."""
        value = self.text(*keys)
        if not _SHA.fullmatch(value):
            raise _malformed(self.path, f"{'.'.join(keys)} is {value!r} and no commit")
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
        payload = json.loads(Path(path).read_bytes())
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
        hint=f"GitHub writes the file that {EVENT_PATH} names; or add --since REF",
        code="event-file",
    )


def _before(event: _Event) -> str | None:
    """Return the state before an event, ``None`` when it has none."""
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
        return before  # the first push of all: everything in it is new
    return _other_branch(event, ref)


def _other_branch(event: _Event, ref: str) -> str | None:
    """Return where a branch left the default branch; ``None`` for that one, a tag, or an unknown one."""
    default = event.get("repository", "default_branch")
    if not isinstance(default, str) or not default or not ref.startswith(_BRANCH):
        return None
    return f"origin/{default}..." if ref != _BRANCH + default else None


def _check_head(session: Session, event: _Event) -> None:
    """Refuse a pull request whose commits were not checked out: there would be nothing that changed."""
    from promptsync.files.git.history import History

    config = session.config()
    history = History.find(config.root, config.prompts)
    if history is None or not history.born:
        return  # nothing can be told there at all, which is said later
    head = event.sha("pull_request", "head", "sha")
    commit = history.commit(head)
    if commit is None or history.merge_base(commit) != commit:
        raise UsageError(
            f"HEAD does not hold the pull request, whose last commit is {head}",
            hint="a pull_request_target event checks out the base: give actions/checkout "
            "ref: ${{ github.event.pull_request.head.sha }} and fetch-depth: 0, or use pull_request",
            code="not-checked-out",
        )
