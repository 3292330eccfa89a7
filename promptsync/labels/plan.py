"""Plans of label changes, made before anything is written: of moves, and of rollbacks, also to a commit."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

import msgspec

from promptsync.compare.content import has_text
from promptsync.compare.git_state import find_state, too_shallow
from promptsync.compare.released import direct_users
from promptsync.errors import Refused, UsageError
from promptsync.history.graph import Lineage
from promptsync.history.mark import parse_mark, shorten
from promptsync.parallel import mapped
from promptsync.project.plan import fingerprint
from promptsync.project.project import Project
from promptsync.project.target import At
from promptsync.project.versions import Labelled, deploy_command, find_number, no_such_version, read_usable
from promptsync.prompt.labels import SUFFIX, is_own, names_of
from promptsync.prompt.prompt import Version


class LabelChange(msgspec.Struct, frozen=True):
    """A label of one prompt that moves from one version to another; ``None`` means that there is no label.

    ``records`` says that the labels that remember its history follow even if it is there already.
    ``is_snippet`` says that other prompts may render what has the label, and ``is_on_hold`` that the label
    was moved back from the version.
    """

    name: str
    template_id: int
    label: str
    old: int | None
    new: int | None
    records: bool = False
    is_snippet: bool = False
    is_on_hold: bool = False

    @property
    def is_lower(self) -> bool:
        """Whether the label moves to a lower version, which undoes a release."""
        return self.old is not None and self.new is not None and self.new < self.old


class SkippedLabel(msgspec.Struct, frozen=True):
    """A label that stays at ``version`` although a commit was specified, and why."""

    name: str
    label: str
    version: int
    reason: str


class LabelPlan(msgspec.Struct, frozen=True):
    """Labels to change, all of them or none.

    ``refusal`` is why none of them may be changed.
    ``commit`` is the git commit whose versions the labels move to, as people write it; ``skipped`` are labels
    that cannot move there. ``workspace`` is part of the fingerprint.
    """

    changes: tuple[LabelChange, ...]
    refusal: Refused | None = None
    commit: str = ""
    skipped: tuple[SkippedLabel, ...] = ()
    workspace: str = ""

    @property
    def pending(self) -> tuple[LabelChange, ...]:
        """The changes of labels that are not yet where they should be."""
        return tuple(change for change in self.changes if change.old != change.new)

    @property
    def is_empty(self) -> bool:
        return not self.pending

    @property
    def destructive(self) -> tuple[str, ...]:
        kinds = ("deleting a label" if change.new is None else "moving a label" for change in self.pending)
        return tuple(dict.fromkeys(kinds))

    @property
    def fingerprint(self) -> str:
        changes = [[change.name, change.label, change.old, change.new] for change in self.changes]
        return fingerprint([self.workspace, changes])


def plan_moves(
    project: Project,
    moves: Sequence[tuple[Labelled, int]],
    label: str,
    *,
    force: bool = False,
    creates: bool = False,
) -> LabelPlan:
    """Plan to point a label of prompts at versions: at lower ones only with ``force``.

    With ``creates`` the label must be new.
    """
    changes = tuple(change_to(prompt, label, version) for prompt, version in moves)
    if creates:
        refused = [change for change in changes if change.old is not None and change.old != change.new]
    else:
        refused = [] if force else [change for change in changes if change.is_lower]
    if not refused:
        return LabelPlan(changes)
    first = refused[0]
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    if creates:
        why, code = f"{first.name!r} already has the label {label!r}, at v{first.old}", "label-exists"
        hint = move_command(project, first)
    else:
        why, code = f"{label!r} of {first.name!r} is at v{first.old}; v{first.new} is older", "lower-version"
        hint = _rollback_command(first)
        if not project.governs(label):
            hint += f"\n{_move_command(first)} --force"
    return LabelPlan(changes, refusal=Refused(f"{why}{more}; no label was changed", hint=hint, code=code))


def guarded(project: Project, plan: LabelPlan, source: str | None = None) -> LabelPlan:
    """Return a plan of single labels, refused if it changes a governed one, for which there are other verbs.

    ``source`` is the label by which the version was specified.
    """
    change = next((change for change in plan.pending if project.governs(change.label)), None)
    if change is None or plan.refusal is not None:
        return plan
    label = change.label
    what, hint = f"{label} moves only with deploy, promote or rollback", move_command(project, change)
    if change.new is None:
        what, hint = f"{change.name!r} is live under {label}", delete_command(change.name, label)
    elif change.is_lower:
        what = f"only promptsync rollback moves {label} to a lower version"
    elif source is not None:
        names = [pending.name for pending in plan.pending]
        hint = shlex.join(["promptsync", "promote", source, label, *names])
    refusal = Refused(f"{what}; no label was changed", hint=hint, code="governed-label")
    return msgspec.structs.replace(plan, refusal=refusal)


def delete_command(name: str, label: str) -> str:
    """Return the command that deletes a governed label of a prompt, which is not live then."""
    return f"promptsync label delete {shlex.join([name, label])} --skip-checks"


def move_command(project: Project, change: LabelChange) -> str:
    """Return the command for a move: if the label is governed, ``deploy``, or ``rollback`` to go down."""
    if not project.governs(change.label):
        return _move_command(change)
    return _rollback_command(change) if change.is_lower else deploy_command(project, change.label)


def _rollback_command(change: LabelChange) -> str:
    return shlex.join(["promptsync", "rollback", f"{change.name}@{change.new}", "--label", change.label])


def _move_command(change: LabelChange) -> str:
    return f"promptsync label move {shlex.join([change.name, change.label])} --to {change.new}"


def change_to(prompt: Labelled, label: str, version: int) -> LabelChange:
    """Return the change that moves a label of a prompt to a version."""
    listed = prompt.listed
    return LabelChange(
        listed.name,
        listed.template_id,
        label,
        prompt.labels.get(label),
        version,
        is_snippet=listed.prompt.may_be_snippet,
        is_on_hold=prompt.position(label).holds(version),
    )


def existing(prompt: Labelled, label: str) -> int:
    """Return the version under a label. Raises ``NoSuchVersion`` for an unknown one."""
    version = prompt.labels.get(label)
    if version is None:
        raise no_such_version(prompt.listed, At(label=label), list(prompt.labels))
    return version


def check_unused(project: Project, listed: Version, label: str) -> None:
    """Raise ``Refused`` if prompts refer to ``label`` of this snippet: without it they cannot be rendered.

    If the registry cannot list those prompts, nothing is raised.
    """
    if users := direct_users(project, listed, label):
        raise Refused(
            f"{', '.join(map(repr, sorted(users)))} refer to {listed.name!r} by its label {label!r} and "
            "cannot be rendered without it",
            hint="publish them with another reference first, or add --force",
            code="label-in-use",
        )


# -- rollbacks ----------------------------------------------------------------------------------------------


def plan_rollbacks(project: Project, prompts: Sequence[tuple[Labelled, int | None]], label: str) -> LabelPlan:
    """Plan to undo releases: each label moves to its number, without one to where it was before.

    What was rolled back already stays, so that a rollback that was stopped can be run again. Raises
    ``Refused`` if nothing else is left, if the version before is unknown, and if a number is above the label.
    """
    changes = tuple(_rollback(project, prompt, label, number) for prompt, number in prompts)
    if all(number is None for _, number in prompts) and all(change.old == change.new for change in changes):
        released = prompts[0][0].position(label).released
        raise _refusal(prompts[0][0], label, f"v{released} was rolled back already")
    return LabelPlan(changes)


def _rollback(project: Project, prompt: Labelled, label: str, number: int | None) -> LabelChange:
    now = existing(prompt, label)
    if number is None:
        if not is_own(label):
            what = f"{label!r} records the previous version of another label and has none itself"
            raise UsageError(what, hint="add --to N")
        before = prompt.position(label).way_back
        if before is None:
            why = f"no {label + SUFFIX!r} records the version before it"
            raise _refusal(prompt, label, why)
        return change_to(prompt, label, min(now, before))
    change = change_to(prompt, label, find_number(project, prompt.listed, At(number), prompt.labels))
    if number > now:
        raise Refused(
            f"{label!r} of {change.name!r} is at v{now}; v{number} is newer",
            hint=move_command(project, change),
            code="higher-version",
        )
    return change


def _refusal(prompt: Labelled, label: str, why: str, hint: str = "", more: int = 0) -> Refused:
    """Return why no label moves; ``more`` prompts stay, too."""
    name, version = shlex.quote(prompt.listed.name), prompt.labels.get(label)
    to = f"\npromptsync rollback {name} --label {shlex.quote(label)} --to N" if version != 1 else ""
    others = f" (and {more} more)" if more else ""
    return Refused(
        f"{label!r} of {prompt.listed.name!r} stays at v{version}: {why}{others}; no label was changed",
        hint=hint or f"promptsync log {name}{to}",
        code="nothing-to-roll-back",
    )


# -- to a commit --------------------------------------------------------------------------------------------


class TargetCommit(msgspec.Struct, frozen=True):
    """A commit whose versions the labels move to. ``ref`` is the argument, ``title`` its name for people."""

    ref: str
    id: str
    title: str


def find_target(project: Project, ref: str) -> TargetCommit:
    """Return the commit that ``--to REF`` means. Sends no request.

    Raises ``PromptsyncError`` with the way out where there is no git or this clone lacks the commit.
    """
    history = project.history
    commit = find_state(history, ref, "--to") if history is not None else None
    if history is None or commit is None:
        what = "is before the first commit"
        if history is None:
            what = f"is neither a version nor a commit: {project.root} is not in a git repository"
        hint = "promptsync rollback NAME --label LABEL --to N"
        raise UsageError(f"--to {ref} {what}", hint=hint, code="no-commit")
    short, subject, _ = history.described([commit])[commit]
    return TargetCommit(ref, commit, f"{short} ({shorten(subject, 50)})" if subject else short)


def plan_rollback_to_commit(
    project: Project, prompts: Sequence[Labelled], label: str, target: TargetCommit
) -> LabelPlan:
    """Plan to point the label of each prompt at the version that was published from a commit.

    The marks of versions say from which commits they were published. A prompt that the commit lacks is
    skipped, and one whose version was never live, because a rollback releases nothing new. The plan is
    refused if nothing else is left to move, and if the version of a prompt in the commit is unknown. Raises
    ``NoSuchVersion`` for a prompt without the label.
    """
    for prompt in prompts:
        existing(prompt, label)
    assert project.revisions is not None
    lineages = project.revisions.of([prompt.listed.name for prompt in prompts], [target.id])
    commits = {name: _commits_with(lineage, target) for name, lineage in lineages.items()}
    versions = _published(project, prompts, label, commits)
    changes, skipped = [], []
    stuck, unknown = list[tuple[Labelled, str, str]](), list[tuple[Labelled, str, str]]()
    for prompt in prompts:
        name, now, lineage = prompt.listed.name, existing(prompt, label), lineages[prompt.listed.name]
        version, content = versions.get(name), _content(lineage, target)
        if version is None and content is not None:
            # What is live may have that content, whoever published it.
            text = lineage.texts.get(content)
            is_same = text is not None and has_text(project, read_usable(project, prompt.listed, now), text)
            version = now if is_same else None
        if version is not None and (version <= now or version in _near(prompt, label)):
            changes.append(change_to(prompt, label, version))
            continue
        reason, hint = _why(project, prompt, label, version, target, is_there=content is not None)
        skipped.append(SkippedLabel(name, label, now, reason))
        if version is None and content is not None:
            unknown.append((prompt, reason, hint))
        # A prompt that has no file, here or in the commit, is no part of any release.
        if content is not None or (lineage.newest is not None and lineage.newest.digest is not None):
            stuck.append((prompt, reason, hint))
    plan = LabelPlan(tuple(changes), skipped=tuple(skipped), commit=target.title)
    stuck = unknown or (stuck if plan.is_empty else [])
    if not stuck:
        return plan
    (first, reason, hint), *others = stuck
    refusal = _refusal(first, label, reason, hint, more=len(others))
    if unknown and not hint and not plan.is_empty:
        names = [change.name for change in plan.changes]
        command = shlex.join(["promptsync", "rollback", *names, "--label", label, "--to", target.ref])
        refusal = refusal.replaced(hint=f"{refusal.hint.splitlines()[-1]}\n{command}")
    return msgspec.structs.replace(plan, refusal=refusal)


def _content(lineage: Lineage, target: TargetCommit) -> str | None:
    """Return the digest of a prompt in the commit, ``None`` if the commit does not have it."""
    place = lineage.commits[target.id]
    return lineage.revisions[place].digest if place is not None else None


def _commits_with(lineage: Lineage, target: TargetCommit) -> set[str]:
    """Return the commits up to the target that have its content of a prompt: marks name one of them."""
    place, content = lineage.commits[target.id], _content(lineage, target)
    if place is None or content is None:
        return set()
    revisions = (lineage.revisions[lower] for lower in lineage.reached(place))
    return {revision.commit for revision in revisions if revision.digest == content}


def _why(
    project: Project,
    prompt: Labelled,
    label: str,
    version: int | None,
    target: TargetCommit,
    *,
    is_there: bool,
) -> tuple[str, str]:
    """Return why the label of a prompt stays where it is, and what to run, if that is special."""
    if version is not None:
        hint = deploy_command(project, label)
        if prompt.position(label).holds(version):  # a deploy would keep it on hold
            hint = f"promptsync label move {shlex.join([f'{prompt.listed.name}@{version}', label])}"
            hint += " --skip-checks" if project.governs(label) else ""
        return f"v{version} matches {target.ref}, but is not known to have been live", hint
    if not is_there:
        return f"{target.ref} has no such prompt in {project.config.prompts}/", ""
    if project.history is not None and project.history.shallow:  # it may lack the commits of marks
        error = too_shallow(f"which version was published from {target.ref}")
        return error.message, error.hint
    return f"no version was published from its content in {target.ref}", ""


def _near(prompt: Labelled, label: str) -> list[int]:
    """Return the versions that are or were live, according to the labels."""
    position = prompt.position(label)
    versions = (position.version, position.way_back, position.released)
    return [version for version in dict.fromkeys(versions) if version is not None]


def _published(
    project: Project, prompts: Sequence[Labelled], label: str, commits: Mapping[str, Collection[str]]
) -> dict[str, int]:
    """Return by name which version was published from one of the prompt's ``commits``.

    Of several it is the one under the label, then one that was live, then the newest one.
    """
    # Lists have the messages of the versions under a label and those beside it.
    names = names_of(label) if len(prompts) > 1 else ()
    lists = mapped(lambda name: project.registry.prompts.list(label=name), names)
    messages = {(listed.template_id, listed.version): listed.message for listed in chain(*lists)}

    def find(prompt: Labelled) -> int | None:
        for number in chain(_near(prompt, label), range(prompt.listed.version, 0, -1)):
            key = prompt.listed.template_id, number
            if key not in messages:
                version = read_usable(project, prompt.listed, number)
                messages[key] = version.message if version is not None else None
            mark = parse_mark(messages[key])
            # The mark of another version was copied with its message.
            if mark is None or mark.version != number or mark.commit is None or mark.dirty:
                continue
            if any(commit.startswith(mark.commit) for commit in commits[prompt.listed.name]):
                return number
        return None

    known = [prompt for prompt in prompts if commits[prompt.listed.name]]
    numbers = project.mapped("Reading versions", find, known)
    pairs = zip(known, numbers, strict=True)
    return {prompt.listed.name: number for prompt, number in pairs if number is not None}
