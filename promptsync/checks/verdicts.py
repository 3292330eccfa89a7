"""What speaks against moving a label by hand to a version: its checks, and what a release breaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct

from promptsync.checks.assignment import select_checks
from promptsync.checks.results import CheckResult
from promptsync.checks.tables import past_results
from promptsync.checks.tested_text import UNREADABLE, TestedTexts, rendered_changes, wanted_of
from promptsync.compare.gather import gather
from promptsync.compare.released import LiveTexts, follows, named_users
from promptsync.compare.snapshot import Snapshot
from promptsync.errors import PromptsyncError, UsageError
from promptsync.files.cache import Cache
from promptsync.files.prompt_file import PromptFile, scan
from promptsync.files.yaml.load import InvalidFile
from promptsync.labels.plan import LabelChange
from promptsync.project.versions import deploy_command
from promptsync.prompt.contract import contract_changes, new_needs
from promptsync.prompt.labels import position_of

if TYPE_CHECKING:
    from promptsync.project.project import Project
    from promptsync.prompt.prompt import Version

About = Literal["failed", "unchecked", "passed", "live", "still-live", "on-hold", "contract"]

_OBJECTIONS: Final[dict[About, str]] = {
    "failed": "failed its checks",
    "unchecked": "has no passing check",
    "live": "is unchecked in live prompts",
    "still-live": "stays live where it is not pinned",
    "on-hold": "is on hold",
    "contract": "breaks applications",
}

_UNKNOWN: About = "unchecked"


class Verdict(Struct, frozen=True):
    """What is known about one version of a prompt.

    ``about`` is what its checks say (``unchecked`` if that is unknown), or what else speaks against a move
    to it: live prompts render the version as soon as a label moves (``live``) or also after it moved down
    (``still-live``), the version is on hold, or applications break. ``reason`` has the details, ``result``
    those of a complete run.
    """

    name: str
    version: int
    about: About
    reason: str = ""
    result: CheckResult | None = None

    @property
    def failed(self) -> bool:
        """Whether it ran its checks and did not pass."""
        return self.about == "failed"

    @property
    def objection(self) -> str:
        """What speaks against the version, as the rest of a sentence about it."""
        return _OBJECTIONS.get(self.about, "")

    def __str__(self) -> str:
        return f"{self.objection}: {self.reason}"


def warnings_of(project: Project, changes: Sequence[LabelChange], up: Sequence[LabelChange]) -> list[Verdict]:
    """Return what speaks against moving labels; ``up`` are the moves that release something.

    Costs no request for labels that nothing governs, for prompts without checks, and for labels that go.
    """
    return [
        *_not_passed(project, changes, up),
        *_live_snippets(project, changes),
        *_on_hold(project, up),
        *_breaking(project, up),
    ]


def verdicts(
    project: Project,
    versions: Mapping[str, int],
    files: Mapping[str, PromptFile],
    live: Mapping[str, int | None],
    listing: Mapping[str, Version],
) -> list[Verdict]:
    """Return what the checks of prompts say about ``versions``, one verdict of each prompt that has any.

    Tables count that ran exactly these versions, however long ago. What evaluations and agents ran is known
    only to the deploy that started them. ``live`` are the versions under the label, which ``max_drop`` needs.
    Those of the ``listing`` may come from the cache. Runs nothing. A registry that fails or an evaluation
    file that is not valid makes verdicts unknown, and raises nothing.
    """
    try:
        selection = select_checks(versions, files, project.config, project.evaluations)
    except InvalidFile as error:
        return [Verdict(name, versions[name], "unchecked", error.message) for name in sorted(versions)]
    found: dict[str, list[Verdict]] = {name: [] for name in sorted(selection.prompts)}
    tables = selection.of("table")
    tested = sorted({name for check in tables for name in check.prompts})
    compared = {name for check in tables if check.max_drop is not None for name in check.prompts}
    before = {name: version for name in compared if (version := live.get(name)) is not None}
    try:
        texts = TestedTexts(project, {}, listing)
        new = texts.of_versions({name: versions[name] for name in tested})
        wanted = wanted_of(tables, new, texts.of_versions(before))
        for want, result in zip(wanted, past_results(project, wanted), strict=True):
            name, about = want.candidate.name, _UNKNOWN
            reason = f"{want.check.name} has no complete result for it"
            if result is not None and result.run.is_echo:
                reason = f"{want.check.name} ran on the echo model"
            elif result is not None:
                about, reason = "passed" if result.passed else "failed", f"{result.run.name}: {result.reason}"
            found[name].append(Verdict(name, versions[name], about, reason, result))
    except PromptsyncError as error:
        if isinstance(error, UsageError) and len(versions) > 1:
            # A prompt that does not fit its table says nothing about the others.
            parts = ({name: versions[name]} for name in sorted(versions))
            return [verdict for part in parts for verdict in verdicts(project, part, files, live, listing)]
        for name in tested:
            reason = f"the results of its tables could not be read: {error.message}"
            found[name].append(Verdict(name, versions[name], "unchecked", reason))
    for check in selection.of("evaluation", "agent"):
        for name in check.prompts:
            reason = f"{check.name} counts only in a deploy"
            found[name].append(Verdict(name, versions[name], "unchecked", reason))
    # A failure says more than what is unknown, and that more than what passed.
    order: Sequence[About] = ("failed", "unchecked", "passed")
    return [min(each, key=lambda verdict: order.index(verdict.about)) for each in found.values()]


class LiveFailure(NamedTuple):
    """A check that the version under a label failed. A rollback goes back to ``before``, if it is known."""

    name: str
    label: str
    version: int
    before: int | None
    result: CheckResult


def live_failures(project: Project, snapshot: Snapshot, label: str) -> Iterator[LiveFailure]:
    """Yield the versions under a label that failed on a table, as far as the registry has the sheet.

    Runs nothing. What passed is remembered, and costs no request as long as its rows and limits stay.
    """
    files, listing, there = snapshot.worktree.files, snapshot.listing, snapshot.labels or {}
    named = [item.name for item in snapshot.items if item.file and label in there.get(item.name, {})]
    live = {name: there[name][label] for name in named}
    keys = {name: ["passed", project.url, listing[name].template_id, live[name]] for name in named}
    try:
        rules = {file.name: sha256(repr(file).encode()).hexdigest() for file in project.evaluations}
        checks = select_checks(named, files, project.config, project.evaluations).of("table")
    except InvalidFile:  # lint says what is wrong
        return
    for check in checks:
        for name in check.prompts:
            keys[name] += [check.name, check.min_score, check.max_drop, check.runs, rules.get(check.name, "")]
    cache = Cache(project.root)
    # The rows of a table without a file may change in the dashboard.
    unknown = {name: live[name] for name, key in keys.items() if "" in key or not cache.read(bool, *key)}
    before = {name: position_of(label, there[name]).way_back for name in unknown}
    for verdict in verdicts(project, unknown, files, before, listing):
        if verdict.about == "passed":
            cache.write(True, *keys[verdict.name])
        elif verdict.failed and verdict.result is not None:
            yield LiveFailure(verdict.name, label, verdict.version, before[verdict.name], verdict.result)


def _not_passed(
    project: Project, changes: Iterable[LabelChange], up: Iterable[LabelChange]
) -> Iterator[Verdict]:
    """Yield the verdicts on what failed its checks, and on what goes up without having passed them."""
    new = {
        change.name: change for change in changes if change.new is not None and project.governs(change.label)
    }
    if not new:
        return
    files = scan(project.root, project.config.prompts).files
    versions = {name: change.new or 0 for name, change in new.items()}
    live = {name: change.old for name, change in new.items()}
    released = {change.name for change in up}
    for verdict in verdicts(project, versions, files, live, {}):
        if verdict.failed or (verdict.about == "unchecked" and verdict.name in released):
            yield verdict


def _on_hold(project: Project, up: Iterable[LabelChange]) -> Iterator[Verdict]:
    """Yield the versions on hold that governed labels move up to. Sends no request."""
    for change in up:
        if change.is_on_hold and project.governs(change.label):
            how = f"rolled back to v{change.old}" if change.old is not None else "removed"
            yield Verdict(change.name, change.new or 0, "on-hold", f"{change.label} was {how}")


def _breaking(project: Project, changes: Iterable[LabelChange]) -> Iterator[Verdict]:
    """Yield the versions that governed labels move to and that break applications, with the first reason."""
    texts = TestedTexts(project, {}, {})

    def verdict(change: LabelChange) -> Verdict | None:
        if change.old is None or change.new is None:
            return None
        get, name = project.registry.prompts.get, change.name
        live, new = (get(change.template_id, name, version=at).prompt for at in (change.old, change.new))
        try:
            effects = rendered_changes(texts, live, new)
        except UNREADABLE:
            effects = contract_changes(live, new)
        reasons = [str(effect) for effect in effects if effect.verdict == "breaking"]
        is_broken = reasons and new_needs(live, new) is None
        return Verdict(name, change.new, "contract", reasons[0]) if is_broken else None

    governed = [change for change in changes if project.governs(change.label)]
    yield from filter(None, project.mapped("Comparing", verdict, governed))


def _live_snippets(project: Project, changes: Sequence[LabelChange]) -> list[Verdict]:
    """Return the snippets that live prompts render whatever their own checks say.

    Prompts under governed labels may render them by the label that moves. If it moves down, those under that
    label itself are meant to change, and others may still render the latest version. Costs no request unless
    the label of a snippet moves. A rollback is an emergency: if labels only move down, a failure of the
    registry is no error.
    """
    moves = [change for change in changes if change.is_snippet and change.new is not None]
    if not moves or not project.is_guarding:
        return []
    after = {change.name: {change.label: change.new} for change in changes if change.new is not None}
    snippets: list[Verdict] = []
    try:
        snapshot = gather(project)
        texts = LiveTexts(project, snapshot, after)
        for change in moves:
            by_label = texts.users(change.name, follows([change.label]))
            if users := [user for user in by_label if not change.is_lower or user.label != change.label]:
                reason = f"live immediately in {named_users(users)}"
                snippets.append(Verdict(change.name, change.new or 0, "live", reason))
            if change.is_lower and (still := texts.users(change.name, follows((), latest=True))):
                latest = snapshot.listing[change.name].version
                undo = f"to undo it, git revert its commit and {deploy_command(project, still[0].label)}"
                snippets.append(Verdict(change.name, latest, "still-live", f"{named_users(still)}; {undo}"))
    except PromptsyncError:
        if not all(change.is_lower for change in moves):
            raise
        return []
    return snippets
