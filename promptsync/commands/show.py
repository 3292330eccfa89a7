"""``promptsync show``: one version of a prompt."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.compare.versions import Shown, show
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Local
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("show", short_help="Print one version of a prompt as YAML.")
@click.argument("wanted", metavar="NAME[@N|:LABEL]")
@click.option("--raw", is_flag=True, help="Print the template as the registry holds it, as JSON.")
def command(session: Session, wanted: str, raw: bool) -> Outcome:
    """Print one version of a prompt as a prompt file: the latest, version N, or the one under LABEL.

    \b
    promptsync show support/refund@3
    promptsync show support/refund:prod
    """
    with session.project() as project:
        found = show(project, wanted)
    if session.json:
        return Outcome(body={"prompt": _body(found)})
    session.say(_heading(found))
    text = _json(found.remote.prompt.template) if raw else _yaml(found)
    is_terminal = sys.stdout.isatty()
    return Outcome([output.safe(text) if is_terminal else text])


def _yaml(found: Shown) -> str:
    from promptsync.files.prompt_file import render_new

    return render_new(found.remote.prompt, Local()).removesuffix("\n")


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    # half a surrogate pair cannot be written in UTF-8
    return text if text.isascii() or _is_text(text) else json.dumps(value, indent=2)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _heading(found: Shown) -> str:
    remote = found.remote
    labels = ", ".join(output.name(label) for label in found.labels or ())
    parts = [
        f"{output.name(remote.prompt.name)} v{remote.version}",
        f"({labels})" if labels else "",
        output.safe(remote.message or "", newlines=False),
    ]
    return output.style(" ".join(part for part in parts if part), "faint")


def _body(found: Shown) -> dict[str, Any]:
    remote, prompt = found.remote, found.remote.prompt
    return {
        "name": prompt.name,
        "id": remote.template_id,
        "version": remote.version,
        "labels": None if found.labels is None else list(found.labels),
        "message": remote.message,
        "created_at": remote.created_at,
        "digest": digest(prompt),
        "tags": list(prompt.tags),
        "template": prompt.template,
        "metadata": prompt.metadata,
        "extra": prompt.extra,
    }
