"""What past runs of their checks say about versions of prompts, without starting anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promptsync.checks.assignment import EvaluationCheck, Selection, select_checks
from promptsync.checks.catalogue import Evaluation, list_evaluations, named
from promptsync.checks.live_scores import MOST, LiveScore
from promptsync.checks.receipt import Standard
from promptsync.checks.reports import NewestRun, PromptVersion, newest_runs
from promptsync.checks.run_versions import latest_of
from promptsync.compare.gather import gather
from promptsync.compare.live_users import LiveTexts, follows_label, follows_latest, named_users
from promptsync.errors import PromptsyncError, RemoteError
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import scan
from promptsync.labels.plan import LabelChange
from promptsync.parallel import mapped
from promptsync.prompt.labels import is_own

if TYPE_CHECKING:
    from promptsync.project.project import Project

About = Literal["checks", "live", "on-hold", "still-live"]
"""What a verdict is about: past runs, a release that was taken back, or prompts that render a snippet."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the newest runs say about one version of a prompt.

    ``passed`` is ``None`` if it is unknown, for instance because not all of its evaluations ran it; agents
    count only if no evaluation passed. ``reason`` is why it did not pass: ``refund quality 50 < 90``.
    ``about`` says what else a warning is about: live prompts render the version as soon as a label moves up
    (``live``) or also after it moved down (``still-live``), or the version is on hold.
    """

    name: str
    version: int
    passed: bool | None
    reason: str = ""
    about: About = "checks"

    @property
    def needs_yes(self) -> bool:
        """Whether a label moves up to the version only if somebody confirms it."""
        return self.passed is False or self.about in ("live", "on-hold")


def verdicts(
    project: Project,
    versions: Mapping[str, int],
    files: Mapping[str, PromptFile],
    *,
    live: Mapping[str, int | None] | None = None,
    template_ids: Mapping[str, int] | None = None,
) -> dict[str, Verdict]:
    """Return what the newest runs of their checks say about ``versions``, one of each prompt.

    The checks are those that a deploy runs for the prompts themselves: the evaluations of their files and of
    ``checks:``, each with its limits. A snippet is also checked by the prompts that render it, but reports do
    not say with which version of it. ``live`` are the versions under the label, which ``max_drop`` needs, and
    ``template_ids`` the ids of the prompts, which are looked up otherwise. Costs no request if no evaluation
    is named; otherwise, the reports of up to ``MOST`` runs of each are read. A registry that fails makes
    verdicts unknown, and raises nothing.
    """
    selections = {name: select_checks([name], files, project.config) for name in sorted(versions)}
    # By the name of the check, the versions that it may have run.
    wanted: dict[str, list[tuple[str, int]]] = {}
    for name, selection in selections.items():
        for check in selection.evaluations:
            wanted.setdefault(check.name, []).append((name, versions[name]))
            before = (live or {}).get(name)
            if check.max_drop is not None and before not in (None, versions[name]):
                wanted[check.name].append((name, before or 0))
    runs = _past_runs(project, wanted, template_ids) if wanted else {}
    found = {}
    for name, selection in selections.items():
        judged = [
            _judged(check, runs[check.name], name, versions[name], (live or {}).get(name))
            for check in selection.evaluations
        ]
        found[name] = _verdict(name, versions[name], selection, judged, files.get(name))
    return found


_PastRuns = Mapping[tuple[str, int], NewestRun]
"""The newest runs of one check, by prompt and version."""


def _past_runs(
    project: Project,
    wanted: Mapping[str, Sequence[tuple[str, int]]],
    template_ids: Mapping[str, int] | None,
) -> Mapping[str, _PastRuns]:
    """Return the newest runs by the name of the check; each report is read once."""
    try:
        registry = project.registry
        if template_ids is None:
            listed = latest_of(registry, {name for pairs in wanted.values() for name, _ in pairs})
            template_ids = {name: one.template_id for name, one in listed.items()}
        known = list_evaluations(registry, runs=True)
    except RemoteError as error:
        return {key: _unread(pairs, error) for key, pairs in wanted.items()}
    found: dict[str, _PastRuns] = {}
    # Checks name an evaluation by name or by id, so two of them may mean the same one.
    checks: dict[Evaluation, list[str]] = {}
    for key, pairs in wanted.items():
        items = named(known, key)
        if len(items) == 1:
            checks.setdefault(items[0], []).append(key)
        else:
            why = "several evaluations have that name" if items else "the registry does not have it"
            found[key] = dict.fromkeys(pairs, NewestRun(reason=why))

    def read(evaluation: Evaluation) -> _PastRuns:
        pairs = dict.fromkeys(pair for key in checks[evaluation] for pair in wanted[key])
        targets = [PromptVersion(name, template_ids.get(name, 0), version) for name, version in pairs]
        try:
            newest = newest_runs(registry, evaluation, targets, most=MOST)
        except RemoteError as error:
            return _unread(pairs, error)
        return {(one.name, one.version): run for one, run in newest.items()}

    for keys, runs in zip(checks.values(), mapped(read, checks), strict=True):
        found |= dict.fromkeys(keys, runs)
    return found


def _unread(pairs: Iterable[tuple[str, int]], error: RemoteError) -> _PastRuns:
    return dict.fromkeys(pairs, NewestRun(reason=f"its runs could not be read: {error.message}"))


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the newest run of one check says. ``of_others`` says that it ran other prompts only."""

    passed: bool | None
    reason: str = ""
    of_others: bool = False


def _judged(check: EvaluationCheck, runs: _PastRuns, name: str, version: int, live: int | None) -> _Judged:
    newest = runs[name, version]
    run = newest.run
    if run is None:
        why = f"{check.name}: {newest.reason}" if newest.reason else f"{check.name} never ran it"
        return _Judged(None, why, newest.of_others)
    if run.failed_cells:
        count = len(run.failed_cells)
        return _Judged(False, f"{run.name}: {count} failed {'cell' if count == 1 else 'cells'}")
    if run.score is None:
        return _Judged(None, f"{run.name} has no score")
    standard = Standard().with_limits(check)
    if standard.shortfall(run.score):
        return _Judged(False, f"{run.name} {run.score:g} < {check.min_score:g}")
    before = runs.get((name, live or 0), NewestRun()).run if live != version else None
    if before is not None and before.score is not None and not before.failed_cells:
        score = LiveScore(name, 0, live, before.score)
        if standard.excess(run.score, score):
            least = before.score - (check.max_drop or 0)
            limit = f"{least:g} (v{live}: {before.score:g}, max_drop: {check.max_drop:g})"
            return _Judged(False, f"{run.name} {run.score:g} < {limit}")
    return _Judged(True)


def _verdict(
    name: str, version: int, selection: Selection, judged: Sequence[_Judged], file: PromptFile | None
) -> Verdict:
    # A pattern in checks: may give an evaluation of one prompt to others, which need a check of their own.
    own = [one for one in judged if not one.of_others]
    failed = [one.reason for one in own if one.passed is False]
    unknown = [one.reason for one in own if one.passed is None]
    # The API cannot list past runs of agents. If an evaluation passed, that alone is no reason to warn.
    if not any(one.passed for one in own):
        unknown += [f"past runs of {check.name} cannot be listed" for check in selection.agents]
    if not own and not unknown:
        # A completion prompt may be a snippet, which the prompts that render it check.
        is_chat = file is None or file.prompt.template.get("type") != "completion"
        without = "no checks" if is_chat else "no checks of its own"
        unknown = [one.reason for one in judged] or [without]
    reason = next(iter([*failed, *unknown]), "")
    return Verdict(name, version, False if failed else None if unknown else True, reason)


def is_governed(project: Project, label: str) -> bool:
    """Whether only ``deploy`` moves a label; ``LABEL.previous`` and those like it release nothing."""
    return is_own(label) and project.governs(label)


def on_hold(project: Project, changes: Iterable[LabelChange]) -> tuple[Verdict, ...]:
    """Return the versions on hold that governed labels move up to. Sends no request."""
    return tuple(
        Verdict(one.name, one.new or 0, None, _taken_back(one), about="on-hold")
        for one in changes
        if one.is_on_hold and is_governed(project, one.label)
    )


def _taken_back(change: LabelChange) -> str:
    how = f"rolled back to v{change.old}" if change.old is not None else "removed"
    return f"{change.label} was {how}"


def not_passed(project: Project, changes: Iterable[LabelChange]) -> tuple[Verdict, ...]:
    """Return the verdicts on what labels are to move to that is not known to have passed its checks.

    Only prompts with checks count, and only labels that the configuration governs. Costs no request if there
    are none.
    """
    new = {one.name: one for one in changes if one.new is not None and is_governed(project, one.label)}
    if not new:
        return ()
    files = scan(project.root, project.config.prompts).files
    checked = select_checks(new, files, project.config).prompts
    versions = {name: one.new or 0 for name, one in new.items() if name in checked}
    template_ids = {name: one.template_id for name, one in new.items()}
    live = {name: one.old for name, one in new.items()}
    found = verdicts(project, versions, files, live=live, template_ids=template_ids)
    return tuple(one for one in found.values() if one.passed is not True)


def live_at_once(project: Project, changes: Iterable[LabelChange]) -> tuple[Verdict, ...]:
    """Return the snippets that prompts under governed labels render as soon as a label moves up to them.

    Their own checks do not run those prompts. Costs no request unless the label of a snippet moves up.
    """
    moves = [one for one in changes if one.is_snippet and one.new is not None and not one.is_lower]
    if not moves or not project.is_guarding:
        return ()
    texts = LiveTexts(project, gather(project))
    found = ((one, texts.users(one.name, follows_label(one.label))) for one in moves)
    return tuple(
        Verdict(one.name, one.new or 0, None, f"live at once in {named_users(users)}", about="live")
        for one, users in found
        if users
    )


def still_live(project: Project, changes: Sequence[LabelChange]) -> tuple[Verdict, ...]:
    """Return the snippets whose labels move down although live prompts render their newest texts, unpinned.

    Costs no request unless the label of a snippet moves down, and raises nothing, because a rollback is an
    emergency.
    """
    moves = [one for one in changes if one.is_snippet and one.is_lower]
    if not moves or not project.is_guarding:
        return ()
    after = {one.name: {one.label: one.new} for one in changes if one.new is not None}
    try:
        snapshot = gather(project)
        texts = LiveTexts(project, snapshot, after)
        found = [(one, texts.users(one.name, follows_latest)) for one in moves]
    except PromptsyncError:
        return ()
    return tuple(
        Verdict(one.name, snapshot.listing[one.name].version, None, named_users(users), about="still-live")
        for one, users in found
        if users
    )
