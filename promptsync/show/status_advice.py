"""What to do about the state of each prompt: the commands below the rows of ``status``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from promptsync.compare.conflict import ways_to_rename
from promptsync.compare.snapshot import State
from promptsync.project.versions import deploy_command
from promptsync.prompt.labels import is_own
from promptsync.prompt.snippets import rendered_in
from promptsync.registry.errors import UNUSABLE_HINT
from promptsync.show.lines import MOVED_NOTE, move_row, rename_row
from promptsync.show.outcome import row_lines
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
"""The command to run in each state, unless more is known of the prompt."""


def state_word(state: State) -> str:
    # Only a status without --offline can tell.
    return "unknown here" if state is State.UNKNOWN else str(state)


def advice_lines(project: Project, snapshot: Snapshot, offline: bool) -> list[str]:
    """Return what needs a command, with that command, and notes about names."""
    about: dict[str, list[str]] = {}
    for state in _ADVICE:
        for item in snapshot.of(state):
            command, what = _advice(project, snapshot, item)
            about.setdefault(command, []).append(what)
    if snapshot.problems:
        about.setdefault(_ADVICE[State.INVALID], []).append(str(State.INVALID))
    about.pop("", None)
    if snapshot.label is not None and not snapshot.listing:
        about = {"promptsync label list": [f"no prompt has the label {output.name(snapshot.label)}"]}
    rows = [
        (f"  {', '.join(dict.fromkeys(what))}", ", or ".join(map(project.on_remote, command.split(", or "))))
        for command, what in about.items()
    ]
    lines: list[str] = [output.aside(output.style(line, "faint")) for line in output.table(rows)]
    renamed = [item for item in snapshot.items if item.was is not None and item.state is not State.MOVED]
    notes = [rename_row(item.name, item.was or "") for item in renamed]
    lines += row_lines([*notes, *(move_row(old, new) for old, new in snapshot.possible_moves)], aside=True)
    more = [MOVED_NOTE] if snapshot.of(State.MOVED) else []
    if snapshot.of(State.REMOTE_ONLY) and not project.config.include and not offline:
        more.append("set include: in promptsync.yaml if some of them belong to another repository")
    return [*lines, *(output.aside(output.style(f"  {note}", "faint"), 4) for note in more)]


def _advice(project: Project, snapshot: Snapshot, item: Item) -> tuple[str, str]:
    """Return the command to run about a prompt, empty without one, and what it is about."""
    state, name, label = item.state, output.name(shlex.quote(item.name)), snapshot.label
    command, what = _ADVICE[state], state_word(state)
    if item.problem:
        return UNUSABLE_HINT, f"{State.INVALID} in the registry"
    if state in (State.NEW, State.AHEAD) and label is not None:
        # A push must also move that label, or the prompt stays ahead of it.
        push = f"promptsync push --label {shlex.quote(label)}"
        return output.name(deploy_command(project, label) if project.config.governs(label) else push), what
    if state is State.DIVERGED and item.file is None:  # there is no text to merge
        restore = f"promptsync pull {name} --theirs"
        return output.name(ways_to_rename(item)[0]) if item.became else restore, f"{what}, without a file"
    if state is State.DELETED_LOCALLY and any(
        deleted.deletion_committed for deleted in snapshot.of(State.DELETED_LOCALLY)
    ):
        if users := _users(snapshot, item):
            return f"promptsync pull {name}", f"{what}, still used by {', '.join(map(output.name, users))}"
        if labels := _governed(project, snapshot, item.name):
            return f"promptsync push {name} --prune", f"{what}, still live at {', '.join(labels)}"
    elif state is State.DELETED_LOCALLY:
        return "", what
    return command, what


def _users(snapshot: Snapshot, item: Item) -> list[str]:
    """Return the prompts that reference a snippet, without those that go with it."""
    if item.listed is None or item.listed.prompt.template.get("type") != "completion":
        return []
    deleted = {deleted.name for deleted in snapshot.of(State.DELETED_LOCALLY)}
    prompts = {
        version.name: version.prompt for version in snapshot.listing.values() if version.name not in deleted
    }
    prompts |= {name: file.prompt for name, file in snapshot.worktree.files.items()}
    return [
        name
        for name, prompt in sorted(prompts.items())
        if any(reference.name == item.name for reference in rendered_in(prompt.template))
    ]


def _governed(project: Project, snapshot: Snapshot, name: str) -> list[str]:
    """Return the governed labels of a prompt with their versions, as far as they are known."""
    labels = (snapshot.labels or {}).get(name, {})
    return [
        f"{output.name(label)} v{version}"
        for label, version in labels.items()
        if is_own(label) and project.config.governs(label)
    ]
