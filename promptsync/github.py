"""The files by which a step of a GitHub workflow tells the others: its summary and its outputs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from click import unstyle

from promptsync.errors import PromptsyncError

SUMMARY: Final = "GITHUB_STEP_SUMMARY"
OUTPUT: Final = "GITHUB_OUTPUT"

MOST_SUMMARY: Final = 1_000_000
"""Bytes that a summary may have; GitHub takes 1 MiB from one step."""


def tell_github(
    variables: Mapping[str, str],
    summary: Sequence[str],
    outputs: Mapping[str, str],
    error: PromptsyncError | None,
) -> str | None:
    """Append to the files that ``variables`` name, where there are any; return what went wrong with it.

    ``summary`` is Markdown, ``outputs`` are read by later steps as ``steps.ID.outputs.NAME``. An ``error``
    that no summary tells of becomes one.
    """
    lines = list(summary)
    if not lines and error is not None:
        from promptsync.showing.markdown import error_markdown

        lines = error_markdown(error)
    try:
        if lines and variables.get(SUMMARY):
            _append(variables[SUMMARY], "\n".join([*lines, "", ""]), MOST_SUMMARY)
        if outputs and variables.get(OUTPUT):
            _append(variables[OUTPUT], "".join(_output(name, value) for name, value in outputs.items()))
    except OSError as problem:
        return f"{problem.filename} cannot be written: {problem.strerror}"
    return None


def disarmed(lines: Sequence[str]) -> list[str]:
    """Return lines of which none is taken for a workflow command, such as ``::add-mask::``.

    GitHub reads the log of a step for them, and a text of a prompt that is shown there may say anything.
    """
    return ["\n".join(map(_disarmed, line.split("\n"))) for line in lines]


def _disarmed(line: str) -> str:
    line = line.replace("##[", "\\x23#[")  # GitHub takes this one for a command anywhere in a line
    if not unstyle(line).lstrip().startswith("::"):
        return line
    at = line.index(":", len(line) - len(line.lstrip()))
    return f"{line[:at]}\\x3a{line[at + 1 :]}"


def _append(path: str, text: str, most: int | None = None) -> None:
    data = text.encode("utf-8", "backslashreplace")
    place = Path(path)
    if most is not None and (place.stat().st_size if place.exists() else 0) + len(data) > most:
        data = b"The summary of this step is too large to be shown.\n\n"
    with place.open("ab") as file:
        file.write(data)


def _output(name: str, value: str) -> str:
    if "\n" not in value and "\r" not in value:
        return f"{name}={value}\n"
    # nobody who writes a value can know the delimiter, and so none ends it early
    delimiter = f"end-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
