"""The verdicts of past runs on versions of prompts. Starts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Selection, select_checks
from promptsync.checks.catalog import Evaluation, list_evaluations, named
from promptsync.checks.past_runs import PastRuns
from promptsync.checks.results import NOT_COMPARED, Standard, judge
from promptsync.checks.runs import OTHER_PROMPT
from promptsync.compare.gather import gather
from promptsync.compare.snippet_users import LiveTexts, follows_label, follows_latest, named_users
from promptsync.errors import PromptsyncError, RemoteError
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import scan
from promptsync.files.yaml.load import InvalidFile
from promptsync.labels.plan import LabelChange
from promptsync.prompt.labels import is_own

if TYPE_CHECKING:
    from promptsync.project.project import Project

About = Literal["checks", "live", "on-hold", "still-live", "contract"]
"""What a verdict is about: past runs, a release that was taken back, prompts that render a snippet, or
applications that a version breaks.
"""


class Verdict(Struct, frozen=True):
    """What the newest runs say about one version of a prompt.

    ``passed`` is ``None`` if it is unknown, for instance because not all of its evaluations ran it; agents
    count only if no evaluation passed. ``reason`` is why it did not pass: ``refund quality 50 < 90``.
    ``about`` says what else a warning is about: live prompts render the version as soon as a label moves up
    (``live``) or also after it moved down (``still-live``), the version is on hold, or applications break.
    """

    name: str
    version: int
    passed: bool | None
    reason: str = ""
    about: About = "checks"

    @property
    def failed(self) -> bool:
        return self.passed is False

    @property
    def needs_yes(self) -> bool:
        """Whether a label moves up to the version only after a confirmation."""
        return self.failed or self.about in ("live", "on-hold", "contract")


def verdicts(
    project: Project,
    versions: Mapping[str, int],
    files: Mapping[str, PromptFile],
    template_ids: Mapping[str, int],
    live: Mapping[str, int | None],
) -> dict[str, Verdict]:
    """Return the verdicts of the newest runs of their checks on ``versions``, one of each prompt.

    The checks are those that a deploy runs for the prompts themselves: tables, and the evaluations of their
    files and of ``checks:``, each with its limits. A snippet is also checked by the prompts that render it,
    but reports do not say with which version of it. ``live`` are the versions under the label, which
    ``max_drop`` needs. Costs no request if none is named; otherwise, the reports of up to ``MOST`` runs of
    each evaluation are read, and the sheets of tables that ran these versions. A registry that
    fails or an evaluation file that is not valid makes verdicts unknown, and raises nothing.
    """
    try:
        selections = {
            name: select_checks([name], files, project.config, project.evaluations)
            for name in sorted(versions)
        }
    except InvalidFile as error:
        return {name: Verdict(name, versions[name], None, error.message) for name in sorted(versions)}
    known: Sequence[Evaluation] = ()
    unread = ""
    if any(selection.evaluations for selection in selections.values()):
        try:
            known = list_evaluations(project.registry)
        except RemoteError as error:
            unread = _unread(error)
    past = {evaluation: PastRuns(project.registry, evaluation) for evaluation in known}

    def judged(name: str, check: Check) -> _Judged:
        items = named(known, check.name)
        if len(items) != 1:
            why = "several evaluations have that name" if items else "the registry does not have it"
            return _Judged(None, f"{check.name}: {unread or why}")
        template_id = template_ids.get(name, 0)
        return _judged(past[items[0]], check, name, template_id, versions[name], live.get(name))

    tables = [replace(check, prompts=(name,)) for name in selections for check in selections[name].tables]
    judged_tables = _judged_tables(project, tables, versions, live) if tables else {}
    return {
        name: _verdict(
            name,
            versions[name],
            selection,
            [
                *judged_tables.get(name, ()),
                *(judged(name, check) for check in selection.evaluations),
            ],
            files.get(name),
        )
        for name, selection in selections.items()
    }


def _unread(error: PromptsyncError) -> str:
    return f"its runs could not be read: {error.message}"


class _Judged(Struct, frozen=True):
    """The verdict of the newest run of one check. ``of_others`` if it ran only other prompts."""

    passed: bool | None
    reason: str = ""
    of_others: bool = False


def _judged(
    past: PastRuns, check: Check, name: str, template_id: int, version: int, live: int | None
) -> _Judged:
    try:
        run, why = past.newest(name, template_id, version)
        score = NOT_COMPARED
        if run and check.max_drop is not None:
            score = past.live_score(name, template_id, version, live)
    except RemoteError as error:
        return _Judged(None, f"{check.name}: {_unread(error)}")
    if run is None:
        reason = f"{check.name} hasn't run on it" if why in ("", OTHER_PROMPT) else f"{check.name}: {why}"
        return _Judged(None, reason, why == OTHER_PROMPT)
    result = judge(check, run, Standard(), score)
    if result.failed_by("unscored"):
        return _Judged(None, f"{run.name} has no score")
    return _Judged(result.passed, f"{run.name}: {result.reason}")


def _judged_tables(
    project: Project, checks: Sequence[Check], versions: Mapping[str, int], live: Mapping[str, int | None]
) -> dict[str, list[_Judged]]:
    """Return by prompt the results of versions on tables, however old. Runs nothing."""
    from promptsync.checks.tables import past_results  # most labels are moved without tables
    from promptsync.checks.tested_text import TestedTexts, wanted_of

    names = {name for check in checks for name in check.prompts}
    before = {name: version for name in sorted(names) if (version := live.get(name)) is not None}
    judged: dict[str, list[_Judged]] = {}
    try:
        texts = TestedTexts(project, {}, {})
        new = texts.of_versions({name: versions[name] for name in sorted(names)})
        results = past_results(project, wanted_of(checks, new, texts.of_versions(before)))
    except PromptsyncError as error:
        return {check.prompts[0]: [_Judged(None, f"{check.name}: {_unread(error)}")] for check in checks}
    for check, result in zip(checks, results, strict=True):
        verdict = _Judged(None, f"{check.name} has no complete result for it")
        if result is not None and result.run.model == "echo":
            verdict = _Judged(None, f"{check.name} ran on the echo model")
        elif result is not None:
            verdict = _Judged(result.passed, f"{result.run.name}: {result.reason}")
        judged.setdefault(check.prompts[0], []).append(verdict)
    return judged


def _verdict(
    name: str, version: int, selection: Selection, judged: Sequence[_Judged], file: PromptFile | None
) -> Verdict:
    # A pattern in checks: may give an evaluation of one prompt to others, which need a check of their own.
    own = [check for check in judged if not check.of_others]
    failed = [check.reason for check in own if check.passed is False]
    unknown = [check.reason for check in own if check.passed is None]
    # The API cannot list past runs of agents. If an evaluation passed, that alone is no reason to warn.
    if not any(check.passed for check in own):
        unknown += [f"past runs of {check.name} cannot be listed" for check in selection.agents]
    if not own and not unknown:
        # A completion prompt may be a snippet, which the prompts that render it check.
        is_chat = file is None or file.prompt.template.get("type") != "completion"
        without = "no checks" if is_chat else "no checks of its own"
        unknown = [check.reason for check in judged] or [without]
    reason = next(iter([*failed, *unknown]), "")
    return Verdict(name, version, False if failed else None if unknown else True, reason)


def is_governed(project: Project, label: str) -> bool:
    """Whether only ``deploy`` moves a label; ``LABEL.previous`` and those like it release nothing."""
    return is_own(label) and project.governs(label)


def on_hold(project: Project, changes: Iterable[LabelChange]) -> Iterator[Verdict]:
    """Yield the versions on hold that governed labels move up to. Sends no request."""
    for change in changes:
        if change.is_on_hold and is_governed(project, change.label):
            how = f"rolled back to v{change.old}" if change.old is not None else "removed"
            reason = f"{change.label} was {how}"
            yield Verdict(change.name, change.new or 0, None, reason, about="on-hold")


def breaking(project: Project, changes: Iterable[LabelChange]) -> Iterator[Verdict]:
    """Yield the versions that governed labels move to and that break applications, with the first reason."""
    from promptsync.checks.tested_text import UNREADABLE, TestedTexts, rendered_changes
    from promptsync.prompt.contract import contract_changes, new_needs

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
        return Verdict(name, change.new, None, reasons[0], about="contract") if is_broken else None

    governed = [change for change in changes if is_governed(project, change.label)]
    yield from filter(None, project.mapped("Comparing", verdict, governed))


def not_passed(project: Project, changes: Iterable[LabelChange]) -> Iterator[Verdict]:
    """Yield the verdicts on what labels are to move to that is not known to have passed its checks.

    Only prompts with checks count, and only labels that the configuration governs. Costs no request if there
    are none, or if an evaluation file is not valid: then nothing is known.
    """
    new = {
        change.name: change
        for change in changes
        if change.new is not None and is_governed(project, change.label)
    }
    if not new:
        return
    files = scan(project.root, project.config.prompts).files
    try:
        checked = select_checks(new, files, project.config, project.evaluations).prompts
    except InvalidFile:
        checked = frozenset(new)
    versions = {name: change.new or 0 for name, change in new.items() if name in checked}
    template_ids = {name: change.template_id for name, change in new.items()}
    live = {name: change.old for name, change in new.items()}
    judged = verdicts(project, versions, files, template_ids, live)
    yield from (verdict for verdict in judged.values() if verdict.passed is not True)


def live_snippets(project: Project, changes: Sequence[LabelChange]) -> list[Verdict]:
    """Return the snippets that live prompts render whatever their own checks say.

    If a label moves up, those that prompts under governed labels render by that label; if it moves down,
    those whose latest version they still render. Costs no request unless the label of a snippet moves. A
    rollback is an emergency: if labels only move down, a failure of the registry is no error.
    """
    moves = [
        change for change in changes if change.is_snippet and (change.is_lower or change.new is not None)
    ]
    if not moves or not project.is_guarding:
        return []
    after = {change.name: {change.label: change.new} for change in changes if change.new is not None}
    snippets: list[Verdict] = []
    try:
        snapshot = gather(project)
        texts = LiveTexts(project, snapshot, after)
        for change in moves:
            follows = follows_latest if change.is_lower else follows_label(change.label)
            if not (users := named_users(texts.users(change.name, follows))):
                continue
            if change.is_lower:
                latest = snapshot.listing[change.name].version
                snippets.append(Verdict(change.name, latest, None, users, about="still-live"))
            else:
                reason = f"live immediately in {users}"
                snippets.append(Verdict(change.name, change.new or 0, None, reason, about="live"))
    except PromptsyncError:
        if not all(change.is_lower for change in moves):
            raise
        return []
    return snippets
