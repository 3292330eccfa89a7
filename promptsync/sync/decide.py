"""Decides about the prompts that the list cannot settle: raw reads, git history, the base, the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptsync.core.base import Base, LocalHistory, Pushed, Version, find_base
from promptsync.core.canonical import digest, tag_set
from promptsync.core.compare import Side, State, compare
from promptsync.core.prompt import Listed, RemoteVersion
from promptsync.errors import Refused
from promptsync.files.promptfile import PromptFile
from promptsync.files.revisions import FileRevision
from promptsync.files.worktree import Worktree
from promptsync.parallel import mapped
from promptsync.sync.localside import LocalSide
from promptsync.sync.project import Project
from promptsync.sync.proof import Proof, digest_beside
from promptsync.sync.snapshot import Item

_NEEDS_BASE = (State.AHEAD, State.BEHIND, State.DIVERGED, State.ALTERED, State.DELETED_LOCALLY)


class Decider:
    """Works through the names that differ, or that only one side has."""

    def __init__(
        self,
        project: Project,
        worktree: Worktree,
        listing: Mapping[str, Listed],
        proof: Proof,
        *,
        label: str | None,
    ) -> None:
        self._project = project
        self._files = worktree.files
        self._listing = listing
        self._proof = proof
        self._label = label
        self._revisions: dict[str, tuple[FileRevision, ...]] = {}
        self._here = LocalSide(project, proof, has_git=False)
        self.hidden: tuple[str, ...] = ()

    @property
    def has_git(self) -> bool:
        return self._here.has_git

    def decide(self, names: Sequence[str]) -> list[Item]:
        """Return an item for each name, in any order; names that a sparse checkout hides are left out."""
        self._read_history(names)
        shown = [name for name in names if name not in self.hidden]
        remote = self._read_remote(shown)
        absent = [name for name in shown if name in self._files and name not in self._listing]
        archived = self._archived() if absent and self._label is None else {}
        renamed = self._renamed(absent)
        return mapped(lambda name: self._item(name, remote.get(name), archived, renamed), shown)

    def _read_history(self, names: Sequence[str]) -> None:
        revisions = self._project.revisions()
        history = self._project.history
        if revisions is None or history is None:
            return
        self._here = LocalSide(self._project, self._proof, has_git=True)
        if any(name not in self._files for name in names):
            self._revisions = revisions.all_names()
            missing = {name for name in names if name not in self._files}
            paths = {name: found[0].path for name, found in self._revisions.items() if found}
            self.hidden = tuple(sorted(name for name in missing if paths.get(name) in history.hidden))
        else:
            both = [name for name in names if name in self._listing]
            self._revisions = revisions.of({name: self._files[name].path for name in both})
            if len(both) < len(names):
                only_here = [name for name in names if name not in self._listing]
                self._revisions |= revisions.of({name: self._files[name].path for name in only_here})
        revisions.save()

    def _read_remote(self, names: Sequence[str]) -> dict[str, RemoteVersion]:
        """Read the tracked versions raw, but for those whose digest is known already."""
        known = (name for name in names if name in self._listing and self._may_have_had(name))
        wanted = [name for name in known if self._known_digest(name) is None]
        if not wanted:
            return {}
        registry = self._project.registry
        done = 0

        def read(name: str) -> RemoteVersion:
            nonlocal done
            listed = self._listing[name]
            found = registry.get(listed.template_id, name, version=listed.version)
            done += 1
            self._project.progress("Reading versions", done, len(wanted))
            return found

        # The first answer tells the workspace, after which the cache may be asked for the others.
        first = {wanted[0]: read(wanted[0])}
        return first | dict(zip(wanted[1:], mapped(read, wanted[1:]), strict=True))

    def _may_have_had(self, name: str) -> bool:
        return name in self._files or bool(self._revisions.get(name)) or name in self._proof.entries

    def _known_digest(self, name: str) -> str | None:
        """Return the digest of the tracked version where the list's body is known to be its source."""
        listed, file = self._listing[name], self._files.get(name)
        if file is None:
            return None
        body = digest_beside(file.prompt, listed.prompt)
        if self._proof.is_raw and body == self._proof.digest(file):
            return body
        return body if self._proof.recorded(listed, body) else None

    def _archived(self) -> dict[str, int]:
        found = self._project.registry.list(status="deleted")
        return {item.name: item.template_id for item in found if item.name not in self._listing}

    def _renamed(self, absent: Sequence[str]) -> dict[str, str]:
        """Return the present names of prompts that this working copy knew by id under another one."""
        by_id = {item.template_id: item for item in self._listing.values()}
        renamed: dict[str, str] = {}
        for name in absent:
            entry = self._proof.entries.get(name)
            other = by_id.get(entry.template_id) if entry is not None else None
            if other is None or other.name in self._files:
                continue
            # ids of another workspace mean nothing: one read tells which workspace answers
            self._project.registry.get(other.template_id, other.name, version=other.version)
            registry = self._project.registry
            if name in self._project.record().entries(registry.url, registry.workspace_id):
                renamed[name] = other.name
        return renamed

    def _item(
        self,
        name: str,
        remote: RemoteVersion | None,
        archived: Mapping[str, int],
        renamed: Mapping[str, str],
    ) -> Item:
        file, listed = self._files.get(name), self._listing.get(name)
        local = self._here.history(file, self._revisions.get(name, ()), self._entry(name))
        local_side = Side(local.working.digest, local.working.tags) if local.working else None
        remote_side, base = None, None
        if listed is not None:
            remote_digest = self._remote_digest(name, file, remote)
            remote_side = Side(remote_digest, tag_set(listed.prompt))
            if local_side != remote_side and (file is not None or self._is_known(name, local)):
                base = self._base(name, file, local, Version(listed.version, remote_digest, listed.message))
        state = compare(
            local_side,
            remote_side,
            base,
            tracked=listed.version if listed else None,
            archived=name in archived,
            known=self._is_known(name, local),
        )
        if name in renamed:
            state = State.RENAMED_REMOTELY
        self._check_settled(name, state, base)
        revisions = self._revisions.get(name, ())
        last = next((one for one in revisions if one.digest is not None), None) if file is None else None
        return Item(
            name=name,
            state=state,
            file=file,
            listed=listed,
            remote=remote,
            base=base,
            digest=local.working.digest if local.working else None,
            remote_digest=remote_side.digest if remote_side else None,
            origin=self._here.origin(local),
            newest=revisions[0].commit if revisions else None,
            moves=self._here.moves if file is not None else None,
            deletion_committed=bool(revisions) and revisions[0].digest is None,
            last_path=last.path if last is not None else None,
            last_digest=last.digest if last is not None else None,
            last_blob=last.blob if last is not None else None,
            archived_id=archived.get(name),
            renamed_to=renamed.get(name),
        )

    def _remote_digest(self, name: str, file: PromptFile | None, remote: RemoteVersion | None) -> str:
        if remote is None:
            return self._known_digest(name) or ""
        return digest_beside(file.prompt, remote.prompt) if file is not None else digest(remote.prompt)

    def _is_known(self, name: str, local: LocalHistory) -> bool:
        return bool(local.revisions) or local.record is not None

    def _entry(self, name: str) -> Pushed | None:
        entry, listed = self._proof.entries.get(name), self._listing.get(name)
        if entry is None or listed is None or entry.template_id != listed.template_id:
            return None
        return entry.pushed

    def _base(self, name: str, file: PromptFile | None, local: LocalHistory, tracked: Version) -> Base | None:
        listed = self._listing[name]

        def read(number: int) -> Version | None:
            found = read_version(self._project, listed, number)
            if found is None:
                return None
            body = digest_beside(file.prompt, found.prompt) if file is not None else digest(found.prompt)
            return Version(number, body, found.message)

        return find_base(local, tracked, read)

    def _check_settled(self, name: str, state: State, base: Base | None) -> None:
        if state not in _NEEDS_BASE:
            return
        if base is not None and base.certain:
            return
        history = self._project.history
        if history is not None and history.shallow:
            raise too_shallow(f"who changed {name!r}")


def too_shallow(question: str) -> Refused:
    """The refusal of a question that the visible history cannot settle."""
    return Refused(
        f"this clone is too shallow to tell {question}",
        hint="fetch the whole history: git fetch --unshallow, or fetch-depth: 0 in actions/checkout",
        code="shallow-clone",
    )


def read_version(project: Project, listed: Listed, number: int) -> RemoteVersion | None:
    """Return an older version of a prompt, ``None`` when the registry does not have it."""
    from promptsync.remote.errors import NotFound

    try:
        return project.registry.get(listed.template_id, listed.name, version=number)
    except NotFound:
        return None
