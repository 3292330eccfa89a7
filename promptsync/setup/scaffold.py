"""Adds the package's files to a repository: workflows for GitHub, hooks for pre-commit."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from msgspec import Struct

from promptsync import __version__
from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.disk import write
from promptsync.files.yaml.layout import is_ambiguous
from promptsync.registry.address import LOCAL

HOOKS: Final = ".pre-commit-config.yaml"
WORKFLOWS: Final = ".github/workflows"

_STARTER: Final = Path(__file__).parents[1] / "starter"
_REMOTE: Final = "production"
_PLAIN: Final = re.compile(r"[\w./^$()|\\-]+")
_PASSWORD: Final = re.compile(r"://[^/@]*:[^/@]*@|https://[^/@]+@")


def workflows() -> tuple[str, ...]:
    """Return the paths of the workflows below the top of a repository."""
    return tuple(f"{WORKFLOWS}/{one.name}" for one in sorted((_STARTER / "workflows").glob("*.yml")))


def starter_text(path: str) -> str:
    """Return the text for ``path`` without what to install, for prompts in ``prompts/`` at the top."""
    below = "pre-commit-config.yaml" if path == HOOKS else f"workflows/{path.removeprefix(f'{WORKFLOWS}/')}"
    return (_STARTER / below).read_text("utf-8")


def package_to_install(spec: str | None, command: str) -> str:
    """Return what workflows and hooks install: ``spec``, or this version if it came from an index.

    ``command`` is the command line without ``--package``. Raises ``UsageError``.
    """
    problem = ""
    if spec is None and not _is_released():
        problem = "this promptsync was not installed from PyPI, so its version cannot be pinned"
    elif spec is not None and (not spec.strip() or spec.startswith("-") or not spec.isprintable()):
        problem = f"--package {spec!r} is nothing that pip installs"
    elif spec is not None and "${{" in spec:
        problem = f"--package {spec} would be an expression in a workflow"
    elif spec is not None and _PASSWORD.search(spec):
        problem = "--package must not contain a password or token, because the files are committed"
    if problem:
        hint = f"{command} --package git+https://HOST/OWNER/REPO@COMMIT"
        raise UsageError(f"{problem}; nothing was written", hint=hint, code="package")
    return spec.strip() if spec is not None else f"promptsync=={__version__}"


def _is_released() -> bool:
    """Whether an index served this program: what pip installs from elsewhere has a record of that."""
    try:
        return distribution("promptsync").read_text("direct_url.json") is None
    except PackageNotFoundError:
        return False


class Target(Struct, frozen=True):
    """A repository to add files to, known before anything is written.

    ``package`` is what workflows and hooks install. ``branches`` are those that workflows deploy;
    ``is_assumed`` says that it is the current one only because nothing names another one. ``has_origin`` says
    whether there is a remote to push to.
    """

    top: Path
    package: str
    branches: tuple[str, ...]
    is_assumed: bool
    has_origin: bool


class Scaffold(Struct, frozen=True):
    """What was written and what existed. Paths are below the top of the git repository.

    ``changed`` were unedited copies of the example, which do not say what to install.
    """

    target: Target
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths, whatever was done about them."""
        return (*self.created, *self.changed, *self.kept)

    @property
    def is_written(self) -> bool:
        return bool(self.created or self.changed)

    @property
    def has_workflows(self) -> bool:
        return any(path != HOOKS for path in self.paths)

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


def find_target(root: Path, package: str, labels: Iterable[str], *, github: bool) -> Target:
    """Return the repository around a directory, where ``labels`` are the branches that labels: names.

    Raises what ``repository`` raises, and ``UsageError`` if it is unknown which branch is deployed.
    """
    from promptsync.files.git.repository import Repository

    top = repository(root)
    history = Repository.find(top, ".")
    assert history is not None  # the repository was found
    origin = history.line("config", "--get", "remote.origin.url")
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
    return Target(top, package, branches, is_assumed, origin is not None)


def scaffold(config: Config, target: Target, *, github: bool, pre_commit: bool) -> Scaffold:
    """Write the workflows and hooks that do not exist yet, and say in the others what to install."""
    paths = [*(workflows() if github else ()), *([HOOKS] if pre_commit else [])]
    written: dict[str, list[str]] = {"created": [], "changed": [], "kept": []}
    for path in paths:
        place = target.top / path
        # exists() is false for a broken symbolic link, which must not be replaced either.
        if not (place.exists() or place.is_symlink()):
            what = "created"
        else:
            is_example = not place.is_symlink() and _text_of(place) == starter_text(path)
            what = "changed" if is_example else "kept"
        written[what].append(path)
        if what != "kept":
            write(target.top, path, _adapted(path, config, target))
    return Scaffold(target, *map(tuple, written.values()))


def _adapted(path: str, config: Config, target: Target) -> str:
    """Return the text for ``path``, adapted to a working copy in a repository."""
    below = config.root.resolve().relative_to(target.top.resolve()).as_posix()
    below = "" if below == "." else below
    text = starter_text(path)
    return _hooks(text, below, config, target) if path == HOOKS else _workflow(text, below, config, target)


def _hooks(text: str, below: str, config: Config, target: Target) -> str:
    parts = (f"{below}/" if below else "", config.prompts, FILE_NAME)
    # re.escape escapes - too, which needs none outside of brackets and makes paths hard to read.
    pattern = "^{}({}/|{}$)".format(*(re.escape(one).replace(r"\-", "-") for one in parts))
    arguments = ["-C", below] if below else []
    # With embedded registries only, the hook compares with the default one.
    remote = remote_of(config)
    arguments += ["--remote", remote] if remote is not None else []
    text = _replaced(text, "additional_dependencies", f"[{_scalar(target.package)}]")
    text = _replaced(text, "files", _scalar(pattern))
    return _replaced(text, "args", f"[{', '.join(map(_scalar, arguments))}]")


def _workflow(text: str, below: str, config: Config, target: Target) -> str:
    """Return a workflow adapted to the directory, the remote and the branches of a working copy."""
    remote = remote_of(config) or _REMOTE
    for name, value, usual in (("DIRECTORY", below, ""), ("REMOTE", remote, _REMOTE)):
        if value != usual:
            chosen = f"${{{{ vars.PROMPTSYNC_{name} || {_quoted(value)} }}}}"
            text = _replaced(text, f"PROMPTSYNC_{name}", json.dumps(chosen, ensure_ascii=False))
    text = _replaced(text, "PROMPTSYNC_PACKAGE", json.dumps(target.package, ensure_ascii=False))
    return _replaced(text, "branches", f"[{', '.join(map(_scalar, target.branches))}]")


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
