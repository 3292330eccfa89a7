"""Differences for pull requests: Markdown that hostile content cannot break out of, and annotations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from promptsync.core.textdiff import plain, unified
from promptsync.output import count, safe
from promptsync.present import fields_body
from promptsync.sync.difference import Difference

MOST = 65_000
"""Characters that a comment may have; GitHub refuses one of 65,536."""

_BACKTICKS = re.compile("`+")
_MOST_ANNOTATIONS = 10


def differences_markdown(found: Sequence[Difference], *, most: int = MOST) -> list[str]:
    """Return differences as Markdown, cut between prompts with a count of what was left out."""
    if not found:
        return ["No prompt differs."]
    lines = [f"**{count(len(found), 'prompt')} {'differs' if len(found) == 1 else 'differ'}**", ""]
    size = sum(len(line) + 1 for line in lines) + 200
    for number, one in enumerate(found):
        block = _block(one)
        length = sum(len(line) + 1 for line in block)
        if size + length > most:
            rest = [code(other.name) for other in found[number:]]
            lines.append(f"… and {count(len(rest), 'more prompt')}, too much to show here: ")
            room = most - size
            for name in rest:
                room -= len(name) + 3
                if room < 0:
                    lines.append("- …")
                    break
                lines.append(f"- {name}")
            break
        lines += block
        size += length
    return lines


def _block(one: Difference) -> list[str]:
    lines = [f"<details><summary>{_html(one.name)}: {one.state}</summary>", ""]
    for part in one.steps:
        body: list[str] = [f"# {safe(part.title, newlines=False)}"]
        for change in part.fields:
            values = [value for value in (change.old, change.new) if value is not None]
            if values and all(isinstance(value, str) for value in values):
                body += [f"@ {safe(change.path)}", *plain(unified(change.old or "", change.new or ""))]
            else:
                (field,) = fields_body([change])
                body.append(f"@ {safe(change.path)}: {field['old']!r} -> {field['new']!r}")
        text = "\n".join(safe(line, newlines=False) for line in body)
        fence = "`" * max(3, max((len(run) for run in _BACKTICKS.findall(text)), default=0) + 1)
        lines += [f"{fence}diff", text, fence, ""]
    return [*lines, "</details>", ""]


def code(text: str) -> str:
    """Return text as a code span that it cannot end by itself, and that pings nobody."""
    text = safe(text, newlines=False)
    fence = "`" * (max((len(run) for run in _BACKTICKS.findall(text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _html(text: str) -> str:
    shown = safe(text, newlines=False)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "&#96;"), ("@", "&#64;")):
        shown = shown.replace(sign, entity)
    return f"<code>{shown}</code>"


def differences_github(found: Sequence[Difference]) -> list[str]:
    """Return differences as annotations of a GitHub workflow, at most as many as GitHub shows."""
    lines = []
    for one in found[:_MOST_ANNOTATIONS]:
        paths = ", ".join(change.path for part in one.steps for change in part.fields)
        title = _property(f"{one.name}: {one.state}")
        where = f"file={_property(one.path)}," if one.path else ""
        lines.append(f"::notice {where}title={title}::{_data(paths or str(one.state))}")
    if len(found) > _MOST_ANNOTATIONS:
        lines.append(f"::notice::and {len(found) - _MOST_ANNOTATIONS} more prompts differ")
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
