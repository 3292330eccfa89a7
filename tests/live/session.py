"""One run: a temporary repository, the command line in it, and the workspace behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from findings import STOPS, Differs, RegistryFailed
from workspace import RAW, Answer, Workspace

from promptsync.registry.protocol import SheetId

INHERITED = (
    *("PATH", "HOME", "TMPDIR", "SYSTEMROOT"),
    *("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
"""Environment variables that the command line gets. CI and git must not change what it does."""

REFUSED = 3
"""The exit code of a command that would lose work or release something unreviewed."""

NO_SHEET = SheetId("", "")
FIRST_WAIT, LAST_WAIT = 600.0, 20.0


@dataclass
class Session:
    """``exchanges`` are the commands and requests of the present step."""

    root: Path
    workspace: Workspace
    url: str
    key: str
    model: str = ""
    protected: str = ""
    report: str = ""
    command: Sequence[str] = (sys.executable, "-m", "promptsync")
    exchanges: list[str] = field(default_factory=list)
    table: str = ""
    sheet: SheetId = NO_SHEET
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)

    def set_up(self) -> None:
        """Create the repository, in which only the names of this run are managed."""
        (self.root / "prompts").mkdir()
        self.write(
            "promptsync.yaml",
            f"remote: live\nremotes: {{live: {{url: {json.dumps(self.url)}}}}}\n"
            f"include: [{json.dumps(self.workspace.names + '*')}]\n"
            f"labels: {{main: {self.workspace.label}}}\n",
        )
        self.write(".gitignore", ".promptsync/\n")
        self.git("init", "--quiet", "--initial-branch=main", "--template=")
        self.commit("Set up promptsync")

    # -- files ----------------------------------------------------------------------------------------------

    def name(self, word: str) -> str:
        return self.workspace.name(word)

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")

    def prompt(self, word: str, *messages: str, **fields: Any) -> None:
        """Write the file of a prompt: a system and a user message, or ``content``."""
        body: dict[str, Any] = {"name": self.name(word), **fields}
        roles = ("system", "user")
        if messages:
            body["messages"] = [
                {"role": role, "content": text} for role, text in zip(roles, messages, strict=True)
            ]
        lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in body.items())
        self.write(f"prompts/{word}.yaml", "".join(lines))

    def add(self, word: str, *messages: str) -> None:
        """Write the file of a prompt, and commit."""
        self.prompt(word, *messages)
        self.commit(f"Add {word}")

    def evaluation(self, word: str, prompt: str, rows: list[Any], source: dict[str, str]) -> None:
        """Write an evaluation file with one check for a text, and commit."""
        step = {"title": "Named", "type": "CONTAINS", "config": source}
        body = {
            "name": self.name(word),
            "prompts": self.name(prompt),
            "rows": rows,
            "scorecard": {"steps": [step]},
        }
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
        subprocess.run(
            ["git", *arguments], cwd=self.root, env=self._environment(), capture_output=True, check=True
        )

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
        exit_code, out, err = self._called(arguments)
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
        return self.texts_in(self.workspace.get(word, query))

    def texts_in(self, answer: Answer) -> list[str]:
        template = answer.fields.get("prompt_template") or {}
        parts = template.get("messages") or [template]
        return [str(block.get("text")) for part in parts for block in part.get("content") or ()]

    def _called(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        # Ctrl-C reaches only this program, which passes it on and waits until no request is under way.
        process = subprocess.Popen(
            [*self.command, "-C", str(self.root), *arguments],
            env={**self._environment(), "PROMPTLAYER_API_KEY": self.key},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
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

    def _environment(self) -> dict[str, str]:
        identity = {"NAME": "promptsync verify-live", "EMAIL": "verify-live@localhost"}
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            **{f"GIT_AUTHOR_{key}": value for key, value in identity.items()},
            **{f"GIT_COMMITTER_{key}": value for key, value in identity.items()},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONUTF8": "1",
        }
