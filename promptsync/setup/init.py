"""Init: the files of a new working copy. Existing files are kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct

from promptsync.errors import Refused, UsageError
from promptsync.files.config import FILE_NAME, Config, find, is_below, load, parse
from promptsync.files.disk import DIRECTORY, real_path, write
from promptsync.files.worktree import scan
from promptsync.files.yaml.layout import inline
from promptsync.registry.address import LOCAL, address
from promptsync.setup.new_prompt import new_text

EXAMPLE: Final = "hello.yaml"
VENDOR: Final = "https://api.promptlayer.com"

_CONFIG: Final = """\
# `promptsync schema config` prints everything that this file may contain.

# Directory of the prompt files, relative to this file.
prompts: {prompts}

# The default registry; --remote NAME chooses another one for a single command.
remote: {remote}

remotes:
  # Embedded: a database in .promptsync/ on this machine. It needs no account and no network.
  local: {{url: "local:"}}
  # Its key comes from the environment variable PROMPTLAYER_API_KEY, never from a file.
  {production}

# The prompts that belong to this repository, by name; * also matches /. Default: all of them.
{include}
"""
_INCLUDE: Final = '# include: ["support/*"]'


class Started(Struct, frozen=True):
    """What init did: ``created``, ``changed`` or ``kept`` for each path below ``root``."""

    root: Path
    config: Config
    outcomes: Mapping[str, str]


class ConfigDraft(Struct, frozen=True):
    """A configuration, and the text that its new file will get: ``None`` where there is a file."""

    config: Config
    text: str | None


def draft(
    root: Path, *, prompts: str | None = None, url: str | None = None, include: Sequence[str] = ()
) -> ConfigDraft:
    """Return the configuration that a directory has or will get. Writes nothing.

    ``prompts`` and ``url``, the registry to use instead of the embedded one, are for a new configuration.
    Raises ``UsageError`` for an invalid argument or configuration, and for an existing one that includes
    other prompts than ``include``.
    """
    path = root / FILE_NAME
    if not (path.exists() or path.is_symlink()):
        text = _configuration(prompts or "prompts", url, include)
        return ConfigDraft(parse(path, text.encode()), text)
    config = load(path)
    if not include or set(include) == set(config.include):
        return ConfigDraft(config, None)
    other = f"includes other prompts: {', '.join(config.include)}" if config.include else "has no include:"
    raise UsageError(f"{path} exists and {other}", hint=f"write in {FILE_NAME}: {_include(include)}")


def start(root: Path, drafted: ConfigDraft, *, example: bool = True) -> Started:
    """Make a directory a working copy; doing so again changes nothing.

    With ``example`` a new working copy of the embedded registry without prompts gets a first one. Raises
    ``UsageError`` for a directory that cannot be created, and ``Refused`` inside the prompts directory of
    another working copy.
    """
    _check_around(root)
    config = drafted.config
    is_new = drafted.text is not None
    outcomes = {FILE_NAME: "created" if is_new else "kept"}
    if drafted.text is not None:
        write(root, FILE_NAME, drafted.text)
    needs_example = example and is_new and config.remotes[config.default_remote].url == LOCAL
    needs_example = needs_example and not scan(root, config.prompts).paths
    outcomes[f"{config.prompts}/"] = _make(config.prompts_path)
    if needs_example:
        target = f"{config.prompts}/{EXAMPLE}"
        outcomes[target] = "created"
        write(root, target, new_text(PurePosixPath(EXAMPLE).stem), within=config.prompts)
    outcomes[".gitignore"] = _ignore(root)
    return Started(root, config, outcomes)


def _check_around(root: Path) -> None:
    """Raise ``Refused`` inside the prompts directory of another working copy."""
    above = find(root.parent) if root.parent != root else None
    with contextlib.suppress(UsageError):
        if above is not None and real_path(root).is_relative_to(real_path(load(above).prompts_path)):
            raise Refused(
                f"{root} is inside the prompts directory of {above}, which a second {FILE_NAME} would split",
                hint="promptsync status\npromptsync -C DIRECTORY init",
                code="nested",
            )


def _configuration(prompts: str, url: str | None, include: Sequence[str]) -> str:
    if not is_below(prompts):
        raise UsageError(
            f"--prompts {prompts} is not below this directory", hint="pass a relative path, such as prompts"
        )
    production = f"# production: {{url: {VENDOR}}}"
    is_local = url in (None, LOCAL)
    if url is not None and not is_local:
        checked = url if url.startswith(LOCAL) else address(url).base
        production = f"production: {{url: {json.dumps(checked, ensure_ascii=False)}}}"
    return _CONFIG.format(
        prompts=inline(PurePosixPath(prompts).as_posix()),
        remote="local" if is_local else "production",
        production=production,
        include=_include(include) if include else _INCLUDE,
    )


def _include(patterns: Sequence[str]) -> str:
    # JSON is YAML too, so that no pattern needs quoting rules of its own.
    return f"include: {json.dumps(list(patterns), ensure_ascii=False)}"


def _make(folder: Path) -> str:
    """Create a directory; returns ``created`` or ``kept``."""
    if folder.is_dir():
        return "kept"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(
            f"cannot create {folder}: {error.strerror}", hint="choose another directory with --prompts"
        ) from None
    return "created"


def _ignore(root: Path) -> str:
    """Make git ignore the private directory; returns ``created``, ``changed`` or ``kept``."""
    path = root / ".gitignore"
    line = f"{DIRECTORY}/"
    try:
        present = path.read_bytes().decode()  # not as text, because its line ends must stay
    except FileNotFoundError:
        write(root, path.name, f"{line}\n")
        return "created"
    except (OSError, UnicodeDecodeError):
        return "kept"
    if {line, DIRECTORY, f"/{line}", f"/{DIRECTORY}"} & {entry.strip() for entry in present.splitlines()}:
        return "kept"
    separator = "" if not present or present.endswith("\n") else "\n"
    write(root, path.name, f"{present}{separator}{line}\n")
    return "changed"
