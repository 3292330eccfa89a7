"""GitHub workflows: summary and outputs of a step, and log lines without commands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_github_files(
    variables: Mapping[str, str], summary: Sequence[str], outputs: Mapping[str, str]
) -> str | None:
    """Append to the files that ``variables`` name, if any, and return a problem with them.

    ``summary`` is Markdown; later steps read ``outputs`` as ``steps.ID.outputs.NAME``.
    """
    page, values = variables.get("GITHUB_STEP_SUMMARY"), variables.get("GITHUB_OUTPUT")
    try:
        if summary and page:
            _append(page, "\n".join([*summary, "", ""]))
        if outputs and values:
            # A value of several lines could set other outputs.
            lines = (f"{name}={' '.join(value.splitlines())}\n" for name, value in outputs.items())
            _append(values, "".join(lines))
    except OSError as problem:
        return f"{problem.filename} cannot be written: {problem.strerror}"
    return None


def disarmed(lines: Sequence[str]) -> list[str]:
    """Return lines that contain no workflow command, such as ``::add-mask::``.

    GitHub executes those in the log of a step, and the text of a prompt there could contain one.
    """
    # GitHub accepts the other form anywhere in a line; colors may be before the first colon.
    texts = (line.replace("##[", "\\x23#[") for line in lines)
    return [
        re.sub(r"^((?:\s|\x1b\[[0-9;]*m)*):(?=:)", r"\1\\x3a", text, flags=re.MULTILINE) for text in texts
    ]


def _append(path: str, text: str) -> None:
    with Path(path).open("ab") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
