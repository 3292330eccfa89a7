"""What a bundle has, and what moved since it was made."""

from __future__ import annotations

import shlex
from typing import Any, Final

from promptsync.errors import Refused
from promptsync.prompt.bundle import Bundle
from promptsync.show.outcome import Outcome, Row, row_lines
from promptsync.terminal import output
from promptsync.terminal.output import count

BLANK: Final[dict[str, Any]] = {"label": None, "commit": None, "file": None, "prompts": [], "changes": []}
"""The keys of the document when there is no bundle."""


def show_bundle(bundle: Bundle, file: str | None) -> Outcome:
    """Return what a new bundle has, and how an application reads it; the bundle itself is in its file."""
    prompts: list[dict[str, Any]] = [
        {"name": name, "version": prompt.version, "digest": prompt.digest, "renders": prompt.renders}
        for name, prompt in sorted(bundle.prompts.items())
    ]
    known = {**BLANK, "label": bundle.label, "commit": bundle.commit, "file": file, "prompts": prompts}
    if file is None:
        return Outcome(body=known)
    shown, source = output.name(file), f"under {bundle.label}" if bundle.label else "of the commit"
    serve = f"promptsync serve --bundle {shlex.quote(shown)}"
    lines = [
        f"{shown}: {count(len(prompts), 'prompt')} {source}",
        output.aside(f'next: {serve}, or in Python: promptsync.runtime.Prompts(client, bundle="{shown}")'),
    ]
    if names := [output.name(prompt["name"]) for prompt in prompts if prompt["renders"] == "registry"]:
        what = f"note: only serve renders {', '.join(names[:3])}{', …' if names[3:] else ''}"
        lines.append(output.aside(f"{what}; the SDKs cannot do it locally"))
    return Outcome(lines, known)


def show_check(old: Bundle, new: Bundle, file: str) -> Outcome:
    """Return what moved since a bundle was made."""
    changes: list[dict[str, Any]] = []
    rows = []
    for name in sorted({*old.prompts, *new.prompts}):
        before, after = old.prompts.get(name), new.prompts.get(name)
        if before and after and (before.version, before.digest) == (after.version, after.digest):
            continue
        what = "added" if before is None else "removed" if after is None else "changed"
        versions = [prompt.version if prompt is not None else None for prompt in (before, after)]
        changes.append({"name": name, "what": what, "old": versions[0], "new": versions[1]})
        numbers = dict.fromkeys(f"v{version}" for version in versions if version is not None)
        rows.append(Row(what, "warn", name, (" -> ".join(numbers),)))
    outcome = show_bundle(new, file)
    if not changes:
        return outcome.replaced(lines=[f"{outcome.lines[0]}, up to date"])
    message = f"{output.name(file)} is out of date: {count(len(changes), 'prompt')} changed"
    command = ["promptsync", "bundle", *(["--label", new.label] if new.label else ["--from", "HEAD"])]
    return Outcome(
        row_lines(rows),
        {**outcome.body, "changes": changes},
        error=Refused(message, hint=shlex.join([*command, "-o", file]), code="outdated"),
    )
