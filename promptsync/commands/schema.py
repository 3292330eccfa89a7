"""``promptsync schema``: the JSON Schema of a file format."""

from __future__ import annotations

from typing import cast

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.files.schema import Kind, schema, schema_text
from promptsync.show.outcome import Outcome

_KINDS = ("prompt", "config", "evaluation", "fixtures", "request", "bundle", "output")


@verb("schema")
@click.argument("kind", metavar="|".join(_KINDS), type=click.Choice(_KINDS))
def command(session: Session, kind: str) -> Outcome:
    """Print the JSON Schema of a file format, for editors and other tools.

    prompt is for prompt files, config for promptsync.yaml, evaluation for the files in evaluations/, fixtures
    for the agents and tools of an embedded registry (registry.yaml), request for the input of promptsync
    track request, bundle for the file that promptsync bundle writes, and output for what every verb prints
    with --json.

    \b
    promptsync schema prompt > prompt.schema.json
    """
    wanted = cast(Kind, kind)
    body = {"kind": kind, "json_schema": schema(wanted)} if session.json else {}
    return Outcome([schema_text(wanted).rstrip("\n")], body)
