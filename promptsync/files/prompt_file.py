"""Prompt files: read strictly, one or all of them, written in the house style, and edited in place."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.errors import Refused, UsageError
from promptsync.files import schema
from promptsync.files.disk import real_path
from promptsync.files.yaml import layout, load
from promptsync.files.yaml.edit import Change, edited
from promptsync.files.yaml.load import InvalidFile
from promptsync.prompt.canonical import canonical, same, to_document, to_prompt
from promptsync.prompt.limits import MAX_DEPTH
from promptsync.prompt.names import SUFFIXES, folded, name_for, path_for
from promptsync.prompt.prompt import KeyPath, Local, Problem, Prompt, tag_set
from promptsync.prompt.snippets import pins

_KEY: Final = r"[1-9][0-9]{0,9}-[0-9a-f]{7}"
_SYNCED: Final = rf"synced: (?:{_KEY}|\[{_KEY}(?:, {_KEY})*\])\r?\n"
_CONFLICT: Final = re.compile(
    rf"<{{7}}.*\n({_SYNCED})(?:\|{{7}}.*\n(?:{_SYNCED})?)?={{7}}\r?\n({_SYNCED})>{{7}}.*(?:\n|\Z)"
)
"""The two sides of a merge, and perhaps what they come from, where git could not merge ``synced:``."""
_MARKER: Final = re.compile(r"(?m)^([<>])\1{6}(?: |\r?$)")
_NAME: Final = re.compile(rb"(?m)^([\"']?)name\1[ \t]*:.*(?:\r?\n(?: +.*)?)*")
"""The key with its value, which may go on below."""


class PromptFile(Struct, frozen=True):
    """A prompt file that was read; ``path`` is relative to the directory of promptsync.yaml, with ``/``.

    ``own_name`` is the name that it states, ``""`` if its path names the prompt. ``conflicted`` is what is on
    the disk where git could not merge ``synced:``, and ``text`` has both keys.
    """

    path: str
    text: str
    prompt: Prompt
    local: Local
    own_name: str = ""
    conflicted: str | None = None

    def position(self, keypath: KeyPath) -> tuple[int, int]:
        """Return the line and column, from 1, of a key or item such as ``("messages", 0, "content")``.

        When the file has no such place it is the nearest thing around it.
        """
        return load.position(self.text, keypath)


def parse(data: bytes, path: str, default_name: str, *, merge_keys: bool = False) -> PromptFile:
    """Read a prompt file; ``default_name`` is its name when it does not state its own.

    ``merge_keys`` reads a file in which git could not merge ``synced:`` alone with the keys of both sides.
    Raises InvalidFile with everything that is wrong and where.
    """
    try:
        loaded, problems = load.load_all(data, path)
    except InvalidFile as error:
        file = _with_both_keys(error, data, path, default_name)
        if file is None:
            raise
        if merge_keys:
            return file
        message = "Git conflict markers: both sides of a merge changed synced:."
        hint = f"promptsync pull --merge {shlex.quote(file.prompt.name)}"
        raise InvalidFile([replace(error.problems[0], message=message, hint=hint)]) from None
    if loaded.value is None and not problems:
        message = "The file is empty: a prompt has messages: or content:."
        raise InvalidFile.at(path, "missing-key", message)
    # A value that could not be read is reported once.
    lines = {problem.line for problem in problems if problem.rule != "yaml-duplicate-key"}
    problems += [problem for problem in schema.check(loaded, path, "prompt") if problem.line not in lines]
    load.check_valid(problems)
    prompt, local = to_prompt(loaded.value, default_name)
    return PromptFile(path, loaded.text, prompt, local, loaded.value.get("name") or "")


def name_in(data: bytes) -> str:
    """Return the name that a prompt file states, ``""`` if none can be read.

    This is for files that are not read as a whole: the rest may be broken.
    """
    is_block = not data.lstrip().startswith((b"{", b"?", b"---"))
    entry = _NAME.search(data) if is_block else None
    if is_block and entry is None:
        return ""
    try:
        value: Any = load.load(entry[0] if entry is not None else data, "").value
    except InvalidFile:
        return ""
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def with_both_keys(text: str) -> str:
    """Return a text with the keys of both sides if git could not merge ``synced:`` alone."""

    def joined(conflict: re.Match[str]) -> str:
        keys = {*re.findall(_KEY, conflict[1] + conflict[2])}
        newest_first = sorted(keys, key=lambda key: (-int(key.partition("-")[0]), key))
        end = "\r\n" if conflict[1].endswith("\r\n") else "\n"
        return f"synced: {layout.flow(newest_first if len(keys) > 1 else newest_first[0])}{end}"

    merged = _CONFLICT.sub(joined, text)
    return text if _MARKER.search(merged) else merged


def _with_both_keys(error: InvalidFile, data: bytes, path: str, default_name: str) -> PromptFile | None:
    """Return the file with both keys if git's markers are around ``synced:`` alone."""
    if error.problems[0].rule != "conflict-markers":
        return None
    text = data.decode()
    joined = with_both_keys(text)
    try:
        file = parse(joined.encode(), path, default_name) if joined != text else None
    except InvalidFile:
        return None
    return replace(file, conflicted=text) if file is not None else None


def render_new(prompt: Prompt, local: Local) -> str:
    """Return the text of a new file in the house style.

    Raises Refused when the prompt contains something that no prompt file can hold.
    """
    document = to_document(prompt, local, explicit=True)
    text = "\n".join(layout.mapping(document, 0)) + "\n"
    _check_reads_back(text, document, prompt.name, explicit=True)
    return text


def render_edit(file: PromptFile, prompt: Prompt, local: Local, *, named: bool = False) -> str:
    """Return the text of a file after an edit that makes it hold ``prompt`` and ``local``.

    Only what changed is replaced, inserted or removed; comments, order, blank lines and quoting of the rest
    stay byte for byte, and a file that holds the same already is returned as it is. ``named`` adds ``name:``
    to a file that changes and has none, so that moving it later does not rename the prompt.
    Raises Refused when the prompt contains something that no prompt file can hold, or a comment would go.
    """
    if tag_set(file.prompt) == tag_set(prompt):
        prompt = replace(prompt, tags=file.prompt.tags)
    if same(canonical(file.prompt), canonical(prompt)):
        prompt = replace(file.prompt, name=prompt.name, tags=prompt.tags)
    full = to_document(prompt, local, explicit=True)
    document, before = to_document(prompt, local), to_document(file.prompt, file.local)
    if same(before, document):
        return file.text
    source = file.text.replace("\r\n", "\n")
    if not source.endswith("\n"):
        source += "\n"
        before = to_document(*to_prompt(load.load(source.encode(), file.path).value, file.prompt.name))
    raw = load.load(source.encode(), file.path).value
    if named and "name" not in raw:
        before = {key: value for key, value in before.items() if key != "name"}
    # First what keeps the file's own way to state things, then what writes them out.
    for change in (Change(raw, before, document, full), Change(raw, raw, full, full)):
        text = edited(source, change)
        # An edit is only a proposal, so it is read back before it counts.
        with contextlib.suppress(Refused):
            if text is not None:
                _check_reads_back(text, document, prompt.name)
                break
    else:
        # In the house style, below the comments that the file starts with.
        start = re.match(r"(?:[ \t]*(?:#[^\n]*)?\n)*", source)[0]  # type: ignore[index]
        text = start + "\n".join([*layout.mapping(full, 0), ""])
        _check_reads_back(text, document, prompt.name)
        if "#" in source[len(start) :]:
            message = f"{file.path} cannot be edited without losing its comments"
            hint = f"delete the comments in {file.path}, or write it without brackets and anchors"
            raise Refused(message, hint=hint, code="unwritable")
    return text.replace("\n", "\r\n") if "\r\n" in file.text else text


def _check_reads_back(text: str, document: Mapping[str, Any], name: str, *, explicit: bool = False) -> None:
    """Raise ``Refused`` if a text is no valid prompt file, or says something else than ``document``."""
    reason = "it does not read back as it was written"
    try:
        file = parse(text.encode(), "", name)
        if same(to_document(file.prompt, file.local, explicit=explicit), document):
            return
    except InvalidFile as error:
        reason = error.problems[0].message
    raise Refused(f"{name!r} cannot be written to a prompt file: {reason}", code="unwritable")


# -- the directory of prompt files, whatever state it is in -------------------------------------------------


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
        place, base = real_path(top), real_path(root)
        hint = f"replace the link with a directory: prompts must be below {root}"
        if place.is_relative_to(base):
            hint = f"set prompts in promptsync.yaml to {place.relative_to(base).as_posix()}"
        raise UsageError(
            f"the prompts directory {link} is a symbolic link, and git does not have its target",
            hint=hint,
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
