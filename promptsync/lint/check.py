"""Running all rules over a set of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from promptsync.lint import names, references, scalars, structure, text
from promptsync.lint.subject import Known, Located, Subject
from promptsync.prompt.prompt import Problem


def check(files: Iterable[Located], known: Known | None = None) -> list[Problem]:
    """Return the problems of ``files`` by path, line and column; an empty list when all is well.

    Names and references are judged among all the files and ``known`` together, so a hook that checks a few
    files has to pass the other prompts of the repository as ``known.templates``.
    """
    known = known or Known()
    subjects = [Subject(file) for file in files]
    snippets = references.Snippets(subjects, known)
    problems = [problem for subject in subjects for problem in _alone(subject, snippets)]
    problems += names.among(subjects, known)
    problems += references.cycles(subjects, snippets)
    return sorted(problems)


def _alone(subject: Subject, snippets: references.Snippets) -> Iterator[Problem]:
    yield from names.alone(subject)
    yield from structure.check_structure(subject)
    yield from text.check_syntax(subject, snippets)
    yield from references.check(subject, snippets)
    yield from structure.check_examples(subject, snippets)
    yield from text.check_characters(subject)
    yield from text.check_secrets(subject)
    yield from scalars.check(subject)
