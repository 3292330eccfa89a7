"""What git prints, read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_COMMIT = b"\x01"


@dataclass(frozen=True, slots=True)
class Change:
    """One path in one commit. ``old`` and ``new`` are blob ids, ``None`` where there was or is no file."""

    commit: str
    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, with the parents that git's history simplification leaves it."""

    id: str
    parents: tuple[str, ...]
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a commit. ``mode`` is ``120000`` for a symbolic link, ``160000`` for a submodule."""

    path: str
    mode: str
    object: str


def path_text(raw: bytes) -> str:
    """Return a path, whatever bytes are in it."""
    return raw.decode("utf-8", "surrogateescape")


def read_entries(out: bytes) -> Iterator[Entry]:
    """Read ``git ls-tree -z``."""
    for line in out.split(b"\0"):
        if line:
            facts, path = line.split(b"\t", 1)
            mode, _, id_ = facts.split()[:3]
            yield Entry(path_text(path), mode.decode(), id_.decode())


def _blob(raw: bytes) -> str | None:
    blob = raw.decode()
    return None if blob.strip("0") == "" else blob


def read_commits(out: bytes) -> Iterator[Commit]:
    """Read ``git log --raw -z``: a commit with its parents, then facts and path of each file."""
    found: dict[str, tuple[tuple[str, ...], dict[str, Change]]] = {}
    commit = ""
    tokens = iter(out.split(b"\0"))
    for token in tokens:
        token = token.lstrip(b"\n")
        if token.startswith(_COMMIT):
            commit, *parents = token[1:].decode().split()
            # a merge is listed once for each parent; what it made of a file is the same each time
            found.setdefault(commit, (tuple(parents), {}))
        elif token.startswith(b":"):
            path = path_text(next(tokens))
            _, _, old, new, _ = token[1:].split(b" ", 4)
            found[commit][1].setdefault(path, Change(commit, path, _blob(old), _blob(new)))
    for commit, (parents_of, changes) in found.items():
        yield Commit(commit, parents_of, tuple(changes.values()))


def read_batch(out: bytes) -> Iterator[tuple[str, bytes]]:
    """Read what ``git cat-file --batch`` prints: id and contents of each blob that is there."""
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        facts = out[at:end].split()
        at = end + 1
        if len(facts) == 3:
            size = int(facts[2])
            yield facts[0].decode(), out[at : at + size]
            at += size + 1
