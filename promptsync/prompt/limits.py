"""Limits on what a template may use while it renders, so that no text can exhaust the machine.

Every check raises ``Runaway`` before the work is done, not after.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

MAX_TEXT = 5_000_000
"""Longest text, in code points, or list that rendering may produce."""
MAX_NUMBER = 100_000
"""Largest width, precision or indentation that a template may use."""
MAX_STEPS = 250_000
"""How many loop bodies, branches and macro calls one text may run through."""

_DIGITS = re.compile(r"\d+")
_NESTED_SPEC = re.compile(r":[^{}]*\{")
_SIZED_FILTERS = frozenset(("batch", "center", "indent", "pprint", "round", "slice", "tojson", "wordwrap"))
_MULTIPLYING = frozenset(("indent", "join", "replace"))


class Runaway(Exception):
    """A template needs a longer text, larger numbers or more steps than any prompt does."""


def check_steps(steps: int) -> None:
    """Refuse more loop bodies, branches and macro calls than a text may run through."""
    if steps > MAX_STEPS:
        raise Runaway(f"it runs through more than {MAX_STEPS:,} loop bodies")


def check_size(size: int) -> None:
    """Refuse a text or list of that many code points or items."""
    if size > MAX_TEXT:
        raise Runaway(f"it makes a text or list longer than {MAX_TEXT:,}")


def check_numbers(values: Iterable[Any]) -> None:
    """Refuse large integers among values that are lengths."""
    if any(isinstance(value, int) and abs(value) > MAX_NUMBER for value in values):
        raise Runaway(f"it uses a number over {MAX_NUMBER:,} as a length")


def check_spec(text: str) -> None:
    """Refuse large numbers in a format specification."""
    # Nine digits exceed the limit, and converting thousands of digits would itself take long.
    check_numbers(int(digits[:9]) for digits in _DIGITS.findall(text))


def check_format(text: str, values: Iterable[Any]) -> None:
    """Refuse a ``str.format`` whose widths, in the text or among the values, are too large."""
    check_spec(text)
    if _NESTED_SPEC.search(text):
        for value in values:
            check_numbers(value.values() if isinstance(value, dict) else (value,))


def join(parts: Iterable[Any]) -> str:
    """Return the parts as one text of limited length."""
    joined: list[str] = []
    size = 0
    for part in parts:
        joined.append(str(part))
        size += len(joined[-1])
        check_size(size)
    return "".join(joined)


def check_binary(operator: str, left: Any, right: Any) -> None:
    """Refuse arithmetic that outgrows memory: repetition, powers, sums of texts, printf widths."""
    sizes = [len(value) for value in (left, right) if isinstance(value, str | list | tuple)]
    # A bool is an int in Python, so True * text is a repetition too.
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
        # The number of bits of the power, which is computed without computing the power.
        check_size(left.bit_length() * right)


def _check_printf(text: str, values: Iterable[Any]) -> None:
    check_spec(text)
    # In printf, * takes the width from the values.
    if "*" in text:
        check_numbers(values)


def _check_product(values: Iterable[Any]) -> None:
    """Refuse when a text, the separator put into it and the number of places can multiply too far."""
    given = list(values)
    longest = sorted((len(value) for value in given if isinstance(value, str)), reverse=True)[:2]
    items = max((len(value) for value in given if isinstance(value, list | tuple)), default=1)
    check_size(math.prod(max(1, size) for size in (items, *longest)))


def bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a template filter that checks its numbers and the length of its result."""

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
