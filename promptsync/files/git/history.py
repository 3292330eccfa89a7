"""Git, as far as prompts are concerned: what ``HEAD`` holds and every change on the way to it.

The only module that loads GitPython. Nothing here writes to the repository.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from promptsync.errors import PromptsyncError
from promptsync.files.git.output import Commit, Entry, path_text, read_batch, read_commits, read_entries


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
    def version(self) -> str:
        """What git calls itself, with its version."""
        return self._ask("version") or "git"

    @cached_property
    def shallow(self) -> bool:
        """Whether older commits were left out of the clone."""
        return bool(self._run("rev-parse", "--is-shallow-repository").strip() == b"true")

    @cached_property
    def born(self) -> bool:
        """Whether there is a first commit."""
        return self.head_commit is not None

    @cached_property
    def head_commit(self) -> str | None:
        """The full id of ``HEAD``, ``None`` before the first commit."""
        return self.commit("HEAD")

    @cached_property
    def branch(self) -> str | None:
        """The branch that is checked out, ``None`` on none."""
        return self._ask("symbolic-ref", "--quiet", "--short", "HEAD")

    @cached_property
    def prefix(self) -> str:
        """The path from the top of the repository to ``root``, ``""`` or with a ``/`` at its end."""
        return path_text(self._run("rev-parse", "--show-prefix").removesuffix(b"\n"))

    def commit(self, revision: str) -> str | None:
        """Return the full id of the commit that a revision names, ``None`` when this clone has none of it."""
        return self._ask("rev-list", "--max-count=1", revision, "--") or None

    def merge_base(self, commit: str) -> str | None:
        """Return the last commit that ``HEAD`` has in common with another one, as far as this clone tells."""
        return self._ask("merge-base", commit, "HEAD")

    @cached_property
    def head(self) -> dict[str, str]:
        """The blob of each path below the prompts directory in ``HEAD``."""
        if not self.born:
            return {}
        out = self._run("ls-tree", "-r", "-z", "HEAD", "--", self._pathspec)
        return {entry.path: entry.object for entry in read_entries(out)}

    def entries(self, commit: str, path: str) -> Sequence[Entry]:
        """Return what a commit holds at a path, or everywhere below it. Paths are from the top here."""
        out = self._run("ls-tree", "-r", "-z", "--full-tree", commit, "--", f":(literal){path}")
        return tuple(read_entries(out))

    def differing(self, commit: str) -> frozenset[str]:
        """Return the tracked paths below the prompts directory that are not what they were in a commit."""
        return self._differing(commit, "--relative", "--", self._pathspec)

    def vanished(self, commit: str, file_name: str) -> frozenset[str]:
        """Return where, from the top, a commit has files of a name that are not there now."""
        return self._differing(commit, "--no-relative", "--diff-filter=D", "--", f":(top,glob)**/{file_name}")

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Paths that a sparse checkout keeps out of the working tree."""
        return frozenset(path for path, mark in self._marked.items() if mark in (b"S", b"s"))

    @cached_property
    def tracked(self) -> frozenset[str]:
        """The paths below the prompts directory that git keeps an eye on."""
        return frozenset(self._marked)

    def has(self, path: str) -> bool:
        """Whether git keeps an eye on a path, or on anything below it."""
        return bool(self._run("ls-files", "-z", "--", f":(literal){path}"))

    def ignores(self, path: str) -> bool:
        """Whether git was told to overlook a path."""
        return self._ask("check-ignore", "--quiet", "--", path) is not None

    @cached_property
    def unwatched(self) -> frozenset[str]:
        """Paths that git was told not to look at: it takes them for what they were."""
        return frozenset(path for path, mark in self._marked.items() if mark == b"S" or mark.islower())

    @cached_property
    def _marked(self) -> dict[str, bytes]:
        out = self._run("ls-files", "-v", "-z", "--", self._pathspec)
        return {path_text(line[2:]): line[:1] for line in out.split(b"\0") if line}

    @cached_property
    def commits(self) -> Sequence[Commit]:
        """The commits below the prompts directory that ``HEAD`` reaches, each after those that follow it."""
        return self.commits_of(["HEAD"]) if self.born else ()

    def commits_of(self, tips: Iterable[str]) -> Sequence[Commit]:
        """Return the commits that changed something below the prompts directory, and all merges.

        Their parents are those that are returned too, as git's history simplification rewrites them.
        """
        out = self._run(
            "log",
            "--full-history",
            "--parents",
            "--date-order",
            "-m",
            "--raw",
            "--no-renames",
            "--no-abbrev",
            "--no-show-signature",
            "--no-ext-diff",
            "-z",
            "--relative",
            "--format=%x01%H %P",
            *tips,
            "--",
            self._pathspec,
        )
        return tuple(read_commits(out))

    def newest_of(self, commit: str) -> str | None:
        """Return the newest of the returned commits that a commit reaches, or is."""
        out = self._ask(
            "log", "-1", "--full-history", "--parents", "--format=%H", commit, "--", self._pathspec
        )
        return out.split()[0] if out else None

    def existing(self, commits: Iterable[str]) -> dict[str, str]:
        """Return the full ids of those abbreviated commits that this clone has, by abbreviation."""
        wanted = sorted(set(commits))
        if not wanted:
            return {}
        out = self._fed(
            "cat-file", "--batch-check=%(objectname)", lines=[f"{one}^{{commit}}" for one in wanted]
        )
        rows = zip(wanted, out.decode("utf-8", "replace").splitlines(), strict=True)
        return {short: row for short, row in rows if len(row.split()) == 1}

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of blobs by id, read in one go; those that are missing are left out."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        return dict(read_batch(self._fed("cat-file", "--batch", lines=wanted)))

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

    def _differing(self, commit: str, *arguments: str) -> frozenset[str]:
        out = self._run(
            "diff",
            "--raw",
            "--no-renames",
            "--no-abbrev",
            "--no-ext-diff",
            "-z",
            commit,
            *arguments,
            env={"GIT_OPTIONAL_LOCKS": "0"},  # comparing files must not write the index
        )
        return frozenset(path_text(path) for path in out.split(b"\0")[1::2])

    def _fed(self, command: str, *arguments: str, lines: Sequence[str]) -> bytes:
        """Run a command that reads lines."""
        with tempfile.TemporaryFile() as names:
            names.write("\n".join([*lines, ""]).encode())
            names.seek(0)
            return self._run(command, *arguments, istream=names)

    def _ask(self, command: str, *arguments: str) -> str | None:
        """Return the one line that git answers, ``None`` when it answers no."""
        from git.exc import GitCommandError

        try:
            return str(self._git.execute(["git", command, *arguments]))
        except GitCommandError:
            return None

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
