"""The columns of reports, from evaluation files: the output of a prompt, and what is computed of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.prompt.evaluation import EvaluationFile
from promptsync.server.checks.model import ModelError
from promptsync.server.checks.runs import StepCell
from promptsync.server.http.answer import ApiError
from promptsync.server.tables.primitives import primitive, score_of
from promptsync.server.tables.values import Ask, NoResult

_PROMPT = "PROMPT_TEMPLATE"


def report_columns(file: EvaluationFile) -> list[dict[str, Any]]:
    """Return the columns of an evaluation as reports describe them; none without a prompt.

    A report runs one prompt: the first in ``prompts``, if it is a name, or that of a prompt column.
    """
    columns = [_column(column.title, column.type, column.config) for column in file.columns]
    for name in file.prompts[:1]:
        if not set("*?[") & set(name):
            mapping = {"template": {"name": name}, "prompt_template_variable_mappings": file.variables}
            columns.insert(0, _column(file.output, _PROMPT, mapping))
    columns += [_column(step.title, step.type, step.config, scores=True) for step in file.scorecard.steps]
    return columns if any(map(is_prompt, columns)) else []


def _column(title: str, kind: str, config: Mapping[str, Any], *, scores: bool = False) -> dict[str, Any]:
    return {"name": title, "configuration": config, "column_type": kind.upper(), "is_part_of_score": scores}


def is_prompt(column: Mapping[str, Any]) -> bool:
    """Whether a column is the output of a prompt."""
    template = column["configuration"].get("template")
    return column["column_type"] == _PROMPT and isinstance(template, dict) and "name" in template


def computed(column: Mapping[str, Any], values: Mapping[str, StepCell], ask: Ask) -> StepCell:
    """Return the value of a column for a row, or whether the row passes if the column is a score."""

    def read(title: str) -> Any:
        cell = values.get(title, StepCell(error=f"there is no column {title!r}"))
        if cell.error is not None:
            raise NoResult(cell.error)
        return cell.value

    try:
        result = primitive(column["column_type"], column["configuration"], column["name"]).result(read, ask)
        return StepCell(score_of(result) == 1 if column["is_part_of_score"] else result)
    except ApiError as error:
        return StepCell(error=error.message)
    except (NoResult, ModelError) as error:
        return StepCell(error=f"{column['name']}: {error}")
