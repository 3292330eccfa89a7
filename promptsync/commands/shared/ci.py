"""What CI and the branch say: the base of ``--since``, the label to release to, if a deploy may run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from promptsync.commands.shared.groups import option
from promptsync.commands.shared.session import Session
from promptsync.compare.git_state import uncommitted_paths
from promptsync.errors import Refused, UsageError
from promptsync.files.git.repository import Repository
from promptsync.files.prompt_file import scan
from promptsync.project.project import Project

EVENT_NAME: Final = "GITHUB_EVENT_NAME"
EVENT_PATH: Final = "GITHUB_EVENT_PATH"
REF: Final = "GITHUB_REF"
_BRANCH: Final = "refs/heads/"

_PULL_REQUEST: Final = re.compile(r"refs/(?:pull/|heads/gh-readonly-queue/.+/pr-)([0-9]+)\b.*")
"""The ref of a pull request, or of its place in a merge queue."""

_LONGEST_ORIGIN: Final = 100

since_option = option(
    "--since",
    "REF",
    "Compare the files with REF: origin/main, a commit, or origin/main... for the commit where this "
    "branch began (default: in GitHub Actions and GitLab CI the base of the pull request or merge request or "
    "the commit before the push, otherwise HEAD).",
)
"""Adds ``--since REF``; pass its value to ``resolve_since``."""


def resolve_since(session: Session, since: str | None, *, required: bool = True) -> str | None:
    """Return the argument of ``changed_since``: the option, or the base of the event, or ``None``.

    Raises ``UsageError`` for an event that cannot be read. An event without a base, such as a scheduled run,
    is an error if ``required``, and otherwise ``None``.
    """
    variables = session.environ
    if since is None and variables.get("GITLAB_CI"):
        before, what = _before_in_gitlab(variables), f"{variables.get('CI_PIPELINE_SOURCE')} pipeline"
    elif since is None and (name := variables.get(EVENT_NAME)):
        before, what = _before_in_github(name, variables), f"{name} event"
    else:
        return since
    if before is None and required:
        hint = "add --since HEAD~1 or another commit; --since HEAD compares with the commit checked out"
        raise UsageError(f"a {what} has no commit to compare with", hint=hint, code="nothing-before")
    return before


def label_of_branch(session: Session, project: Project, *, merged: bool = False) -> str:
    """Return the label that ``labels:`` maps the branch to: the current one, or the workflow's.

    With ``merged`` a pull request or merge group counts as the branch that it will be merged into. Raises
    ``UsageError`` without a branch, or without a label for it.
    """
    labels = project.config.labels
    branch = _branch(session, project, merged)
    if branch is not None and branch in labels:
        return labels[branch]
    if not labels:
        raise UsageError(
            f"no label to release to: {project.config.path.name} has no labels:",
            hint=f"promptsync deploy --label LABEL\nadd to {project.config.path.name}: "
            f"labels: {{{branch or 'main'}: LABEL}}",
            code="no-label",
        )
    known = ", ".join(f"{name}: {label}" for name, label in labels.items())
    nowhere, ways = "a directory outside of git", ["promptsync deploy --label LABEL"]
    if (history := project.history) is not None:
        nowhere = "a commit without a branch"
        ways = [f"git switch {shlex.quote(name)}" for name in labels if _tip(history, name)][:1]
    what = f"the branch {branch!r}" if branch is not None else nowhere
    hint = "\n".join([*ways, *([f"add {branch}: LABEL to labels:"] if branch else [])])
    raise UsageError(f"there is no release label for {what}; labels: {{{known}}}", hint=hint, code="no-label")


def live_label(session: Session, project: Project, label: str | None) -> str | None:
    """Return the label whose versions checks are compared with, ``None`` if the latest ones are live.

    It is ``label``, else that of the branch or of the one that it will be merged into, else the only one.
    """
    labels = project.config.labels
    branch = _branch(session, project, merged=True)
    if label is not None or branch in labels:
        return label or labels[str(branch)]
    return next(iter(labels.values())) if len({*labels.values()}) == 1 else None


def branch_refusal(
    session: Session, project: Project, label: str, *, dry_run: bool, older: bool
) -> Refused | None:
    """Return why this commit must not be deployed to a label, ``None`` if it may be.

    A label that ``labels:`` names is only deployed from its branches, and from their newest commit as far as
    this clone knows it; ``older`` allows an older one. Without a branch, the commit must be on one of them.
    A dry run may be made for the branch that a pull request will be merged into, and of any commit.
    """
    branches = [branch for branch, target in project.config.labels.items() if target == label]
    history = project.history
    branch = _branch(session, project, dry_run)
    if not branches or history is None or (dry_run and branch in branches):
        return None
    tips = {name: _tip(history, name) for name in branches}
    if history.branch is None and any(tips.values()):
        head = history.head_commit
        branch = next((name for name, tip in tips.items() if tip and history.merge_base(tip) == head), None)
    if branch not in branches:
        sent = " and ".join(branches)
        nowhere = f"a commit that is not on {' or '.join(branches)}"
        what = f"the branch {branch!r}" if branch is not None else nowhere
        what = f"{what} does not release to {label}; labels: sends {sent} there"
        return Refused(what, hint=f"git switch {shlex.quote(branches[0])}", code="wrong-branch")
    tip = None if dry_run or older else tips[branch]
    newer = history.line("rev-list", "--count", f"HEAD..{tip}") if tip is not None else None
    if newer is None or newer == "0":
        return None
    commits = "a newer commit" if newer == "1" else f"{newer} newer commits"
    return Refused(f"{branch} has {commits}; deploy from the newest one", hint="git pull", code="older")


def origin(session: Session, project: Project) -> str:
    """Return what checks run for: a pull request or merge request, otherwise the commit and its author."""
    variables = session.environ
    if pull := _PULL_REQUEST.fullmatch(variables.get(REF, "")):
        return f"pull request {pull[1]}"
    if variables.get("CI_MERGE_REQUEST_IID"):
        return f"merge request {variables['CI_MERGE_REQUEST_IID']}"[:_LONGEST_ORIGIN]
    if project.history is None:
        return ""
    changed = uncommitted_paths(project, scan(project.root, project.config.prompts))
    what = "uncommitted changes to" if changed else "commit"
    line = project.history.line("log", "-1", f"--format={what} %h by %an") or ""
    return line.encode("utf-8", "replace").decode()[:_LONGEST_ORIGIN]


def branch_to_merge_into(variables: Mapping[str, str]) -> str | None:
    """Return the branch that a pull request, merge request or merge group of a queue will be merged into.

    Raises ``UsageError`` for a merge group whose event cannot be read.
    """
    if variables.get(EVENT_NAME) == "merge_group":  # GitHub sets no variable for it
        return _read(variables, "merge_group", "base_ref").removeprefix(_BRANCH)
    return variables.get("GITHUB_BASE_REF") or variables.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") or None


def _tip(history: Repository, branch: str) -> str | None:
    """Return the newest commit of a branch that this clone knows; its upstream comes first."""
    local, shown = f"refs/heads/{branch}", "--format=%(refname) %(objectname) %(upstream)"
    out = history.line("for-each-ref", shown, local, f"refs/remotes/*/{branch}") or ""
    rows = [row.split(" ") for row in out.splitlines()]
    commits = {name: commit for name, commit, _ in rows}
    upstream = next((upstream for name, _, upstream in rows if name == local), "")
    if upstream and (commit := commits.get(upstream) or history.commit(upstream)):
        return commit
    remotes = [name for name in commits if name != local]
    places = (f"refs/remotes/origin/{branch}", *(remotes if len(remotes) == 1 else ()), local)
    return next((commits[place] for place in places if place in commits), None)


def _branch(session: Session, project: Project, merged: bool) -> str | None:
    variables = session.environ
    if merged and (target := branch_to_merge_into(variables)):
        return target
    history = project.history
    if history is None or history.branch is not None:
        return history.branch if history is not None else None
    # A checkout in CI may be on no branch. GitHub and GitLab name the branch of the commit that they run for.
    commit, branch = variables.get("CI_COMMIT_SHA"), variables.get("CI_COMMIT_BRANCH")
    if variables.get("GITHUB_ACTIONS") and variables.get("GITHUB_REF_TYPE", "branch") == "branch":
        commit, branch = variables.get("GITHUB_SHA"), variables.get("GITHUB_REF_NAME")
    return (branch or None) if commit == history.head_commit else None


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
        what = "a pull_request_target event checks out the base, so --since is needed"
        hint = "use the pull_request event, or check out the head and add --since origin/main..."
        raise UsageError(what, hint=hint, code="not-checked-out")
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
    what = f"the event of this workflow cannot be read{f' from {path}' if path else ''}: {why}"
    hint = f"add --since REF, or set {EVENT_PATH} to the file that GitHub wrote"
    raise UsageError(what, hint=hint, code="event-file")
