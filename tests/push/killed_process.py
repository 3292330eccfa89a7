"""Runs promptsync and ends it at a write, as ``kill -9`` does.

A write is a file that is replaced, or a request that changes the registry. The process ends right before one
of them, which is right after the one before it. Where there are fewer, the verb ends by itself.

Each line on stdin is a JSON list: the number of the write, then the arguments. For each, promptsync runs in a
fork of this process, which has loaded it once, and a line on stdout has the exit code.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

import promptsync
from promptsync.cli import run
from promptsync.registry.promptlayer.connection import Connection

KILLED = 137
_READING = ("GET ", "HEAD ")


def killed_at(write: int, arguments: list[str]) -> int:
    """Run a verb in this process, which ends at the write with this number."""
    writes = itertools.count(1)

    def killing(do: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any, **options: Any) -> Any:
            if next(writes) == write:
                os._exit(KILLED)
            return do(*arguments, **options)

        return done

    os.replace = killing(os.replace)
    call = Connection.call
    killing_call = killing(call)

    def chosen(connection: Connection, operation: Any, **options: Any) -> Any:
        is_read = all(route.request.startswith(_READING) for route in operation.routes)
        return (call if is_read else killing_call)(connection, operation, **options)

    Connection.call = chosen  # type: ignore[method-assign]
    return run(arguments, dict(os.environ))


def forked(write: int, arguments: list[str]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = killed_at(write, arguments)
        sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> None:
    for module in pkgutil.walk_packages(promptsync.__path__, "promptsync."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for line in sys.stdin:
        write, *arguments = json.loads(line)
        print(forked(write, arguments), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
