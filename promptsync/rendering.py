"""Renders prompts as the official SDK says the server does, with a ceiling of time, memory and length.

A text that could cost more than its own length and that of its values is rendered in another process: a line
of JSON in, a line of JSON out. ``main`` is such a process. It imports nothing that could publish or read
anything, ends itself when a text takes too long, and ends with its input. On Linux the system limits its
memory too. macOS ignores that limit and Windows has none, so there only the time and the length are limited.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from promptsync.prompt.limits import HINT, MEGABYTES, SECONDS, Runaway, check_size
from promptsync.prompt.template import Filling, Rendered, Values, is_bounded, render


class Engine:
    """Renders the texts of one prompt, which share its time and its length."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._left = seconds
        self._size = 0

    def __call__(self, text: str, template_format: str, values: Values) -> Rendered:
        """Return the rendered text, or the text itself with the reason why it could not be rendered."""
        if is_bounded(text, template_format):
            rendered = render(text, template_format, values)
        else:
            rendered = self._elsewhere(text, template_format, values)
        if rendered.error:
            return rendered
        self._size += len(rendered.text)
        try:
            check_size(self._size)
        except Runaway as error:
            return Rendered(text, error=str(error), hint=HINT)
        return rendered

    def _elsewhere(self, text: str, template_format: str, values: Values) -> Rendered:
        began = time.monotonic()
        try:
            if self._left <= 0:
                raise TimeoutError
            answer = ask({"text": text, "format": template_format, "values": values, "seconds": self._left})
        except (TimeoutError, MemoryError) as error:
            # Waiting until a process is free counts here alone.
            self._left -= time.monotonic() - began
            why = f"needs more than {MEGABYTES} MB of memory"
            if isinstance(error, TimeoutError):
                why = f"takes longer than {self._seconds:g} seconds"
            return Rendered(text, error=f"rendering {why}", hint=HINT)
        except (ChildProcessError, ValueError, RecursionError) as error:
            return Rendered(text, error=str(error))
        self._left -= answer["seconds"]
        return Rendered(answer["text"], answer["error"], answer["hint"])


def render_template(whole: Mapping[str, Any], values: Values) -> tuple[dict[str, Any], list[str]]:
    """Return the template as a model would see it, and warnings for people to read.

    Texts are rendered, placeholder messages become the messages in their variable, and image and media
    variables become their URLs. A variable without a value becomes empty text, or no message, and a warning.
    """
    filling = Filling(values, Engine())
    return filling.template(whole), list(filling.warnings)


# -- the processes -------------------------------------------------------------------------------------------

_AT_ONCE: Final = 2
_KEPT: Final = frozenset(
    [
        *("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP"),
    ]
)
"""Variables that Python may need to start. API keys are in others, and templates are not trusted."""


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a rendering process to a request, which has ``text``, ``format`` and ``values``.

    With ``pattern`` instead of the last two, the answer says whether this regular expression ``matches``.

    ``seconds`` in the request is the longest time that it may take, and in the answer the time that it took.
    Raises ``TimeoutError``, ``MemoryError``, ``ChildProcessError`` if the process does not start or crashes,
    and ``ValueError`` for values that JSON cannot hold.
    """
    line = json.dumps(request).encode() + b"\n"
    try:
        process = _idle.get(timeout=request["seconds"])
    except queue.Empty:
        raise ChildProcessError("other texts take long to render; try again") from None
    try:
        if process is None or process.poll() is not None:
            process = _started()
        answer = _exchange(process, line, request["seconds"])
    except BaseException:
        _idle.put(None)
        if process is not None:
            _stop(process)
        raise
    _idle.put(process)
    return answer


_idle: Final[queue.LifoQueue[subprocess.Popen[bytes] | None]] = queue.LifoQueue()
"""The processes that nobody uses; starting one takes as long as loading jinja2."""
for _ in range(_AT_ONCE):
    _idle.put(None)


def _started() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name.upper() in _KEPT},
        )
    except (OSError, TypeError) as error:  # a program that embeds Python may have no sys.executable
        raise ChildProcessError(f"the process that renders cannot be started: {error}") from error


def _exchange(process: subprocess.Popen[bytes], line: bytes, seconds: float) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    began = time.monotonic()
    with contextlib.suppress(OSError):  # what the process did not read shows in its answer
        process.stdin.write(line)
        process.stdin.flush()
    try:
        answer: dict[str, Any] = json.loads(process.stdout.readline().decode("utf-8", "surrogatepass"))
    except ValueError:
        if time.monotonic() - began >= seconds:
            raise TimeoutError from None
        # Python cannot always report that memory ran out.
        if process.wait() < 0:
            raise MemoryError from None
        raise ChildProcessError("the process that renders stopped") from None
    if "out_of_memory" in answer:
        raise MemoryError
    return answer


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(OSError), process:  # what was not written yet has no reader
        pass


# -- the other process ---------------------------------------------------------------------------------------


def main() -> None:
    """Answer requests until there are no more."""
    # Ctrl-C reaches every process of the terminal; the one that sends the requests decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    render("{% if x %}{{ x }}{% endif %}", "jinja2", {})  # loads the engine before memory is limited
    if sys.platform == "linux":
        import resource

        with contextlib.suppress(ValueError):  # a lower limit is in force already
            resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES * 2**20, MEGABYTES * 2**20))
    with Path(os.devnull).open("wb") as nowhere:
        while line := sys.stdin.buffer.readline():
            request = json.loads(line)
            # The timer needs no Python code to run.
            faulthandler.dump_traceback_later(request["seconds"], exit=True, file=nowhere)
            try:
                answer = _answer(request)
            except MemoryError:
                answer = b'{"out_of_memory": true}'
            faulthandler.cancel_dump_traceback_later()
            sys.stdout.buffer.write(answer + b"\n")
            sys.stdout.buffer.flush()


def _answer(request: dict[str, Any]) -> bytes:
    began = time.monotonic()
    if "pattern" in request:
        return json.dumps({"matches": re.search(request["pattern"], request["text"]) is not None}).encode()
    rendered = render(request["text"], request["format"], request["values"])
    answer = {
        "text": rendered.text,
        "error": rendered.error,
        "hint": rendered.hint,
        "seconds": time.monotonic() - began,
    }
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass")


if __name__ == "__main__":
    main()
