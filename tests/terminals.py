"""Programs on a pseudo-terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 300
"""Only a program that hangs takes this long."""


@dataclass
class Terminal:
    """A program and its terminal. Lines may be typed ahead; ``text`` grows while it is read."""

    process: subprocess.Popen[bytes]
    master: int
    text: str = ""

    def type(self, lines: str) -> None:
        os.write(self.master, lines.encode())

    def wait_for(self, text: str) -> None:
        while text not in self.text:
            assert self._read(), self.text

    def finish(self) -> int:
        while self._read():  # until no process of the program holds the terminal
            pass
        return self.process.wait(TIMEOUT)

    def _read(self) -> bool:
        assert select.select([self.master], [], [], TIMEOUT)[0], f"a process was left running: {self.text}"
        try:
            data = os.read(self.master, 65536)
        except OSError:  # Linux reports the end of a pseudo-terminal as an error
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def terminal(
    command: Sequence[str], environ: Mapping[str, str], *, columns: int = 80, place: Path | None = None
) -> Iterator[Terminal]:
    """Run a program in a session of its own, which is killed at the end."""
    import termios

    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    with subprocess.Popen(command, cwd=place, env=environ, start_new_session=True, **streams) as process:
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            os.close(master)
