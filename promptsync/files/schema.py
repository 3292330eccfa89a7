"""The JSON Schemas of our files: checking values against them, in words and places that help."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import jsonschema_rs

from promptsync.files.yaml.load import Loaded
from promptsync.prompt.prompt import Problem

Kind = Literal["prompt", "config", "fixtures", "request", "output"]

_SCHEMAS: Final = Path(__file__).parents[1] / "schemas"
_FORMER: Final = {
    ("prompt", "pulled"): "It is called synced: now. Delete the line, then run promptsync pull.",
}
"""What to do about keys that files of earlier versions have."""
_TYPES: Final = {
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


@cache
def schema(kind: Kind) -> dict[str, Any]:
    """Return the schema of prompt files, promptsync.yaml, fixtures, requests to log, or our documents."""
    loaded: dict[str, Any] = json.loads(schema_text(kind))
    return loaded


def schema_text(kind: Kind) -> str:
    """Return a schema as the JSON text that is published."""
    return (_SCHEMAS / f"{kind}.schema.json").read_text("utf-8")


def check(loaded: Loaded, path: str, kind: Kind) -> list[Problem]:
    """Return everything in a value that its schema does not allow, with places in the file."""
    validator = _validator(kind)
    if validator.is_valid(loaded.value):
        return []
    errors = list(validator.iter_errors(loaded.value))
    # what is of another type than it should be breaks every other rule, too
    mistyped = {tuple(error.instance_path) for error in errors if error.kind.name == "type"}
    errors = [one for one in errors if one.kind.name == "type" or tuple(one.instance_path) not in mistyped]
    problems = (problem for error in errors for problem in _problems(error, loaded, path, kind))
    return list(dict.fromkeys(problems))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a question for the known word that somebody may have meant, ``""`` when none is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else ""


def shown(keypath: Iterable[str | int]) -> str:
    """Return a path as it is written, such as ``messages[0].content``."""
    text = ""
    for part in keypath:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


@cache
def _validator(kind: Kind) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema(kind))


def _problems(error: Any, loaded: Loaded, path: str, kind: Kind) -> Iterator[Problem]:
    where: list[str | int] = list(error.instance_path)
    details = error.kind.as_dict()
    name = error.kind.name
    if name == "additionalProperties":
        known = _known_keys(kind, error.schema_path)
        for key in details["unexpected"]:
            message = f"Unknown key {shown([*where, key])}."
            hint = _FORMER.get((kind, key)) or suggestion(key, known)
            yield _problem(loaded, path, [*where, key], "unknown-key", message, hint)
    elif name == "type":
        yield _wrong_type(loaded, path, where, details["types"])
    elif name == "required":
        message = f"{shown(where) or 'The file'} lacks the key {details['property']}."
        yield _problem(loaded, path, where, "missing-key", message)
    elif said := _own_words(kind, error.schema_path):
        yield _problem(loaded, path, where, "schema", f"{shown(where)} {said}.")
    else:
        rule, message, hint = _words(name, error, where)
        yield _problem(loaded, path, where, rule, message, hint)


def _words(name: str, error: Any, where: list[str | int]) -> tuple[str, str, str]:
    if name == "oneOf" and not where:
        both = not any(error.kind.as_dict()["context"])
        message = "A prompt has either messages: (chat) or content: (completion)"
        return "prompt-kind", f"{message}, not both." if both else f"{message}.", "Write one of them."
    if name == "not" and where == ["metadata"]:
        return "model-twice", "The model stands twice: in model: and in metadata.model.", "Keep model:."
    if name == "propertyNames":
        return (
            "unknown-key",
            f"{shown(where)} holds a key that has its own place.",
            "Write it at the top of the file.",
        )
    if name == "oneOf":
        return "schema", f"{shown(where)} names either an evaluation or an agent.", ""
    if name == "pattern":
        return (
            "schema",
            f"{shown(where)} is neither local:, nor local:PATH, nor a URL with http or https.",
            "",
        )
    return "schema", f"{shown(where) or 'The file'}: {error.message}.", ""


def _wrong_type(loaded: Loaded, path: str, where: list[str | int], types: list[str]) -> Problem:
    expected = " or ".join(_TYPES[name] for name in types if name in _TYPES)
    value = _value_at(loaded.value, where)
    spelled = loaded.spelling(where)
    what = shown(where) or "The file"
    if value is None:
        message = f"{what} must be {expected}, but it is empty."
    elif isinstance(value, str | dict | list):
        message = f"{what} must be {expected}, but it is {_type_of(value)}."
    else:
        message = f"{what} must be {expected}, but {spelled} is {_type_of(value)} in YAML."
    hint = ""
    if "string" in types and isinstance(value, bool | int | float):
        hint = f'Quote it: "{spelled}".'
    elif isinstance(value, dict) and "string" in types:
        hint = "Text that starts with { or holds a colon must be quoted."
    return _problem(loaded, path, where, "wrong-type", message, hint)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    names = {str: "text", dict: "a mapping", list: "a list", int: "a number", float: "a number"}
    return names[type(value)]


def _known_keys(kind: Kind, schema_path: Iterable[str | int]) -> Iterable[str]:
    return list(_around(kind, schema_path).get("properties", ()))


def _own_words(kind: Kind, schema_path: Iterable[str | int]) -> str:
    """Return what a schema itself says about what breaks a rule of it, as editors show it; ``""`` if none."""
    words = _around(kind, schema_path).get("errorMessage", {})
    return str(words.get(list(schema_path)[-1], ""))


def _around(kind: Kind, schema_path: Iterable[str | int]) -> Mapping[str, Any]:
    """Return the part of a schema in which the rule of a path stands."""
    part: Any = schema(kind)
    for step in list(schema_path)[:-1]:
        part = part[step]
        if isinstance(part, Mapping) and "$ref" in part:
            part = schema(kind)["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    return part if isinstance(part, Mapping) else {}


def _value_at(value: Any, where: list[str | int]) -> Any:
    for part in where:
        value = value[part]
    return value


def _problem(
    loaded: Loaded, path: str, where: list[str | int], rule: str, message: str, hint: str = ""
) -> Problem:
    line, column = loaded.position(where)
    return Problem(path, line, column, rule, message, hint=hint)
