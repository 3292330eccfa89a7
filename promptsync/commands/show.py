"""``promptsync show``, ``open`` and ``ls-remote``: prompts of the registry."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import click

from promptsync.commands.shared.options import version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.files.prompt_file import render_new
from promptsync.files.worktree import scan
from promptsync.history.mark import without_mark
from promptsync.project.project import Project
from promptsync.project.target import At, NoSuchPrompt, is_pattern, resolve
from promptsync.project.versions import (
    Catalog,
    FoundVersion,
    Labels,
    find_versions,
    labels_by_prompt,
    list_labels,
)
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import is_own
from promptsync.prompt.prompt import Local, Version
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
    for number, version in enumerate(versions):
        if number:
            yield "---"
        session.say(_heading(version))
        text = render_new(version[0].prompt, Local()).removesuffix("\n")
        yield output.safe(text) if is_terminal else text


def _heading(version: FoundVersion) -> str:
    remote, pointing = version
    labels = ", ".join(output.name(label) for label in pointing or ())
    parts = [
        f"{output.name(remote.prompt.name)} v{remote.version}",
        f"({labels})" if labels else "",
        output.safe(remote.message or "", newlines=False),
    ]
    return output.style(" ".join(part for part in parts if part), "faint")


def _body(version: FoundVersion) -> dict[str, Any]:
    remote, labels = version
    return {
        **body(remote, "name id=template_id version message created_at"),
        "labels": None if labels is None else list(labels),
        "digest": digest(remote.prompt),
        **body(remote.prompt, "tags template metadata extra"),
    }


# -- open ---------------------------------------------------------------------------------------------------


@verb("open")
@click.argument("name", metavar="NAME[@N|:LABEL]")
@click.option("--print", "prints_only", is_flag=True, help="Print the URL and open nothing.")
def open_command(session: Session, name: str, prints_only: bool) -> Outcome:
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
            raise UsageError(
                f"{project.title} has no dashboard; only PromptLayer has one",
                hint=f"promptsync show {shlex.quote(name)}",
            )
    if target.at:
        session.say(f"the page is that of the prompt; choose {target.at} there")
    # A browser would keep the pipe open, on which another program waits.
    is_on_terminal = session.can_ask and session.environment.columns is not None
    if not prints_only and is_on_terminal and click.launch(url):
        session.say("no browser could be started; open the URL yourself")
    return Outcome([url], {"name": target.name, "url": url})


# -- ls-remote ----------------------------------------------------------------------------------------------


@verb("ls-remote", is_long=True)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--status",
    type=click.Choice(["active", "deleted", "all"]),
    default="active",
    show_default=True,
    help="List prompts with this status; deleted means archived.",
)
def list_command(session: Session, names: tuple[str, ...], status: str) -> Outcome:
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
        wanted = {*_meant(project, names, sorted(known), is_whole=status == "active")} if names else known
        active = [prompt for prompt in active if prompt.name in wanted]
        pointers = list_labels(project.registry, project.config.labels.values()) if active else None
        labels = None if pointers is None else labels_by_prompt(pointers, active)
        files = scan(project.root, project.config.prompts).files if project.config.path.is_file() else None
    bodies = [
        _listed_body(prompt, files, None if labels is None else labels.get(prompt.name, {}))
        for prompt in active
    ]
    bodies += [
        _listed_body(prompt, files, None, archived=True) for prompt in archived if prompt.name in wanted
    ]
    bodies.sort(key=lambda row: (row["name"], row["archived"]))
    if not session.json:
        with_file = sum(bool(row["adopted"]) for row in bodies)
        total = output.count(len(bodies), "prompt")
        session.say(f"{total}, {with_file} with a file (*)" if with_file else total)
        if active and labels is None:
            session.say("the registry cannot list labels; promptsync label list fetches them")
    return Outcome(output.table(map(_listed_row, bodies), free=True), {"prompts": bodies})


def _meant(project: Project, names: Sequence[str], known: Sequence[str], *, is_whole: bool) -> Iterator[str]:
    for name in names:
        try:
            yield from (target.name for target in resolve(project, [name], known, with_versions=False))
        except NoSuchPrompt:
            if is_whole and not is_pattern(name):
                raise


def _listed_body(
    prompt: Version, files: Collection[str] | None, labels: Labels | None, *, archived: bool = False
) -> dict[str, Any]:
    there = None if labels is None else [{"label": label, "version": at} for label, at in labels.items()]
    return {
        **body(prompt, "name id=template_id version tags=prompt.tags message is_snippet"),
        "labels": there,
        "archived": archived,
        "adopted": None if files is None else prompt.name in files,
    }


def _listed_row(prompt: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a prompt of the document as the cells of a table."""
    labels = [
        (label["label"], label["version"]) for label in prompt["labels"] or () if is_own(label["label"])
    ]
    return (
        "*" if prompt["adopted"] else "",
        output.name(prompt["name"]),
        f"v{prompt['version']}",
        output.style("archived", "warn") if prompt["archived"] else "",
        "; ".join(f"{output.style(output.name(label), 'strong')} v{version}" for label, version in labels),
        f"[{', '.join(map(output.name, prompt['tags']))}]" if prompt["tags"] else "",
        output.safe(without_mark(prompt["message"]), newlines=False),
    )
