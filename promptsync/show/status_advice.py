"""What to do about the state of each prompt: the commands below the rows of ``status``."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from promptsync.compare.conflict import ways_to_rename
from promptsync.compare.snapshot import State
from promptsync.project.pointers import deploy_command
from promptsync.prompt.labels import is_own
from promptsync.prompt.snippets import rendered_in
from promptsync.registry.errors import UNUSABLE_HINT
from promptsync.show.lines import MOVED_NOTE, move_note, rename_note
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.compare.snapshot import Item, Snapshot
    from promptsync.project.project import Project

_ADVICE = {
    State.NEW: "promptsync push",
    State.AHEAD: "promptsync push",
    State.BEHIND: "promptsync pull",
    State.REMOTE_ONLY: "promptsync pull",
    State.DIVERGED: "promptsync pull --merge",
    State.ALTERED: "promptsync diff",
    State.CONFLICT: "promptsync lint, then edit the file: choose a side and delete the marker lines",
    State.DELETED_LOCALLY: "promptsync push --prune",
    State.DELETED_REMOTELY: "promptsync push NAME --restore, or promptsync pull --prune",
    State.RENAMED_REMOTELY: "promptsync mv OLD NEW",
    State.MOVED: "promptsync mv --keep-name",
    State.INVALID: "promptsync lint",
    State.UNKNOWN: "promptsync status",
}
"""The command to run in each state."""


def state_word(state: State) -> str:
    # Only a status without --offline can tell.
    return "unknown here" if state is State.UNKNOWN else str(state)


def advice_lines(project: Project, snapshot: Snapshot, counts: Counter[State], offline: bool) -> list[str]:
    """Return each state that needs a command, with that command."""
    states: dict[str, list[str]] = {}
    for state, command in _ADVICE.items():
        if counts[state]:
            states.setdefault(command, []).append(state_word(state))
    if snapshot.unusable:
        states[UNUSABLE_HINT] = [f"{State.INVALID} in the registry"]
        if not snapshot.problems:
            states.pop(_ADVICE[State.INVALID], None)
    gone = [item for item in snapshot.of(State.DIVERGED) if item.file is None]
    if gone and len(gone) == counts[State.DIVERGED]:
        states.pop(_ADVICE[State.DIVERGED])
    for item in gone:  # there is no text to merge
        restore = f"promptsync pull {shlex.quote(item.name)} --theirs"
        command = restore if item.became is None else ways_to_rename(item)[0]
        states[output.name(command)] = [f"{State.DIVERGED}, without a file"]
    _advise_on_deletions(project, snapshot, states)
    if snapshot.label is not None and not snapshot.listing:
        states = {"promptsync label list": [f"no prompt has the label {output.name(snapshot.label)}"]}
    # Under a label a push must also move that label, or the prompt stays ahead of it. Checks come before a
    # governed one.
    elif snapshot.label is not None and (counts[State.NEW] or counts[State.AHEAD]):
        moved = states.pop(_ADVICE[State.NEW])
        label = snapshot.label
        command = f"promptsync push --label {shlex.quote(label)}"
        if project.config.governs(label):
            command = deploy_command(project, label)
        states[output.name(command)] = moved
    rows = [
        (f"  {', '.join(settled)}", ", or ".join(map(project.on_remote, command.split(", or "))))
        for command, settled in states.items()
    ]
    lines: list[str] = [output.aside(output.style(line, "faint")) for line in output.table(rows)]
    notes = [
        rename_note(item.name, item.was)
        for item in snapshot.items
        if item.was is not None and item.state is not State.MOVED
    ]
    notes += [move_note(old, new) for old, new in snapshot.possible_moves]
    if counts[State.MOVED]:
        notes.append(MOVED_NOTE)
    if counts[State.REMOTE_ONLY] and not project.config.include and not offline:
        notes.append("set include: in promptsync.yaml if some of them belong to another repository")
    return [*lines, *(output.aside(output.style(f"  {note}", "faint"), 4) for note in notes)]


def _advise_on_deletions(project: Project, snapshot: Snapshot, states: dict[str, list[str]]) -> None:
    deleted, prune = snapshot.of(State.DELETED_LOCALLY), _ADVICE[State.DELETED_LOCALLY]
    if deleted and not any(item.deletion_committed for item in deleted):
        states.pop(prune, None)
        states.setdefault("promptsync pull", []).append(f"{State.DELETED_LOCALLY}, to restore the files")
        return
    special = {}
    for item in deleted:
        name = output.name(shlex.quote(item.name))
        if users := _users(snapshot, item, {one.name for one in deleted}):
            special[f"promptsync pull {name}"] = f"still used by {', '.join(map(output.name, users))}"
        elif labels := _governed(project, snapshot, item.name):
            where = ", ".join(f"{output.name(label)} v{version}" for label, version in labels)
            special[f"promptsync push {name} --prune"] = f"still live at {where}"
    if special and len(special) == len(deleted):
        states.pop(prune, None)
    for command, why in special.items():
        states[command] = [f"{State.DELETED_LOCALLY}, {why}"]


def _users(snapshot: Snapshot, item: Item, deleted: set[str]) -> list[str]:
    """Return the prompts that reference a snippet, without those that go with it."""
    if item.listed is None or item.listed.prompt.template.get("type") != "completion":
        return []
    prompts = {
        version.name: version.prompt for version in snapshot.listing.values() if version.name not in deleted
    }
    prompts |= {name: file.prompt for name, file in snapshot.worktree.files.items()}
    return [
        name
        for name, prompt in sorted(prompts.items())
        if any(version.name == item.name for version in rendered_in(prompt.template))
    ]


def _governed(project: Project, snapshot: Snapshot, name: str) -> list[tuple[str, int]]:
    """Return the governed labels of a prompt with their versions, as far as they are known."""
    labels = (snapshot.labels or {}).get(name, {})
    return [(label, at) for label, at in labels.items() if is_own(label) and project.config.governs(label)]
