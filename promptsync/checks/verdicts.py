"""What past runs of their checks say about versions of prompts, without starting anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptsync.checks.assignment import EvaluationCheck, Selection, select_checks
from promptsync.checks.catalogue import Evaluation, list_evaluations, named
from promptsync.checks.evaluations import EvaluationRun
from promptsync.checks.reports import NewestRun, PromptVersion, newest_runs
from promptsync.checks.run_versions import latest_of
from promptsync.errors import RemoteError
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import scan
from promptsync.labels.plan import LabelChange
from promptsync.parallel import mapped
from promptsync.prompt.labels import previous_name

if TYPE_CHECKING:
    from promptsync.compare.project import Project
    from promptsync.registry.protocol import Registry

MOST = 10
"""How many runs of each evaluation are read at most."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the newest runs say about one version of a prompt.

    ``passed`` is ``None`` if it is unknown, for instance because not all of its checks ran it. ``reason`` is
    why it did not pass: ``refund quality 50 < 90``.
    """

    name: str
    version: int
    passed: bool | None
    reason: str = ""


def verdicts(
    project: Project,
    versions: Mapping[str, int],
    files: Mapping[str, PromptFile],
    *,
    template_ids: Mapping[str, int] | None = None,
) -> dict[str, Verdict]:
    """Return what the newest runs of their checks say about ``versions``, one of each prompt.

    The checks are those that a deploy runs for the prompts themselves: the evaluations of their files and of
    ``checks:``, each with its minimum. A snippet is also checked by the prompts that render it, but reports
    do not say with which version of it. ``template_ids`` are the ids of the prompts, which are looked up
    otherwise. Costs no request if no evaluation is named. A registry that fails makes verdicts unknown, and
    raises nothing.
    """
    selections = {name: select_checks([name], files, project.config) for name in sorted(versions)}
    runs: Mapping[str, Mapping[str, NewestRun]] = {}
    failure = ""
    if any(one.evaluations for one in selections.values()):
        try:
            runs = _runs(project.registry, selections, versions, template_ids)
        except RemoteError as error:
            failure = f"past runs could not be read: {error.message}"
    return {
        name: _verdict(name, versions[name], one, runs, failure if one.evaluations else "", files.get(name))
        for name, one in selections.items()
    }


def _runs(
    registry: Registry,
    selections: Mapping[str, Selection],
    versions: Mapping[str, int],
    template_ids: Mapping[str, int] | None,
) -> dict[str, Mapping[str, NewestRun]]:
    """Return the newest runs by the name of the check and by prompt; each report is read once."""
    prompts: dict[str, list[str]] = {}
    for name, selection in selections.items():
        for check in selection.evaluations:
            prompts.setdefault(check.name, []).append(name)
    if template_ids is None:
        listed = latest_of(registry, {name for names in prompts.values() for name in names})
        template_ids = {name: one.template_id for name, one in listed.items()}
    known = list_evaluations(registry, runs=True)
    found: dict[str, Mapping[str, NewestRun]] = {}
    # Checks name an evaluation by name or by id, so two of them may mean the same one.
    checks: dict[Evaluation, list[str]] = {}
    for key, names in prompts.items():
        items = named(known, key)
        if len(items) == 1:
            checks.setdefault(items[0], []).append(key)
        else:
            why = "several evaluations have that name" if items else "the registry does not have it"
            found[key] = dict.fromkeys(names, NewestRun(reason=why))

    def read(evaluation: Evaluation) -> Mapping[str, NewestRun]:
        names = dict.fromkeys(name for key in checks[evaluation] for name in prompts[key])
        wanted = [PromptVersion(name, template_ids.get(name, 0), versions[name]) for name in names]
        try:
            return newest_runs(registry, evaluation, wanted, most=MOST)
        except RemoteError as error:
            return dict.fromkeys(names, NewestRun(reason=f"its runs could not be read: {error.message}"))

    for keys, runs in zip(checks.values(), mapped(read, checks), strict=True):
        found |= dict.fromkeys(keys, runs)
    return found


def _verdict(
    name: str,
    version: int,
    selection: Selection,
    runs: Mapping[str, Mapping[str, NewestRun]],
    failure: str,
    file: PromptFile | None,
) -> Verdict:
    failed: list[str] = []
    unknown = [failure] if failure else []
    others: list[str] = []
    passed = False
    for check in selection.evaluations if not failure else ():
        newest = runs[check.name][name]
        if newest.run is None:
            why = f"{check.name}: {newest.reason}" if newest.reason else f"{check.name} never ran it"
            (others if newest.of_others else unknown).append(why)
        elif newest.run.score is None and not newest.run.failed_cells:
            unknown.append(f"{newest.run.name} has no score")
        elif reason := _failure(check, newest.run):
            failed.append(reason)
        else:
            passed = True
    # Past runs of agents cannot be listed in the API.
    unknown += [f"past runs of {check.name} cannot be listed" for check in selection.agents]
    # A pattern in checks: may give an evaluation of one prompt to others, which need a check of their own.
    if not (failed or unknown or passed):
        # A completion prompt may be a snippet, which the prompts that render it check.
        is_chat = file is None or file.prompt.template.get("type") != "completion"
        unknown = others or ["no checks" if is_chat else "no checks of its own"]
    reason = next(iter([*failed, *unknown]), "")
    return Verdict(name, version, False if failed else None if unknown else True, reason)


def _failure(check: EvaluationCheck, run: EvaluationRun) -> str:
    """Return why a completed run did not reach what its check requires."""
    if run.failed_cells:
        count = len(run.failed_cells)
        return f"{run.name}: {count} failed {'cell' if count == 1 else 'cells'}"
    score = run.score or 0.0
    if check.min_score is not None and score < check.min_score:
        return f"{run.name} {score:g} < {check.min_score:g}"
    return ""


def not_passed(project: Project, changes: Iterable[LabelChange]) -> tuple[Verdict, ...]:
    """Return the verdicts on what labels are to move to that is not known to have passed its checks.

    Only prompts with checks count, and only labels that the configuration governs. Costs no request if there
    are none.
    """
    new = {
        one.name: (one.template_id, one.new)
        for one in changes
        # LABEL.previous and LABEL.unchecked release nothing.
        if one.new is not None and previous_name(one.label) is not None and project.config.governs(one.label)
    }
    if not new:
        return ()
    files = scan(project.root, project.config.prompts).files
    checked = select_checks(new, files, project.config).prompts
    versions = {name: version for name, (_, version) in new.items() if name in checked}
    template_ids = {name: template_id for name, (template_id, _) in new.items()}
    found = verdicts(project, versions, files, template_ids=template_ids)
    return tuple(one for one in found.values() if one.passed is not True)
