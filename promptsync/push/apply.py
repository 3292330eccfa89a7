"""Carries out the plan of a push: checks that it is still true, publishes, verifies, labels, records."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from promptsync.compare.present_state import is_same, read_now, shown
from promptsync.errors import PromptsyncError, Refused, RemoteError
from promptsync.files.record import Entry
from promptsync.project.project import Project
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.snippets import of_prompt
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version
from promptsync.push.actions import Action, Kind, PushPlan, SkippedPrompt
from promptsync.push.labels import labels_in_publish
from promptsync.push.point import check_pointing, label_snippet, point
from promptsync.push.publish import Attempt, Landed, Lost, publish_one
from promptsync.push.receipt import Moved, PushReceipt, came_first
from promptsync.push.synced import write_key
from promptsync.push.verify import is_published, list_after, verify, with_same_text
from promptsync.registry.errors import Unsupported


def apply_push(project: Project, plan: PushPlan) -> PushReceipt:
    """Do what ``plan`` says and return what was done; the receipt is complete even after Ctrl-C.

    Raises ``Refused`` when the registry changed since the plan was made, and ``RemoteError`` while nothing is
    written yet. The caller holds the lock of the working copy.
    """
    return _Push(project, plan).run()


class _Push:
    """Collects what happens: the threads that publish write into ``_outcomes``."""

    def __init__(self, project: Project, plan: PushPlan) -> None:
        snapshot = plan.snapshot
        assert snapshot is not None
        self._project = project
        self._registry = project.registry
        self._snapshot = snapshot
        self._plan = plan
        self._files = snapshot.worktree.files
        self._prompts = {
            one.name: _with_tags(self._files[one.name].prompt, one.tags) for one in plan.publishing
        }
        self._items = {item.name: item for item in snapshot.items}
        self._stop = threading.Event()
        self._begun: set[str] = set()
        self._outcomes: dict[str, Landed | Lost] = {}
        self._archiving: dict[str, RemoteError | None] = {}
        self._inline_labels = False
        self._same_text: dict[str, frozenset[int]] = {}
        self._already: dict[str, Landed] = {}
        self.receipt = PushReceipt(skipped=list(plan.skipped), governed=plan.governed, live=plan.live)

    def run(self) -> PushReceipt:
        if not self._plan.actions:
            self._write_keys()
            return self.receipt
        self._check_unmoved()
        is_possible = self._plan.may_inline_labels
        self._inline_labels = is_possible and labels_in_publish(self._project, self._snapshot.listing)
        try:
            self._publish_all()
            self._archive_all()
            self._verify()
            self._move_labels()
        except KeyboardInterrupt:
            self.receipt.interrupted = True
            self.receipt.add_interrupted(self._plan, self._begun, self._archiving)
        finally:
            self._stop.set()
            self.receipt.add_outcomes(
                self._plan, self._begun, self._outcomes, self._snapshot, self._same_text, self._already
            )
            self.receipt.sort()
            self._remember()
        return self.receipt

    @property
    def _landed(self) -> dict[str, Landed]:
        """The versions that have the texts of this push, whoever published them."""
        ours = {name: found for name, found in self._outcomes.items() if isinstance(found, Landed)}
        return {**ours, **self._already}

    # -- before -----------------------------------------------------------------------------------------

    def _check_unmoved(self) -> None:
        """Raise ``Refused`` if a prompt of the plan was published, archived or replaced since it was made.

        The very text that was to be published counts as published by us.
        """
        planned = self._snapshot.listing
        existing = {action.name for action in self._plan.actions if action.name in planned}
        listing = read_now(self._project, self._names(planned), needed=existing)
        moved = []
        for action in self._plan.actions:
            before, now = planned.get(action.name), listing.get(action.name)
            if is_same(before, now):
                continue
            if now is not None and is_published(self._project, action, self._prompts[action.name], now):
                self._already[action.name] = Landed(now.template_id, now.version)
            else:
                was, new = shown(before), shown(now)
                moved.append(f"{action.name}: {was} -> {new}" if was != new else f"{action.name}: its tags")
        if moved:
            raise Refused(
                f"the registry changed while the plan was made ({moved[0]}); nothing was published",
                hint="promptsync push",
                details=moved,
                code="remote-moved",
            )

    def _names(self, prompts: Mapping[str, Version | Landed]) -> set[str]:
        """Return the names to search for, and those that equal an id, because a label is read by id."""
        labelled = (one.name for one in self._plan.actions if one.labels or one.referred_labels)
        ids = {str(prompts[name].template_id) for name in labelled if name in prompts}
        return {one.name for one in self._plan.actions} | ids

    # -- publishing -------------------------------------------------------------------------------------

    def _publish_all(self) -> None:
        skipped: set[str] = set()
        for level in self._plan.levels:
            missing = skipped | {name for name, found in self._outcomes.items() if isinstance(found, Lost)}
            ready = []
            for action in level:
                references = of_prompt(self._files[action.name].prompt.template)
                needs = sorted({one.name for one in references} & missing)
                if needs:
                    skipped.add(action.name)
                    self._skip(action, f"requires {needs[0]!r}, which was not published")
                else:
                    ready.append(action)
            self._project.progress("Publishing", len(self._outcomes), len(self._plan.publishing))
            self._project.for_each(self._publish, ready)
            # Before the next level: a prompt that refers to a snippet by a label needs that label.
            self._label_snippets(ready)

    def _publish(self, action: Action) -> None:
        if self._stop.is_set() or action.name in self._already:
            return
        self._begun.add(action.name)
        listed = self._snapshot.listing.get(action.name)
        labels = (*action.labels, *action.referred_labels) if self._inline_labels else ()
        self._outcomes[action.name] = publish_one(
            Attempt(
                registry=self._registry,
                action=action,
                prompt=self._prompts[action.name],
                template_id=listed.template_id if listed is not None else None,
                stop=self._stop,
                labels=labels,
            )
        )
        self._project.progress("Publishing", len(self._outcomes), len(self._plan.publishing))

    def _label_snippets(self, actions: Iterable[Action]) -> None:
        """Create the labels by which prompts in this push refer to new snippets."""
        if self._inline_labels:
            return
        for action in actions:
            landed = self._landed.get(action.name)
            if landed is not None:
                for label in action.referred_labels:
                    label_snippet(self._project, action.name, landed, label, self.receipt.labels)

    def _archive_all(self) -> None:
        """Archive if everything was published: the registry's old text of the rest may still use it."""
        landed = self._landed
        unpublished = [one.name for one in self._plan.publishing if one.name not in landed]
        archiving = [action for action in self._plan.actions if action.kind is Kind.ARCHIVE]
        if unpublished:
            for action in archiving:
                self._skip(action, f"not archived because {unpublished[0]!r} was not published")
            return
        # One at a time, in a thread: Ctrl-C waits for the request that is under way.
        self._project.for_each(self._archive, archiving, width=1)

    def _archive(self, action: Action) -> None:
        listed = self._snapshot.listing[action.name]
        self._begun.add(action.name)
        self._project.progress("Archiving", len(self._archiving), 0)
        try:
            self._registry.prompts.archive(listed.template_id, listed.is_snippet)
            self._archiving[action.name] = None
        except RemoteError as error:
            # Nothing was written yet, so this is a plain error and not a partial push.
            if isinstance(error, Unsupported) and not self._outcomes and not self._archiving:
                raise
            self._archiving[action.name] = error

    def _skip(self, action: Action, reason: str) -> None:
        self.receipt.skipped.append(SkippedPrompt(action.name, self._items[action.name].state, reason))

    # -- after ------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        landed = {name: one for name, one in self._outcomes.items() if isinstance(one, Landed)}
        if not landed and not self._archiving:
            return
        try:
            archived = [name for name, error in self._archiving.items() if error is None]
            names = self._names(landed)
            self._project.progress("Reading back", 0, 0)
            listing: Mapping[str, Version] | None = list_after(self._project, names, landed, archived)
        except RemoteError as error:
            listing = None
            self.receipt.unverified.update(
                {name: f"published, but the list cannot be read: {error.message}" for name in landed}
            )
        self.receipt.add_archived(self._archiving, listing)
        if listing is not None:
            prompts = {name: self._prompts[name] for name in landed}
            actions = {action.name: action for action in self._plan.publishing}
            meanwhile = {name: came_first(actions[name], one) for name, one in landed.items()}
            self._same_text = with_same_text(self._project, landed, prompts, listing, meanwhile)
            verify(self._project, landed, prompts, listing, self.receipt, self._same_text)
            for name, numbers in self._same_text.items():
                # Checks run on the latest version, so that one is used, although somebody else published it.
                if (latest := listing.get(name)) is not None and latest.version in numbers:
                    self._already[name] = Landed(latest.template_id, latest.version)

    def _move_labels(self) -> None:
        for label in sorted({label for action in self._plan.actions for label in action.labels}):
            published, present = self._targets(label)
            if self._inline_labels:
                check_pointing(self._project, published, label, self.receipt.labels)
            else:
                point(self._project, published, label, self.receipt.labels, is_new=True)
            point(self._project, present, label, self.receipt.labels, is_new=False)

    def _targets(self, label: str) -> tuple[dict[str, Landed], dict[str, Landed]]:
        """Return where ``label`` should point: at new versions, and at existing ones."""
        published: dict[str, Landed] = {}
        present: dict[str, Landed] = {}
        for action in self._plan.actions:
            landed = self._landed.get(action.name)
            if label not in action.labels:
                continue
            if action.kind is Kind.LABEL:
                listed = self._snapshot.listing[action.name]
                present[action.name] = Landed(listed.template_id, listed.version)
            elif landed is not None:
                doubt = self._doubt(action, landed)
                if doubt and not self._inline_labels:
                    unmoved = Moved(action.name, label, None, landed.version, False, f"not moved: {doubt}")
                    self.receipt.labels.append(unmoved)
                else:
                    published[action.name] = landed
        return published, present

    def _doubt(self, action: Action, landed: Landed) -> str:
        """Why a label should not point at a new version; empty when it should."""
        if action.name in self.receipt.altered:
            return "the registry returned it differently from what was sent"
        if action.name in self.receipt.unverified:
            return "the version could not be read back"
        ours = self._outcomes.get(action.name)
        first = came_first(action, ours if isinstance(ours, Landed) else landed)
        others = first - self._same_text.get(action.name, frozenset())
        if action.name in self.receipt.raced or others:
            return "somebody else published at the same time"
        return ""

    def _remember(self) -> None:
        entries: dict[str, Entry] = {}
        for name, landed in self._landed.items():
            tags = tag_set(self._files[name].prompt)
            content = self._items[name].digest or ""
            entries[name] = Entry(landed.template_id, landed.version, content, tags)
        # Files before the record: ``synced:`` decides who changed what, and the record only saves requests.
        self._write_keys()
        try:
            registry = self._registry
            workspace = registry.workspace_id if entries else registry.workspace_seen
            self._project.record().update(registry.url, workspace, entries, gone=self.receipt.archived)
        except (OSError, PromptsyncError) as error:
            self.receipt.unrecorded = str(error)

    def _write_keys(self) -> None:
        """Write into files with uncommitted text which version it became."""
        landed = {name: one for name, one in self._landed.items() if self._items[name].origin.dirty}
        for name in self._plan.unfinished:
            listed = self._snapshot.listing[name]
            landed[name] = Landed(listed.template_id, listed.version)
        for name, one in sorted(landed.items()):
            try:
                write_key(self._project, self._files[name], one, self.receipt.backups)
                self.receipt.synced.append(name)
            except (OSError, PromptsyncError) as error:
                self.receipt.unsynced[name] = str(error)


def _with_tags(prompt: Prompt, tags: frozenset[str]) -> Prompt:
    return prompt if tag_set(prompt) == tags else replace(prompt, tags=tuple(sorted(tags)))
