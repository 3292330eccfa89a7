"""The versions without a passing check that a label moves to, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptsync.checks.verdicts import Verdict
from promptsync.show.outcome import Outcome, Row, bodies, row_lines
from promptsync.terminal import output

_LISTED = 10


def with_warnings(outcome: Outcome, warnings: Sequence[Verdict], *, in_text: bool = True) -> Outcome:
    """Return an outcome that warns; without ``in_text`` only its document does."""
    shown = [line for line in outcome.lines if not output.is_aside(line)]
    totals = [line for line in outcome.lines if output.is_aside(line)]
    lines = [*shown, *warning_lines(warnings), *totals] if in_text else outcome.lines
    document = {**outcome.body, "warnings": bodies(warnings, "name version failed reason")}
    return outcome.replaced(lines=lines, body=document)


def warning_lines(warnings: Sequence[Verdict]) -> Iterator[str]:
    """Yield a line for each of the first versions, and how many more there are."""
    shown = warnings if len(warnings) <= _LISTED + 1 else warnings[:_LISTED]
    yield from row_lines(
        Row("warning", "warn", verdict.name, note=f"v{verdict.version} {_text(verdict)}") for verdict in shown
    )
    if len(shown) < len(warnings):
        yield f"  {output.style('warning', 'warn')}  and {len(warnings) - len(shown)} more; --json has all"


def _text(verdict: Verdict) -> str:
    if verdict.about == "live":
        return f"is {verdict.reason}, unchecked there"
    if verdict.about == "on-hold":
        return f"is on hold: {verdict.reason}"
    if verdict.about == "contract":
        return f"breaks applications: {verdict.reason}"
    if verdict.about == "still-live":
        undo = "to undo it, git revert its commit and promptsync deploy"
        return f"is still live in {verdict.reason}: an unpinned reference renders the newest text; {undo}"
    what = "failed its checks" if verdict.failed else "has no passing check"
    return f"{what}: {verdict.reason}"


def failed_text(failed: Sequence[Verdict]) -> str:
    """Return for a question why the versions that a label moves to need confirmation; empty if none does."""
    if not failed:
        return ""
    names = list(dict.fromkeys(verdict.name for verdict in failed))
    first = f"{output.name(failed[0].name)} v{failed[0].version}"
    if len(names) > 1:
        what = "to versions that failed their checks, break applications, are on hold or live immediately"
        return f", {len(names)} of them {what}; first: {first}"
    if failed[0].about == "live":
        return f", {failed[0].reason}"
    words = {"on-hold": "is on hold", "contract": "breaks applications"}
    what = words.get(failed[0].about, "failed its checks")
    return f", to a version that {what}: {first}"
