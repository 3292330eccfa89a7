"""Rules about evaluation files: whether they fit the prompts that they check."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase

from promptsync.lint.references import Snippets
from promptsync.lint.subject import leaves
from promptsync.prompt.evaluation import EvaluationFile, enough_rows
from promptsync.prompt.prompt import KeyPath
from promptsync.prompt.template import template_variables

Finding = tuple[str, KeyPath, str, str]
"""The rule, the place, the message and the hint."""


def check(
    file: EvaluationFile, snippets: Snippets, names: Collection[str], patterns: Sequence[str] | None
) -> Iterator[Finding]:
    """Yield the problems of a file among the prompts with these names.

    ``patterns`` are those of the prompts for which ``checks:`` names it, ``None`` if it does not.
    """
    if not file.prompts and patterns is None:
        hint = f"Set prompts: here, or table: {file.name} in checks: of promptsync.yaml."
        yield "evaluation-unused", (), f"No prompt uses the evaluation {file.name!r}.", hint
    for index, pattern in enumerate(file.prompts):
        if not any(fnmatchcase(name, pattern) for name in names):
            message = f"No prompt file matches {pattern!r}."
            yield "evaluation-no-prompt", ("prompts", index), message, "Check the name; case matters."
    if not file.scorecard.steps:
        message = "The scorecard has no steps, so no row can pass or fail."
        yield "evaluation-unscored", ("scorecard",), message, "Add steps: to scorecard:."
    if file.max_drop is not None and 0 < len(file.rows) < (enough := enough_rows(file.max_drop)):
        message = f"max_drop {file.max_drop:g} takes {enough} rows, but there are {len(file.rows)}."
        hint = "Add rows, or remove max_drop: with too few, each change of a live prompt fails."
        yield "evaluation-few-rows", ("max_drop",), message, hint
    variables: dict[str, str] = {}
    for name, template in snippets.templates.items():
        if any(fnmatchcase(name, pattern) for pattern in (*file.prompts, *(patterns or ()))):
            whole = snippets.expanded(template) or template
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
