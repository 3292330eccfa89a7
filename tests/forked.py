"""promptsync in a process of its own, forked from one that has loaded its modules: 15 ms instead of 400.

Tests that look at start-up, imports, the encoding of streams, terminals, or ``kill -9`` start a true process.

``command()`` is what a test or a script puts in place of ``python -m promptsync``: a small client. It hands
its arguments, directory, environment and streams to a server, which has one thread, and which forks. The
client passes signals on, and exits as the fork does. Without the client, the fork is killed.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import itertools
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

LENGTH = 8
KILLED = 137
CLIENT = str(Path(__file__).with_name("forked_client.py"))
EXAMPLE = str(Path(__file__).parents[1] / "example-repo")


@cache
def command() -> list[str]:
    """Start the server if there is none yet; return the words that run promptsync."""
    if not hasattr(os, "fork"):
        return [sys.executable, "-m", "promptsync"]
    directory = tempfile.TemporaryDirectory(prefix="forked-")
    address = str(Path(directory.name) / "s")
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, address],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert server.stdin is not None and server.stdout is not None
    assert server.stdout.readline() == b"ready\n"

    def end(owner: int = os.getpid()) -> None:
        if os.getpid() == owner:
            server.communicate()  # it ends when its stdin does
            directory.cleanup()

    atexit.register(end)
    return [sys.executable, "-ISB", CLIENT, address]


def serve(address: str) -> None:
    import gc

    _load()
    gc.freeze()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    clients: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for file in (listening, woken, sys.stdin):
            selector.register(file, selectors.EVENT_READ)
        print("ready", flush=True)  # noqa: T201
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    for process in clients:
                        os.kill(process, signal.SIGKILL)
                    return
                if key.fileobj is listening:
                    client, _ = listening.accept()
                    if process := _fork(client):
                        clients[process] = client
                        selector.register(client, selectors.EVENT_READ, process)
                elif key.fileobj is woken:
                    woken.recv(4096)
                elif key.data in clients:  # the client is gone
                    os.kill(key.data, signal.SIGKILL)
                    selector.unregister(key.fileobj)
            for process, status in _ended():
                client = clients.pop(process)
                with contextlib.suppress(KeyError):
                    selector.unregister(client)
                with contextlib.suppress(OSError):
                    client.sendall(status.to_bytes(LENGTH, "big"))
                client.close()


def _load() -> None:
    import importlib
    import io
    import pkgutil

    import promptsync.cli

    for module in pkgutil.walk_packages(promptsync.__path__, "promptsync."):
        if not module.name.endswith(("__main__", ".child")):
            importlib.import_module(module.name)
    loaded = "deepdiff encodings.idna filelock git httpcore jinja2.meta jinja2.sandbox yaml"
    for name in loaded.split():
        importlib.import_module(name)
    # It compiles the schemas and templates, which each fork would do again.
    with contextlib.redirect_stdout(io.StringIO()):
        promptsync.cli.run(["-C", EXAMPLE, "lint"], {})
    poll_at_once()


def poll_at_once() -> None:
    """Look at runs of checks again after 2 ms: those of the embedded registry need no more."""
    from promptsync.checks import runs

    runs._FIRST_PAUSE = 0.002  # type: ignore[misc]


def _ended() -> list[tuple[int, int]]:
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(found)
    return ended


def _fork(client: socket.socket) -> int:
    """Fork for a request; return the process, 0 if the client left."""
    head, streams, body = b"", list[int](), bytearray()
    with contextlib.suppress(OSError):  # a test killed the client
        head, streams, _, _ = socket.recv_fds(client, LENGTH, 3)
        while len(body) < int.from_bytes(head, "big") and (part := client.recv(1 << 20)):
            body += part
    is_whole = len(head) == LENGTH and len(body) == int.from_bytes(head, "big")
    if process := os.fork() if is_whole else 0:
        with contextlib.suppress(OSError):
            client.sendall(process.to_bytes(LENGTH, "big"))
    if process or not is_whole:
        for stream in streams:
            os.close(stream)
        if not process:
            client.close()
        return process
    arguments, directory, environ, ignored = ast.literal_eval(body.decode())
    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 256)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
        if signal.SIGINT not in ignored:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environ)
        code = _run(arguments)
    finally:
        os._exit(code)


def _run(arguments: list[str]) -> int:
    import io
    import threading
    import traceback

    from promptsync.cli import main

    def text(number: int, mode: str, errors: str, line_buffering: bool) -> Any:
        return io.TextIOWrapper(
            open(number, mode, closefd=False), "utf-8", errors, line_buffering=line_buffering
        )

    sys.stdin = text(0, "rb", "strict", False)
    sys.stdout = text(1, "wb", "strict", os.isatty(1))
    sys.stderr = text(2, "wb", "backslashreplace", True)
    sys.argv = ["promptsync", *arguments]
    if "KILLED_AT" in os.environ:
        _kill_at(int(os.environ["KILLED_AT"]))
    code: Any = 1
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return int(code or 0)


def _kill_at(write: int) -> None:
    """Let this process end as ``kill -9`` does, right before the write with a number.

    A write is a file that is replaced, or a request that changes the registry.
    """
    from promptsync.registry.promptlayer.connection import Connection

    writes, call = itertools.count(1), Connection.call

    def killing(do: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any, **options: Any) -> Any:
            if next(writes) == write:
                os._exit(KILLED)
            return do(*arguments, **options)

        return done

    def chosen(connection: Connection, operation: Any, **options: Any) -> Any:
        is_read = all(route.request.startswith(("GET ", "HEAD ")) for route in operation.routes)
        return (call if is_read else killing(call))(connection, operation, **options)

    os.replace = killing(os.replace)
    Connection.call = chosen  # type: ignore[method-assign]


if __name__ == "__main__":
    serve(sys.argv[1])
