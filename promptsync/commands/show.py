"""``promptsync show``: one version of a prompt."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from promptsync.commands.shared.options import version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.files.prompt_file import render_new
from promptsync.project.target import At, resolve
from promptsync.project.versions import Catalog, FoundVersion, find_versions
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Local
from promptsync.show.outcome import Outcome, body
from promptsync.terminal import output


@verb("show", is_long=True)
@click.argument("names", nargs=-1, required=True, metavar="NAME[@N|:LABEL]...")
@version_options
def command(session: Session, names: tuple[str, ...], at: At) -> Outcome:
    """Print a version of a prompt as a prompt file: the latest, version N, or the one that LABEL points at.

    NAME is a name, a pattern, a file or a directory. Several prompts are printed as several YAML
    documents.

    \b
    promptsync show support/refund@3
    promptsync show 'support/*:prod'
    promptsync show support/refund --json | jq .prompt.template
    """
    with session.project() as project:
        catalog = Catalog(project)
        versions = find_versions(project, resolve(project, names, catalog, at=at), catalog)
    if session.json:
        bodies = [_body(version) for version in versions]
        return Outcome(body={"prompts": bodies, **({"prompt": bodies[0]} if len(bodies) == 1 else {})})
    return Outcome([*_lines(session, versions)])


def _lines(session: Session, versions: Sequence[FoundVersion]) -> Iterator[str]:
    is_terminal = sys.stdout.isatty()
    for number, (remote, pointing) in enumerate(versions):
        if number:
            yield "---"
        labels = ", ".join(output.name(label) for label in pointing or ())
        heading = [f"{output.name(remote.prompt.name)} v{remote.version}", f"({labels})" if labels else ""]
        heading.append(output.name(remote.message or ""))
        session.say(output.style(" ".join(filter(None, heading)), "faint"))
        text = render_new(remote.prompt, Local()).removesuffix("\n")
        yield output.safe(text) if is_terminal else text


def _body(version: FoundVersion) -> dict[str, Any]:
    remote, labels = version
    return {
        **body(remote, "name id=template_id version message created_at"),
        "labels": None if labels is None else list(labels),
        "digest": digest(remote.prompt),
        **body(remote.prompt, "tags template metadata extra"),
    }
