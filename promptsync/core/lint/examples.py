"""Rules about the examples of a prompt file."""

from __future__ import annotations

from collections.abc import Iterator

from promptsync.core.lint.references import Snippets
from promptsync.core.lint.subject import Subject
from promptsync.core.prompt import Problem
from promptsync.core.template import template_variables


def check(subject: Subject, snippets: Snippets) -> Iterator[Problem]:
    """Compare the names in the examples with the variables of the prompt and its snippets."""
    examples = subject.file.local.examples
    if not examples:
        return
    own = template_variables(subject.template)
    nested = snippets.variables(subject.prompt.name)
    used = own | (nested or set())
    given = {name for example in examples for name in example}
    for name in sorted(used - given):
        message = f"No example gives a value for the variable {name!r}."
        yield subject.problem("example-missing-variable", ("examples",), message, hint="Add one.")
    if nested is None:
        return
    for index, example in enumerate(examples):
        for name in sorted(map(str, example.keys() - used)):
            message = f"The prompt has no variable {name!r}."
            yield subject.problem("example-unused-variable", ("examples", index, name), message)
