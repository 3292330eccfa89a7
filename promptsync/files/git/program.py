"""Runs git independently of the user's configuration."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from promptsync.errors import PromptsyncError

_OPTIONS: Final = ("-c", "i18n.logOutputEncoding=UTF-8")
"""Without the option, messages come in the encoding of the user's own commits."""

_ENVIRONMENT: Final = {
    "LANGUAGE": "C",  # messages of git are read below
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",  # a partial clone may fetch, and nobody would see the question
    **dict.fromkeys(map("GIT_{}_PATHSPECS".format, ("LITERAL", "GLOB", "NOGLOB", "ICASE")), "0"),
}
"""Variables that are set for git, so that paths mean what they mean here."""

_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})

_DAMAGED: Final = (
    *("corrupt", "unable to read", "inflate"),
    *("bad object", "bad tree", "missing blob", "missing tree", "missing object"),
)
"""What git says about a damaged repository."""


class GitProgram:
    """git in one directory. Its methods raise ``PromptsyncError`` when it cannot be started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._environment = {**os.environ, **_ENVIRONMENT}

    def line(self, command: str, *arguments: str) -> str | None:
        """Return the line that git prints, ``None`` when git fails."""
        done = self._execute(command, arguments)
        return None if done.returncode else done.stdout.removesuffix(b"\n").decode("utf-8", "replace")

    def run(
        self,
        command: str,
        *arguments: str,
        given: bytes = b"",
        env: Mapping[str, str] = _NO_VARIABLES,
        differs: int = 0,
    ) -> bytes:
        """Return what git prints. ``given`` is its input, ``env`` are more variables for it.

        ``differs`` is an exit code that only says that there are differences. Raises ``PromptsyncError`` when
        git fails.
        """
        done = self._execute(command, arguments, given, env)
        if done.returncode not in (0, differs):
            said = done.stderr.decode("utf-8", "surrogateescape").strip()
            raise self._failed(command, said or f"exit code {done.returncode}")
        return done.stdout

    def objects(self, option: str, names: Sequence[str]) -> bytes:
        """Return what ``git cat-file`` prints about objects, each of which is a line of its input."""
        return self.run("cat-file", option, given="\n".join([*names, ""]).encode())

    def _execute(
        self,
        command: str,
        arguments: Sequence[str],
        given: bytes = b"",
        env: Mapping[str, str] = _NO_VARIABLES,
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [_program(), *_OPTIONS, command, *arguments],
                input=given,
                capture_output=True,
                check=False,
                cwd=self.root,
                env={**self._environment, **env},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (FileNotFoundError, PermissionError):
            raise _not_runnable(self.root) from None
        except (OSError, ValueError) as error:
            raise self._failed(command, str(error).splitlines()[0]) from None

    def _failed(self, command: str, reason: str) -> PromptsyncError:
        where = shlex.quote(str(self.root))
        hint = f"git -C {where} {command}"
        if "dubious ownership" in reason:
            hint = f"git config --global --add safe.directory {where}"
        elif any(sign in reason for sign in _DAMAGED):
            hint = f"git -C {where} fsck"
        return PromptsyncError(f"git {command} failed in {self.root}: {reason}", hint=hint, code="git")


def _program() -> str:
    """Return the name of the program, or its path where the system would look elsewhere before PATH."""
    if sys.platform == "win32":
        # Windows starts a git.exe in the current directory first, and that may be one of the repository.
        paths = (os.path.join(folder, "git.exe") for folder in os.get_exec_path() if os.path.isabs(folder))  # noqa: PTH117, PTH118
        found = next(filter(os.path.isfile, paths), None)
        if found is None:
            raise FileNotFoundError
        return found
    return "git"


def _not_runnable(root: Path) -> PromptsyncError:
    message = f"{root} is in a git repository, but git cannot be run: PATH has no such program"
    return PromptsyncError(message, hint="install git, or add it to PATH")
