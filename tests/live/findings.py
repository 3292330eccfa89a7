"""What a run against a live registry finds out, and the report of it."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import promptsync

if TYPE_CHECKING:
    from session import Session

MOST_CHARACTERS, ONE_LINE = 600, 160
"""Of a text in the report, and of a response that is as expected."""

WORKSPACE = re.compile(r'("workspace_id": ?)\d+')

STOPS = frozenset({"missing-key", "not-sent", "rate-limited", "redirected", "unauthorized"})
"""Codes of errors after which no other step makes sense."""


class Outcome(StrEnum):
    AS_EXPECTED = "as expected"
    DIFFERS = "differs"
    NOT_TRIED = "not tried"


class Differs(Exception):
    """The registry or promptsync did something else than a step needs."""


class RegistryFailed(Exception):
    """Nothing more can be found out: no connection, a rejected key, or a registry out of order."""


class Chapter(NamedTuple):
    """Steps about one thing. In a story, each step needs those before it."""

    title: str
    is_story: bool
    read: Callable[[Session], None]


def chapter(title: str, *, is_story: bool = True) -> Callable[[Callable[[Session], None]], Chapter]:
    """Make a chapter of a function that takes its steps."""
    return lambda read: Chapter(title, is_story, read)


class Finding(NamedTuple):
    chapter: str
    step: str
    seen: str
    outcome: Outcome = Outcome.NOT_TRIED
    expected: str = ""
    exchanges: Sequence[str] = ()


@dataclass
class Report:
    """All findings, in a form to attach to an issue. ``key`` is taken out of all of it."""

    url: str
    names: str
    key: str
    findings: list[Finding] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    stopped: str = ""

    def say(self, text: str) -> None:
        """Print on stderr, without the key."""
        sys.stderr.write(f"{self.scrubbed(text)}\n")
        sys.stderr.flush()

    def add(self, finding: Finding) -> None:
        """Add a finding, and print it."""
        self.findings.append(finding)
        self.say(f"  {finding.outcome:11}  {finding.step}")
        if finding.outcome is Outcome.DIFFERS:
            self.say(f"{'':15}expected {shown(finding.expected)}\n{'':15}seen     {shown(finding.seen)}")

    def counts(self) -> str:
        """Return how many steps had which outcome."""
        counts = Counter(finding.outcome for finding in self.findings)
        return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])

    def markdown(self) -> str:
        """Return the report."""
        git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout.strip()
        versions = f"promptsync {promptsync.__version__}, Python {platform.python_version()}, {git}"
        lines = [
            *("# promptsync against a live registry", ""),
            f"* {datetime.now(UTC):%Y-%m-%d}, {code(self.url)}",
            f"* {versions}, {platform.system()}",
            f"* names: {code(self.names + '…')}",
            f"* {self.counts()}",
            *([f"* stopped: {code(self.stopped)}"] if self.stopped else []),
            *([f"* not removed: {code(name)}" for name in self.left] or ["* everything was removed again"]),
        ]
        chapter = ""
        for finding in self.findings:
            if finding.chapter != chapter:
                chapter = finding.chapter
                lines += ["", f"## {chapter}", ""]
            lines.append(f"* **{finding.outcome}**: {finding.step}")
            if finding.expected:
                lines.append(f"  * expected: {code(finding.expected)}")
            if finding.seen != finding.expected:
                lines.append(f"  * seen: {code(finding.seen)}")
            for exchange in finding.exchanges:
                is_brief = finding.outcome is not Outcome.DIFFERS and " -> " in exchange
                lines.append(f"  * {code(exchange, ONE_LINE if is_brief else MOST_CHARACTERS)}")
        return self.scrubbed("\n".join(lines) + "\n")

    def scrubbed(self, text: str) -> str:
        """Return a text without the key."""
        return text.replace(self.key, "***") if self.key else text


def shown(text: str, room: int = MOST_CHARACTERS) -> str:
    """Return a text of a registry as one short line that can do nothing on a terminal."""
    line = " ".join(text.split())
    line = line if len(line) <= room else f"{line[: room - 1]}…"
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)


def code(text: str, room: int = MOST_CHARACTERS) -> str:
    """Return a text of a registry as code in Markdown, without the number of the workspace."""
    line = WORKSPACE.sub(r"\1…", shown(text, room)).replace("`", "'")
    return f"`{line}`"
