"""``promptsync doctor``: what is wrong with a setup, and the commands that fix it."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Sequence

import click

from promptsync import __version__
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import PromptsyncError
from promptsync.setup.doctor.examine import examine
from promptsync.setup.doctor.finding import Finding, Place, Status, ok
from promptsync.setup.doctor.registry import VARIABLES
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_MEANINGS = {Status.OK: "good", Status.WARNING: "warn", Status.ERROR: "bad"}
_LIBRARIES = ("click", "httpx", "PyYAML", "Jinja2", "GitPython", "jsonschema-rs", "deepdiff")
_GITHUB = ("GITHUB_ACTIONS", "GITHUB_REF_NAME")


@verb("doctor", short_help="Check your setup and print the commands that fix it.", blank={"checks": []})
@click.option("--offline", is_flag=True, help="Send no requests to the registry.")
def command(session: Session, offline: bool) -> Outcome:
    """Check the configuration, the prompt files, git, the key and the registry, and print what fixes them.

    Nothing is written, and no key is printed. Exits with 1 when there are errors; warnings alone exit with 0.

    \b
    promptsync doctor
    promptsync doctor --offline -v
    promptsync doctor --remote production --json
    """
    with contextlib.suppress(PromptsyncError):  # reported as a finding
        session.project(needs_config=False).close()
    findings = [_versions(), *examine(_place(session, offline))]
    is_broken = any(one.status is Status.ERROR for one in findings)
    body = {"checks": [_body(one) for one in findings]}
    return Outcome(list(_lines(session, findings)), body, int(is_broken))


def _place(session: Session, offline: bool) -> Place:
    environment = session.environment
    given = {name: environment.secret(name) for name in VARIABLES}
    known = {name: environment.variables[name] for name in _GITHUB if name in environment.variables}
    return Place(
        directory=session.directory.resolve(),
        remote=session.remote or environment.remote,
        base_url=environment.base_url,
        api_key=environment.api_key,
        variables={**known, **{name: value for name, value in given.items() if value}},
        offline=offline,
    )


def _versions() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    details = []
    for name in _LIBRARIES:
        try:
            details.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            details.append(f"{name} without a version")
    return ok("versions", f"promptsync {__version__}, Python {platform.python_version()}", details)


def _lines(session: Session, findings: Sequence[Finding]) -> Iterator[str]:
    wide = max(len(one.name) for one in findings)
    for one in findings:
        if session.quiet and one.status is Status.OK:
            continue
        word = output.padded(output.style(str(one.status), _MEANINGS[one.status]), len(Status.WARNING))
        start = f"{word}  {one.name:{wide}}  "
        yield output.hanging(start + output.safe(one.message, newlines=False), output.width(start))
        indent = " " * output.width(start)
        if session.verbose or one.status is Status.ERROR:
            for detail in one.details:
                yield output.hanging(f"{indent}{output.safe(detail, newlines=False)}", len(indent) + 2)
        if one.fix:
            fix = output.style("fix:", "remote")
            yield output.hanging(f"{indent}{fix} {output.safe(one.fix, newlines=False)}", len(indent) + 5)
    yield from ["", output.Aside(_summary(findings))]


def _summary(findings: Sequence[Finding]) -> str:
    counts = {status: sum(one.status is status for one in findings) for status in Status}
    if not counts[Status.ERROR] and not counts[Status.WARNING]:
        return output.style("no problems found", "good")
    parts = [
        output.count(counts[status], str(status))
        for status in (Status.ERROR, Status.WARNING)
        if counts[status]
    ]
    return ", ".join(parts)


def _body(one: Finding) -> dict[str, object]:
    return {
        "name": one.name,
        "status": str(one.status),
        "message": one.message,
        "fix": one.fix or None,
        "details": list(one.details),
    }
