"""The report page of checks on tables: one HTML file that runs nothing and loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby, zip_longest
from pathlib import Path
from string import Template
from typing import Final

from promptsync.checks.receipt import CheckResult, CheckResults
from promptsync.checks.tables.comparison import RowResult
from promptsync.checks.tables.tested_text import TestedText
from promptsync.prompt.fields import changes
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.text_diff import DiffLine, unified
from promptsync.show.diff import as_text
from promptsync.show.lines import tally
from promptsync.show.markdown import shortened
from promptsync.show.tables import MOST_ROWS, URL, cost_text, score_text
from promptsync.terminal.output import count, safe

Texts = Mapping[str, tuple[TestedText | None, TestedText]]
"""The live text of each prompt, if there is one, and the one that was tested."""

_LONG_TEXT: Final = 4_000
_MOST_LINES: Final = 1_000
"""Lines of difference of one prompt."""
_PAGE: Final = Path(__file__).with_name("report.html")


def report(results: CheckResults, texts: Texts, facts: Mapping[str, str]) -> str:
    """Return the page of the tables in ``results``; ``facts`` are shown first, such as the commit."""
    tables = results.of("table")
    verdicts = [result.passed for result in tables]
    words = {True: "passed", False: "failed", None: "running"}
    title = tally("check", [(verdicts.count(passed), word) for passed, word in words.items()])
    if cost := cost_text(tables):
        facts = {**facts, "Cost": cost}
    return Template(_PAGE.read_text("utf-8")).substitute(
        title=f"promptsync: {title or 'no checks'}",
        facts=_terms(facts),
        overview="\n".join(
            f'<tr><th scope="row"><a href="#check{number}">{_text(result.title)}</a></th>'
            f"<td>{_verdict(result)}</td><td>{_picture(result)}</td></tr>"
            for number, result in enumerate(tables)
        ),
        prompts="\n".join(
            "\n".join(_section(f"check{number}", result, texts)) for number, result in enumerate(tables)
        ),
    )


def _section(anchor: str, result: CheckResult, texts: Texts) -> Iterator[str]:
    run, comparison, name = result.run, result.comparison, (*result.check.prompts, "")[0]
    yield f'<section id="{anchor}"><h2>{_text(name or result.title)}</h2>'
    yield f"<p>{_verdict(result)}</p>"
    reason = result.reason or (comparison.reason if comparison is not None else "")
    yield f"<p>{_text(reason)}</p>" if reason else ""
    yield "<dl>" + _terms({"Table": run.name, "Evaluated in": run.origin if run.reused else ""})
    if URL.fullmatch(run.url):
        yield f'<dt>Sheet</dt><dd><a href="{escape(run.url)}" rel="noreferrer">in the dashboard</a></dd>'
    yield "</dl>"
    if name in texts:
        yield "<h3>Text</h3>"
        yield from _difference(*texts[name])
    sides = {"worse": comparison.worse, "better": comparison.better} if comparison is not None else {}
    for side, pairs in sides.items():
        yield from _rows(f"Rows that got {side}", pairs)
    if not any(sides.values()) and result.passed is False:
        yield from _rows("Rows that failed", [(None, row) for row in run.rows if not row.passed])
    yield "</section>"


def _verdict(result: CheckResult) -> str:
    comparison = result.comparison
    if comparison is not None and comparison.verdict == "cannot tell":
        word, meaning = "cannot tell", "warn"
    else:
        words = {True: ("passed", "good"), False: ("failed", "bad"), None: ("running", "warn")}
        word, meaning = words[result.passed]
    return f'<span class="verdict {meaning}">{word}</span>'


def _picture(result: CheckResult) -> str:
    """Return the scores as two bars, with a line at the minimum."""
    if result.run.model is not None:
        return f"{_text(score_text(result.run))} (no real LLM)"
    color = "new-bad" if result.passed is False else "new-good"
    bars = [("live", "live", result.live.score), ("new", color, result.run.score)]
    known = [(name, color, min(max(score, 0), 100)) for name, color, score in bars if score is not None]
    minimum, height = result.check.min_score, 18 * len(known)
    spoken = [f"{name} {score:.4g}" for name, _, score in known]
    spoken += [f"minimum {minimum:g}"] if minimum is not None else []
    parts = [
        f'<rect class="track" x="34" y="{18 * at + 3}" width="100" height="12"/>'
        f'<rect class="{color}" x="34" y="{18 * at + 3}" width="{score:.4g}" height="12"/>'
        f'<text x="0" y="{18 * at + 13}">{name}</text><text x="140" y="{18 * at + 13}">{score:.4g}</text>'
        for at, (name, color, score) in enumerate(known)
    ]
    if minimum is not None:
        parts.append(f'<line x1="{34 + minimum:g}" x2="{34 + minimum:g}" y1="0" y2="{height}"/>')
    label = f'role="img" aria-label="{", ".join(spoken)}"'
    return f'<svg viewBox="0 0 176 {height}" {label}>{"".join(parts)}</svg>' if known else "no score"


def _difference(live: TestedText | None, new: TestedText) -> Iterator[str]:
    before, after = (
        Prompt(text.name, text.template, text.metadata or {}) if text is not None else None
        for text in (live, new)
    )
    fields = changes(before, after)
    if live is not None and not fields:
        yield "<p>The same as live.</p>"
    left = _MOST_LINES
    for field in fields:
        yield f'<p class="hunk">{_text(field.path)}</p>'
        lines = unified(as_text(field.old), as_text(field.new))
        yield from _lines(lines[1:left])
        if len(lines) > left:
            yield f'<p class="hunk">{count(len(lines) - left, "more line")}</p>'
        left -= min(left, len(lines))


def _lines(lines: Sequence[DiffLine]) -> Iterator[str]:
    for is_change, group in groupby(lines, key=lambda line: line.kind in ("removed", "added")):
        block = list(group)
        if is_change:
            sides = ([line for line in block if line.kind == kind] for kind in ("removed", "added"))
            yield from (_pair(_marked(old, "del"), _marked(new, "ins")) for old, new in zip_longest(*sides))
            continue
        for line in block:
            text = _text(line.text)
            same = f'<div class="pair same"><pre>{text}</pre><pre>{text}</pre></div>'
            yield same if line.kind == "context" else '<p class="hunk">…</p>'


def _marked(line: DiffLine | None, tag: str) -> str:
    if line is None:
        return ""
    parts, at = [], 0
    for start, end in line.emphasis:
        parts += [_text(line.text[at:start]), f"<{tag}>{_text(line.text[start:end])}</{tag}>"]
        at = end
    return "".join([*parts, _text(line.text[at:])])


def _rows(title: str, pairs: Sequence[tuple[RowResult | None, RowResult]]) -> Iterator[str]:
    if pairs:
        yield f"<h3>{title}: {len(pairs)}</h3>"
    for live, new in pairs[:MOST_ROWS]:
        steps = ", ".join(new.failed_steps or (live.failed_steps if live is not None else ()))
        yield f'<div class="row"><p><strong>Row {new.index + 1}</strong> {_text(steps)}</p><dl>'
        yield _terms(new.inputs) + "</dl>"
        yield _pair(_text(live.output) if live is not None else "", _text(new.output)) + "</div>"
    if len(pairs) > MOST_ROWS:
        yield f"<p>{count(len(pairs) - MOST_ROWS, 'more row')}</p>"


def _pair(old: str, new: str) -> str:
    return f'<div class="pair"><pre class="old">{old}</pre><pre class="new">{new}</pre></div>'


def _terms(facts: Mapping[str, str]) -> str:
    return "\n".join(f"<dt>{_text(name)}</dt><dd>{_text(text)}</dd>" for name, text in facts.items() if text)


def _text(text: str) -> str:
    return escape(safe(shortened(text, _LONG_TEXT)))
