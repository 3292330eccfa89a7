"""The git repository around the prompts, as far as promptsync needs one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptsync.errors import PromptsyncError
from promptsync.files.config import Config
from promptsync.files.history import History
from promptsync.files.private import DIRECTORY
from promptsync.files.worktree import Worktree
from promptsync.health.finding import Finding, counted, error, failed, ok, warning


def look_at_git(config: Config, worktree: Worktree | None, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Look at the repository, what it tracks and ignores, and the label of its branch."""
    try:
        history = History.find(config.root, config.prompts)
        if history is None:
            yield warning(
                "git",
                "this is no git repository: versions carry no commit, and who changed what is harder to tell",
                "git init && git add --all && git commit",
            )
            return
        yield _repository(history)
        yield from _depth(history)
        yield from _tracked(config, history, worktree)
        yield from _private(history)
        yield from _label(config, history, variables)
    except PromptsyncError as problem:
        yield failed("git", problem)


def _repository(history: History) -> Finding:
    if not history.born:
        return warning("git", "the repository has no commit yet", "git add --all && git commit")
    where = f"branch {history.branch}" if history.branch else "no branch is checked out"
    return ok("git", f"{where}, HEAD {(history.head_commit or '')[:7]}, {history.version}")


def _depth(history: History) -> Iterator[Finding]:
    if history.shallow:
        yield warning(
            "git-history",
            "the clone is shallow: who changed what cannot always be told, and is refused then",
            "git fetch --unshallow; in a GitHub workflow: fetch-depth: 0 under with: of actions/checkout",
        )


def _tracked(config: Config, history: History, worktree: Worktree | None) -> Iterator[Finding]:
    paths = [file.path for file in worktree.files.values()] if worktree else []
    new = [path for path in paths if path not in history.tracked]
    ignored = [path for path in new if history.ignores(path)]
    if ignored:
        message = f"git ignores {counted(len(ignored), 'prompt file')}"
        yield warning(
            "git-tracked", message, f"git check-ignore -v {ignored[0]} tells which line to change", ignored
        )
    elif new and len(new) == len(paths):
        fix = f"git add {config.prompts} && git commit"
        yield warning("git-tracked", f"git tracks none of the files in {config.prompts}/", fix)
    elif paths:
        more = f", {len(new)} are not added yet" if new else ""
        yield ok("git-tracked", f"git tracks {len(paths) - len(new)} of {len(paths)} prompt files{more}", new)
    if history.hidden:
        yield ok(
            "git-sparse",
            f"a sparse checkout hides {counted(len(history.hidden), 'prompt file')}; they are left alone",
        )


def _private(history: History) -> Iterator[Finding]:
    if history.has(DIRECTORY):
        message = f"{DIRECTORY}/ is tracked by git, but it belongs to one working copy alone"
        yield error(
            "git-ignored", message, f"git rm -r --cached {DIRECTORY} && echo {DIRECTORY}/ >> .gitignore"
        )


def _label(config: Config, history: History, variables: Mapping[str, str]) -> Iterator[Finding]:
    in_workflow = variables.get("GITHUB_REF_NAME") if variables.get("GITHUB_ACTIONS") else None
    branch = in_workflow or history.branch or ""
    if not config.labels:
        yield ok("labels", "labels: is empty: deploy needs --label")
    elif branch in config.labels:
        yield ok("labels", f"deploy on the branch {branch} moves {config.labels[branch]}")
    else:
        known = ", ".join(config.labels)
        yield ok("labels", f"deploy is for the branches {known}; on {branch or 'none'} it needs --label")
