"""One run: a temporary repository, the command line in it, the workspace behind, the steps and the report."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from workspace import RAW, UNKNOWN_SHAPE, Answer, Differs, Foreign, RegistryFailed, Workspace

import promptsync
from promptsync.errors import PromptsyncError

MOST_CHARACTERS, ONE_LINE = 600, 160
"""Of a text in the report, and of a response that is as expected."""

WORKSPACE = re.compile(r'("workspace_id": ?)\d+')

STOPS = frozenset({"missing-key", "not-sent", "rate-limited", "redirected", "unauthorized"})
"""Codes of errors after which no other step makes sense."""


class Outcome(StrEnum):
    AS_EXPECTED = "as expected"
    DIFFERS = "differs"
    NOT_TRIED = "not tried"


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


# -- a run --------------------------------------------------------------------------------------------------


PROXIES = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
INHERITED = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", *PROXIES)
"""Environment variables that the command line gets. CI and git must not change what it does."""

REFUSED = 3
"""The exit code of a command that would lose work or release something unreviewed."""

FIRST_WAIT, LAST_WAIT = 600.0, 20.0


class Broken(Exception):
    """A step of a story was not as expected, and the next one needs it."""


@dataclass
class Seen:
    """What a step saw. A ``text`` that equals what is expected is as expected, if nothing else is said."""

    text: str = ""
    is_expected: bool | None = None

    def __call__(self, text: object, is_expected: bool | None = None) -> None:
        self.text, self.is_expected = str(text), is_expected


@dataclass
class Session:
    """``exchanges`` are the commands and requests of the present step."""

    root: Path
    workspace: Workspace
    report: Report
    exchanges: list[str]
    command: Sequence[str]
    model: str = ""
    protected: str = ""
    chapter: Chapter = field(init=False)

    def set_up(self) -> None:
        """Create the repository, in which only the names of this run are managed."""
        config = {
            "remote": "live",
            "remotes": {"live": {"url": self.report.url}},
            "include": [self.workspace.names + "*"],
            "labels": {"main": self.workspace.label},
        }
        self.write("promptsync.yaml", json.dumps(config))
        self.write("prompts/.gitkeep", "")
        self.write(".gitignore", ".promptsync/\n")
        self.git("init", "--quiet", "--initial-branch=main", "--template=")
        self.commit("Set up promptsync")

    # -- steps ----------------------------------------------------------------------------------------------

    @contextmanager
    def step(self, title: str, expected: str) -> Iterator[Seen]:
        """One step of the chapter. Raises ``RegistryFailed`` if no other step makes sense."""
        self.exchanges.clear()
        seen = Seen()
        try:
            yield seen
        except Differs as error:
            seen(error, False)
        except PromptsyncError as error:
            if error.code in STOPS:
                raise RegistryFailed(str(error)) from None
            seen(f"{error.code}: {error}", False)
        # An answer of an unknown shape can make a step fail in any way, and git and commands may fail, too.
        except (Foreign, *UNKNOWN_SHAPE, OSError, subprocess.SubprocessError) as error:
            seen(f"{type(error).__name__}: {error}", False)
        is_expected = seen.text == expected if seen.is_expected is None else seen.is_expected
        outcome = Outcome.AS_EXPECTED if is_expected else Outcome.DIFFERS
        exchanges = tuple(self.exchanges)
        self.report.add(Finding(self.chapter.title, title, seen.text, outcome, expected, exchanges))
        if not is_expected and self.chapter.is_story:
            raise Broken(f"needs the step before: {title}")

    def is_given(self, option: str, title: str) -> bool:
        """Whether there is the option that a step needs; if not, it is not tried."""
        is_given = bool(getattr(self, option.rpartition("-")[2]))
        if not is_given:
            self.report.add(Finding(self.chapter.title, title, f"needs --{option}"))
        return is_given

    # -- files ----------------------------------------------------------------------------------------------

    def name(self, word: str) -> str:
        return self.workspace.name(word)

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")

    def prompt(self, word: str, *messages: str, **fields: Any) -> None:
        """Write the file of a prompt: a system and a user message, or other ``fields``."""
        body: dict[str, Any] = {"name": self.name(word), **fields}
        if messages:
            pairs = zip(("system", "user"), messages, strict=True)
            body["messages"] = [{"role": role, "content": text} for role, text in pairs]
        lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in body.items())
        self.write(f"prompts/{word}.yaml", "".join(lines))

    def add(self, word: str, *messages: str) -> None:
        """Write the file of a prompt, and commit."""
        self.prompt(word, *messages)
        self.commit(f"Add {word}")

    def evaluation(self, word: str, prompt: str, rows: list[Any], source: dict[str, str]) -> None:
        """Write an evaluation file with one check for a text, and commit."""
        card = {"steps": [{"title": "Named", "type": "CONTAINS", "config": source}]}
        body = {"name": self.name(word), "prompts": self.name(prompt), "rows": rows, "scorecard": card}
        self.write(f"evaluations/{word}.yaml", json.dumps(body))
        self.commit(f"Check {prompt}")

    def model_of(self, tokens: int) -> dict[str, Any]:
        """Return the model of ``--with-model`` for the file of a prompt."""
        provider, _, name = self.model.partition("/")
        return {"provider": provider, "name": name, "parameters": {"max_tokens": tokens}}

    def edit(self, word: str, old: str, new: str) -> None:
        """Edit the file of a prompt, and commit."""
        text = self.read(word)
        if old not in text:
            raise Differs(f"prompts/{word}.yaml has no {old!r}: {text}")
        self.write(f"prompts/{word}.yaml", text.replace(old, new))
        self.commit(f"Edit {word}")

    def read(self, word: str) -> str:
        return (self.root / "prompts" / f"{word}.yaml").read_text("utf-8")

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def git(self, *arguments: str) -> None:
        environ = self.environment()
        subprocess.run(["git", *arguments], cwd=self.root, env=environ, capture_output=True, check=True)

    # -- the command line -----------------------------------------------------------------------------------

    def run(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """Run promptsync and return its JSON document. Raises ``Differs`` for another exit code."""
        out = self.text(*arguments, "--json", code=code)
        try:
            document = json.loads(out)
        except ValueError:
            raise Differs(f"promptsync {arguments[0]} printed no JSON: {out[:200]}") from None
        return document if isinstance(document, dict) else {}

    def text(self, *arguments: str, code: int | None = 0) -> str:
        """Run promptsync and return what it printed. Raises ``Differs`` for another exit code."""
        exit_code, out, err = self.called(arguments)
        try:
            error = json.loads(out)["error"]
        except (ValueError, LookupError, TypeError):
            error = {}
        said = error.get("message") or err.strip()
        shown = shlex.join(argument for argument in arguments if argument != "--json")
        self.exchanges.append(f"promptsync {shown} -> exit {exit_code} {said if exit_code else ''}".strip())
        if error.get("code") in STOPS:
            raise RegistryFailed(f"promptsync {shown}: {said}")
        if code not in (None, exit_code):
            raise Differs(f"exit {exit_code} instead of {code}: {said}")
        return out

    def called(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        """Run promptsync; return its exit code and what it printed."""
        # Ctrl-C reaches only this program, which passes it on and waits until no request is under way.
        process = subprocess.Popen(
            [*self.command, "-C", str(self.root), *arguments],
            env={**self.environment(), "PROMPTLAYER_API_KEY": self.report.key},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=os.name == "posix",
        )
        try:
            out, err = process.communicate(timeout=FIRST_WAIT)
        except BaseException:
            if os.name == "posix":
                process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=LAST_WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            raise
        return process.returncode, out, err

    def environment(self) -> dict[str, str]:
        identity = {"NAME": "promptsync verify-live", "EMAIL": "verify-live@localhost"}
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            **{f"GIT_{who}_{key}": text for who in ("AUTHOR", "COMMITTER") for key, text in identity.items()},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONUTF8": "1",
        }

    # -- what is there, in words, without what is common to this run ---------------------------------------

    def push(self, *words: str) -> str:
        """Push prompts, by default all; return what was published. Words can be options, too."""
        names = [word if word.startswith("-") else self.name(word) for word in words]
        published = self.run("push", *names, "--yes")["published"]
        prefix = self.workspace.names
        shown = (f"{item['name'].removeprefix(prefix)} v{item.get('version')}" for item in published)
        return ", ".join(sorted(shown)) or "none"

    def states(self, word: str) -> str:
        """Return the state of a prompt as ``status`` shows it."""
        (prompt,) = self.run("status", self.name(word))["prompts"]
        version = prompt.get("version")
        return prompt["state"] if version is None else f"{prompt['state']} v{version}"

    def in_turn(self, word: str, *verbs: str) -> str:
        """Run ``push`` and ``status`` of a prompt in turn; return what each shows."""
        return "; ".join(self.push(word) if verb == "push" else self.states(word) for verb in verbs)

    def labels(self, word: str) -> str:
        """Return where the labels of a prompt point, as the registry has it."""
        return self.pointers(self.workspace.labels(word))

    def pointers(self, labels: Mapping[str, int]) -> str:
        prefix = self.workspace.label
        shown = (f"LABEL{name.removeprefix(prefix)} v{version}" for name, version in labels.items())
        return ", ".join(sorted(shown)) or "none"

    def texts(self, word: str, query: str = RAW) -> list[str]:
        """Return the texts of the messages of a prompt."""
        return texts_in(self.workspace.get(word, query))


def texts_in(answer: Answer) -> list[str]:
    template = answer.fields.get("prompt_template") or {}
    parts = template.get("messages") or [template]
    return [str(block.get("text")) for part in parts for block in part.get("content") or ()]
