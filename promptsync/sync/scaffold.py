"""Puts workflows and hooks beside a working copy: at the top of its git repository, never over a file."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from promptsync.errors import UsageError
from promptsync.files import starter
from promptsync.files.atomic import write
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.scalars import is_ambiguous
from promptsync.remote.address import LOCAL

_REMOTE: Final = "production"
_PLAIN: Final = re.compile(r"[\w./^$()|\\-]+")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was written and what was there. Paths are below ``top``, the top of the git repository.

    ``others`` are those of ``kept`` that say something else than would have been written, ``hooks`` the text
    of the hooks' configuration for this repository.
    """

    top: Path
    created: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    hooks: str = ""

    def shown(self, path: str, root: Path) -> str:
        """Return one of the paths as seen from another directory of the repository."""
        return Path(os.path.relpath(self.top / path, root.resolve())).as_posix()

    def mentions(self, path: str, word: str) -> bool:
        """Whether a file that was there has a word in it."""
        return word in (_held(self.top / path) or "")


def in_repository(root: Path) -> bool:
    """Whether a directory is in a git repository."""
    return _top(root) is not None


def repository(root: Path) -> Path:
    """Return the top of the git repository around a directory. Raises ``UsageError`` when there is none."""
    top = _top(root)
    if top is None:
        raise UsageError(
            f"{root} is in no git repository, where workflows and hooks belong; nothing was written",
            hint="git init, then run this again",
            code="no-git",
        )
    return top


def _top(root: Path) -> Path | None:
    start = root.resolve()
    return next((one for one in (start, *start.parents) if (one / ".git").exists()), None)


def scaffold(config: Config, *, github: bool, pre_commit: bool) -> Scaffold:
    """Write the workflows and the hooks' configuration that are not there yet.

    Raises ``UsageError`` outside of git, and for a directory that no such file can name.
    """
    top = repository(config.root)
    paths = [*(starter.workflows() if github else ()), *([starter.HOOKS] if pre_commit else [])]
    texts = {path: fitted(path, config, top) for path in paths}
    present = {path for path in paths if (top / path).exists() or (top / path).is_symlink()}
    for path in paths:
        if path not in present:
            write(top, path, texts[path])
    return Scaffold(
        top,
        created=tuple(path for path in paths if path not in present),
        kept=tuple(path for path in paths if path in present),
        others=tuple(path for path in paths if path in present and _held(top / path) != texts[path]),
        hooks=texts.get(starter.HOOKS, ""),
    )


def fitted(path: str, config: Config, top: Path) -> str:
    """Return the text for ``path`` with the places of a working copy that is in a repository at ``top``."""
    below = config.root.resolve().relative_to(top.resolve()).as_posix()
    below = "" if below == "." else below
    text = starter.text(path)
    return _hooks(text, below, config.prompts) if path == starter.HOOKS else _workflow(text, below, config)


def _hooks(text: str, below: str, prompts: str) -> str:
    parts = (f"{below}/" if below else "", prompts, FILE_NAME)
    pattern = "^{}({}/|{}$)".format(*(re.escape(one).replace(r"\-", "-") for one in parts))
    text = _replaced(text, "files", _scalar(pattern))
    if not below:
        return text
    drift = r"(?m)^( *)- id: promptsync-drift$"
    return re.sub(drift, lambda found: f"{found[0]}\n{found[1]}  args: [-C, {_scalar(below)}]", text)


def _workflow(text: str, below: str, config: Config) -> str:
    """Return a workflow with the directory, the remote and the branches of a working copy."""
    if below:
        place = f"${{{{ vars.PROMPTSYNC_DIRECTORY || {_literal(below)} }}}}"
        text = _replaced(text, "working-directory", json.dumps(place, ensure_ascii=False))
    remote = remote_of(config) or _REMOTE
    if remote != _REMOTE:
        chosen = f"${{{{ vars.PROMPTSYNC_REMOTE || {_literal(remote)} }}}}"
        text = _replaced(text, "PROMPTSYNC_REMOTE", json.dumps(chosen, ensure_ascii=False))
    if config.labels:
        text = _replaced(text, "branches", f"[{', '.join(map(_scalar, config.labels))}]")
    return text


def remote_of(config: Config) -> str | None:
    """Return the remote that workflows work with: never an embedded one, which each run would find empty."""
    names = (config.default_remote, _REMOTE, *config.remotes)
    known = (config.remotes[name] for name in names if name in config.remotes)
    return next((one.name for one in known if not one.url.startswith(LOCAL)), None)


def _replaced(text: str, key: str, value: str) -> str:
    return re.sub(rf"(?m)^( *{key}: ).*$", lambda found: f"{found[1]}{value}", text)


def _literal(text: str) -> str:
    """Return a text of an expression of GitHub Actions."""
    return "'" + text.replace("'", "''") + "'"


def _scalar(text: str) -> str:
    is_plain = _PLAIN.fullmatch(text) and not is_ambiguous(text)
    return text if is_plain else "'" + text.replace("'", "''") + "'"


def _held(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
