"""``--since REF``, by default the base of the GitHub event that started the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

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
    "branch began (default: in GitHub Actions the base of the pull request or the commit before the push, "
    "otherwise HEAD).",
)
"""Adds ``--since REF``; pass its value to ``resolve_since``."""

_Sha = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]


class _Commit(msgspec.Struct, frozen=True):
    sha: _Sha


class _PullRequest(msgspec.Struct, frozen=True):
    base: _Commit
    head: _Commit


class _MergeGroup(msgspec.Struct, frozen=True):
    base_sha: _Sha
    base_ref: str


class _Repository(msgspec.Struct, frozen=True):
    default_branch: str | None = None


class _Event(msgspec.Struct, frozen=True):
    """What a workflow of any event has in its file, as far as it is read."""

    repository: _Repository = _Repository()


class _Push(_Event, frozen=True, kw_only=True):
    before: _Sha
    ref: str


class _PullRequestEvent(_Event, frozen=True, kw_only=True):
    pull_request: _PullRequest


class _MergeGroupEvent(_Event, frozen=True, kw_only=True):
    merge_group: _MergeGroup


_E = TypeVar("_E", bound=_Event)


def resolve_since(session: Session, since: str | None, *, required: bool = True) -> str | None:
    """Return the argument of ``changed_since``: the option, or the base of GitHub's event, or ``None``.

    Raises ``UsageError`` for an event that cannot be read. An event without a base, such as a scheduled run,
    is an error if ``required``, and otherwise ``None``.
    """
    variables = session.environment.variables
    name = variables.get(EVENT_NAME)
    if since is not None or not name:
        return since
    before = _before(session, name, variables)
    if before is None and required:
        raise UsageError(
            f"a {name} event has no commit to compare with",
            hint="add --since HEAD~1 or another commit; --since HEAD compares with the commit checked out",
            code="nothing-before",
        )
    return before


def branch_to_merge_into(variables: Mapping[str, str]) -> str | None:
    """Return the branch that a pull request, or the merge group of a queue, will be merged into.

    Raises ``UsageError`` for a merge group whose event cannot be read.
    """
    if variables.get(EVENT_NAME) == "merge_group":  # GitHub sets no variable for it
        return _read(variables, _MergeGroupEvent).merge_group.base_ref.removeprefix(_BRANCH)
    return variables.get("GITHUB_BASE_REF") or None


def _read(variables: Mapping[str, str], kind: type[_E]) -> _E:
    path = variables.get(EVENT_PATH, "")
    why = f"{EVENT_NAME} is {variables[EVENT_NAME]}, but {EVENT_PATH} is not set"
    if path:
        try:
            return msgspec.json.decode(Path(path).read_bytes(), type=kind)
        except OSError as error:
            why = error.strerror or str(error)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            why = f"it is not such an event: {error}"
    raise UsageError(
        f"the event of this workflow cannot be read{f' from {path}' if path else ''}: {why}",
        hint=f"add --since REF, or set {EVENT_PATH} to the file that GitHub wrote",
        code="event-file",
    )


def _before(session: Session, name: str, variables: Mapping[str, str]) -> str | None:
    """Return the state before an event, ``None`` if it has none."""
    if name.startswith("pull_request"):
        request = _read(variables, _PullRequestEvent).pull_request
        if name == "pull_request_target":
            _check_head(session, request.head.sha)
        return f"{request.base.sha}..."
    if name == "merge_group":
        return f"{_read(variables, _MergeGroupEvent).merge_group.base_sha}..."
    event: _Event = _read(variables, _Push if name == "push" else _Event)
    ref, default = variables.get(REF, ""), event.repository.default_branch
    if isinstance(event, _Push):
        ref = event.ref
        # The very first push of a repository has no commit before it, and everything in it is new.
        if event.before.strip("0") or ref == f"{_BRANCH}{default}":
            return event.before
    is_other = default and ref.startswith(_BRANCH) and ref != f"{_BRANCH}{default}"
    return f"origin/{default}..." if is_other else None


def _check_head(session: Session, head: str) -> None:
    """Refuse a pull request whose commits are not checked out, because then nothing would have changed."""
    from promptsync.files.git.repository import Repository

    config = session.config()
    history = Repository.find(config.root, config.prompts)
    if history is None or not history.born:
        return  # a later step reports that there is no history
    commit = history.commit(head)
    if commit is None or history.merge_base(commit) != commit:
        raise UsageError(
            f"HEAD does not include the last commit of the pull request, {head}: "
            "a pull_request_target event checks out the base",
            hint="set ref: ${{ github.event.pull_request.head.sha }} and fetch-depth: 0 for "
            "actions/checkout, or use the pull_request event",
            code="not-checked-out",
        )
