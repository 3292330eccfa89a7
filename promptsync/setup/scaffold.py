"""Adds the package's files to a repository: workflows, jobs, hooks, and instructions for coding agents."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct

from promptsync import __version__
from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.disk import checked_place, present_text, real_path, write
from promptsync.files.evaluation import FOLDER as EVALUATIONS
from promptsync.files.git.repository import GitProgram, Repository
from promptsync.files.yaml.layout import flow, inline, quoted
from promptsync.registry.address import LOCAL

AGENTS_FILE: Final = "AGENTS.md"
PIPELINE: Final = ".gitlab-ci.yml"
JOBS: Final = ".gitlab/promptsync.gitlab-ci.yml"

_STARTER: Final = Path(__file__).parents[1] / "starter"
_REMOTE: Final = "production"
_SPEC: Final = re.compile(r"(?!\s*$|-|.*\$\{\{)[^\x00-\x1f]+")
"""No option of pip, no expression of GitHub, and one line."""
_PASSWORD: Final = re.compile(r"://[^/@]*:[^/@]*@|https://[^/@]+@")


class StarterKind(StrEnum):
    """A kind of files to add. Its value is the name of the option of ``init`` that adds them."""

    GITHUB = "github"
    GITLAB = "gitlab"
    PRE_COMMIT = "pre-commit"
    AGENTS = "agents"

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths below the top of a repository."""
        return tuple(_FILES[self])

    def starter_text(self, path: str) -> str:
        """Return the text for ``path`` without what to install, for prompts in ``prompts/`` at the top."""
        return (_STARTER / _FILES[self][path]).read_text("utf-8")


_FILES: Final = {
    StarterKind.GITHUB: {
        f".github/workflows/{name}.yml": f"workflows/{name}.yml" for name in ("check", "deploy", "drift")
    },
    StarterKind.GITLAB: {PIPELINE: "gitlab/gitlab-ci.yml", JOBS: "gitlab/promptsync.gitlab-ci.yml"},
    StarterKind.PRE_COMMIT: {".pre-commit-config.yaml": "pre-commit-config.yaml"},
    StarterKind.AGENTS: {
        AGENTS_FILE: "agents/section.md",
        ".agents/skills/promptsync/SKILL.md": "agents/skill.md",
    },
}
"""For each kind the paths below the top of a repository, and the files in ``starter/`` with their texts."""


def package_to_install(spec: str | None, command: str) -> str:
    """Return what workflows and hooks install: ``spec``, or this version if it came from an index.

    ``command`` is the command line without ``--package``. Raises ``UsageError``.
    """
    problem = ""
    if spec is None and not _is_released():
        problem = "this promptsync was not installed from PyPI, so its version cannot be pinned"
    elif spec is not None and _PASSWORD.search(spec):
        problem = "--package must not contain a password or token, because the files are committed"
    elif spec is not None and (not _SPEC.fullmatch(spec) or "/OWNER/REPO" in spec):
        problem = f"--package {spec!r} is not something that pip can install"
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


class Scaffold(Struct, frozen=True):
    """A repository to add files of some ``kinds`` to.

    ``package`` is what workflows and hooks install, ``""`` without either. ``branches`` are those that
    workflows deploy.
    """

    top: Path
    kinds: frozenset[StarterKind]
    package: str
    branches: tuple[str, ...]

    @property
    def agents(self) -> str:
        """The path of ``AGENTS.md``, or of the file that it is a link to."""
        return real_path(self.top / AGENTS_FILE).relative_to(real_path(self.top)).as_posix()

    def below(self, config: Config) -> str:
        """Return the directory of a working copy, ``""`` for the top."""
        below = config.root.resolve().relative_to(self.top.resolve()).as_posix()
        return "" if below == "." else below

    def shown(self, path: str, root: Path) -> str:
        """Return one of the paths as seen from another directory of the repository."""
        return Path(os.path.relpath(self.top / path, root.resolve())).as_posix()


def find_repository(
    root: Path, kinds: frozenset[StarterKind], package: str, labels: Iterable[str], *, creates: bool
) -> Scaffold:
    """Return the repository around a directory, where ``labels`` are the branches that labels: names.

    ``creates`` says that there will be one in the directory, if there is none. Raises ``UsageError`` outside
    of a repository, and if it is unknown which branch is deployed, and ``Refused`` if a symbolic link leads
    the files out of it.
    """
    history = Repository.find(root, ".")
    if history is None and not creates:
        what = f"{root} is not in a git repository, where init adds such files; nothing was written"
        raise UsageError(what, hint="git init", code="no-git")
    git = history or GitProgram(root)
    top = Path(git.line("rev-parse", "--show-toplevel") or root)
    for path in (path for kind in kinds for path in kind.paths):
        if path == AGENTS_FILE or not (top / path).is_symlink():  # other links are kept
            checked_place(top, path)
        if path == AGENTS_FILE:
            present_text(top, path)  # it is added to, so it must be readable
    head = git.line("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    branch = head.removeprefix("origin/") if head else None
    if head is None:
        branch = history.branch if history is not None else git.line("var", "GIT_DEFAULT_BRANCH") or "master"
    branches = tuple(labels) or ((branch,) if branch else ())
    if not branches and kinds & {StarterKind.GITHUB, StarterKind.GITLAB}:
        raise UsageError(
            f"no branch is checked out in {top}, and origin/HEAD does not say which one to deploy; "
            "nothing was written",
            hint="git remote set-head origin --auto\ngit switch BRANCH",
            code="no-branch",
        )
    return Scaffold(top, kinds, package, branches)


def scaffold(config: Config, repository: Scaffold) -> dict[str, str]:
    """Write the files that do not exist yet, and say in unedited copies of the example what to install.

    Returns ``created``, ``changed`` or ``kept`` for each path, as seen from the directory of promptsync.yaml.
    """
    outcomes: dict[str, str] = {}
    texts: dict[str, str] = {}
    pairs = [(kind, path) for kind in StarterKind if kind in repository.kinds for path in kind.paths]
    for kind, path in pairs:
        place = repository.top / path
        text = _ADAPT[kind](kind.starter_text(path), config, repository)
        # exists() is false for a broken symbolic link, which must not be replaced either.
        exists = place.exists() or place.is_symlink()
        if path == AGENTS_FILE and exists:
            present, path = present_text(repository.top, path) or "", repository.agents
            is_changed = text.splitlines()[0] not in present
            text = present + "\n" * (2 - present.endswith("\n")) + text
        else:
            is_file = place.is_file() and not place.is_symlink()
            is_changed = is_file and place.read_bytes() == kind.starter_text(path).encode() != text.encode()
        outcome = "changed" if is_changed else "kept" if exists else "created"
        outcomes[repository.shown(path, config.root)] = outcome
        if outcome != "kept":
            texts[path] = text
    for path, text in texts.items():
        write(repository.top, path, text)
    return outcomes


def _workflow(text: str, config: Config, repository: Scaffold) -> str:
    values = (("DIRECTORY", repository.below(config), ""), ("REMOTE", remote_of(config) or _REMOTE, _REMOTE))
    for name, value, usual in values:
        if value != usual:
            literal = value.replace("'", "''")
            chosen = f"${{{{ vars.PROMPTSYNC_{name} || '{literal}' }}}}"
            text = _replaced(text, f"PROMPTSYNC_{name}", quoted(chosen))
    text = _replaced(text, "PROMPTSYNC_PACKAGE", quoted(repository.package))
    return _replaced(text, "branches", flow([*repository.branches]))


def _jobs(text: str, config: Config, repository: Scaffold) -> str:
    values = {
        "DIRECTORY": repository.below(config) or ".",
        "REMOTE": remote_of(config) or _REMOTE,
        "PACKAGE": repository.package,
    }
    for name, value in values.items():
        # GitLab expands variables in values.
        text = _replaced(text, f"PROMPTSYNC_{name}", quoted(value.replace("$", "$$")))

    def for_each_branch(rule: re.Match[str]) -> str:
        return "\n".join(rule[0].replace('"main"', f'"{branch}"') for branch in repository.branches)

    return re.sub(r'(?m)^.*== "main"$', for_each_branch, text)


def _hooks(text: str, config: Config, repository: Scaffold) -> str:
    below, remote = repository.below(config), remote_of(config)
    parts = (f"{below}/" if below else "", config.prompts, EVALUATIONS, FILE_NAME)
    # re.escape escapes - too, which needs none outside of brackets and makes paths hard to read.
    pattern = "^{}({}/|{}/|{}$)".format(*(re.escape(part).replace(r"\-", "-") for part in parts))
    # With embedded registries only, the hook compares with the default one.
    arguments = [*(["-C", below] if below else []), *(["--remote", remote] if remote is not None else [])]
    text = _replaced(text, "additional_dependencies", flow([repository.package]))
    return _replaced(_replaced(text, "files", inline(pattern)), "args", flow(arguments))


def _instructions(text: str, config: Config, repository: Scaffold) -> str:
    below = PurePosixPath(repository.below(config))
    text = text.replace("`prompts/`", f"`{below / config.prompts}/`")
    text = text.replace(f"`{EVALUATIONS}/`", f"`{below / EVALUATIONS}/`")
    return text.replace(f"`{FILE_NAME}`", f"`{below / FILE_NAME}`")


_ADAPT: Final[dict[StarterKind, Callable[[str, Config, Scaffold], str]]] = {
    StarterKind.GITHUB: _workflow,
    StarterKind.GITLAB: _jobs,
    StarterKind.PRE_COMMIT: _hooks,
    StarterKind.AGENTS: _instructions,
}


def remote_of(config: Config) -> str | None:
    """Return the remote for workflows: never an embedded one, which is empty in each run."""
    names = (config.default_remote, _REMOTE, *config.remotes)
    known = (config.remotes[name] for name in names if name in config.remotes)
    return next((remote.name for remote in known if not remote.url.startswith(LOCAL)), None)


def _replaced(text: str, key: str, value: str) -> str:
    return re.sub(rf"(?m)^( *{key}: ).*$", lambda match: f"{match[1]}{value}", text)
