"""Annotations of a GitHub workflow: lines of text that GitHub shows at a line of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from promptsync.output import name, safe

if TYPE_CHECKING:
    from promptsync.sync.difference import Difference

MOST_ANNOTATIONS: Final = 10
"""How many annotations of one severity GitHub shows for a step."""


def annotation(
    severity: str, text: str, *, title: str, path: str | None = None, line: int | None = None, column: int = 1
) -> str:
    """Return one annotation; ``severity`` is ``error``, ``warning`` or ``notice``."""
    place = f"file={_property(name(path))}," if path else ""
    place += f"line={line},col={column}," if path and line is not None else ""
    return f"::{severity} {place}title={_property(name(title))}::{_data(safe(text))}"


def differences_github(found: Sequence[Difference]) -> list[str]:
    """Return differences as annotations, at most as many as GitHub shows."""
    lines = []
    for one in found[:MOST_ANNOTATIONS]:
        paths = ", ".join(change.path for part in one.steps for change in part.fields)
        title = f"{one.name}: {one.state}"
        lines.append(annotation("notice", paths or one.state, title=title, path=one.path))
    left = found[MOST_ANNOTATIONS:]
    if left:  # a line that begins with a name could be an instruction to GitHub
        lines += [f"{one.state}: {name(one.name)}" for one in left]
        lines.append(f"{len(left)} more prompts differ: GitHub shows {MOST_ANNOTATIONS} notices of a step")
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
