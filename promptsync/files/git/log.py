"""What ``git log`` prints: commits with the files that they changed."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct


class FileChange(Struct, frozen=True):
    """One path in one commit. ``old`` and ``new`` are blob ids, ``None`` where there was or is no file."""

    commit: str
    path: str
    old: str | None
    new: str | None


class Commit(Struct, frozen=True):
    """One commit, with the parents that git's history simplification leaves it."""

    id: str
    parents: tuple[str, ...]
    changes: tuple[FileChange, ...] = ()


def path_of(raw: bytes) -> str:
    """Return a path that git prints, whatever its bytes are."""
    return raw.decode("utf-8", "surrogateescape")


def commits_in(out: bytes) -> Iterator[Commit]:
    """Read ``git log --raw -z``: a commit with its parents, then ids and path of each file."""
    commits: dict[str, tuple[tuple[str, ...], dict[str, FileChange]]] = {}
    commit = ""
    tokens = iter(out.split(b"\0"))
    for token in tokens:
        token = token.lstrip(b"\n")
        if token.startswith(b"\x01"):
            commit, *parents = token[1:].decode().split()
            # A merge is listed once for each parent, with the same new contents each time.
            commits.setdefault(commit, (tuple(parents), {}))
        elif token.startswith(b":"):
            path = path_of(next(tokens))
            _, _, old, new, _ = token[1:].decode().split(" ", 4)
            change = FileChange(
                commit, path, old if old.strip("0") else None, new if new.strip("0") else None
            )
            commits[commit][1].setdefault(path, change)
    for commit, (parents_of, changes) in commits.items():
        yield Commit(commit, parents_of, tuple(changes.values()))
