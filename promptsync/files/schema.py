"""The JSON Schemas of our file formats, and the messages for a file that breaks one."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, reduce
from itertools import islice
from operator import getitem
from pathlib import Path
from typing import Any, Final, Literal

import jsonschema_rs

from promptsync.files.yaml.load import Loaded, position, shortened
from promptsync.prompt.prompt import Problem
from promptsync.prompt.shapes import PARAMETERS, SHAPES, meant

Kind = Literal["prompt", "config", "evaluation", "fixtures", "request", "bundle", "output"]

_SCHEMAS: Final = Path(__file__).parents[1] / "schemas"
_MOST_PROBLEMS: Final = 100
"""How many problems of one file are reported."""

_TYPES: Final[dict[str, tuple[type, str]]] = {
    "string": (str, "text"),
    "array": (list, "a list"),
    "object": (dict, "a mapping"),
    "boolean": (bool, "true or false"),
    "integer": (int, "a whole number"),
    "number": (float, "a number"),
}
"""The types of JSON Schema, Python's and ours."""


@cache
def schema(kind: Kind) -> dict[str, Any]:
    """Return the schema of prompt files, promptsync.yaml, evaluation files, fixtures, or another format."""
    loaded: dict[str, Any] = json.loads(schema_text(kind))
    return loaded


def schema_text(kind: Kind) -> str:
    """Return a schema as the JSON text that is published."""
    return (_SCHEMAS / f"{kind}.schema.json").read_text("utf-8")


def check(loaded: Loaded, path: str, kind: Kind) -> list[Problem]:
    """Return everything in a file that its schema does not allow, in no particular order."""
    # Nearly every file is valid, and only collecting errors takes long.
    validator = _validator(kind)
    if validator.is_valid(loaded.value):
        return []
    errors = list(validator.iter_errors(loaded.value))
    # A value of the wrong type breaks all the other rules for it as well.
    mistyped = {tuple(error.instance_path) for error in errors if error.kind.name == "type"}
    errors = [
        error for error in errors if error.kind.name == "type" or tuple(error.instance_path) not in mistyped
    ]
    # Finding the places and closest keys of thousands of problems takes long, and is of no use.
    reasons = islice((reason for error in errors for reason in _reasons(error, loaded, kind)), _MOST_PROBLEMS)
    return list(
        dict.fromkeys(
            Problem(path, *position(loaded.text, tuple(where)), rule, message, hint=hint)
            for where, rule, message, hint in reasons
        )
    )


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a question that names the closest known word, ``""`` when none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else ""


def shown(keypath: Iterable[str | int]) -> str:
    """Return a key path as people write it, such as ``messages[0].content``."""
    text = ""
    for part in keypath:
        text += f"[{part}]" if isinstance(part, int) else f".{shortened(part)}"
    return text.removeprefix(".")


@cache
def _validator(kind: Kind) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema(kind))


def _reasons(error: Any, loaded: Loaded, kind: Kind) -> Iterator[tuple[list[str | int], str, str, str]]:
    """Yield the place, the rule, the message and the hint of each problem in an error."""
    where: list[str | int] = list(error.instance_path)
    details = error.kind.as_dict()
    name = error.kind.name
    if name == "additionalProperties":
        known = list(_around(kind, error.schema_path).get("properties", ()))
        for key in details["unexpected"]:
            hint = suggestion(key, known)
            if kind == "prompt" and not where:
                hint = _below_model(key) or hint
            if kind == "fixtures" and key in ("datasets", "evaluations"):
                hint = "Write each evaluation as a file with its rows: promptsync schema evaluation."
            yield [*where, key], "unknown-key", f"Unknown key {shown([*where, key])}.", hint
    elif name == "type":
        value: Any = reduce(getitem, where, loaded.value)
        message, hint = _wrong_type(value, shown(where) or "The file", details["types"])
        if kind == "prompt" and where == ["model"] and isinstance(value, str):
            hint = f"Write model: {{provider: openai, name: {value}}}, with its provider."
        yield where, "wrong-type", message, hint
    elif name == "required":
        message = f"{shown(where) or 'The file'} lacks the key {details['property']}."
        yield where, "missing-key", message, ""
    elif said := _around(kind, error.schema_path).get("errorMessage", {}).get(list(error.schema_path)[-1]):
        # The schema's own message, which editors show too.
        yield where, "schema", f"{shown(where)} {said}.", ""
    else:
        yield where, *_words(name, error, where)


def _below_model(key: str) -> str:
    """Return where a key belongs that people write at the top of a prompt file."""
    if key in SHAPES["model"].keys() - {"name"}:
        return "Write it in model."
    parameter = key if key in PARAMETERS else meant(key, PARAMETERS)
    return f"Write {parameter}: in model.parameters." if parameter else ""


def _words(name: str, error: Any, where: list[str | int]) -> tuple[str, str, str]:
    if name == "oneOf" and not where:
        # If neither alternative has an error, both of them match.
        both = not any(error.kind.as_dict()["context"])
        message = "A prompt has either messages: (chat) or content: (completion)"
        return "prompt-kind", f"{message}, not both." if both else f"{message}.", "Write one of them."
    return "schema", f"{shown(where) or 'The file'}: {error.message}.", ""


def _wrong_type(value: Any, what: str, types: list[str]) -> tuple[str, str]:
    """Return the message and the hint for a value of another type than one of ``types``."""
    kind = next((words for type_, words in _TYPES.values() if type(value) is type_), "empty")
    if isinstance(value, bool):
        kind = f"the boolean {str(value).lower()} in YAML"
    expected = " or ".join(_TYPES[name][1] for name in types if name in _TYPES)
    hint = ""
    if "string" in types and isinstance(value, int | float):
        hint = "Quote it."
    elif "string" in types and isinstance(value, dict):
        hint = "Text that starts with { or contains a colon must be quoted."
    return f"{what} must be {expected}, but it is {kind}.", hint


def _around(kind: Kind, schema_path: Iterable[str | int]) -> Mapping[str, Any]:
    """Return the part of a schema that contains the rule at a path."""
    part: Any = schema(kind)
    for step in list(schema_path)[:-1]:
        part = part[step]
        # The path of an error leads through references, which our schemas make only to their own $defs.
        if isinstance(part, Mapping) and "$ref" in part:
            part = schema(kind)["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    return part if isinstance(part, Mapping) else {}
