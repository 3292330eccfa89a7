"""Adds the package's files to a repository: workflows for GitHub, hooks for pre-commit."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.state.disk import private_directory, write
from promptsync.files.yaml.layout import is_ambiguous
from promptsync.registry.address import LOCAL

REPOSITORY: Final = "https://github.com/promptsync/promptsync"
HOOKS: Final = ".pre-commit-config.yaml"
WORKFLOWS: Final = ".github/workflows"

_STARTER: Final = Path(__file__).parents[1] / "starter"


def source(path: str) -> Path:
    """Return the file of the package that is written to ``path`` in a repository."""
    below = "pre-commit-config.yaml" if path == HOOKS else f"workflows/{path.removeprefix(f'{WORKFLOWS}/')}"
    return _STARTER / below


def workflows() -> tuple[str, ...]:
    """Return the paths of the workflows below the top of a repository."""
    return tuple(f"{WORKFLOWS}/{one.name}" for one in sorted((_STARTER / "workflows").glob("*.yml")))


def starter_text(path: str) -> str:
    """Return what is written to ``path`` where the prompts are in ``prompts/`` at the top."""
    return source(path).read_text("utf-8")


def installed_commit() -> str | None:
    """Return the commit that this program was installed from, if pip recorded one (PEP 610)."""
    try:
        noted = json.loads(distribution("promptsync").read_text("direct_url.json") or "{}")
        commit = noted["vcs_info"]["commit_id"]
    except (PackageNotFoundError, ValueError, LookupError, TypeError):
        return None
    # The commit of a fork does not exist in our repository.
    return commit if str(noted.get("url", "")).startswith(REPOSITORY) and isinstance(commit, str) else None


_REMOTE: Final = "production"
_USUAL: Final = ("main", "master")
"""The usual names of the branch that a repository is released from."""
_PLAIN: Final = re.compile(r"[\w./^$()|\\-]+")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was written and what existed. Paths are below ``top``, the top of the git repository.

    ``others`` are those of ``kept`` that differ from what would have been written, each with a file that has
    that text. ``hooks`` is the hooks' configuration for this repository, ``branch`` the branch that the
    workflows deploy, and ``commit`` the commit of promptsync that all of it names, if it is known.
    """

    top: Path
    branch: str
    created: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    others: Mapping[str, Path] = field(default_factory=dict)
    hooks: str = ""
    commit: str | None = None

    def shown(self, path: str, root: Path) -> str:
        """Return one of the paths as seen from another directory of the repository."""
        return Path(os.path.relpath(self.top / path, root.resolve())).as_posix()

    def mentions(self, path: str, word: str) -> bool:
        """Whether a kept file contains a word."""
        return word in (_text_of(self.top / path) or "")


def in_repository(root: Path) -> bool:
    """Whether a directory is in a git repository."""
    return _top(root) is not None


def repository(root: Path) -> Path:
    """Return the top of the git repository around a directory.

    Raises ``UsageError`` when there is none, and when the directory of the workflows is something else.
    """
    top = _top(root)
    if top is None:
        raise UsageError(
            f"{root} is not in a git repository, where workflows and hooks belong; nothing was written",
            hint="git init",
            code="no-git",
        )
    place = top / WORKFLOWS
    taken = next((one for one in (place.parent, place) if one.is_symlink() or one.is_file()), None)
    if taken is not None:
        raise UsageError(
            f"{taken} is not a directory, so workflows cannot be added; nothing was written",
            hint=f"mv {shlex.quote(str(taken))} {shlex.quote(f'{taken}.old')}",
        )
    return top


def _top(root: Path) -> Path | None:
    start = root.resolve()
    return next((one for one in (start, *start.parents) if (one / ".git").exists()), None)


def scaffold(config: Config, *, github: bool, pre_commit: bool) -> Scaffold:
    """Write the workflows and hooks that do not exist yet. Raises what ``repository`` raises."""
    top = repository(config.root)
    paths = [*(workflows() if github else ()), *([HOOKS] if pre_commit else [])]
    branch, commit = _default_branch(top), installed_commit()
    texts = {path: _adapted(path, config, top, branch, commit) for path in paths}
    # exists() is false for a broken symbolic link, which must not be replaced either.
    present = {path for path in paths if (top / path).exists() or (top / path).is_symlink()}
    for path in paths:
        if path not in present:
            write(top, path, texts[path])
    others = [path for path in paths if path in present and _text_of(top / path) != texts[path]]
    return Scaffold(
        top,
        branch,
        created=tuple(path for path in paths if path not in present),
        kept=tuple(path for path in paths if path in present),
        others={path: _put_aside(config.root, path, texts[path]) for path in others},
        hooks=texts.get(HOOKS, ""),
        commit=commit,
    )


def _put_aside(root: Path, path: str, text: str) -> Path:
    """Write the text for an existing file to the private directory, to compare."""
    directory = private_directory(root) / "starter"
    directory.mkdir(exist_ok=True)
    place = directory / Path(path).name
    place.write_text(text, "utf-8", newline="\n")
    return place


def _default_branch(top: Path) -> str:
    """Return the branch that a repository is released from, going by its files."""
    # A clone records its remote's default branch. HEAD may be a feature branch, so only a usual name counts.
    for head, known in (("refs/remotes/origin/HEAD", "refs/remotes/origin/"), ("HEAD", "refs/heads/")):
        text = (_text_of(top / ".git" / head) or "").strip()
        branch = text.removeprefix("ref: ").removeprefix(known)
        if f"ref: {known}{branch}" == text and (head != "HEAD" or branch in _USUAL):
            return branch
    return _USUAL[0]


def _adapted(path: str, config: Config, top: Path, branch: str, commit: str | None) -> str:
    """Return the text for ``path``, adapted to a working copy in a repository at ``top``."""
    below = config.root.resolve().relative_to(top.resolve()).as_posix()
    below = "" if below == "." else below
    text = starter_text(path)
    # A workflow that names a commit does not change when main does.
    if commit is not None:
        text = text.replace(f"{REPOSITORY}@main", f"{REPOSITORY}@{commit}")
        text = _replaced(text, "rev", commit)
    if path == HOOKS:
        return _hooks(text, below, config)
    return _workflow(text, below, config, branch)


def _hooks(text: str, below: str, config: Config) -> str:
    parts = (f"{below}/" if below else "", config.prompts, FILE_NAME)
    # re.escape escapes - too, which needs none outside of brackets and makes paths hard to read.
    pattern = "^{}({}/|{}$)".format(*(re.escape(one).replace(r"\-", "-") for one in parts))
    arguments = ["-C", below] if below else []
    arguments += ["--remote", remote_of(config) or _REMOTE]
    return _replaced(
        _replaced(text, "files", _scalar(pattern)), "args", f"[{', '.join(map(_scalar, arguments))}]"
    )


def _workflow(text: str, below: str, config: Config, branch: str) -> str:
    """Return a workflow adapted to the directory, the remote and the branches of a working copy."""
    if below:
        place = f"${{{{ vars.PROMPTSYNC_DIRECTORY || {_quoted(below)} }}}}"
        text = _replaced(text, "working-directory", json.dumps(place, ensure_ascii=False))
    remote = remote_of(config) or _REMOTE
    if remote != _REMOTE:
        chosen = f"${{{{ vars.PROMPTSYNC_REMOTE || {_quoted(remote)} }}}}"
        text = _replaced(text, "PROMPTSYNC_REMOTE", json.dumps(chosen, ensure_ascii=False))
    return _replaced(text, "branches", f"[{', '.join(map(_scalar, config.labels or [branch]))}]")


def remote_of(config: Config) -> str | None:
    """Return the remote for workflows: never an embedded one, which is empty in each run."""
    names = (config.default_remote, _REMOTE, *config.remotes)
    known = (config.remotes[name] for name in names if name in config.remotes)
    return next((one.name for one in known if not one.url.startswith(LOCAL)), None)


def _replaced(text: str, key: str, value: str) -> str:
    return re.sub(rf"(?m)^( *{key}: ).*$", lambda found: f"{found[1]}{value}", text)


def _quoted(text: str) -> str:
    """Return a text in single quotes, for YAML or for an expression of GitHub Actions."""
    return "'" + text.replace("'", "''") + "'"


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and not is_ambiguous(text) else _quoted(text)


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
