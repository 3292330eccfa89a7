"""What a bundle has, and what moved since it was made."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Final

from promptsync.bundle.build import BundleChange
from promptsync.errors import Refused
from promptsync.prompt.bundle import Bundle
from promptsync.show.outcome import Outcome
from promptsync.show.rows import Row, bodies, row_lines
from promptsync.terminal import output
from promptsync.terminal.output import count

BLANK: Final[dict[str, Any]] = {"label": None, "commit": None, "file": None, "prompts": [], "changes": []}
"""The keys of the document when there is no bundle."""


def bundle_body(bundle: Bundle, file: str | None, changes: Sequence[BundleChange] = ()) -> dict[str, Any]:
    """Return the JSON document about a bundle; the bundle itself is only in its file."""
    prompts = [
        {"name": name, "version": prompt.version, "digest": prompt.digest, "renders": prompt.renders}
        for name, prompt in sorted(bundle.prompts.items())
    ]
    known = {"label": bundle.label, "commit": bundle.commit, "file": file}
    return {**known, "prompts": prompts, "changes": bodies(changes, "name what old new")}


def contents(bundle: Bundle, file: str) -> str:
    """Return one line about a file with a bundle."""
    total, commit = count(len(bundle.prompts), "prompt"), (bundle.commit or "")[:7]
    return f"{output.name(file)}: {total} {f'under {bundle.label}' if bundle.label else f'of {commit}'}"


def advice(bundle: Bundle, file: str | None) -> list[str]:
    """Return how an application reads a bundle, and which prompts only a registry renders."""
    lines = []
    if file is not None:
        lines.append(f"next: promptsync serve --bundle {shlex.quote(output.name(file))}")
        lines.append(f"or in Python: promptsync.runtime.Prompts(client, bundle={output.name(file)!r})")
    names = [output.name(name) for name, prompt in bundle.prompts.items() if prompt.renders == "registry"]
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"note: only serve renders {', '.join(names[:3])}{more}; the SDKs cannot do it locally")
    return [output.aside(line) for line in lines]


def show_check(bundle: Bundle, file: str, changes: Sequence[BundleChange], command: str) -> Outcome:
    """Return what moved since a bundle was made; ``command`` makes it again."""
    known, contained = bundle_body(bundle, file, changes), contents(bundle, file)
    if not changes:
        return Outcome([f"{contained}, up to date"], known)
    message = f"{output.name(file)} is out of date: {count(len(changes), 'prompt')} changed"
    error = Refused(message, hint=command, code="outdated")
    rows = [Row(change.what, "warn", change.name, (_versions(change),)) for change in changes]
    return Outcome(row_lines(rows), known, error=error)


def _versions(change: BundleChange) -> str:
    numbers = (f"v{number}" for number in (change.old, change.new) if number is not None)
    return " -> ".join(dict.fromkeys(numbers))
