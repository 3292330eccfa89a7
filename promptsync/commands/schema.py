"""``promptsync schema``: the JSON Schema of a file format."""

from __future__ import annotations

from typing import cast

import click

from promptsync.commands.session import Outcome, Session, verb


@verb("schema", short_help="Print the JSON Schema of a file format.")
@click.argument("kind", metavar="prompt|config|request", type=click.Choice(["prompt", "config", "request"]))
def command(session: Session, kind: str) -> Outcome:
    """Print the JSON Schema of prompt files, promptsync.yaml or requests, for editors and other tools.

    A request is what promptsync track request takes.

    \b
    promptsync schema prompt > prompt.schema.json
    """
    from promptsync.files.schema import Kind, schema, schema_text

    wanted = cast(Kind, kind)
    body = {"kind": kind, "json_schema": schema(wanted)} if session.json else {}
    return Outcome([schema_text(wanted).rstrip("\n")], body)
