"""Publishes the text of a snippet that was live before again, after its users failed with the new one."""

from __future__ import annotations

import threading

from promptsync.core.canonical import digest
from promptsync.core.message import with_mark
from promptsync.core.plan import Action, Kind
from promptsync.deploy.live import LiveSnippet
from promptsync.deploy.receipt import LiveTime
from promptsync.errors import RemoteError
from promptsync.sync import publish
from promptsync.sync.project import Project
from promptsync.sync.publish import Attempt, Lost, publish_one


def take_back(project: Project, snippet: LiveSnippet, version: int) -> LiveTime:
    """Publish what ``snippet`` was before ``version``, unless somebody published on top of that meanwhile."""
    try:
        lost = _publish(project, snippet, version)
    except RemoteError as error:
        lost = error.message
    return LiveTime(snippet.name, 0.0, taken_back=not lost, note=lost)


def _publish(project: Project, snippet: LiveSnippet, version: int) -> str:
    """Publish it and return what went wrong with it, nothing if all is well."""
    registry = project.registry
    latest = next((one for one in registry.list(name=snippet.name) if one.name == snippet.name), None)
    if latest is None or latest.version != version:
        now = f"v{latest.version}" if latest is not None else "gone"
        return f"it is {now} by now, which is not this deploy's v{version}"
    before = registry.get(latest.template_id, snippet.name, version=snippet.before).prompt
    # a mark without a commit: no text in git vouches for it
    message = with_mark(f"Take back v{version}", None, False, version + 1)
    action = Action(snippet.name, Kind.UPDATE, None, current=version, local=digest(before), message=message)
    done = publish_one(
        Attempt(registry, action, before, latest.template_id, threading.Event(), publish.PAUSE)
    )
    return done.reason if isinstance(done, Lost) else ""
