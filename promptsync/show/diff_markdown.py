"""Differences as Markdown: one collapsed block per prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from promptsync.prompt.text_diff import plain, unified
from promptsync.show.diff import outline
from promptsync.show.markdown import MOST, Page
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference, Step


def differences_markdown(differences: Sequence[Difference], *, most: int = MOST) -> list[str]:
    """Return differences as Markdown, with a count of what does not fit."""
    page = Page(most)
    add_differences(page, differences)
    return page.lines


def add_differences(page: Page, differences: Sequence[Difference]) -> None:
    """Add as many differences to a page as fit."""
    if not differences:
        page.say("No prompt differs.")
        return
    page.say(f"**{count(len(differences), 'prompt')} {'differs' if len(differences) == 1 else 'differ'}**")
    page.differences(
        [(difference.name, difference.state, step_lines(difference.steps)) for difference in differences]
    )


def step_lines(steps: Iterable[Step]) -> Iterator[str]:
    """Yield steps as lines of a ``diff`` code block: each field with what changed in it."""
    for step in steps:
        yield f"# {step.title}"
        for change in step.fields:
            yield f"@ {change.path}"
            old, new = _text(change.old), _text(change.new)
            lines = plain(unified(old, new))
            # The first line says where in the text the change is, which is clear if the text has one line.
            yield from lines if "\n" in old and "\n" in new else lines[1:]
        signs = [*(f"+{name}" for name in step.added), *(f"-{name}" for name in step.removed)]
        if signs:
            yield f"@ input variables: {' '.join(signs)}"


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else "\n".join(outline(value))
