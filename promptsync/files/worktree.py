"""The directory of prompt files: reads all of it, whatever state it is in."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from promptsync.errors import UsageError
from promptsync.files.prompt_file import PromptFile, name_in, parse
from promptsync.files.yaml import load
from promptsync.files.yaml.load import InvalidFile
from promptsync.prompt.limits import MAX_DEPTH
from promptsync.prompt.names import SUFFIXES, folded, name_for, path_for
from promptsync.prompt.prompt import Problem
from promptsync.prompt.snippets import pins


class Worktree(Struct, frozen=True):
    """The prompt files of a working copy.

    ``files`` are those that could be read, by prompt name and in the order of their paths. ``problems`` says
    what could not be read and which files contradict one another. ``paths`` are all prompt files, readable or
    not, as paths relative to ``root`` with ``/``, and ``broken`` the names in those that are not, by path.
    """

    root: Path
    prompts: str
    files: dict[str, PromptFile] = {}
    problems: tuple[Problem, ...] = ()
    paths: tuple[str, ...] = ()
    broken: dict[str, str] = {}


def scan(root: Path, prompts_dir: str, *, merge_keys: bool = False) -> Worktree:
    """Read every prompt file below a directory; a broken one becomes a problem and stops nothing.

    ``merge_keys`` reads files in which git could not merge ``synced:`` alone with the keys of both sides.
    A directory that does not exist is empty. Raises UsageError when it cannot be listed.
    """
    places: dict[str, Path] = {}
    problems: list[Problem] = []
    top = root / prompts_dir
    links = (folder for folder in (top, *top.parents) if folder != root and folder.is_relative_to(root))
    if (link := next((folder for folder in links if folder.is_symlink()), None)) is not None:
        raise UsageError(
            f"the prompts directory {link} is a symbolic link, and git does not have its target",
            hint=f"set prompts in promptsync.yaml to its target, {os.path.realpath(link)}",
            code="prompts-directory",
        )
    if top.exists():
        try:
            walk(top, prompts_dir, places, problems)
        except OSError as error:
            raise UsageError(
                f"the prompts directory {top} cannot be read: {error.strerror}",
                hint=f"ls -ld {top}\nor fix prompts: in promptsync.yaml",
                code="prompts-directory",
            ) from None
    return _read(root, prompts_dir, places, problems, merge_keys=merge_keys)


def load_paths(root: Path, prompts_dir: str, paths: Iterable[Path]) -> Worktree:
    """Read only these files, and the prompt files below these directories.

    Files outside the prompts directory are read too, because a draft may be anywhere.
    """
    places: dict[str, Path] = {}
    problems: list[Problem] = []
    base = Path(os.path.abspath(root))  # noqa: PTH100 -- resolve() would follow links
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100
        shown = (absolute.relative_to(base) if absolute.is_relative_to(base) else path).as_posix()
        if path.is_dir():
            walk(path, shown, places, problems)
        else:
            places[shown] = path
    return _read(root, prompts_dir, dict(sorted(places.items())), problems)


def pins_in(files: Mapping[str, PromptFile]) -> dict[str, dict[str, set[int]]]:
    """Return who pins which versions, by snippet and by user."""
    users: dict[str, dict[str, set[int]]] = {}
    for user, file in files.items():
        for snippet, versions in pins(file.prompt.template).items():
            if snippet != user:
                users.setdefault(snippet, {})[user] = versions
    return users


def paths_for_new(
    worktree: Worktree, names: Iterable[str], wishes: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Return a path for each prompt that has no file yet; no file system takes two of them for the same.

    ``wishes`` are paths that prompts had before, which they get again unless they are taken.
    """
    prefix = f"{worktree.prompts}/"
    taken = {folded(path.removeprefix(prefix)) for path in worktree.paths}
    chosen: dict[str, str] = {}
    # Prompts with a path of their own choose first, and the order never depends on that of the registry.
    for name in sorted(names, key=lambda name: (name not in wishes, name)):
        path = wishes.get(name, "").removeprefix(prefix)
        if not path or folded(path) in taken:
            path = path_for(name)
        if folded(path) in taken:
            path = path_for(name, [path])
        taken.add(folded(path))
        chosen[name] = prefix + path
    return chosen


def is_skipped(name: str) -> bool:
    """Whether files and directories of this name are ignored: hidden ones, and those of editors."""
    return name.startswith((".", "#")) or name.endswith("~")


def walk(folder: Path, shown: str, places: dict[str, Path], problems: list[Problem]) -> None:
    """Add the YAML files below a directory, which ``shown`` names, to ``places``, and what is refused."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        path = f"{shown}/{entry.name}" if shown not in ("", ".") else entry.name
        # A suffix in capitals is refused with a reason below instead of being ignored.
        is_prompt = entry.name.lower().endswith(SUFFIXES)
        is_directory = entry.is_dir(follow_symlinks=False)
        # A link that leads nowhere may be a directory of prompts that cannot be reached.
        is_far = entry.is_symlink() and not os.path.isfile(entry.path)  # noqa: PTH113
        if is_skipped(entry.name) or not (is_prompt or is_directory or is_far):
            continue
        rule, reason = "file-refused", ""
        if _printable(entry.name) != entry.name:
            reason = "The file name is not UTF-8; rename the file."
        elif entry.is_symlink():
            reason = "This is a symbolic link; replace it with its target."
        elif is_directory and path.count("/") > MAX_DEPTH:
            reason = f"The directory is more than {MAX_DEPTH} levels deep."
        elif is_directory:
            try:
                walk(Path(entry.path), path, places, problems)
            except OSError as error:
                rule, reason = "file-unreadable", f"The directory cannot be read: {error.strerror}."
        elif not entry.is_file():
            reason = "This is neither a file nor a directory."
        elif not entry.name.endswith(SUFFIXES):
            reason = f"The suffix must be {SUFFIXES[0]} in lower case; rename the file."
        else:
            places[path] = Path(entry.path)
        if reason:
            problems.append(Problem(_printable(path), 1, 1, rule, reason))


def _read(
    root: Path,
    prompts_dir: str,
    places: Mapping[str, Path],
    problems: list[Problem],
    *,
    merge_keys: bool = False,
) -> Worktree:
    paths: dict[str, str] = {}
    files: dict[str, PromptFile] = {}
    broken: dict[str, str] = {}
    for shown, place in places.items():
        # A clone on macOS or Windows would have only one of two such files.
        twin = paths.setdefault(folded(shown), shown)
        if twin != shown:
            message = f"Some file systems cannot tell this path from {twin} (case, accents)."
            problems.append(Problem(shown, 1, 1, "path-twin", message, hint="Rename one of the files."))
        name, data = name_for(shown.removeprefix(f"{prompts_dir}/")), b""
        try:
            data = read(place, shown)
            file = parse(data, shown, name, merge_keys=merge_keys)
        except InvalidFile as error:
            problems.extend(error.problems)
            broken[shown] = name_in(data) or name
            continue
        other = files.setdefault(file.prompt.name, file)
        if other is not file:
            line, column = file.position(("name",))
            message = f"{other.path} also contains the prompt {file.prompt.name}."
            hint = "Rename or delete one of them."
            problems.append(Problem(shown, line, column, "name-duplicate", message, hint=hint))
            broken[shown] = file.prompt.name
    return Worktree(root, prompts_dir, files, tuple(sorted(problems)), tuple(places), broken)


def read(path: Path, shown: str, most: int = load.MAX_BYTES) -> bytes:
    """Return the content of a regular file, up to ``most`` bytes. Raises InvalidFile."""
    reason = "it is not a regular file"
    try:
        if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 -- pathlib would take longer than the system
            with open(path, "rb") as file:  # noqa: PTH123
                return load.read(file, _printable(shown), most)
    except OSError as error:
        reason = error.strerror or str(error)
    raise InvalidFile.at(_printable(shown), "file-unreadable", f"The file cannot be read: {reason}.")


def _printable(path: str) -> str:
    """Return a path as text; bytes that are not UTF-8 are shown as ``\\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
