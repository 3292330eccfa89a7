"""Differences as text, JSON and Markdown: changed fields only, texts as unified diffs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from promptsync.compare.snapshot import State
from promptsync.errors import RemoteError
from promptsync.files.yaml.layout import entry, flow, mapping
from promptsync.prompt.text_diff import plain, unified
from promptsync.show.markdown import Page
from promptsync.show.notes import change_text, verdict
from promptsync.show.outcome import bodies, body
from promptsync.terminal import output

if TYPE_CHECKING:  # most runs have no differences to show
    from promptsync.compare.conflict import Conflict
    from promptsync.compare.difference import Difference, Step
    from promptsync.project.project import Project
    from promptsync.prompt.fields import FieldChange
    from promptsync.prompt.text_diff import DiffLine
    from promptsync.pull.write import Unmerged

FIELD = "path old new"
PROBLEM = "path line column message"
"""The keys of a changed field and of a problem in a JSON document."""

_SIGNS = {"context": " ", "removed": "-", "added": "+"}
_STATES = {
    "good": ("in-sync", "ahead", "new", "added", "changed"),
    "remote": ("behind", "remote-only", "dependant"),
    "warn": ("altered", "deleted", "deleted-locally", "deleted-remotely"),
    "bad": ("diverged", "conflict", "invalid", "renamed-remotely"),
}
"""The states by the meaning of their color."""
_SHORT = 60
_EXCERPT = 100
_BEFORE = 30
_TEXT = 6


def meaning_of(state: str) -> str:
    """Return what the color of a state means."""
    return next((meaning for meaning, states in _STATES.items() if state in states), "strong")


def state(word: str) -> str:
    """Return a state in its color."""
    return output.style(word, meaning_of(word))


def difference(shown: Difference) -> list[str]:
    """Return a difference as lines."""
    lines = [f"{output.style(output.name(shown.name), 'strong')}  {state(shown.state)}"]
    for step in shown.steps:
        lines += [f"  {output.style(output.safe(step.title), 'faint')}", *step_lines(step)]
    return lines


def stat(shown: Difference) -> str:
    """Return a difference as one line: what changed, and how many lines of text."""
    parts = []
    for step in shown.steps:
        added = sum(_count(change, "added") for change in step.fields)
        removed = sum(_count(change, "removed") for change in step.fields)
        paths = ", ".join(output.safe(change.path) for change in step.fields[:4])
        more = f", and {len(step.fields) - 4} more" if len(step.fields) > 4 else ""
        counts = output.style(f"+{added}", "added"), output.style(f"-{removed}", "removed")
        parts.append(f"{paths}{more}  {' '.join(counts)}")
    return f"{output.name(shown.name)}  {state(shown.state)}  {'  |  '.join(parts)}"


_OTHER_WAYS = (
    "Other ways: pull NAME --theirs takes the registry's version, backing yours up; pull NAME --ours keeps",
    "yours as the next version; push NAME --force publishes yours over the registry's.",
)


def explained(project: Project, conflict: Conflict) -> Conflict:
    """Return a conflict with the differences as its details."""
    from promptsync.compare.difference import differences

    try:
        shown = differences(project, conflict.items)
    except RemoteError as error:
        return conflict.replaced(details=[f"the differences cannot be shown: {error.message}"])
    lines = [line for prompt in shown for line in difference(prompt)]
    # Both texts must exist for these options to work, and the latest version must not be yours already.
    apart = [item for item in conflict.items if item.state is not State.CONFLICT]
    are_both = any(item.file is not None and item.listed is not None for item in apart)
    if are_both and "--passed-over" not in conflict.hint:
        lines += _OTHER_WAYS
    return conflict.replaced(details=[click.unstyle(line) for line in lines])


def step_lines(step: Step) -> Iterator[str]:
    """Yield what a step changed as lines, without its title."""
    for change in step.fields:
        yield from field_lines(change)
    variables = [output.style(f"+{output.name(name)}", "added") for name in step.added]
    variables += [output.style(f"-{output.name(name)}", "removed") for name in step.removed]
    if variables:
        yield f"    input variables: {' '.join(variables)}"
    for effect in step.contract:
        word, meaning = verdict(effect)
        text = output.name(change_text(effect))
        yield output.Line(f"    {output.style(word, meaning)}: {text}", _TEXT)


def field_lines(change: FieldChange) -> Iterable[str]:
    """Yield a changed field as lines."""
    path = output.safe(change.path)
    if _is_text(change):
        yield f"    {path}"
        for line in unified(change.old or "", change.new or ""):
            yield output.Line(f"{' ' * _TEXT}{_text_line(line)}", _TEXT + 2)
        return
    old, new = _value(change.old), _value(change.new)
    whole = "" if change.kind == "changed" else old if change.kind == "removed" else new
    if len(whole) > _SHORT or "\\n" in whole:
        yield f"    {path}"
        for text in outline(change.new if change.kind == "added" else change.old):
            signed = f"{_SIGNS[change.kind]} {output.name(text)}"
            yield output.Line(f"{' ' * _TEXT}{output.style(signed, change.kind)}", _TEXT + 2)
        return
    what = f"{output.style(old, 'removed')} -> {output.style(new, 'added')}"
    if change.kind != "changed":
        what = output.style(f"{_SIGNS[change.kind]} {whole}", change.kind)
    yield output.Line(f"    {path}: {what}", _TEXT)


def _text_line(line: DiffLine) -> str:
    """Return one line of a text difference, with the changed words marked."""
    if line.kind not in _SIGNS:
        return output.style(output.name(line.text), "faint")
    if line.kind == "context":
        return f"  {output.name(line.text)}"
    styled = (
        output.style(output.name(text), f"{line.kind}-word" if is_changed else line.kind)
        for text, is_changed in line.parts
        if text
    )
    return f"{output.style(_SIGNS[line.kind], line.kind)} {''.join(styled)}"


def unmerged(prompt: Unmerged) -> list[str]:
    """Return the conflicts of a prompt as lines: each field, with its values cut to what differs."""
    lines = [f"{output.name(prompt.name)}  {output.safe(prompt.path)}"]
    for conflict in prompt.conflicts:
        lines.append(f"  {output.safe(conflict.path)}: {conflict.reason}")
        values = _excerpts([conflict.base, conflict.ours, conflict.theirs])
        rows = zip(("base", "yours", f"registry v{prompt.version}"), values, strict=True)
        lines += output.table((f"    {side}:", value) for side, value in rows)
    return lines


def _excerpts(values: Sequence[Any]) -> list[str]:
    """Return values as short lines that begin shortly before the first difference."""
    known = [value for value in values if value not in (None, "")]
    texts = [json.dumps(value, ensure_ascii=False, default=str) for value in known]
    start = 0
    if max(map(len, texts), default=0) > _EXCERPT:
        # Start shortly before the first sign that differs, so that the difference is visible in a short line.
        same = (index for index, signs in enumerate(zip(*texts, strict=False)) if len(set(signs)) > 1)
        start = max(next(same, 0) - _BEFORE, 0)
    end = start + _EXCERPT
    cut = [("…" if start else "") + text[start:end] + ("…" if end < len(text) else "") for text in texts]
    shown = iter(output.name(text) for text in cut)
    return ["(nothing)" if value in (None, "") else next(shown) for value in values]


def _is_text(change: FieldChange) -> bool:
    values = [value for value in (change.old, change.new) if value is not None]
    texts = all(isinstance(value, str) for value in values)
    return texts and any("\n" in value or len(value) > _SHORT for value in values)


def _count(change: FieldChange, kind: str) -> int:
    if _is_text(change):
        return sum(line.kind == kind for line in unified(change.old or "", change.new or ""))
    return int((change.new if kind == "added" else change.old) is not None)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return output.name(value) if value and value.strip() == value else repr(value)
    return output.name(json.dumps(value, ensure_ascii=False, default=str))


def conflicts_body(prompts: Iterable[Unmerged]) -> list[dict[str, Any]]:
    """Return conflicts for a JSON document."""
    return [
        {**body(prompt, "name path version"), **body(conflict, "field=path reason base ours theirs")}
        for prompt in prompts
        for conflict in prompt.conflicts
    ]


def step_body(step: Step) -> dict[str, Any]:
    """Return what a step changed for a JSON document."""
    return {
        "fields": bodies(step.fields, FIELD),
        "variables": body(step, "added removed"),
        "contract": bodies(step.contract, "what where verdict"),
    }


def outline(value: Any) -> list[str]:
    """Return the lines of a value as a prompt file has them."""
    if isinstance(value, Mapping):
        return mapping(value, 0) or ["{}"]
    items = value if isinstance(value, list) else ()
    return [line for item in items for line in entry(None, item, 0, False)] or [flow(value)]


# -- Markdown -----------------------------------------------------------------------------------------------


def add_differences(page: Page, differences: Sequence[Difference]) -> None:
    """Add as many differences to a page as fit."""
    verb = "differs" if len(differences) == 1 else "differ"
    prompts = output.count(len(differences), "prompt")
    page.say(f"**{prompts} {verb}**" if differences else "No prompt differs.")
    page.differences([(one.name, one.state, patch_lines(one.steps)) for one in differences])


def patch_lines(steps: Iterable[Step]) -> Iterator[str]:
    """Yield steps as lines of a ``diff`` code block: each field with what changed in it."""
    for step in steps:
        yield f"# {step.title}"
        for change in step.fields:
            yield f"@ {change.path}"
            old, new = as_text(change.old), as_text(change.new)
            lines = plain(unified(old, new))
            # The first line says where in the text the change is, which is clear if the text has one line.
            yield from lines if "\n" in old and "\n" in new else lines[1:]
        signs = [*(f"+{name}" for name in step.added), *(f"-{name}" for name in step.removed)]
        if signs:
            yield f"@ input variables: {' '.join(signs)}"
        for effect in step.contract:
            yield f"@ {verdict(effect)[0]}: {change_text(effect)}"


def as_text(value: Any) -> str:
    """Return a value of a field as the text that is compared line by line."""
    return "" if value is None else value if isinstance(value, str) else "\n".join(outline(value))
