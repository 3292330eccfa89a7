"""Makes the plan of a push from a snapshot, or refuses. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from promptsync.compare.archived import included_in_archive
from promptsync.compare.conflict import BLOCKING, SKIP_REASONS, Conflict, reason, unusable
from promptsync.compare.pins import find_pins
from promptsync.compare.snapshot import Item, Snapshot, matching
from promptsync.compare.state import State
from promptsync.compare.uncommitted import is_uncommitted
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile
from promptsync.history.mark import check_message, make_mark, parse_mark, with_mark
from promptsync.parallel import in_background
from promptsync.project.plan import workspace_of
from promptsync.project.project import Project
from promptsync.prompt.labels import check_release_label
from promptsync.prompt.prompt import Problem
from promptsync.prompt.tags import tag_set
from promptsync.push.actions import (
    PUBLISHING,
    Action,
    Kind,
    PushOptions,
    PushPlan,
    SkippedPrompt,
    limit_refusal,
    with_levels,
)
from promptsync.push.labels import check_labels, governed_labels, governed_refusal, with_referred_labels
from promptsync.push.order import check_snippet_labels, check_snippets, levels, users_of_conflicts

_LONGEST_MARK = "(1234567890+ v99999)"
"""Stands for the mark of a version while its number and commit are not known yet."""


def plan_push(project: Project, snapshot: Snapshot, options: PushOptions) -> PushPlan:
    """Return the plan of a push.

    Raises ``InvalidFile`` for files that cannot be read or that lint refuses, ``UsageError`` for names that
    neither side has and for a message that does not fit, ``Refused`` for conflicts, missing snippets and
    limits, ``Unsupported`` for labels that the registry cannot set. Nothing has been written then.
    """
    message = check_options(options)
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    exact, options = options.names, replace(options, names=matching(snapshot, options.names))
    if found := [item for item in snapshot.unusable if item.name in options.names]:
        raise unusable(found, "push")
    items = snapshot.only(options.names)
    actions = _actions(project, items, options)
    chosen = {action.name for action in actions}
    blocking = [item for item in items if item.state in BLOCKING and item.name not in chosen]
    if blocking and not options.partial:
        raise Conflict(blocking, "push", command=options.command if actions else "")
    skipped = tuple(
        SkippedPrompt(item.name, item.state, reason(item), _is_blocked(item))
        for item in items
        if item.state in SKIP_REASONS and item.name not in chosen
    )
    waiting = users_of_conflicts(snapshot, actions, options)
    actions = [action for action in actions if action.name not in waiting]
    skipped = tuple(sorted((*skipped, *waiting.values()), key=lambda one: one.name))
    chosen = {action.name for action in actions}
    _check_files(snapshot, chosen)
    actions = list(_with_labels(project, snapshot, items, actions, options))
    actions = with_referred_labels(actions, snapshot)
    check_labels(project, snapshot.listing, actions)
    chosen = {action.name for action in actions if action.kind in PUBLISHING}
    ordered = with_levels(actions, levels(snapshot, chosen))
    check_snippets(snapshot, chosen)
    if options.checked_label is None:  # a deploy labels snippets before it publishes what uses them
        check_snippet_labels(project, snapshot, ordered)
    governed = governed_labels(project, ordered, options)
    with in_background(lambda: workspace_of(project) if actions else "") as workspace:
        described = _with_messages(project, snapshot, ordered, message)
        unfinished = tuple(item.name for item in items if _is_unfinished(project, item))
        place = workspace()
    total = sum(1 for name in snapshot.listing if project.config.in_scope(name))
    plan = PushPlan(
        actions=described,
        skipped=skipped,
        unfinished=unfinished,
        options=_options(options),
        workspace=place,
        total=total,
        refusal=governed_refusal(project, governed, ordered, options)
        or limit_refusal(actions, total, options, limit=project.config.limits_changes),
        governed=governed if options.skip_checks else (),
        checked_label=options.checked_label,
        snapshot=snapshot,
    )
    return _with_production(project, plan, options, exact)


def _with_production(
    project: Project, plan: PushPlan, options: PushOptions, exact: Collection[str]
) -> PushPlan:
    """Return a plan with what it would change in production at once, and the refusal that follows."""
    kinds = {action.kind for action in plan.actions}
    if not kinds or options.checked_label is not None:  # a deploy decides that itself
        return plan
    from promptsync.push.live import with_live_users, with_released_labels  # only some pushes need it

    plan = with_live_users(project, plan, skip_checks=options.skip_checks)
    return with_released_labels(project, plan, exact) if kinds & {Kind.ARCHIVE, Kind.RESTORE} else plan


def with_pins(project: Project, plan: PushPlan) -> PushPlan:
    """Return a plan with the pins that it leaves behind, or that what it publishes should not have."""
    if plan.snapshot is None or not plan.publishing:
        return plan
    found = find_pins(project, plan.snapshot, plan.new_texts)
    return replace(plan, pins=found.changed_by([action.name for action in plan.publishing]))


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


def check_options(options: PushOptions) -> str | None:
    """Return the message as it will be used. Raises ``UsageError``; sends no request."""
    for label in options.labels:
        check_release_label(label, "promptsync push")
    return check_message(options.message, _LONGEST_MARK) if options.message is not None else None


def _actions(project: Project, items: Sequence[Item], options: PushOptions) -> list[Action]:
    kinds = {item.name: _kind(item, options) for item in items}
    archived, restored = {}, {}
    if restoring := [item for item in items if kinds[item.name] is Kind.RESTORE]:
        # The numbers of a restored prompt continue from its latest version in the archive.
        archived = {one.name: one for one in project.registry.prompts.list(status="deleted")}
        restored = included_in_archive(project, restoring, archived)
    actions = []
    for item in items:
        if (kind := kinds[item.name]) is not None:
            was = archived.get(item.name) if kind is Kind.RESTORE else item.listed
            action = _for(item, kind, was.version if was is not None else None)
            parents = restored.get(item.name, _parents(item, kind, options))
            action = replace(action, parents=parents, archived=archived.get(item.name))
            if kind is Kind.FORCE and options.checked_label is None and item.file is not None:
                # Who forces a file wants its tags, too; a deploy only wants what is new in it.
                action = replace(action, tags=action.tags | tag_set(item.file.prompt))
            actions.append(action)
    return actions


def _parents(item: Item, kind: Kind, options: PushOptions) -> tuple[int, ...] | None:
    """Return the versions that a new one is made from; a forced one includes what the file includes."""
    decision = item.history.decision if item.history is not None else None
    if item.name in options.parents:
        return options.parents[item.name]
    if decision is None or kind not in (Kind.UPDATE, Kind.FORCE):
        return None
    return decision.force if kind is Kind.FORCE else decision.push


def _for(item: Item, kind: Kind, current: int | None, labels: tuple[str, ...] = ()) -> Action:
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
        labels=labels,
        was=item.was,
    )


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


def _check_files(snapshot: Snapshot, chosen: set[str]) -> None:
    files = [snapshot.worktree.files[name] for name in sorted(chosen) if name in snapshot.worktree.files]
    errors = _lint_errors(snapshot, files)
    if errors:
        raise InvalidFile(errors)


def _lint_errors(snapshot: Snapshot, files: Sequence[PromptFile]) -> list[Problem]:
    """Return the errors of lint in some files, except at places that have a problem already."""
    if not files:
        return []
    templates = {name: file.prompt.template for name, file in snapshot.worktree.files.items()}
    from promptsync.lint.check import check  # imported only here, because most pushes have nothing to check
    from promptsync.lint.subject import KnownPrompts

    known = KnownPrompts(templates=templates, registry=frozenset(snapshot.listing))
    return [one for one in check(files, known, snapshot.problems) if one.severity == "error"]


def _with_labels(
    project: Project,
    snapshot: Snapshot,
    items: Sequence[Item],
    actions: Sequence[Action],
    options: PushOptions,
) -> Iterable[Action]:
    """Yield the actions with their labels, and one for each prompt that only lacks a label."""
    if not options.labels:
        yield from actions
        return
    pointing = {
        label: {one.name: one.version for one in project.registry.prompts.list(label=label)}
        for label in options.labels
    }
    for action in actions:
        yield replace(action, labels=options.labels) if action.kind is not Kind.ARCHIVE else action
    for item in items:
        if item.state is not State.IN_SYNC or item.listed is None:
            continue
        missing = tuple(label for label in options.labels if pointing[label].get(item.name) != item.version)
        if missing:
            yield _for(item, Kind.LABEL, item.version, missing)


def _with_messages(
    project: Project, snapshot: Snapshot, actions: Sequence[Action], message: str | None
) -> tuple[Action, ...]:
    items = {item.name: item for item in snapshot.items}
    history = project.history if actions else None
    commits = {
        commit
        for action in actions
        if action.next is not None and (commit := items[action.name].origin.commit) is not None
    }
    described: Mapping[str, tuple[str, str, str]] = history.described(commits) if history is not None else {}
    return tuple(
        _with_message(action, items[action.name], described, message) if action.kind in PUBLISHING else action
        for action in actions
    )


_WORDS = {Kind.CREATE: "Add", Kind.RESTORE: "Restore"}


def _with_message(
    action: Action, item: Item, described: Mapping[str, tuple[str, str, str]], message: str | None
) -> Action:
    short, subject, _ = described.get(item.origin.commit or "", (None, "", ""))
    mark = make_mark(short, item.origin.dirty, action.next or 1, action.parents)
    if message is not None:
        message = check_message(message, str(mark))
    else:
        # The subject of a commit that does not contain this text would not describe the change.
        word, place = _WORDS.get(action.kind, "Update"), " (not committed)" if short is not None else ""
        message = f"{word} {action.name}{place}" if item.origin.dirty else subject
    return replace(action, message=with_mark(message, mark, name=action.name))


def _options(options: PushOptions) -> dict[str, object]:
    return {
        "labels": sorted(options.labels),
        "partial": options.partial,
        "force": sorted(options.force),
        "restore": sorted(options.restore),
        "prune": options.prune,
        "skip_checks": options.skip_checks,
        "names": sorted(options.names),
    }
