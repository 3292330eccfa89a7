"""``promptsync.yaml``: where the prompts are, the registries that they are published to, and their checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Final

from msgspec import Struct, convert

from promptsync.errors import UsageError
from promptsync.files import schema
from promptsync.files.disk import real_path
from promptsync.files.prompt_file import read
from promptsync.files.yaml import load as yaml_load
from promptsync.files.yaml.load import InvalidFile, text_of
from promptsync.prompt.labels import is_own
from promptsync.prompt.prompt import Problem

FILE_NAME: Final = "promptsync.yaml"
LOCAL: Final = "local"

_KEY_VALUE: Final = re.compile(r"\b(pl_|sk-)[0-9A-Za-z_-]{16,}|://[^/@\s]+@")
_LONGEST_PATH: Final = 1024


class InvalidConfig(UsageError):
    """The configuration cannot be used. ``problems`` are all the reasons."""

    code = "config"

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__(
            f"{path} cannot be used",
            details=[text_of(problem) for problem in self.problems],
            hint="promptsync schema config",
        )


class RemoteConfig(Struct, frozen=True):
    """A registry. ``url`` is ``local:``, ``local:PATH`` or an http(s) URL; ``fixtures`` is a path, if any."""

    name: str
    url: str
    fixtures: str | None = None
    timeout: float | None = None
    """Seconds for one request, ``None`` for the default."""
    jobs: int | None = None
    """The most requests at once, ``None`` for the default."""


class Config(Struct, frozen=True):
    """The configuration with its defaults filled in.

    ``root`` is the directory of the file, ``prompts`` a path below it with ``/``. ``checks`` are mappings
    with ``match`` and ``table`` or ``evaluation``, optionally with ``min_score`` and ``max_drop``, or
    ``agent``, optionally with ``input_variables``. A table may have ``sheet`` and ``runs``, too.
    """

    root: Path
    path: Path
    prompts: str = "prompts"
    default_remote: str = LOCAL
    remotes: dict[str, RemoteConfig] = {}
    include: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    checks: tuple[Mapping[str, Any], ...] = ()
    limits_changes: float = 0.5
    limits_cells: int = 2000
    """The most cells of tables that one run may compute."""
    evaluations_reuse: float = 24
    """The hours for which a result of a table counts for the same text and rows."""
    evaluations_keep: int = 20
    """How many of our sheets of one prompt stay in a table."""
    fails_on_noise: bool = True
    """Whether a table that cannot tell whether a prompt got worse fails."""
    refuses_dashboard_edits: bool = False

    def in_scope(self, name: str) -> bool:
        """Whether a prompt belongs to this repository; ``*`` matches ``/`` too, and no pattern means all."""
        return not self.include or any(fnmatchcase(name, pattern) for pattern in self.include)

    def governs(self, label: str) -> bool:
        """Whether only ``deploy`` moves a label, after the checks.

        These are the labels in ``labels:``; without ``labels:``, ``checks:`` governs every label but those
        like ``LABEL.previous``, which release nothing.
        """
        return label in self.labels.values() if self.labels else bool(self.checks) and is_own(label)

    @property
    def is_guarding(self) -> bool:
        """Whether any label is governed."""
        return bool(self.labels or self.checks)

    @property
    def prompts_path(self) -> Path:
        """The directory of the prompt files."""
        return self.root / self.prompts


def find(start: Path) -> Path | None:
    """Return the nearest ``promptsync.yaml`` in a directory or above it."""
    # The parents of a path that contains .. are not the directories above it.
    start = real_path(start)
    candidates = (folder / FILE_NAME for folder in (start, *start.parents))
    return next((path for path in candidates if path.is_file()), None)


def load(path: Path) -> Config:
    """Read a configuration. Raises InvalidConfig, with everything that is wrong with it and where."""
    if path.is_symlink():
        message = f"This is a symbolic link; replace it with its target, {real_path(path)}."
        raise InvalidConfig(path, [Problem(path.name, 1, 1, "file-refused", message)])
    try:
        return parse(path, read(path, path.name))
    except InvalidFile as error:
        raise InvalidConfig(path, error.problems) from None


def parse(path: Path, data: bytes) -> Config:
    """Return the configuration in the contents of a file. Raises ``InvalidConfig`` and ``InvalidFile``."""
    loaded = yaml_load.load(data, path.name)
    problems = schema.check(loaded, path.name, "config") or [*_contradictions(loaded, path.name)]
    # Even a file with other problems may be committed, so a key in it is always reported.
    problems += _keys_in(loaded.text, path.name)
    if problems:
        raise InvalidConfig(path, problems)
    value = loaded.value or {}
    remotes = _remotes(value)
    limits, evaluations = value.get("limits") or {}, value.get("evaluations") or {}
    return Config(
        root=path.parent,
        path=path,
        prompts=PurePosixPath(value.get("prompts", "prompts")).as_posix(),
        default_remote=value.get("remote", LOCAL if LOCAL in remotes else next(iter(remotes))),
        remotes=remotes,
        include=tuple(value.get("include") or ()),
        labels=dict(value.get("labels") or {}),
        checks=tuple(value.get("checks") or ()),
        limits_changes=float(limits.get("changes", 0.5)),
        limits_cells=int(limits.get("cells", 2000)),
        evaluations_reuse=float(evaluations.get("reuse", 24)),
        evaluations_keep=int(evaluations.get("keep", 20)),
        fails_on_noise=evaluations.get("on_noise") != "warn",
        refuses_dashboard_edits=(value.get("deploy") or {}).get("dashboard_edits") == "refuse",
    )


def is_below(directory: str) -> bool:
    """Whether a path, as it may stand in ``prompts:``, is below the directory of the configuration."""
    parts = PurePosixPath(directory).parts
    is_absolute = directory.startswith("/") or re.search(r"^[A-Za-z]:|\\", directory) is not None
    return bool(parts) and ".." not in parts and not is_absolute


def _remotes(value: Mapping[str, Any]) -> dict[str, RemoteConfig]:
    declared = value.get("remotes") or {LOCAL: {"url": "local:"}}
    # In the schema 4.0 is an integer, too.
    return {
        name: convert({"name": name, **remote}, RemoteConfig, strict=False)
        for name, remote in declared.items()
    }


def _contradictions(loaded: yaml_load.Loaded, path: str) -> Iterator[Problem]:
    """Yield what the schema cannot rule out."""
    value = loaded.value or {}
    prompts = value.get("prompts", "prompts")
    if not is_below(prompts):
        message = f"prompts: {prompts} is not below the directory of this file."
        hint = "Write a relative path such as prompts."
        yield Problem(path, *yaml_load.position(loaded.text, ("prompts",)), "config", message, hint=hint)
    remotes = _remotes(value)
    default = value.get("remote")
    if default is not None and default not in remotes:
        message = f"remote: {default} is not one of the remotes: {', '.join(sorted(remotes))}."
        hint = schema.suggestion(default, remotes)
        yield Problem(path, *yaml_load.position(loaded.text, ("remote",)), "config", message, hint=hint)


def is_possible(path: str) -> bool:
    """Whether a file system allows a path. Using any other raises errors of many kinds."""
    try:
        parts = path.encode().split(b"/")
    except UnicodeEncodeError:
        return False
    return "\0" not in path and len(path) < _LONGEST_PATH and all(len(part) <= 255 for part in parts)


def _keys_in(text: str, path: str) -> Iterator[Problem]:
    """Yield the places of anything that looks like an API key, comments included: it would end up in git."""
    for number, line in enumerate(text.splitlines(), 1):
        for key in _KEY_VALUE.finditer(line):
            message = "This looks like an API key. Keys are never read from this file."
            hint = "Remove it, revoke it if it was committed, and set PROMPTLAYER_API_KEY instead."
            yield Problem(path, number, key.start() + 1, "api-key", message, hint=hint)
