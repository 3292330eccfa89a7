"""Proofs as JUnit XML, the form of test results that CI systems read.

A check is a suite. What a check asked for and did not get is a failure; what nobody could find out, because
the registry failed or the time was up, is an error.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Literal
from xml.etree import ElementTree

from promptsync.checks.outcome import Status
from promptsync.checks.receipt import Proof, ProvenAgent, ProvenEvaluation
from promptsync.errors import PromptsyncError
from promptsync.terminal.output import safe

_NO_XML: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


@dataclass(frozen=True, slots=True)
class _Case:
    """One test. ``result`` is empty when it passed; ``kind`` is a word for programs."""

    name: str
    result: Literal["", "failure", "error", "skipped"] = ""
    message: str = ""
    kind: str = ""
    text: str = ""


def junit(proof: Proof) -> str:
    """Return the XML document of a proof."""
    root = ElementTree.Element("testsuites", name="promptsync")
    names: set[str] = set()
    for evaluation in proof.evaluations:
        name = _unique(evaluation.run.evaluation, names)
        _suite(root, name, _about_evaluation(evaluation), list(_evaluation_cases(evaluation)))
    for agent in proof.agents:
        _suite(root, _unique(agent.run.agent, names), _about_agent(agent), list(_agent_cases(agent)))
    return _document(root)


def junit_of_error(error: PromptsyncError, what: str) -> str:
    """Return the XML document of a run that came to nothing; ``what`` is the word for it."""
    text = "\n".join(filter(None, [error.message, *error.details, error.hint]))
    root = ElementTree.Element("testsuites", name="promptsync")
    _suite(root, what, {}, [_Case("run", "error", error.message, error.code, text)])
    return _document(root)


def _document(root: ElementTree.Element) -> str:
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _unique(name: str, taken: set[str]) -> str:
    """Readers of the results take two tests of one name for one test."""
    shown = _xml(name)
    found = next(
        one for number in count(1) if (one := shown if number == 1 else f"{shown} #{number}") not in taken
    )
    taken.add(found)
    return found


def _evaluation_cases(one: ProvenEvaluation) -> Iterator[_Case]:
    run = one.run
    if run.status is not Status.COMPLETED or run.error is not None:
        yield _not_completed(one)
        return
    yield _score(one)
    for number, cell in enumerate(run.failed_cells, 1):
        where = [f"row {cell.row}"] if cell.row is not None else [f"failed cell {number}"]
        where += [cell.column] if cell.column is not None else []
        yield _Case(", ".join(where), "failure", cell.reason or "no reason given", "failed-cell")
    yield from _doubts(one)


def _score(one: ProvenEvaluation) -> _Case:
    score, least = one.run.score, one.standard.min_score
    if score is None:
        result: Literal["failure", "skipped"] = "skipped" if one.standard.allow_unscored else "failure"
        return _Case("score", result, "it has no score", "unscored")
    if least is not None and score < least:
        said = f"scored {score:g}, under the minimum of {least:g}"
        rows = [f"row {cell.row}, {cell.column}: {cell.reason}" for cell in one.run.missed_cells]
        return _Case("score", "failure", said, "min-score", "\n".join([said, *rows]))
    return _Case("score")


def _agent_cases(one: ProvenAgent) -> Iterator[_Case]:
    run = one.run
    if run.status not in (Status.COMPLETED, Status.FAILED) or run.error is not None:
        yield _not_completed(one)
        return
    for name, node in run.outputs.items():
        if node.failed:
            yield _Case(name, "failure", node.error or node.status, "failed-node")
        else:
            yield _Case(name)
    if not run.outputs:
        yield _Case("run", "failure" if one.verdict else "", one.verdict, str(run.status))
    yield from _doubts(one)


def _not_completed(one: ProvenEvaluation | ProvenAgent) -> _Case:
    run = one.run
    if run.is_under_way:
        return _Case("run", "skipped", "it was started and not waited for", str(run.status))
    details = [run.error.message, *run.error.details, run.error.hint] if run.error is not None else []
    return _Case("run", "error", one.verdict, str(run.status), "\n".join(filter(None, details)))


def _doubts(one: ProvenEvaluation | ProvenAgent) -> Iterator[_Case]:
    for doubt in one.doubts:
        yield _Case(
            f"proof of {doubt.what}", "failure" if one.verdict else "skipped", doubt.reason, "unbound"
        )


def _about_evaluation(one: ProvenEvaluation) -> dict[str, Any]:
    run = one.run
    return {
        "prompts": list(one.check.prompts),
        "report": run.report_id,
        "score": run.score,
        "previous_score": run.previous_score,
        "minimum": one.standard.min_score,
        "model": run.model,
    }


def _about_agent(one: ProvenAgent) -> dict[str, Any]:
    return {
        "prompts": list(one.check.prompts),
        "execution": one.run.execution_id,
        "input_variables": dict(one.check.input_variables),
    }


def _suite(
    root: ElementTree.Element, name: str, about: dict[str, Any], cases: list[_Case]
) -> ElementTree.Element:
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
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in about.items():
        if value not in (None, [], {}):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            ElementTree.SubElement(properties, "property", name=key, value=_xml(text))
    for case in cases:
        element = ElementTree.SubElement(suite, "testcase", classname=name, name=_xml(case.name))
        if case.result:
            attributes = {"message": _xml(case.message)} | ({"type": case.kind} if case.kind else {})
            found = ElementTree.SubElement(element, case.result, attributes)
            found.text = _xml(case.text or case.message) if case.result != "skipped" else None
    return suite


def _xml(text: str) -> str:
    """Text without what XML cannot hold: control characters and lone surrogates, shown escaped."""
    return safe(text).translate(_NO_XML)
