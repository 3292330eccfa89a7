"""One run: a temporary repository, the command line in it, and the workspace behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from findings import STOPS, Differs, RegistryFailed
from workspace import Workspace

INHERITED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "SYSTEMROOT",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Environment variables that the command line gets. CI and git must not change what it does."""

REFUSED = 3
"""The exit code of a command that would lose work or release something unreviewed."""

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
    sheet: str = ""
    columns: dict[str, str] = field(default_factory=dict)

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
        code_of_error, message = _error(out)
        said = message or err.strip()
        shown = shlex.join(argument for argument in arguments if argument != "--json")
        self.exchanges.append(f"promptsync {shown} -> exit {exit_code} {said if exit_code else ''}".strip())
        if code_of_error in STOPS:
            raise RegistryFailed(f"promptsync {shown}: {said}")
        if code not in (None, exit_code):
            raise Differs(f"exit {exit_code} instead of {code}: {said}")
        return out

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
            **{
                f"GIT_{role}_{key}": value
                for role in ("AUTHOR", "COMMITTER")
                for key, value in identity.items()
            },
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONUTF8": "1",
        }


def _error(out: str) -> tuple[str, str]:
    """Return the code and the message of the error of a JSON document."""
    try:
        error = json.loads(out).get("error", {})
    except (ValueError, AttributeError):
        return "", ""
    return str(error.get("code", "")), str(error.get("message", ""))
