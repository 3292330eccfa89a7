"""Runs the commands of the manual and puts their real output back into its pages.

``python tests/walkthrough_shell.py`` does so for the README and every page of docs/, after a change to what
promptsync prints. Name pages to limit it to these.

All commands of one page run in order, in a new directory that holds a copy of ``example-repo``:

* a ``console`` block shows commands behind ``$`` and what they print. A command that fails is followed by
  ``$ echo $?``, which shows its exit code.
* an ``sh`` block shows commands alone. They must succeed.
* a ``diff`` block is an edit that the reader makes. Its first line is ``# `` and the path of the file. Lines
  behind ``-`` are replaced by those behind ``+``, lines behind a space stay. The file has them exactly once.

Programs that would install something or need an account (``pip``, ``gh`` and the like) are replaced by ones
that do nothing. Pages in ``docs/recipes`` also get an empty registry at ``URL``, and begin where ``index.md``
there ends.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

import forked
from registry_server import running

from promptsync.cli import run
from promptsync.server.app import create_app

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "docs" / "recipes"
START = RECIPES / "index.md"
"""Where every recipe begins: its commands run before those of a recipe."""
MANUAL = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIXTURES = str(ROOT / "example-repo" / "registry.yaml")
URL = "http://127.0.0.1:8470"
"""What the manual calls the registry that each page of docs/recipes starts with, empty."""

BLOCK = re.compile(r"^```(?P<kind>console|sh|diff)\n(?P<body>.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
NOT_RUN = ("docker", "gh", "kubectl", "make", "pip", "pipx", "pre-commit", "uv")
_SHELL = re.compile(r"[|&;<>$`*?]")
_QUOTED = re.compile(r"'[^']*'")
_UNHEARD = " > /dev/null"
_EXIT_CODE = "echo $?"


@dataclass
class Step:
    """A command with the output that the manual shows."""

    command: str
    shown: str = ""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def pages() -> dict[str, Path]:
    """The pages of the manual that show commands, by their paths."""
    return {name_of(page): page for page in MANUAL if BLOCK.search(page.read_text("utf-8"))}


def steps(block: str) -> Iterator[Step]:
    """The commands of a block; a line that begins with > continues the command above."""
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        first, *lines = part.splitlines(keepends=True)
        more = list(itertools.takewhile(lambda line: line.startswith("> "), lines))
        command = first + "".join(line[2:] for line in more)
        yield Step(command.rstrip("\n"), "".join(lines[len(more) :]))


@dataclass
class Shell:
    """A shell in a directory with a copy of the example; it remembers where it is."""

    cwd: Path
    url: str = URL
    has_key: bool = False
    environ: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0

    def __post_init__(self) -> None:
        self._root = self.cwd.parent
        programs = self._root / "bin"
        programs.mkdir()
        python = shlex.quote(sys.executable)
        self._program(programs / "promptsync", f'exec {shlex.join(forked.command())} "$@"')
        self._program(programs / "python", f'exec {python} "$@"')
        for name in NOT_RUN:
            self._program(programs / name, "exit 0")
        (self._root / "home").mkdir()
        ignored = shutil.ignore_patterns(".promptsync", "README.md")
        shutil.copytree(ROOT / "example-repo", self.cwd / "example-repo", ignore=ignored)
        own = ("PROMPT", "GIT", "CI")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        self.environ = {
            **kept,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self._root / "home"),
            "CI": "true",  # there is nobody to confirm what the pages confirm
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
            **({"PROMPTLAYER_API_KEY": "anything"} if self.has_key else {}),
        }

    @staticmethod
    def _program(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n", "utf-8")
        path.chmod(0o755)

    def run(self, step: Step) -> str:
        """What a command printed, as the manual would show it. Its exit code is kept for ``echo $?``."""
        if step.command == _EXIT_CODE:
            code, self.exit_code = self.exit_code, 0
            return f"{code}\n"
        command = step.command.replace(URL, self.url)
        if command.startswith("cd "):
            self.cwd = (self.cwd / command[3:]).resolve()
            return ""
        bare = command.removesuffix(_UNHEARD)
        if bare.startswith("promptsync ") and not _SHELL.search(_QUOTED.sub("", bare)):
            self.exit_code, text = self._inside(shlex.split(bare)[1:], heard=bare == command)
        else:
            self.exit_code, text = self._outside(["bash", "-c", command])
        return text.replace(self.url, URL)

    def run_script(self, script: str) -> None:
        """Run the commands of an ``sh`` block, and end what they leave running."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        code, text = self._outside(["bash", "-e", "-c", script.replace(URL.rpartition(":")[2], port)])
        assert code == 0, f"{script}{text}exit {code}"

    def edit(self, block: str) -> None:
        """Make the edit of a ``diff`` block."""
        path, _, lines = block.removeprefix("# ").replace(URL, self.url).partition("\n")
        file = self.cwd / path
        text = file.read_text("utf-8")
        changed = lines.splitlines(keepends=True)
        old = "".join(line[1:] for line in changed if line[0] != "+")
        new = "".join(line[1:] for line in changed if line[0] != "-")
        assert f"\n{text}".count(f"\n{old}") == 1, f"{path} does not have exactly once:\n{old}"
        file.write_text(f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:], "utf-8")

    def _inside(self, arguments: list[str], *, heard: bool) -> tuple[int, str]:
        told = io.StringIO()
        # git inherits the environment of the process.
        git = {key: value for key, value in self.environ.items() if key.startswith("GIT_")}
        with (
            mock.patch.dict(os.environ, git),
            contextlib.chdir(self.cwd),
            contextlib.redirect_stdout(told if heard else io.StringIO()),
            contextlib.redirect_stderr(told),
        ):
            code = run(arguments, self.environ)
        return code, told.getvalue()

    def _outside(self, command: list[str]) -> tuple[int, str]:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
            streams = {"stdin": subprocess.DEVNULL, "stdout": told, "stderr": subprocess.STDOUT}
            started = subprocess.Popen(
                command, cwd=self.cwd, env=self.environ, start_new_session=True, **streams
            )
            try:
                code = started.wait(timeout=60)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(started.pid, signal.SIGKILL)
            told.seek(0)
            return code, told.read()


@contextlib.contextmanager
def shell(directory: Path, page: Path) -> Iterator[Shell]:
    """A shell for one page, with a registry of its own where the page is a recipe."""
    work = directory / "work"
    work.mkdir(parents=True)
    if page.parent != RECIPES:
        yield Shell(work)
        return
    with create_app(directory / "registry.db", fixtures=FIXTURES) as app, running(app) as url:
        yield Shell(work, url, has_key=True)


def alike(text: str) -> str:
    """A text without what differs from run to run: commits, dates, and fingerprints."""
    text = re.sub(r"\b[0-9a-f]{7}(?=[\s+)…}]|\.\.|$)", "0000000", text)
    text = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?", "1970-01-01", text)
    return re.sub(r"fingerprint (is )?[0-9a-f]{16}", "fingerprint 0", text)


def rewritten(page: Path, directory: Path) -> str:
    """The text of a page with the output of its commands as it is now."""
    with shell(directory, page) as inside:
        if page.parent == RECIPES and page != START:
            for block in BLOCK.finditer(START.read_text("utf-8")):
                if block["kind"] != "sh":  # the registry runs already
                    rerun(inside, block)
        return BLOCK.sub(partial(rerun, inside), page.read_text("utf-8"))


def rerun(inside: Shell, block: re.Match[str]) -> str:
    """Run a block, and return it with the output of its commands as it is now."""
    if block["kind"] != "console":
        act = inside.edit if block["kind"] == "diff" else inside.run_script
        act(block["body"])
        return block[0]
    lines = ["```console\n"]
    before = ""
    for step in steps(block["body"]):
        if step.command != _EXIT_CODE:
            assert inside.exit_code == 0, f"{before}exit {inside.exit_code}, but no echo $? follows"
        text = inside.run(step)
        before = f"$ {step.command}\n{text}"
        shown = step.command.replace("\n", "\n> ")
        kept = step.shown if alike(step.shown) == alike(text) else text
        lines.append(f"$ {shown}\n{kept}")
    assert inside.exit_code == 0, f"{before}exit {inside.exit_code}, but no echo $? follows"
    return "".join(lines)


def main(names: list[str]) -> None:
    for name, page in pages().items():
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as directory:
            text = rewritten(page, Path(directory))
        if text != page.read_text("utf-8"):
            page.write_text(text, "utf-8")
            sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
