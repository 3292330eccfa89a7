"""Evaluation files beside a fixtures file, for the reports of an embedded registry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OUTPUT = "output"
"""The title of the column with the prompt."""

Step = Mapping[str, Any]


def contains(text: str = "", title: str = "contains", *, column: str = "") -> Step:
    """Whether the output contains a text, or the value of a column."""
    wanted = {"value_source": column} if column else {"value": text}
    return {"title": title, "type": "CONTAINS", "config": {"source": OUTPUT, **wanted}}


def matches(pattern: str, title: str = "regex") -> Step:
    """Whether the output has a match of a regular expression."""
    return {"title": title, "type": "REGEX", "config": {"source": OUTPUT, "regex_pattern": pattern}}


def at_most(characters: int, title: str = "length") -> Step:
    """Whether the output is short enough."""
    return matches(rf"(?s)\A.{{0,{characters}}}\Z", title)


def evaluation(
    name: str,
    prompt: str,
    rows: Sequence[Mapping[str, Any]],
    *steps: Step,
    version: int | None = None,
    label: str | None = None,
) -> dict[str, str]:
    """The file of an evaluation of one prompt, by its name. It is no check of a working copy by itself."""
    pins = {"version_number": version, "label": label}
    template = {"name": prompt, **{key: value for key, value in pins.items() if value is not None}}
    column = {"title": OUTPUT, "type": "PROMPT_TEMPLATE", "config": {"template": template}}
    body = {"name": name, "rows": rows, "columns": [column], "scorecard": {"steps": steps}}
    return {re.sub("[^a-z]+", "-", name): json.dumps(body)}


def declared(text: str = "", *evaluations: Mapping[str, str]) -> dict[str, str]:
    """All files of a fixtures file with this text. The registry gets the evaluations in this order."""
    files = {"registry.yaml": text}
    for index, file in enumerate(evaluations):
        files |= {f"evaluations/{index}-{name}.yaml": body for name, body in file.items()}
    return files


def put(directory: Path, files: Mapping[str, str]) -> Path:
    """Write the files in a directory, and return the path of the fixtures file."""
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, "utf-8")
    return directory / "registry.yaml"


def declared_by(repository: Path) -> dict[str, str]:
    """All files of the fixtures file of a repository."""
    places = [repository / "registry.yaml", *sorted((repository / "evaluations").iterdir())]
    return {place.relative_to(repository).as_posix(): place.read_text("utf-8") for place in places}
