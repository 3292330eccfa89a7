"""``promptsync status``: who changed what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from promptsync.commands.shared.options import choose_format, format_option
from promptsync.commands.shared.session import Outcome, Session, verb
from promptsync.compare.gather import gather
from promptsync.compare.project import Project
from promptsync.compare.select import matching, named_by
from promptsync.compare.snapshot import Item, Snapshot
from promptsync.compare.state import State
from promptsync.errors import AnswerIsNo, UsageError
from promptsync.show import diff, push
from promptsync.show.push import rename_note
from promptsync.terminal import output

_ADVICE = {
    State.NEW: "promptsync push publishes what is new or ahead",
    State.AHEAD: "promptsync push publishes what is new or ahead",
    State.BEHIND: "promptsync pull brings here what is behind or only in the registry",
    State.REMOTE_ONLY: "promptsync pull brings here what is behind or only in the registry",
    State.DIVERGED: "promptsync diff NAME shows both sides of what diverged, "
    "pull --merge NAME brings them together",
    State.ALTERED: "promptsync diff NAME shows what the registry made of what it was given",
    State.DELETED_LOCALLY: "promptsync push --prune archives what was deleted here, pull restores it",
    State.DELETED_REMOTELY: "promptsync push --restore NAME publishes again what was archived, "
    "pull --prune deletes the file",
    State.RENAMED_REMOTELY: "give the file the new name, or rename the prompt back in the registry",
    State.INVALID: "promptsync lint tells what is wrong with the files that cannot be read",
}
_DRIFT = {
    State.BEHIND,
    State.REMOTE_ONLY,
    State.DIVERGED,
    State.ALTERED,
    State.DELETED_REMOTELY,
    State.RENAMED_REMOTELY,
}
"""What somebody did in the registry, and not somebody here who has yet to publish it."""
_MANY = 20


@verb("status", short_help="Show who changed what.", blank={"prompts": []}, is_long=True)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when anything differs.")
@click.option(
    "--drift",
    is_flag=True,
    help="Exit with 1 when the registry was edited; what you have yet to push is fine.",
)
@click.option("--label", metavar="LABEL", help="Compare with the versions under LABEL, not with the latest.")
@format_option("markdown")
@click.option("--offline", is_flag=True, help="Compare with the last push or pull of this working copy only.")
@click.option(
    "--since",
    metavar="REF",
    help="Also show what changed in the files since REF: origin/main, a commit, "
    "or origin/main... for where this branch left it.",
)
def command(
    session: Session,
    names: tuple[str, ...],
    exit_code: bool,
    drift: bool,
    label: str | None,
    form: str | None,
    offline: bool,
    since: str | None,
) -> Outcome:
    """Show for each prompt who changed it since both sides last agreed: you, the registry, or both.

    \b
    promptsync status
    promptsync status --label prod --exit-code
    promptsync status --drift
    promptsync status --since origin/main...
    """
    choose_format(session, form)
    if offline and drift:
        raise UsageError("--offline cannot tell what the registry holds now", hint="leave out one of the two")
    if offline and label is not None:
        raise UsageError("--offline cannot tell where a label points", hint="leave out one of the two")
    if offline:
        from promptsync.compare.offline import offline_snapshot

        with session.project() as project:
            snapshot = _only(session, project, offline_snapshot(project), names)
            outcome = _outcome(session, project, snapshot, _told(exit_code, drift), offline=True)
            return _with_changed(session, project, snapshot, outcome, since)
    with session.project() as project:
        snapshot = _only(session, project, gather(project, label=label, with_labels=True), names)
        outcome = _outcome(session, project, snapshot, _told(exit_code, drift))
        return _with_changed(session, project, snapshot, outcome, since)


def _only(session: Session, project: Project, snapshot: Snapshot, names: tuple[str, ...]) -> Snapshot:
    """Return a snapshot of the prompts that were named, of all when none were."""
    wanted = matching(snapshot, named_by(project, session.directory, names))
    return replace(snapshot, items=snapshot.only(wanted))


def _told(exit_code: bool, drift: bool) -> set[State]:
    """Return the states that the exit code tells of."""
    return set(State) - {State.IN_SYNC} if exit_code else _DRIFT if drift else set()


def _outcome(
    session: Session, project: Project, snapshot: Snapshot, told: set[State], *, offline: bool = False
) -> Outcome:
    passed_over: Mapping[str, Sequence[int]] = {}
    if not offline and snapshot.label is None:
        from promptsync.pull.passed_over import passed_over_by_latest

        passed_over = passed_over_by_latest(project, snapshot.items)
    broken = bool(snapshot.problems)
    code = 1 if broken or snapshot.of(*told) else 0
    body: dict[str, Any] = {
        "prompts": [_body(item, snapshot, passed_over.get(item.name, ())) for item in snapshot.items]
    }
    if not offline:
        body["not_adopted"] = snapshot.foreign(project.config)
    if broken:
        body["problems"] = [
            {"path": one.path, "line": one.line, "column": one.column, "message": one.message}
            for one in snapshot.problems
        ]
    if session.form == "markdown":
        from promptsync.show.status import status_markdown

        return Outcome(status_markdown(snapshot, passed_over), body, code)
    lines = _lines(session, project, snapshot, offline)
    return Outcome([*lines, *_passed_over_lines(snapshot, passed_over)], body, code)


def _with_changed(
    session: Session, project: Project, snapshot: Snapshot, outcome: Outcome, since: str | None
) -> Outcome:
    """Return an outcome that also tells what changed in the files since a git state."""
    if since is None:
        return outcome
    if snapshot.problems:
        error = AnswerIsNo(
            f"what changed since {since} cannot be told while there are files that cannot be read",
            hint="promptsync lint tells what is wrong with them",
            code="invalid-file",
        )
        return replace(outcome, error=error)
    from promptsync.compare.changed import changed_since
    from promptsync.show.status import changed_body, changed_lines

    changed = changed_since(project, snapshot.worktree, since)
    lines = changed_lines(changed)
    if session.form == "markdown":
        from promptsync.show.markdown import MOST, Page

        page = Page(MOST - sum(len(line) + 1 for line in outcome.lines))
        page.fence(map(click.unstyle, lines))
        lines = page.lines
    return replace(
        outcome, lines=[*outcome.lines, "", *lines], body={**outcome.body, **changed_body(changed)}
    )


def _body(item: Item, snapshot: Snapshot, passed_over: Sequence[int]) -> dict[str, object]:
    labels = None if snapshot.labels is None else [name for name, _ in snapshot.labels.get(item.name, ())]
    return {
        "name": item.name,
        "state": str(item.state),
        "path": item.path,
        "version": item.version,
        "base": item.base.version if item.base is not None else None,
        "labels": labels,
        "passed_over": list(passed_over),
        "renamed_from": item.was,
        "renamed_to": item.became or item.renamed_to,
    }


def _lines(session: Session, project: Project, snapshot: Snapshot, offline: bool) -> list[str]:
    counts = Counter(item.state for item in snapshot.items)
    tracked = f", label {output.name(snapshot.label)}" if snapshot.label else ""
    how = ", offline: as of the last push or pull here" if offline else ""
    address = "" if project.remote == project.url else f" ({output.safe(project.url)})"
    where = f"remote {output.name(project.remote)}{address}{tracked}{how}"
    lines: list[str] = [output.Aside(where)]
    foreign = 0 if offline else snapshot.foreign(project.config)
    if not snapshot.items and not snapshot.problems:
        return [*lines, output.Aside(_nothing(foreign))]
    # what is wrong with the files that cannot be read is told below, file by file
    items = [item for item in snapshot.items if item.state is not State.INVALID]
    shown = [item for item in items if item.state is not State.IN_SYNC or session.verbose]
    many = counts[State.REMOTE_ONLY] > _MANY and not session.verbose
    if many:
        shown = [item for item in shown if item.state is not State.REMOTE_ONLY]
    if shown:
        lines += ["", *output.table((_row(item, snapshot) for item in shown), free=True)]
    if many:
        lines += [
            "",
            f"  {counts[State.REMOTE_ONLY]} prompts of the registry are not adopted here; -v lists them",
        ]
    lines += [""] if snapshot.problems and not shown else []
    if snapshot.problems:
        lines += ["", *(f"  {_problem(problem)}" for problem in snapshot.problems)]
    if snapshot.hidden:
        lines += ["", f"  {output.count(len(snapshot.hidden), 'prompt')} hidden by a sparse checkout"]
    summary = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    if counts:
        lines += ["", output.Aside(summary if set(counts) != {State.IN_SYNC} else _all_in_sync(counts))]
    if foreign and not session.quiet:
        lines.append(output.style(f"  {foreign} not adopted: outside of include", "faint"))
    lines += _advice(session, counts, snapshot, project, offline)
    return lines


def _nothing(foreign: int) -> str:
    if foreign:
        return f"nothing here, and include matches none of the {foreign} prompts of the registry"
    return "nothing here and nothing in the registry: put a prompt file into prompts/"


def _passed_over_lines(snapshot: Snapshot, passed_over: Mapping[str, Sequence[int]]) -> list[str]:
    lines = []
    for name, numbers in passed_over.items():
        item = snapshot.get(name)
        spelled = item.file.local.synced.values() if item is not None and item.file is not None else ()
        included = {key.split("-")[0] for keys in spelled for key in keys}
        if not included.issuperset(map(str, numbers)):  # otherwise a push or a merge is what is left to do
            lines.append(push.passed_over_line(name, numbers))
    return lines


def _all_in_sync(counts: Counter[State]) -> str:
    return output.style(f"{output.count(counts[State.IN_SYNC], 'prompt')}, all in sync", "good")


def _gone(item: Item, offline: bool) -> str:
    """Return what to do about a file that is gone, while no commit is known to say so."""
    if offline:
        return "promptsync pull restores files that are gone; without --offline it is told what to do else"
    if item.newest is None:
        return "promptsync pull restores files that are gone; no commit tells whether they were meant to be"
    return "promptsync pull restores files that are gone; commit that for push --prune to archive the prompts"


def _advice(
    session: Session, counts: Counter[State], snapshot: Snapshot, project: Project, offline: bool
) -> list[str]:
    if session.quiet:
        return []
    advice = dict.fromkeys(text for state, text in _ADVICE.items() if counts[state])
    if not any(item.deletion_committed for item in snapshot.of(State.DELETED_LOCALLY)):
        advice.pop(_ADVICE[State.DELETED_LOCALLY], None)
    gone = [item for item in snapshot.of(State.DELETED_LOCALLY) if not item.deletion_committed]
    advice |= {_gone(item, offline): None for item in gone}
    advice |= {rename_note(item.name, item.was): None for item in snapshot.items if item.was is not None}
    if counts[State.REMOTE_ONLY] and not project.config.include:
        advice["if another repository keeps them, say which are yours: include: in promptsync.yaml"] = None
    if snapshot.label is not None and not snapshot.listing:
        advice = {f"no prompt of the registry has the label {output.name(snapshot.label)}": None}
    elif snapshot.label is not None and (counts[State.NEW] or counts[State.AHEAD]):
        advice.pop(_ADVICE[State.NEW], None)
        label = output.name(snapshot.label)
        advice[f"promptsync push --label {label} points {label} at what is here"] = None
    return [output.hanging(output.style(f"  {text}", "faint"), 4) for text in advice]


def _problem(problem: object) -> str:
    from promptsync.files.errors import text_of

    return output.style("invalid", "bad") + "  " + output.safe(text_of(problem))  # type: ignore[arg-type]


def _row(item: Item, snapshot: Snapshot) -> tuple[str, ...]:
    base = item.base.version if item.base is not None else None
    version = f"v{item.version}" if item.version is not None else "-"
    if base is not None and item.version is not None and base != item.version:
        version = f"v{base} -> v{item.version}"
    labels = (snapshot.labels or {}).get(item.name, ())
    shown = " ".join(f"{output.name(name)}=v{number}" for name, number in labels)
    now = item.renamed_to or item.became
    where = f"now {now}" if now else f"{item.path}, was {item.was}" if item.was else (item.path or "")
    return (f"  {diff.state(item.state)}", output.name(item.name), version, shown, output.safe(where))
