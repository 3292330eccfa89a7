"""The contract of a release: what would break applications that read the live versions. Reads only.

Both sides are compared as the label renders them, with their snippets in place. A snippet is judged in the
prompts that render it, also in those that the deploy does not release: applications may not read it itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.tested_text import UNREADABLE, TestedTexts, rendered_changes
from promptsync.compare.not_released import release_labels
from promptsync.compare.snapshot import Snapshot, State, matching
from promptsync.compare.snippet_users import LiveUser, follows
from promptsync.deploy.members import Survey
from promptsync.deploy.snippets import references_in
from promptsync.project.project import Project
from promptsync.project.target import check_exact
from promptsync.prompt.contract import ContractChange, new_needs
from promptsync.prompt.snippets import parents


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
