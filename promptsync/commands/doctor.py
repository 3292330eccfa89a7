"""``promptsync doctor``: what is wrong with a setup, and the commands that fix it."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final

import click
from msgspec.structs import asdict

from promptsync import __version__
from promptsync.commands.shared.session import Session, verb
from promptsync.setup.doctor import ERROR, OK, WARNING, Finding, examine
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_MEANINGS: Final = {OK: "good", WARNING: "warn", ERROR: "bad"}


@verb("doctor", blank={"checks": []})
@click.option("--offline", is_flag=True, help="Send no requests to the registry.")
def command(session: Session, offline: bool) -> Outcome:
    """Check configuration, prompt files, git, key and registry, and print the commands that fix problems.

    Your files and prompts stay as they are, and no key is printed. Exits with 1 when there are errors;
    warnings alone exit with 0.

    \b
    promptsync doctor
    promptsync doctor --offline
    promptsync doctor --remote production --json
    """
    findings = [Finding("versions", OK, f"promptsync {__version__}, Python {platform.python_version()}")]
    if session.environment.read_only:
        findings.append(Finding("read-only", OK, "PROMPTSYNC_READ_ONLY is set"))
    opened = partial(session.project, needs_config=False)
    findings += examine(session.directory.resolve(), opened, offline=offline)
    shown = [finding for finding in findings if not (session.quiet and finding.status is OK)]
    wide = max(len(finding.name) for finding in findings)
    lines = [line for finding in shown for line in _lines(finding, wide)]
    counts = Counter(finding.status for finding in findings)
    problems = [output.count(counts[status], status) for status in (ERROR, WARNING) if counts[status]]
    summary = ", ".join(problems) or output.style("no problems found", "good")
    checks = [{**asdict(finding), "fix": finding.fix or None} for finding in findings]
    return Outcome([*lines, "", output.aside(summary)], {"checks": checks}, int(counts[ERROR] > 0))


def _lines(finding: Finding, wide: int) -> Iterator[str]:
    word = output.padded(output.style(finding.status, _MEANINGS[finding.status]), len(WARNING))
    start = f"{word}  {finding.name:{wide}}  "
    yield output.Line(start + output.safe(finding.message, newlines=False), output.width(start))
    indent = " " * output.width(start)
    for detail in finding.details:
        yield output.Line(f"{indent}{output.safe(detail, newlines=False)}", len(indent) + 2)
    for fix in finding.fix.splitlines():
        label = output.style("fix:", "remote")
        yield output.Line(f"{indent}{label} {output.safe(fix, newlines=False)}", len(indent) + 5)
