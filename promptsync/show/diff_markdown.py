"""Differences as Markdown: one collapsed block per prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from promptsync.prompt.text_diff import plain, unified
from promptsync.show.diff import outline
from promptsync.show.markdown import MOST, Page, html
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference, Step
    from promptsync.prompt.fields import FieldChange


def differences_markdown(found: Sequence[Difference], *, most: int = MOST) -> list[str]:
    """Return differences as Markdown; if it is cut, it says how much is missing."""
    page = Page(most)
    add_differences(page, found)
    return page.lines


def add_differences(page: Page, found: Sequence[Difference]) -> None:
    """Add as many differences to a page as fit."""
    if not found:
        page.say("No prompt differs.")
        return
    page.say(f"**{count(len(found), 'prompt')} {'differs' if len(found) == 1 else 'differ'}**")
    for number, one in enumerate(found):
        title = f"{html(one.name)}: {one.state}"
        if not page.details(title, step_lines(one.steps), rest=len(found) - number):
            rest = [other.name for other in found[number:]]
            page.say(f"… and {count(len(rest), 'more prompt')}, too much to show here:")
            page.names(rest)
            return


def step_lines(steps: Iterable[Step]) -> list[str]:
    """Return steps as lines of a ``diff`` code block: each field with what changed in it."""
    lines: list[str] = []
    for step in steps:
        lines.append(f"# {step.title}")
        for change in step.fields:
            lines += _field(change)
        signs = [*(f"+{name}" for name in step.added), *(f"-{name}" for name in step.removed)]
        if signs:
            lines.append(f"@ input variables: {' '.join(signs)}")
    return lines


def _field(change: FieldChange) -> list[str]:
    old, new = _text(change.old), _text(change.new)
    lines = plain(unified(old, new))
    # the field itself is the place, unless the text has several lines
    return [f"@ {change.path}", *(lines if "\n" in old and "\n" in new else lines[1:])]


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else "\n".join(outline(value))
