"""What a push checks about snippets: their order, that they exist, and who renders them in production."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from msgspec.structs import replace

from promptsync.compare.content import has_text
from promptsync.compare.live_users import LiveTexts, LiveUser, direct_users, named_users, release_pointers
from promptsync.compare.snapshot import Snapshot, State
from promptsync.errors import Refused
from promptsync.history.mark import parse_mark
from promptsync.project.project import Project
from promptsync.prompt.snippets import Reference, publish_order, rendered_in
from promptsync.prompt.version import Version
from promptsync.push.actions import Action, Kind, PushOptions, PushPlan


def levels(snapshot: Snapshot, publishing: set[str]) -> list[list[str]]:
    """Return the names in groups, each of which only renders snippets of those before it."""
    files = snapshot.worktree.files
    uses = {name: {used.name for used in rendered_in(files[name].prompt.template)} for name in publishing}
    return publish_order({name: uses[name] & publishing for name in publishing})


def check_references(
    project: Project, snapshot: Snapshot, publishing: set[str], options: PushOptions
) -> None:
    """Raise ``Refused`` for a reference to a snippet, or to a version or label of it, that will not exist.

    The registry rejects a prompt with such a reference.
    """
    references = [
        (name, reference)
        for name in sorted(publishing)
        for reference in rendered_in(snapshot.worktree.files[name].prompt.template)
    ]
    for name, reference in references:
        snippet = snapshot.listing.get(reference.name)
        if snippet is None and reference.name not in publishing:
            raise _unpublished(snapshot, name, reference.name)
        # This push adds one version to each prompt that it publishes.
        last = (snippet.version if snippet is not None else 0) + (reference.name in publishing)
        if reference.version is not None and reference.version > last:
            raise Refused(
                f"{name!r} uses version {reference.version} of the snippet {reference.name!r}, which "
                f"{'will have' if reference.name in publishing else 'has'} no version after {last}",
                hint=f"promptsync log {shlex.quote(reference.name)}",
                code="snippet-version",
            )
    labels = {reference.label for _, reference in references if reference.label is not None}
    labelled = {
        label: {listed.name for listed in project.registry.prompts.list(label=label)}
        for label in sorted(labels)
    }
    for name, reference in references:
        label, is_published = reference.label, reference.name in snapshot.listing
        # A deploy decides itself what comes first under its own label.
        if label not in (None, options.checked_label) and reference.name not in labelled[label]:
            raise _unlabelled(project, name, reference.name, label, is_published=is_published)


def _unpublished(snapshot: Snapshot, name: str, snippet: str) -> Refused:
    item = snapshot.get(snippet)
    hint = f"create {snippet!r} or remove the reference"
    if item is not None and item.file is not None:
        hint = f"promptsync push {shlex.join([snippet, name])}"
        if item.state is State.DELETED_REMOTELY:
            hint = f"promptsync push {shlex.quote(snippet)} --restore"
    return Refused(
        f"{name!r} uses the snippet {snippet!r}, which is not published",
        hint=hint,
        code="snippet-unpublished",
    )


def _unlabelled(project: Project, name: str, snippet: str, label: str, *, is_published: bool) -> Refused:
    if project.governs(label):
        hint = f"promptsync deploy {shlex.quote(snippet)} --label {shlex.quote(label)}"
    elif is_published:
        hint = f"promptsync label set {shlex.join([snippet, label])}"
    else:
        hint = f"promptsync push {shlex.quote(snippet)} --label {shlex.quote(label)}"
    return Refused(
        f"{name!r} uses the snippet {snippet!r} at the label {label!r}, which it does not have",
        hint=hint,
        code="snippet-label",
    )


# -- what is live at once -------------------------------------------------------------------------------


def live_users(project: Project, snapshot: Snapshot, plan: PushPlan) -> dict[str, tuple[LiveUser, ...]]:
    """Return the live prompts that render the new texts and labels of snippets at once, by snippet."""
    new = plan.new_texts
    snippets = [
        action
        for action in plan.actions
        if action.kind not in (Kind.ARCHIVE, Kind.RESTORE)
        and _is_snippet(snapshot.listing.get(action.name))
        and (action.labels or action.name in new)
    ]
    if not snippets or not project.is_guarding:
        return {}
    texts = LiveTexts(project, snapshot)

    def users(action: Action) -> tuple[LiveUser, ...]:
        def follows(reference: Reference) -> bool:
            if reference.label is not None:
                return reference.label in action.labels
            return reference.version is None and action.name in new

        return texts.users(action.name, follows)

    live = {action.name: users(action) for action in snippets}
    return {name: found for name, found in live.items() if found}


def live_refusal(project: Project, plan: PushPlan) -> Refused | None:
    """Return the refusal of a plan that changes live prompts, which only a deploy checks before."""
    if not plan.live:
        return None
    name, users = min(plan.live.items())
    current = next(action.current for action in plan.actions if action.name == name)
    return Refused(
        f"the new text of {name!r} would be live at once in {named_users(users)}, without checks; "
        "nothing was published",
        hint=f"pin the version that renders now, and deploy: @@@{name}@version_number:{current}@@@",
        details=[
            f"{snippet}: live at once in {named_users(others)}"
            for snippet, others in sorted(plan.live.items())
        ]
        if len(plan.live) > 1
        else (),
        code="live-snippets",
    )


def restore_refusal(project: Project, plan: PushPlan) -> Refused | None:
    """Return the refusal to restore a snippet with a new text: live prompts render it from the archive."""
    assert plan.snapshot is not None
    for action in plan.publishing:
        item = plan.snapshot.get(action.name)
        listed = item.archived if item is not None and action.kind is Kind.RESTORE else None
        if listed is None or not _is_snippet(listed) or not project.is_guarding:
            continue
        if not has_text(listed, plan.snapshot.worktree.files[action.name].prompt):
            return Refused(
                f"the archived text of {action.name!r} may be live, and its file has another one; "
                "nothing was published",
                hint=_restore_as_archived(project, action, listed),
                code="live-snippets",
            )
    return None


def _restore_as_archived(project: Project, action: Action, listed: Version) -> str:
    """Return the command that restores the archived text, from the commit that it was published from."""
    mark = parse_mark(listed.message)
    push = project.on_remote(f"promptsync push {shlex.quote(action.name)} --restore")
    commit = mark.commit if mark is not None and mark.version == listed.version and not mark.dirty else None
    if commit is not None and project.history is not None and project.history.existing([commit]):
        return f"git switch --detach {commit} && {push} && git switch -"
    return f"commit the archived text to {action.path}, and restore that: {push}"


# -- what is archived -----------------------------------------------------------------------------------


def with_released(project: Project, plan: PushPlan) -> PushPlan:
    """Return a plan with the labels of the prompts that it archives."""
    assert plan.snapshot is not None
    if not plan.archiving:
        return plan
    listing = plan.snapshot.listing
    pointers = release_pointers(project, [listing[action.name] for action in plan.archiving])
    actions = (
        replace(action, released=tuple(sorted(pointers.get(action.name, {}).items())))
        if action.kind is Kind.ARCHIVE
        else action
        for action in plan.actions
    )
    return replace(plan, actions=tuple(actions))


def archive_refusal(project: Project, plan: PushPlan, exact: Collection[str]) -> Refused | None:
    """Return the refusal to archive what others use: a snippet, and a live prompt that ``exact`` lacks."""
    for action in plan.archiving:
        if users := _users(project, plan, action.name):
            return Refused(
                f"the snippet {action.name!r} is used by {named_users(users)}; nothing was published",
                hint=f"promptsync pull {shlex.quote(action.name)}\n"
                "or publish and release its users without the reference, then run this again",
                code="snippet-in-use",
            )
    live = [
        (action.name, label, version)
        for action in plan.archiving
        for label, version in action.released
        if project.governs(label) and action.name not in exact
    ]
    if not live:
        return None
    name, label, version = live[0]
    return Refused(
        f"{name!r} is live: {label} is at v{version}, and --prune archives such a prompt only by name; "
        "nothing was published",
        hint=f"promptsync push {shlex.join(dict.fromkeys(name for name, _, _ in live))} --prune",
        code="live-prompt",
    )


def _users(project: Project, plan: PushPlan, snippet: str) -> list[LiveUser]:
    """Return the prompts that use a snippet under a governed label, or will in their latest version."""
    assert plan.snapshot is not None
    files, listing = plan.snapshot.worktree.files, plan.snapshot.listing
    if not _is_snippet(listing[snippet]):
        return []
    texts = LiveTexts(project, plan.snapshot)
    archived, published = ({action.name for action in some} for some in (plan.archiving, plan.publishing))
    live = texts.users(snippet, lambda _: True) if project.is_guarding else ()
    users = {user.name: user for user in live if user.name not in archived}
    used_by = direct_users(project, listing[snippet])
    for name in sorted(listing.keys() - archived - users.keys()):
        if name in published:
            references: Collection[Reference] | None = rendered_in(files[name].prompt.template)
        elif used_by is None or name in used_by:
            references = texts.references(name, listing[name].version)
        else:
            continue
        if references is None or any(reference.name == snippet for reference in references):
            users[name] = LiveUser(name, "")
    return sorted(users.values())


def _is_snippet(listed: Version | None) -> bool:
    """Whether prompts may render what is published, labelled or archived under this name."""
    return listed is not None and listed.prompt.template.get("type") == "completion"
