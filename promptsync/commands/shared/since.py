"""``--since REF``, by default the base of the GitHub event or GitLab pipeline that runs the command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from promptsync.commands.shared.session import Session
from promptsync.errors import UsageError

EVENT_NAME: Final = "GITHUB_EVENT_NAME"
EVENT_PATH: Final = "GITHUB_EVENT_PATH"
REF: Final = "GITHUB_REF"
_BRANCH: Final = "refs/heads/"

since_option = click.option(
    "--since",
    metavar="REF",
    help="Compare the files with REF: origin/main, a commit, or origin/main... for the commit where this "
    "branch began (default: in GitHub Actions and GitLab CI the base of the pull request or merge request or "
    "the commit before the push, otherwise HEAD).",
)
"""Adds ``--since REF``; pass its value to ``resolve_since``."""


def resolve_since(session: Session, since: str | None, *, required: bool = True) -> str | None:
    """Return the argument of ``changed_since``: the option, or the base of the event, or ``None``.

    Raises ``UsageError`` for an event that cannot be read. An event without a base, such as a scheduled run,
    is an error if ``required``, and otherwise ``None``.
    """
    variables = session.environment.variables
    if since is None and variables.get("GITLAB_CI"):
        before, what = _before_in_gitlab(variables), f"{variables.get('CI_PIPELINE_SOURCE')} pipeline"
    elif since is None and (name := variables.get(EVENT_NAME)):
        before, what = _before_in_github(name, variables), f"{name} event"
    else:
        return since
    if before is None and required:
        raise UsageError(
            f"a {what} has no commit to compare with",
            hint="add --since HEAD~1 or another commit; --since HEAD compares with the commit checked out",
            code="nothing-before",
        )
    return before


def _before_in_gitlab(variables: Mapping[str, str]) -> str | None:
    """Return the state before a pipeline, ``None`` if it has none."""
    # Only a pipeline that merges for a try has the first one: of the target branch that it merged into.
    for name in ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "CI_MERGE_REQUEST_DIFF_BASE_SHA"):
        if base := variables.get(name):
            return f"{base}..."
    branch, default = variables.get("CI_COMMIT_BRANCH"), variables.get("CI_DEFAULT_BRANCH")
    before = variables.get("CI_COMMIT_BEFORE_SHA", "")  # zeros for a new branch, and if nothing was pushed
    if variables.get("CI_PIPELINE_SOURCE") == "push" and (before.strip("0") or branch == default):
        return before or None
    return f"origin/{default}..." if branch and default and branch != default else None


def _before_in_github(name: str, variables: Mapping[str, str]) -> str | None:
    """Return the state before an event, ``None`` if it has none."""
    if name == "pull_request_target":  # what it checks out is the base, of which nothing changed
        raise UsageError(
            "a pull_request_target event checks out the base, so --since is needed",
            hint="use the pull_request event, or check out the head and add --since origin/main...",
            code="not-checked-out",
        )
    if name.startswith("pull_request"):
        return f"{_read(variables, 'pull_request', 'base', 'sha')}..."
    if name == "merge_group":
        return f"{_read(variables, 'merge_group', 'base_sha')}..."
    before = _read(variables, "before") if name == "push" else ""
    default, ref = _read(variables, "repository", "default_branch", missing=""), variables.get(REF, "")
    is_default = ref == f"{_BRANCH}{default}"
    # The very first push of a repository has no commit before it, and everything in it is new.
    if before and (before.strip("0") or is_default):
        return before
    return f"origin/{default}..." if default and ref.startswith(_BRANCH) and not is_default else None


def branch_to_merge_into(variables: Mapping[str, str]) -> str | None:
    """Return the branch that a pull request, merge request or merge group of a queue will be merged into.

    Raises ``UsageError`` for a merge group whose event cannot be read.
    """
    if variables.get(EVENT_NAME) == "merge_group":  # GitHub sets no variable for it
        return _read(variables, "merge_group", "base_ref").removeprefix(_BRANCH)
    return variables.get("GITHUB_BASE_REF") or variables.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") or None


def _read(variables: Mapping[str, str], *keys: str, missing: str | None = None) -> str:
    """Return a text of the event, or ``missing``, without which it must be there."""
    path = variables.get(EVENT_PATH, "")
    why = f"{EVENT_NAME} is {variables[EVENT_NAME]}, but {EVENT_PATH} is not set"
    if path:
        try:
            value: Any = msgspec.json.decode(Path(path).read_bytes())
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            value = value if isinstance(value, str) else missing
            if value is not None:
                return str(value)
            why = f"it has no {'.'.join(keys)}"
        except OSError as error:
            why = error.strerror or str(error)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            why = f"it is not such an event: {error}"
    raise UsageError(
        f"the event of this workflow cannot be read{f' from {path}' if path else ''}: {why}",
        hint=f"add --since REF, or set {EVENT_PATH} to the file that GitHub wrote",
        code="event-file",
    )
