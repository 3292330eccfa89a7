"""Undoing releases: labels move back to what was live before, to a version, or to the texts of a commit."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptsync.compare.git_state import find_state
from promptsync.compare.labels import Labelled, deploy_command
from promptsync.compare.versions import read_versions
from promptsync.errors import Refused, UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.git.tree import Tree, files_in, tree_at
from promptsync.files.prompt_file import PromptFile
from promptsync.history.message import shorten, without_mark
from promptsync.labels.plan import (
    LabelChange,
    LabelPlan,
    SkippedLabel,
    change_to,
    existing,
    move_command,
    version_at,
)
from promptsync.labels.version_search import Wanted, versions_with_text
from promptsync.project.project import Project
from promptsync.project.target import At
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import is_own, previous_name, released_name, way_back

_LISTED = 8
_SUBJECT = 50
"""Most characters of a commit's subject that are shown."""


def plan_rollbacks(
    project: Project, prompts: Sequence[tuple[Labelled, int | None]], label: str
) -> tuple[LabelChange, ...]:
    """Plan to undo releases: each label moves to its number, without one as ``plan_rollback`` says.

    What was rolled back already stays, so that a rollback that was stopped can be run again. Raises what
    ``plan_rollback`` raises, also if nothing else is left.
    """
    done = [one for one, to in prompts if to is None and _is_rolled_back(one, label)]
    rest = [(one, to) for one, to in prompts if one not in done]
    if not rest:
        rest, done = [(one, None) for one in done], []
    changes = [plan_rollback(project, one, label, to) for one, to in rest]
    changes += [change_to(one, label, existing(one, label)) for one in done]
    return tuple(sorted(changes, key=lambda change: change.name))


def _is_rolled_back(one: Labelled, label: str) -> bool:
    """Whether a label is not above ``LABEL.previous``, as after each release."""
    now = one.version(label)
    previous = _way_back(one, label, now) if now is not None else None
    return now is not None and previous is not None and previous >= now


def _way_back(one: Labelled, label: str, now: int) -> int | None:
    previous, released = previous_name(label) or "", released_name(label) or ""
    return way_back(now, one.version(previous), one.version(released))


def plan_rollback(project: Project, one: Labelled, label: str, to: int | None) -> LabelChange:
    """Plan to undo a release: move the label to ``to``, by default to the version that it was at before.

    Raises ``Refused``, with a list of versions, if that version is unknown or the label is at or below it
    already, and if ``to`` is above the label.
    """
    now = existing(one, label)
    if to is not None:
        version = version_at(project, one, At(to))
        if version > now:
            raise Refused(
                f"{label!r} of {one.listed.name!r} is at v{now}; v{version} is higher",
                hint=move_command(project, change_to(one, label, version)),
                code="higher-version",
            )
        return change_to(one, label, version)
    remembered = previous_name(label)
    if remembered is None:
        raise UsageError(
            f"{label!r} records the previous version of another label and has none itself",
            hint="specify the version: --to N",
        )
    previous = _way_back(one, label, now)
    if previous is None:
        raise _refusal(project, one, label, f"there is no {remembered!r} that records what was live before")
    if _is_rolled_back(one, label):
        raise _refusal(project, one, label, "its last release was rolled back already")
    return change_to(one, label, previous)


def _refusal(project: Project, one: Labelled, label: str, why: str) -> Refused:
    name = one.listed.name
    return Refused(
        f"{label!r} of {name!r} is at v{one.version(label)}, and {why}",
        hint=f"promptsync rollback {shlex.quote(name)} --label {shlex.quote(label)} --to N",
        details=_versions(project, one),
        code="nothing-to-roll-back",
    )


def _versions(project: Project, one: Labelled) -> list[str]:
    lines = []
    for found in read_versions(project, one.listed, _LISTED):
        here = (name for name, at in one.labels.items() if at.version == found.version)
        labels = " ".join(sorted(filter(is_own, here)))
        message = without_mark(found.message)
        lines.append("  ".join(part for part in (f"v{found.version}", labels, message) if part))
    return lines


# -- to a commit --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TargetCommit:
    """The commit that a rollback goes to. ``ref`` is how it was specified, ``title`` names it for people."""

    ref: str
    id: str
    title: str


def find_target(project: Project, ref: str) -> TargetCommit:
    """Return the commit that ``--to REF`` means. Sends no request.

    Raises ``PromptsyncError`` with the way out where there is no git or this clone lacks the commit.
    """
    history = project.history
    if history is None:
        raise UsageError(
            f"--to {ref} is neither a version nor a commit: {project.root} is not in a git repository",
            hint="promptsync rollback NAME --label LABEL --to N",
            code="no-repository",
        )
    start, dots, _ = ref.partition("..")
    if dots:
        raise UsageError(
            f"--to {ref} is a range of commits",
            hint=f"--to {shlex.quote(start or 'HEAD~1')}",
            code="revision",
        )
    commit = find_state(history, ref, "--to")
    if commit is None:
        raise UsageError(
            f"--to {ref} is the state before the first commit, which has no prompts",
            hint="--to HEAD~1",
            code="revision",
        )
    short, subject, _ = history.described([commit])[commit]
    return TargetCommit(ref, commit, f"{short} ({shorten(subject, _SUBJECT)})" if subject else short)


def plan_rollback_to_commit(
    project: Project, prompts: Sequence[Labelled], label: str, target: TargetCommit
) -> LabelPlan:
    """Plan to point the label of each prompt at the version that has the text of its file in a commit.

    A prompt without such a version is skipped, and one whose version was never live, because a rollback
    releases nothing new; if nothing else is left to move, the plan is refused. Raises ``NoSuchVersion`` for a
    prompt without the label.
    """
    versions = {one.listed.name: existing(one, label) for one in prompts}
    files = _Files(project, target, versions)
    files_of = ((one, files.found.get(one.listed.name)) for one in prompts)
    wanted = [Wanted(one, file) for one, file in files_of if isinstance(file, PromptFile)]
    found = versions_with_text(project, label, wanted)
    changes, skipped = [], []
    for one in prompts:
        name = one.listed.name
        version = found.get(name)
        if version is None:
            skipped.append(files.skipped(name, label, versions[name]))
        elif version > versions[name] and version not in _known_live(one, label):
            reason = f"v{version} has its text in {target.ref}, but is not known to have been live"
            hint = deploy_command(project, label)
            if one.is_on_hold(label, version):  # a deploy would keep it on hold
                hint = f"promptsync label move {shlex.join([f'{name}@{version}', label])}"
            skipped.append(SkippedLabel(name, label, versions[name], reason, hint=hint))
        else:
            changes.append(change_to(one, label, version))
    stays = all(change.old == change.new for change in changes)
    return LabelPlan(
        tuple(changes),
        together=True,
        refusal=_nothing_moves([one for one in skipped if one.differs]) if stays else None,
        skipped=tuple(skipped),
        commit=target.title,
    )


def _known_live(one: Labelled, label: str) -> set[int | None]:
    return {one.version(name) for name in (previous_name(label), released_name(label)) if name is not None}


def _nothing_moves(skipped: Sequence[SkippedLabel]) -> Refused | None:
    if not skipped:
        return None
    first = skipped[0]
    more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
    name, label = shlex.quote(first.name), shlex.quote(first.label)
    others = (f"promptsync log {name}", f"promptsync rollback {name} --label {label} --to N")
    return Refused(
        f"{first.label!r} of {first.name!r} stays at v{first.version}: {first.reason}{more}; "
        "no label was changed",
        hint=first.hint or "\n".join(others),
        code="nothing-to-roll-back",
    )


class _Files:
    """The prompts in the files of a commit, or why a prompt has none."""

    def __init__(self, project: Project, target: TargetCommit, names: Iterable[str]) -> None:
        history, prompts, wanted = project.history, project.config.prompts, set(names)
        assert history is not None
        self._ref = target.ref
        self.found: dict[str, PromptFile | str] = {}
        for name, file in files_in(history, tree_at(history, target.id, prompts), wanted):
            self._add(name, file)
        absent = wanted - self.found.keys()
        at_head = tree_at(history, "HEAD", prompts) if absent else Tree({})
        self._new = {name for name, _ in files_in(history, at_head, absent)}

    def _add(self, name: str, file: PromptFile | InvalidFile) -> None:
        other = self.found.get(name)
        if isinstance(file, InvalidFile):
            self.found[name] = f"its file in {self._ref} cannot be read: {file.message}"
        elif isinstance(other, PromptFile) and digest(other.prompt) != digest(file.prompt):
            self.found[name] = f"two files in {self._ref} have its name"
        elif other is None:
            self.found[name] = file

    def skipped(self, name: str, label: str, version: int) -> SkippedLabel:
        """Return why the label of a prompt stays where it is."""
        found = self.found.get(name)
        if found is None:
            hint = f"promptsync label delete {shlex.quote(name)} {shlex.quote(label)}"
            reason, is_new = f"{self._ref} has no such prompt", name in self._new
            return SkippedLabel(name, label, version, reason, is_new, hint)
        reason = found if isinstance(found, str) else f"its text in {self._ref} was never published"
        return SkippedLabel(name, label, version, reason)
