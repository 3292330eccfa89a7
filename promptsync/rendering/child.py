"""The process that renders: a line of JSON in, a line of JSON out, until its input ends.

It imports nothing that could publish or read anything, and limits itself before it reads the first line.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from promptsync.prompt.template import render


def main(megabytes: int, seconds: float) -> None:
    """Answer requests until there are no more. ``seconds`` is the longest time that a request may take.

    The process may use ``megabytes`` of memory; with 0, the parent enforces that limit.
    """
    # Ctrl-C reaches every process of the terminal; the one that sends the requests decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    render("{% if x %}{{ x }}{% endif %}", "jinja2", {})  # loads the engine before memory is limited
    if megabytes:
        _limit_memory(megabytes)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    with Path(os.devnull).open("wb") as nowhere:
        _send(answers, {"ready": True})
        while line := requests.readline():
            # Nobody else stops this process if its parent has died. The timer needs no Python code to run.
            faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
            try:
                _send(answers, _answer(line))
            except MemoryError:
                _send(answers, {"out_of_memory": True})
                return
            faulthandler.cancel_dump_traceback_later()


def _answer(line: bytes) -> dict[str, object]:
    request = json.loads(line)
    rendered = render(request["text"], request["format"], request["values"])
    return {
        "text": rendered.text if not rendered.error else "",
        "missing": sorted(rendered.missing),
        "error": rendered.error,
        "hint": rendered.hint,
    }


def _send(answers: BinaryIO, answer: dict[str, object]) -> None:
    answers.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    answers.flush()


def _limit_memory(megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # outside POSIX the parent watches
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = megabytes * 2**20
    wanted = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, most))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
