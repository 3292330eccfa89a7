"""Files that a verb writes its results into: found to be writable before anything is run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from promptsync.commands.common.session import Session
from promptsync.errors import PromptsyncError, UsageError
from promptsync.showing.junit import junit_of_error

junit_option = click.option(
    "--junit", "junit_file", metavar="FILE", help="Write the results as JUnit XML, also when the gate fails."
)
"""Adds ``--junit FILE``, whose value comes as ``junit_file``; give it to ``result_file``."""


class ResultFile:
    """Where results go. Without a path they go nowhere."""

    def __init__(self, path: Path | None, option: str) -> None:
        self._path = path
        self._option = option

    def write(self, text: Callable[[], str]) -> PromptsyncError | None:
        """Write what ``text`` returns; return what the system had against it."""
        if self._path is None:
            return None
        try:
            self._path.write_text(text(), "utf-8", newline="\n")
        except OSError as error:
            return PromptsyncError(
                f"{self._option}: {self._path} cannot be written: {error.strerror}", code="not-written"
            )
        return None


def result_file(session: Session, option: str, given: str | None) -> ResultFile:
    """Return the file that an option names, relative to where the session works.

    Makes the directories that it lies in. Raises ``UsageError`` for what cannot be written.
    """
    if given is None:
        return ResultFile(None, option)
    path = session.directory / given
    try:
        if not given or path.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("ab"):
                pass
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as error:
        raise UsageError(
            f"{option} {given} cannot be written: {error.strerror}", hint="nothing was run; name another file"
        ) from None
    return ResultFile(path, option)


@contextmanager
def told_in(results: ResultFile, what: str) -> Iterator[None]:
    """Write an error that ends a verb into its JUnit file: a reader must never take an older one for new."""
    try:
        yield
    except PromptsyncError as error:
        reason = error
        results.write(lambda: junit_of_error(reason, what))
        raise
    except KeyboardInterrupt:
        results.write(lambda: junit_of_error(PromptsyncError("interrupted", code="interrupted"), what))
        raise


def first(*errors: PromptsyncError | None) -> tuple[int, PromptsyncError | None]:
    """The exit code of the first error there is, and that error."""
    error: Any = next((one for one in errors if one is not None), None)
    return (error.exit_code if error is not None else 0), error
