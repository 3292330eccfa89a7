"""Snippets that are live before they are proven: for how long, and the text before them published again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from promptsync.compare.project import Project
from promptsync.deploy.live_snippets import LiveSnippet
from promptsync.deploy.receipt import LiveTime
from promptsync.errors import RemoteError
from promptsync.history.message import make_mark, with_mark
from promptsync.labels.apply import ChangedLabel
from promptsync.prompt.canonical import digest
from promptsync.push.actions import Action, Kind
from promptsync.push.publish import Attempt, Lost, publish_one
from promptsync.push.receipt import PushReceipt


class LiveSnippets:
    """The snippets of a deploy that have to be live before their users are proven."""

    def __init__(self, project: Project, snippets: Sequence[LiveSnippet], clock: Callable[[], float]) -> None:
        self._project = project
        self._snippets = [one for one in snippets if not one.already]
        self._clock = clock
        self._since: dict[bool, float] = {}
        self._lost = {one.name: "interrupted before it was taken back" for one in self._snippets}

    def begin(self, *, by_label: bool = False) -> None:
        """Take the time: from now on those that are referred to unpinned, or ``by_label``, may be live."""
        self._since[by_label] = self._clock()

    def take_back(self, push: PushReceipt) -> None:
        """Publish what was live before those that ``push`` published; labels are moved back elsewhere."""
        unpinned = [one for one in self._snippets if not one.by_label]
        published = {one.name: one.version for one in push.published}
        for one in unpinned:
            version = published.get(one.name)
            self._lost[one.name] = _taken_back(self._project, one, version) if version is not None else ""

    def times(
        self, push: PushReceipt, labels: Mapping[str, ChangedLabel], *, released: bool
    ) -> list[LiveTime]:
        """Return of each snippet that was live, or may have been, for how long, and what became of it."""
        told: dict[str, LiveTime] = {}
        for one in self._snippets:
            note = _label_note(labels.get(one.name)) if one.by_label else self._note(one, push)
            if note is None:
                continue
            note = "" if released else note
            seconds = self._clock() - self._since[one.by_label]
            first = told.get(one.name)  # a snippet may be referred to both ways
            if first is not None:
                seconds = max(seconds, first.seconds)
                note = "; ".join(filter(None, (first.note, note)))
            told[one.name] = LiveTime(one.name, seconds, taken_back=not (released or note), note=note)
        return list(told.values())

    def _note(self, one: LiveSnippet, push: PushReceipt) -> str | None:
        """What is wrong with a snippet that ``push`` made live, ``None`` when it never was."""
        if any(failed.name == one.name and failed.unknown for failed in push.failed):
            return "nobody knows whether it was published, and is live"
        is_published = any(published.name == one.name for published in push.published)
        return self._lost[one.name] if is_published else None


def _label_note(label: ChangedLabel | None) -> str | None:
    """What is wrong with a label that made a snippet live and should be back, ``None`` when it never did."""
    if label is None or not (label.moved or label.is_undone):
        return None
    return "" if label.is_undone else label.note or "interrupted before it was moved back"


def _taken_back(project: Project, snippet: LiveSnippet, version: int) -> str:
    """Publish what ``snippet`` was before ``version``, unless somebody published on top of that meanwhile.

    Return why that did not work out, nothing if all is well.
    """
    try:
        lost = _publish(project, snippet, version)
    except RemoteError as error:
        lost = error.message
    return lost and f"v{version} is still live, for v{snippet.before} could not be published again: {lost}"


def _publish(project: Project, snippet: LiveSnippet, version: int) -> str:
    registry = project.registry
    latest = next((one for one in registry.prompts.list(name=snippet.name) if one.name == snippet.name), None)
    if latest is None or latest.version != version:
        now = f"v{latest.version}" if latest is not None else "gone"
        return f"it is {now} by now, which is not this deploy's v{version}"
    before = registry.prompts.get(latest.template_id, snippet.name, version=snippet.before).prompt
    # a mark without a commit: no text in git vouches for it
    message = with_mark(f"Take back v{version}", make_mark(None, False, version + 1, None))
    action = Action(snippet.name, Kind.UPDATE, None, current=version, local=digest(before), message=message)
    done = publish_one(Attempt(registry, action, before, latest.template_id, threading.Event()))
    if isinstance(done, Lost):
        return done.reason
    return "" if done.version == version + 1 else "somebody else published at that very moment"
