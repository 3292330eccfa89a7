"""``promptsync status``: who changed what, and what to do about it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct
from msgspec.structs import replace

from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import check_apart, format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.conflict import may_have_moved
from promptsync.compare.gather import gather, offline_snapshot
from promptsync.compare.released import Pins, Unreleased, find_pins, release_labels, unreleased
from promptsync.compare.snapshot import Item, Snapshot, State, find_passed_over, matching
from promptsync.files.evaluation import FOLDER
from promptsync.files.yaml.load import text_of
from promptsync.history.mark import parse_mark
from promptsync.project.project import Project
from promptsync.project.versions import RoutedLabel, deploy_command, routed_labels
from promptsync.prompt.additions import added_fields
from promptsync.prompt.labels import is_own
from promptsync.registry.errors import UNUSABLE_HINT
from promptsync.show import notes
from promptsync.show.diff import PROBLEM, meaning_of
from promptsync.show.outcome import Outcome, Row, bodies, row_lines
from promptsync.show.outcome import body as body_of
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.checks.verdicts import LiveFailure
    from promptsync.deploy.live import PromptContract

_DRIFT = frozenset({State.BEHIND, State.REMOTE_ONLY, State.DIVERGED, State.ALTERED, State.CONFLICT})
_DRIFT |= {State.DELETED_REMOTELY, State.RENAMED_REMOTELY}
"""The states that a dashboard edit causes, without those of changes that still have to be pushed."""


@verb("status", is_long=True)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@flag("--exit-code", "Exit with 1 if anything differs.")
@flag("--drift", "Exit with 1 if the registry has edits that your files lack.")
@option("--label", "LABEL", "Compare with the versions that LABEL points at.")
@format_option("markdown")
@flag("--offline", "Compare with the last push or pull of this working copy.")
def command(
    session: Session, names: tuple[str, ...], exit_code: bool, drift: bool, label: str | None, offline: bool
) -> Outcome:
    """Show who changed each prompt since both sides last agreed: you, the registry, or both.

    \b
    promptsync status
    promptsync status --label prod --exit-code
    promptsync status --drift
    """
    check_apart(("--offline", offline), ("--drift", drift))
    check_apart(("--offline", offline), ("--label", label))
    counted = frozenset(State) - {State.IN_SYNC} if exit_code else _DRIFT if drift else frozenset()
    with session.project() as project:
        if offline:
            snapshot = offline_snapshot(project)
        else:
            snapshot = gather(project, label=label, labels=project.config.labels.values())
        wanted = matching(project, snapshot, names)
        # Pins mean versions of the whole history, of which a label shows one.
        pins = () if offline or label is not None else find_pins(project, snapshot)
        pins = tuple(pin for pin in pins if not wanted or {pin.snippet, pin.user} & {*wanted})
        snapshot = replace(snapshot, items=snapshot.only(wanted))
        passed_over, has_edits = _passed_over(project, snapshot, offline, drift)
        released = [label] if label is not None else release_labels(project)
        routed = _routed(project, snapshot, released)
        live = (routed, _live_failures(project, snapshot, () if drift else released))
        releases, contracts = _releases(project, snapshot)
        status = _Status(session, project, snapshot, passed_over, releases, contracts, pins, *live, offline)
        is_counted = bool(snapshot.problems or snapshot.unusable or snapshot.of(*counted))
        is_counted = is_counted or (drift and has_edits) or (exit_code and bool(routed))
        return _shown(status).replaced(exit_code=int(is_counted))


def _releases(project: Project, snapshot: Snapshot) -> tuple[Sequence[Unreleased], Sequence[PromptContract]]:
    """Return what is not released, and what a release of it would change for applications."""
    # Under a label, the states themselves say what is not released.
    if snapshot.labels is None or snapshot.label is not None:
        return (), ()
    releases: Sequence[Unreleased] = unreleased(project, snapshot)
    if late := {release.name: release for release in releases if not release.is_rolled_back}:
        from promptsync.checks.verdicts import verdicts

        versions = {name: release.version for name, release in late.items()}
        live = {name: release.released for name, release in late.items()}
        judged = verdicts(project, versions, snapshot.worktree.files, live, snapshot.listing)
        failed = {(verdict.name, verdict.version): verdict.reason for verdict in judged if verdict.failed}
        releases = [replace(one, reason=failed.get((one.name, one.version))) for one in releases]
    if not (releases or snapshot.of(State.AHEAD)):
        return (), ()
    from promptsync.deploy.live import next_contracts

    on_hold = [release.name for release in releases if release.is_rolled_back]
    return releases, next_contracts(project, snapshot, on_hold)


def _live_failures(project: Project, snapshot: Snapshot, labels: Sequence[str]) -> Sequence[LiveFailure]:
    """Return what is live and failed a check. Without checks this costs no request and no import."""
    if not (project.config.checks or (project.root / FOLDER).is_dir()):
        return ()
    from promptsync.checks.verdicts import live_failures

    return [failure for label in labels for failure in live_failures(project, snapshot, label)]


def _routed(project: Project, snapshot: Snapshot, released: Sequence[str]) -> Sequence[RoutedLabel]:
    """Return where A/B releases route labels. Sends no request for a label that no prompt has."""
    labels, routed = snapshot.labels or {}, list[RoutedLabel]()
    for label in released:
        pointers = {item.name: labels.get(item.name, {}).get(label) for item in snapshot.items}
        if any(pointers.values()):
            answers = project.registry.prompts.list(label=label)
            routed += routed_labels(project, label, pointers, answers).values()
    return routed


def _passed_over(
    project: Project, snapshot: Snapshot, offline: bool, drift: bool
) -> tuple[Mapping[str, Sequence[int]], bool]:
    """Return what was passed over by name and, for ``drift``, whether any of it is a dashboard edit."""
    # Versions are passed over by the latest one, which a label does not show.
    if offline or snapshot.label is not None:
        return {}, False
    # The exit code of --drift must not depend on how often prompts were published since.
    items = [item for item in snapshot.items if drift or _may_pass_over(item)]
    # A shallow clone does not show what the files include.
    if not items or (not drift and project.history is not None and project.history.shallow):
        return {}, False
    passed_over = find_passed_over(project, items)
    numbers = {name: [version.version for version in versions.read] for name, versions in passed_over.items()}
    # What was not saved in the dashboard comes with the branch that pushed it.
    return numbers, any(head.edits for versions in passed_over.values() for head in versions.heads)


def _may_pass_over(item: Item) -> bool:
    """Whether the mark of the tracked version names other parents than the version before it."""
    mark = parse_mark(item.listed.message) if item.file is not None and item.listed is not None else None
    return mark is not None and (mark.version != item.version or bool(mark.parents))


_RUN = "check=result.run.name reason=result.reason completed_at=result.run.completed_at"

_MANY = 20
"""If more prompts than this exist only in the registry, they are counted and not listed."""

_ADVICE = {
    State.NEW: "promptsync push",
    State.AHEAD: "promptsync push",
    State.BEHIND: "promptsync pull",
    State.REMOTE_ONLY: "promptsync pull",
    State.DIVERGED: "promptsync pull --merge",
    State.ALTERED: "promptsync diff",
    State.CONFLICT: "edit the file: choose a side and delete the marker lines; promptsync lint names them",
    State.DELETED_LOCALLY: "promptsync push --prune",
    State.DELETED_REMOTELY: "promptsync push NAME --restore, or promptsync pull --prune",
    State.RENAMED_REMOTELY: "promptsync mv OLD NEW",
    State.INVALID: "promptsync lint",
    State.UNKNOWN: "promptsync status",
}
"""The command to run in each state, unless more is known of the prompt."""


class _Status(Struct, frozen=True):
    """What a status found out. ``pins`` and ``contracts`` are what a push or deploy would meet.

    ``passed_over`` are the versions of each prompt that neither the latest one nor the file includes.
    ``routed`` says where A/B releases route labels, ``failures`` what is live and failed a check.
    """

    session: Session
    project: Project
    snapshot: Snapshot
    passed_over: Mapping[str, Sequence[int]]
    releases: Sequence[Unreleased]
    contracts: Sequence[PromptContract]
    pins: Pins
    routed: Collection[RoutedLabel]
    failures: Sequence[LiveFailure]
    offline: bool


def _shown(status: _Status) -> Outcome:
    """Return the state of each prompt."""
    project, snapshot = status.project, status.snapshot
    body: dict[str, Any] = {"prompts": [_body(item, status) for item in snapshot.items]}
    foreign = sum(not project.config.in_scope(name) for name in snapshot.listing)
    if not status.offline:
        body |= {"not_included": foreign, "pins": notes.pins_body(status.pins)}
        body["contract"] = notes.contract_body(status.contracts)
        body["failed_live"] = bodies(status.failures, f"name label version {_RUN}")
        body["routed"] = bodies(status.routed, "name label version other")
    if snapshot.problems:
        body["problems"] = bodies(snapshot.problems, PROBLEM)
    counts = Counter(item.state for item in snapshot.items)
    # Invalid files that hold no prompt count, too.
    unreadable = len({problem.path for problem in snapshot.problems}) + len(snapshot.unusable)
    counts[State.INVALID] = max(counts[State.INVALID], unreadable)
    counts = +counts
    rows = [row for prompt in status.passed_over.items() for row in notes.passed_over(*prompt)]
    for failure in status.failures:
        when = notes.ago(failure.result.run.completed_at)
        why = f"{failure.result.run.name!r} {when}: {failure.result.reason}"
        row = notes.live_row(*failure[:4], why)
        rows.append(replace(row, command=status.session.command_on_remote(row.command)))
    rows += notes.pin_rows(status.pins)
    rows += [Row("routed", "warn", label.name, note=str(label)) for label in status.routed]
    lines = [*_lines(status, counts, foreign), *_not_released_lines(status)]
    lines += [*notes.stopped_lines(status.contracts), *row_lines(rows)]
    title = ", ".join(f"{number} {state}" for state, number in sorted(counts.items())) or "no prompts"
    return Outcome(lines, body, markdown=lambda page: page.section(title, lines))


def _lines(status: _Status, counts: Counter[State], foreign: int) -> list[str]:
    project, snapshot = status.project, status.snapshot
    label = f", label {output.name(snapshot.label)}" if snapshot.label else ""
    how = ", offline: as of the last push or pull" if status.offline else ""
    lines: list[str] = [output.aside(f"remote {output.safe(project.title)}{label}{how}")]
    if project.read_only:
        lines.append(output.aside("read-only: PROMPTSYNC_READ_ONLY is set"))
    if not snapshot.items and not snapshot.problems:
        nothing = "no prompts yet: promptsync new NAME"
        if foreign:
            nothing = f"no prompts: include: matches none of the {output.count(foreign, 'registry prompt')}"
        return [*lines, output.aside(nothing)]
    lines += _prompt_lines(status, counts)
    if snapshot.problems:
        invalid = output.style("invalid", "bad")
        lines += ["", *(f"  {invalid}  {output.safe(text_of(problem))}" for problem in snapshot.problems)]
    if snapshot.unusable:
        lines += ["", *row_lines((_row(item, item.problem) for item in snapshot.unusable), free=True)]
    total = ", ".join(f"{number} {_word(state)}" for state, number in sorted(counts.items()))
    if set(counts) == {State.IN_SYNC}:
        total = output.style(f"{output.count(counts[State.IN_SYNC], 'prompt')}, all in sync", "good")
    lines += ["", output.aside(total)] if counts else []
    extra = [f"{output.count(foreign, 'registry prompt')} ignored (not in include)"] if foreign else []
    both = ((item.file.prompt, item.listed.prompt) for item in snapshot.items if item.file and item.listed)
    if status.session.verbose and (fields := added_fields(both)):
        names = ", ".join(map(output.name, fields))
        extra.append(f"the registry adds fields: {names}; they do not count as differences")
    if outside := sum(not project.config.in_scope(name) for name in snapshot.worktree.files):
        number = output.count(outside, "prompt file")
        extra.append(f"{number} ignored (not in include); promptsync lint lists them")
    lines += [output.aside(output.style(f"  {note}", "faint"), 4) for note in extra]
    return [*lines, *_advice_lines(status)]


# -- prompts ------------------------------------------------------------------------------------------------


def _prompt_lines(status: _Status, counts: Counter[State]) -> Iterator[str]:
    # What was never released is counted below: right after a first push that is everything.
    behind = [release for release in status.releases if release.released is not None]
    late = {(release.name, release.label): f", {_not_released(release)}" for release in behind}
    names = {name for name, _ in late}
    hidden = {State.INVALID}  # the problems of unreadable files are listed below, file by file
    if not status.session.verbose:
        hidden |= {State.IN_SYNC, *([State.REMOTE_ONLY] if counts[State.REMOTE_ONLY] > _MANY else [])}
    rows = []
    for item in status.snapshot.items:
        if item.state not in hidden or (item.state is State.IN_SYNC and item.name in names):
            labels = (status.snapshot.labels or {}).get(item.name, {})
            own = [(f"{output.name(label)} v{labels[label]}", label) for label in filter(is_own, labels)]
            marked = [f"{where}{late.get((item.name, label), '')}" for where, label in own]
            where = f"now {item.renamed_to}" if item.renamed_to else (item.path or "")
            rows.append(_row(item, where, "; ".join(marked)))
    if rows:
        yield from ("", *row_lines(rows, free=True))
    if State.REMOTE_ONLY in hidden:
        yield ""
        yield f"  {counts[State.REMOTE_ONLY]} prompts exist only in the registry; -v lists them"


def _row(item: Item, note: str, labels: str = "") -> Row:
    """Return a prompt with its version, after the one that both sides include where that is another."""
    version = f"v{item.version}" if item.version is not None else "-"
    base = item.base.version if item.base is not None else None
    if base is not None and item.version is not None and base != item.version:
        version = f"v{base} -> {version}"
    return Row(item.state, meaning_of(item.state), item.name, (version, labels), note)


def _body(item: Item, status: _Status) -> dict[str, Any]:
    late = [release for release in status.releases if release.name == item.name]
    labels = status.snapshot.labels
    return {
        **body_of(item, "name state path version base=base.version renamed_to"),
        "labels": None if labels is None else dict(labels.get(item.name, {})),
        "not_released": bodies(late, "label version released rolled_back=is_rolled_back reason"),
        "problem": item.problem or None,
        "passed_over": [*status.passed_over.get(item.name, ())],
    }


# -- what is not released -----------------------------------------------------------------------------------


def _not_released(release: Unreleased) -> str:
    """Return what is not released, after the label and the version under it."""
    if release.is_rolled_back:
        return f"v{release.version} rolled back"
    return f"v{release.version} not released" + (f": {output.name(release.reason)}" if release.reason else "")


def _not_released_lines(status: _Status) -> Iterator[str]:
    """Yield how much is not released to each label, and the command that releases it."""
    project, ahead = status.project, {item.name for item in status.snapshot.of(State.AHEAD)}
    for label in dict.fromkeys(release.label for release in status.releases):
        releases = [release for release in status.releases if release.label == label]
        name = output.name(label)
        number = sum(release.is_rolled_back and release.name not in ahead for release in releases)
        if late := sum(not release.is_rolled_back for release in releases):
            branches = [branch for branch, target in project.config.labels.items() if target == label]
            command = status.session.command_on_remote(deploy_command(project, label))
            if project.history is not None and project.history.branch not in branches:
                command = f"promptsync deploy, on {output.name(branches[0])}"
            yield output.aside(f"{output.count(late, 'prompt')} not released to {name}: {command}")
        if number:
            until = "its text changes" if number == 1 else "their texts change"
            what = f"{output.count(number, 'prompt')} rolled back from {name}"
            yield output.aside(f"{what}, on hold until {until}")


# -- advice -------------------------------------------------------------------------------------------------


def _word(state: State) -> str:
    # Only a status without --offline can tell.
    return "unknown here" if state is State.UNKNOWN else str(state)


def _advice_lines(status: _Status) -> list[str]:
    """Return what needs a command, with that command, and notes about names."""
    project, snapshot, about = status.project, status.snapshot, dict[str, list[str]]()
    for state in _ADVICE:
        for item in snapshot.of(state):
            command, what = _advice(project, snapshot, item)
            about.setdefault(command, []).append(what)
    if snapshot.problems:
        about.setdefault(_ADVICE[State.INVALID], []).append(str(State.INVALID))
    about.pop("", None)
    moved = may_have_moved(project, snapshot.items, snapshot.items) if snapshot.label is None else None
    if moved:  # which stops every push and pull that names no prompts
        for command in _ADVICE.values():
            if command.startswith(("promptsync push", "promptsync pull")):
                about.pop(command, None)
    if snapshot.label is not None and not snapshot.listing:
        about = {"promptsync label list": [f"no prompt has the label {output.name(snapshot.label)}"]}
    on_remote = status.session.command_on_remote
    rows = [
        (f"  {', '.join(dict.fromkeys(what))}", ", or ".join(map(on_remote, command.split(", or "))))
        for command, what in about.items()
    ]
    lines: list[str] = [output.aside(output.style(line, "faint")) for line in output.table(rows)]
    more = [f"{moved.message}: {moved.hint}".replace("\n", ", or ")] if moved else []
    if snapshot.of(State.REMOTE_ONLY) and not project.config.include and not status.offline:
        more.append("set include: in promptsync.yaml if some of them belong to another repository")
    return [*lines, *(output.aside(output.style(f"  {note}", "faint"), 4) for note in more)]


def _is_in_upstream(project: Project, item: Item) -> bool:
    """Whether the tracked version was committed, and ``git pull`` may bring that commit."""
    mark, history = parse_mark(item.listed.message) if item.listed is not None else None, project.history
    if mark is None or not mark.commit or mark.dirty or history is None or history.branch is None:
        return False
    if history.commit(mark.commit) is None:
        return bool(history.line("remote"))
    return bool(history.line("rev-list", "--max-count=1", "HEAD..@{upstream}"))


def _advice(project: Project, snapshot: Snapshot, item: Item) -> tuple[str, str]:
    """Return the command to run about a prompt, empty without one, and what it is about."""
    state, label, what = item.state, snapshot.label, _word(item.state)
    if item.problem:
        return UNUSABLE_HINT, f"{State.INVALID} in the registry"
    if state in (State.NEW, State.AHEAD) and label is not None:
        # A push must also move that label, or the prompt stays ahead of it.
        push = f"promptsync push --label {shlex.quote(label)}"
        return output.name(deploy_command(project, label) if project.config.governs(label) else push), what
    if state is State.DIVERGED and item.file is None:  # there is no text to merge
        restore = f"promptsync pull {shlex.quote(item.name)} --theirs"
        return output.name(restore), f"{what}, without a file"
    if state is State.BEHIND and _is_in_upstream(project, item):
        return f"git pull, or {_ADVICE[state]}", what
    if state is State.DELETED_LOCALLY:
        live = next(filter(project.governs, (snapshot.labels or {}).get(item.name, {})), None)
        if live is not None and item.deletion_committed:  # no push archives it
            from promptsync.labels.plan import delete_command  # imported only here, because it is rare

            undo = f"promptsync pull {shlex.quote(item.name)}"
            return output.name(f"{delete_command(item.name, live)}, or {undo}"), f"{what}, under {live}"
        return _ADVICE[state] if item.deletion_committed else "", what
    return _ADVICE[state], what
