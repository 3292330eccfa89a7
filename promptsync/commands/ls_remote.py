"""``promptsync ls-remote``: the prompts of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.history.message import without_mark
from promptsync.inspect.listing import Filters, ListedPrompt, list_remote
from promptsync.prompt.labels import is_own
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("ls-remote", short_help="List the prompts of the registry.", blank={"prompts": []}, is_long=True)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--label", metavar="LABEL", help="Only prompts with LABEL, each at the version under it.")
@click.option(
    "--status",
    type=click.Choice(["active", "deleted", "all"]),
    default="active",
    show_default=True,
    help="Only prompts with this status; deleted ones are archived.",
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only prompts with TAG. Repeatable.")
def command(
    session: Session, names: tuple[str, ...], label: str | None, status: str, tags: tuple[str, ...]
) -> Outcome:
    """List the prompts of the registry: all, or those that NAME means.

    NAME is a name, a pattern whose * crosses /, a file or a directory. A star marks the prompts that have a
    file. With the URL of a registry no promptsync.yaml is required.

    \b
    promptsync ls-remote 'support/*' --label prod
    promptsync ls-remote --remote https://api.promptlayer.com
    """
    filters = Filters(names, label, status, tags)
    with session.project(needs_config=False) as project:
        found = list_remote(project, filters, session.directory, labels_singly=session.verbose > 0)
    _say_total(session, found)
    return Outcome(output.table(map(_row, found), free=True), {"prompts": [_body(one) for one in found]})


def _say_total(session: Session, found: Sequence[ListedPrompt]) -> None:
    if session.json:
        return
    with_file = sum(one.has_file is True for one in found)
    files = f", {with_file} with a file (*)" if with_file else ""
    session.say(f"{output.count(len(found), 'prompt')}{files}")
    if any(one.labels is None and not one.is_archived for one in found):
        fetch = "-v fetches them, one request per prompt"
        why = "the registry cannot list them" if session.verbose else fetch
        session.say(f"labels are not shown: {why}")


def _row(one: ListedPrompt) -> tuple[str, ...]:
    listed = one.listed
    labels = [(name, version) for name, version in one.labels or () if is_own(name)]
    tags = ", ".join(output.name(tag) for tag in listed.prompt.tags)
    return (
        "*" if one.has_file else "",
        output.name(listed.name),
        f"v{listed.version}",
        output.style("archived", "warn") if one.is_archived else "",
        "; ".join(f"{output.style(output.name(name), 'strong')} v{version}" for name, version in labels),
        f"[{tags}]" if tags else "",
        output.safe(without_mark(listed.message), newlines=False),
    )


def _body(one: ListedPrompt) -> dict[str, Any]:
    listed = one.listed
    labels = None if one.labels is None else [{"label": name, "version": at} for name, at in one.labels]
    return {
        "name": listed.name,
        "id": listed.template_id,
        "version": listed.version,
        "labels": labels,
        "tags": list(listed.prompt.tags),
        "message": listed.message,
        "is_snippet": listed.is_snippet,
        "archived": one.is_archived,
        "adopted": one.has_file,
    }
