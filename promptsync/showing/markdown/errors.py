"""Failures as Markdown."""

from __future__ import annotations

import click

from promptsync.errors import PromptsyncError, Refused
from promptsync.output import error_lines
from promptsync.showing.markdown.page import MOST, Page


def error_markdown(error: PromptsyncError, *, most: int = MOST) -> list[str]:
    """Return an error with its details and what to do about it."""
    page = Page(most)
    add_error(page, error)
    return page.lines


def add_error(page: Page, error: PromptsyncError) -> None:
    """Add an error to a page. Its details are cut before its hint is."""
    page.say(f"**{'Refused' if isinstance(error, Refused) else 'Failed'}**")
    lines = [click.unstyle(line) for line in error_lines(error)]
    lines = [part for line in lines for part in line.split("\n")]
    hint = [line for line in error.hint.splitlines() if line]
    page.fence(lines[: len(lines) - len(hint)] if hint else lines)
    if hint:
        page.say("What to do:")
        page.fence(hint)
