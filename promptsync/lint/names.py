"""Rules about the names of prompts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from promptsync.lint.references import Snippets
from promptsync.lint.subject import KnownPrompts, Subject
from promptsync.prompt.names import look
from promptsync.prompt.prompt import MAX_NAME, Problem
from promptsync.prompt.snippets import FENCE, LABEL_PIN, VERSION_PIN

_AT = ("name",)


def check(subject: Subject, _: Snippets) -> Iterator[Problem]:
    """Check the name of one file."""
    name = subject.prompt.name
    if not name:
        yield subject.problem("name-empty", _AT, "The name is empty.", hint="Give the prompt a name.")
        return
    if len(name) > MAX_NAME:
        message = f"The name has {len(name)} characters; the registry allows {MAX_NAME}."
        yield subject.problem("name-too-long", _AT, message, hint="Shorten the name.")
    if name.isdecimal():
        message = f"The name {name!r} is all digits and can be mistaken for the id of another prompt."
        yield subject.problem("name-digits", _AT, message, hint="Use a name with a letter in it.")
    for sign in (FENCE, LABEL_PIN, VERSION_PIN):
        if sign in name:
            message = f"The name contains {sign!r}, so no other prompt can refer to it."
            yield subject.problem("name-reserved", _AT, message, hint="Remove it from the name.")
            break
    if name != name.strip() or any(unicodedata.category(character) == "Cc" for character in name):
        message = f"The name {name!r} starts or ends with a space, or contains a control character."
        yield subject.problem("name-blank", _AT, message, hint="Rename the prompt, unless this is intended.")


def among(subjects: Sequence[Subject], known: KnownPrompts) -> Iterator[Problem]:
    """Check the names of all files against one another."""
    owners: dict[str, Subject] = {}
    looks: dict[str, str] = {look(name): name for name in known.templates}
    for subject in sorted(subjects, key=lambda subject: str(subject.file.path)):
        name = subject.prompt.name
        if name in owners:
            message = f"The prompt {name!r} is also defined in {owners[name].file.path}."
            yield subject.problem("name-duplicate", _AT, message, hint="Rename or delete one of them.")
            continue
        owners[name] = subject
        twin = looks.setdefault(look(name), name)
        if twin != name:
            message = f"The names {name!r} and {twin!r} differ only in case or in how accents are encoded."
            yield subject.problem("name-twin", _AT, message, hint="Rename one of them.")
