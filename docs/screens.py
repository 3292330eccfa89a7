"""Takes the screens of the manual from real runs, in a copy of example-repo with the embedded registry.

``python docs/screens.py`` writes them to docs/; a test tells when they are no longer what promptsync prints.
Each is an SVG that loads nothing: no font, no script, no picture.

Two of them show scores: ``stopped`` and ``comment``. The answers behind these scores are scripted, so that
all readers get the same ones offline; see ``MODELS``. The comment is what the workflow ``check.yml`` wrote,
run step by step with a stand-in for GitHub.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "example-repo"
MODELS = HERE.parent / "tests/demo/models.yaml"
COLUMNS = 96
_PROMPT = "$ "
_FAINT, _PLAIN = "\x1b[2m", "\x1b[0m"

THANKS = """\
name: support/thanks
content: |
  Thank {customer} for the photo of the gear in use, in one sentence.
"""

REFUND = "prompts/support/refund.yaml"
RULE = """\
      - Ropes, harnesses and helmets are never taken back once unpacked: a safety rule without exceptions.
"""
WORSE = "Shorten the refund policy: drop the harness rule"

FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
  <style>
    .{unique_id}-matrix {{
      font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      font-size: {char_height}px;
      line-height: {line_height}px;
      white-space: pre;
    }}
    .{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix" xml:space="preserve">{matrix}</g>
  </g>
</svg>
"""


@dataclass(frozen=True)
class Screen:
    """What somebody typed, and all that the terminal showed, with its colours."""

    name: str
    text: str
    columns: int = COLUMNS
    title: str = ""

    @property
    def svg(self) -> str:
        console = Console(
            record=True, width=self.columns, file=io.StringIO(), force_terminal=True, legacy_windows=False
        )
        console.print(Text.from_ansi(self.text), soft_wrap=True)
        return console.export_svg(
            title=self.title or f"promptsync {self.name}", code_format=FORMAT, unique_id=self.name
        )


@dataclass(frozen=True)
class Comment:
    """The comment on a pull request, in Markdown."""

    name: str
    text: str

    @property
    def svg(self) -> str:
        from comment_picture import picture

        title = "The comment on the pull request"
        return picture(self.text, title=title, is_open=lambda summary: "quality" in summary)


class Workbench:
    """A directory in which commands are typed."""

    def __init__(self, directory: Path) -> None:
        self._programs = directory / "bin"
        self._programs.mkdir()
        script = self._programs / "promptsync"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m promptsync "$@"\n', "utf-8")
        script.chmod(0o755)
        self.root = directory / "prompts-repo"

    @property
    def _environ(self) -> dict[str, str]:
        moment = "2026-01-05T09:00:00Z"
        kept = {key: os.environ[key] for key in ("HOME", "TMPDIR") if key in os.environ}
        return {
            **kept,
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(HERE.parent),
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            "CI": "true",  # nobody is there who could be asked
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_DATE": moment for who in ("AUTHOR", "COMMITTER")},
        }

    def do(self, command: str, directory: Path | None = None) -> None:
        """Run a command that is not shown. It must succeed."""
        subprocess.run(
            ["sh", "-c", command],
            cwd=directory or self.root,
            env=self._environ,
            check=True,
            capture_output=True,
        )

    def show(self, command: str, columns: int = COLUMNS, *, exit_code: bool = False) -> str:
        """Run a command on a terminal, and return what is to be seen, the command included."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        with subprocess.Popen(
            ["sh", "-c", command], cwd=self.root, env=self._environ, stdin=slave, stdout=slave, stderr=slave
        ) as process:
            os.close(slave)
            shown = b"".join(_read(master)).decode()
        os.close(master)
        prompt = f"{_FAINT}{_PROMPT}{_PLAIN}"
        asked = f"{prompt}echo $?\n{process.returncode}\n" if exit_code else ""
        return f"{prompt}{command}\n{shown}{asked}".replace("\r\n", "\n")

    def edit(self, path: str, old: str, new: str, directory: Path | None = None) -> None:
        file = (directory or self.root) / path
        text = file.read_text("utf-8")
        if old not in text:
            raise ValueError(f"{path} does not hold {old!r}")
        file.write_text(text.replace(old, new), "utf-8")


def _read(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # the other end of a terminal is closed
            return
        if not part:
            return
        yield part


def screens() -> Iterator[Screen | Comment]:
    """Play the job from an edit to a release, and yield what it looks like."""
    with tempfile.TemporaryDirectory() as directory:
        bench = Workbench(Path(directory))
        _prepare(bench)
        yield Screen("status", bench.show("promptsync status"))
        yield Screen("diff", bench.show("promptsync diff support/refund"))
        bench.do("promptsync pull && git add --all && git commit -qm 'Answer refund questions kindly'")
        yield Screen("push", bench.show("promptsync push --dry-run") + "\n" + bench.show("promptsync push"))
        yield Screen("deploy", bench.show("promptsync deploy"))
    with tempfile.TemporaryDirectory() as directory:
        yield stopped(Workbench(Path(directory)))
    with tempfile.TemporaryDirectory() as directory:
        yield comment(Path(directory))


def stopped(bench: Workbench) -> Screen:
    """Deploy a commit that makes a prompt worse."""
    columns = 80
    _start(bench, MODELS.read_text("utf-8"))
    bench.do("promptsync deploy")
    bench.edit(REFUND, RULE, "")
    commit = bench.show(f"git commit -am '{WORSE}'", columns)
    deploy = bench.show("promptsync deploy", columns, exit_code=True)
    return Screen("stopped", (commit + deploy).rstrip(), columns, "promptsync deploy")


def comment(directory: Path) -> Comment:
    """Propose the same commit in a pull request, and return what the workflow comments."""
    tests = HERE.parent / "tests"
    sys.path += [str(HERE), *(str(tests / room) for room in ("", "registry", "workflows"))]
    import team

    fixtures = directory / "fixtures"
    _copy(fixtures, MODELS.read_text("utf-8"))
    template = directory / "template"
    template.mkdir()
    with contextlib.redirect_stdout(io.StringIO()):
        team.build(template, fixtures)
    with team.opened(template, directory / "team", MODELS.read_text("utf-8")) as shop:
        shop.branch()
        shop.edit("support/refund", RULE, "", WORSE)
        shop.check()
        (text,) = shop.comments
        return Comment("comment", text)


def _copy(root: Path, models: str) -> None:
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns(".promptsync", ".git"))
    with (root / "registry.yaml").open("a", encoding="utf-8") as file:
        file.write(models)


def _start(bench: Workbench, models: str = "") -> None:
    _copy(bench.root, models)
    bench.do("git init -q -b main && git add --all && git commit -qm 'Add the prompts of the support team'")


def _prepare(bench: Workbench) -> None:
    """Release everything; then let a colleague edit one prompt, and edit and add others here."""
    _start(bench)
    bench.do("promptsync deploy")
    theirs = bench.root.parent / "colleague"
    bench.do(f"git clone -q . {theirs}")
    bench.edit("prompts/support/order-status.yaml", "apologise once", "apologise briefly", theirs)
    registry = f"local:{bench.root}/.promptsync/registry.db"
    bench.do(f"promptsync --remote {registry} push -m 'Apologise briefly'", theirs)
    bench.edit("prompts/support/refund.yaml", "You answer refund", "You kindly answer refund")
    bench.edit("prompts/support/triage.yaml", "exactly one category", "the category that fits best")
    (bench.root / "prompts/support/thanks.yaml").write_text(THANKS, "utf-8")


def main() -> None:
    """Write the screens beside this file."""
    for screen in screens():
        path = HERE / f"{screen.name}.svg"
        path.write_text(screen.svg, "utf-8")
        sys.stdout.write(f"{path.relative_to(HERE.parent)}\n")


if __name__ == "__main__":
    main()
