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
from promptsync.setup.doctor import Finding, FindingStatus, examine, ok
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_MEANINGS: Final = {FindingStatus.OK: "good", FindingStatus.WARNING: "warn", FindingStatus.ERROR: "bad"}


@verb("doctor", blank={"checks": []})
@click.option("--offline", is_flag=True, help="Send no requests to the registry.")
def command(session: Session, offline: bool) -> Outcome:
    """Check configuration, prompt files, git, key and registry, and print the commands that fix problems.

    Your files and prompts stay as they are, and no key is printed. Exits with 1 when there are errors;
    warnings alone exit with 0.

    \b
    promptsync doctor
    promptsync doctor --offline -v
    promptsync doctor --remote production --json
    """
    versions = ok("versions", f"promptsync {__version__}, Python {platform.python_version()}")
    read_only = [ok("read-only", "PROMPTSYNC_READ_ONLY is set")] if session.environment.read_only else []
    opened = partial(session.project, needs_config=False)
    findings = [versions, *read_only, *examine(session.directory.resolve(), opened, offline=offline)]
    # -q leaves out what is OK, -v adds all details.
    shown = [finding for finding in findings if not (session.quiet and finding.status is FindingStatus.OK)]
    wide = max(len(finding.name) for finding in findings)
    lines = [line for finding in shown for line in _lines(finding, wide, bool(session.verbose))]
    counts = Counter(finding.status for finding in findings)
    problems = [
        output.count(counts[status], str(status))
        for status in (FindingStatus.ERROR, FindingStatus.WARNING)
        if counts[status]
    ]
    summary = ", ".join(problems) or output.style("no problems found", "good")
    checks = [{**asdict(finding), "fix": finding.fix or None} for finding in findings]
    return Outcome(
        [*lines, "", output.aside(summary)], {"checks": checks}, int(counts[FindingStatus.ERROR] > 0)
    )


def _lines(finding: Finding, wide: int, verbose: bool) -> Iterator[str]:
    word = output.padded(
        output.style(str(finding.status), _MEANINGS[finding.status]), len(FindingStatus.WARNING)
    )
    start = f"{word}  {finding.name:{wide}}  "
    yield output.Line(start + output.safe(finding.message, newlines=False), output.width(start))
    indent = " " * output.width(start)
    for detail in finding.details if verbose or finding.status is FindingStatus.ERROR else ():
        yield output.Line(f"{indent}{output.safe(detail, newlines=False)}", len(indent) + 2)
    for fix in finding.fix.splitlines():
        label = output.style("fix:", "remote")
        yield output.Line(f"{indent}{label} {output.safe(fix, newlines=False)}", len(indent) + 5)
