"""git, and the repository around the prompts: what its commits hold. ``Repository`` writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import new as new_hash
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptsync.errors import PromptsyncError, Refused
from promptsync.files.config import FILE_NAME
from promptsync.files.evaluation import FOLDER

if TYPE_CHECKING:
    from git import Git


_NO_COMMIT: Final = "does not have any commits yet"

_SUBMODULE: Final = "160000"

_RAW: Final = ("--raw", "--no-renames", "--ignore-submodules=dirty", "--no-abbrev", "--no-ext-diff", "-z")
"""Changes as blob ids and paths, whatever the user configured. A submodule changes with its commit."""

_OPTIONS: Final = ("-c", "i18n.logOutputEncoding=UTF-8")
"""Without the option, messages come in the encoding of the user's own commits."""

_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",  # a partial clone may fetch, and the question would stay invisible
    "GIT_OPTIONAL_LOCKS": "0",  # not even the new times of touched files are noted in the index
    **dict.fromkeys(map("GIT_{}_PATHSPECS".format, ("LITERAL", "GLOB", "NOGLOB", "ICASE")), "0"),
}
"""Variables that are set for git, so that paths mean what they mean here. GitPython sets the language."""


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


def is_in_repository(root: Path) -> bool:
    """Whether a directory is in a git repository. Needs no git."""
    return any((directory / ".git").exists() for directory in (root, *root.parents))


class GitProgram:
    """git in one directory. Its methods raise ``PromptsyncError`` when it cannot be started."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _git(self) -> Git:
        try:
            from git import Git
        except ImportError:  # GitPython looks for git when it is loaded
            raise self._not_runnable() from None
        git = Git(str(self.root))
        git.update_environment(**_ENVIRONMENT)
        return git

    def line(self, command: str, *arguments: str) -> str | None:
        """Return the line that git prints, ``None`` when git fails."""
        code, out, _ = self._execute(command, arguments)
        return None if code else out.removesuffix(b"\n").decode("utf-8", "replace")

    def run(self, command: str, *arguments: str, sent: bytes = b"") -> bytes:
        """Return what git prints; ``sent`` is its input. Raises ``PromptsyncError`` when git fails."""
        code, out, said = self._execute(command, arguments, sent)
        if code:
            raise self._failed(command, said.strip() or f"exit code {code}")
        return out

    def objects(self, option: str, names: list[str]) -> bytes:
        """Return what ``git cat-file`` prints about objects, each of which is a line of its input."""
        return self.run("cat-file", option, sent="\n".join([*names, ""]).encode())

    def _execute(self, command: str, arguments: tuple[str, ...], sent: bytes = b"") -> tuple[int, bytes, str]:
        git = self._git
        from git.exc import GitCommandNotFound

        try:
            # A file, because git may print before it has read a long input from a pipe.
            with TemporaryFile() as names:
                names.write(sent)
                names.seek(0)
                return git.execute(
                    ["git", *_OPTIONS, command, *arguments],
                    istream=names,
                    with_extended_output=True,
                    with_exceptions=False,
                    stdout_as_string=False,
                    strip_newline_in_stdout=False,
                )
        except (GitCommandNotFound, PermissionError):
            raise self._not_runnable() from None
        except (OSError, ValueError) as error:
            raise self._failed(command, str(error).splitlines()[0]) from None

    def _failed(self, command: str, reason: str) -> PromptsyncError:
        where = shlex.quote(str(self.root))
        hint = f"git -C {where} {command}"
        if "dubious ownership" in reason:
            hint = f"git config --global --add safe.directory {where}"
        return PromptsyncError(f"git {command} failed in {self.root}: {reason}", hint=hint, code="git")

    def _not_runnable(self) -> PromptsyncError:
        message = f"git cannot be run: PATH has no such program (in {self.root})"
        return PromptsyncError(message, hint="install git, or add it to PATH", code="no-program")


class Repository(GitProgram):
    """The repository around a directory of prompts. Paths are relative to ``root``, with ``/``.

    Unless a method says otherwise it raises ``PromptsyncError`` when git fails.
    """

    _head: bytes = b""

    def __init__(self, root: Path, prompts: str) -> None:
        super().__init__(root)
        self._pathspec = _pathspec(prompts)
        self._places = (prompts, FILE_NAME, FOLDER)
        asked = ("--is-shallow-repository", "--show-prefix", "--verify", "--quiet", "HEAD^{commit}")
        code, out, said = self._execute("rev-parse", asked)
        if code not in (0, 1):  # 1: no commit
            raise self._failed("rev-parse", said.strip() or f"exit code {code}")
        is_shallow, _, prefix = out.removesuffix(b"\n").partition(b"\n")
        if code == 0:
            prefix, _, self._head = prefix.rpartition(b"\n")
        self.shallow = is_shallow == b"true"
        """Whether the clone lacks older commits."""
        self.prefix = _path(prefix)
        """The path from the top of the repository to ``root``, ``""`` or ending in ``/``."""

    @classmethod
    def find(cls, root: Path, prompts: str) -> Repository | None:
        """Return the repository around ``root``, ``None`` outside of a repository.

        Raises ``PromptsyncError`` when git cannot be run or refuses to read the repository.
        """
        # Outside of a repository git need not be installed.
        return cls(root, prompts) if is_in_repository(root) else None

    @cached_property
    def born(self) -> bool:
        """Whether there is a first commit."""
        return self.head_commit is not None

    @cached_property
    def head_commit(self) -> str | None:
        """The full id of ``HEAD``, ``None`` before the first commit."""
        if self._head:
            return self._head.decode()
        try:
            return self.run("log", "-1", "--no-show-signature", "--format=%H").decode().strip()
        except PromptsyncError as error:
            # A damaged repository must not look like an empty one.
            if _NO_COMMIT in error.message:
                return None
            raise

    @cached_property
    def branch(self) -> str | None:
        """The branch that is checked out, if any."""
        return self.line("symbolic-ref", "--quiet", "--short", "HEAD")

    def commit(self, revision: str) -> str | None:
        """Return the full id of the commit that a revision names, ``None`` when this clone lacks it."""
        return self.line("rev-list", "--max-count=1", revision, "--") or None

    def merge_base(self, commit: str) -> str | None:
        """Return the last commit that ``HEAD`` shares with another one, ``None`` when this clone has none."""
        return self.line("merge-base", commit, "HEAD")

    @cached_property
    def commits(self) -> Sequence[Commit]:
        """The commits below the prompts directory that ``HEAD`` reaches, children before parents."""
        return self.commits_of(["HEAD"]) if self.born else ()

    def commits_of(self, tips: Iterable[str]) -> Sequence[Commit]:
        """Return the commits that changed something below the prompts directory, and all merges.

        git's history simplification rewrites their parents, which are among the returned commits too.
        """
        simplified = ("--full-history", "--parents", "--date-order", "-m", "--relative")
        shown = (*_RAW, "--no-show-signature", "--format=%x01%H %P")
        out = self.run("log", *simplified, *shown, *tips, "--", self._pathspec)
        return tuple(_commits_in(out))

    def newest_of(self, commit: str) -> str | None:
        """Return the newest of the commits of ``commits_of`` that a commit reaches, or is."""
        options = ("-1", "--full-history", "--parents", "--format=%H")
        out = self.line("log", *options, commit, "--", self._pathspec)
        return out.split()[0] if out else None

    def existing(self, commits: Iterable[str]) -> dict[str, str]:
        """Return the full ids of those abbreviated commits that this clone has, by abbreviation."""
        wanted = sorted(set(commits))
        if not wanted:
            return {}
        lines = [f"{commit}^{{commit}}" for commit in wanted]
        out = self.objects("--batch-check=%(objectname)", lines)
        # For a missing or ambiguous abbreviation, git repeats it and adds a word.
        rows = zip(wanted, out.decode("utf-8", "replace").splitlines(), strict=True)
        return {short: row for short, row in rows if len(row.split()) == 1}

    def described(self, commits: Iterable[str]) -> dict[str, tuple[str, str, str]]:
        """Return, by full id, each commit's abbreviation (7 digits or more, unique), subject and author."""
        wanted = sorted(set(commits))
        if not wanted:
            return {}
        shown = ("--no-show-signature", "--abbrev=7", "-z", "--format=%H%x01%h%x01%s%x01%an")
        out = self.run("log", "--no-walk=unsorted", *shown, *wanted)
        rows = (row.decode("utf-8", "replace").split("\x01", 3) for row in out.split(b"\0") if row.strip())
        return {full.strip(): (short, subject, author) for full, short, subject, author in rows}

    @cached_property
    def head(self) -> dict[str, str]:
        """The blob in ``HEAD`` of each prompt and evaluation file, and of the configuration."""
        files = self.files("HEAD", *(self.prefix + place for place in self._places)) if self.born else {}
        return {path.removeprefix(self.prefix): blob for path, blob in files.items()}

    def files(self, commit: str, *places: str) -> dict[str, str]:
        """Return the blobs that a commit has at or below some places; all paths are from the top."""
        out = self.run("ls-tree", "-r", "-z", "--full-tree", commit, "--", *map(_pathspec, places))
        rows = (line.split(b"\t", 1) for line in out.split(b"\0") if line)
        return {_path(name): facts.split()[2].decode() for facts, name in rows}

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of blobs by id; missing ones are left out."""
        wanted = sorted(set(ids))
        out = self.objects("--batch", wanted) if wanted else b""
        contents: dict[str, bytes] = {}
        # A blob is a line "ID TYPE SIZE" and that many bytes, a missing one only the line "ID missing".
        at = 0
        while at < len(out):
            end = out.index(b"\n", at)
            facts = out[at:end].split()
            at = end + 1
            if len(facts) == 3:
                size = int(facts[2])
                contents[facts[0].decode()] = out[at : at + size]
                at += size + 1
        return contents

    def blob_of(self, data: bytes) -> str:
        """Return the id that git gives to the contents of a file."""
        # A repository's ids are either all SHA-1, with 40 digits, or all SHA-256.
        algorithm = "sha256" if len(self.head_commit or "") == 64 else "sha1"
        return new_hash(algorithm, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    def has_text(self, path: str, data: bytes) -> bool:
        """Whether ``HEAD`` has these contents of a file in the working tree."""
        # git may have converted the line ends.
        is_clean = path in self.head and path not in self.edited
        return is_clean or self.head.get(path) == self.blob_of(data)

    @cached_property
    def edited(self) -> frozenset[str]:
        """The paths of such files that are tracked and differ from those in ``HEAD``."""
        if not self.born:
            return frozenset()
        out = self.run("diff", *_RAW, "HEAD", "--relative", "--", *map(_pathspec, self._places))
        return frozenset(_path(path) for path in out.split(b"\0")[1::2])

    @cached_property
    def _index(self) -> list[tuple[str, str, str]]:
        """The mark, mode and path of each tracked file at these places, and of all configurations."""
        specs = (*map(_pathspec, self._places), f":(top,glob)**/{FILE_NAME}")
        lines = self.run("ls-files", "-v", "-s", "-z", "--", *specs).split(b"\0")
        rows = ((*line.split(b" ", 2), line.partition(b"\t")[2]) for line in lines if line)
        return [(mark.decode(), mode.decode(), _path(name)) for mark, mode, _, name in rows]

    @property
    def is_shared(self) -> bool:
        """Whether the repository has another ``promptsync.yaml``, maybe with a file for the same prompt."""
        return sum(path.rpartition("/")[2] == FILE_NAME for _, _, path in self._index) > 1

    def check_index(self, *places: str) -> None:
        """Raise ``Refused`` if git does not have, or does not watch, every tracked file by itself.

        Without ``places``, it checks the prompt files.
        """
        places = places or self._places[:1]
        for mark, mode, path in self._index:
            if "." not in places and not any(f"{path}/".startswith(f"{place}/") for place in places):
                continue
            # S means skip-worktree, and a lower-case letter assume-unchanged.
            is_hidden = mark in ("S", "s") and not (self.root / path).exists()
            if mode == _SUBMODULE:
                message = f"{path} is a submodule, and this repository does not have its history"
                hint = "move promptsync.yaml into the submodule and run promptsync there"
            elif is_hidden:
                message = f"a sparse checkout hides {path}, so it cannot be compared"
                hint = f"git sparse-checkout add {shlex.quote(path.rpartition('/')[0] or '.')}"
            elif mark == "S" or mark.islower():
                flag = "--no-skip-worktree" if mark in ("S", "s") else "--no-assume-unchanged"
                message = f"git ignores changes in {path}, so it cannot be compared"
                hint = f"git update-index {flag} {shlex.quote(path)}"
            else:
                continue
            raise Refused(message, hint=hint, code="submodule" if mode == _SUBMODULE else "hidden")

    def listed(self, pathspec: str) -> list[str]:
        """Return the tracked files that git's own kind of pattern matches, relative to ``root``."""
        return [_path(path) for path in self.run("ls-files", "-z", "--", pathspec).split(b"\0") if path]

    def ignores(self, path: str) -> bool:
        """Whether git ignores a path."""
        return self.line("check-ignore", "--quiet", "--", path) is not None


def _pathspec(path: str) -> str:
    return f":(literal){path}"


def _path(raw: bytes) -> str:
    """Return a path that git prints, whatever its bytes are."""
    return raw.decode("utf-8", "surrogateescape")


def _commits_in(out: bytes) -> Iterator[Commit]:
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
            path = _path(next(tokens))
            _, _, old, new, _ = token[1:].decode().split(" ", 4)
            change = FileChange(
                commit, path, old if old.strip("0") else None, new if new.strip("0") else None
            )
            commits[commit][1].setdefault(path, change)
    for commit, (parents_of, changes) in commits.items():
        yield Commit(commit, parents_of, tuple(changes.values()))
