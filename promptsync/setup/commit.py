"""Commits what init wrote, and nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from promptsync.errors import Incomplete, PromptsyncError
from promptsync.files.git.program import GitProgram
from promptsync.files.git.repository import is_in_repository

_IDENTITY: Final = (
    "git config --global user.name 'Your Name'\ngit config --global user.email you@example.com\n"
)


def edited(root: Path, paths: Iterable[str]) -> set[str]:
    """Return those of some files that have changes which are not committed."""
    if not is_in_repository(root):
        return set()
    git = GitProgram(root)
    return {path for path in paths if git.line("status", "--porcelain", "--", f":(literal){path}")}


def named(paths: Iterable[str], prompts: str) -> str:
    """Return paths for a command to paste, with the directory of the prompts in place of the files in it."""
    places = (prompts if PurePosixPath(path).is_relative_to(prompts) else path for path in paths)
    return shlex.join(dict.fromkeys(places))


def commit_files(root: Path, paths: Sequence[str], message: str, prompts: str) -> None:
    """Commit these files, in a new repository if there is none. All other changes stay as they are.

    Hooks run. Raises ``Incomplete`` with git's reason, and a hint that names the files in ``prompts`` by it.
    """
    git = GitProgram(root)
    # A command line has room for a few hundred paths only, at least on Windows.
    from_input = ("--pathspec-from-file=-", "--pathspec-file-nul")
    sent = "\0".join(f":(literal){path}" for path in paths).encode("utf-8", "surrogateescape")
    try:
        if not is_in_repository(root):
            git.run("init", "--quiet")
        git.run("add", *from_input, sent=sent)
        git.run("commit", "--quiet", "-m", message, *from_input, sent=sent)
    except PromptsyncError as error:
        reason = error.message.strip()
        command, places = f"git -C {shlex.quote(str(root))}", named(paths, prompts)
        hint = f"{command} add {places} && {command} commit -m {shlex.quote(message)} -- {places}"
        if error.code == "no-program":
            hint = f"{error.hint}\npromptsync -C {shlex.quote(str(root))} init"
        if "Please tell me who you are" in reason:
            reason, hint = "git does not know your name and email", f"{_IDENTITY}{hint}"
        message = f"the files were written, but not committed: {reason}"
        raise Incomplete(message, hint=hint, code="not-committed") from None
