"""Why a push does not carry out its plan: live prompts, snippets in use, and limits."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence

from promptsync.compare.conflict import restore_by_hand
from promptsync.compare.snapshot import Item, Snapshot
from promptsync.compare.snippet_users import LiveTexts, LiveUser, direct_users, live_refusal, named_users
from promptsync.errors import Refused
from promptsync.project.project import Project
from promptsync.project.versions import deploy_command, list_labels
from promptsync.prompt.labels import is_own
from promptsync.prompt.snippets import Reference, rendered_in
from promptsync.push.actions import Kind, PushOptions, PushPlan


def check_references(
    project: Project, snapshot: Snapshot, publishing: Sequence[str], options: PushOptions
) -> None:
    """Raise ``Refused`` for a reference to a snippet, or to a version or label of it, that will not exist.

    The registry rejects a prompt with such a reference.
    """
    files, listing = snapshot.worktree.files, snapshot.listing
    references = [
        (name, reference) for name in publishing for reference in rendered_in(files[name].prompt.template)
    ]
    # A deploy decides itself what comes first under its own label.
    labels = {reference.label for _, reference in references} - {None, options.checked_label}
    prompts = project.registry.prompts
    labelled = {label: {listed.name for listed in prompts.list(label=label)} for label in labels if label}
    for name, reference in references:
        snippet, label, listed = reference.name, reference.label, listing.get(reference.name)
        # This push adds one version to each prompt that it publishes.
        last = (listed.version if listed is not None else 0) + (snippet in publishing)
        if not last:
            what, hint, code = (
                "which is not published",
                _publish(project, snapshot, snippet, dict.fromkeys([snippet, name, *options.names])),
                "unpublished",
            )
        elif (reference.version or 0) > last:
            what, hint = f"which has no version after {last}", f"promptsync log {shlex.quote(snippet)}"
            what, code = f"version {reference.version}, {what}", "version"
        elif label in labelled and snippet not in labelled[label or ""]:
            what, code = f"at the label {label!r}, which it does not have", "label"
            hint = f"promptsync push {shlex.quote(snippet)} --label {shlex.quote(label or '')}"
            if project.governs(label or ""):
                hint = f"promptsync deploy {shlex.quote(snippet)} --label {shlex.quote(label or '')}"
        else:
            continue
        separator = ", " if code == "unpublished" else " "
        message = f"{name!r} uses the snippet {snippet!r}{separator}{what}"
        raise Refused(message, hint=hint, code=f"snippet-{code}")


def _publish(project: Project, snapshot: Snapshot, snippet: str, names: Iterable[str]) -> str:
    """Return how to publish a snippet that is not: with all ``names``."""
    item = snapshot.get(snippet)
    if item is None or item.file is None:
        return f"create {snippet!r} or remove the reference"
    if item.archived is not None:
        return restore_by_hand(project, item)
    return f"promptsync push {shlex.join(names)}"


def check_restorable(project: Project, items: Sequence[Item]) -> None:
    """Raise ``Refused`` for an archived prompt that would be live again: a snippet, or one with labels."""
    labels = {label.name for label in list_labels(project.registry, ()) or ()} | project.guarded_labels
    with_label = {
        listed.template_id: label
        for label in sorted(filter(is_own, labels), reverse=True)
        for listed in project.registry.prompts.list(status="deleted", label=label)
    }
    for item in items:
        assert item.archived is not None
        label = with_label.get(item.archived.template_id)
        if label is not None or item.archived.prompt.may_be_snippet:
            what = f"has the label {label}" if label is not None else "may be a snippet"
            raise _nothing(
                f"{item.name!r} {what}, so a push does not restore it: its archived version would be live",
                hint=restore_by_hand(project, item),
                code="live-prompt",
            )


def live_users(project: Project, snapshot: Snapshot, plan: PushPlan) -> dict[str, tuple[LiveUser, ...]]:
    """Return the live prompts that render new versions and labels of snippets immediately, by snippet."""
    if not project.is_guarding:
        return {}
    new, actions = plan.new_texts, (action for action in plan.actions if action.kind is not Kind.ARCHIVE)
    changes = {action.name: (action.labels, action.name in new) for action in actions}
    return LiveTexts(project, snapshot).at_once(changes)


def refusal(project: Project, plan: PushPlan, exact: Collection[str]) -> Refused | None:
    """Return why a plan is only shown; ``exact`` are the prompts that were named one by one."""
    options = plan.options
    governed = next((label for label in sorted(options.labels) if project.governs(label)), None)
    if governed is not None and not options.skip_checks:
        return _nothing(
            f"only promptsync deploy moves {governed}, after the checks",
            hint=deploy_command(project, governed),
            code="governed-label",
        )
    if (limit := _limit(project, plan)) or options.checked_label is not None:
        return limit
    live = None if options.skip_checks else _live(project, plan)
    return live or _archived(project, plan, exact)


def _nothing(message: str, *, hint: str, code: str) -> Refused:
    return Refused(f"{message}; nothing was published", hint=hint, code=code)


def _limit(project: Project, plan: PushPlan) -> Refused | None:
    """Return the refusal of a plan that changes too many prompts; creations do not count."""
    assert plan.snapshot is not None
    total = sum(1 for name in plan.snapshot.listing if project.config.in_scope(name))
    changed = sum(action.kind in (Kind.UPDATE, Kind.FORCE, Kind.ARCHIVE) for action in plan.actions)
    share, most = project.config.limits_changes, plan.options.max_changes
    if most is not None:
        allowed, is_over = f"--max-changes {most}", changed > most
    else:  # there is no limit for fewer than ten prompts
        allowed, is_over = f"{share:.0%}", total >= 10 and share < 1.0 and changed > share * total
    if not is_over:
        return None
    return Refused(
        f"this plan changes {changed} of {total} prompts; the limit is {allowed}",
        hint=f"{plan.options.command} --max-changes {changed}\npromptsync diff --stat",
        code="too-many-changes",
    )


def _live(project: Project, plan: PushPlan) -> Refused | None:
    """Return the refusal of a plan that changes live prompts, which only a deploy checks before."""
    if not plan.live:
        return None
    name, users = min(plan.live.items())
    current = next(action.current for action in plan.actions if action.name == name)
    hint = f"{deploy_command(project, users[0].label)}\n"
    hint += f"or pin the current version, @@@{name}@version_number:{current}@@@, and deploy only what pins it"
    live = dict(sorted(plan.live.items()))
    return live_refusal(live, f"the new version of {name!r}", "without checks", "published", hint)


def _archived(project: Project, plan: PushPlan, exact: Collection[str]) -> Refused | None:
    """Return the refusal to archive what others use: a snippet, and a live prompt that ``exact`` lacks."""
    for action in plan.archiving:
        if users := _users(project, plan, action.name):
            return _nothing(
                f"the snippet {action.name!r} is used by {named_users(users)}",
                hint=f"promptsync pull {shlex.quote(action.name)}\n"
                "or remove the reference from those prompts, deploy them, and run this again",
                code="snippet-in-use",
            )
    live = {
        action.name: f"{label} is at v{version}"
        for action in plan.archiving
        for label, version in action.released.items()
        if project.governs(label) and action.name not in exact
    }
    if not live:
        return None
    name, where = next(iter(live.items()))
    return _nothing(
        f"{name!r} is live: {where}; --prune archives a live prompt only if you name it",
        hint=f"promptsync push {shlex.join(live)} --prune",
        code="live-prompt",
    )


def _users(project: Project, plan: PushPlan, snippet: str) -> list[LiveUser]:
    """Return the prompts that use a snippet under a governed label, or will in their latest version."""
    assert plan.snapshot is not None
    files, listing = plan.snapshot.worktree.files, plan.snapshot.listing
    if not listing[snippet].prompt.may_be_snippet:
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
