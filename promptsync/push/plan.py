"""Makes the plan of a push from a snapshot, or refuses. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from promptsync.compare.conflict import BLOCKING, SKIP_REASONS, conflict, may_have_moved, reason, unusable
from promptsync.compare.content import content_of
from promptsync.compare.git_state import is_uncommitted, too_shallow
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.compare.snippet_users import release_pointers
from promptsync.files.prompt_file import PromptFile
from promptsync.files.yaml.load import check_valid
from promptsync.history.mark import check_message, identity, make_mark, parse_mark, with_mark
from promptsync.project.plan import workspace_of
from promptsync.project.project import Project
from promptsync.project.versions import check_changeable
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import check_release_label
from promptsync.prompt.prompt import Problem, Version, tag_set
from promptsync.prompt.snippets import publish_order, rendered_in
from promptsync.push.actions import PUBLISHING, Action, Ending, Kind, PushOptions, PushPlan, Result
from promptsync.push.refusals import check_references, check_restorable, live_users, refusal

_LONGEST_MARK = "(1234567890+ v99999)"
"""Stands for the mark of a version while its number and commit are not known yet."""

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
            Result(
                item.name,
                Ending.SKIPPED,
                reason(item),
                state=item.state,
                blocks=item.state in BLOCKING or (item.state is State.INVALID and item.file is not None),
            )
            for item in items
            if item.state in SKIP_REASONS and item.name not in kinds
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
    return replace(plan, refusal=refusal(project, plan, exact))


def check_options(options: PushOptions) -> str | None:
    """Return the message as it will be used. Raises ``UsageError``; sends no request."""
    for label in options.labels:
        check_release_label(label, "promptsync push")
    return check_message(options.message, _LONGEST_MARK) if options.message is not None else None


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


def _lacking(item: Item, under: _Under) -> tuple[str, ...]:
    """Return the labels that do not point at the version of a prompt."""
    return tuple(label for label, versions in under.items() if versions.get(item.name) != item.version)


def _actions(
    project: Project, items: Sequence[Item], kinds: Mapping[str, Kind], options: PushOptions, under: _Under
) -> list[Action]:
    restoring = [item for item in items if kinds[item.name] is Kind.RESTORE]
    if restoring:
        check_restorable(project, restoring)
    gone = [item.listed for item in items if kinds[item.name] is Kind.ARCHIVE and item.listed is not None]
    released = release_pointers(project, gone) if gone else {}
    commits = {item.origin.commit for item in items if kinds[item.name] in PUBLISHING} - {None}
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
            short, subject, _ = described.get(item.origin.commit or "", (None, "", ""))
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
    mark = make_mark(short, action.item.origin.dirty, action.next or 1, action.parents)
    if message is not None:
        subject = check_message(message, str(mark))
    elif action.item.origin.dirty:
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
    keys = project.keys_in(file.local.synced)
    return all(key.version != listed.version for key in keys) and is_uncommitted(project, file)


def _lint_errors(snapshot: Snapshot, files: Sequence[PromptFile]) -> list[Problem]:
    """Return the errors of lint in some files, except at places that have a problem already."""
    if not files:
        return []
    templates = {name: file.prompt.template for name, file in snapshot.worktree.files.items()}
    from promptsync.lint.check import check  # imported only here, because most pushes have nothing to check
    from promptsync.lint.rules import KnownPrompts

    known = KnownPrompts(templates=templates, registry=frozenset(snapshot.listing))
    return [problem for problem in check(files, known, snapshot.problems) if problem.severity == "error"]
