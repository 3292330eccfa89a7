"""Makes the plan of a push from a snapshot, or refuses. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from promptsync.compare.archived import included_in_archive
from promptsync.compare.conflict import BLOCKING, SKIP_REASONS, Conflict, reason, unusable
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.compare.uncommitted import is_uncommitted
from promptsync.errors import Refused
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile
from promptsync.history.mark import check_message, make_mark, parse_mark, with_mark
from promptsync.project.plan import workspace_of
from promptsync.project.pointers import check_changeable, deploy_command
from promptsync.project.project import Project
from promptsync.prompt.labels import check_release_label
from promptsync.prompt.prompt import Problem
from promptsync.prompt.tags import tag_set
from promptsync.push.actions import PUBLISHING, Action, Ending, Kind, PushOptions, PushPlan, Result
from promptsync.push.snippets import (
    archive_refusal,
    check_references,
    levels,
    live_refusal,
    live_users,
    restore_refusal,
    with_released,
)

_LONGEST_MARK = "(1234567890+ v99999)"
"""Stands for the mark of a version while its number and commit are not known yet."""


def plan_push(project: Project, snapshot: Snapshot, options: PushOptions) -> PushPlan:
    """Return the plan of a push.

    Raises ``InvalidFile`` for files that cannot be read or that lint refuses, ``UsageError`` for names that
    neither side has and for a message that does not fit, ``Refused`` for conflicts and missing snippets,
    ``Unsupported`` for labels that the registry cannot set. Nothing has been written then.
    """
    message = check_options(options)
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    named, force, restore = (
        matching(project, snapshot, names) for names in (options.names, options.force, options.restore)
    )
    exact = [name for name, target in named.items() if target.is_exact]
    options = replace(options, names=tuple(named), force=tuple(force), restore=tuple(restore))
    if stuck := [item for item in snapshot.unusable if item.name in options.names]:
        raise unusable(stuck, "push")
    items = snapshot.only(options.names)
    kinds = {item.name: kind for item in items if (kind := _kind(item, options)) is not None}
    actions = _actions(project, items, kinds, options)
    blocking = [item for item in items if item.state in BLOCKING and item.name not in kinds]
    if blocking and not options.partial:
        raise Conflict(blocking, "push", command=options.command if actions else "")
    files = snapshot.worktree.files
    if errors := _lint_errors(snapshot, [files[name] for name in sorted(kinds) if name in files]):
        raise InvalidFile(errors)
    if options.labels:
        check_changeable(project, next(iter(snapshot.listing.values()), None))
        actions = _with_labels(project, items, actions, options)
    publishing = {action.name for action in actions if action.kind in PUBLISHING}
    check_references(project, snapshot, publishing, options)
    order = {name: level for level, names in enumerate(levels(snapshot, publishing)) for name in names}
    actions = [replace(action, level=order.get(action.name, 0)) for action in actions]
    actions = _with_messages(project, snapshot, actions, message)
    governed = tuple(label for label in sorted(options.labels) if project.governs(label))
    plan = PushPlan(
        actions=tuple(sorted(actions, key=lambda action: (action.level, action.name))),
        skipped=tuple(
            Result(item.name, Ending.SKIPPED, reason(item), state=item.state, blocks=_is_blocked(item))
            for item in items
            if item.state in SKIP_REASONS and item.name not in kinds
        ),
        unfinished=tuple(item.name for item in items if _is_unfinished(project, item)),
        options=options,
        workspace=workspace_of(project) if actions else "",
        governed=governed if options.skip_checks else (),
        snapshot=snapshot,
    )
    # A deploy decides itself about what is live.
    if actions and options.checked_label is None:
        plan = with_released(project, replace(plan, live=live_users(project, snapshot, plan)))
    return replace(plan, refusal=_refusal(project, plan, options, exact))


def _refusal(project: Project, plan: PushPlan, options: PushOptions, exact: Sequence[str]) -> Refused | None:
    """Return why a plan is shown and not carried out."""
    governed = next((label for label in sorted(options.labels) if project.governs(label)), None)
    if governed is not None and not options.skip_checks:
        return Refused(
            f"only promptsync deploy moves {governed}, after the checks; nothing was published",
            hint=deploy_command(project, governed),
            code="governed-label",
        )
    if (refusal := _limit_refusal(project, plan, options)) or options.checked_label is not None:
        return refusal
    return (
        restore_refusal(project, plan)
        or (None if options.skip_checks else live_refusal(project, plan))
        or archive_refusal(project, plan, exact)
    )


def check_options(options: PushOptions) -> str | None:
    """Return the message as it will be used. Raises ``UsageError``; sends no request."""
    for label in options.labels:
        check_release_label(label, "promptsync push")
    return check_message(options.message, _LONGEST_MARK) if options.message is not None else None


# -- what is done with each prompt ----------------------------------------------------------------------


def _kind(item: Item, options: PushOptions) -> Kind | None:
    forced = item.name in options.force
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


def _actions(
    project: Project,
    items: Sequence[Item],
    kinds: Mapping[str, Kind],
    options: PushOptions,
) -> list[Action]:
    restoring = [item for item in items if kinds.get(item.name) is Kind.RESTORE]
    included = included_in_archive(project, restoring) if restoring else {}
    actions = []
    for item in items:
        if item.name not in kinds:
            continue
        kind = kinds[item.name]
        # The numbers of a restored prompt continue from its latest version in the archive.
        latest = item.archived if kind is Kind.RESTORE else item.listed
        action = _action(item, kind, latest.version if latest is not None else None)
        action = replace(action, parents=included.get(item.name, _parents(item, kind, options)))
        if kind is Kind.FORCE and options.checked_label is None and item.file is not None:
            # Who forces a file wants its tags, too; a deploy only wants what is new in it.
            action = replace(action, tags=action.tags | tag_set(item.file.prompt))
        actions.append(action)
    return actions


def _action(item: Item, kind: Kind, current: int | None) -> Action:
    ours = tag_set(item.file.prompt) if item.file is not None else frozenset()
    tags = item.merged_tags if item.file is not None else frozenset()
    return Action(
        name=item.name,
        kind=kind,
        path=item.path,
        current=current,
        local=item.digest,
        remote=item.remote_digest,
        tags=tags,
        kept_tags=tuple(sorted(tags - ours)),
        remote_tags=tag_set(item.listed.prompt) if item.listed is not None else frozenset(),
        was=item.was,
    )


def _parents(item: Item, kind: Kind, options: PushOptions) -> tuple[int, ...] | None:
    """Return the versions that a new one is made from; a forced one includes what the file includes."""
    decision = item.history.decision if item.history is not None else None
    if item.name in options.parents:
        return options.parents[item.name]
    if decision is None or kind not in (Kind.UPDATE, Kind.FORCE):
        return None
    return decision.force if kind is Kind.FORCE else decision.push


def _with_labels(
    project: Project, items: Iterable[Item], actions: Sequence[Action], options: PushOptions
) -> list[Action]:
    """Return the actions with their labels, and one for each prompt that only lacks a label."""
    labelled = [
        replace(action, labels=options.labels) if action.kind is not Kind.ARCHIVE else action
        for action in actions
    ]
    lists = {label: project.registry.prompts.list(label=label) for label in options.labels}
    versions = {(listed.name, label): listed.version for label in lists for listed in lists[label]}
    for item in items:
        if item.state is State.IN_SYNC:
            labels = [label for label in options.labels if versions.get((item.name, label)) != item.version]
            if labels:
                labelled.append(replace(_action(item, Kind.LABEL, item.version), labels=tuple(labels)))
    return labelled


def _is_blocked(item: Item) -> bool:
    """Whether a push is incomplete without a prompt."""
    return item.state in BLOCKING or (item.state is State.INVALID and item.file is not None)


def _is_unfinished(project: Project, item: Item) -> bool:
    """Whether an earlier push published the text and was stopped before it wrote ``synced:``."""
    listed, file = item.listed, item.file
    mark = parse_mark(listed.message) if listed is not None else None
    if item.state is not State.IN_SYNC or listed is None or file is None or mark is None:
        return False
    # A version made from a commit needs no ``synced:``, and with another number the mark is a copied one.
    if (mark.commit is not None and not mark.dirty) or mark.version != listed.version:
        return False
    keys = project.keys_in(file.local.synced)
    return all(key.version != listed.version for key in keys) and is_uncommitted(project, file)


# -- files ----------------------------------------------------------------------------------------------


def _lint_errors(snapshot: Snapshot, files: Sequence[PromptFile]) -> list[Problem]:
    """Return the errors of lint in some files, except at places that have a problem already."""
    if not files:
        return []
    templates = {name: file.prompt.template for name, file in snapshot.worktree.files.items()}
    from promptsync.lint.check import check  # imported only here, because most pushes have nothing to check
    from promptsync.lint.subject import KnownPrompts

    known = KnownPrompts(templates=templates, registry=frozenset(snapshot.listing))
    return [problem for problem in check(files, known, snapshot.problems) if problem.severity == "error"]


# -- messages -------------------------------------------------------------------------------------------


def _with_messages(
    project: Project, snapshot: Snapshot, actions: Sequence[Action], message: str | None
) -> list[Action]:
    items = {item.name: item for item in snapshot.items}
    commits = {items[action.name].origin.commit for action in actions if action.kind in PUBLISHING} - {None}
    described: Mapping[str, tuple[str, str, str]] = {}
    if commits and project.history is not None:
        described = project.history.described({commit for commit in commits if commit is not None})
    return [
        _with_message(action, items[action.name], described, message) if action.kind in PUBLISHING else action
        for action in actions
    ]


def _with_message(
    action: Action, item: Item, described: Mapping[str, tuple[str, str, str]], message: str | None
) -> Action:
    short, subject, _ = described.get(item.origin.commit or "", (None, "", ""))
    mark = make_mark(short, item.origin.dirty, action.next or 1, action.parents)
    if message is not None:
        message = check_message(message, str(mark))
    elif item.origin.dirty:
        # The subject of a commit that does not contain this text would not describe the change.
        word = {Kind.CREATE: "Add", Kind.RESTORE: "Restore"}.get(action.kind, "Update")
        message = f"{word} {action.name}{' (not committed)' if short is not None else ''}"
    else:
        message = subject
    return replace(action, message=with_mark(message, mark, name=action.name))


# -- refusals, and what the fingerprint covers ----------------------------------------------------------


def _limit_refusal(project: Project, plan: PushPlan, options: PushOptions) -> Refused | None:
    """Return the refusal of a plan that changes too many prompts; creations do not count."""
    assert plan.snapshot is not None
    total = sum(1 for name in plan.snapshot.listing if project.config.in_scope(name))
    changed = sum(action.kind in (Kind.UPDATE, Kind.FORCE, Kind.ARCHIVE) for action in plan.actions)
    share, most = project.config.limits_changes, options.max_changes
    if most is not None:
        allowed, is_over = f"--max-changes {most}", changed > most
    else:  # there is no limit for fewer than ten prompts
        allowed, is_over = f"{share:.0%}", total >= 10 and share < 1.0 and changed > share * total
    if not is_over:
        return None
    return Refused(
        f"this plan changes {changed} of {total} prompts; the limit is {allowed}",
        hint=f"{options.command} --max-changes {changed}\npromptsync diff --stat",
        code="too-many-changes",
    )
