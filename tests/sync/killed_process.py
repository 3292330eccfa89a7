"""Runs promptsync and ends the process at a write, as ``kill -9`` does: ``killed_process.py N ARGUMENTS``.

A write is a file that is replaced, or a request that changes the registry. The process ends right before or
right after one of them. Where there are fewer, the verb ends by itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptsync.cli import run
from promptsync.registry.promptlayer.connection import Connection

KILLED = 137
_READING = ("GET", "HEAD")


class Killer:
    def __init__(self, at: int) -> None:
        self.left = at

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os._exit(KILLED)

    def around(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any, **options: Any) -> Any:
            self.step()
            found = do(*arguments, **options)
            self.step()
            return found

        return done


def main() -> int:
    killer = Killer(int(sys.argv[1]))
    Path.replace = killer.around(Path.replace)  # type: ignore[method-assign]
    call = Connection.call
    write = killer.around(call)

    def chosen(connection: Connection, operation: Any, **options: Any) -> Any:
        is_read = all(route.method in _READING for route in operation.routes)
        return (call if is_read else write)(connection, operation, **options)

    Connection.call = chosen  # type: ignore[method-assign]
    return run(sys.argv[2:], dict(os.environ))


if __name__ == "__main__":
    sys.exit(main())
