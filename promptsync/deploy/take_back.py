"""Snippets that are live before they are checked: measures for how long, and publishes the old text again."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence

from promptsync.compare.present_state import read_now
from promptsync.deploy.live_snippets import LiveSnippet
from promptsync.deploy.receipt import LiveTime
from promptsync.errors import RemoteError
from promptsync.history.message import make_mark, with_mark
from promptsync.labels.move import ChangedLabel
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.push.actions import Action, Kind
from promptsync.push.publish import publish
from promptsync.push.receipt import PushReceipt


class LiveSnippets:
    """The snippets of a deploy that must be live before their users can be checked."""

    def __init__(self, project: Project, snippets: Sequence[LiveSnippet]) -> None:
        self._project = project
        self._snippets = [one for one in snippets if not one.already]
        self._since: dict[bool, float] = {}
        self._lost = {
            one.name: "interrupted before the old text was published again" for one in self._snippets
        }

    def begin(self, *, by_label: bool = False) -> None:
        """Start the clock: snippets that are referenced unpinned, or ``by_label``, may be live from now."""
        self._since[by_label] = time.monotonic()

    def take_back(self, push: PushReceipt, names: Collection[str]) -> None:
        """Publish again what was live of some prompts before ``push``. ``Moves`` moves the labels back."""
        published = {one.name: one.version for one in push.published}

        def back(one: LiveSnippet) -> None:
            version, lost = published.get(one.name), ""
            if version is not None:
                try:
                    lost = _publish_again(self._project, one, version)
                except RemoteError as error:
                    lost = error.message
            if lost:
                lost = f"v{version} is still live because v{one.before} could not be published again: {lost}"
            self._lost[one.name] = lost

        # In threads: Ctrl-C waits for those that are under way.
        self._project.for_each(
            back, [one for one in self._snippets if not one.by_label and one.name in names]
        )

    def times(
        self, push: PushReceipt, labels: Mapping[str, ChangedLabel], *, released: Collection[str]
    ) -> list[LiveTime]:
        """Return for how long each snippet was live, or may have been, and whether it still is.

        ``released`` are the prompts that are released.
        """
        times: dict[str, LiveTime] = {}
        for one in self._snippets:
            note = _label_note(labels.get(one.name)) if one.by_label else self._note(one, push)
            if note is None:
                continue
            is_released = one.name in released
            note = "" if is_released else note
            seconds = time.monotonic() - self._since[one.by_label]
            first = times.get(one.name)  # a snippet may be referenced both ways
            if first is not None:
                seconds = max(seconds, first.seconds)
                note = "; ".join(filter(None, (first.note, note)))
            times[one.name] = LiveTime(one.name, seconds, taken_back=not (is_released or note), note=note)
        return list(times.values())

    def _note(self, one: LiveSnippet, push: PushReceipt) -> str | None:
        """What is wrong with a snippet that ``push`` made live, ``None`` if it never was live."""
        if any(failed.name == one.name and failed.unknown for failed in push.failed):
            return "it is unknown whether it was published and is live"
        is_published = any(published.name == one.name for published in push.published)
        return self._lost[one.name] if is_published else None


def _label_note(label: ChangedLabel | None) -> str | None:
    """What is wrong with a label that made a snippet live and should be back, ``None`` if it never did."""
    if label is None or not (label.moved or label.is_undone):
        return None
    return "" if label.is_undone else label.note or "interrupted before it was moved back"


def _publish_again(project: Project, snippet: LiveSnippet, version: int) -> str:
    """Publish what ``snippet`` was before ``version``, unless there is a later version already.

    Return why it was not published, an empty string if it was.
    """
    registry = project.registry
    latest = read_now(project, [snippet.name]).get(snippet.name)
    if latest is None or latest.version != version:
        now = f"at v{latest.version}" if latest is not None else "gone"
        return f"it is {now}, which is not this deploy's v{version}"
    before = registry.prompts.get(latest.template_id, snippet.name, version=snippet.before).prompt
    # The mark has no commit, because this text does not come from one.
    message = with_mark(f"Take back v{version}", make_mark(None, False, version + 1, None))
    action = Action(snippet.name, Kind.UPDATE, None, current=version, local=digest(before), message=message)
    outcome = publish(registry, action, before, latest.template_id, threading.Event())
    if outcome.version is None:
        return outcome.reason
    return "" if outcome.version == version + 1 else "somebody else published at the same time"
