"""Init: the files of a new working copy. What is there already is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from promptsync.errors import Refused, UsageError
from promptsync.files.config import FILE_NAME, Config, find, load, parse
from promptsync.files.schema import schema
from promptsync.files.state.disk import DIRECTORY, write
from promptsync.files.yaml.layout import is_ambiguous
from promptsync.prompt.names import SUFFIXES
from promptsync.registry.address import LOCAL, address

EXAMPLE: Final = "hello.yaml"

_CONFIG: Final = """\
# Where the prompts are and which registries they go to.
# promptsync schema config prints everything that may stand here.

# Directory of the prompt files, relative to this file.
prompts: {prompts}

# The default registry; --remote NAME chooses another one for a single command.
remote: {remote}

remotes:
  # Embedded: a database in .promptsync/ on this machine. It needs no account and no network.
  local: {{url: "local:"}}
  # The key is taken from the environment variable PROMPTLAYER_API_KEY. It never stands in a file.
  {production}

# Which prompts belong to this repository, by name; * crosses /. Without it: all of them.
{include}
"""
_INCLUDE: Final = '# include: ["support/*"]'
VENDOR: Final = "https://api.promptlayer.com"
_EXAMPLE: Final = """\
# yaml-language-server: $schema={schema}
#
# One prompt. `promptsync render hello --example 1` shows what a model would see, `promptsync push` publishes
# it. Rename or delete this file as you like.
name: hello
template_format: jinja2
model:
  provider: openai
  name: gpt-4o-mini
  parameters: {{temperature: 0.3}}
messages:
  - role: system
    content: |
      You answer customers of {{{{ company }}}}. Be brief and friendly, and say so when you do not know.
  - role: user
    content: "{{{{ question }}}}"
# Sample values for the variables. They stay here: they are never published.
examples:
  - company: Fernweh Outdoor
    question: Do you repair boots?
"""
_PLAIN: Final = re.compile(r"[A-Za-z][\w./-]*")


@dataclass(frozen=True, slots=True)
class Started:
    """What init did. ``created``, ``changed`` and ``kept`` are paths below ``root``; ``above`` is the
    configuration of a working copy around this one, if there is one."""

    root: Path
    config: Config
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    above: Path | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration, and the text that its file is to get; ``None`` where the file is there and says it."""

    config: Config
    text: str | None


def draft(
    root: Path, *, prompts: str | None = None, url: str | None = None, include: Sequence[str] = ()
) -> Draft:
    """Return the configuration that a directory has or would be given. Writes nothing.

    Raises ``UsageError`` for a bad argument, a bad configuration, and one that includes other prompts.
    """
    path = root / FILE_NAME
    if not (path.exists() or path.is_symlink()):
        text = _configuration(prompts or "prompts", url, include)
        return Draft(parse(path, text.encode()), text)
    config = load(path)
    if not include or set(include) == set(config.include):
        return Draft(config, None)
    if config.include:
        raise UsageError(
            f"{path} is there, and includes other prompts: {', '.join(config.include)}",
            hint="leave out --include, or change include: there",
        )
    return _included(config, include)


def _included(config: Config, include: Sequence[str]) -> Draft:
    """Return a configuration without ``include`` that gets one; what it says otherwise stays."""
    present = config.path.read_bytes().decode()
    end = "\r\n" if "\r\n" in present else "\n"
    separator = "" if present.endswith("\n") else end
    text = f"{present}{separator}{_include(include)}{end}"
    wanted = replace(config, include=tuple(include))
    try:
        found = parse(config.path, text.encode())
    except UsageError:
        found = None
    if found != wanted:
        raise UsageError(
            f"{config.path} has no include, and is written so that a line cannot be added",
            hint=f"add it yourself: {_include(include)}",
        )
    return Draft(wanted, text)


def start(
    root: Path,
    *,
    prompts: str | None = None,
    url: str | None = None,
    example: bool | None = None,
    include: Sequence[str] = (),
) -> Started:
    """Make a directory a working copy; doing it again changes nothing.

    ``url`` is the registry to begin with instead of the embedded one. ``example`` says whether to write a
    first prompt; by default one is written where nothing else is: for the embedded registry, into a directory
    without prompts. ``include`` is added to a configuration that says nothing of it. Raises ``UsageError``
    for a bad argument and ``Refused`` inside the prompts of another working copy.
    """
    above = _around(root)
    was_there = (root / FILE_NAME).exists() or (root / FILE_NAME).is_symlink()
    drafted = draft(root, prompts=prompts, url=url, include=include)
    config = drafted.config
    done: dict[str, list[str]] = {"created": [], "changed": [], "kept": []}
    if drafted.text is not None:
        write(root, FILE_NAME, drafted.text)
    done["kept" if drafted.text is None else "changed" if was_there else "created"].append(FILE_NAME)
    is_empty = not _has_prompts(config.prompts_path)
    if config.prompts_path.is_dir():
        done["kept"].append(f"{config.prompts}/")
    else:
        _make(config.prompts_path)
        done["created"].append(f"{config.prompts}/")
    wanted = example if example is not None else url is None and not was_there and is_empty
    if wanted:
        target = f"{config.prompts}/{EXAMPLE}"
        done["kept" if (root / target).exists() else "created"].append(target)
        if not (root / target).exists():
            write(root, target, _EXAMPLE.format(schema=schema("prompt")["$id"]), within=config.prompts)
    done[_ignore(root)].append(".gitignore")
    created, changed, kept = (tuple(done[word]) for word in ("created", "changed", "kept"))
    return Started(root, config, created, changed, kept, above)


def _around(root: Path) -> Path | None:
    """Return the configuration above a directory. Raises ``Refused`` inside its prompts."""
    above = find(root.parent) if root.parent != root else None
    if above is None:
        return None
    try:
        prompts = load(above).prompts_path
    except UsageError:
        return above
    if root.resolve().is_relative_to(prompts.resolve()):
        raise Refused(
            f"{root} is inside the prompts directory of {above}: a second {FILE_NAME} there would split them",
            hint=f"run promptsync status, which finds {above} from here, or choose another directory with -C",
            code="nested",
        )
    return above


def _configuration(prompts: str, url: str | None, include: Sequence[str] = ()) -> str:
    parts = PurePosixPath(prompts).parts
    if not parts or ".." in parts or prompts.startswith("/") or re.match(r"[A-Za-z]:|.*\\", prompts):
        raise UsageError(
            f"--prompts {prompts} is no directory below this one", hint="give a relative path such as prompts"
        )
    production = f"# production: {{url: {VENDOR}}}"
    is_local = url is None or url == LOCAL
    if url is not None and not is_local:
        checked = url if url.startswith(LOCAL) else address(url).base
        production = f"production: {{url: {json.dumps(checked, ensure_ascii=False)}}}"
    return _CONFIG.format(
        prompts=_scalar(PurePosixPath(prompts).as_posix()),
        remote="local" if is_local else "production",
        production=production,
        include=_include(include) if include else _INCLUDE,
    )


def _include(patterns: Sequence[str]) -> str:
    return f"include: {json.dumps(list(patterns), ensure_ascii=False)}"


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and not is_ambiguous(text) else json.dumps(text, ensure_ascii=False)


def _has_prompts(folder: Path) -> bool:
    return any(path.suffix in SUFFIXES for path in folder.rglob("*"))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be made: {error.strerror}", hint="choose another --prompts"
        ) from None


def _ignore(root: Path) -> str:
    """Keep the private directory out of git; returns ``created``, ``changed`` or ``kept``."""
    path = root / ".gitignore"
    line = f"{DIRECTORY}/"
    try:
        present = path.read_bytes().decode()  # as it is: its line ends are somebody's choice
    except FileNotFoundError:
        write(root, path.name, f"{line}\n")
        return "created"
    except (OSError, UnicodeDecodeError):
        return "kept"
    if {line, DIRECTORY, f"/{line}", f"/{DIRECTORY}"} & {one.strip() for one in present.splitlines()}:
        return "kept"
    separator = "" if not present or present.endswith("\n") else "\n"
    write(root, path.name, f"{present}{separator}{line}\n")
    return "changed"
