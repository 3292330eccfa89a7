"""Rules about keys and values that are probably misspelled or in the wrong place. All of them are legal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from promptsync.lint.references import Snippets
from promptsync.lint.subject import Subject, messages_of
from promptsync.prompt.models import PARAMETERS, PROVIDERS, RESPONSE_FORMATS, meant
from promptsync.prompt.prompt import KeyPath, Problem
from promptsync.prompt.shapes import SHAPES
from promptsync.prompt.texts import as_mapping

_MESSAGE_KEYS: Final = frozenset(SHAPES["message"])
_MODEL_KEYS: Final = frozenset(SHAPES["model"])
_FORMAT_KEYS: Final = frozenset(["type", "json_schema"])


def check(subject: Subject, _: Snippets) -> Iterator[Problem]:
    """Check the words of one file that are similar to known ones."""
    for path, word, known in _words(subject):
        likely = meant(word, known)
        if not likely:
            continue
        where = ".".join(map(str, path))
        message = f"{where if path[-1] == word else f'{where}: {word}'} looks misspelled."
        yield subject.problem("misspelled", _place(subject, path), message, hint=f"Did you mean {likely}?")
    for key in sorted(as_mapping(subject.prompt.metadata.get("model")).keys() & PARAMETERS):
        place = _place(subject, ("model", key))
        message = f"model.{key} belongs in model.parameters."
        yield subject.problem("misplaced", place, message, hint="Move it there.")


def _words(subject: Subject) -> Iterator[tuple[KeyPath, str, frozenset[str]]]:
    """Yield keys and values with their places, and the known words of the same kind."""
    model = as_mapping(subject.prompt.metadata.get("model"))
    parameters = as_mapping(model.get("parameters"))
    form = as_mapping(parameters.get("response_format"))
    below: KeyPath = ("model", "parameters")
    yield from ((("model", key), key, _MODEL_KEYS) for key in model.keys() - PARAMETERS)
    yield from (((*below, key), key, PARAMETERS) for key in parameters)
    yield from (((*below, "response_format", key), key, _FORMAT_KEYS) for key in form)
    for path, value, known in (
        (("model", "provider"), model.get("provider"), PROVIDERS),
        ((*below, "response_format", "type"), form.get("type"), RESPONSE_FORMATS),
    ):
        if isinstance(value, str):
            yield path, value, known
    for index, message in messages_of(subject.template):
        yield from ((("messages", index, key), key, _MESSAGE_KEYS) for key in message.keys() - _MESSAGE_KEYS)


def _place(subject: Subject, path: KeyPath) -> KeyPath:
    return subject.in_metadata(path) if path[0] == "model" else path
