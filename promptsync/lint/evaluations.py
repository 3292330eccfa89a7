"""Rules about evaluation files: whether they fit the prompts that they check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from promptsync.lint.references import Snippets
from promptsync.lint.subject import KnownPrompts, leaves
from promptsync.prompt.evaluation import EvaluationFile
from promptsync.prompt.prompt import KeyPath
from promptsync.prompt.template import template_variables

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
        configs = [column.config for column in file.columns] + [step.config for step in file.scorecard.steps]
        used = {text for config in configs for _, text in leaves(config) if isinstance(text, str)}
        used |= {file.variables.get(variable, variable) for variable in variables}
        for variable in file.variables.keys() - variables.keys():
            message = f"No prompt of this evaluation has the variable {variable!r}."
            yield "evaluation-unused-column", ("variables", variable), message, "Remove the line."
        for title in file.inputs:
            if not any(title in text for text in used):
                message = f"Nothing uses the column {title!r} of the rows."
                hint = "Map it to a variable in variables:, use it in a step, or remove it."
                yield "evaluation-unused-column", ("rows",), message, hint
