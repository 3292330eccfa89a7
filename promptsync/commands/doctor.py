"""``promptsync doctor``: what is wrong with a setup, and the commands that fix it."""

from __future__ import annotations

import contextlib
import platform

import click

from promptsync import __version__
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import PromptsyncError
from promptsync.setup.doctor.examine import examine
from promptsync.setup.doctor.finding import Finding, FindingPlace, ok
from promptsync.setup.doctor.registry import VARIABLES
from promptsync.show.doctor import show_findings
from promptsync.show.outcome import Outcome

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
    return show_findings(findings, quiet=session.quiet, verbose=bool(session.verbose))


def _place(session: Session, offline: bool) -> FindingPlace:
    environment = session.environment
    given = {name: environment.secret(name) for name in VARIABLES}
    known = {name: environment.variables[name] for name in _GITHUB if name in environment.variables}
    return FindingPlace(
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
