"""The vendor's specification, where it is at hand, as a judge of answers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SPEC = Path(__file__).parents[2] / "shared" / "openapi-subset.json"
TABLES = SPEC.with_name("openapi-tables.json")


@cache
def spec() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SPEC.read_text("utf-8"))
    if TABLES.exists():
        tables = json.loads(TABLES.read_text("utf-8"))
        loaded["paths"] |= tables["paths"]
        for kind, components in tables["components"].items():
            loaded["components"].setdefault(kind, {}).update(components)
    return loaded


@cache
def _validator(path: str, method: str, status: str) -> jsonschema.Draft202012Validator | None:
    declared = spec()["paths"][path][method.lower()]["responses"]
    # Publishing was recorded with 201 while the specification says 200.
    response = declared.get(status) or declared["200"]
    content = response.get("content", {})
    if not content:
        return None
    schema = {**content["application/json"]["schema"], "components": spec()["components"]}
    return jsonschema.Draft202012Validator(_without_nullables(schema))


def validate(path: str, method: str, status: int, body: Any) -> None:
    """Hold an answer against the schema that is declared for its status; raises ``ValidationError``."""
    validator = _validator(path, method, str(status))
    if validator is not None and status != 204:
        validator.validate(body)


class Judge:
    """Keeps the answers that do not fit. Called like a ``Dialect.check``."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def __call__(self, path: str, method: str, status: int, body: Any) -> None:
        if not SPEC.exists() or path not in spec()["paths"] or method.lower() not in spec()["paths"][path]:
            return
        try:
            validate(path, method, status, body)
        except jsonschema.ValidationError as error:
            self.problems.append(f"{method} {path} {status}: {error.message} at {error.json_path}")


def _without_nullables(value: Any) -> Any:
    """The specification says ``nullable`` in places, which only its older versions knew."""
    if isinstance(value, list):
        return [_without_nullables(item) for item in value]
    if not isinstance(value, dict):
        return value
    loose = {"properties", "description"}
    if any(other == {"type": "object"} or set(other) <= loose for other in value.get("oneOf", ())):
        # Any object fits such an alternative, so exactly one can never fit.
        value = {**value, "anyOf": value["oneOf"], "oneOf": [{}]}
    if {"stale", "error"} <= {*value.get("enum", ())}:
        # The vendor's SDKs, its manual and another schema of it have capitals, and other names.
        value = {**value, "enum": ["STALE", "QUEUED", "DISPATCHED", "RUNNING", "COMPLETED", "FAILED"]}
    if "ASSERT_VALID" in value.get("enum", ()):
        # The vendor has more kinds of columns and steps since then, such as TRACE and TRAJECTORY.
        value = {key: item for key, item in value.items() if key != "enum"}
    plain = {key: _without_nullables(item) for key, item in value.items()}
    if plain.pop("nullable", False) is True:
        return {"anyOf": [plain, {"type": "null"}]}
    if plain in ({"type": "integer", "title": title} for title in ("Next Num", "Prev Num")):
        # Recorded as null at the ends although typed as integers.
        return {"type": ["integer", "null"]}
    return plain
