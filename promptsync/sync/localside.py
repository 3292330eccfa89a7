"""What the local side of a prompt is: its file, its revisions in git, what this working copy remembers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from promptsync.core.base import LocalHistory, Pushed, Revision, Text
from promptsync.core.canonical import tag_set
from promptsync.files.promptfile import PromptFile
from promptsync.files.revisions import FileRevision
from promptsync.sync.project import Project
from promptsync.sync.proof import Proof
from promptsync.sync.pulled import pulled_from
from promptsync.sync.snapshot import Origin


class LocalSide:
    """Puts together what is known here; ``has_git`` is false where there is no repository."""

    def __init__(self, project: Project, proof: Proof, *, has_git: bool) -> None:
        self._project = project
        self._proof = proof
        self.has_git = has_git

    def history(
        self, file: PromptFile | None, revisions: Sequence[FileRevision], entry: Pushed | None
    ) -> LocalHistory:
        """Return the local history of a prompt; ``entry`` is the record of its last push or pull."""
        made = self._made if entry is not None else {}
        found = tuple(
            Revision(
                one.commit,
                one.digest,
                one.tags,
                pulled_from(one.pulled or {}, self._project),
                made.get(one.commit),
                self._replaced(one.commit),
            )
            for one in revisions
        )
        working = None
        if file is not None:
            pulled = pulled_from(file.local.pulled, self._project)
            working = Text(self._proof.digest(file), tag_set(file.prompt), pulled)
        committed = bool(
            found and working and (found[0].digest, found[0].tags) == (working.digest, working.tags)
        )
        return LocalHistory(working, found, entry, self.has_git, committed)

    def origin(self, local: LocalHistory) -> Origin:
        """Return the commit that the working text comes from."""
        if not local.git:
            return Origin(None, True)
        first = local.revisions[0] if local.revisions else None
        pulled = local.working.pulled if local.working is not None else None
        if first is None or not local.committed or first.pulled != pulled:
            history = self._project.history
            head = history.head_commit if history is not None else None
            return Origin(first.commit if first is not None else head, True)
        commit = first.commit
        for revision in local.revisions:
            if (revision.digest, revision.tags, revision.pulled) != (first.digest, first.tags, pulled):
                break
            commit = revision.commit
        return Origin(commit, False)

    @property
    def moves(self) -> int:
        """How often ``HEAD`` has moved in this working copy so far."""
        return len(self._moves)

    @cached_property
    def _made(self) -> dict[str, int]:
        """The last move of ``HEAD`` by which each commit was made in this working copy."""
        return {commit: number for number, (commit, made) in enumerate(self._moves, 1) if made}

    @cached_property
    def _moves(self) -> Sequence[tuple[str, bool]]:
        history = self._project.history
        return history.moves if history is not None else ()

    def _replaced(self, commit: str) -> tuple[str, ...]:
        """The commits whose place a commit took by amending, newest first."""
        history = self._project.history
        replaced: list[str] = []
        while history is not None and (older := history.amended.get(commit)) is not None:
            if older in replaced:
                break
            replaced.append(older)
            commit = older
        return tuple(replaced)
