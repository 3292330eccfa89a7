"""``promptsync ls-remote``: the prompts of the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import click
import msgspec

from promptsync.commands.shared.session import Session, verb
from promptsync.files.worktree import scan
from promptsync.history.mark import without_mark
from promptsync.project.pointers import labels_by_prompt, list_labels, with_labels
from promptsync.project.project import Project
from promptsync.project.target import NoSuchPrompt, is_pattern, resolve
from promptsync.prompt.labels import is_own
from promptsync.prompt.version import Version
from promptsync.registry.errors import Unsupported
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

Labels = tuple[tuple[str, int], ...]


class ListedPrompt(msgspec.Struct, frozen=True):
    """One prompt of the registry.

    ``labels`` are names and versions, ``None`` where they were not read. ``has_file`` says whether the
    working copy has a file for it, ``None`` without a working copy.
    """

    listed: Version
    is_archived: bool
    has_file: bool | None
    labels: Labels | None = None


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
    with session.project(needs_config=False) as project:
        on_page = partial(project.progress, "Listing the registry")
        # All registries filter by one tag in the same way, and by several in different ways.
        fetch = partial(
            project.registry.prompts.list, label=label, tag=next(iter(tags), None), on_page=on_page
        )
        active = fetch(status="active") if status != "deleted" else []
        archived = fetch(status="deleted") if status != "active" else []
        tagged = [[item for item in items if {*tags} <= {*item.prompt.tags}] for items in (active, archived)]
        active, archived = tagged
        files = scan(project.root, project.config.prompts).files if project.config.path.is_file() else None
        known = sorted({item.name for item in (*active, *archived)})
        # With filters, a name that is missing from the list may exist all the same.
        is_whole = status == "active" and label is None and not tags
        wanted = {*_meant(project, names, known, is_whole=is_whole)} if names else {*known}
        active = [item for item in active if item.name in wanted]
        labels = _labels(project, active, singly=session.verbose > 0)
        prompts = [
            ListedPrompt(
                item,
                is_archived,
                None if files is None else item.name in files,
                None if labels is None or is_archived else labels.get(item.name, ()),
            )
            for is_archived, items in ((False, active), (True, archived))
            for item in items
            if item.name in wanted
        ]
    prompts.sort(key=lambda prompt: (prompt.listed.name, prompt.is_archived))
    _say_total(session, prompts)
    rows = output.table(map(_row, prompts), free=True)
    return Outcome(rows, {"prompts": [_body(prompt) for prompt in prompts]})


def _meant(project: Project, names: Sequence[str], known: Sequence[str], *, is_whole: bool) -> Iterator[str]:
    for name in names:
        try:
            yield from (target.name for target in resolve(project, [name], known, with_versions=False))
        except NoSuchPrompt:
            if is_whole and not is_pattern(name):
                raise


def _labels(project: Project, prompts: Sequence[Version], *, singly: bool) -> Mapping[str, Labels] | None:
    """Return the labels of prompts as far as lists have them; ``singly`` allows one request each."""
    if not prompts:
        return None
    if not singly:
        return labels_by_prompt(list_labels(project.registry, project.config.labels.values()), prompts)
    try:
        read = with_labels(project, prompts)
    except Unsupported:
        return None
    return {
        prompt.listed.name: tuple(sorted((label.name, label.version) for label in prompt.labels.values()))
        for prompt in read
    }


def _say_total(session: Session, prompts: Sequence[ListedPrompt]) -> None:
    if session.json:
        return
    with_file = sum(prompt.has_file is True for prompt in prompts)
    files = f", {with_file} with a file (*)" if with_file else ""
    session.say(f"{output.count(len(prompts), 'prompt')}{files}")
    if any(prompt.labels is None and not prompt.is_archived for prompt in prompts):
        fetch = "-v fetches them, one request per prompt"
        why = "the registry cannot list them" if session.verbose else fetch
        session.say(f"labels are not shown: {why}")


def _row(prompt: ListedPrompt) -> tuple[str, ...]:
    listed = prompt.listed
    labels = [(name, version) for name, version in prompt.labels or () if is_own(name)]
    tags = ", ".join(output.name(tag) for tag in listed.prompt.tags)
    return (
        "*" if prompt.has_file else "",
        output.name(listed.name),
        f"v{listed.version}",
        output.style("archived", "warn") if prompt.is_archived else "",
        "; ".join(f"{output.style(output.name(name), 'strong')} v{version}" for name, version in labels),
        f"[{tags}]" if tags else "",
        output.safe(without_mark(listed.message), newlines=False),
    )


def _body(prompt: ListedPrompt) -> dict[str, Any]:
    listed = prompt.listed
    labels = None if prompt.labels is None else [{"label": name, "version": at} for name, at in prompt.labels]
    return {
        "name": listed.name,
        "id": listed.template_id,
        "version": listed.version,
        "labels": labels,
        "tags": list(listed.prompt.tags),
        "message": listed.message,
        "is_snippet": listed.is_snippet,
        "archived": prompt.is_archived,
        "adopted": prompt.has_file,
    }
