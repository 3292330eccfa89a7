"""Runs all rules over a set of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from promptsync.lint import names, references, scalars, spelling, structure, text
from promptsync.lint.references import Snippets
from promptsync.lint.subject import KnownPrompts, Located, Subject
from promptsync.prompt.prompt import Problem

FAMILIES: Final[tuple[Callable[[Subject, Snippets], Iterator[Problem]], ...]] = (
    names.check,
    structure.check,
    text.check,
    references.check,
    scalars.check,
    spelling.check,
)
"""Each checks one file, with the snippets of all files at hand."""


def check(
    files: Iterable[Located], known: KnownPrompts | None = None, reported: Iterable[Problem] = ()
) -> list[Problem]:
    """Return the problems of ``files`` by path, line and column; an empty list when there are none.

    Names and references are judged among all the files and ``known`` together, so a caller that checks only a
    few files passes the other prompts of the repository as ``known.templates``. Places of the problems that
    were ``reported`` before are left out.
    """
    known = known or KnownPrompts()
    subjects = [Subject(file) for file in files]
    snippets = Snippets(subjects, known)
    problems = [
        problem for subject in subjects for family in FAMILIES for problem in family(subject, snippets)
    ]
    problems += names.among(subjects, known)
    problems += references.cycles(subjects, snippets)
    places = {(problem.path, problem.line, problem.column) for problem in reported}
    return sorted(
        problem for problem in problems if (problem.path, problem.line, problem.column) not in places
    )
