"""``promptsync log``: the versions of a prompt, with the git commits that have the same content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from msgspec import Struct, structs

from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.content import read_content
from promptsync.compare.difference import Step, step
from promptsync.compare.snapshot import Item, PromptHistory, State, histories_of, run
from promptsync.files.prompt_file import scan
from promptsync.history.graph import Graph, Includes, Lineage, decide, passed_over
from promptsync.history.mark import parse_mark, without_mark
from promptsync.project.project import Project
from promptsync.project.target import LATEST, At, resolve
from promptsync.project.versions import Catalog, find_number, labels_at, read_labels, read_versions
from promptsync.prompt.prompt import Version
from promptsync.registry.errors import NotFound, UnusablePrompt
from promptsync.show import diff
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


class LoggedVersion(Struct, frozen=True):
    """A version in the log: its ``body`` in the JSON document, and what only the text has.

    In the body, ``author`` is that of the commit that a version was published from, for any other version who
    saved it, if the registry says so. ``commit`` is the git commit whose file has the same content, ``short``
    its abbreviation. ``mark`` is the end of the stored message, which says what the version was made from.
    ``base`` marks the newest version that the working file includes. ``parents`` are the versions that this
    one was made from. ``labels`` is ``None`` where the registry cannot list them.
    """

    body: dict[str, Any]
    short: str | None
    patch: Step | None


@verb("log", is_long=True)
@click.argument("names", nargs=-1, required=True, metavar="NAME[@N|:LABEL]...")
@option(
    "-n --max-count",
    "N",
    "List the newest N versions.",
    type=click.IntRange(1),
    default=20,
    show_default=True,
)
@flag("--all every", "List all versions.")
@flag("--oneline", "Print one line per version.")
@flag("-p --patch", "Show what each version changed from the one before.")
@version_options
def command(
    session: Session, names: tuple[str, ...], max_count: int, every: bool, oneline: bool, patch: bool, at: At
) -> Outcome:
    """List the versions of a prompt, newest first, with labels, dates and messages.

    NAME is a name, a pattern, a file or a directory. The list starts at the specified version, by default the
    latest. "Commit" is the commit with the same content. "base" marks the newest version that your file
    includes, "passed over" a version that neither your file nor the latest version includes. "From" names the
    versions that a version is based on, unless that is the one before. -v also shows the mark at the end of
    each message.

    \b
    promptsync log support/refund --oneline
    promptsync log support/refund:prod -p
    """
    limit = None if every else max_count
    with session.project() as project:
        catalog = Catalog(project)
        logs = [
            read_log(project, catalog[target.name], target.at, limit=limit, patches=patch)
            for target in resolve(project, names, catalog, at=at)
        ]
    if any(log[-1].body["version"] > 1 for log in logs) and not session.json:
        session.say("older versions are not listed; --all lists them")
    lines: list[str] = []
    for log in logs:
        lines += [""] if lines else []
        lines += [output.style(output.name(log[0].body["name"]), "strong")] if len(logs) > 1 else []
        lines += _lines(log, oneline, marks=session.verbose > 0)
    versions = [entry.body for log in logs for entry in log]
    return Outcome(lines, {"name": versions[0]["name"] if len(logs) == 1 else None, "versions": versions})


def read_log(
    project: Project, listed: Version, at: At = LATEST, *, limit: int | None = 20, patches: bool = False
) -> list[LoggedVersion]:
    """Return ``limit`` versions of a prompt (all with ``None``) from a chosen one down.

    Versions that the registry has lost are left out. Raises ``NoSuchVersion``, and ``NotFound`` if it has
    none.
    """
    name = listed.name
    if listed.problem:
        raise UnusablePrompt(f"v{listed.version} of {name!r} {listed.problem}")
    labels = read_labels(project, listed)
    newest = find_number(project, listed, at, labels)
    # The difference of the oldest version needs the version before it as well.
    more = limit + 1 if patches and limit is not None else limit
    versions = read_versions(project, listed, more, newest=newest)
    shown = versions[:limit]
    if not shown:
        where = f"{project.registry.url} lists {name!r} at v{listed.version}"
        what = f"{where}, but has none of its versions from v{newest} down"
        raise NotFound(what, status=404, hint="promptsync doctor")
    history = _history(project, listed, versions)
    parents, lost, base = _read_graph(project, history, shown[-1].version)
    nodes, lineage = history.versions, history.lineage
    commits = {version.version: _commit(version, nodes[version.version].digest, lineage) for version in shown}
    if project.history is not None and project.history.shallow:  # an older commit may have that content, too
        commits = {number: pair if pair[1] else (None, False) for number, pair in commits.items()}
    known = {commit for commit, _ in commits.values() if commit is not None}
    described = project.history.described(known) if project.history is not None else {}
    log = []
    for version, before in zip(shown, [*versions[1:], None], strict=False):
        number, message = version.version, without_mark(version.message)
        commit, is_published = commits[number]
        short, _, author = described.get(commit or "", (None, "", version.author))
        patch = None
        if patches:
            old, new = history.content(before.version) if before else None, history.content(number)
            title = f"v{before.version} -> v{number}" if before is not None else f"nothing -> v{number}"
            # Tags belong to the prompt and not to a version.
            sides = (structs.replace(side, tags=()) if side else None for side in (old, new))
            patch = step(title, *sides)
        body = {
            "name": name,
            "version": number,
            "labels": labels_at(labels, number),
            "message": message,
            "mark": (version.message or "").removeprefix(message).strip(),
            "author": author if is_published else version.author,
            "created_at": version.created_at,
            "commit": commit,
            "digest": nodes[number].digest or "",
            "base": number == base,
            "parents": [parent for parent in parents[number] if parent > 0],
            "passed_over": number in lost,
            **(diff.step_body(patch) if patch is not None else {}),
        }
        log.append(LoggedVersion(body, short, patch))
    return log


def _history(project: Project, listed: Version, versions: Sequence[Version]) -> PromptHistory:
    file = scan(project.root, project.config.prompts).files.get(listed.name)
    item = Item(listed.name, State.UNKNOWN, file, listed)
    history = histories_of(project, [item])[listed.name]
    for version in versions:
        history.add(version, read_content(project, version, file.prompt if file is not None else None))
    return history


def _read_graph(
    project: Project, history: PromptHistory, lowest: int
) -> tuple[dict[int, tuple[int, ...]], Includes, int | None]:
    """Return the parents of the versions from ``lowest`` up, those passed over, and the base of the file."""

    def outline(graph: Graph) -> tuple[dict[int, tuple[int, ...]], Includes, int | None]:
        graph.look_from(lowest)
        parents = {number: graph.parents(number) for number in graph.window}
        lost = frozenset(parents) - graph.includes(graph.latest)
        if graph.file is None:
            return parents, lost, None
        if lost:
            lost &= {number for head in passed_over(graph) for number in head.numbers}
        base = decide(graph).base
        return parents, lost, base.version if base is not None else None

    return run(project, [history], outline)[history.name]


def _commit(version: Version, content: str | None, lineage: Lineage) -> tuple[str | None, bool]:
    """Return the commit with the content of a version, and whether the version was published from it."""
    mark = parse_mark(version.message)
    # A dirty mark names the commit below an uncommitted text, and a copied mark has another number.
    if mark is not None and mark.commit and not mark.dirty and mark.version == version.version:
        place = lineage.place_of(mark.commit)
        if place is not None and place in lineage.of_head:
            return lineage.revisions[place].commit, True
    return next((revision.commit for revision in lineage.back() if revision.digest == content), None), False


# -- text and JSON ------------------------------------------------------------------------------------------


def _lines(log: Sequence[LoggedVersion], oneline: bool, *, marks: bool) -> Iterator[str]:
    if not oneline:
        for place, entry in enumerate(log):
            yield from ([""] if place else [])
            yield from _paragraph(entry, marks=marks)
        return
    rows = [
        (
            output.style(f"v{entry.body['version']}", "remote"),
            entry.short or "-",
            _words(entry.body) + output.name(entry.body["message"]),
        )
        for entry in log
    ]
    for entry, line in zip(log, output.table(rows, free=True), strict=True):
        yield line
        yield from diff.step_lines(entry.patch) if entry.patch is not None else ()


def _paragraph(entry: LoggedVersion, *, marks: bool) -> Iterator[str]:
    body, number, parents = entry.body, entry.body["version"], entry.body["parents"]
    yield f"{output.style(f'version {number}', 'remote')} {_words(body)}".rstrip()
    facts = {
        "Author": body["author"],
        "Date": output.moment(body["created_at"] or ""),
        "Commit": entry.short,
        "From": ", ".join(f"v{parent}" for parent in parents) or "no other version",
        "Mark": body["mark"] if marks else "",
    }
    if number == 1 or parents == [number - 1]:
        del facts["From"]
    yield from (f"{name + ':':7} {output.name(fact)}" for name, fact in facts.items() if fact)
    if body["message"]:
        yield output.Line(f"    {output.name(body['message'])}", 4)
    if entry.patch is not None:
        yield ""
        yield from diff.step_lines(entry.patch)


def _words(body: Mapping[str, Any]) -> str:
    words = [output.style(output.name(label), "strong") for label in body["labels"] or ()]
    words += [output.style("base", "good")] if body["base"] else []
    words += [output.style("passed over", "warn")] if body["passed_over"] else []
    return f"({', '.join(words)}) " if words else ""
