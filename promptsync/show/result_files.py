"""The files of check results: JUnit XML for CI systems, and a page for people.

In JUnit, each check is a test suite. A check that failed has a failure; if it is unknown whether it would
have passed, because the registry failed or the run timed out, it has an error.

The time of a suite is that of its run. Its first test has all of it, because the time of each one is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, groupby, zip_longest
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from promptsync.checks.results import CheckResult, CheckResults
from promptsync.checks.runs import Status
from promptsync.checks.tested_text import TestedText
from promptsync.errors import PromptsyncError
from promptsync.prompt.fields import changes
from promptsync.prompt.text_diff import DiffLine, unified
from promptsync.show import checks
from promptsync.show.diff import as_text
from promptsync.show.markdown import shortened
from promptsync.show.notes import tally
from promptsync.terminal.output import safe

_NO_XML: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


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
        cases = [*(_node_cases if run.kind == "agent" else _score_cases)(result)]
        cases += (
            _case(f"checks {gap.target}", "failure" if result.reason else "skipped", gap.reason, "unbound")
            for gap in result.unbound
        )
        # Nodes of an agent that failed are worth more than the word that it failed.
        is_over = run.status is Status.COMPLETED or (run.status is Status.FAILED and cases)
        if run.is_under_way:
            cases = [_case("run", "skipped", "started; its result was not awaited", run.status)]
        elif not is_over or run.error is not None:
            text = _error_text(run.error) if run.error is not None else ""
            cases = [_case("run", "error", result.reason, run.status, text)]
        no_score = ("score",) if run.is_echo else ()
        properties = {key: value for key, value in checks.run_body(result).items() if key not in no_score}
        _add_suite(root, _unique(result.title, names), properties, cases, run.seconds)
    if stopped is not None and (results.error is None or results.error.message not in stopped.message):
        _error_suite(root, stopped, _unique(what, names))
    return _document(root)


def _error_suite(root: ElementTree.Element, error: PromptsyncError, what: str) -> None:
    case = _case("run", "error", error.message, error.code, _error_text(error))
    _add_suite(root, what, {}, [case])


def _error_text(error: PromptsyncError) -> str:
    return "\n".join(filter(None, [error.message, *error.details, error.hint]))


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
    names = chain([shown], (f"{shown} #{number}" for number in count(2)))
    taken.add(free := next(name for name in names if name not in taken))
    return free


def _score_cases(result: CheckResult) -> Iterator[ElementTree.Element]:
    run = result.run
    if run.status is Status.FAILED:
        return
    failures = [failure for failure in result.failures if failure.kind not in ("unbound", "failed-cell")]
    rows = [f"row {cell.row}, {cell.column}: {cell.reason}" for cell in run.missed_cells]
    rows += [text for _, text in checks.changed_rows(result)]
    if failures:
        text = "\n".join([*(failure.message for failure in failures), *rows])
        yield _case("score", "failure", failures[0].message, failures[0].kind, text)
    elif run.score is None and result.allow_unscored:
        yield _case("score", "skipped", "no score", "unscored")
    elif run.score is not None or not result.failures:
        yield _case("score")
    if run.failed and not run.failed_cells:
        yield _case("cells", "failure", result.reason, "failed-cell")
    for cell in run.failed_cells:
        name = ", ".join(filter(None, [f"row {cell.row}", cell.column]))
        yield _case(name, "failure", cell.reason or "no reason given", "failed-cell")


def _node_cases(result: CheckResult) -> Iterator[ElementTree.Element]:
    for name, node in result.run.outputs.items():
        failure = "failure" if node.failed else ""
        yield _case(name, failure, node.error or node.status, "failed-node")
    if not result.run.outputs:
        yield _case("run", "failure" if result.reason else "", result.reason, result.run.status)


def _case(
    name: str, ending: str = "", message: str = "", kind: str = "", text: str = ""
) -> ElementTree.Element:
    """Return one test, which passed without an ``ending``; ``kind`` is the type of the failure."""
    case = ElementTree.Element("testcase", name=_xml(name))
    if ending:
        details = ElementTree.SubElement(case, ending, message=_xml(message))
        if kind:
            details.set("type", kind)
        details.text = _xml(text or message) if ending != "skipped" else None
    return case


def _add_suite(
    root: ElementTree.Element,
    name: str,
    properties: Mapping[str, Any],
    cases: Sequence[ElementTree.Element],
    seconds: float | None = None,
) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=name, tests=str(len(cases)))
    for key, ending in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(ending) is not None for case in cases)))
    if seconds is not None:
        suite.set("time", _seconds(seconds))
    holder = ElementTree.SubElement(suite, "properties")
    for key, value in properties.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            ElementTree.SubElement(holder, "property", name=key, value=_xml(str(value)))
    for number, case in enumerate(cases):
        case.set("classname", name)
        if seconds is not None:
            case.set("time", _seconds(0 if number else seconds))
    suite.extend(cases)


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
    source = Path(__file__).with_name("report.html").read_text("utf-8")
    page = Environment(autoescape=True, finalize=_shown).from_string(source)
    return page.render(
        title=tally("check", [(verdicts.count(passed), word) for passed, word in words.items()])
        or "no checks",
        about={**about, "Cost": checks.cost_text(tables)},
        results=tables,
        texts=texts,
        most=checks.MOST_ROWS,
        scores=_scores,
        differences=_differences,
        is_link=checks.URL.fullmatch,
        changes=checks.row_changes,
        facts=checks.facts,
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
    for field in changes(live, new):
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
