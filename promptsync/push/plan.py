"""Makes the plan of a push from a snapshot, or refuses. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from promptsync.compare.conflict import (
    BLOCKING,
    SKIP_REASONS,
    conflict,
    may_have_moved,
    reason,
    unusable,
)
from promptsync.compare.content import content_of
from promptsync.compare.git_state import too_shallow
from promptsync.compare.released import (
    LiveTexts,
    LiveUser,
    direct_users,
    live_refusal,
    named_users,
    release_pointers,
)
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.errors import Refused
from promptsync.files.prompt_file import PromptFile
from promptsync.files.yaml.load import check_valid
from promptsync.history.mark import check_message, identity, make_mark, parse_mark, with_mark
from promptsync.labels.plan import delete_command
from promptsync.project.plan import workspace_of
from promptsync.project.project import Project
from promptsync.project.versions import check_changeable, deploy_command, list_labels
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import check_release_label, is_own
from promptsync.prompt.prompt import Problem, Version, tag_set
from promptsync.prompt.snippets import Reference, publish_order, rendered_in
from promptsync.push.actions import PUBLISHING, Action, Ending, Kind, PushOptions, PushPlan, Result

_Under = Mapping[str, Mapping[str, int]]
"""The versions under the labels that a push moves, by label and prompt."""


def plan_push(project: Project, snapshot: Snapshot, options: PushOptions) -> PushPlan:
    """Return the plan of a push.

    Raises ``InvalidFile`` for files that cannot be read or that lint refuses, ``UsageError`` for names that
    neither side has and for a message that does not fit, ``Refused`` for conflicts and missing snippets,
    ``Unsupported`` for labels that the registry cannot set. Nothing has been written then.
    """
    options = replace(options, message=check_options(options))
    check_valid(snapshot.problems)
    named, force, restore = (
        matching(project, snapshot, names) for names in (options.names, options.force, options.restore)
    )
    exact = [name for name, target in named.items() if target.is_exact]
    options = replace(options, names=tuple(named), force=tuple(force), restore=tuple(restore))
    if stuck := [item for item in snapshot.unusable if item.name in options.names]:
        raise unusable(stuck, "push")
    if options.labels:
        check_changeable(project, ((listed.template_id, listed.name) for listed in snapshot.listing.values()))
    prompts = project.registry.prompts
    under = {label: {at.name: at.version for at in prompts.list(label=label)} for label in options.labels}
    items = snapshot.only(options.names)
    kinds = {item.name: kind for item in items if (kind := _kind(item, options, under)) is not None}
    blocking = [item for item in items if item.state in BLOCKING and item.name not in kinds]
    if blocking and not options.partial:
        raise conflict(blocking, "published", command=options.command if kinds else "")
    for item in items:
        if item.name in options.restore and item.file is None and item.name not in kinds:
            hint = f"promptsync pull {shlex.quote(item.name)}"
            raise _nothing(f"--restore: {item.name!r} has no file", hint=hint, code="no-file")
    unnamed = [item for item in items if item.name not in exact]
    if moved := may_have_moved(project, snapshot.items, unnamed, "; nothing was published"):
        raise moved
    files = snapshot.worktree.files
    publishing = sorted(name for name, kind in kinds.items() if kind in PUBLISHING)
    check_valid(_lint_errors(snapshot, [files[name] for name in publishing]))
    check_references(project, snapshot, publishing, options)
    uses = {name: {used.name for used in rendered_in(files[name].prompt.template)} for name in publishing}
    levels = publish_order(uses)
    wanted = [item for item in items if item.name in kinds]
    actions = [
        replace(action, level=levels.get(action.name, 0))
        for action in _actions(project, wanted, kinds, options, under)
    ]
    plan = PushPlan(
        actions=tuple(sorted(actions, key=lambda action: (action.level, action.name))),
        skipped=tuple(
            _skipped(item) for item in items if item.state in SKIP_REASONS and item.name not in kinds
        ),
        unfinished=tuple(item for item in items if _is_unfinished(project, item)),
        options=options,
        workspace=workspace_of(project) if actions else "",
        governed=tuple(filter(project.governs, sorted(options.labels))) if options.skip_checks else (),
        snapshot=snapshot,
    )
    # A deploy decides about live prompts itself.
    if actions and options.checked_label is None:
        plan = replace(plan, live=live_users(project, snapshot, plan))
    return replace(plan, refusal=refusal(project, plan, under))


def check_options(options: PushOptions) -> str | None:
    """Return the message as it will be used. Raises ``UsageError``; sends no request."""
    for label in options.labels:
        check_release_label(label, "promptsync push")
    return check_message(options.message) if options.message is not None else None


# -- what is done with each prompt ----------------------------------------------------------------------


def _kind(item: Item, options: PushOptions, under: _Under) -> Kind | None:
    forced = item.name in options.force
    if item.state is State.IN_SYNC:
        return Kind.LABEL if _lacking(item, under) else None
    if item.state is State.NEW:
        return Kind.CREATE
    if item.state is State.AHEAD:
        return Kind.UPDATE
    if item.state in (State.DIVERGED, State.BEHIND, State.ALTERED) and forced and item.file is not None:
        return Kind.FORCE
    if item.state is State.DELETED_REMOTELY and (item.name in options.restore or forced):
        return Kind.RESTORE
    # Only a committed deletion archives: a file that is merely missing may be a mistake.
    if not options.prune or not item.deletion_committed or item.file is not None:
        return None
    if item.state is State.DELETED_LOCALLY or (item.state is State.DIVERGED and forced):
        return Kind.ARCHIVE
    return None


def _skipped(item: Item) -> Result:
    blocks = item.state in BLOCKING or (item.state is State.INVALID and item.file is not None)
    return Result(item.name, Ending.SKIPPED, reason(item), state=item.state, blocks=blocks)


def _lacking(item: Item, under: _Under) -> tuple[str, ...]:
    """Return the labels that do not point at the version of a prompt."""
    return tuple(label for label, versions in under.items() if versions.get(item.name) != item.version)


def _actions(
    project: Project, items: Sequence[Item], kinds: Mapping[str, Kind], options: PushOptions, under: _Under
) -> list[Action]:
    restoring = [item for item in items if kinds[item.name] is Kind.RESTORE]
    released = labels_restored(project) if restoring else {}
    gone = [item.listed for item in items if kinds[item.name] is Kind.ARCHIVE and item.listed is not None]
    if gone:
        released |= release_pointers(project, gone)
    commits = {item.commit for item in items if kinds[item.name] in PUBLISHING} - {None}
    described: Mapping[str, tuple[str, str, str]] = {}
    if commits and project.history is not None:
        described = project.history.described({commit for commit in commits if commit is not None})
    actions = []
    for item in items:
        kind, name = kinds[item.name], item.name
        tags = item.merged_tags if item.file is not None else frozenset()
        if kind is Kind.FORCE and item.file is not None and options.checked_label is None:
            # Who forces a file wants its tags, too; a deploy only wants what is new in it.
            tags |= tag_set(item.file.prompt)
        action = Action(
            item,
            kind,
            tags,
            labels=_lacking(item, under) if kind is Kind.LABEL else options.labels,
            released=dict(sorted(released.get(name, {}).items())),
            parents=_parents(project, item, kind, options),
        )
        if kind is Kind.ARCHIVE:
            action = replace(action, labels=())
        elif kind in PUBLISHING:
            short, subject, _ = described.get(item.commit or "", (None, "", ""))
            action = replace(action, message=_message(action, short, subject, options.message))
        actions.append(action)
    return actions


def _parents(project: Project, item: Item, kind: Kind, options: PushOptions) -> tuple[int, ...] | None:
    """Return the versions that a new one is made from; a forced one includes what the file includes."""
    if item.name in options.parents:
        return options.parents[item.name]
    if kind is Kind.RESTORE and item.archived is not None and item.file is not None:
        return _parents_of_restored(project, item, item.file, item.archived)
    decision = item.history.decision if item.history is not None else None
    if decision is None or kind not in (Kind.UPDATE, Kind.FORCE):
        return None
    return decision.force if kind is Kind.FORCE else decision.push


def _parents_of_restored(
    project: Project, item: Item, file: PromptFile, archived: Version
) -> tuple[int, ...] | None:
    """Return ``None`` if the file, or git, has the text of the archived version or a valid key of it.

    No other version of an archived prompt can be read. Raises ``Refused`` if a clone is too shallow to tell.
    """
    text = digest(content_of(archived, file.prompt))
    prompt = identity(project.registry.workspace_id, archived.template_id)
    known = [
        (item.digest, project.keys_in(file.local.synced)),
        *((revision.digest, revision.keys) for revision in item.lineage.back()),
    ]
    sent = [(own or "", key) for own, keys in known for key in keys]
    numbers = {key.version for own, key in sent if key.names(prompt, own) or key.names(prompt, text)}
    if archived.version in numbers or text in dict(known):
        return None
    if project.history is not None and project.history.shallow:
        raise too_shallow(f"whether {item.name!r} includes the archived v{archived.version}")
    return tuple(numbers)


def _message(action: Action, short: str | None, subject: str, message: str | None) -> str:
    """Return the message of a new version, with its mark, given the id and subject of the commit."""
    mark = make_mark(short, not action.item.is_committed, action.next or 1, action.parents)
    if message is not None:
        subject = check_message(message, mark)
    elif not action.item.is_committed:
        # The subject of a commit that does not contain this content would not describe the change.
        word = {Kind.CREATE: "Add", Kind.RESTORE: "Restore"}.get(action.kind, "Update")
        subject = f"{word} {action.name}{' (not committed)' if short is not None else ''}"
    return with_mark(subject, mark, name=action.name)


def _is_unfinished(project: Project, item: Item) -> bool:
    """Whether an earlier push published the content and was stopped before it wrote ``synced:``."""
    listed, file = item.listed, item.file
    mark = parse_mark(listed.message) if listed is not None else None
    if item.state is not State.IN_SYNC or listed is None or file is None or mark is None:
        return False
    # A version made from a commit needs no ``synced:``, and with another number the mark is a copied one.
    if (mark.commit is not None and not mark.dirty) or mark.version != listed.version:
        return False
    if any(key.version == listed.version for key in project.keys_in(file.local.synced)):
        return False
    history = project.history
    return history is None or history.head.get(file.path) != history.blob_of(file.text.encode())


def _lint_errors(snapshot: Snapshot, files: Sequence[PromptFile]) -> list[Problem]:
    """Return the errors of lint in some files, except at places that have a problem already."""
    if not files:
        return []
    templates = {name: file.prompt.template for name, file in snapshot.worktree.files.items()}
    from promptsync.lint.check import check  # imported only here, because most pushes have nothing to check
    from promptsync.lint.rules import KnownPrompts

    known = KnownPrompts(templates=templates, registry=frozenset(snapshot.listing))
    return [problem for problem in check(files, known, snapshot.problems) if problem.severity == "error"]


# -- why a plan is refused -----------------------------------------------------------------------------------


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
                _publish(snapshot, snippet, dict.fromkeys([snippet, name, *options.names])),
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


def _publish(snapshot: Snapshot, snippet: str, names: Iterable[str]) -> str:
    """Return how to publish a snippet that is not: with all ``names``."""
    item = snapshot.get(snippet)
    if item is None or item.file is None:
        return f"create {snippet!r} or remove the reference"
    if item.archived is not None:
        return f"promptsync push {shlex.quote(snippet)} --restore"
    return f"promptsync push {shlex.join(names)}"


def labels_restored(project: Project) -> dict[str, dict[str, int]]:
    """Return the labels that archived prompts get back, with their versions, by name."""
    labels = {label.name for label in list_labels(project.registry, ()) or ()} | project.guarded_labels
    restored: dict[str, dict[str, int]] = {}
    for label in sorted(filter(is_own, labels)):
        for listed in project.registry.prompts.list(status="deleted", label=label):
            restored.setdefault(listed.name, {})[label] = listed.version
    return restored


def live_users(project: Project, snapshot: Snapshot, plan: PushPlan) -> dict[str, tuple[LiveUser, ...]]:
    """Return the live prompts that render new versions and labels of snippets immediately, by snippet."""
    if not project.is_guarding:
        return {}
    new, actions = plan.new_texts, (action for action in plan.actions if action.kind is not Kind.ARCHIVE)
    changes = {action.name: (action.labels, action.name in new) for action in actions}
    return LiveTexts(project, snapshot).at_once(changes)


def refusal(project: Project, plan: PushPlan, under: _Under) -> Refused | None:
    """Return why a plan is only shown."""
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
    live = None if options.skip_checks else _live(project, plan, under)
    return live or _archived(project, plan)


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


def _live(project: Project, plan: PushPlan, under: _Under) -> Refused | None:
    """Return the refusal of a plan that changes live prompts, which only a deploy checks before."""
    if not plan.live:
        return None
    name, users = min(plan.live.items())
    action = next(action for action in plan.actions if action.name == name)
    # What is live is the latest version, or the one under a label that moves.
    now = {under[label][name] for label in action.labels if name in under[label]}
    if name in plan.new_texts or not now:
        now.add(action.current or 0)
    pins = " or ".join(f"@@@{name}@version_number:{number}@@@" for number in sorted(now))
    ways = [f"pin the current version, {pins}, and deploy only what pins it"]
    if action.kind is Kind.RESTORE:  # nothing deploys a prompt that is archived
        ways = [f"{plan.options.command} --skip-checks"]
    elif not action.labels:  # a deploy checks the new version, but moves none of these labels
        ways = [deploy_command(project, users[0].label), f"or {ways[0]}"]
    live = dict(sorted(plan.live.items()))
    return live_refusal(live, f"the new version of {name!r}", "without checks", "published", "\n".join(ways))


def _archived(project: Project, plan: PushPlan) -> Refused | None:
    """Return the refusal to archive what others use: a snippet, and a prompt under a governed label."""
    for action in plan.archiving:
        if users := _users(project, plan, action.name):
            return _nothing(
                f"the snippet {action.name!r} is used by {named_users(users)}",
                hint=f"promptsync pull {shlex.quote(action.name)}\n"
                "or remove the reference from those prompts, deploy them, and run this again",
                code="snippet-in-use",
            )
    for action in plan.archiving:
        if label := next(filter(project.governs, action.released), None):
            what = f"{action.name!r} is live: {label} is at v{action.released[label]}, so it is not archived"
            return _nothing(what, hint=delete_command(action.name, label), code="live-prompt")
    return None


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
