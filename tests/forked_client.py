"""The client of forked.py, in a file that imports next to nothing, because each start imports it again."""

from __future__ import annotations

import _signal as signals
import _socket as sockets
import os
import sys

PASSED_ON = (signals.SIGINT, signals.SIGTERM, signals.SIGHUP)
LENGTH = 8


def main(address: str, arguments: list[str]) -> None:
    ignored = [number for number in PASSED_ON if signals.getsignal(number) == signals.SIG_IGN]
    signals.pthread_sigmask(signals.SIG_BLOCK, PASSED_ON)
    server = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    server.connect(address)
    body = repr((arguments, os.getcwd(), dict(os.environ), ignored)).encode()  # noqa: PTH109
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    server.sendmsg([len(body).to_bytes(LENGTH, "big")], [(sockets.SOL_SOCKET, sockets.SCM_RIGHTS, streams)])
    server.sendall(body)
    process = int.from_bytes(server.recv(LENGTH, sockets.MSG_WAITALL), "big")
    for number in PASSED_ON:
        if number not in ignored:
            signals.signal(number, lambda number, frame: os.kill(process, number))
    signals.pthread_sigmask(signals.SIG_UNBLOCK, PASSED_ON)
    status = int.from_bytes(server.recv(LENGTH, sockets.MSG_WAITALL), "big")
    if os.WIFSIGNALED(status):
        signals.signal(os.WTERMSIG(status), signals.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


main(sys.argv[1], sys.argv[2:])
