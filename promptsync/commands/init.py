"""``promptsync init``: start keeping prompts in a directory."""

from __future__ import annotations

import click

from promptsync import output
from promptsync.commands.session import Outcome, Session, verb
from promptsync.sync.starting import EXAMPLE, Started, start


@verb("init", short_help="Start keeping prompts in this directory.")
@click.option("--prompts", metavar="DIR", help="Directory of the prompt files (default: prompts).")
@click.option("--url", metavar="URL", help="The registry to work with (default: the embedded one).")
@click.option(
    "--example/--no-example",
    default=None,
    help="Write a first prompt (default: when there is none yet and the registry is the embedded one).",
)
def command(session: Session, prompts: str | None, url: str | None, example: bool | None) -> Outcome:
    """Write promptsync.yaml, the prompts directory and a line for .gitignore; what is there is kept.

    \b
    promptsync init
    promptsync init --url https://api.promptlayer.com --prompts app/prompts
    """
    done = start(session.directory, prompts=prompts, url=url, example=example)
    if done.above is not None:
        session.say(
            f"{output.style('note:', 'warn')} {output.name(str(done.above))} is above this directory; "
            "commands below here use the configuration here"
        )
    if "promptsync.yaml" in done.kept and (prompts or url):
        session.say(
            f"{output.style('note:', 'warn')} promptsync.yaml is kept as it is, so --prompts and --url "
            "changed nothing: edit it"
        )
    return Outcome(_lines(done, session.quiet), _body(done))


def _lines(done: Started, quiet: bool) -> list[str]:
    rows = [
        *((output.style("created", "good"), output.name(path)) for path in done.created),
        *((output.style("changed", "good"), output.name(path)) for path in done.changed),
        *((output.style("kept", "faint"), output.name(path)) for path in done.kept),
    ]
    if quiet:
        return output.table(rows)
    return [*output.table(rows), "", "Next:", *(f"  {line}" for line in output.table(_next(done)))]


def _next(done: Started) -> list[tuple[str, str]]:
    """Return what to type, and why, for somebody who has just begun."""
    remote = done.config.remotes.get(done.config.default_remote)
    if remote is not None and not remote.url.startswith("local:"):
        return [
            ("export PROMPTLAYER_API_KEY=…", f"the key for {output.name(remote.url)}"),
            ("promptsync ls-remote", "what the registry holds"),
            ("promptsync pull", "write its prompts into files"),
        ]
    if f"{done.config.prompts}/{EXAMPLE}" in done.created:
        return [
            ("promptsync lint", "check the files, offline"),
            ("promptsync render hello --example 1", "what a model would see"),
            ("promptsync push", "publish to the embedded registry"),
        ]
    return [
        ("promptsync lint", "check the files, offline"),
        ("promptsync status", "who changed what"),
        ("promptsync push", "publish what is new"),
    ]


def _body(done: Started) -> dict[str, object]:
    return {
        "root": str(done.root),
        "created": list(done.created),
        "changed": list(done.changed),
        "kept": list(done.kept),
    }
