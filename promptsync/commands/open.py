"""``promptsync open``: a prompt in the dashboard."""

from __future__ import annotations

import shlex

import click

from promptsync.commands.shared.groups import flag
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.project.target import resolve
from promptsync.project.versions import Catalog
from promptsync.show.outcome import Outcome


@verb("open")
@click.argument("name", metavar="NAME[@N|:LABEL]")
@flag("--print prints_only", "Print the URL and open nothing.")
def command(session: Session, name: str, prints_only: bool) -> Outcome:
    """Open a prompt in the PromptLayer dashboard, and print its URL. Without a terminal, it is only printed.

    \b
    promptsync open support/refund
    promptsync open support/refund --print
    """
    with session.project() as project:
        catalog = Catalog(project)
        target, *others = resolve(project, [name], catalog)
        if others:
            hint = f"promptsync open {shlex.quote(target.name)}"
            raise UsageError(f"open takes one prompt, and {name!r} matches {1 + len(others)}", hint=hint)
        url = project.registry.page(catalog[target.name])
        if not url:
            hint = f"promptsync show {shlex.quote(name)}"
            raise UsageError(f"{project.title} has no dashboard; only PromptLayer has one", hint=hint)
    if target.at:
        session.say(f"the page is that of the prompt; choose {target.at} there")
    # A browser would keep the pipe open, on which another program waits.
    is_on_terminal = session.can_ask and session.columns is not None
    if not prints_only and is_on_terminal and click.launch(url):
        session.say("no browser could be started; open the URL yourself")
    return Outcome([url], {"name": target.name, "url": url})
