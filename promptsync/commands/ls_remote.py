"""``promptsync ls-remote``: the prompts of the registry."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import click

from promptsync.commands.shared.groups import option
from promptsync.commands.shared.session import Session, verb
from promptsync.files.prompt_file import scan
from promptsync.history.mark import without_mark
from promptsync.project.target import NoSuchPrompt, is_pattern, resolve
from promptsync.project.versions import Labels, labels_by_prompt, list_labels
from promptsync.prompt.labels import is_own
from promptsync.prompt.prompt import Version
from promptsync.show.outcome import Outcome, body
from promptsync.terminal import output


@verb("ls-remote", is_long=True)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@option(
    "--status",
    None,
    "List prompts with this status; deleted means archived.",
    type=click.Choice(["active", "deleted", "all"]),
    default="active",
    show_default=True,
)
def command(session: Session, names: tuple[str, ...], status: str) -> Outcome:
    """List the prompts of the registry, all or by NAME.

    NAME is a name, a pattern whose * also matches /, a file or a directory. A star marks prompts that have a
    file. With --remote URL, no promptsync.yaml is needed.

    \b
    promptsync ls-remote 'support/*'
    promptsync ls-remote --json | jq -r '.prompts[] | select(.tags | index("beta")).name'
    promptsync ls-remote --remote https://api.promptlayer.com
    """
    with session.project(needs_config=False) as project:
        on_page = partial(project.progress, "Listing the registry")
        fetch = partial(project.registry.prompts.list, on_page=on_page)
        active = fetch(status="active") if status != "deleted" else []
        archived = fetch(status="deleted") if status != "active" else []
        known = {prompt.name for prompt in (*active, *archived)}
        # With a status, a name that is missing from the list may exist all the same.
        wanted = set() if names else known
        for name in names:
            try:
                targets = resolve(project, [name], sorted(known), with_versions=False)
                wanted |= {target.name for target in targets}
            except NoSuchPrompt:
                if status == "active" and not is_pattern(name):
                    raise
        active = [prompt for prompt in active if prompt.name in wanted]
        pointers = list_labels(project.registry, project.config.labels.values()) if active else None
        labels = None if pointers is None else labels_by_prompt(pointers, active)
        files = scan(project.root, project.config.prompts).files if project.config.path.is_file() else None
    bodies = [
        _body(prompt, files, None if labels is None else labels.get(prompt.name, {})) for prompt in active
    ]
    bodies += [_body(prompt, files, None, archived=True) for prompt in archived if prompt.name in wanted]
    bodies.sort(key=lambda row: (row["name"], row["archived"]))
    if not session.json:
        with_file = sum(bool(row["adopted"]) for row in bodies)
        total = output.count(len(bodies), "prompt")
        session.say(f"{total}, {with_file} with a file (*)" if with_file else total)
        if active and labels is None:
            session.say("the registry cannot list labels; promptsync label list fetches them")
    return Outcome(output.table(map(_row, bodies), free=True), {"prompts": bodies})


def _body(
    prompt: Version, files: Collection[str] | None, labels: Labels | None, *, archived: bool = False
) -> dict[str, Any]:
    there = None if labels is None else [{"label": label, "version": at} for label, at in labels.items()]
    return {
        **body(prompt, "name id=template_id version tags=prompt.tags message is_snippet"),
        "labels": there,
        "archived": archived,
        "adopted": None if files is None else prompt.name in files,
    }


def _row(prompt: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a prompt of the document as the cells of a table."""
    own = [label for label in prompt["labels"] or () if is_own(label["label"])]
    labels = [f"{output.style(output.name(one['label']), 'strong')} v{one['version']}" for one in own]
    return (
        "*" if prompt["adopted"] else "",
        output.name(prompt["name"]),
        f"v{prompt['version']}",
        output.style("archived", "warn") if prompt["archived"] else "",
        "; ".join(labels),
        f"[{', '.join(map(output.name, prompt['tags']))}]" if prompt["tags"] else "",
        output.name(without_mark(prompt["message"])),
    )
