"""Carries out the plan of a push: checks that it is still true, publishes, reads back, labels, records.

Each publish creates a version, so after a lost response the registry is read before anything is sent again.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby

from msgspec.structs import replace

from promptsync.compare.content import content_of, has_text
from promptsync.compare.git_state import needs_backup
from promptsync.compare.released import release_labels
from promptsync.compare.snapshot import Item
from promptsync.errors import Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.files.cache import Entry
from promptsync.files.prompt_file import render_edit
from promptsync.history.mark import identity, make_key
from promptsync.labels.move import ChangedLabel, apply_labels
from promptsync.labels.plan import LabelChange
from promptsync.project.plan import PlannedFile, write_files
from promptsync.project.project import Project
from promptsync.project.versions import deploy_command
from promptsync.prompt.canonical import digest
from promptsync.prompt.fields import changes
from promptsync.prompt.labels import RELEASED, Position
from promptsync.prompt.prompt import Prompt, Version, tag_set
from promptsync.prompt.snippets import rendered_in
from promptsync.push.actions import Action, Ending, Kind, PushPlan, PushReceipt, Result
from promptsync.registry.errors import FateUnknown, NotFound, Rejected, RenamedRemotely, TimedOut


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
        push.write_keys()
        if plan.actions:
            push.record()
    return push.receipt


def check_unmoved(project: Project, plan: PushPlan) -> None:
    """Raise ``Refused`` if a prompt of the plan was published, archived or replaced since it was made.

    Somebody may have taken minutes to confirm it.
    """
    planned = {action.name: action.item.listed for action in plan.actions}
    needed = {name for name, version in planned.items() if version is not None}
    latest = project.registry.prompts.latest(planned, needed=needed)
    now, moved = {version.name: version for version in latest}, []
    for name, before in planned.items():
        after = now.get(name)
        if _identity(before) != _identity(after):
            was, new = (f"v{version.version}" if version else "missing" for version in (before, after))
            moved.append(f"{name}: {was} -> {new}" if was != new else f"{name}: its tags")
    if moved:
        raise Refused(
            f"the registry changed while the plan was made ({moved[0]}); nothing was published",
            hint=plan.options.command,
            details=moved,
            code="remote-moved",
        )


def _identity(version: Version | None) -> object:
    return version and (version.template_id, version.version, tag_set(version.prompt))


class _Push:
    """A push under way: the threads that publish write into the results of its receipt."""

    def __init__(self, project: Project, plan: PushPlan) -> None:
        self._project = project
        self._plan = plan
        self._ended: set[str] = set()
        self.stop = threading.Event()
        self.receipt = PushReceipt(plan)
        self._results = self.receipt.results
        for action in plan.actions:
            if action.kind is not Kind.LABEL:
                self._skip(action, f"interrupted before it was {action.participle}")

    def _skip(self, action: Action, reason: str) -> None:
        result = Result(action.name, Ending.SKIPPED, reason, state=str(action.item.state))
        self._results[action.name] = result

    # -- publishing and archiving -----------------------------------------------------------------------

    def publish_all(self) -> None:
        missing = set[str]()
        for _, actions in groupby(self._plan.publishing, key=lambda action: action.level):
            ready = []
            for action in actions:
                uses = {reference.name for reference in rendered_in(action.file.prompt.template)}
                if uses & missing:
                    missing.add(action.name)
                    self._skip(action, f"requires {min(uses & missing)!r}, which was not published")
                else:
                    ready.append(action)
            self._run("Publishing", self._publish, ready)
            missing |= {action.name for action in ready} - self.receipt.versions.keys()

    def archive_all(self) -> None:
        """Archive if everything was published: older versions of the rest may still use it."""
        versions, archiving = self.receipt.versions, self._plan.archiving
        missing = [action.name for action in self._plan.publishing if action.name not in versions]
        if missing:
            for action in archiving:
                self._skip(action, f"not archived because {missing[0]!r} was not published")
        else:
            # One at a time, in a thread: Ctrl-C waits for the request that is under way.
            self._run("Archiving", self._archive, archiving, width=1)

    def _run(
        self, what: str, do: Callable[[Action], Result], actions: Sequence[Action], width: int | None = None
    ) -> None:
        def run(action: Action) -> None:
            if self.stop.is_set():
                return
            unknown = f"interrupted: it may or may not be {action.participle}"
            self._results[action.name] = Result(action.name, Ending.UNKNOWN, unknown)
            try:
                self._results[action.name] = do(action)
            except RemoteError as error:
                ending = Ending.UNKNOWN if isinstance(error, FateUnknown) else Ending.FAILED
                archived = action.item.archived if isinstance(error, Rejected) else None
                page = self._project.registry.page(archived) if archived is not None else ""
                reason = f"{error.message}; restore it at {page}" if page else error.message
                self._results[action.name] = Result(action.name, ending, reason, error=error)
            self._ended.add(action.name)
            self._project.progress(what, len(self._ended), len(self._plan.actions))

        if actions:
            self._project.progress(what, len(self._ended), len(self._plan.actions))
        self._project.for_each(run, actions, width=width)

    def _archive(self, action: Action) -> Result:
        prompts, listed = self._project.registry.prompts, action.item.listed
        assert listed is not None
        try:
            prompts.archive(listed.template_id, listed.is_snippet)
        except (FateUnknown, NotFound):
            # After a lost response, or when it was sent twice, only the list says whether it is archived.
            with suppress(RemoteError):
                if not prompts.latest([action.name], needed=[action.name]):
                    return Result(action.name, Ending.ARCHIVED)
            raise
        return Result(action.name, Ending.ARCHIVED)

    def _publish(self, action: Action) -> Result:
        """Publish a new version.

        After a connection that ended without a response the registry is read twice, and the publish is
        repeated once if it has no new version. After a time-out the registry is read for as long again and
        the publish is never repeated, because the first request may still be running.
        """
        prompts = self._project.registry.prompts
        for is_last in (False, True):
            try:
                version = prompts.publish(action.prompt, message=action.message or "")
                return _published(action, version.version, version.template_id)
            except FateUnknown as error:
                is_late = isinstance(error, TimedOut)
                reason = f"no response, and it may have been published: {error.message}"
                try:
                    latest = self._new_version(action, is_late=is_late)
                except RemoteError as unread:
                    return Result(action.name, Ending.UNKNOWN, f"{reason}; {unread.message}", error=unread)
                if (
                    latest
                    and latest.message == action.message
                    and has_text(self._project, latest, action.prompt)
                ):
                    return _published(action, latest.version, latest.template_id)
                if latest:
                    reason = f"no response; v{latest.version} was published, by this push or by another user"
                if latest or is_late or is_last or self.stop.is_set():
                    return Result(action.name, Ending.UNKNOWN, reason, error=error)
        raise AssertionError("unreachable")

    def _new_version(self, action: Action, *, is_late: bool) -> Version | None:
        """Return the latest version if it is newer than the plan's. Raises ``RemoteError``.

        It is read twice, and after a time-out for as long as the publish may take; ``stop`` ends all waiting.
        """
        registry, listed = self._project.registry, action.item.listed
        pause, seconds = registry.timeouts.read_back, registry.timeouts.answer if is_late else 0
        for look in range(max(2, int(seconds / pause) + 1)):
            if look and self.stop.wait(pause):
                break
            try:
                latest = registry.prompts.get(listed.template_id if listed is not None else None, action.name)
            except NotFound:
                continue
            # What number a restored version gets differs from registry to registry.
            if latest.version > (listed.version if listed is not None else 0):
                return latest
        return None

    # -- after ------------------------------------------------------------------------------------------

    def read_back(self) -> None:
        """Read back the published prompts: responses do not show what the registry stored."""
        actions = [action for action in self._plan.publishing if action.name in self.receipt.versions]
        if not actions:
            return
        project, results = self._project, self._results
        try:
            latest = project.registry.prompts.latest([action.name for action in actions])
        except RemoteError as error:
            for action in actions:
                results[action.name] = _uncertain(results[action.name], error)
            return
        listing = {version.name: version for version in latest}

        def confirm(action: Action) -> None:
            listed = listing.get(action.name)
            results[action.name] = _read_back(project, action, results[action.name], listed)

        self._project.for_each(confirm, actions)

    def move_labels(self) -> None:
        """Point labels at the published versions, with the same move as ``label set``: all or none."""
        for label in sorted({label for action in self._plan.actions for label in action.labels}):
            if not self.receipt.interrupted:
                try:
                    self._move(label)
                except RemoteError as error:
                    self.receipt.label_error = error

    def _move(self, label: str) -> None:
        receipt, changes = self.receipt, []
        old, newest = (
            {version.name: version.version for version in self._project.registry.prompts.list(label=name)}
            for name in (label, label + RELEASED)
        )
        actions = (action for action in self._plan.actions if label in action.labels)
        for action in sorted(actions, key=lambda action: action.name):
            name, result = action.name, self._results.get(action.name)
            labelled = result or action.item.listed
            if labelled is None or labelled.version is None:
                continue
            held = Position(old.get(name), released=newest.get(name)).holds(labelled.version)
            change = LabelChange(
                name, labelled.template_id, label, old.get(name), labelled.version, is_on_hold=held
            )
            if reason := _doubt(self._project, change, result):
                receipt.labels.append(ChangedLabel(change, "stayed", reason))
                message = f"{label!r} of {name!r} was not moved: {reason}"
                refused = Refused(message, hint="promptsync label list", code="label-not-moved")
                receipt.label_error = receipt.label_error or refused
            else:
                changes.append(change)
        moved = apply_labels(self._project, changes)
        receipt.labels += moved.changed
        for done in moved.changed:
            result = self._results.get(done.change.name)
            if done.moved and result is not None:
                self._results[result.name] = replace(result, labels=(*result.labels, label))
        if isinstance(moved.error, Interrupted):
            receipt.interrupted = True
        elif moved.error is not None:
            receipt.label_error = moved.error

    def write_keys(self) -> None:
        """Write ``synced:`` into files whose uncommitted content was published."""
        receipt, project = self.receipt, self._project
        published: list[tuple[Item, Result | Version | None]] = [
            (action.item, self._results[action.name])
            for action in self._plan.publishing
            if not action.item.is_committed
        ]
        published += [(item, item.listed) for item in self._plan.unfinished]
        for item, target in sorted(published, key=lambda pair: pair[0].name):
            name, file = item.name, item.file
            if file is None or target is None or target.version is None:
                continue
            try:
                prompt = identity(project.registry.workspace_id, target.template_id)
                key = make_key(prompt, target.version, digest(file.prompt))
                text = render_edit(file, file.prompt, project.with_keys(file.local, [key]))
                backup = needs_backup(project, file.path, file.text, text)
                change = PlannedFile(name=name, path=file.path, old=file.text, new=text, backup=backup)
                written = write_files(project, [change], "promptsync push")
            except (OSError, PromptsyncError) as error:
                receipt.unsynced[name] = str(error)
                continue
            receipt.interrupted |= written.interrupted
            receipt.backups |= written.backups
            receipt.synced += [name] if written.paths else []

    def record(self) -> None:
        """Record the push after the files are written, because ``synced:`` decides who changed what."""
        entries = {
            action.name: Entry(
                result.template_id, result.version, action.item.digest or "", tag_set(action.file.prompt)
            )
            for action in self._plan.publishing
            if (result := self._results[action.name]).version is not None
        }
        gone = [result.name for result in self.receipt.of(Ending.ARCHIVED)]
        try:
            registry = self._project.registry
            workspace = registry.workspace_id if entries else registry.workspace_seen
            self._project.record().update(registry.url, workspace, entries, gone=gone)
        except (OSError, PromptsyncError) as error:
            self.receipt.unrecorded = str(error)


def _published(action: Action, version: int, template_id: int) -> Result:
    return Result(
        action.name,
        Ending.PUBLISHED,
        version=version,
        template_id=template_id,
        message=action.message or "",
        passed_over=action.passed_over_by(version),
    )


def _doubt(project: Project, change: LabelChange, result: Result | None) -> str:
    """Why a label should not move; empty when it should."""
    if result is not None and result.ending is not Ending.PUBLISHED:
        return result.reason
    if change.is_lower:
        return f"it is at v{change.old} already, and a push never moves a label back"
    if change.is_on_hold:
        how = f"rolled back to v{change.old}" if change.old is not None else "removed"
        option = [] if release_labels(project) == [change.label] else ["--label", change.label]
        again = shlex.join(["promptsync", "deploy", change.name, *option, "--again"])
        return f"it was {how}; {again} checks and releases it"
    return ""


# -- reading back -------------------------------------------------------------------------------------------


def _read_back(project: Project, action: Action, result: Result, listed: Version | None) -> Result:
    """Return the result of a publish, given the prompt as it was listed afterwards.

    The list can only confirm equality; a difference is confirmed with a raw read, because the list may have
    expanded snippets, or lag behind.
    """
    number, prompt, name, prompts = result.version or 0, action.prompt, action.name, project.registry.prompts
    if listed is None or listed.version != number or not _is_unchanged(project, prompt, listed):
        try:
            latest = prompts.get(result.template_id, name)
            if latest.version < number:  # reads lag behind
                latest = prompts.get(result.template_id, name, version=number)
        except (NotFound, RenamedRemotely):
            return _raced(project, action, result, "but another user archived or renamed the prompt")
        except RemoteError as error:
            return _uncertain(result, error)
        if latest.version != number:
            what = f"but another user published v{latest.version} after it"
            return _raced(project, action, result, what, range(number + 1, latest.version + 1))
        if not _is_unchanged(project, prompt, latest):
            paths = dict.fromkeys(change.path for change in changes(prompt, content_of(latest, prompt)))
            fields = tuple(paths) or ("content",)
            reason = f"published as v{number}, but the registry returned {', '.join(fields)} differently"
            return replace(result, ending=Ending.ALTERED, reason=reason, fields=fields)
    archived = action.item.archived
    if archived is not None and result.template_id != archived.template_id:
        # PromptLayer has no operation that restores a prompt, and what a publish does is not documented.
        why = "a new prompt: the registry kept the old versions and labels archived"
        how = [f"; {deploy_command(project, label)} releases it" for label in action.released]
        return replace(result, reason="".join([why, *how[:1]]))
    # What number a restored version gets differs from registry to registry.
    if action.kind is not Kind.RESTORE and number != action.next:
        others = range(action.next or 0, number)
        what = f"after another user published {', '.join(f'v{other}' for other in others)}"
        return _raced(project, action, result, what, others)
    return result


def _raced(project: Project, action: Action, result: Result, what: str, others: Sequence[int] = ()) -> Result:
    """Return the result of a race; ``others`` with the same text, as from the same commit, are none."""
    read = project.registry.prompts.get
    versions = (read(result.template_id, action.name, version=other) for other in others)
    with suppress(RemoteError):
        if others and all(_is_unchanged(project, action.prompt, version) for version in versions):
            over = tuple(version for version in result.passed_over if version not in others)
            return replace(result, reason=f"the same text as v{others[0]}", passed_over=over)
    return replace(result, ending=Ending.RACED, reason=f"published as v{result.version}, {what}")


def _uncertain(result: Result, error: RemoteError) -> Result:
    reason = f"published as v{result.version}, but could not be read back: {error.message}"
    return replace(result, ending=Ending.UNKNOWN, reason=reason)


def _is_unchanged(project: Project, sent: Prompt, stored: Version) -> bool:
    return tag_set(sent) == tag_set(stored.prompt) and has_text(project, stored, sent)
