"""Carries out the plan of a push: checks that it is still true, publishes, reads back, labels, records."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from promptsync.compare.present_state import is_same, read_now, shown
from promptsync.compare.uncommitted import needs_backup
from promptsync.errors import PromptsyncError, Refused, RemoteError
from promptsync.files.prompt_text import render_edit
from promptsync.files.record import Entry
from promptsync.history.synced_key import identity, make_key
from promptsync.project.planned_files import PlannedFile, write_files
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.prompt.snippets import rendered_in
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version
from promptsync.push.actions import PUBLISHING, Action, Kind, PushPlan, SkippedPrompt
from promptsync.push.labels import point
from promptsync.push.publish import WriteResult, list_again, publish, read_back
from promptsync.push.receipt import Failed, Published, PushReceipt
from promptsync.registry.errors import FateUnknown


def apply_push(project: Project, plan: PushPlan) -> PushReceipt:
    """Do what ``plan`` says and return what was done; the receipt is complete even after Ctrl-C.

    Raises ``Refused`` when the registry changed since the plan was made, and ``RemoteError`` while nothing is
    written yet. The caller holds the lock of the working copy.
    """
    return _Push(project, plan).run()


class _Push:
    """Collects what happens: the threads that publish write into ``_begun`` and ``_outcomes``."""

    def __init__(self, project: Project, plan: PushPlan) -> None:
        assert plan.snapshot is not None
        self._project = project
        self._plan = plan
        self._listing = plan.snapshot.listing
        self._files = plan.snapshot.worktree.files
        self._items = {item.name: item for item in plan.snapshot.items}
        self._prompts = {
            action.name: replace(self._files[action.name].prompt, tags=tuple(sorted(action.tags)))
            for action in plan.publishing
        }
        self._stop = threading.Event()
        self._begun: set[str] = set()
        self._outcomes: dict[str, WriteResult] = {}
        self.receipt = PushReceipt(skipped=list(plan.skipped), governed=plan.governed, live=plan.live)

    def run(self) -> PushReceipt:
        if not self._plan.actions:
            self._write_keys()
            return self.receipt
        self._check_unmoved()
        try:
            self._publish_all()
            self._archive_all()
            self._read_back()
            self._move_labels()
        except KeyboardInterrupt:
            self.receipt.interrupted = True
        finally:
            self._stop.set()
            self._settle()
            self._remember()
        return self.receipt

    @property
    def _published(self) -> dict[str, WriteResult]:
        return {
            action.name: outcome
            for action in self._plan.publishing
            if (outcome := self._outcomes.get(action.name)) is not None and outcome.version is not None
        }

    def _check_unmoved(self) -> None:
        """Raise ``Refused`` if a prompt of the plan was published, archived or replaced since it was made."""
        names = {action.name for action in self._plan.actions}
        listing = read_now(self._project, names, needed=names & self._listing.keys())
        moved = []
        for action in self._plan.actions:
            before, now = self._listing.get(action.name), listing.get(action.name)
            if not is_same(before, now):
                was, new = shown(before), shown(now)
                moved.append(f"{action.name}: {was} -> {new}" if was != new else f"{action.name}: its tags")
        if moved:
            raise Refused(
                f"the registry changed while the plan was made ({moved[0]}); nothing was published",
                hint="promptsync push",
                details=moved,
                code="remote-moved",
            )

    # -- publishing and archiving -----------------------------------------------------------------------

    def _publish_all(self) -> None:
        missing: set[str] = set()
        for level in self._plan.levels:
            ready = []
            for action in level:
                uses = {reference.name for reference in rendered_in(self._files[action.name].prompt.template)}
                if uses & missing:
                    missing.add(action.name)
                    self._skip(action, f"requires {min(uses & missing)!r}, which was not published")
                else:
                    ready.append(action)
            self._run("Publishing", self._publish, ready)
            missing |= {action.name for action in ready} - self._published.keys()

    def _publish(self, action: Action) -> WriteResult:
        listed = self._listing.get(action.name)
        template_id = listed.template_id if listed is not None else None
        first = self._plan.first_label if action.kind is Kind.CREATE else None
        labels = (first,) if first is not None else ()
        registry, prompt = self._project.registry, self._prompts[action.name]
        return publish(registry, action, prompt, template_id, self._stop, labels)

    def _archive_all(self) -> None:
        """Archive if everything was published: the registry's old text of the rest may still use it."""
        missing = [action.name for action in self._plan.publishing if action.name not in self._published]
        for action in self._plan.archiving if missing else ():
            self._skip(action, f"not archived because {missing[0]!r} was not published")
        # One at a time, in a thread: Ctrl-C waits for the request that is under way.
        self._run("Archiving", self._archive, () if missing else self._plan.archiving, width=1)

    def _archive(self, action: Action) -> WriteResult:
        listed = self._listing[action.name]
        try:
            self._project.registry.prompts.archive(listed.template_id, listed.is_snippet)
        except RemoteError as error:
            return WriteResult(reason=error.message, is_unknown=isinstance(error, FateUnknown), error=error)
        return WriteResult(listed.version, listed.template_id)

    def _run(
        self,
        what: str,
        do: Callable[[Action], WriteResult],
        actions: Iterable[Action],
        *,
        width: int | None = None,
    ) -> None:
        def run(action: Action) -> None:
            if not self._stop.is_set():
                self._begun.add(action.name)
                self._outcomes[action.name] = do(action)
                self._project.progress(what, len(self._outcomes), len(self._plan.actions))

        waiting = [*actions]
        if waiting:
            self._project.progress(what, len(self._outcomes), len(self._plan.actions))
        self._project.for_each(run, waiting, width=width)

    def _skip(self, action: Action, reason: str) -> None:
        self.receipt.skipped.append(SkippedPrompt(action.name, self._items[action.name].state, reason))

    # -- after ------------------------------------------------------------------------------------------

    def _read_back(self) -> None:
        published, receipt = self._published, self.receipt
        archived = [action for action in self._plan.archiving if action.name in self._outcomes]
        if not published and not archived:
            return
        listing: Mapping[str, Version] | None = None
        try:
            names = {*published, *(action.name for action in archived)}
            listing = list_again(self._project, names, published, [action.name for action in archived])
        except RemoteError as error:
            why = f"published, but the list cannot be read: {error.message}"
            receipt.unverified.update(dict.fromkeys(published, why))
        for action in archived:
            self._outcomes[action.name] = _archived(action, self._outcomes[action.name], listing)
        actions = {action.name: action for action in self._plan.publishing}
        for name, outcome in published.items():
            # What number a restored version gets differs from registry to registry.
            if actions[name].kind is not Kind.RESTORE and outcome.version != actions[name].next:
                others = ", ".join(
                    f"v{number}" for number in range(actions[name].next or 0, outcome.version or 0)
                )
                receipt.raced[name] = (
                    f"published as v{outcome.version}, after somebody else had published {others}"
                )
        if listing is not None:
            read_back(self._project, published, self._prompts, listing, receipt)

    def _move_labels(self) -> None:
        for label in sorted({label for action in self._plan.actions for label in action.labels}):
            versions: dict[str, tuple[int, int]] = {}
            for action in self._plan.actions:
                outcome, listed = self._published.get(action.name), self._listing.get(action.name)
                if label in action.labels and action.kind is Kind.LABEL and listed is not None:
                    versions[action.name] = listed.template_id, listed.version
                elif label in action.labels and outcome is not None:
                    versions[action.name] = outcome.template_id, outcome.version or 0
            if not self.receipt.interrupted:
                point(self._project, label, versions, self.receipt)

    def _settle(self) -> None:
        """Turn what happened to each prompt into the receipt."""
        receipt = self.receipt
        skipped = {prompt.name for prompt in receipt.skipped}
        for action in self._plan.actions:
            outcome, name = self._outcomes.get(action.name), action.name
            is_publishing = action.kind in PUBLISHING
            what = "published" if is_publishing else "archived"
            if action.kind is Kind.LABEL or name in skipped:
                continue
            if outcome is None and name in self._begun:
                reason = f"interrupted: it may or may not be {what}"
                receipt.failed.append(Failed(name, reason, unknown=True))
            elif outcome is None:
                self._skip(action, f"interrupted before it was {what}")
            elif outcome.version is None:
                failed = Failed(name, outcome.reason, outcome.is_unknown, outcome.of_registry)
                receipt.failed.append(failed)
            elif is_publishing:
                self._add_published(action, outcome.version, outcome.template_id)
            else:
                receipt.archived.append(name)
        receipt.raced = dict(sorted(receipt.raced.items()))
        receipt.altered = dict(sorted(receipt.altered.items()))
        receipt.unverified = dict(sorted(receipt.unverified.items()))

    def _add_published(self, action: Action, version: int, template_id: int) -> None:
        labels = [label.change for label in self.receipt.labels if label.moved]
        self.receipt.published.append(
            Published(
                action.name,
                version,
                action.message or "",
                tuple(change.label for change in labels if change.name == action.name),
                template_id,
                action.passed_over_by(version),
            )
        )

    def _remember(self) -> None:
        entries: dict[str, Entry] = {}
        for name, outcome in self._published.items():
            tags = tag_set(self._files[name].prompt)
            content = self._items[name].digest or ""
            entries[name] = Entry(outcome.template_id, outcome.version or 0, content, tags)
        # Files before the record: ``synced:`` decides who changed what, and the record only saves requests.
        self._write_keys()
        try:
            registry = self._project.registry
            workspace = registry.workspace_id if entries else registry.workspace_seen
            self._project.record().update(registry.url, workspace, entries, gone=self.receipt.archived)
        except (OSError, PromptsyncError) as error:
            self.receipt.unrecorded = str(error)

    def _write_keys(self) -> None:
        """Write into files with uncommitted text which version it became."""
        versions = {
            name: (outcome.template_id, outcome.version or 0)
            for name, outcome in self._published.items()
            if self._items[name].origin.dirty
        }
        for name in self._plan.unfinished:
            versions[name] = self._listing[name].template_id, self._listing[name].version
        for name, version in sorted(versions.items()):
            try:
                written = write_files(self._project, [self._with_key(name, *version)], "promptsync push")
            except (OSError, PromptsyncError) as error:
                self.receipt.unsynced[name] = str(error)
                continue
            self.receipt.interrupted |= written.interrupted
            self.receipt.backups |= written.backups
            self.receipt.synced += [name] if written.paths else []

    def _with_key(self, name: str, template_id: int, version: int) -> PlannedFile:
        """Return the file of a prompt with ``synced:`` for the version that its text became."""
        project, file = self._project, self._files[name]
        prompt = identity(project.registry.workspace_id, template_id)
        key = make_key(prompt, version, digest(file.prompt))
        text = render_edit(file, file.prompt, project.with_keys(file.local, [key]))
        is_lost = needs_backup(project, file.path, file.text, text)
        return PlannedFile(name=name, path=file.path, old=file.text, new=text, backup=is_lost)


def _archived(action: Action, outcome: WriteResult, listing: Mapping[str, Version] | None) -> WriteResult:
    """Return what became of a prompt that was archived, given the list since then: only the list counts."""
    if listing is None:
        reason = outcome.reason or "archived, but the list cannot be read"
        return WriteResult(reason=reason, is_unknown=outcome.version is not None or outcome.is_unknown)
    if action.name not in listing:
        return WriteResult(action.current)
    if outcome.version is None:
        return replace(outcome, is_unknown=False)
    return WriteResult(reason="still active, although the registry accepted the request")
