"""``promptsync ls-remote``: what the registry holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.history.message import without_mark
from promptsync.inspect.listing import Filters, Held, list_remote
from promptsync.prompt.labels import SUFFIX
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("ls-remote", short_help="List what the registry holds.", blank={"prompts": []})
@click.argument("pattern", required=False)
@click.option("--label", metavar="LABEL", help="Only prompts that have LABEL, each at the version under it.")
@click.option(
    "--status",
    type=click.Choice(["active", "deleted", "all"]),
    default="active",
    show_default=True,
    help="Which prompts; deleted ones are archived.",
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only prompts with TAG; may be repeated.")
def command(
    session: Session, pattern: str | None, label: str | None, status: str, tags: tuple[str, ...]
) -> Outcome:
    """List the prompts of the registry whose names match PATTERN; * matches any text, / included.

    A star before the name tells that a file here holds the prompt. With the URL of a registry no
    promptsync.yaml is needed.

    \b
    promptsync ls-remote 'support/*' --label prod
    promptsync ls-remote --remote https://api.promptlayer.com
    """
    filters = Filters(pattern, label, status, tags)
    with session.project(needs_config=False) as project:
        found = list_remote(project, filters, labels_singly=session.verbose > 0)
    lines = _lines(found)
    _tell(session, found)
    return Outcome(lines, {"prompts": [_body(one) for one in found]})


def _tell(session: Session, found: Sequence[Held]) -> None:
    if session.json:
        return
    here = sum(one.is_adopted is True for one in found)
    adopted = f", {here} with a file here (*)" if any(one.is_adopted is not None for one in found) else ""
    session.say(f"{output.count(len(found), 'prompt')}{adopted}")
    if any(one.labels is None and not one.is_archived for one in found):
        asked = (
            "the registry cannot tell them" if session.verbose else "-v reads them, with a request for each"
        )
        session.say(f"labels are not shown: {asked}")


def _lines(found: Sequence[Held]) -> list[str]:
    return output.table((_row(one) for one in found), free=True)


def _row(one: Held) -> tuple[str, ...]:
    listed = one.listed
    labels = [(name, version) for name, version in one.labels or () if not name.endswith(SUFFIX)]
    tags = ", ".join(output.name(tag) for tag in listed.prompt.tags)
    return (
        "*" if one.is_adopted else "",
        output.name(listed.name),
        f"v{listed.version}",
        output.style("archived", "warn") if one.is_archived else "",
        " ".join(f"{output.style(output.name(name), 'strong')}=v{version}" for name, version in labels),
        f"[{tags}]" if tags else "",
        output.safe(without_mark(listed.message), newlines=False),
    )


def _body(one: Held) -> dict[str, Any]:
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
        "adopted": one.is_adopted,
    }
