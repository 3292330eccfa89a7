"""Runs all rules over a set of files; those about names and evaluation files are here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptsync.lint import references, structure, text
from promptsync.lint.rules import KnownPrompts, Subject
from promptsync.prompt.evaluation import EvaluationFile, enough_rows
from promptsync.prompt.names import look
from promptsync.prompt.prompt import MAX_NAME, KeyPath, Problem, leaves, line_and_column
from promptsync.prompt.snippets import FENCE, LABEL_PIN, VERSION_PIN, rendered_in
from promptsync.prompt.template import template_variables

if TYPE_CHECKING:
    from promptsync.files.prompt_file import PromptFile


def check(
    files: Iterable[PromptFile], known: KnownPrompts | None = None, reported: Iterable[Problem] = ()
) -> list[Problem]:
    """Return the problems of ``files`` by path, line and column; an empty list when there are none.

    Names and references are judged among all the files and ``known`` together, so a caller that checks only a
    few files passes the other prompts of the repository as ``known.templates``. Places of the problems that
    were ``reported`` before are left out.
    """
    known = known or KnownPrompts()
    subjects = [Subject(file) for file in files]
    problems = [*_among(subjects, known)]
    own = {subject.prompt.name: subject.template for subject in subjects}
    known = replace(known, templates={**known.templates, **own})
    problems += references.cycles(subjects, known)
    for subject in subjects:
        problems += _name(subject)
        for family in (structure, text, references):
            problems += family.check(subject, known)
    places = {(problem.path, problem.line, problem.column) for problem in reported}
    return sorted(found for found in problems if (found.path, found.line, found.column) not in places)


def _name(subject: Subject) -> Iterator[Problem]:
    """Check the name of one file."""
    name = subject.prompt.name
    sign = next((sign for sign in (FENCE, LABEL_PIN, VERSION_PIN) if sign in name), None)
    odd = name != name.strip() or any(unicodedata.category(character) == "Cc" for character in name)
    too_long = f"The name has {len(name)} characters; the registry allows {MAX_NAME}."
    digits = f"The name {name!r} is all digits and can be mistaken for the id of another prompt."
    reserved = f"The name contains {sign!r}, so no other prompt can refer to it."
    blank = f"The name {name!r} starts or ends with a space, or contains a control character."
    for is_wrong, rule, message, hint in (
        (len(name) > MAX_NAME, "name-too-long", too_long, "Shorten the name."),
        (name.isdecimal(), "name-digits", digits, "Use a name with a letter in it."),
        (sign is not None, "name-reserved", reserved, "Remove it from the name."),
        (odd, "name-blank", blank, "Rename the prompt, unless this is intended."),
    ):
        if is_wrong:
            yield subject.problem(rule, ("name",), message, hint=hint)


def _among(subjects: Sequence[Subject], known: KnownPrompts) -> Iterator[Problem]:
    """Check the names of all files against one another."""
    owners: dict[str, Subject] = {}
    looks: dict[str, str] = {look(name): name for name in known.templates}
    for subject in sorted(subjects, key=lambda subject: subject.file.path):
        name = subject.prompt.name
        if name in owners:
            message = f"The prompt {name!r} is also defined in {owners[name].file.path}."
            yield subject.problem("name-duplicate", ("name",), message, hint="Rename or delete one of them.")
            continue
        owners[name] = subject
        twin = looks.setdefault(look(name), name)
        if twin != name:
            message = f"The names {name!r} and {twin!r} differ only in case or in how accents are encoded."
            yield subject.problem("name-twin", ("name",), message, hint="Rename one of them.")


def check_evaluation(
    file: EvaluationFile,
    files: Mapping[str, PromptFile],
    names: Collection[str],
    patterns: Sequence[str] | None,
) -> Iterator[tuple[str, KeyPath, str, str]]:
    """Yield the rule, place, message and hint of each problem of a file among the prompts with these names.

    ``patterns`` are those of the prompts for which ``checks:`` or a prompt file names it, ``None`` if none
    does. ``files`` are those of the prompts, as far as they can be read.
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
    known = KnownPrompts({name: user.prompt.template for name, user in files.items()})
    variables: dict[str, str] = {}
    for name, template in known.templates.items():
        if any(fnmatchcase(name, pattern) for pattern in (*file.prompts, *(patterns or ()))):
            whole = known.expanded(template) or template
            variables |= dict.fromkeys(sorted(template_variables(whole)), name)
    for variable, prompt in variables.items():
        if file.variables.get(variable, variable) not in file.inputs:
            message = f"The rows have no column for the variable {variable!r} of {prompt}."
            place = _place_of(variable, files[prompt], files)
            hint = f"Add the column, name another one in variables:, or correct {place}."
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


def _place_of(variable: str, file: PromptFile, files: Mapping[str, PromptFile]) -> str:
    """Return the file, line and column where a prompt, or a snippet of it, first uses a variable."""
    use = re.compile(rf"\{{[^{{}}]*\b({re.escape(variable)})\b")
    users = [file]
    for user in users:
        if match := use.search(user.text):
            return ":".join(map(str, (user.path, *line_and_column(user.text, match.start(1)))))
        used = (files.get(reference.name) for reference in rendered_in(user.prompt.template))
        users += [snippet for snippet in used if snippet is not None and snippet not in users]
    return file.path
