"""Carries out the plan of a push: checks that it is still true, publishes, reads back, labels, records."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from promptsync.compare.git_state import needs_backup
from promptsync.errors import Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.files.cache import Entry
from promptsync.files.prompt_file import PromptFile, render_edit
from promptsync.history.mark import identity, make_key
from promptsync.labels.move import ChangedLabel, apply_labels
from promptsync.labels.plan import LabelChange
from promptsync.project.plan import PlannedFile, write_files
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import is_on_hold, released_name
from promptsync.prompt.prompt import Version, tag_set
from promptsync.prompt.snippets import rendered_in
from promptsync.push.actions import PUBLISHING, Action, Ending, Kind, PushPlan, Result
from promptsync.push.plan import levels
from promptsync.push.publish import check_unmoved, publish, read_back, read_now
from promptsync.push.receipt import PushReceipt
from promptsync.registry.errors import FateUnknown

_LOOKS: Final = 3
"""How often the list is read until it no longer has the archived prompts."""


def apply_push(project: Project, plan: PushPlan) -> PushReceipt:
    """Carry out ``plan`` and return the receipt, which is complete even after Ctrl-C.

    Raises ``Refused`` when the registry changed since the plan was made, and ``RemoteError`` while nothing is
    written yet. The caller holds the lock of the working copy.
    """
    if plan.actions:
        check_unmoved(project, plan)
    push = _Push(project, plan)
    try:
        push.publish_all()
        push.archive_all()
        push.read_back()
        push.move_labels()
    except KeyboardInterrupt:
        push.receipt.interrupted = True
    finally:
        push.stop.set()
        push.remember()
    return push.receipt


class _Push:
    """A push under way: the threads that publish write into the results of its receipt."""

    def __init__(self, project: Project, plan: PushPlan) -> None:
        self._project = project
        self._plan = plan
        items = (*(action.item for action in plan.actions), *plan.unfinished)
        self._items = {item.name: item for item in items}
        self._ended: set[str] = set()
        self.stop = threading.Event()
        self.receipt = PushReceipt(plan)
        for action in plan.actions:
            if action.kind is not Kind.LABEL:
                self._skip(action, f"interrupted before it was {_participle(action)}")

    def _skip(self, action: Action, reason: str) -> None:
        result = Result(action.name, Ending.SKIPPED, reason, state=str(action.item.state))
        self._results[action.name] = result

    @property
    def _results(self) -> dict[str, Result]:
        return self.receipt.results

    # -- publishing and archiving -----------------------------------------------------------------------

    def publish_all(self) -> None:
        actions, missing = {action.name: action for action in self._plan.publishing}, set[str]()
        assert self._plan.snapshot is not None
        for names in levels(self._plan.snapshot, [*actions]):
            ready = []
            for action in map(actions.__getitem__, names):
                uses = {reference.name for reference in rendered_in(action.file.prompt.template)}
                if uses & missing:
                    missing.add(action.name)
                    self._skip(action, f"requires {min(uses & missing)!r}, which was not published")
                else:
                    ready.append(action)
            self._run("Publishing", self._publish, ready)
            missing |= {action.name for action in ready} - self.receipt.versions.keys()

    def _publish(self, action: Action) -> Result:
        listed, options = self._plan.listed(action.name), self._plan.options
        template_id = listed.template_id if listed is not None else None
        is_labelled = options.rehearses and options.checked_label and action.kind is Kind.CREATE
        labels = (options.checked_label or "",) if is_labelled else ()
        return publish(self._project.registry, action, template_id, self.stop, labels)

    def archive_all(self) -> None:
        """Archive if everything was published: older versions of the rest may still use it."""
        versions = self.receipt.versions
        missing = [action.name for action in self._plan.publishing if action.name not in versions]
        for action in self._plan.archiving if missing else ():
            self._skip(action, f"not archived because {missing[0]!r} was not published")
        # One at a time, in a thread: Ctrl-C waits for the request that is under way.
        self._run("Archiving", self._archive, () if missing else self._plan.archiving, width=1)

    def _archive(self, action: Action) -> Result:
        listed = self._plan.listed(action.name)
        assert listed is not None
        try:
            self._project.registry.prompts.archive(listed.template_id, listed.is_snippet)
        except FateUnknown as error:
            return Result(action.name, Ending.UNKNOWN, error.message, error=error)
        except RemoteError as error:
            return Result(action.name, Ending.FAILED, error.message, error=error)
        return Result(action.name, Ending.ARCHIVED)

    def _run(
        self,
        what: str,
        do: Callable[[Action], Result],
        actions: Iterable[Action],
        *,
        width: int | None = None,
    ) -> None:
        def run(action: Action) -> None:
            if not self.stop.is_set():
                unknown = f"interrupted: it may or may not be {_participle(action)}"
                self._results[action.name] = Result(action.name, Ending.UNKNOWN, unknown)
                self._results[action.name] = do(action)
                self._ended.add(action.name)
                self._project.progress(what, len(self._ended), len(self._plan.actions))

        waiting = [*actions]
        if waiting:
            self._project.progress(what, len(self._ended), len(self._plan.actions))
        self._project.for_each(run, waiting, width=width)

    # -- after ------------------------------------------------------------------------------------------

    def read_back(self) -> None:
        """Read back the published and archived prompts: responses do not show what the registry stored."""
        archived = [action.name for action in self._plan.archiving if action.name in self._ended]
        published = {
            action.name: action for action in self._plan.publishing if action.name in self.receipt.versions
        }
        if not published and not archived:
            return
        try:
            listing = self._list_again([*published, *archived], archived)
        except RemoteError as error:
            for name in (*published, *archived):
                result, reason = self._results[name], f"the list cannot be read to check it: {error.message}"
                if result.ending is not Ending.FAILED:
                    self._results[name] = replace(
                        result, ending=Ending.UNKNOWN, reason=result.reason or reason
                    )
            return
        for name in archived:
            self._results[name] = _archived(self._results[name], is_listed=name in listing)

        def confirm(name: str) -> None:
            registry, result = self._project.registry, self._results[name]
            self._results[name] = read_back(registry, published[name], result, listing.get(name))

        self._project.for_each(confirm, sorted(published))

    def _list_again(self, names: Collection[str], archived: Collection[str]) -> Mapping[str, Version]:
        """Return the prompts as they are listed now; again for a while if the list lags behind."""
        # A search may miss what exists, so it does not show that a prompt is archived after all.
        needed = {name for name in archived if self._results[name].ending is not Ending.ARCHIVED}
        listing = read_now(self._project, names, needed)
        for _ in range(1, _LOOKS):
            if not any(name in listing for name in archived):
                break
            time.sleep(self._project.registry.timeouts.read_back)
            listing = read_now(self._project, names, needed)
        return listing

    def move_labels(self) -> None:
        """Point labels at the published versions, with the same move as ``label set``: all or none."""
        for label in sorted({label for action in self._plan.actions for label in action.labels}):
            actions = [action for action in self._plan.actions if label in action.labels]
            if not self.receipt.interrupted:
                try:
                    self._move(label, actions)
                except RemoteError as error:
                    self.receipt.label_error = error

    def _move(self, label: str, actions: Iterable[Action]) -> None:
        prompts, receipt, changes = self._project.registry.prompts, self.receipt, []
        old = {version.name: version.version for version in prompts.list(label=label)}
        newest = {version.name: version.version for version in prompts.list(label=released_name(label) or "")}
        for action in sorted(actions, key=lambda action: action.name):
            name, result, listed = action.name, self._results.get(action.name), self._plan.listed(action.name)
            if result is not None and result.version is not None:
                change = LabelChange(name, result.template_id, label, old.get(name), result.version)
            elif action.kind is Kind.LABEL and listed is not None:
                change = LabelChange(name, listed.template_id, label, old.get(name), listed.version)
            else:
                continue
            if reason := _doubt(change, newest.get(name), result):
                receipt.labels.append(ChangedLabel(change, "stayed", reason))
                message = f"{label!r} of {name!r} was not moved: {reason}"
                refused = Refused(message, hint="promptsync label list", code="label-not-moved")
                receipt.label_error = receipt.label_error or refused
            else:
                changes.append(change)
        moved = apply_labels(self._project, changes)
        receipt.labels += moved.changed
        if isinstance(moved.error, Interrupted):
            receipt.interrupted = True
        elif moved.error is not None:
            receipt.label_error = moved.error

    def remember(self) -> None:
        """Record the push; files come first, because ``synced:`` decides who changed what."""
        receipt = self.receipt
        for label in receipt.labels:
            result = self._results.get(label.change.name)
            if label.moved and result is not None:
                labels = (*result.labels, label.change.label)
                self._results[result.name] = replace(result, labels=labels)
        self._write_keys()
        if not self._plan.actions:
            return
        entries: dict[str, Entry] = {}
        for result in receipt.published:
            item = self._items[result.name]
            tags = tag_set(item.file.prompt) if item.file is not None else frozenset()
            entries[item.name] = Entry(result.template_id, result.version or 0, item.digest or "", tags)
        gone = [result.name for result in receipt.of(Ending.ARCHIVED)]
        try:
            registry = self._project.registry
            workspace = registry.workspace_id if entries else registry.workspace_seen
            self._project.record().update(registry.url, workspace, entries, gone=gone)
        except (OSError, PromptsyncError) as error:
            receipt.unrecorded = str(error)

    def _write_keys(self) -> None:
        """Write ``synced:`` into files whose uncommitted content was published."""
        versions = {
            result.name: (result.template_id, result.version or 0)
            for result in self.receipt.published
            if self._items[result.name].origin.dirty
        }
        for item in self._plan.unfinished:
            if item.listed is not None:
                versions[item.name] = item.listed.template_id, item.listed.version
        for name, version in sorted(versions.items()):
            file = self._items[name].file
            assert file is not None
            try:
                written = write_files(self._project, [self._with_key(file, *version)], "promptsync push")
            except (OSError, PromptsyncError) as error:
                self.receipt.unsynced[name] = str(error)
                continue
            self.receipt.interrupted |= written.interrupted
            self.receipt.backups |= written.backups
            self.receipt.synced += [name] if written.paths else []

    def _with_key(self, file: PromptFile, template_id: int, version: int) -> PlannedFile:
        """Return the file of a prompt with ``synced:`` for the version published from it."""
        project, name = self._project, file.prompt.name
        prompt = identity(project.registry.workspace_id, template_id)
        key = make_key(prompt, version, digest(file.prompt))
        text = render_edit(file, file.prompt, project.with_keys(file.local, [key]))
        is_lost = needs_backup(project, file.path, file.text, text)
        return PlannedFile(name=name, path=file.path, old=file.text, new=text, backup=is_lost)


def _participle(action: Action) -> str:
    return "published" if action.kind in PUBLISHING else "archived"


def _archived(result: Result, *, is_listed: bool) -> Result:
    """Return what became of a prompt that was archived, given the list since then: only the list counts."""
    if not is_listed:
        return Result(result.name, Ending.ARCHIVED)
    reason = result.reason or "still active, although the registry accepted the request"
    return replace(result, ending=Ending.FAILED, reason=reason)


def _doubt(change: LabelChange, newest: int | None, result: Result | None) -> str:
    """Why a label should not move; empty when it should."""
    if result is not None and result.ending is not Ending.PUBLISHED:
        return result.reason
    if change.is_lower:
        return f"it is at v{change.old} already, and a push never moves a label back"
    if is_on_hold(change.new or 0, change.old, newest):
        how = f"rolled back to v{change.old}" if change.old is not None else "removed"
        again = f"promptsync deploy {shlex.quote(change.name)} --again"
        return f"it was {how}; {again} checks and releases it"
    return ""
