"""Results of checks as JUnit XML, the test results format that CI systems read.

Each check is a test suite. A check that failed has a failure; if it is unknown whether it would have passed,
because the registry failed or the run timed out, it has an error.

The time of a suite is that of its run. Its first test has all of it, because the time of each one is unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, Final, Literal
from xml.etree import ElementTree

from promptsync.checks.batch import Status
from promptsync.checks.receipt import AgentResult, CheckResult, CheckResults, EvaluationResult
from promptsync.errors import PromptsyncError
from promptsync.terminal.output import safe

_NO_XML: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


@dataclass(frozen=True, slots=True)
class _Case:
    """One test. ``result`` is empty if it passed; ``kind`` is the type of the failure."""

    name: str
    result: Literal["", "failure", "error", "skipped"] = ""
    message: str = ""
    kind: str = ""
    text: str = ""


def junit(results: CheckResults, stopped: PromptsyncError | None = None) -> str:
    """Return the XML document of results; after Ctrl-C, one with an error.

    ``stopped`` is the error of the command; if the checks are not the reason, it has a suite of its own.
    """
    if results.interrupted and results.error is not None:
        return junit_of_error(results.error, "checks")
    root = ElementTree.Element("testsuites", name="promptsync")
    names: set[str] = set()
    for evaluation in results.evaluations:
        run = evaluation.run
        properties: dict[str, Any] = {
            "prompts": list(evaluation.check.prompts),
            "report": run.report_id,
            "score": run.score,
            "previous_score": run.previous_score,
            "minimum": evaluation.standard.min_score,
            **_live_properties(evaluation),
            "model": run.model,
        }
        cases = list(_evaluation_cases(evaluation))
        _suite(root, _unique(run.name, names), properties, cases, run.seconds)
    for agent in results.agents:
        properties = {
            "prompts": list(agent.check.prompts),
            "execution": agent.run.execution_id,
            "input_variables": dict(agent.check.input_variables),
        }
        cases = list(_agent_cases(agent))
        _suite(root, _unique(agent.run.name, names), properties, cases, agent.run.seconds)
    if stopped is not None and results.error is None:
        _error_suite(root, stopped, _unique("deploy", names))
    return _document(root)


def junit_of_error(error: PromptsyncError, what: str) -> str:
    """Return the XML document of a command without results; ``what`` is the name of its suite."""
    root = ElementTree.Element("testsuites", name="promptsync")
    _error_suite(root, error, what)
    return _document(root)


def _error_suite(root: ElementTree.Element, error: PromptsyncError, what: str) -> None:
    text = "\n".join(filter(None, [error.message, *error.details, error.hint]))
    _suite(root, what, {}, [_Case("run", "error", error.message, error.code, text)])


def _document(root: ElementTree.Element) -> str:
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    times = [float(suite.attrib["time"]) for suite in root if "time" in suite.attrib]
    if times:
        root.set("time", _seconds(sum(times)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _unique(name: str, taken: set[str]) -> str:
    """Return a name that is not used yet, because CI systems merge tests of the same name."""
    shown = _xml(name)
    numbered = (f"{shown} #{number}" for number in count(2))
    found = next(one for one in chain([shown], numbered) if one not in taken)
    taken.add(found)
    return found


def _evaluation_cases(one: EvaluationResult) -> Iterator[_Case]:
    run = one.run
    if run.status is not Status.COMPLETED or run.error is not None:
        yield _not_completed(one)
        return
    yield _score(one)
    for number, cell in enumerate(run.failed_cells, 1):
        where = [f"row {cell.row}"] if cell.row is not None else [f"failed cell {number}"]
        where += [cell.column] if cell.column is not None else []
        yield _Case(", ".join(where), "failure", cell.reason or "no reason given", "failed-cell")
    yield from _unbound(one)


def _live_properties(one: EvaluationResult) -> dict[str, Any]:
    """Return what a score is compared with; empty if it is not compared."""
    if one.live is None:
        return {}
    found = {"live_version": one.live.version, "live_score": one.live.score, "drop": one.drop}
    return {**found, "max_drop": one.standard.max_drop}


def _score(one: EvaluationResult) -> _Case:
    score = one.run.score
    if score is None:
        result: Literal["failure", "skipped"] = "skipped" if one.standard.allow_unscored else "failure"
        return _Case("score", result, "no score", "unscored")
    kind, message = "min-score", one.standard.shortfall(score)
    if not message:
        kind, message = "max-drop", one.standard.excess(score, one.live)
    rows = [f"row {cell.row}, {cell.column}: {cell.reason}" for cell in one.run.missed_cells]
    return (
        _Case("score", "failure", message, kind, "\n".join([message, *rows])) if message else _Case("score")
    )


def _agent_cases(one: AgentResult) -> Iterator[_Case]:
    run = one.run
    if run.status not in (Status.COMPLETED, Status.FAILED) or run.error is not None:
        yield _not_completed(one)
        return
    for name, node in run.outputs.items():
        failure = _Case(name, "failure", node.error or node.status, "failed-node")
        yield failure if node.failed else _Case(name)
    if not run.outputs:
        yield _Case("run", "failure" if one.reason else "", one.reason, str(run.status))
    yield from _unbound(one)


def _not_completed(one: CheckResult) -> _Case:
    run = one.run
    if run.is_under_way:
        return _Case("run", "skipped", "started; its result was not awaited", str(run.status))
    details = [run.error.message, *run.error.details, run.error.hint] if run.error is not None else []
    return _Case("run", "error", one.reason, str(run.status), "\n".join(filter(None, details)))


def _unbound(one: CheckResult) -> Iterator[_Case]:
    for unbound in one.unbound:
        result: Literal["failure", "skipped"] = "failure" if one.reason else "skipped"
        yield _Case(f"checks {unbound.target}", result, unbound.reason, "unbound")


def _suite(
    root: ElementTree.Element,
    name: str,
    properties: dict[str, Any],
    cases: list[_Case],
    seconds: float | None = None,
) -> None:
    counts = Counter(case.result for case in cases)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    if seconds is not None:
        suite.set("time", _seconds(seconds))
    holder = ElementTree.SubElement(suite, "properties")
    for key, value in properties.items():
        if value not in (None, [], {}):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            ElementTree.SubElement(holder, "property", name=key, value=_xml(text))
    for number, case in enumerate(cases):
        element = ElementTree.SubElement(suite, "testcase", classname=name, name=_xml(case.name))
        if seconds is not None:
            element.set("time", _seconds(0 if number else seconds))
        if case.result:
            attributes = {"message": _xml(case.message)} | ({"type": case.kind} if case.kind else {})
            found = ElementTree.SubElement(element, case.result, attributes)
            found.text = _xml(case.text or case.message) if case.result != "skipped" else None


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _xml(text: str) -> str:
    """Return text with the characters that XML does not allow escaped."""
    return safe(text).translate(_NO_XML)
