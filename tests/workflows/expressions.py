"""The expressions of GitHub workflows, as far as our files use them, read as Python.

What does not exist is an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z_][\w-]*(?:\.(?:[A-Za-z_][\w-]*|\*))*)(\(\)?)?|&&|\|\||!(?!=)")
_SIGNS = {"&&": " and ", "||": " or ", "!": " not "}


@dataclass
class Scope:
    """What expressions in the steps of a job or of an action can name, and how they go so far.

    ``title`` is the name of the step that uses the action, and ``extra`` has variables of all steps.
    """

    values: dict[str, Any]
    title: str = ""
    failed: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def statuses(self) -> dict[str, bool]:
        """The functions that tell how it goes: in an action, an earlier step of the job does not count."""
        return {"success": not self.failed, "failure": self.failed, "cancelled": False, "always": True}

    def fill(self, text: str) -> str:
        """Replace every ``${{ }}`` of a text by its value."""

        def filled(match: re.Match[str]) -> str:
            value = self.evaluate(match[1])
            return str(value).lower() if isinstance(value, bool) else str(value)

        return _TEMPLATE.sub(filled, text)

    def filled(self, texts: Mapping[str, str]) -> dict[str, str]:
        return {key: self.fill(text) for key, text in texts.items()}

    def runs(self, condition: str | None) -> bool:
        """Tell whether a step runs; without a word on the job's status ``success()`` is part of it."""
        if condition is None:
            return not self.failed
        template = _TEMPLATE.fullmatch(condition.strip())
        inner = template[1] if template else condition
        asks = any(f"{name}()" in inner for name in self.statuses)
        return bool(self.evaluate(inner)) and (asks or not self.failed)

    def evaluate(self, text: str) -> Any:
        """Return the value of an expression. Raises ``SyntaxError`` for what our files do not use."""

        def python(token: re.Match[str]) -> str:
            literal, name, is_call = token.groups()
            if literal is not None:
                return repr(literal.replace("''", "'"))
            if name is None:
                return _SIGNS[token[0]]
            if is_call == "(":
                return f"{name}("
            return f"{'status' if is_call else 'value'}({name!r})"

        names = {
            "value": self._value,
            "status": lambda name: self.statuses[name],
            "contains": lambda values, wanted: wanted in values,
        }
        return eval(_TOKEN.sub(python, text).strip(), {"__builtins__": {}}, names)

    def _value(self, name: str) -> Any:
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": ""}[name]
        first, *path = name.split(".")
        found = self.values[first]
        for part in path:
            if part == "*":
                found = found or []
            elif isinstance(found, list):
                found = [item.get(part) for item in found]
            else:
                found = found.get(part) if isinstance(found, Mapping) else None
        return "" if found is None else found
