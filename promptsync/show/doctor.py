"""The findings of doctor as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from promptsync.setup.doctor.finding import Finding, FindingStatus
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_MEANINGS: Final = {FindingStatus.OK: "good", FindingStatus.WARNING: "warn", FindingStatus.ERROR: "bad"}


def show_findings(findings: Sequence[Finding], *, quiet: bool = False, verbose: bool = False) -> Outcome:
    """Return findings; ``quiet`` leaves out what is OK, ``verbose`` adds all details."""
    shown = [one for one in findings if not (quiet and one.status is FindingStatus.OK)]
    wide = max(len(one.name) for one in findings)
    lines = [line for one in shown for line in _lines(one, wide, verbose)]
    is_broken = any(one.status is FindingStatus.ERROR for one in findings)
    body = {"checks": [_body(one) for one in findings]}
    return Outcome([*lines, "", output.Aside(_summary(findings))], body, int(is_broken))


def _lines(one: Finding, wide: int, verbose: bool) -> Iterator[str]:
    word = output.padded(output.style(str(one.status), _MEANINGS[one.status]), len(FindingStatus.WARNING))
    start = f"{word}  {one.name:{wide}}  "
    yield output.hanging(start + output.safe(one.message, newlines=False), output.width(start))
    indent = " " * output.width(start)
    if verbose or one.status is FindingStatus.ERROR:
        for detail in one.details:
            yield output.hanging(f"{indent}{output.safe(detail, newlines=False)}", len(indent) + 2)
    for fix in one.fix.splitlines():
        label = output.style("fix:", "remote")
        yield output.hanging(f"{indent}{label} {output.safe(fix, newlines=False)}", len(indent) + 5)


def _summary(findings: Sequence[Finding]) -> str:
    counts = {status: sum(one.status is status for one in findings) for status in FindingStatus}
    problems = [
        output.count(counts[one], str(one))
        for one in (FindingStatus.ERROR, FindingStatus.WARNING)
        if counts[one]
    ]
    return ", ".join(problems) or output.style("no problems found", "good")


def _body(one: Finding) -> dict[str, object]:
    return {
        "name": one.name,
        "status": str(one.status),
        "message": one.message,
        "fix": one.fix or None,
        "details": list(one.details),
    }
