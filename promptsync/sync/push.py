"""Carries out the plan of a push: checks that it is still true, publishes, verifies, labels, remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace

from promptsync.core.base import Pushed
from promptsync.core.canonical import tag_set
from promptsync.core.fields import changes
from promptsync.core.plan import Action, Failed, Kind, Left, Published, PushPlan, PushReceipt
from promptsync.core.prompt import Listed, Prompt
from promptsync.core.snippets import of_prompt
from promptsync.errors import Refused, RemoteError
from promptsync.files.record import Entry
from promptsync.remote.errors import Unsupported
from promptsync.sync.decide import pulled_from
from promptsync.sync.gather import CONNECTIONS, list_all
from promptsync.sync.labelling import labels_in_publish, point
from promptsync.sync.project import Project
from promptsync.sync.proof import digest_beside
from promptsync.sync.publish import Landed, Lost, publish_one
from promptsync.sync.snapshot import Snapshot


def push(project: Project, snapshot: Snapshot, plan: PushPlan) -> PushReceipt:
    """Do what ``plan`` says and return what was done; the receipt tells the truth also after Ctrl-C.

    Raises ``Refused`` when the registry moved since the plan was made: nothing was written then. The caller
    holds the lock of the working copy.
    """
    return _Push(project, snapshot, plan).run()


class _Push:
    def __init__(self, project: Project, snapshot: Snapshot, plan: PushPlan) -> None:
        self._project = project
        self._registry = project.registry
        self._snapshot = snapshot
        self._plan = plan
        self._files = snapshot.worktree.files
        self._landed: dict[str, Landed] = {}
        self._stop = threading.Event()
        self._done = 0
        self.receipt = PushReceipt(skipped=list(plan.left))
        self._inline_labels = False

    def run(self) -> PushReceipt:
        if not self._plan.actions:
            return self.receipt
        self._check_unmoved()
        labels = any(action.labels for action in self._plan.actions)
        self._inline_labels = labels and labels_in_publish(self._project, self._snapshot.listing)
        try:
            self._publish_all()
            self._archive_all()
            listing = self._verify()
            self._move_labels(listing)
        except KeyboardInterrupt:
            self.receipt.interrupted = True
        finally:
            self._remember()
        return self.receipt

    def _check_unmoved(self) -> None:
        """Refuse when somebody published or archived what the plan is about."""
        listing = {item.name: item for item in list_all(self._project)}
        moved = [
            f"{action.name}: v{action.current or 0} -> v{version or 0}"
            for action in self._plan.actions
            if (version := _version_of(listing.get(action.name))) != action.current
        ]
        if moved:
            raise Refused(
                f"the registry moved while the plan was made ({moved[0]}); nothing was published",
                hint="run promptsync status, then push again",
                details=moved,
                code="remote-moved",
            )

    def _publish_all(self) -> None:
        lost: set[str] = set()
        for level in self._plan.levels:
            ready = []
            for action in level:
                needs = sorted(self._references(action.name) & lost)
                if needs:
                    lost.add(action.name)
                    reason = f"needs {needs[0]!r}, which was not published"
                    self.receipt.skipped.append(Left(action.name, action.kind, reason))
                else:
                    ready.append(action)
            lost |= self._publish_level(ready)

    def _publish_level(self, actions: list[Action]) -> set[str]:
        lost: set[str] = set()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            futures = {pool.submit(self._publish, action): action for action in actions}
            try:
                for future in as_completed(futures):
                    self._take(futures[future], future, lost)
            except KeyboardInterrupt:
                # what is under way is waited for and told; what has not begun will not begin
                self._stop.set()
                for future in futures:
                    future.cancel()
                for future, action in futures.items():
                    if not future.cancelled() and action.name not in self._landed:
                        with suppress(KeyboardInterrupt):
                            self._take(action, future, lost)
                raise
        return lost

    def _take(self, action: Action, future: Future[Landed | Lost | None], lost: set[str]) -> None:
        result = future.result()
        if result is None:
            return
        if isinstance(result, Lost):
            lost.add(action.name)
            self.receipt.failed.append(Failed(action.name, result.reason, result.unknown))
            return
        self._landed[action.name] = result
        self.receipt.published.append(
            Published(action.name, result.version, action.message or "", action.path, action.kind)
        )
        if result.version != action.next:
            self.receipt.raced[action.name] = (
                f"published as v{result.version}, not v{action.next}: somebody else published in between"
            )
        self._label_snippet(action, result)
        self._done += 1
        self._project.progress("Publishing", self._done, len(self._plan.publishing))

    def _publish(self, action: Action) -> Landed | Lost | None:
        if self._stop.is_set():
            return None
        listed = self._snapshot.listing.get(action.name)
        template_id = listed.template_id if listed is not None else None
        labels = action.labels if self._inline_labels else ()
        return publish_one(self._registry, action, self._prompt(action.name), template_id, labels=labels)

    def _label_snippet(self, action: Action, landed: Landed) -> None:
        """Give a new snippet the labels that its parents in this push refer to it by."""
        if action.kind is not Kind.CREATE:
            return
        wanted = {
            reference.label
            for other in self._plan.publishing
            for reference in of_prompt(self._files[other.name].prompt.template)
            if reference.name == action.name and reference.label is not None
        } - set(action.labels)
        for label in sorted(wanted):
            self.receipt.labels += point(self._project, {action.name: (landed, None)}, label)

    def _archive_all(self) -> None:
        for action in self._plan.actions:
            if action.kind is not Kind.ARCHIVE:
                continue
            listed = self._snapshot.listing[action.name]
            try:
                self._registry.archive(listed.template_id, listed.is_snippet)
                self.receipt.archived.append(action.name)
            except Unsupported:
                raise
            except RemoteError as error:
                self.receipt.failed.append(Failed(action.name, error.message))

    def _verify(self) -> Mapping[str, Listed]:
        """Read back what was published: its content, its tags, and that it is the latest version."""
        if not self._landed:
            return self._snapshot.listing
        try:
            listing = {item.name: item for item in list_all(self._project)}
        except RemoteError as error:
            self.receipt.failed += [
                Failed(name, f"published, but could not be read back: {error.message}", True)
                for name in self._landed
            ]
            return self._snapshot.listing
        for name, landed in self._landed.items():
            self._verify_one(name, landed, listing.get(name))
        return listing

    def _verify_one(self, name: str, landed: Landed, listed: Listed | None) -> None:
        if listed is None or listed.version != landed.version:
            latest = listed.version if listed is not None else "gone"
            self.receipt.raced.setdefault(
                name,
                f"published as v{landed.version}, but the latest is {latest}: somebody else was there too",
            )
            return
        prompt = self._prompt(name)
        kept: Prompt = listed.prompt
        if digest_beside(prompt, kept) != self._digest(name):
            kept = self._registry.get(landed.template_id, name, version=landed.version).prompt
            kept = replace(kept, tags=listed.prompt.tags)
        if digest_beside(prompt, kept) != self._digest(name) or tag_set(prompt) != tag_set(kept):
            paths = tuple(change.path for change in changes(prompt, kept))
            self.receipt.altered[name] = paths or ("content",)

    def _move_labels(self, listing: Mapping[str, Listed]) -> None:
        for label in sorted({label for action in self._plan.actions for label in action.labels}):
            targets = dict(self._targets(label, listing))
            if targets:
                self.receipt.labels += point(self._project, targets, label, only_check=self._inline_labels)
        by_name: dict[str, list[str]] = {}
        for moved in self.receipt.labels:
            if moved.moved:
                by_name.setdefault(moved.name, []).append(moved.label)
        self.receipt.published = [
            replace(one, labels=tuple(by_name.get(one.name, ()))) for one in self.receipt.published
        ]

    def _targets(
        self, label: str, listing: Mapping[str, Listed]
    ) -> Iterator[tuple[str, tuple[Landed, None]]]:
        for action in self._plan.actions:
            if label not in action.labels or action.name in self.receipt.altered:
                continue
            if action.kind is Kind.LABEL:
                listed = listing[action.name]
                yield action.name, (Landed(listed.template_id, listed.version), None)
            elif action.name in self._landed:
                yield action.name, (self._landed[action.name], None)

    def _remember(self) -> None:
        entries: dict[str, Entry] = {}
        for name, landed in self._landed.items():
            file, item = self._files[name], self._snapshot.get(name)
            altered = self.receipt.altered.get(name, ())
            entries[name] = Entry(
                landed.template_id,
                Pushed(
                    version=landed.version,
                    digest=self._digest(name),
                    tags=tag_set(file.prompt),
                    kept_tags=frozenset() if "tags" in altered else tag_set(file.prompt),
                    pulled=pulled_from(file.local.pulled, self._project),
                    commit=item.newest if item is not None else None,
                ),
            )
        if entries:
            self._project.record().update(self._registry.url, self._registry.workspace_id, entries)

    def _references(self, name: str) -> set[str]:
        return {reference.name for reference in of_prompt(self._files[name].prompt.template)}

    def _prompt(self, name: str) -> Prompt:
        return self._files[name].prompt

    def _digest(self, name: str) -> str:
        item = self._snapshot.get(name)
        return (item.digest if item is not None else None) or ""


def _version_of(listed: Listed | None) -> int | None:
    return listed.version if listed is not None else None
