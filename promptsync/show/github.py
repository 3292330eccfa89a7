"""GitHub workflows: annotations, summary and outputs of a step, and log lines without commands."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Final, NamedTuple

from click import unstyle

from promptsync.errors import PromptsyncError
from promptsync.lint.subject import Subject
from promptsync.show.diff import field_lines
from promptsync.terminal.output import count, name, safe

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference, Step
    from promptsync.files.prompt_file import PromptFile
    from promptsync.prompt.fields import FieldChange

MOST_ANNOTATIONS: Final = 10
"""Most annotations of one severity that GitHub shows for a step."""

_MOST_LINES: Final = 12
"""Most lines of one difference in an annotation."""


def annotation(
    severity: str, text: str, *, title: str, path: str | None = None, line: int | None = None, column: int = 1
) -> str:
    """Return one annotation; ``severity`` is ``error``, ``warning`` or ``notice``."""
    place = f"file={_property(name(path))}," if path else ""
    place += f"line={line},col={column}," if path and line is not None else ""
    return f"::{severity} {place}title={_property(name(title))}::{_data(safe(text))}"


def differences_github(
    diffs: Sequence[Difference], place: Callable[[str], str] = lambda path: path
) -> list[str]:
    """Return differences as annotations of the lines in the files, and the rest as log lines.

    GitHub shows few annotations, so the first change of each prompt comes first. ``place`` returns a path as
    GitHub expects it.
    """
    notes = sorted((note for difference in diffs for note in _notes(difference)), key=lambda note: note.rank)
    lines = []
    for note in notes[:MOST_ANNOTATIONS]:
        path = place(note.of.path) if note.of.path is not None else None
        title = f"{note.of.name}: {note.of.state}"
        lines.append(
            annotation("notice", note.text, title=title, path=path, line=note.line, column=note.column)
        )
    rest = notes[MOST_ANNOTATIONS:]
    if rest:
        # The state comes first, because GitHub could execute a line that begins with a name.
        rows = [f"{note.of.state}: {name(note.of.name)} {name(note.field)}".rstrip() for note in rest]
        lines += disarmed(rows)
        more = count(len(rest), "more difference")
        lines.append(f"{more} in the log: GitHub shows {MOST_ANNOTATIONS} notices per step")
    return lines


def annotated_directory(directory: Path, variables: Mapping[str, str]) -> Path:
    """Return what paths in annotations are relative to: the checkout of a workflow, if it is above."""
    workspace = variables.get("GITHUB_WORKSPACE")
    return Path(workspace) if workspace and directory.is_relative_to(workspace) else directory


class _Note(NamedTuple):
    """One changed field; ``rank`` counts those of its prompt from 0, ``line`` is ``None`` without one."""

    of: Difference
    rank: int
    text: str
    field: str = ""
    line: int | None = None
    column: int = 1


def _notes(difference: Difference) -> Iterator[_Note]:
    changed = [(step, change) for step in difference.steps for change in step.fields]
    if not changed:
        yield _Note(difference, 0, difference.steps[0].title if difference.steps else str(difference.state))
    for rank, (step, change) in enumerate(changed):
        shown = [*map(unstyle, field_lines(change))]
        more = len(shown) - _MOST_LINES
        shown = [*shown[:_MOST_LINES], f"      … and {more} more lines"] if more > 1 else shown
        text = dedent("\n".join([f"    {step.title}", *shown]))
        line, column = _position(difference.file, step, change) if difference.file is not None else (None, 1)
        yield _Note(difference, rank, text, change.path, line, column)


def _position(file: PromptFile, step: Step, change: FieldChange) -> tuple[int, int]:
    """Return the line and column of a changed field in a file: in a literal block those of the change."""
    old, new = change.places
    if not (step.is_from_file or step.is_to_file):
        # Neither text is the file's, and its lists may have other items at these indexes.
        return file.position(new[:1])
    path, text, other = (new, change.new, change.old) if step.is_to_file else (old, change.old, change.new)
    if not isinstance(text, str) or not isinstance(other, str):
        return file.position(path)
    pairs = zip(text.split("\n"), other.split("\n"), strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    last = len(text.removesuffix("\n").split("\n"))
    return Subject(file).place(path, (min(same + 1, last), None))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


SUMMARY: Final = "GITHUB_STEP_SUMMARY"
OUTPUT: Final = "GITHUB_OUTPUT"

MOST_SUMMARY: Final = 1_000_000
"""Most bytes of a summary; GitHub accepts 1 MiB per step."""


def write_github_files(
    variables: Mapping[str, str],
    summary: Sequence[str],
    outputs: Mapping[str, str],
    error: PromptsyncError | None,
) -> str | None:
    """Append to the files that ``variables`` name, if any, and return a problem with them.

    ``summary`` is Markdown; later steps read ``outputs`` as ``steps.ID.outputs.NAME``. Without a summary,
    ``error`` becomes one.
    """
    lines = list(summary)
    if not lines and error is not None:
        from promptsync.show.markdown import error_markdown

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
    """Return lines that contain no workflow command, such as ``::add-mask::``.

    GitHub executes those in the log of a step, and the text of a prompt there could contain one.
    """
    return ["\n".join(map(_disarmed, line.split("\n"))) for line in lines]


def _disarmed(line: str) -> str:
    line = line.replace("##[", "\\x23#[")  # GitHub accepts this one anywhere in a line
    if not unstyle(line).lstrip().startswith("::"):
        return line
    at = line.index(":", len(line) - len(line.lstrip()))
    return f"{line[:at]}\\x3a{line[at + 1 :]}"


def _append(path: str, text: str, most: int | None = None) -> None:
    data = text.encode("utf-8", "backslashreplace")
    place = Path(path)
    if most is not None and (place.stat().st_size if place.exists() else 0) + len(data) > most:
        data = b"The summary of this step is too long to show.\n\n"
    with place.open("ab") as file:
        file.write(data)


def _output(name: str, value: str) -> str:
    if "\n" not in value and "\r" not in value:
        return f"{name}={value}\n"
    # A random delimiter cannot occur in the value and end it early.
    delimiter = f"end-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
