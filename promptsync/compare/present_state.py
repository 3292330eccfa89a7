"""The present state of the prompts of a plan, read right before a write and right after it.

A plan was made from a list that may be minutes old by now, because somebody had to confirm the plan. So no
command writes from the plan alone; each looks again at exactly what it is about to change:

============================  =================================  ==========================================
command                       right before the write             right after it
============================  =================================  ==========================================
push, and that of a deploy    each prompt: same id, version and  each prompt: the version is the latest
                              tags, still active, still missing  one, its text and tags are those that were
                              if it is new; otherwise nothing    sent; what is archived is gone from the
                              is published                       list. One that is missing may lag behind
                                                                 and is read again before it counts
label of a new version        the labels of the prompt: not      the labels of the prompt
                              higher already, not rolled back
label set, move, delete;      the labels of the prompt: where    the labels of the prompt, those beside the
rollback, promote, deploy     the plan saw them                  label included
pull, bump, mv, and the       the file: the text that was read   the file is replaced in one step
``synced:`` of a push
============================  =================================  ==========================================

The second look after a publish cannot be saved by the response to it. The number in the response shows who
published before us, but neither who published after us nor what the registry stored.
"""

from __future__ import annotations

from collections.abc import Collection

from promptsync.project.project import Project
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version


def read_now(project: Project, names: Collection[str], *, needed: Collection[str] = ()) -> dict[str, Version]:
    """Return the active prompts among ``names`` at their latest versions, with tags if there are any.

    Costs one request for each name, or those of the whole list if that is fewer. A ``needed`` name counts as
    missing only if the list lacks it.
    """

    def on_page(done: int, pages: int) -> None:
        project.progress("Listing the registry", done, pages)

    prompts = project.registry.prompts.latest(names, needed=needed, on_page=on_page)
    return {item.name: item for item in prompts}


def is_same(planned: Version | None, now: Version | None) -> bool:
    """Whether a prompt still is what a plan was made from; ``None`` means that it does not exist."""
    if planned is None or now is None:
        return planned is now
    before, after = (
        (version.template_id, version.version, tag_set(version.prompt)) for version in (planned, now)
    )
    return before == after


def shown(listed: Version | None) -> str:
    """Return the version for people."""
    return f"v{listed.version}" if listed is not None else "missing"
