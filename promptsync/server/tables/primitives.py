"""Primitives, which compute a value from columns of a row, with the vendor's configuration keys.

Computed columns of Tables and the steps of scorecards share them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, Protocol, cast

import msgspec
from msgspec import Meta, Struct

from promptsync.prompt.evaluation import cell_text, sources
from promptsync.server.http import checked, decode, malformed

Read = Callable[[str], Any]
"""Returns the value of a column in one row, by its id or title. Raises ``NoResult``."""

Ask = Callable[[str], str]
"""Returns the answer of a model to a text. Raises ``ModelError``."""


class NoResult(Exception):
    """There is no result for this row; the message says why."""


def as_json(value: Any) -> Any:
    """Return the JSON value that a text has, other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        return decode(value.encode())
    except ValueError as error:
        raise NoResult(f"the value {error}") from None


def structured(value: Any) -> Any:
    """Return the list or mapping that a text has as JSON, any other value as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        with suppress(NoResult):
            return as_json(value)
    return value


def as_number(value: Any) -> float:
    """Return a value as a number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise NoResult(f"{cell_text(value)[:100]!r} is not a number") from None


_STEP = re.compile(r"""\.([^\s.\[\]'"*]+)|\[(?:'([^']*)'|"([^"]*)"|(-?[0-9]{1,9}))\]""")


def path_steps(path: str) -> list[str | int]:
    """Return the keys and indices of a JSON path. Raises ``ValueError``."""
    matches = list(_STEP.finditer(path))
    if "$" + "".join(match[0] for match in matches) != path:
        raise ValueError(f"{path[:100]!r} is not a path of keys and indices, such as $.items[0].name")
    return [int(match[4]) if match[4] else next(filter(None, match.groups()), "") for match in matches]


def select(value: Any, path: str) -> list[Any]:
    """Return what a JSON path selects in ``value``: nothing, or one value."""
    for step in path_steps(path):
        # A text would have characters by index.
        if isinstance(value, str):
            return []
        try:
            value = value[step]
        except (LookupError, TypeError):
            return []
    return [value]


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
            return cell_text(left) == cell_text(right)
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
        wanted = cell_text(self.value if self.value_source is None else read(self.value_source))
        # Every text contains an empty one, so the check would pass without checking anything.
        if not wanted:
            raise NoResult("the text to look for is empty")
        return wanted.casefold() in cell_text(read(self.source)).casefold()


class _Regex(Struct, frozen=True):
    source: str
    regex_pattern: Annotated[str, Meta(max_length=10_000)]

    def __post_init__(self) -> None:
        try:
            re.compile(self.regex_pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"regex_pattern is not a regular expression ({error})") from None

    def result(self, read: Read, ask: Ask) -> bool:
        from promptsync import rendering

        request = {"pattern": self.regex_pattern, "text": cell_text(read(self.source))}
        try:
            return bool(rendering.ask({**request, "seconds": SEARCH_SECONDS})["matches"])
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


class _Coalesce(Struct, frozen=True):
    """The value of the first of several columns that has one; an empty text is none."""

    sources: Annotated[list[str], Meta(min_length=2)]

    def result(self, read: Read, ask: Ask) -> Any:
        return next((value for value in map(read, self.sources) if value not in (None, "")), None)


_SEPARATORS: Final = {"words": r"\s+", "sentences": r"(?<=[.!?])\s+", "paragraphs": r"\n\s*\n"}


class _Count(Struct, frozen=True):
    """How many characters, or other parts, a column has; with bounds, whether it is within them."""

    source: str
    type: Literal["chars", "words", "sentences", "paragraphs"]
    min_count: int | None = None
    max_count: int | None = None

    def result(self, read: Read, ask: Ask) -> int | bool:
        text = cell_text(read(self.source))
        parts = text if self.type == "chars" else re.split(_SEPARATORS[self.type], text.strip())
        count = len([part for part in parts if part])
        if self.min_count is None and self.max_count is None:
            return count
        return (self.min_count or 0) <= count <= (count if self.max_count is None else self.max_count)


class _LlmAssertion(Struct, frozen=True):
    """Whether a model finds that an assertion, or each of a JSON list of them, is true of a column."""

    source: str
    prompt: str = ""
    prompt_source: str = ""
    variable_mappings: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not self.prompt and not self.prompt_source:
            raise ValueError("needs prompt or prompt_source")

    def result(self, read: Read, ask: Ask) -> dict[str, Any]:
        """Return ``value`` and ``reasoning``, or a mapping of them by assertion."""
        prompt = cell_text(read(self.prompt_source)) if self.prompt_source else self.prompt
        if not prompt.strip():
            raise NoResult("the assertion is empty")
        content = cell_text(read(self.source))
        for name, source in self.variable_mappings.items():
            content += f"\n\n{name}:\n{cell_text(read(source))}"
        try:
            several = msgspec.json.decode(prompt, type=list[str])
        except msgspec.DecodeError:
            return _judgement(ask(_question(prompt, content)))
        return {assertion: _judgement(ask(_question(assertion, content))) for assertion in several}


def _question(assertion: str, content: str) -> str:
    return (
        "Judge whether the assertion is true of the content. Answer only with JSON:"
        ' {"value": true or false, "reasoning": "one sentence"}.'
        f"\n\nAssertion:\n{assertion}\n\nContent:\n{content}"
    )


def _judgement(answer: str) -> dict[str, Any]:
    """Return what a model answered: JSON, perhaps in a block of Markdown, or a word."""
    text = re.sub(r"^```\w*", "", answer.strip()).removesuffix("```").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and isinstance(value.get("value"), bool):
        return {"value": value["value"], "reasoning": cell_text(value.get("reasoning"))}
    word = re.match(r"\W*(?:(true|yes|pass)|false|no|fail)\b", text, re.IGNORECASE)
    if word is None:
        raise NoResult(f"the model did not answer true or false: {text[:200]!r}")
    return {"value": word[1] is not None, "reasoning": text}


PRIMITIVES: Final[Mapping[str, type[Struct]]] = {
    "COMPARE": _Compare,
    "CONTAINS": _Contains,
    "REGEX": _Regex,
    "ASSERT_VALID": _AssertValid,
    "JSON_PATH": _JsonPath,
    "COMPOSITION": _Composition,
    "COALESCE": _Coalesce,
    "COUNT": _Count,
    "LLM_ASSERTION": _LlmAssertion,
}
"""The primitives that run in this registry, by the vendor's type."""


def primitive(kind: str, config: Mapping[str, Any], where: str) -> Primitive:
    """Return a primitive; 400 for a type that does not run here, and for a wrong configuration."""
    if kind not in PRIMITIVES:
        raise malformed(f"{kind[:100]} does not run here. These do: {', '.join(PRIMITIVES)}.")
    return cast("Primitive", checked(config, PRIMITIVES[kind], where, status=400))


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
    raise NoResult(f"{cell_text(result)[:100]!r} is not a score from 0 to 1")
