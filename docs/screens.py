"""Takes the screens of the manual from real runs, in a copy of example-repo with the embedded registry.

``python docs/screens.py`` writes them to docs/; a test tells when they are no longer what promptsync prints.
Each is an SVG that loads nothing: no font, no script, no picture.
"""

from __future__ import annotations

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
COLUMNS = 96
_PROMPT = "$ "
_FAINT, _PLAIN = "\x1b[2m", "\x1b[0m"

THANKS = """\
name: support/thanks
content: |
  Thank {customer} for the photo of the gear in use, in one sentence.
"""

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

    @property
    def svg(self) -> str:
        console = Console(
            record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False
        )
        console.print(Text.from_ansi(self.text), soft_wrap=True)
        return console.export_svg(title=f"promptsync {self.name}", code_format=FORMAT, unique_id=self.name)


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

    def show(self, command: str) -> str:
        """Run a command on a terminal, and return what is to be seen, the command included."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        with subprocess.Popen(
            ["sh", "-c", command], cwd=self.root, env=self._environ, stdin=slave, stdout=slave, stderr=slave
        ):
            os.close(slave)
            shown = b"".join(_read(master))
        os.close(master)
        return f"{_FAINT}{_PROMPT}{_PLAIN}{command}\n{shown.decode()}".replace("\r\n", "\n")

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


def screens() -> Iterator[Screen]:
    """Play the job from an edit to a release, and yield what it looks like."""
    with tempfile.TemporaryDirectory() as directory:
        bench = Workbench(Path(directory))
        _prepare(bench)
        yield Screen("status", bench.show("promptsync status"))
        yield Screen("diff", bench.show("promptsync diff support/refund"))
        bench.do("promptsync pull && git add --all && git commit -qm 'Answer refund questions kindly'")
        yield Screen("push", bench.show("promptsync push --dry-run") + "\n" + bench.show("promptsync push"))
        yield Screen("deploy", bench.show("promptsync deploy"))


def _prepare(bench: Workbench) -> None:
    """Release everything; then let a colleague edit one prompt, and edit and add others here."""
    ignored = shutil.ignore_patterns(".promptsync", ".git")
    shutil.copytree(HERE.parent / "example-repo", bench.root, ignore=ignored)
    bench.do("git init -q -b main && git add --all && git commit -qm 'Add the prompts of the support team'")
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
