"""Adds the package's files to a repository: workflows for GitHub, hooks for pre-commit."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.disk import DIRECTORY, private_directory, write
from promptsync.files.yaml.layout import is_ambiguous
from promptsync.registry.address import LOCAL
from promptsync.setup.source import Source

HOOKS: Final = ".pre-commit-config.yaml"
WORKFLOWS: Final = ".github/workflows"

_STARTER: Final = Path(__file__).parents[1] / "starter"
_REMOTE: Final = "production"
_PLAIN: Final = re.compile(r"[\w./^$()|\\-]+")

_ACTION: Final = re.compile(r"(?m)(?<= uses: )\./named-by-promptsync-init\b.*$")
_GUARD: Final = re.compile(
    r"(?m)^      # `promptsync init --github` removes this step.*\n"
    r"      - name: What to install\n(?:        .*\n)+\n"
)
"""The step that stops a workflow which does not say what to install."""

_HOOKS_SOURCE: Final = re.compile(
    r"(?m)^(?:  # `promptsync init --pre-commit` writes here.*\n)?"
    r"  - repo: local$(?=\n    hooks:\n(?:      #.*\n)*      - id: promptsync-)"
)
_HOOKS_GUARD: Final = re.compile(
    r'(?m)^        name: promptsync .*\n        language: fail\n        entry: "This file does not say .*\n'
)
"""What makes a hook fail that does not say what to install."""


def workflows() -> tuple[str, ...]:
    """Return the paths of the workflows below the top of a repository."""
    return tuple(f"{WORKFLOWS}/{one.name}" for one in sorted((_STARTER / "workflows").glob("*.yml")))


def starter_text(path: str) -> str:
    """Return the text for ``path`` before it says what to install, for prompts in ``prompts/`` at the top."""
    below = "pre-commit-config.yaml" if path == HOOKS else f"workflows/{path.removeprefix(f'{WORKFLOWS}/')}"
    return (_STARTER / below).read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Target:
    """A repository to add files to, known before anything is written.

    ``branches`` are those that workflows deploy; ``is_assumed`` says that it is the current one only because
    nothing names another one. ``has_origin`` says whether there is a remote to push to. ``action`` is what a
    workflow names in ``uses:``, empty without workflows.
    """

    top: Path
    source: Source
    branches: tuple[str, ...]
    is_assumed: bool
    has_origin: bool
    action: str = ""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was written and what existed. Paths are below the top of the git repository.

    ``changed`` existed without saying what to install, and now do. ``others`` are those of ``kept`` that
    differ from what would have been written, each with a file that has that text.
    """

    target: Target
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    others: Mapping[str, Path] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths, whatever was done about them."""
        return (*self.created, *self.changed, *self.kept)

    def shown(self, path: str, root: Path) -> str:
        """Return one of the paths as seen from another directory of the repository."""
        return Path(os.path.relpath(self.target.top / path, root.resolve())).as_posix()


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


def find_target(root: Path, source: Source, labels: Iterable[str], *, github: bool) -> Target:
    """Return the repository around a directory, where ``labels`` are the branches that labels: names.

    Raises what ``repository`` raises, and ``UsageError`` if workflows cannot use the source, or if it is
    unknown which branch is deployed.
    """
    from promptsync.files.git.history import GitHistory

    top = repository(root)
    history = GitHistory.find(top, ".")
    assert history is not None  # the repository was found
    origin = history.line("config", "--get", "remote.origin.url")
    action = source.action(origin) if github else ""
    branches = tuple(labels)
    head = history.line("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    is_assumed = not (branches or head)
    if not branches:
        branch = head.removeprefix("origin/") if head else history.branch
        if branch is None and github:
            raise UsageError(
                f"no branch is checked out in {top}, and origin/HEAD does not say which one to deploy; "
                "nothing was written",
                hint="git remote set-head origin --auto\ngit switch BRANCH",
                code="no-branch",
            )
        branches = (branch,) if branch else ()
    return Target(top, source, branches, is_assumed, origin is not None, action)


def scaffold(config: Config, target: Target, *, github: bool, pre_commit: bool) -> Scaffold:
    """Write the workflows and hooks that do not exist yet, and say in the others what to install."""
    paths = [*(workflows() if github else ()), *([HOOKS] if pre_commit else [])]
    texts = {path: _adapted(path, config, target) for path in paths}
    done: dict[str, list[str]] = {"created": [], "changed": [], "kept": []}
    others = {}
    for path, text in texts.items():
        what, new = _decided(path, text, target)
        done[what].append(path)
        if new is not None:
            write(target.top, path, new)
        if what != "created" and (new or _text_of(target.top / path)) != text:
            others[path] = _put_aside(config.root, path, text)
    return Scaffold(target, others=others, **{what: tuple(found) for what, found in done.items()})


def _decided(path: str, text: str, target: Target) -> tuple[str, str | None]:
    """Return what happens to a path, and the text to write if any."""
    place = target.top / path
    # exists() is false for a broken symbolic link, which must not be replaced either.
    if not (place.exists() or place.is_symlink()):
        return "created", text
    present = _text_of(place)
    if present is None or place.is_symlink():
        return "kept", None
    # A copy of the example that nobody edited gets everything, an edited one only what to install.
    new = text if present == starter_text(path) else _sourced(present, path, target)
    return ("kept", None) if new == present else ("changed", new)


def _put_aside(root: Path, path: str, text: str) -> Path:
    """Write the text for an existing file to the private directory, to compare."""
    private_directory(root)
    place = f"{DIRECTORY}/starter/{Path(path).name}"
    write(root, place, text, within=f"{DIRECTORY}/starter")
    return root / place


def _adapted(path: str, config: Config, target: Target) -> str:
    """Return the text for ``path``, adapted to a working copy in a repository."""
    below = config.root.resolve().relative_to(target.top.resolve()).as_posix()
    below = "" if below == "." else below
    text = _sourced(starter_text(path), path, target)
    return _hooks(text, below, config) if path == HOOKS else _workflow(text, below, config, target.branches)


def _sourced(text: str, path: str, target: Target) -> str:
    """Return a text that says what to install, in the places where it did not."""
    source = target.source
    if path != HOOKS:
        comment = f" # {source.release}" if source.release and source.release != source.ref else ""
        return _GUARD.sub("", _ACTION.sub(lambda _: f"{target.action}{comment}", text))
    if not _HOOKS_SOURCE.search(text):
        return text
    frozen = f" # frozen: {source.release}" if source.release and source.release != source.ref else ""
    lines = f"  - repo: {source.url}\n    rev: {_scalar(source.ref)}{frozen}"
    return _HOOKS_GUARD.sub("", _HOOKS_SOURCE.sub(lambda _: lines, text))


def _hooks(text: str, below: str, config: Config) -> str:
    parts = (f"{below}/" if below else "", config.prompts, FILE_NAME)
    # re.escape escapes - too, which needs none outside of brackets and makes paths hard to read.
    pattern = "^{}({}/|{}$)".format(*(re.escape(one).replace(r"\-", "-") for one in parts))
    arguments = ["-C", below] if below else []
    # With embedded registries only, the hook compares with the default one.
    remote = remote_of(config)
    arguments += ["--remote", remote] if remote is not None else []
    return _replaced(
        _replaced(text, "files", _scalar(pattern)), "args", f"[{', '.join(map(_scalar, arguments))}]"
    )


def _workflow(text: str, below: str, config: Config, branches: Iterable[str]) -> str:
    """Return a workflow adapted to the directory, the remote and the branches of a working copy."""
    remote = remote_of(config) or _REMOTE
    for name, value, usual in (("DIRECTORY", below, ""), ("REMOTE", remote, _REMOTE)):
        if value != usual:
            chosen = f"${{{{ vars.PROMPTSYNC_{name} || {_quoted(value)} }}}}"
            text = _replaced(text, f"PROMPTSYNC_{name}", json.dumps(chosen, ensure_ascii=False))
    return _replaced(text, "branches", f"[{', '.join(map(_scalar, branches))}]")


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
