"""Git, as far as prompts are concerned: what ``HEAD`` holds and every change on the way to it.

The only module that loads GitPython. Nothing here writes to the repository.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from promptsync.errors import PromptsyncError

_NO_BLOB = "0" * 40
_COMMIT = b"\x01"
_COMMITTED = (b"commit: ", b"commit (initial): ", b"commit (amend): ")


@dataclass(frozen=True, slots=True)
class Change:
    """One path in one commit. ``old`` and ``new`` are blob ids, ``None`` where there was or is no file."""

    commit: str
    path: str
    old: str | None
    new: str | None


class History:
    """The repository around a directory of prompts. Paths are relative to ``root``, with ``/``."""

    def __init__(self, git: Any, root: Path, prompts: str) -> None:
        self._git = git
        self._root = root
        self._prompts = prompts

    @classmethod
    def find(cls, root: Path, prompts: str) -> History | None:
        """Return the history around ``root``; ``None`` where there is no repository, or no git.

        Raises ``PromptsyncError`` when there is one that git refuses to read.
        """
        if not any((directory / ".git").exists() for directory in (root, *root.parents)):
            return None
        try:
            import git
        except ImportError as error:  # GitPython looks for the program while it is loaded
            raise PromptsyncError(
                f"{root} is in a git repository, but git cannot be run: {str(error).splitlines()[0]}",
                hint="install git, or put it on PATH",
            ) from None
        history = cls(git.Git(root), root, prompts)
        history._run("rev-parse", "--git-dir")
        return history

    @cached_property
    def shallow(self) -> bool:
        """Whether older commits were left out of the clone."""
        return bool(self._run("rev-parse", "--is-shallow-repository").strip() == b"true")

    @cached_property
    def born(self) -> bool:
        """Whether there is a first commit."""
        from git.exc import GitCommandError

        try:
            self._git.rev_parse("--verify", "--quiet", "HEAD^{commit}")
        except GitCommandError:
            return False
        return True

    @cached_property
    def head_commit(self) -> str | None:
        """The full id of ``HEAD``, ``None`` before the first commit."""
        return self._run("rev-parse", "HEAD").decode().strip() if self.born else None

    @cached_property
    def head(self) -> dict[str, str]:
        """The blob of each path below the prompts directory in ``HEAD``."""
        if not self.born:
            return {}
        out = self._run("ls-tree", "-r", "-z", "HEAD", "--", self._pathspec)
        entries = (line.split(b"\t", 1) for line in out.split(b"\0") if line)
        return {_path(path): facts.split()[2].decode() for facts, path in entries}

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Paths that a sparse checkout keeps out of the working tree."""
        out = self._run("ls-files", "-v", "-z", "--", self._pathspec)
        return frozenset(_path(line[2:]) for line in out.split(b"\0") if line[:1] in (b"S", b"s"))

    @cached_property
    def changes(self) -> Sequence[Change]:
        """Every change below the prompts directory that ``HEAD`` reaches, newest first; merges per parent."""
        if not self.born:
            return ()
        out = self._run(
            "log",
            "--full-history",
            "--date-order",
            "-m",
            "--raw",
            "--no-renames",
            "--no-abbrev",
            "--no-show-signature",
            "--no-ext-diff",
            "-z",
            "--relative",
            "--format=%x01%H",
            "HEAD",
            "--",
            self._pathspec,
        )
        return tuple(_changes(out))

    @cached_property
    def moves(self) -> Sequence[tuple[str, bool]]:
        """The moves of ``HEAD`` in this very working copy, oldest first, as far as its reflog goes back.

        Each is the commit moved to, and whether ``git commit`` made it then and there.
        """
        if not self.born:
            return ()
        out = self._run("log", "-g", "--no-show-signature", "-z", "--format=%H%x01%gs", "HEAD", "--")
        rows = [row.strip().partition(b"\x01") for row in out.split(b"\0") if row.strip()]
        return tuple((commit.decode(), what.startswith(_COMMITTED)) for commit, _, what in reversed(rows))

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of blobs by id, read in one go; those that are missing are left out."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        with tempfile.TemporaryFile() as names:
            names.write("\n".join([*wanted, ""]).encode())
            names.seek(0)
            out = self._run("cat-file", "--batch", istream=names)
        return dict(_batch(out))

    def blob_of(self, data: bytes) -> str:
        """Return the id that git would give to the contents of a file."""
        from hashlib import sha1

        return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    def described(self, commits: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return, by full id, each commit's abbreviation (7 digits or more, unique) and subject."""
        wanted = sorted(set(commits))
        if not wanted:
            return {}
        out = self._run(
            "log",
            "--no-walk=unsorted",
            "--no-show-signature",
            "--abbrev=7",
            "-z",
            "--format=%H%x01%h%x01%s",
            *wanted,
        )
        rows = (row.decode("utf-8", "replace").split("\x01", 2) for row in out.split(b"\0") if row.strip())
        return {full.strip(): (short, subject) for full, short, subject in rows}

    @property
    def _pathspec(self) -> str:
        return f":(literal){self._prompts}"

    def _run(self, command: str, *arguments: str, **options: Any) -> bytes:
        from git.exc import GitCommandError

        try:
            out: bytes = self._git.execute(
                ["git", command, *arguments],
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                **options,
            )
        except GitCommandError as error:
            reason = str(error.stderr).strip().removeprefix("stderr:").strip(" '\n")
            hint = "run the same command by hand; promptsync reads history to tell who changed what"
            if "dubious ownership" in reason:
                hint = f"if you trust this repository: git config --global --add safe.directory {self._root}"
            raise PromptsyncError(
                f"git {command} failed in {self._root}: {reason or f'exit code {error.status}'}",
                hint=hint,
                code="git",
            ) from None
        return out


def _path(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _blob(raw: bytes) -> str | None:
    blob = raw.decode()
    return None if blob.strip("0") == "" else blob


def _changes(out: bytes) -> Iterator[Change]:
    """Read ``git log --raw -z``: a commit, then for each path a line of facts and the path."""
    commit = ""
    tokens = iter(out.split(b"\0"))
    seen: set[tuple[str, str]] = set()
    for token in tokens:
        token = token.lstrip(b"\n")
        if token.startswith(_COMMIT):
            commit = token[1:].decode().strip()
        elif token.startswith(b":"):
            path = _path(next(tokens))
            _, _, old, new, _ = token[1:].split(b" ", 4)
            # A merge is listed once for each parent; what it made of the file is the same each time.
            if (commit, path) not in seen:
                seen.add((commit, path))
                yield Change(commit, path, _blob(old), _blob(new))


def _batch(out: bytes) -> Iterator[tuple[str, bytes]]:
    """Read the answer of ``git cat-file --batch``."""
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        facts = out[at:end].split()
        at = end + 1
        if len(facts) == 3:
            size = int(facts[2])
            yield facts[0].decode(), out[at : at + size]
            at += size + 1
