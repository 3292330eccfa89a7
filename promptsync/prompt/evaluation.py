"""What an evaluation file declares: the rows, columns and scorecard of a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from promptsync.prompt.prompt import KeyPath, leaves

OUTPUT: Final = "Output"
"""The title of the prompt column, unless a file says otherwise."""

STEP_THRESHOLDS: Final = {"pass": 0.8, "warn": 0.6}
"""From which scores on a step passes, unless it says otherwise."""

MAPPINGS: Final = ("prompt_template_variable_mappings", "variable_mappings", "input_variables")
"""The keys of a ``config`` whose values name a column for each variable."""


_FEWEST_ROWS: Final = 10


def enough_rows(max_drop: float) -> int:
    """Return how many rows it takes to pass: one of them must not be more than ``max_drop``; at least ten."""
    return max(_FEWEST_ROWS, math.ceil(100 / max_drop) if max_drop else 0)


class Column(Struct, frozen=True):
    """A computed column. ``config`` has the vendor's keys, with titles where the API has ids of columns."""

    title: str
    type: str
    config: Mapping[str, Any] = {}


class ScorecardStep(Struct, frozen=True):
    """A step of a scorecard, with a ``config`` like a column. ``thresholds`` are ``pass`` and ``warn``."""

    title: str
    type: str
    config: Mapping[str, Any] = {}
    weight: float = 1
    required: bool = False
    thresholds: Mapping[str, float] = {}


class Scorecard(Struct, frozen=True):
    """What makes a row pass. The defaults are those of the vendor's SDK."""

    steps: tuple[ScorecardStep, ...] = ()
    method: str = "weighted_mean"
    required_step_failure_behavior: str = "fail"
    pass_threshold: float = 0.8
    warn_threshold: float = 0.6


class EvaluationFile(Struct, frozen=True):
    """One evaluation file. ``path`` is relative to the configuration, with ``/``.

    ``prompts`` are names or patterns. ``rows`` are inputs by column. ``variables`` are columns by variable,
    for those with another name. ``output`` is the title of the prompt column. ``text`` is the file itself,
    and ``paths`` are those of it and of the file with its rows.
    """

    name: str
    path: str
    prompts: tuple[str, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    variables: Mapping[str, str] = {}
    output: str = OUTPUT
    columns: tuple[Column, ...] = ()
    scorecard: Scorecard = Scorecard()
    min_score: float | None = None
    max_drop: float | None = None
    runs: int = 1
    text: str = ""
    paths: tuple[str, ...] = ()

    def matches(self, prompt: str) -> bool:
        """Whether the evaluation checks a prompt without an entry in ``checks:``."""
        return any(fnmatchcase(prompt, pattern) for pattern in self.prompts)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of the rows, in order."""
        return tuple(dict.fromkeys(column for row in self.rows for column in row))

    @property
    def row_texts(self) -> list[dict[str, str]]:
        """The rows as the texts of cells."""
        return [{title: cell_text(row.get(title)) for title in self.inputs} for row in self.rows]


def sources(config: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Yield the columns that a ``config`` names, each with its place in there."""
    for path, title in leaves(config):
        key = str(path[0]) if path else ""
        is_source = len(path) == 1 and (key == "source" or key.endswith("_source"))
        if isinstance(title, str) and (is_source or (len(path) == 2 and key in ("sources", *MAPPINGS))):
            yield path, title


def cell_text(value: Any) -> str:
    """Return the value of a row as the text of a cell: JSON, unless it is text already."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
