"""Limits on what a template may ask for while it renders, so that no text can exhaust the machine.

Every check raises ``Runaway`` before the work is done, not after.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

MAX_TEXT = 5_000_000
"""Longest text, in code points, or list that rendering may produce."""
MAX_NUMBER = 100_000
"""Largest width, precision or indentation that a template may ask for."""
MAX_STEPS = 250_000
"""How many loop bodies, branches and macro calls one text may run through."""

_DIGITS = re.compile(r"\d+")
_NESTED_SPEC = re.compile(r":[^{}]*\{")
_SIZED_FILTERS = frozenset(("batch", "center", "indent", "pprint", "round", "slice", "tojson", "wordwrap"))
_MULTIPLYING = frozenset(("indent", "join", "replace"))


class Runaway(Exception):
    """A template asked for more text, larger numbers or more steps than a prompt can need."""


@dataclass(slots=True)
class Run:
    """What one rendering has met so far."""

    missing: set[str] = field(default_factory=set)
    steps: int = 0


current: ContextVar[Run] = ContextVar("current")
"""The rendering under way in this thread."""


def step() -> str:
    """Count one loop body; the text that it contributes is empty."""
    run = current.get()
    run.steps += 1
    if run.steps > MAX_STEPS:
        raise Runaway(f"it runs through more than {MAX_STEPS:,} loop bodies")
    return ""


def check_size(size: int) -> None:
    """Refuse a text or list of ``size``."""
    if size > MAX_TEXT:
        raise Runaway(f"it makes a text or list longer than {MAX_TEXT:,}")


def check_numbers(values: Iterable[Any]) -> None:
    """Refuse large integers among ``values``."""
    if any(isinstance(value, int) and abs(value) > MAX_NUMBER for value in values):
        raise Runaway(f"it asks for a number over {MAX_NUMBER:,} where one is a length")


def check_spec(text: str) -> None:
    """Refuse large numbers written inside a format specification."""
    check_numbers(int(digits[:9]) for digits in _DIGITS.findall(text))


def check_format(text: str, values: Iterable[Any]) -> None:
    """Refuse a ``str.format`` whose widths, written or taken from ``values``, are too large."""
    check_spec(text)
    if _NESTED_SPEC.search(text):
        for value in values:
            check_numbers(value.values() if isinstance(value, dict) else (value,))


def join(parts: Iterable[Any]) -> str:
    """The parts as one bounded text."""
    joined: list[str] = []
    size = 0
    for part in parts:
        joined.append(str(part))
        size += len(joined[-1])
        check_size(size)
    return "".join(joined)


def check_binary(operator: str, left: Any, right: Any) -> None:
    """Refuse the arithmetic that outgrows memory: repetition, powers, sums of texts, printf widths."""
    sizes = [len(value) for value in (left, right) if isinstance(value, str | list | tuple)]
    numbers = [value for value in (left, right) if isinstance(value, int)]
    if operator == "+":
        check_size(sum(sizes))
    elif operator == "%" and isinstance(left, str):
        _check_printf(left, right if isinstance(right, tuple) else (right,))
    elif operator == "*" and sizes and numbers:
        check_size(sizes[0] * numbers[0])
    elif len(numbers) == 2 and operator == "*":
        check_size(left.bit_length() + right.bit_length())
    elif len(numbers) == 2 and operator == "**":
        check_size(left.bit_length() * right)


def _check_printf(text: str, values: Iterable[Any]) -> None:
    check_spec(text)
    if "*" in text:
        check_numbers(values)


def _check_product(values: Iterable[Any]) -> None:
    """Refuse when a text, the separator put into it and the number of places can multiply too far."""
    given = list(values)
    longest = sorted((len(value) for value in given if isinstance(value, str)), reverse=True)[:2]
    items = max((len(value) for value in given if isinstance(value, list | tuple)), default=1)
    check_size(functools.reduce(lambda product, size: product * max(1, size), longest, max(1, items)))


def bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The template filter ``function`` with its numbers and the length of its result bounded."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        if name in _SIZED_FILTERS:
            check_numbers((*args[1:], *kwargs.values()))
        if name in _MULTIPLYING:
            _check_product(given)
        if name == "format" and args and isinstance(args[0], str):
            _check_printf(args[0], given[1:])
        result = function(*args, **kwargs)
        if isinstance(result, str | list | tuple):
            check_size(len(result))
        return result

    return call


def check_call(function: Any, values: Iterable[Any]) -> None:
    """Refuse a call of a text's or list's own method that could outgrow memory."""
    owner = getattr(function, "__self__", None)
    given = list(values)
    if isinstance(owner, str):
        check_numbers(given)
        if getattr(function, "__name__", "") in ("replace", "join", "translate", "expandtabs"):
            _check_product((owner, *given))
    elif isinstance(owner, list):
        check_size(len(owner) + sum(len(value) for value in given if isinstance(value, str | list | tuple)))


_SPECIAL: Final = frozenset({"loop", "self"})
_LEAVES: Final = frozenset({"Const", "TemplateData"})
_PLAIN: Final = frozenset(
    [
        *("Template", "Output", "If", "CondExpr", "Filter", "Test", "Getattr", "Getitem", "Slice", "Call"),
        *("Keyword", "List", "Tuple", "Dict", "Pair", "Compare", "Operand", "And", "Or", "Not", "Concat"),
        *("Neg", "Pos", "Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"),
    ]
)


@dataclass(slots=True)
class Walk:
    """One walk. ``filters`` and ``tests`` are the known names.

    Afterwards ``names`` are the variables that come from outside, ``unknown`` the first unknown filter or
    test with its kind, name and line. ``is_plain`` says whether ``names`` can be trusted: it is false for a
    template with assignments, macros, blocks or anything else that is not known here.
    """

    filters: Collection[str]
    tests: Collection[str]
    names: set[str] = field(default_factory=set)
    unknown: tuple[str, str, int] | None = None
    is_plain: bool = True

    def visit(self, node: Any, bound: frozenset[str] = frozenset()) -> None:
        """Walk a tree; ``bound`` are the names that loops around it have given a value."""
        kind = type(node).__name__
        if kind in _LEAVES:
            return
        if kind == "Name":
            self._name(node, bound)
        elif kind == "For":
            self._loop(node, bound)
        else:
            if kind == "Filter" or kind == "Test":
                self._check(kind.lower(), node, self.filters if kind == "Filter" else self.tests)
            elif kind not in _PLAIN:
                self.is_plain = False
            for name in node.fields:
                self._visit_field(getattr(node, name, None), bound)

    def _visit_field(self, value: Any, bound: frozenset[str]) -> None:
        for item in value if isinstance(value, list | tuple) else (value,):
            if hasattr(item, "fields"):
                self.visit(item, bound)

    def _name(self, node: Any, bound: frozenset[str]) -> None:
        if node.ctx != "load":
            self.is_plain = False
        elif node.name not in bound:
            self.names.add(node.name)

    def _check(self, kind: str, node: Any, known: Collection[str]) -> None:
        if node.name not in known and self.unknown is None:
            self.unknown = (kind, node.name, node.lineno)

    def _loop(self, node: Any, bound: frozenset[str]) -> None:
        targets = node.target.items if type(node.target).__name__ == "Tuple" else [node.target]
        given = {getattr(target, "name", "loop") for target in targets}
        # In these places jinja2 has rules of its own about its special names.
        if node.recursive or node.test is not None or given & _SPECIAL:
            self.is_plain = False
        inner = bound | given | {"loop"}
        self.visit(node.iter, bound)
        self._visit_field(node.body, inner)
        self._visit_field(node.else_, bound)
        self._visit_field(node.test, inner)
