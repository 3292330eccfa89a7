"""Who changed what: as text, JSON and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from promptsync.compare.pins import Pins
from promptsync.compare.snapshot import State
from promptsync.files.errors import text_of
from promptsync.prompt.labels import is_own
from promptsync.show.diff import problems_body
from promptsync.show.diff import state as state_text
from promptsync.show.lines import passed_over as passed_over_row
from promptsync.show.not_released import add_not_released, not_released_lines, release_text
from promptsync.show.outcome import Outcome
from promptsync.show.pins import pin_rows, pins_body
from promptsync.show.rows import bodies, row_lines
from promptsync.show.status_advice import advice_lines, state_word
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.not_released import Unreleased
    from promptsync.compare.snapshot import Item, Snapshot
    from promptsync.project.project import Project

PassedOver = Mapping[str, Sequence[int]]
"""By prompt, the versions that neither the latest one nor the file includes."""

_MANY = 20
"""If more prompts than this exist only in the registry, they are counted and not listed."""


def show_status(
    project: Project,
    snapshot: Snapshot,
    passed_over: PassedOver,
    releases: Sequence[Unreleased],
    pins: Pins = (),
    *,
    offline: bool,
    verbose: bool,
    counted: frozenset[State],
) -> Outcome:
    """Return the state of each prompt. The exit code is 1 if a prompt is in one of the states ``counted``."""
    body: dict[str, Any] = {
        "prompts": [
            _body(item, snapshot, passed_over.get(item.name, ()), releases) for item in snapshot.items
        ]
    }
    if not offline:
        body["not_included"] = snapshot.foreign(project.config)
        body["pins"] = pins_body(pins)
    if snapshot.problems:
        body["problems"] = problems_body(snapshot.problems)
    return Outcome(
        [
            *_lines(project, snapshot, releases, offline=offline, verbose=verbose),
            *not_released_lines(project, releases),
            *row_lines(passed_over_row(name, numbers) for name, numbers in passed_over.items()),
            *row_lines(pin_rows(pins)),
        ],
        body,
        1 if snapshot.problems or snapshot.unusable or snapshot.of(*counted) else 0,
        markdown=lambda: status_markdown(snapshot, passed_over, releases, pins),
    )


# -- text ---------------------------------------------------------------------------------------------------


def _lines(
    project: Project, snapshot: Snapshot, releases: Sequence[Unreleased], *, offline: bool, verbose: bool
) -> list[str]:
    label = f", label {output.name(snapshot.label)}" if snapshot.label else ""
    how = ", offline: as of the last push or pull" if offline else ""
    lines: list[str] = [output.aside(f"remote {output.safe(project.title)}{label}{how}")]
    foreign = 0 if offline else snapshot.foreign(project.config)
    if not snapshot.items and not snapshot.problems:
        nothing = "no prompts yet: add a file to prompts/, then promptsync push"
        if foreign:
            nothing = f"no prompts: include: matches none of the {count(foreign, 'prompt')} of the registry"
        return [*lines, output.aside(nothing)]
    counts = _counts(snapshot)
    lines += _rows(snapshot, releases, counts, verbose=verbose)
    if snapshot.problems:
        invalid = output.style("invalid", "bad")
        lines += ["", *(f"  {invalid}  {output.safe(text_of(problem))}" for problem in snapshot.problems)]
    if snapshot.unusable:
        lines += ["", *output.table(map(_unusable_row, snapshot.unusable), free=True)]
    if counts:
        lines += ["", output.aside(totals(counts))]
    if foreign:
        note = f"  {count(foreign, 'prompt')} of the registry not matched by include:"
        lines.append(output.aside(output.style(note, "faint")))
    if verbose and not offline and (unknown := snapshot.unknown_fields()):
        lines.append(output.aside(output.style(f"  {unknown_fields_note(unknown)}", "faint"), 4))
    if outside := snapshot.outside(project.config):
        note = f"  {count(outside, 'prompt file')} not matched by include:; promptsync lint lists them"
        lines.append(output.aside(output.style(note, "faint")))
    return [*lines, *advice_lines(project, snapshot, counts, offline)]


def _counts(snapshot: Snapshot) -> Counter[State]:
    """Return how many prompts are in each state. Invalid files that hold no prompt count, too."""
    # A moved file has a row for its old name, too.
    counts = Counter(item.state for item in snapshot.items if item.file or item.state is not State.MOVED)
    unreadable = {problem.path for problem in snapshot.problems}
    counts[State.INVALID] = max(counts[State.INVALID], len(unreadable) + len(snapshot.unusable))
    return +counts


def _rows(
    snapshot: Snapshot, releases: Sequence[Unreleased], counts: Counter[State], *, verbose: bool
) -> Iterator[str]:
    # The problems of unreadable files are listed below, file by file.
    items = [item for item in snapshot.items if item.state is not State.INVALID]
    # What was never released is counted below: right after a first push that is everything.
    late = {release.name for release in releases if release.released is not None}
    shown = [item for item in items if item.state is not State.IN_SYNC or verbose or item.name in late]
    many = counts[State.REMOTE_ONLY] > _MANY and not verbose
    if many:
        shown = [item for item in shown if item.state is not State.REMOTE_ONLY]
    if shown:
        yield from ("", *output.table((_row(item, snapshot, releases) for item in shown), free=True))
    if many:
        yield ""
        yield f"  {counts[State.REMOTE_ONLY]} prompts exist only in the registry; -v lists them"


def _row(item: Item, snapshot: Snapshot, releases: Sequence[Unreleased]) -> tuple[str, ...]:
    late = {
        release.label: f", {release_text(release)}"
        for release in releases
        if release.name == item.name and release.released is not None
    }
    labels = [pair for pair in (snapshot.labels or {}).get(item.name, {}).items() if is_own(pair[0])]
    shown = "; ".join(f"{output.name(name)} v{number}{late.get(name, '')}" for name, number in labels)
    now = item.renamed_to or item.became
    where = f"{item.path}, was {item.was}" if item.was else f"now {now}" if now else (item.path or "")
    return (f"  {state_text(item.state)}", output.name(item.name), _versions(item), shown, output.safe(where))


def _unusable_row(item: Item) -> tuple[str, ...]:
    return (f"  {state_text(item.state)}", output.name(item.name), _versions(item), item.problem)


def _versions(item: Item) -> str:
    """Return the tracked version, after the one that both sides include where that is another."""
    version = f"v{item.version}" if item.version is not None else "-"
    base = item.base.version if item.base is not None else None
    if base is None or item.version is None or base == item.version:
        return version
    return f"v{base} -> {version}"


def unknown_fields_note(fields: Sequence[str]) -> str:
    """Return what is said about fields that only the registry has and that promptsync does not know."""
    names = ", ".join(map(output.name, fields))
    return f"the registry adds fields that promptsync does not know: {names}; they are not differences"


def totals(counts: Counter[State]) -> str:
    """Return how many prompts are in which state."""
    if set(counts) == {State.IN_SYNC}:
        return output.style(f"{count(counts[State.IN_SYNC], 'prompt')}, all in sync", "good")
    return ", ".join(f"{number} {state_word(state)}" for state, number in sorted(counts.items()))


# -- JSON and Markdown --------------------------------------------------------------------------------------


def _body(
    item: Item, snapshot: Snapshot, passed_over: Sequence[int], releases: Sequence[Unreleased]
) -> dict[str, object]:
    labels = None if snapshot.labels is None else snapshot.labels.get(item.name, {})
    mine = [release for release in releases if release.name == item.name]
    return {
        "name": item.name,
        "state": str(item.state),
        "path": item.path,
        "version": item.version,
        "base": item.base.version if item.base is not None else None,
        "labels": labels,
        "not_released": bodies(mine, "label version released rolled_back=is_rolled_back reason"),
        "passed_over": list(passed_over),
        "renamed_from": item.was,
        "renamed_to": item.became or item.renamed_to,
        "problem": item.problem or None,
    }


def status_markdown(
    snapshot: Snapshot,
    passed_over: PassedOver = MappingProxyType({}),
    releases: Sequence[Unreleased] = (),
    pins: Pins = (),
    *,
    most: int | None = None,
) -> list[str]:
    """Return what is not in sync, released, passed over or pinned, one line each, and unreadable files."""
    from promptsync.show.markdown import MOST, Page

    page = Page(MOST if most is None else most)
    counts = _counts(snapshot)
    shown = ", ".join(f"{number} {state}" for state, number in sorted(counts.items())) or "no prompts"
    page.say(f"**{shown}**")
    changed = [item for item in snapshot.items if item.state is not State.IN_SYNC]
    if changed:
        page.fence(
            output.table((str(item.state), item.name, _versions(item), item.path or "") for item in changed)
        )
    add_not_released(page, releases)
    if passed_over:
        page.say(f"**{count(len(passed_over), 'prompt')} with versions that were passed over**")
        page.fence(
            f"{name}  {', '.join(f'v{number}' for number in numbers)}"
            for name, numbers in passed_over.items()
        )
    if lines := row_lines(pin_rows(pins)):
        page.say("**Pinned snippets**")
        page.fence(map(click.unstyle, lines))
    if snapshot.unusable:
        page.say(f"**{count(len(snapshot.unusable), 'prompt')} not usable as the registry has it**")
        page.fence(f"{item.name}  v{item.version}  {item.problem}" for item in snapshot.unusable)
    if snapshot.problems:
        page.say(f"**{count(len(snapshot.problems), 'problem')} in files that cannot be read**")
        page.fence(text_of(problem) for problem in snapshot.problems)
    return page.lines
