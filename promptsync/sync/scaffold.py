"""Puts workflows and hooks beside a working copy: at the top of its git repository, never over a file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from promptsync.errors import UsageError
from promptsync.files import starter
from promptsync.files.atomic import write
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.scalars import is_ambiguous

_PLAIN = re.compile(r"[\w./^$()|\\-]+")


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
    text = starter.text(path)
    if path == starter.HOOKS:
        return _hooks(text, "" if below == "." else f"{below}/", config.prompts)
    return text


def _hooks(text: str, below: str, prompts: str) -> str:
    escaped = (re.escape(one).replace(r"\-", "-") for one in (below, prompts, FILE_NAME))
    pattern = "^{}({}/|{}$)".format(*escaped)
    text = re.sub(r"(?m)^( *)files: .*$", lambda found: f"{found[1]}files: {_scalar(pattern)}", text)
    if not below:
        return text
    drift = r"(?m)^( *)- id: promptsync-drift$"
    arguments = f"args: [-C, {_scalar(below.rstrip('/'))}]"
    return re.sub(drift, lambda found: f"{found[0]}\n{found[1]}  {arguments}", text)


def _scalar(text: str) -> str:
    is_plain = _PLAIN.fullmatch(text) and not is_ambiguous(text)
    return text if is_plain else "'" + text.replace("'", "''") + "'"


def _held(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
