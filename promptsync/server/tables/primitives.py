"""Primitives, which compute a value from columns of a row, with the vendor's configuration keys.

Computed columns of Tables and the steps of scorecards share them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Protocol, cast

import msgspec
from msgspec import Meta, Struct

from promptsync.prompt.evaluation import sources
from promptsync.server.http.answer import malformed
from promptsync.server.http.fields import checked
from promptsync.server.tables.assertion import LlmAssertion
from promptsync.server.tables.values import (
    Ask,
    NoResult,
    Read,
    as_json,
    as_number,
    as_text,
    path_steps,
    select,
)

SEARCH_SECONDS: Final = 1.0
"""How long a regular expression may search in one text."""


class Primitive(Protocol):
    """A configured primitive."""

    def result(self, read: Read, ask: Ask) -> Any:
        """Return the value for a row. Raises ``NoResult``, and ``ModelError`` if it asks a model."""


_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "EQ": float.__eq__,
    "NE": float.__ne__,
    "GT": float.__gt__,
    "GTE": float.__ge__,
    "LT": float.__lt__,
    "LTE": float.__le__,
}


class _Comparison(Struct, frozen=True):
    type: Literal["STRING", "JSON", "NUMBER"]
    json_path: str | None = None
    operator: Literal["EQ", "NE", "GT", "GTE", "LT", "LTE"] = "EQ"

    def __post_init__(self) -> None:
        path_steps(self.json_path or "$")


class _Compare(Struct, frozen=True):
    """Whether two columns, or a column and ``target``, are equal or, as numbers, what the operator says."""

    sources: Annotated[list[str], Meta(min_length=1, max_length=2)]
    comparison_type: _Comparison | Literal["STRING", "JSON", "NUMBER"] = "STRING"
    target: Any = msgspec.UNSET

    def __post_init__(self) -> None:
        if (len(self.sources) == 2) is (self.target is not msgspec.UNSET):
            raise ValueError("needs two sources, or one source and a target")

    def result(self, read: Read, ask: Ask) -> bool:
        how = self.comparison_type
        how = _Comparison(how) if isinstance(how, str) else how
        left = read(self.sources[0])
        right = self.target if self.target is not msgspec.UNSET else read(self.sources[1])
        if how.type == "STRING":
            return as_text(left) == as_text(right)
        if how.type == "NUMBER":
            return _OPERATORS[how.operator](as_number(left), as_number(right))
        # Compared as text, because 1 and true are equal in Python.
        parts = [select(as_json(value), how.json_path or "$") for value in (left, right)]
        return json.dumps(parts[0], sort_keys=True) == json.dumps(parts[1], sort_keys=True)


class _Contains(Struct, frozen=True):
    """Whether a column contains a text, in any case."""

    source: str
    value: str | None = None
    value_source: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) is (self.value_source is None):
            raise ValueError("needs either value or value_source")

    def result(self, read: Read, ask: Ask) -> bool:
        wanted = as_text(self.value if self.value_source is None else read(self.value_source))
        # Every text contains an empty one, so the check would pass without checking anything.
        if not wanted:
            raise NoResult("the text to look for is empty")
        return wanted.casefold() in as_text(read(self.source)).casefold()


class _Regex(Struct, frozen=True):
    source: str
    regex_pattern: Annotated[str, Meta(max_length=10_000)]

    def __post_init__(self) -> None:
        try:
            re.compile(self.regex_pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"regex_pattern is not a regular expression ({error})") from None

    def result(self, read: Read, ask: Ask) -> bool:
        from promptsync.rendering import process

        request = {"pattern": self.regex_pattern, "text": as_text(read(self.source))}
        try:
            return bool(process.ask({**request, "seconds": SEARCH_SECONDS})["matches"])
        except TimeoutError:
            raise NoResult(f"the search with regex_pattern takes longer than {SEARCH_SECONDS:g} s") from None
        except (MemoryError, ChildProcessError) as error:
            raise NoResult(f"the search with regex_pattern failed: {error or 'out of memory'}") from None


class _AssertValid(Struct, frozen=True):
    """Whether a column is a JSON object or array, or a number."""

    source: str
    type: Literal["object", "number"]

    def result(self, read: Read, ask: Ask) -> bool:
        value = read(self.source)
        try:
            if self.type == "number":
                return not isinstance(value, bool) and isinstance(as_number(value), float)
            return isinstance(as_json(value), dict | list)
        except NoResult:
            return False


class _Count(Struct, frozen=True):
    """How many of something a column has or, with bounds, whether that is within them."""

    source: str
    type: Literal["chars", "words", "sentences", "paragraphs"]
    min_count: int | None = None
    max_count: int | None = None

    def result(self, read: Read, ask: Ask) -> bool | int:
        text = as_text(read(self.source))
        ends = {"words": r"\s+", "sentences": r"(?<=[.!?])\s+", "paragraphs": r"\n\s*\n"}.get(self.type)
        number = len(text) if ends is None else sum(bool(part.strip()) for part in re.split(ends, text))
        if self.min_count is None and self.max_count is None:
            return number
        return (self.min_count or 0) <= number <= (number if self.max_count is None else self.max_count)


class _JsonPath(Struct, frozen=True):
    source: str
    json_path: str
    return_first_match: bool = True

    def __post_init__(self) -> None:
        path_steps(self.json_path)

    def result(self, read: Read, ask: Ask) -> Any:
        selected = select(as_json(read(self.source)), self.json_path)
        return selected if not self.return_first_match else next(iter(selected), None)


class _Composition(Struct, frozen=True):
    """The value of another column of the same sheet."""

    source: str

    def result(self, read: Read, ask: Ask) -> Any:
        return read(self.source)


class _Trajectory(Struct, frozen=True):
    """Whether the tools of a trace are those of an accepted scenario or, not strictly, have them in order."""

    trace_source: str
    accepted_scenarios: list[list[str]] | None = None
    expected_source: str | None = None
    mode: Literal["strict", "non_strict"] = "strict"

    def __post_init__(self) -> None:
        if (self.accepted_scenarios is None) is (self.expected_source is None):
            raise ValueError("needs either accepted_scenarios or expected_source")

    def result(self, read: Read, ask: Ask) -> bool:
        scenarios = self.accepted_scenarios
        if self.expected_source is not None:
            expected = as_json(read(self.expected_source))
            expected = expected.get("accepted_scenarios") if isinstance(expected, dict) else expected
            try:
                either = msgspec.convert(expected, list[list[str] | _Scenario])
            except msgspec.ValidationError as error:
                raise NoResult(f"the expected tools are not lists of names ({error})") from None
            scenarios = [part.required_tools if isinstance(part, _Scenario) else part for part in either]
        used = _tools(as_json(read(self.trace_source)))
        return any(self._fits(scenario, used) for scenario in scenarios or ())

    def _fits(self, scenario: list[str], used: list[str]) -> bool:
        if self.mode == "strict" or not scenario:
            return used == scenario
        later = iter(used)
        return all(tool in later for tool in scenario)


class _Scenario(Struct, frozen=True):
    required_tools: list[str]


def _tools(trace: Any) -> list[str]:
    """Return the tools in a tree of spans, in the order in which they started."""
    spans, waiting = [], [trace]
    while waiting:
        span = waiting.pop()
        if isinstance(span, dict):
            spans.append((str(span.get("start")), str(span.get("span_id")), str(span.get("name"))))
            children = span.get("children")
            waiting += children if isinstance(children, list) else []
    return [name[5:].strip() for _, _, name in sorted(spans) if name.startswith("Tool:")]


PRIMITIVES: Final[Mapping[str, type[Struct]]] = {
    "COMPARE": _Compare,
    "CONTAINS": _Contains,
    "REGEX": _Regex,
    "ASSERT_VALID": _AssertValid,
    "COUNT": _Count,
    "JSON_PATH": _JsonPath,
    "COMPOSITION": _Composition,
    "TRAJECTORY": _Trajectory,
    "LLM_ASSERTION": LlmAssertion,
}
"""The primitives that run in this registry, by the vendor's type."""


def primitive(kind: str, config: Mapping[str, Any], where: str) -> Primitive:
    """Return a primitive; 400 for a type that does not run here, and for a wrong configuration."""
    if kind not in PRIMITIVES:
        raise malformed(f"{where}: {kind[:100]} does not run here. These do: {', '.join(PRIMITIVES)}.")
    return cast("Primitive", checked(config, PRIMITIVES[kind], where))


def references(config: Mapping[str, Any]) -> list[str]:
    """Return the columns that a configuration names, by id or title."""
    return [name for _, name in sources(config) if name]


def score_of(result: Any) -> float:
    """Return the score of a result, from 0 to 1; of several assertions the mean. Raises ``NoResult``."""
    if isinstance(result, dict) and result:
        values = [result["value"]] if isinstance(result.get("value"), bool) else list(result.values())
        return sum(map(score_of, values)) / len(values)
    if isinstance(result, bool | int | float) and 0 <= result <= 1:
        return float(result)
    raise NoResult(f"{as_text(result)[:100]!r} is not a score from 0 to 1")
