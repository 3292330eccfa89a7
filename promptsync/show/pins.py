"""Which prompts still use an old text of a snippet: as rows and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Final

from promptsync.compare.pins import Pin, Pins
from promptsync.compare.snapshot import State
from promptsync.show.outcome import Row

_MOST_USERS: Final = 3

_PULLS: Final = {State.BEHIND: "", State.DIVERGED: "--merge "}
"""The option of the pull that includes a version, by the state of the snippet."""


def pin_rows(pins: Pins) -> list[Row]:
    """Return a row for each snippet of which others pin an old text, and for each pin of what no file has."""
    outdated: dict[str, list[Pin]] = {}
    for pin in pins:
        if pin.newest is not None:
            outdated.setdefault(pin.snippet, []).append(pin)
    return [*map(_outdated, outdated.values()), *(_left_out(pin) for pin in pins if pin.newest is None)]


def _outdated(pins: Sequence[Pin]) -> Row:
    snippet, newest = pins[0].snippet, pins[0].newest
    versions = {pin.version for pin in pins}
    is_same = len(versions) == 1
    users = ", ".join(pin.user if is_same else f"{pin.user} (v{pin.version})" for pin in pins[:_MOST_USERS])
    users += f" and {len(pins) - _MOST_USERS} more" if len(pins) > _MOST_USERS else ""
    what = f"v{min(versions)}" if is_same else "older versions"
    note = f"once v{newest} is published, {users} will still pin {what}"
    if pins[0].is_published:
        verb = "pins" if len({pin.user for pin in pins}) == 1 else "pin"
        note = f"{users} still {verb} {what}, not v{newest}"
    return Row("pinned", "warn", snippet, note=note, command=f"promptsync bump {shlex.quote(snippet)}")


def _left_out(pin: Pin) -> Row:
    what = "a dashboard edit that" if pin.is_edit else "which"
    note = f"pins {pin.snippet} v{pin.version}, {what} its file does not include"
    command = f"promptsync pull {_PULLS.get(pin.state, '--passed-over ')}{shlex.quote(pin.snippet)}"
    return Row("pinned", "warn", pin.user, note=note, command=command)


def pins_body(pins: Pins) -> list[dict[str, Any]]:
    """Return outdated pins, and pins of versions that no file includes, for a JSON document."""
    return [
        {
            "name": pin.user,
            "snippet": pin.snippet,
            "pinned": pin.version,
            "version": pin.newest,
            "problem": "not-included" if pin.newest is None else "outdated",
        }
        for pin in pins
    ]
