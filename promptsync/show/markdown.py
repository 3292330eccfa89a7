"""A page of Markdown with a limit. Text from users or the registry is put in fences and code spans only.

In those GitHub renders no mention, no reference to an issue, no link, no picture and no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

import click

from promptsync.errors import PromptsyncError, Refused
from promptsync.terminal import output
from promptsync.terminal.output import count, error_lines

MOST: Final = 65_000
"""Characters that a comment may have; GitHub refuses one of 65,536."""

_BACKTICKS = re.compile("`+")
_RESERVE: Final = 800
"""Characters kept free for the lines that close a page and count what was left out."""
_LONG_LINE: Final = 2_000
_LONG_NAME: Final = 400


class Page:
    """Lines of Markdown, at most ``most`` characters with the line ends."""

    def __init__(self, most: int = MOST) -> None:
        self.lines: list[str] = []
        self._room = most - _RESERVE

    def say(self, *lines: str) -> None:
        """Add lines of our own, which are short and must be there, and an empty one after them."""
        self._add([*lines, ""])

    def fence(self, lines: Iterable[str]) -> None:
        """Add a fence with lines of a text, at most half of the room left, with a count of the others."""
        self._fence([], map(click.unstyle, lines), [], "text", self._room // 2)

    def section(self, title: str, lines: Sequence[str], end: str = "") -> None:
        """Add lines below a title, which ``end`` follows. Both are Markdown; the lines go into a fence."""
        self.say(f"**{title[0].upper()}{title[1:]}**{end}")
        if lines:
            self.fence(lines)

    def error(self, error: PromptsyncError | None) -> None:
        """Add an error, if there is one, with what to do about it. Its details are cut before its hint is."""
        if error is None:
            return
        lines = [part for line in error_lines(error) for part in line.split("\n")]
        hint = [line for line in error.hint.splitlines() if line]
        self.section("Refused" if isinstance(error, Refused) else "Failed", lines[: len(lines) - len(hint)])
        self.hint(hint)

    def hint(self, lines: Sequence[str]) -> None:
        """Add what to do, if that is known."""
        if lines:
            self.say("What to do:")
            self.fence(lines)

    def items(self, lines: Sequence[str]) -> None:
        """Add a list of as many lines as fit, and count the others."""
        shown = [f"- {line}" for line in lines]
        fitting = _fitting(shown, self._room)
        left = [f"- and {count(len(shown) - fitting, 'more line')}"] if fitting < len(shown) else []
        self._add([*shown[:fitting], *left, *([""] if shown else [])])

    def differences(self, prompts: Sequence[tuple[str, str, Iterable[str]]]) -> None:
        """Add the differences of prompts: name, state, lines. Those that do not fit are only named.

        In place of the name there may be a row about the prompt, without a state.
        """
        for number, (name, state, lines) in enumerate(prompts):
            title = f"{html(name)}: {state}" if state else html(name)
            head = [f"<details><summary>{title}</summary>", ""]
            # A long difference leaves half of the page to those after it.
            room = self._room // 2 if number + 1 < len(prompts) else self._room
            if not self._fence(head, lines, ["</details>", ""], "diff", room):
                names = [code(shortened(name, _LONG_NAME)) for name, _, _ in prompts[number:]]
                self.say(f"… and {count(len(names), 'more prompt')}, too much to show here:")
                self.items(names)
                return

    def _fence(
        self, head: Sequence[str], lines: Iterable[str], tail: Sequence[str], language: str, room: int
    ) -> bool:
        """Add lines in a fence that none of them can end; return whether any of it fits."""
        shown = [shortened(output.name(line), _LONG_LINE) for line in lines]
        runs = (len(run) for line in shown for run in _BACKTICKS.findall(line))
        fence = "`" * max(3, max(runs, default=0) + 1)
        head, tail = [*head, f"{fence}{language}"], [fence, "", *tail]
        fitting = _fitting(shown, room - _size([*head, *tail, " " * 60]))
        left = f"… {count(len(shown) - fitting, 'more line')}, too much to show here"
        if fitting or not shown:
            self._add([*head, *shown[:fitting], *([left] if fitting < len(shown) else []), *tail])
        elif language == "text":
            self.say(left)
        return bool(fitting or not shown)

    def _add(self, lines: Sequence[str]) -> None:
        self.lines += lines
        self._room -= _size(lines)


def code(text: str) -> str:
    """Return text as a code span. The text cannot end it, and mentions in it notify no one."""
    text = output.name(text) or " "
    fence = "`" * (max((len(run) for run in _BACKTICKS.findall(text)), default=0) + 1)
    # Markdown removes one blank from both ends when both have one.
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def html(text: str) -> str:
    """Return text as code in HTML, for the title of ``details``, where Markdown is not read."""
    shown = output.name(shortened(text, _LONG_NAME))
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "&#96;"), ("@", "&#64;")):
        shown = shown.replace(sign, entity)
    return f"<code>{shown}</code>"


def shortened(text: str, most: int) -> str:
    """Return text of at most ``most`` characters and a count of those that were left out."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… {count(len(text) - most, 'more character')}"


def _size(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _fitting(lines: Sequence[str], most: int) -> int:
    """Return how many of the lines fit, in order."""
    return sum(size <= most for size in accumulate(len(line) + 1 for line in lines))
