"""Which prompts still use an old text of a snippet: as rows and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Final

from promptsync.compare.pins import LeftOutPins, OutdatedPins, PinReport
from promptsync.compare.snapshot import State
from promptsync.show.rows import Row

_MOST_USERS: Final = 3

_PULLS: Final = {State.BEHIND: "", State.DIVERGED: "--merge "}
"""The option of the pull that includes a version, by the state of the snippet."""


def pin_rows(report: PinReport) -> list[Row]:
    """Return a row for each snippet of which others pin an old text, and for each pin of what no file has."""
    left_out = [_left_out(pins, user) for pins in report.left_out for user in pins.users]
    return [*map(_outdated, report.outdated), *left_out]


def _outdated(pins: OutdatedPins) -> Row:
    versions = {user.version for user in pins.users}
    is_same = len(versions) == 1
    users = _list([user.name if is_same else f"{user.name} (v{user.version})" for user in pins.users])
    what = f"v{min(versions)}" if is_same else "older versions"
    note = f"once v{pins.version} is published, {users} will still pin {what}"
    if pins.is_published:
        pin = "pins" if len({user.name for user in pins.users}) == 1 else "pin"
        note = f"{users} still {pin} {what}, not v{pins.version}"
    return Row(
        "pinned", "warn", pins.snippet, note=note, command=f"promptsync bump {shlex.quote(pins.snippet)}"
    )


def _left_out(pins: LeftOutPins, user: str) -> Row:
    what = (
        "a dashboard edit that its file does not include"
        if pins.is_edit
        else "which its file does not include"
    )
    command = f"promptsync pull {_PULLS.get(pins.state, '--passed-over ')}{shlex.quote(pins.snippet)}"
    return Row("pinned", "warn", user, note=f"pins {pins.snippet} v{pins.version}, {what}", command=command)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_USERS} more" if len(names) > _MOST_USERS else ""
    return ", ".join(names[:_MOST_USERS]) + more


def pins_body(report: PinReport) -> list[dict[str, Any]]:
    """Return outdated pins, and pins of versions that no file includes, for a JSON document."""
    pairs: list[tuple[str, str, int, int | None, str]] = [
        (user.name, pins.snippet, user.version, pins.version, "outdated")
        for pins in report.outdated
        for user in pins.users
    ]
    pairs += [
        (user, pins.snippet, pins.version, None, "not-included")
        for pins in report.left_out
        for user in pins.users
    ]
    return [
        dict(zip(("name", "snippet", "pinned", "version", "problem"), pair, strict=True)) for pair in pairs
    ]
