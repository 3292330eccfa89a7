"""Rules about prompt names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from promptsync.lint.subject import Known, Subject
from promptsync.prompt.prompt import MAX_NAME, Problem
from promptsync.prompt.snippets import FENCE, LABEL_PIN, VERSION_PIN

_AT = ("name",)


def alone(subject: Subject) -> Iterator[Problem]:
    """Check one name."""
    name = subject.prompt.name
    if not name:
        yield subject.problem("name-empty", _AT, "The name is empty.", hint="Give the prompt a name.")
        return
    if len(name) > MAX_NAME:
        message = f"The name has {len(name)} characters; the registry takes {MAX_NAME}."
        yield subject.problem("name-too-long", _AT, message, hint="Shorten the name.")
    if name.isdecimal():
        message = f"The name {name!r} is all digits and can be mistaken for the id of another prompt."
        yield subject.problem("name-digits", _AT, message, hint="Use a name with a letter in it.")
    for sign in (FENCE, LABEL_PIN, VERSION_PIN):
        if sign in name:
            message = f"The name holds {sign!r}, so that no other prompt can refer to it."
            yield subject.problem("name-reserved", _AT, message, hint="Leave these signs out of the name.")
            break
    if name != name.strip() or any(unicodedata.category(character) == "Cc" for character in name):
        message = f"The name {name!r} starts or ends with a blank, or holds a control character."
        yield subject.problem("name-blank", _AT, message, hint="Check that this is meant.")


def among(subjects: Sequence[Subject], known: Known) -> Iterator[Problem]:
    """Check the names against one another."""
    owners: dict[str, Subject] = {}
    looks: dict[str, str] = {_look(name): name for name in known.templates}
    for subject in sorted(subjects, key=lambda subject: str(subject.file.path)):
        name = subject.prompt.name
        if name in owners:
            message = f"The prompt {name!r} is defined in {owners[name].file.path} too."
            yield subject.problem("name-duplicate", _AT, message, hint="Rename or delete one of the two.")
            continue
        owners[name] = subject
        twin = looks.setdefault(_look(name), name)
        if twin != name:
            message = f"The names {name!r} and {twin!r} differ only in case or in how accents are written."
            yield subject.problem("name-twin", _AT, message, hint="Rename one of the two.")


def _look(name: str) -> str:
    return name.casefold() if name.isascii() else unicodedata.normalize("NFKC", name).casefold()
