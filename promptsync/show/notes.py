"""Notes about one prompt that several commands show."""

from __future__ import annotations

import os
import shlex
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptsync.compare.released import LiveUser, Pins, named_users
from promptsync.show.markdown import shortened
from promptsync.show.outcome import Row, bodies, body
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.deploy.live import PromptContract
    from promptsync.deploy.plan import DeployPlan
    from promptsync.prompt.contract import ContractChange
    from promptsync.push.actions import PushPlan


_MOST_BACKUPS = 3
_MOST_USERS = 3
_MOST_CHANGES = 5
_LONG = 200


def passed_over(name: str, numbers: Sequence[int], known: Mapping[int, str] | None = None) -> list[Row]:
    """Return which versions a new one passed over, what is ``known`` of them, and what to do about them."""
    versions = "; ".join(known.get(number, f"v{number}") for number in numbers) if known else ""
    note, pull = versions or version_list(numbers), f"promptsync pull {shlex.quote(name)}"
    row = Row("passed over", "warn", name, note=note, command=f"{pull} --passed-over")
    return [row, Row("or", "warn", name, note="leave that out for good", command=f"{pull} --no-passed-over")]


def ago(moment: str | None, now: datetime | None = None) -> str:
    """Return how long ago a moment of the registry was, ``""`` if it is unknown."""
    try:
        then = datetime.fromisoformat(moment or "")
    except ValueError:
        return ""
    then = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{output.count(int(seconds // size), unit)} ago"
    return "just now"


def live_row(name: str, label: str, version: int, before: int | None, why: str = "its checks") -> Row:
    """Return that a label is at a version that failed its checks, with the command that goes back."""
    text, undo = f"{label} is at v{version}, which failed {why}", ["rollback", name, "--label", label]
    if (before or version) >= version:
        text, undo = f"{text}; no earlier release is recorded, so commit a fix", ["deploy"]
    return Row("live", "bad", name, note=text, command=shlex.join(["promptsync", *undo]))


def tally(noun: str, counts: Iterable[tuple[int, str]]) -> str:
    """Return the counts that are not zero, the first with its noun: ``2 prompts to publish, 1 to label``."""
    shown = [(number, what) for number, what in counts if number]
    return ", ".join(
        f"{number if place else output.count(number, noun)} {what}"
        for place, (number, what) in enumerate(shown)
    )


def numbered(commands: Sequence[str]) -> list[str]:
    """Return commands as a numbered list."""
    width = len(str(len(commands)))
    return [output.safe(f"  {number:>{width}}. {command}") for number, command in enumerate(commands, 1)]


def backup_lines(backups: Mapping[str, Path]) -> list[str]:
    """Return where the texts are that were copied before their files were replaced or deleted."""
    if len(backups) <= _MOST_BACKUPS:
        return [
            f"  your version of {output.name(name)} is backed up in {output.safe(str(path))}"
            for name, path in backups.items()
        ]
    folder = os.path.commonpath(backups.values())
    return [f"  your versions of {len(backups)} prompts are backed up in {output.safe(folder)}"]


def number_text(number: float | None) -> str:
    """Return a number as a table shows it."""
    return "-" if number is None else f"{number:g}" if isinstance(number, float) else str(number)


def cut(text: str, most: int = 200) -> str:
    """Return text of users or the registry as one safe line of at most ``most`` characters."""
    line = output.name(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def listed(texts: Sequence[str], most: int) -> str:
    """Return the first texts with commas between them, and how many more there are."""
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def version_list(numbers: Sequence[int]) -> str:
    """Return versions as ``v2, v3``."""
    return ", ".join(f"v{number}" for number in numbers)


def kept_tag_rows(plan: PushPlan, names: Container[str]) -> list[Row]:
    """Return the tags of the registry that a version made over it keeps, of the prompts in ``names``."""
    kept = [action for action in plan.actions if action.kept_tags and action.name in names]
    texts = [f"the tags from the dashboard: {', '.join(action.kept_tags)}" for action in kept]
    return [
        Row("kept", "warn", action.name, note=text, command=f"promptsync pull {shlex.quote(action.name)}")
        for action, text in zip(kept, texts, strict=True)
    ]


def pin_rows(pins: Pins) -> Iterator[Row]:
    """Yield a row for each snippet of which others pin an old text. A bump needs a published version."""
    for snippet, group in groupby(sorted(pins, key=lambda pin: pin.snippet), key=lambda pin: pin.snippet):
        outdated = [*group]
        versions, newest = {pin.version for pin in outdated}, outdated[0].newest
        is_same = len(versions) == 1
        names = [pin.user if is_same else f"{pin.user} (v{pin.version})" for pin in outdated]
        users = listed(names, _MOST_USERS)
        what = f"v{min(versions)}" if is_same else "older versions"
        note, command = f"once v{newest} is published, {users} will still pin {what}", ""
        if outdated[0].is_published:
            verb = "pins" if len({pin.user for pin in outdated}) == 1 else "pin"
            note = f"{users} still {verb} {what}, not v{newest}"
            command = f"promptsync bump {shlex.quote(snippet)}"
        yield Row("pinned", "warn", snippet, note=note, command=command)


def pins_body(pins: Pins) -> list[dict[str, Any]]:
    """Return outdated pins for a JSON document."""
    keys = "name=user snippet pinned=version version=newest"
    return [{**body(pin, keys), "problem": "outdated"} for pin in pins]


# -- what a release changes for applications --------------------------------------------------------------


def contract_rows(plan: DeployPlan) -> Iterator[Row]:
    """Yield what breaks applications, or may, and the names of ``--breaking`` for which nothing does."""
    for contract in plan.contracts:
        for change in contract.changes[:_MOST_CHANGES]:
            (word, meaning), end = verdict(change), ""
            if change.verdict == "breaking" and contract.is_accepted:
                word, meaning = "accepted", "warn"
                end = f"; needs: {shortened(contract.needs, _LONG)}" if contract.needs else ""
            note = f"{change_text(change)} (compared with {contract.label} v{contract.version}){end}"
            yield Row(word, meaning, contract.name, note=note)
        if (more := len(contract.changes) - _MOST_CHANGES) > 0:
            yield Row("note", "warn", contract.name, note=f"and {more} more such changes; --json has all")
    names = {contract.name for contract in plan.contracts}
    for other in [other for other in plan.options.breaking if other not in names]:
        yield Row("note", "warn", other, note="breaks nothing; --breaking is not necessary")


def verdict(change: ContractChange) -> tuple[str, str]:
    """Return what a change is for applications, in a word, and the meaning of its color."""
    return ("breaking", "bad") if change.verdict == "breaking" else ("cannot tell", "warn")


def change_text(change: ContractChange) -> str:
    """Return a change for applications as a short sentence."""
    return shortened(str(change).strip(), _LONG)


def contract_body(contracts: Iterable[PromptContract]) -> list[dict[str, Any]]:
    """Return contracts for a JSON document."""
    return bodies(contracts, "name label version needs accepted=is_accepted changes")


def stopped_lines(contracts: Iterable[PromptContract]) -> Iterator[str]:
    """Yield which prompts would stop the next deploy, and the command that says why."""
    if stopping := [contract for contract in contracts if contract.stops]:
        readers = named_users(LiveUser(contract.name, contract.label) for contract in stopping)
        command = f"promptsync deploy --label {shlex.quote(stopping[0].label)} --dry-run"
        text = f"the next deploy would break applications that read {readers}: {command}"
        yield output.aside(output.name(text))
