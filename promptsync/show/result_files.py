"""The files of check results: JUnit XML for CI systems, and a page for people.

In JUnit, each check is a test suite. A check that failed has a failure; if it is unknown whether it would
have passed, because the registry failed or the run timed out, it has an error.

The time of a suite is that of its run. Its first test has all of it, because the time of each one is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, groupby, zip_longest
from pathlib import Path
from typing import Any, Final, Literal
from xml.etree import ElementTree

from msgspec import Struct

from promptsync.checks.results import CheckResult, CheckResults
from promptsync.checks.runs import Status
from promptsync.checks.tested_text import TestedText
from promptsync.errors import PromptsyncError
from promptsync.prompt.fields import changes
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.text_diff import DiffLine, unified
from promptsync.show.checks import run_body
from promptsync.show.diff import as_text
from promptsync.show.lines import tally
from promptsync.show.markdown import shortened
from promptsync.show.tables import MOST_ROWS, URL, changed_rows, cost_text, facts, row_changes
from promptsync.terminal.output import safe

_NO_XML: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


class _Case(Struct, frozen=True):
    """One test. ``result`` is empty if it passed; ``kind`` is the type of the failure."""

    name: str
    result: Literal["", "failure", "error", "skipped"] = ""
    message: str = ""
    kind: str = ""
    text: str = ""


def junit(results: CheckResults, stopped: PromptsyncError | None = None, what: str = "deploy") -> str:
    """Return the XML document of results; after Ctrl-C, one with an error.

    ``stopped`` is the error of the command ``what``; if the checks are not the reason, it has a suite.
    """
    root = ElementTree.Element("testsuites", name="promptsync")
    names: set[str] = set()
    if results.interrupted and results.error is not None:
        _error_suite(root, results.error, "checks")
        return _document(root)
    for result in results.all:
        run = result.run
        cases = [*(_node_cases if run.kind == "agent" else _score_cases)(result), *_unbound(result)]
        # Nodes of an agent that failed are worth more than the word that it failed.
        is_over = run.status is Status.COMPLETED or (run.status is Status.FAILED and cases)
        if not is_over or run.error is not None:
            cases = [_not_completed(result)]
        no_score = ("score", "change", "drop") if run.is_echo else ()
        properties = {key: value for key, value in run_body(result).items() if key not in no_score}
        _suite(root, _unique(result.title, names), properties, cases, run.seconds)
    if stopped is not None and results.error is None:
        _error_suite(root, stopped, _unique(what, names))
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
    free = next(name for name in chain([shown], numbered) if name not in taken)
    taken.add(free)
    return free


def _score_cases(result: CheckResult) -> Iterator[_Case]:
    run = result.run
    if run.status is Status.FAILED:
        return
    failures = [failure for failure in result.failures if failure.kind not in ("unbound", "failed-cell")]
    rows = [f"row {cell.row}, {cell.column}: {cell.reason}" for cell in run.missed_cells]
    rows += [text for _, text in changed_rows(result)]
    if failures:
        text = "\n".join([*(failure.message for failure in failures), *rows])
        yield _Case("score", "failure", failures[0].message, failures[0].kind, text)
    elif run.score is None and result.allow_unscored:
        yield _Case("score", "skipped", "no score", "unscored")
    elif run.score is not None or not result.failures:
        yield _Case("score")
    if run.failed and not run.failed_cells:
        yield _Case("cells", "failure", result.reason, "failed-cell")
    for cell in run.failed_cells:
        name = ", ".join(filter(None, [f"row {cell.row}", cell.column]))
        yield _Case(name, "failure", cell.reason or "no reason given", "failed-cell")


def _node_cases(result: CheckResult) -> Iterator[_Case]:
    run = result.run
    for name, node in run.outputs.items():
        failure = _Case(name, "failure", node.error or node.status, "failed-node")
        yield failure if node.failed else _Case(name)
    if not run.outputs:
        yield _Case("run", "failure" if result.reason else "", result.reason, str(run.status))


def _not_completed(result: CheckResult) -> _Case:
    run = result.run
    if run.is_under_way:
        return _Case("run", "skipped", "started; its result was not awaited", str(run.status))
    details = [run.error.message, *run.error.details, run.error.hint] if run.error is not None else []
    return _Case("run", "error", result.reason, str(run.status), "\n".join(filter(None, details)))


def _unbound(result: CheckResult) -> Iterator[_Case]:
    for gap in result.unbound:
        kind: Literal["failure", "skipped"] = "failure" if result.reason else "skipped"
        yield _Case(f"checks {gap.target}", kind, gap.reason, "unbound")


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
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            ElementTree.SubElement(holder, "property", name=key, value=_xml(str(value)))
    for number, case in enumerate(cases):
        element = ElementTree.SubElement(suite, "testcase", classname=name, name=_xml(case.name))
        if seconds is not None:
            element.set("time", _seconds(0 if number else seconds))
        if case.result:
            attributes = {"message": _xml(case.message)} | ({"type": case.kind} if case.kind else {})
            outcome = ElementTree.SubElement(element, case.result, attributes)
            outcome.text = _xml(case.text or case.message) if case.result != "skipped" else None


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _xml(text: str) -> str:
    """Return text with the characters that XML does not allow escaped."""
    return safe(text).translate(_NO_XML)


# -- the page of --report -----------------------------------------------------------------------------------

Texts = Sequence[tuple[TestedText | None, TestedText]]
"""The live text of each of the first results, if there is one, and the one that was tested."""

_LONG_TEXT: Final = 4_000
_MOST_LINES: Final = 1_000
"""Lines of difference of one field."""


def report(results: CheckResults, texts: Texts, about: Mapping[str, str]) -> str:
    """Return the page of the tables in ``results``; ``about`` is shown first, such as the commit."""
    from jinja2 import Environment

    tables = results.of("table")
    verdicts = [result.passed for result in tables]
    words = {True: "passed", False: "failed", None: "running"}
    # Every text of the page is escaped here, and HTML by autoescape.
    page = Environment(autoescape=True, finalize=_shown).from_string(
        Path(__file__).with_name("report.html").read_text("utf-8")
    )
    return page.render(
        title=tally("check", [(verdicts.count(passed), word) for passed, word in words.items()])
        or "no checks",
        about={**about, "Cost": cost_text(tables)},
        results=tables,
        texts=texts,
        most=MOST_ROWS,
        scores=_scores,
        differences=_differences,
        is_link=URL.fullmatch,
        changes=row_changes,
        facts=facts,
    )


def _shown(value: Any) -> Any:
    return safe(shortened(value, _LONG_TEXT)) if type(value) is str else value


def _scores(result: CheckResult) -> list[tuple[str, str]]:
    bars = (("live", result.live_score), ("new", result.run.score))
    return [(name, f"{min(max(score, 0), 100):.4g}") for name, score in bars if score is not None]


def _differences(
    live: TestedText | None, new: TestedText
) -> Iterator[tuple[str, list[tuple[DiffLine | None, DiffLine | None]]]]:
    """Yield the fields that differ, each with the lines that stand side by side."""
    before, after = (
        Prompt(text.name, text.template, text.metadata or {}) if text is not None else None
        for text in (live, new)
    )
    for field in changes(before, after):
        lines = unified(as_text(field.old), as_text(field.new))
        pairs: list[tuple[DiffLine | None, DiffLine | None]] = []
        for is_change, group in groupby(lines[1:_MOST_LINES], lambda line: line.kind in ("removed", "added")):
            block = list(group)
            if is_change:
                removed = [line for line in block if line.kind == "removed"]
                pairs += zip_longest(removed, [line for line in block if line.kind == "added"])
            else:
                pairs += [(line, line) if line.kind == "context" else (None, None) for line in block]
        yield field.path, [*pairs, *([(None, None)] if len(lines) > _MOST_LINES else [])]
