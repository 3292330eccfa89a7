"""Evaluation files: ``evaluations/NAME.yaml`` declares the rows, columns and scorecard of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

FOLDER: Final = "evaluations"
"""The directory of evaluation files, beside the configuration."""

OUTPUT: Final = "Output"
"""The title of the prompt column, unless a file says otherwise."""


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
    for those with another name. ``output`` is the title of the prompt column.
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
