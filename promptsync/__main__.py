"""``promptsync``, and ``python -m promptsync``."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line and exit. Ctrl-C while modules are loaded ends it without a traceback."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # it is ignored in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from promptsync import cli

    signal.signal(signal.SIGINT, handler)
    cli.main()


if __name__ == "__main__":
    main()
