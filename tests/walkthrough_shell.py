"""Runs the walk-throughs of the manual and puts their real output back into it.

``python tests/walkthrough_shell.py`` does so for README.md, after a change of what verbs print.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from registry_server import running

from promptsync.cli import run
from promptsync.server.app import create_app

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "README.md"
FIXTURES = str(ROOT / "example-repo" / "registry.yaml")
URL = "http://127.0.0.1:8470"
"""What the manual calls the registry that each walk-through starts with, empty."""

BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
_SHELL = re.compile(r"[|&;<>$`*?]")
_QUOTED = re.compile(r"'[^']*'")
_UNHEARD = " > /dev/null"
_EXIT = re.compile(r" +# exit (\d+)$")


@dataclass
class Step:
    """A command with the output that the manual shows."""

    command: str
    shown: str = ""

    @property
    def exit_code(self) -> int:
        found = _EXIT.search(self.command)
        return int(found[1]) if found else 0


def sections(text: str) -> dict[str, str]:
    """The walk-throughs by their headings: what stands folded below them."""
    chapter = text.partition("\n## Walk-throughs\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"(?ms)^### (.*?)\n\n<details>\n(.*?)^</details>", chapter))


def steps(block: str) -> Iterator[Step]:
    """The commands of a block; a line that begins with > goes on with the command above."""
    step: Step | None = None
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            if step is not None:
                yield step
            step = Step(line[2:].rstrip("\n"))
        elif line.startswith("> ") and step is not None and not step.shown:
            step.command += f"\n{line[2:].rstrip(chr(10))}"
        elif step is not None:
            step.shown += line
    if step is not None:
        yield step


@dataclass
class Shell:
    """A shell in a directory with a copy of the example; it remembers where it is."""

    cwd: Path
    url: str
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        programs = self.cwd.parent / "bin"
        programs.mkdir()
        (programs / "promptsync").write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m promptsync "$@"\n', "utf-8"
        )
        (programs / "promptsync").chmod(0o755)
        ignored = shutil.ignore_patterns(".promptsync", "README.md")
        shutil.copytree(ROOT / "example-repo", self.cwd / "example-repo", ignore=ignored)
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("PROMPT", "GIT", "CI"))
        }
        self.environ = {
            **kept,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PROMPTLAYER_API_KEY": "anything",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
        }

    def run(self, step: Step) -> tuple[int, str]:
        """The exit code and what the command printed, as the manual would show it."""
        command = _EXIT.sub("", step.command).replace(URL, self.url)
        if command.startswith("cd "):
            self.cwd = (self.cwd / command[3:]).resolve()
            return 0, ""
        bare = command.removesuffix(_UNHEARD)
        if bare.startswith("promptsync ") and not _SHELL.search(_QUOTED.sub("", bare)):
            code, text = self._inside(shlex.split(bare)[1:], heard=bare == command)
        else:
            code, text = self._outside(command)
        return code, text.replace(self.url, URL)

    def _inside(self, arguments: list[str], *, heard: bool) -> tuple[int, str]:
        told = io.StringIO()
        with (
            contextlib.chdir(self.cwd),
            contextlib.redirect_stdout(told if heard else io.StringIO()),
            contextlib.redirect_stderr(told),
        ):
            code = run(arguments, self.environ)
        return code, told.getvalue()

    def _outside(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.cwd,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout


@contextlib.contextmanager
def shell(directory: Path) -> Iterator[Shell]:
    """A shell with a registry of its own."""
    work = directory / "work"
    work.mkdir(parents=True)
    with create_app(directory / "registry.db", fixtures=FIXTURES) as app, running(app) as url:
        yield Shell(work, url)


def alike(text: str) -> str:
    """A text without what is another one in each run: commits, dates, and the directory of this one."""
    text = re.sub(r"\b[0-9a-f]{7}(?=[\s+)…}]|\.\.|$)", "0000000", text)
    text = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?", "1970-01-01", text)
    return re.sub(r"fingerprint \S+", "fingerprint 0", text)


def rewritten(section: str, directory: Path) -> str:
    """A walk-through with the output of its commands as it is now."""
    with shell(directory) as inside:

        def rerun(block: re.Match[str]) -> str:
            lines = []
            for step in steps(block[0]):
                code, text = inside.run(step)
                assert code == step.exit_code, f"$ {step.command}\n{text}exit {code}"
                shown = step.command.replace("\n", "\n> ")
                kept = step.shown if alike(step.shown) == alike(text) else text
                lines.append(f"$ {shown}\n{kept}")
            return "".join(lines)

        return BLOCK.sub(rerun, section)


def main() -> None:
    text = DOCUMENT.read_text("utf-8")
    for section in sections(text).values():
        with tempfile.TemporaryDirectory() as directory:
            text = text.replace(section, rewritten(section, Path(directory)))
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
