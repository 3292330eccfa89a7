"""One run: a temporary repository, the command line in it, the workspace behind, and the steps."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from findings import STOPS, Chapter, Differs, Finding, Outcome, RegistryFailed, Report
from workspace import RAW, UNKNOWN_SHAPE, Answer, Foreign, Workspace

from promptsync.errors import PromptsyncError

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
