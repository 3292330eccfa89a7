"""The name that a prompt file gives itself, read without parsing the rest: for old blobs and broken files."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from promptsync.errors import PromptsyncError
from promptsync.files.state.private import DIRECTORY, private_directory, read_json, write_json
from promptsync.files.worktree import Worktree, is_skipped
from promptsync.prompt.names import SUFFIXES, name_for

_PLAIN = re.compile(rb"^name:[ \t]+(?P<value>[A-Za-z][\w.-]*(?:/[\w.-]+)+)[ \t]*\r?\n(?=\S)", re.MULTILINE)
"""A name that is text in every reading of YAML, and does not go on in the next line: most names."""
_LINE = re.compile(rb"^name:[ \t]*(?P<value>[^\r\n]*)", re.MULTILINE)
_MAY_HAVE_NAME = re.compile(rb"^(?:\xef\xbb\xbf)?(?:name|[\"'?{&!]|---[ \t]+[^ \t#])", re.MULTILINE)
"""What begins a line of a file that has a name, as far as one can tell without a parser."""


def name_in(data: bytes) -> str:
    """Return the name in a file, ``""`` when there is none that can be read.

    The rest of the file may be broken, or missing.
    """
    found = _PLAIN.search(data)
    if found is not None and not data.lstrip().startswith(b"{"):
        return found["value"].decode("ascii")
    return _parsed(data) if _MAY_HAVE_NAME.search(data) else ""


def _parsed(data: bytes) -> str:
    import yaml

    try:
        return _name(yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, ValueError):
        return _in_one_line(data)


def _in_one_line(data: bytes) -> str:
    """Return the name of the first ``name:`` line of a file that is broken before it."""
    import yaml

    found = _LINE.search(data)
    try:
        value: Any = yaml.safe_load(found["value"].decode("utf-8")) if found is not None else ""
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError):
        return ""  # constructors of odd tags raise what they like
    return value if isinstance(value, str) else ""


def _name(events: Any) -> str:
    """Return the value of the key ``name`` of a mapping, of which the events are read as far as that."""
    import yaml

    depth, is_key, key = 0, True, ""
    for event in events:
        if depth == 0 and isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent):
            return ""
        if depth == 1 and isinstance(event, yaml.ScalarEvent):
            if key == "name" and not is_key:
                return event.value if _is_text(event) else ""
            key = event.value if is_key else ""
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth == 1 and isinstance(event, yaml.ScalarEvent | yaml.AliasEvent | yaml.CollectionEndEvent):
            is_key = not is_key
    return ""


def _is_text(event: Any) -> bool:
    import yaml

    if event.tag is not None:
        return False
    is_plain = event.implicit[0]
    resolver: Any = yaml.resolver.Resolver
    tag = resolver().resolve(yaml.ScalarNode, event.value, (is_plain, not is_plain))
    return bool(tag == "tag:yaml.org,2002:str")


_HEAD: Final = 65536
"""Bytes of a file that are searched for its name."""

_CHECKS: Final = re.compile(rb"^(?:evaluations|agents):.*(?:\n(?:[ \t#-].*)?)*", re.MULTILINE)
_MOST: Final = 1_000_000
"""Bytes of a file up to which the evaluations and agents in it are looked for."""


def prompt_names(root: Path, prompts: str) -> Iterator[str]:
    """Yield the names of the prompt files below a directory, those of broken files too."""
    for path, shown in _files(root / prompts):
        try:
            with path.open("rb") as file:
                yield name_in(file.read(_HEAD)) or name_for(shown)
        except OSError:
            continue


def check_names(root: Path, prompts: str, kind: str) -> Iterator[str]:
    """Yield the evaluations or agents, as ``kind`` says, that prompt files name; some more than once."""
    for path, _ in _files(root / prompts):
        try:
            if path.stat().st_size > _MOST:
                continue
            data = path.read_bytes()
        except OSError:
            continue
        if kind.encode() in data:
            for part in _CHECKS.findall(data):
                yield from names_of(_loaded(part), kind)


def fixture_names(path: Path, kind: str) -> Iterator[str]:
    """Yield the evaluations or agents of a fixtures file."""
    try:
        yield from names_of(_loaded(path.read_bytes()), kind)
    except OSError:
        return


def names_of(value: Any, kind: str) -> Iterator[str]:
    """Yield the names in a list of names, or of things that have one, under a key."""
    listed = value.get(kind) if isinstance(value, Mapping) else None
    for one in listed if isinstance(listed, list) else ():
        named = one.get("name") if isinstance(one, Mapping) else one
        if isinstance(named, str):
            yield named


def _files(top: Path) -> Iterator[tuple[Path, str]]:
    for folder, folders, files in os.walk(top):
        folders[:] = [one for one in folders if not is_skipped(one)]
        for one in files:
            if one.endswith(SUFFIXES) and not is_skipped(one):
                path = Path(folder, one)
                yield path, path.relative_to(top).as_posix()


def _loaded(data: bytes) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(data.decode("utf-8"), loader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return None


def broken_names(worktree: Worktree) -> set[str]:
    """Return the names of the prompts whose files cannot be read, as well as they can be told."""
    readable = {file.path for file in worktree.files.values()}
    names: set[str] = set()
    for path in worktree.paths:
        if path in readable:
            continue
        try:
            with (worktree.root / path).open("rb") as file:
                name = name_in(file.read(_HEAD))
        except OSError:
            name = ""
        names.add(name or name_for(path.removeprefix(f"{worktree.prompts}/")))
    return names


_FORMAT = 1


@dataclass(frozen=True, slots=True)
class SeenNames:
    """The prompts with their latest versions, and the labels of any of them."""

    versions: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


def names_seen(root: Path, url: str) -> SeenNames:
    """Return what a registry had, nothing when nobody looked yet."""
    return _read(_all(root).get(url))


def remember_names(root: Path, url: str, versions: Mapping[str, int], labels: Iterable[str] | None) -> None:
    """Keep what a registry has, when that is news; ``labels`` are ``None`` where they were not read."""
    remotes = _all(root)
    known = _read(remotes.get(url))
    kept = known.labels if labels is None else tuple(sorted(set(labels)))
    if (known.versions, known.labels) == (versions, kept) and url in remotes:
        return
    remotes[url] = {"versions": dict(versions), "labels": list(kept)}
    # Without it completion knows less, and nothing else does.
    with contextlib.suppress(OSError, PromptsyncError):
        private_directory(root)
        write_json(_path(root), {"format": _FORMAT, "remotes": remotes})


def _path(root: Path) -> Path:
    return root / DIRECTORY / "cache" / "seen.json"


def _all(root: Path) -> dict[str, Any]:
    data = read_json(_path(root))
    remotes = data.get("remotes") if isinstance(data, dict) and data.get("format") == _FORMAT else None
    return remotes if isinstance(remotes, dict) else {}


def _read(raw: Any) -> SeenNames:
    """Return an entry, empty where it is none that anybody here can have written."""
    versions = raw.get("versions") if isinstance(raw, dict) else None
    labels = raw.get("labels") if isinstance(raw, dict) else None
    if not isinstance(versions, dict) or not all(isinstance(one, int) for one in versions.values()):
        versions = {}
    if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
        labels = []
    return SeenNames(versions, tuple(labels))
