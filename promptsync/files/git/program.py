"""Runs the ``git`` program, whatever the user configured. The only module that loads GitPython."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from promptsync.errors import PromptsyncError

_PROGRAM: Final = ("git", "-c", "i18n.logOutputEncoding=UTF-8")
"""How git is called. Without the option, messages come in the encoding of the user's own commits."""

_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",  # a partial clone may fetch, and nobody would see the question
    **dict.fromkeys(map("GIT_{}_PATHSPECS".format, ("LITERAL", "GLOB", "NOGLOB", "ICASE")), "0"),
}
"""Variables that are set for git, so that paths mean what they mean here."""

_DAMAGED: Final = re.compile(r"corrupt|unable to read|inflate|bad (object|tree)|missing (blob|tree|object)")


class GitProgram:
    """git in one directory. Its methods raise ``PromptsyncError`` when it cannot be started."""

    def __init__(self, git: Any, root: Path) -> None:
        self._root = root
        self._not_found = git.exc.GitCommandNotFound
        self._errors = (git.exc.CommandError, OSError, ValueError)
        self._git = git.Git(root)
        self._git.update_environment(**_ENVIRONMENT)

    @classmethod
    def load(cls, root: Path) -> Self:
        """Return git for a directory. Raises ``PromptsyncError`` when it is not installed."""
        try:
            import git
        except ImportError:  # GitPython looks for the program while it is loaded
            raise _not_runnable(root) from None
        return cls(git, root)

    def line(self, command: str, *arguments: str) -> str | None:
        """Return the line that git prints, ``None`` when git fails."""
        options = {"with_extended_output": True, "with_exceptions": False, "stdout_as_string": False}
        status, out, _ = self._execute(command, arguments, options)
        return None if status else str(out.decode("utf-8", "replace"))

    def run(self, command: str, *arguments: str, **options: Any) -> bytes:
        """Return what git prints. Raises ``PromptsyncError`` when git fails."""
        options |= {"stdout_as_string": False, "strip_newline_in_stdout": False}
        out: bytes = self._execute(command, arguments, options)
        return out

    def objects(self, option: str, names: Sequence[str]) -> bytes:
        """Return what ``git cat-file`` prints about objects, each of which is a line of its input."""
        with tempfile.TemporaryFile() as lines:
            lines.write("\n".join([*names, ""]).encode())
            lines.seek(0)
            return self.run("cat-file", option, istream=lines)

    def _execute(self, command: str, arguments: Sequence[str], options: dict[str, Any]) -> Any:
        try:
            return self._git.execute([*_PROGRAM, command, *arguments], **options)
        except self._not_found:
            raise _not_runnable(self._root) from None
        except self._errors as error:
            raise self._failed(command, error) from None

    def _failed(self, command: str, error: Any) -> PromptsyncError:
        reason = str(getattr(error, "stderr", None) or "").strip().removeprefix("stderr:").strip(" '\n")
        if not reason:
            status = getattr(error, "status", None)
            reason = f"exit code {status}" if isinstance(status, int) else str(error).splitlines()[0]
        where = shlex.quote(str(self._root))
        hint = f"git -C {where} {command}"
        if "dubious ownership" in reason:
            hint = f"git config --global --add safe.directory {where}"
        elif _DAMAGED.search(reason):
            hint = f"git -C {where} fsck"
        return PromptsyncError(f"git {command} failed in {self._root}: {reason}", hint=hint, code="git")


def _not_runnable(root: Path) -> PromptsyncError:
    message = f"{root} is in a git repository, but git cannot be run: PATH has no such program"
    return PromptsyncError(message, hint="install git, or add it to PATH")
