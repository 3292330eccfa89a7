"""Which prompts still use an old text of a snippet: as lines and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, Final

from promptsync.compare.pins import LeftOutPins, OutdatedPins, PinReport
from promptsync.compare.snapshot import State
from promptsync.show.lines import noted

_MOST_USERS: Final = 3

_PULLS: Final = {State.BEHIND: "", State.DIVERGED: "--merge "}
"""The option of the pull that includes a version, by the state of the snippet."""


def pin_lines(report: PinReport) -> list[str]:
    """Return a line for each snippet of which others pin another text than that of its file."""
    return [*map(_outdated, report.outdated), *map(_left_out, report.left_out)]


def _outdated(pins: OutdatedPins) -> str:
    return noted("pinned", "warn", pins.snippet, *outdated_text(pins))


def outdated_text(pins: OutdatedPins) -> tuple[str, str]:
    """Return who pins which old version of a snippet, and the command that moves these pins."""
    versions = {user.version for user in pins.users}
    several = len({user.name for user in pins.users}) > 1
    if len(versions) == 1:
        (version,) = versions
        who, what = _list([user.name for user in pins.users]), f" v{version}"
    else:
        who, what = _list([f"{user.name} (v{user.version})" for user in pins.users]), " older versions"
    command = f"promptsync bump {shlex.quote(pins.snippet)}"
    if not pins.is_published:
        return f"once v{pins.version} is published, {who} will still pin{what}", command
    return f"{who} still {'pin' if several else 'pins'}{what}, not v{pins.version}", command


def _left_out(pins: LeftOutPins) -> str:
    pin = "pins" if len(pins.users) == 1 else "pin"
    text, command = left_out_text(pins)
    return noted("pinned", "warn", pins.snippet, f"{_list(pins.users)} {pin} {text}", command)


def left_out_text(pins: LeftOutPins) -> tuple[str, str]:
    """Return which version is pinned although the snippet's file lacks it, and the command to run."""
    what = "a dashboard edit that its file does not include"
    command = f"promptsync pull {_PULLS.get(pins.state, '--passed-over ')}{shlex.quote(pins.snippet)}"
    return f"v{pins.version}, {what if pins.is_edit else 'which its file does not include'}", command


def _list(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_USERS} more" if len(names) > _MOST_USERS else ""
    return ", ".join(names[:_MOST_USERS]) + more


def pins_body(report: PinReport) -> list[dict[str, Any]]:
    """Return outdated pins, and pins of versions that no file includes, for a JSON document."""
    return [*_bodies(report)]


def _bodies(report: PinReport) -> Iterator[dict[str, Any]]:
    for pins in report.outdated:
        for user in pins.users:
            yield _pin(user.name, pins.snippet, user.version, pins.version, "outdated")
    for left_out in report.left_out:
        for name in left_out.users:
            yield _pin(name, left_out.snippet, left_out.version, None, "not-included")


def _pin(name: str, snippet: str, pinned: int, version: int | None, problem: str) -> dict[str, Any]:
    return {"name": name, "snippet": snippet, "pinned": pinned, "version": version, "problem": problem}
