"""Rules about the template language of texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from promptsync.core.lint.references import Snippets
from promptsync.core.lint.rules import Severity
from promptsync.core.lint.subject import Subject, Text
from promptsync.core.prompt import Problem
from promptsync.core.snippets import FENCE
from promptsync.core.template import JINJA2, syntax_error, variables

_BRACES = "Write literal braces as {{ and }}, or use template_format: jinja2."
_VARIABLE = re.compile(r"[\w-]+(?: [\w-]+)*")

_UNKNOWN_NAME = ("no filter named ", "no test named ")


def check(subject: Subject, snippets: Snippets) -> Iterator[Problem]:
    """Check that each text can be rendered."""
    for text in subject.texts:
        found = syntax_error(text.text, text.template_format)
        if text.template_format == JINJA2:
            yield from _jinja(subject, text, found, snippets) if found else ()
        elif found is None:
            yield from _fields(subject, text)
        else:
            reason, line, column = found
            yield subject.problem(
                "fstring-unrenderable",
                text.path,
                f"This text will not be rendered, its variables stay as they are: {reason}.",
                hint=_BRACES,
                within=(line, column),
            )


def _fields(subject: Subject, text: Text) -> Iterator[Problem]:
    """Name the first field that nobody meant as a variable: JSON in an f-string is the usual one."""
    if "{" not in text.text:
        return
    names = variables(text.text, text.template_format)
    places = {text.text.find("{" + name): name for name in names if not _VARIABLE.fullmatch(name)}
    if places:
        start = min(places)
        message = f"The registry reads this as a variable with the name {places[start]!r}."
        line = text.text.count("\n", 0, start) + 1
        column = start - text.text.rfind("\n", 0, start)
        yield subject.problem("fstring-field", text.path, message, hint=_BRACES, within=(line, column))


def _jinja(
    subject: Subject, text: Text, found: tuple[str, int, int | None], snippets: Snippets
) -> Iterator[Problem]:
    reason, line, column = found
    reason = reason.rstrip(".")
    if reason.startswith(_UNKNOWN_NAME):
        message = f"This text will not be rendered: {reason}."
        yield subject.problem("jinja-name", text.path, message, within=(line, column))
        return
    severity = _severity(subject, text, snippets)
    if severity is not None:
        hint = "The registry leaves a text with a syntax error unrendered."
        yield subject.problem(
            "jinja-syntax",
            text.path,
            f"jinja2: {reason}.",
            hint=hint,
            severity=severity,
            within=(line, column),
        )


def _severity(subject: Subject, text: Text, snippets: Snippets) -> Severity | None:
    """Judge a broken text; snippets may open a block that another text closes, so they are put in first."""
    if FENCE in text.text:
        whole = snippets.expanded(text.text)
        if whole is None:
            return "warning"
        return "error" if syntax_error(whole, JINJA2) else None
    return "warning" if subject.prompt.name in snippets.referenced else "error"
