"""What arguments mean: names, patterns, paths of files and directories, and one version of a prompt."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct, structs

from promptsync.errors import UsageError
from promptsync.files.prompt_file import load_paths
from promptsync.project.project import Project
from promptsync.prompt.names import SUFFIXES, name_for, path_for

_WILD = frozenset("*?[")
_LONGEST_NUMBER = 18
"""Digits of a version number; more would overflow the 64 bits of a database."""


class NoSuchPrompt(UsageError):
    """A prompt that an argument names does not exist."""

    code = "not-found"


class At(Struct, frozen=True):
    """One version of a prompt: a number, the one under a label, or the latest where both are ``None``."""

    number: int | None = None
    label: str | None = None

    def __bool__(self) -> bool:
        return self != LATEST

    def __str__(self) -> str:
        return f"v{self.number}" if self.number is not None else self.label or "latest"


LATEST: Final = At()


class PromptAt(Struct, frozen=True):
    """A prompt that an argument means, and which version of it.

    ``is_exact`` says that it was named, and did not only match a pattern or lie in a directory. A pattern
    means only those prompts that have the version or the label, where one is specified.
    """

    name: str
    at: At = LATEST
    is_exact: bool = True


def resolve(
    project: Project,
    arguments: Iterable[str],
    known: Collection[str],
    *,
    at: At = LATEST,
    with_versions: bool = True,
    missing: Callable[[str, Collection[str]], UsageError] | None = None,
) -> list[PromptAt]:
    """Return the prompts that arguments mean, each once; ``known`` are the names of all that they may mean.

    An argument is a name, a pattern whose ``*`` crosses ``/``, or the path of a file or directory, and
    ``with_versions`` each may be followed by ``@N`` or ``:LABEL``. ``at`` is the version that an option
    specifies for all of them. A name may itself contain ``@`` and ``:``, and the longest name that exists
    wins. The path of a deleted file means the prompt that has this path by default.

    Raises ``UsageError`` for a prompt at two versions, and what ``missing`` returns for an argument that
    means nothing, by default that the registry does not have the prompt.
    """
    missing = missing or partial(no_such_prompt, project)
    targets = [
        target
        for argument in arguments
        for target in _meaning(project, argument, known, with_versions, missing)
    ]
    twice = next((target for target in targets if at and target.at and target.at != at), None)
    if twice is not None:
        raise UsageError(
            f"{twice.name} is specified at {twice.at} and by an option at {at}",
            hint="remove one of the two",
        )
    if at:
        targets = [structs.replace(target, at=at) for target in targets]
    once: dict[tuple[str, At], PromptAt] = {}
    for target in targets:
        if target.is_exact or (target.name, target.at) not in once:
            once[target.name, target.at] = target
    return list(once.values())


def _meaning(
    project: Project,
    argument: str,
    known: Collection[str],
    with_versions: bool,
    missing: Callable[[str, Collection[str]], UsageError],
) -> list[PromptAt]:
    readings = list(_readings(argument)) if with_versions else [(argument, LATEST)]
    # Paths first, then single names, then the list of all names: in the order of what they cost.
    for text, at in readings:
        if names := names_at(project, text):
            is_file = text.endswith(SUFFIXES)
            if is_file and names[0] in known:
                return [PromptAt(names[0], at)]
            everything = list(known)
            meant = [name for inside in names for name in _existing(inside, everything)]
            if not meant:
                raise missing(names[0], everything)
            return [PromptAt(name, at, is_file) for name in meant]
    for text, at in readings:
        if not is_pattern(text) and text in known:
            return [PromptAt(text, at)]
    everything = list(known)
    for text, at in readings:
        if meant := _existing(text, everything):
            return [PromptAt(name, at, is_exact=text in everything) for name in meant]
    # The error suggests a name for the shortest reading that has a similar one.
    texts = [text for text, _ in reversed(readings)]
    close = next((text for text in texts if close_name(text, everything) is not None), argument)
    first, dots, last = argument.partition("..")
    name, _, label = first.rpartition("@")
    if with_versions and name in everything:  # a label stands behind a colon, and a range is two arguments
        pair = shlex.join([first, f"{name}@{last.rpartition('@')[2]}"])
        hint = f"promptsync diff {pair}" if dots else f"did you mean {f'{name}:{label}'!r}?"
        raise missing(argument, everything).replaced(hint=hint)
    raise missing(close, everything)


def _existing(text: str, known: Collection[str]) -> list[str]:
    """Return a name that exists, or the names that a pattern matches, whose ``*`` crosses ``/``."""
    if text in known or not is_pattern(text):
        return [text] if text in known else []
    return sorted(name for name in known if fnmatchcase(name, text))


def may_have_version(argument: str) -> bool:
    """Whether an argument may specify a version; names may contain the same characters."""
    return "@" in argument or ":" in argument


def _readings(argument: str) -> Iterator[tuple[str, At]]:
    """Yield every way to read an argument as a name and a version, the longest name first."""
    yield argument, LATEST
    for place in range(len(argument) - 1, 0, -1):
        rest = argument[place + 1 :]
        if argument[place] == "@" and (number := version_number(rest)) is not None:
            yield argument[:place], At(number=number)
        elif argument[place] == ":" and rest:
            yield argument[:place], At(label=rest)


def version_number(text: str) -> int | None:
    """Return the number in ``7`` or ``v7``, ``None`` for any other text."""
    digits = text.removeprefix("v")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER
    return int(digits) if is_number else None


def check_exact(project: Project, arguments: Sequence[str], option: str) -> None:
    """Raise ``UsageError`` unless the prompts that ``option`` may overwrite are each named exactly.

    Names and paths of files are exact, patterns and directories are not.
    """
    if not arguments:
        raise UsageError(f"{option} needs the names of the prompts", hint="promptsync status")
    for argument in arguments:
        is_path = bool(names_at(project, argument))
        if not argument.endswith(SUFFIXES) if is_path else is_pattern(argument):
            what = "directory" if is_path else "pattern"
            raise UsageError(
                f"{option} needs exact names, and {argument!r} is a {what}",
                hint=f"promptsync status {shlex.quote(argument)}",
            )


def names_at(project: Project, argument: str) -> list[str]:
    """Return the prompts at a path, a pattern for a directory without files, ``[]`` for what is no path."""
    prompts = project.config.prompts
    top = Path(os.path.abspath(project.root / prompts))  # noqa: PTH100 -- resolve() would follow links
    place = Path(os.path.abspath((project.given_directory or project.root) / argument))  # noqa: PTH100
    if not argument or not place.is_relative_to(top):
        return []
    inside = place.relative_to(top).as_posix()
    if place.is_dir() and not any(place.with_name(place.name + suffix).exists() for suffix in SUFFIXES):
        files = load_paths(project.root, prompts, [place]).files
        return sorted(files) or ["*" if place == top else f"{inside}/*"]
    if not place.name.endswith(SUFFIXES):
        return []
    files = load_paths(project.root, prompts, [place]).files if place.exists() else {}
    return list(files) or [name_for(inside)]


# -- names that do not exist --------------------------------------------------------------------------------


def unknown(
    argument: str, known: Collection[str], prompts: str = "", *, where: str = "your files or the registry"
) -> NoSuchPrompt:
    """Return the error for an argument that means no prompt, with a suggestion.

    ``prompts`` is the prompts directory, with which a path begins. ``where`` says what was searched.
    """
    if is_pattern(argument):
        message = f"no prompt matches {argument!r}"
    else:
        message = f"there is no prompt {argument!r} in {where}"
    close = _suggestion(argument, known, prompts)
    return NoSuchPrompt(message, hint=f"did you mean {close!r}?" if close else "promptsync status -v")


def no_such_prompt(project: Project, name: str, names: Collection[str]) -> NoSuchPrompt:
    """Return the error for a name that the registry does not have, or has archived."""
    if (error := archived(project, name)) is not None:
        return error
    error = unknown(name, names, where=project.registry.url)
    if (project.config.prompts_path / path_for(name)).is_file():
        return error.replaced(hint=f"promptsync push {shlex.quote(name)}")
    return error if "did you mean" in error.hint else error.replaced(hint="promptsync ls-remote")


def archived(project: Project, name: str) -> NoSuchPrompt | None:
    """Return the error for a prompt that the registry has archived, ``None`` if it has not."""
    found = project.registry.prompts.list(status="deleted", name=name)
    version = next((version for version in found if version.name == name), None)
    if version is None:
        return None
    path = project.config.prompts_path / path_for(name)
    # --restore publishes the file, so a deleted file has to be restored first
    hint = f"git log -- {shlex.quote(str(path))}"
    if path.is_file():
        hint = f"promptsync push {shlex.quote(name)} --restore"
    return NoSuchPrompt(f"there is no prompt {name!r} in {project.registry.url}: it is archived", hint=hint)


def is_pattern(text: str) -> bool:
    """Whether a text has wildcards; a name that has some itself is still found as a name."""
    return bool(_WILD & set(text))


def _suggestion(argument: str, known: Collection[str], prompts: str) -> str | None:
    """Return the closest name, or a pattern for the closest folder, ``None`` if none is close."""
    folders = {str(folder) for name in known for folder in PurePosixPath(name).parents} - {"."}
    text = argument.removeprefix(f"{prompts}/").rstrip("/")
    for suffix in SUFFIXES:
        text = text.removesuffix(suffix)
    # The path of a directory that is gone means nothing, but a pattern does.
    close = text if text in folders else close_name(text, [*known, *folders])
    return f"{close}/*" if close in folders and close not in known else close


def close_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant, ``None`` when no name is close."""
    import difflib  # imported only here, because most names exist

    names = list(names)
    same_end = [other for other in names if other.endswith(f"/{name}")]
    return next(iter(same_end or difflib.get_close_matches(name, names, 1)), None)
