"""Runs git through GitPython, independently of the user's configuration."""

from __future__ import annotations

import shlex
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

from promptsync.errors import PromptsyncError

if TYPE_CHECKING:
    from git import Git

_OPTIONS: Final = ("-c", "i18n.logOutputEncoding=UTF-8")
"""Without the option, messages come in the encoding of the user's own commits."""

_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",  # a partial clone may fetch, and the question would stay invisible
    "GIT_OPTIONAL_LOCKS": "0",  # not even the new times of touched files are noted in the index
    **dict.fromkeys(map("GIT_{}_PATHSPECS".format, ("LITERAL", "GLOB", "NOGLOB", "ICASE")), "0"),
}
"""Variables that are set for git, so that paths mean what they mean here. GitPython sets the language."""


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
