"""Rules about evaluation files: whether they fit the prompts that they check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from promptsync.lint.references import Snippets
from promptsync.lint.subject import KnownPrompts, leaves
from promptsync.prompt.evaluation import Column, EvaluationFile, ScorecardStep
from promptsync.prompt.prompt import KeyPath
from promptsync.prompt.template import template_variables

TYPES: Final = (
    "PROMPT_TEMPLATE WORKFLOW CODE_EXECUTION ENDPOINT MCP CONVERSATION_SIMULATOR HUMAN WHILE_LOOP FOR_LOOP"
    " COMPARE CONTAINS REGEX ABSOLUTE_NUMERIC_DISTANCE ASSERT_VALID MATH_OPERATOR LLM_ASSERTION"
    " AI_DATA_EXTRACTION COSINE_SIMILARITY JSON_PATH XML_PATH REGEX_EXTRACTION PARSE_VALUE COUNT MIN_MAX"
    " COALESCE COMBINE_COLUMNS APPLY_DIFF COMPOSITION COLUMN_AGGREGATE TRACE TRAJECTORY"
)
"""The types of columns that the registry documents."""


Finding = tuple[str, KeyPath, str, str]
"""The rule, the place, the message and the hint."""


class Evaluations:
    """Checks evaluation files with the prompts of the repository.

    ``tables`` are the tables in ``checks:``, each with the patterns for the prompts that it checks.
    """

    def __init__(self, known: KnownPrompts, tables: Mapping[str, Sequence[str]]) -> None:
        self._snippets = Snippets((), known)
        self._names = {*known.templates, *known.unreadable}
        self._tables = tables

    def check(self, file: EvaluationFile) -> Iterator[Finding]:
        """Yield what is wrong with one file."""
        yield from self._prompts(file)
        yield from self._columns(file)

    def _prompts(self, file: EvaluationFile) -> Iterator[Finding]:
        if not file.prompts and file.name not in self._tables:
            hint = f"Set prompts: here, or table: {file.name} in checks: of promptsync.yaml."
            yield "evaluation-unused", (), f"No prompt uses the evaluation {file.name!r}.", hint
        for index, pattern in enumerate(file.prompts):
            if not any(fnmatchcase(name, pattern) for name in self._names):
                message = f"No prompt file matches {pattern!r}."
                yield "evaluation-no-prompt", ("prompts", index), message, "Check the name; case matters."

    def _columns(self, file: EvaluationFile) -> Iterator[Finding]:
        if not file.scorecard.steps:
            message = "The scorecard has no steps, so no row can pass or fail."
            yield "evaluation-unscored", ("scorecard",), message, "Add steps: to scorecard:."
        groups: list[tuple[KeyPath, Sequence[Column | ScorecardStep]]] = [(("columns",), file.columns)]
        groups.append((("scorecard", "steps"), file.scorecard.steps))
        used: set[str] = set()
        for key, columns in groups:
            for index, column in enumerate(columns):
                used |= {text for _, text in leaves(column.config) if isinstance(text, str)}
                if column.type.upper() not in TYPES.split():
                    message = f"{column.title}: PromptLayer documents no type {column.type!r}."
                    yield "evaluation-unknown-type", (*key, index, "type"), message, "Check the spelling."
        patterns = (*file.prompts, *self._tables.get(file.name, ()))
        variables: dict[str, str] = {}
        for name, template in self._snippets.templates.items():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                whole = self._snippets.expanded(template) or template
                variables |= dict.fromkeys(sorted(template_variables(whole)), name)
        for variable, prompt in variables.items():
            if file.variables.get(variable, variable) not in file.inputs:
                message = f"The rows have no column for the variable {variable!r} of {prompt}."
                hint = "Add the column, or name another one in variables:."
                yield "evaluation-missing-variable", ("rows",), message, hint
        if not variables:
            return
        used |= {file.variables.get(variable, variable) for variable in variables}
        for variable in file.variables.keys() - variables.keys():
            message = f"No prompt of this evaluation has the variable {variable!r}."
            yield "evaluation-unused-column", ("variables", variable), message, "Remove the line."
        for title in file.inputs:
            if not any(title in text for text in used):
                message = f"Nothing uses the column {title!r} of the rows."
                hint = "Map it to a variable in variables:, use it in a step, or remove it."
                yield "evaluation-unused-column", ("rows",), message, hint
