"""Agents with cases: each row of an evaluation file is one run, and its scorecard judges the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from promptsync.checks.assignment import Check, Located
from promptsync.checks.follow import Progress
from promptsync.checks.judge import run_checks
from promptsync.checks.past_runs import NOT_COMPARED
from promptsync.checks.receipt import CheckResult, CheckResults, Standard
from promptsync.checks.run import Run
from promptsync.checks.tables.run import check_tables
from promptsync.checks.tables.tested_text import TestedText, Wanted
from promptsync.checks.versions import WantedVersions
from promptsync.errors import UsageError
from promptsync.project.target import LATEST, At
from promptsync.prompt.evaluation import cell_text
from promptsync.prompt.prompt import mappings

if TYPE_CHECKING:
    from promptsync.project.project import Project


def run_with_cases(
    project: Project,
    located: Located,
    wanted: WantedVersions,
    *,
    standard: Standard,
    timeout: float,
    progress: Progress,
    at: At = LATEST,
    origin: str = "",
    is_scored: bool = True,
) -> CheckResults:
    """Run checks as ``run_checks`` does, agents with cases once for each case, and judge their outputs.

    Without ``is_scored`` it only counts whether each of these runs passed. Raises ``UsageError`` for cases
    that are no evaluation file, and what ``run_checks`` raises.
    """
    files = {file.name: file for file in project.evaluations}
    inputs = check_cases(project, located)
    each = [
        (replace(check, input_variables=row), item)
        for (check, item), rows in zip(located, inputs, strict=True)
        for row in rows
    ]
    results = run_checks(
        project.registry, tuple(each), wanted, standard=standard, timeout=timeout, progress=progress, at=at
    )
    if results.interrupted or not timeout or not any(check.cases for check, _ in located):
        return results
    ended, single = iter(results.all), list[CheckResult]()
    texts: list[Wanted] = []
    checks: list[Check] = []
    for (check, item), rows in zip(located, inputs, strict=True):
        own = list(islice(ended, len(rows)))
        failed = next((result for result in own if not result.passed), None)
        if failed is not None or not check.cases or not is_scored:
            single.append(failed or own[0])
        elif own[0].run.is_echo:
            warning = f"the outputs for {check.cases} come from the echo model, so they have no score"
            single.append(replace(own[0], run=replace(own[0].run, warning=warning)))
        else:
            agent = project.registry.checks.agent(item.id, label=at.label, version=at.number)
            nodes = mappings(agent.get("nodes"))
            shown = frozenset(str(node.get("name")) for node in nodes if node.get("is_output_node") is True)
            outputs = tuple(_output(result.run, shown) for result in own)
            table = Check("table", check.cases, (item.name,), files[check.cases].min_score)
            texts.append(Wanted(table, TestedText(item.name, {}), outputs=outputs))
            checks.append(check)
    scored = check_tables(
        project,
        texts,
        standard=replace(standard, max_drop=None),
        timeout=timeout,
        progress=progress,
        origin=origin,
    )
    judged = [
        replace(result, check=replace(result.check, prompts=check.prompts), live=NOT_COMPARED)
        for check, result in zip(checks, scored.all, strict=True)
    ]
    return CheckResults((*single, *judged), interrupted=scored.interrupted)


def check_cases(project: Project, located: Located) -> list[list[Mapping[str, Any]]]:
    """Return the inputs of each run of each check. Raises ``UsageError`` for cases that no file declares."""
    files = {file.name: file for file in project.evaluations}
    inputs: list[list[Mapping[str, Any]]] = []
    for check, _ in located:
        if check.cases is not None and check.cases not in files:
            raise UsageError(
                f"no file in evaluations/ declares {check.cases!r}, the cases of the agent {check.name}",
                hint=f"known: {', '.join(sorted(files)) or 'none'}",
            )
        rows = files[check.cases].rows if check.cases is not None else ({},)
        inputs.append([{**check.input_variables, **row} for row in rows])
    return inputs


def _output(run: Run, nodes: frozenset[str]) -> str:
    """Return the output of a run as the text of a cell; of several nodes, all by their names."""
    outputs = {name: node.value for name, node in run.outputs.items() if name in nodes or not nodes}
    return cell_text(next(iter(outputs.values())) if len(outputs) == 1 else outputs)
