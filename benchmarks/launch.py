"""Runs a program, and prints what it took after its output: ``python launch.py PROGRAM ARGUMENT...``.

The system counts the memory of the process that starts a program as that program's. This one is small,
whatever the benchmark itself holds.
"""

import os
import sys
import time

STARTED = "BENCHMARK_STARTED"
"""The variable with the time at which the program was started, on the monotonic clock."""


def main() -> None:
    """Print a null character, and then seconds, peak memory, processor seconds and exit code."""
    os.environ[STARTED] = repr(time.monotonic())
    began = time.perf_counter()
    child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    sys.stdout.write(f"\0 {seconds} {usage.ru_maxrss} {usage.ru_utime + usage.ru_stime} {code}")


if __name__ == "__main__":
    main()
