"""What a push would change in production at once.

These are prompts that render a snippet, and those that it archives or restores.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import replace

from promptsync.compare.archived import archived_labels, release_labels
from promptsync.compare.content import has_text
from promptsync.compare.labels import deploy_command
from promptsync.compare.live_users import (
    LiveTexts,
    LiveUser,
    direct_users,
    named_users,
    release_pointers,
)
from promptsync.compare.snapshot import Snapshot
from promptsync.errors import Refused
from promptsync.history.mark import parse_mark
from promptsync.project.project import Project
from promptsync.prompt.snippet_graph import Follows
from promptsync.prompt.snippets import Reference, rendered_in
from promptsync.push.actions import Action, Kind, PushPlan


def is_snippet(snapshot: Snapshot, action: Action) -> bool:
    """Whether prompts may render what an action publishes, labels or archives; they do from the archive."""
    listed = action.archived or snapshot.listing.get(action.name)
    return listed is not None and listed.prompt.template.get("type") == "completion"


def with_live_users(project: Project, plan: PushPlan, *, skip_checks: bool) -> PushPlan:
    """Return a plan with the live prompts that render its snippets at once.

    It gets a refusal unless the checks are skipped, because only a deploy checks those prompts before.
    """
    snapshot = plan.snapshot
    assert snapshot is not None
    snippets = [
        action
        for action in plan.actions
        if action.kind is not Kind.ARCHIVE
        and is_snippet(snapshot, action)
        and (action.labels or action.name in plan.new_texts)
        and not _has_archived_text(snapshot, action)
    ]
    if not snippets or not project.is_guarding:
        return plan
    # What the same push restores is live again, and renders the new text, too.
    archived = {one.name: one.archived for one in plan.actions if one.archived is not None}
    after = release_labels(archived_labels(project, archived.keys()))
    texts = LiveTexts(project, replace(snapshot, listing={**snapshot.listing, **archived}), after)
    found = {one.name: texts.users(one.name, _follows(one, plan)) for one in snippets}
    live = {name: users for name, users in found.items() if users}
    if not live:
        return plan
    refusal = plan.refusal or (None if skip_checks else _live_refusal(project, live, plan))
    return replace(plan, live=live, refusal=refusal)


def _has_archived_text(snapshot: Snapshot, action: Action) -> bool:
    """Whether a restored snippet renders as it does from the archive."""
    prompt = snapshot.worktree.files[action.name].prompt
    return action.archived is not None and not action.labels and has_text(action.archived, prompt)


def _follows(action: Action, plan: PushPlan) -> Follows:
    is_new = action.name in plan.new_texts

    def follows(reference: Reference) -> bool:
        if reference.label is not None:
            return reference.label in action.labels
        return reference.version is None and is_new

    return follows


def _live_refusal(project: Project, live: dict[str, tuple[LiveUser, ...]], plan: PushPlan) -> Refused:
    name, users = next(iter(sorted(live.items())))
    action = next(action for action in plan.actions if action.name == name)
    deploy = deploy_command(project, users[0].label)
    hint = f"{deploy}\npin the version that renders now: @@@{name}@version_number:{action.current}@@@"
    if action.kind is Kind.RESTORE:  # a deploy releases nothing while it is archived, not even a pin
        hint = f"{_restore_as_archived(project, action)}\n{deploy}"
    return Refused(
        f"the new text of {name!r} would be live at once in {named_users(users)}, without checks; "
        "nothing was published",
        hint=hint,
        details=[f"{one}: live at once in {named_users(found)}" for one, found in sorted(live.items())]
        if len(live) > 1
        else (),
        code="live-snippets",
    )


def _restore_as_archived(project: Project, action: Action) -> str:
    """Return the command that restores the archived text, from the commit that it was published from."""
    mark = parse_mark(action.archived.message) if action.archived is not None else None
    push = project.on_remote(f"promptsync push {shlex.quote(action.name)} --restore")
    commit = mark.commit if mark is not None and mark.version == action.current and not mark.dirty else None
    if commit is not None and project.history is not None and project.history.existing([commit]):
        return f"git switch --detach {commit} && {push} && git switch -"
    return f"commit the archived text to {action.path}, and restore that: {push}"


def with_released_labels(project: Project, plan: PushPlan, exact: Collection[str]) -> PushPlan:
    """Return a plan with the labels of the prompts that it archives or restores, and what it is refused for.

    A prompt under a governed label is archived only if ``exact`` names it, and a snippet only if no prompt
    uses it any more.
    """
    snapshot = plan.snapshot
    assert snapshot is not None
    archived = [snapshot.listing[one.name] for one in plan.actions if one.kind is Kind.ARCHIVE]
    pointers = release_pointers(project, archived) if archived else {}
    restored = [one.name for one in plan.actions if one.archived is not None]
    pointers |= release_labels(archived_labels(project, restored))
    actions = []
    for action in plan.actions:
        released = sorted(pointers.get(action.name, {}).items())
        kept = tuple((label, version) for label, version in released if label not in action.labels)
        actions.append(replace(action, released=kept))
    plan = replace(plan, actions=tuple(actions))
    refusal = plan.refusal or _use_refusal(project, plan) or _released_refusal(project, plan, exact)
    return replace(plan, refusal=refusal)


def _released_refusal(project: Project, plan: PushPlan, exact: Collection[str]) -> Refused | None:
    live = [
        (action.name, label, version)
        for action in plan.actions
        for label, version in action.released
        if action.kind is Kind.ARCHIVE and project.governs(label) and action.name not in exact
    ]
    if not live:
        return None
    name, label, version = live[0]
    return Refused(
        f"{name!r} is live: {label} is at v{version}, and --prune archives such a prompt only by name; "
        "nothing was published",
        hint=f"promptsync push {shlex.join(dict.fromkeys(one for one, _, _ in live))} --prune",
        code="live-prompt",
    )


def _use_refusal(project: Project, plan: PushPlan) -> Refused | None:
    snapshot = plan.snapshot
    assert snapshot is not None
    texts = LiveTexts(project, snapshot)
    is_governing = project.is_guarding
    archived = {action.name for action in plan.actions if action.kind is Kind.ARCHIVE}
    for action in plan.actions:
        if action.kind is not Kind.ARCHIVE or not is_snippet(snapshot, action):
            continue
        users = _latest_users(project, plan, texts, action.name)
        if is_governing:
            live = texts.users(action.name, lambda _: True)
            users = [*live, *(one for one in users if one.name not in {user.name for user in live})]
            users = [one for one in users if one.name not in archived]
        if users:
            return Refused(
                f"the snippet {action.name!r} is used by {named_users(users)}; nothing was published",
                hint=f"promptsync pull {shlex.quote(action.name)}\n"
                "or publish and release its users without the reference, then run this again",
                code="snippet-in-use",
            )
    return None


def _latest_users(project: Project, plan: PushPlan, texts: LiveTexts, snippet: str) -> list[LiveUser]:
    """Return the prompts whose latest version will reference a snippet once the plan is carried out."""
    snapshot = plan.snapshot
    assert snapshot is not None
    files, listing = snapshot.worktree.files, snapshot.listing
    archived = {action.name for action in plan.actions if action.kind is Kind.ARCHIVE}
    published = {action.name: rendered_in(files[action.name].prompt.template) for action in plan.publishing}
    here = {name for name, file in files.items() if _uses(rendered_in(file.prompt.template), snippet)}
    users = []
    known = direct_users(project, listing[snippet])
    for name in sorted((listing.keys() if known is None else here | known) & listing.keys() - archived):
        if name in published:
            references: Sequence[Reference] | None = published[name]
        else:
            references = texts.references(name, listing[name].version)
        if references is None or _uses(references, snippet):
            users.append(LiveUser(name, ""))
    return users


def _uses(references: Collection[Reference], snippet: str) -> bool:
    return any(one.name == snippet for one in references)
