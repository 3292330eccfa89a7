"""What a release does to what is live: to applications, and to prompts that render its snippets. Reads only.

Both sides are compared as the label renders them, with their snippets in place. A snippet is judged in the
prompts that render it, also in those that the deploy does not release: applications may not read it itself.

A checked release needs no timing: a snippet that live prompts would render before their checks is refused,
and so is a prompt whose checks need the label of a snippet that this deploy moves. Tables need neither: they
run the new versions before anything is published.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.tested_text import UNREADABLE, TestedTexts, rendered_changes
from promptsync.compare.released import LiveTexts, LiveUser, Pins, follows, live_refusal, release_labels
from promptsync.compare.snapshot import Snapshot, State, matching
from promptsync.deploy.members import Member, Survey
from promptsync.errors import Refused
from promptsync.project.project import Project
from promptsync.project.target import check_exact
from promptsync.prompt.contract import ContractChange, new_needs
from promptsync.prompt.snippets import Reference, parents, rendered_in


class PromptContract(Struct, frozen=True):
    """What breaks applications that read ``version`` of a prompt under a label, or may.

    ``path`` is its file, and ``needs`` what that newly says about the application. ``is_accepted`` says that
    the deploy may break applications.
    """

    name: str
    label: str
    version: int
    changes: tuple[ContractChange, ...]
    path: str | None = None
    needs: str | None = None
    is_accepted: bool = False

    @property
    def breaking(self) -> tuple[ContractChange, ...]:
        """The changes that break applications."""
        return tuple(change for change in self.changes if change.verdict == "breaking")

    @property
    def stops(self) -> bool:
        """Whether it stops the deploy."""
        return bool(self.breaking) and not self.is_accepted


def find_contracts(
    project: Project, survey: Survey, texts: TestedTexts, live: Mapping[str, Collection[LiveUser]]
) -> tuple[PromptContract, ...]:
    """Return the contracts that the releases of a survey change.

    ``live`` are the prompts that render released snippets immediately, by snippet.
    """
    released = {
        member.name: LiveUser(member.name, survey.label, member.released)
        for member in survey.releases
        if member.released is not None and not member.is_moved
    }
    users = {user for users in live.values() for user in users}
    others = sorted(user for user in users if user.label != survey.label or user.name not in released)
    through = {member.name for member in survey.checked if member.through} | {user.name for user in users}
    readers = [*released.values(), *others]
    return tuple(_contracts(project, texts, survey.latest, survey.label, readers, released, through, live))


def accepted_names(
    project: Project, survey: Survey, contracts: Iterable[PromptContract], arguments: Sequence[str]
) -> tuple[str, ...]:
    """Return the prompts that ``--breaking`` means. Raises ``UsageError`` for what names none exactly."""
    # Prompts of other repositories may render a snippet, too.
    names = {contract.name for contract in contracts}
    others = [argument for argument in arguments if argument not in names]
    if others:
        check_exact(project, others, "--breaking")
    return tuple(sorted({*names.intersection(arguments), *matching(project, survey.latest, others)}))


def next_contracts(
    project: Project, snapshot: Snapshot, on_hold: Collection[str]
) -> tuple[PromptContract, ...]:
    """Return the contracts that a deploy of the files would change; versions on hold stay."""
    candidates = snapshot.of(State.IN_SYNC, State.AHEAD)
    items = {item.name: item for item in candidates if item.state is State.AHEAD or item.name not in on_hold}
    files = {name: item.file.prompt for name, item in items.items() if item.file is not None}
    contracts: list[PromptContract] = []
    for label in release_labels(project):
        there = {name: labels[label] for name, labels in (snapshot.labels or {}).items() if label in labels}
        changed = {name for name in files if there.get(name) != items[name].version}
        changed |= {item.name for item in snapshot.of(State.AHEAD)}
        through = parents(references_in(snapshot), dict.fromkeys(changed, follows([label], latest=True)))
        names = sorted((changed | through.keys()) & files.keys() & there.keys())
        readers = [LiveUser(name, label, there[name]) for name in names]
        texts = TestedTexts(project, files, snapshot.listing, label)
        contracts += _contracts(project, texts, snapshot, label, readers, changed, through)
    return tuple(contracts)


def _contracts(
    project: Project,
    texts: TestedTexts,
    latest: Snapshot,
    label: str,
    readers: Iterable[LiveUser],
    released: Collection[str],
    through: Collection[str],
    snippets: Collection[str] = (),
) -> list[PromptContract]:
    """Return the contracts with ``readers`` that change.

    Of ``released`` the file is new, of ``through`` a snippet. ``snippets`` are known besides those that the
    files refer to.
    """
    used = {reference.name for references in references_in(latest).values() for reference in references}

    def contract(reader: LiveUser) -> PromptContract:
        file = latest.worktree.files.get(reader.name) if reader.label == label else None
        path, needs = file.path if file is not None else None, None
        try:
            old = texts.read(reader.name, reader.version)
            new = file.prompt if file is not None and reader.name in released else old
            needs = new_needs(old, new)
            changes = rendered_changes(texts, old, new, is_snippet_new=reader.name in through)
        except UNREADABLE as error:
            changes = (ContractChange(error.message, "", "unknown"),)
        if reader.name in used or reader.name in snippets:
            changes = tuple(replace(change, verdict="unknown") for change in changes)
        at = reader.name, reader.label, reader.version
        return PromptContract(*at, changes, path, needs, is_accepted=needs is not None)

    return [changed for changed in project.mapped("Comparing", contract, readers) if changed.changes]


# -- snippets -----------------------------------------------------------------------------------------------


def references_in(latest: Snapshot) -> dict[str, Sequence[Reference]]:
    """Return the references of each file."""
    return {name: rendered_in(file.prompt.template) for name, file in latest.worktree.files.items()}


def together(survey: Survey, names: Collection[str]) -> frozenset[str]:
    """Return prompts with all others that are only released together with them.

    A released snippet and the prompts that render it stand or fall together.
    """
    texts, renders = references_in(survey.latest), follows([survey.label], latest=True)
    groups = [{member.name, *parents(texts, {member.name: renders})} for member in survey.releases]
    kept, before = set(names), 0
    while len(kept) > before:
        before = len(kept)
        kept.update(*(group for group in groups if group & kept))
    return frozenset(kept)


def live_at_once(project: Project, survey: Survey) -> dict[str, tuple[LiveUser, ...]]:
    """Return the live prompts that render released snippets before the label moves onto them, by snippet.

    A reference without a pin renders the newest version as soon as it is published, and one by the label
    renders the new version as soon as the label moves.
    """
    changes = {
        member.name: (() if member.is_moved else (survey.label,), member.publishes)
        for member in survey.releases
    }
    return LiveTexts(project, survey.latest, label=survey.label).at_once(changes)


def check_live(
    survey: Survey, live: Mapping[str, Collection[LiveUser]], checked_before: Collection[str], pins: Pins
) -> None:
    """Raise ``Refused`` for snippets that live prompts would render before any check has run with them.

    ``checked_before`` are the prompts that tables run with the new snippets, ``pins`` those of the files.
    """
    unchecked = {
        name: left
        for name, users in live.items()
        if (left := [user for user in users if user.name not in checked_before])
    }
    if unchecked:
        # Of snippets in snippets, the outermost has the fewest users.
        name, users = min(unchecked.items(), key=lambda item: len(item[1]))
        member = next(member for member in survey.releases if member.name == name)
        what, without = f"the snippet {next(iter(unchecked))!r}", "before any check runs with it"
        raise live_refusal(unchecked, what, without, "released", _next_step(survey, member, users, pins))


def _next_step(survey: Survey, snippet: Member, users: Sequence[LiveUser], pins: Pins) -> str:
    """Return the first step before a snippet is released: a pin where live prompts refer to it."""
    files, renders = references_in(survey.latest), follows([survey.label], latest=True)
    names = {user.name for user in users}
    loose = {
        name: at for name in names for at in files.get(name, ()) if at.name == snippet.name and renders(at)
    }
    pending = {member.name for member in survey.releases} & names
    stale = {pin.user: pin.snippet for pin in pins if pin.is_published and pin.user in names}
    first = sorted(loose) or sorted(pending) or sorted(stale) or sorted(names)
    deploy = shlex.join(["promptsync", "deploy", *first])
    if loose or first[0] not in files:  # which other repositories have
        by_label = any(at.label for at in loose.values())
        version = snippet.released if by_label else survey.latest.listing[snippet.name].version
        current = f"pin the current version, {Reference(snippet.name, version)}, and deploy only what pins it"
        return f"{current}: {deploy}\nthen promptsync deploy"
    if not pending and stale:  # the older version that it pins renders the snippet
        bump = f"promptsync bump {shlex.quote(stale[first[0]])}"
        return f"{bump}\nthen commit that, and deploy only the pins: {deploy}"
    return deploy


def check_order(survey: Survey, checked_before: Collection[str]) -> None:
    """Raise ``Refused`` if prompts of this deploy render a snippet by the label that it moves.

    Checks of published versions would run with the version that has the label now. ``checked_before`` are
    the prompts that only tables check, which run before anything is published.
    """
    texts, by_label = references_in(survey.latest), follows([survey.label])
    moving = [member for member in survey.releases if not member.is_moved]
    ways = parents(texts, {member.name: by_label for member in moving})
    # A prompt cannot be published before the label that it refers to exists.
    new = parents(texts, {member.name: by_label for member in moving if member.released is None})
    users = [
        member.name
        for member in survey.releases
        if member.name in new or (member.name in ways and member.name not in checked_before)
    ]
    if not users:
        return
    first = sorted({ways[user][-1] for user in users} - ways.keys()) or sorted({ways[users[0]][-1]})
    raise Refused(
        f"{users[0]!r} renders the snippet {ways[users[0]][-1]!r} at {survey.label}, so its checks need that "
        "release first; nothing was released",
        hint=shlex.join(["promptsync", "deploy", *first]),
        code="snippets-first",
    )
