"""The plan of a deploy as rows, one for each prompt: what happens to it, its checks, and what is unusual."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from promptsync.compare.live_users import named_users
from promptsync.deploy.live_snippets import LiveSnippet
from promptsync.deploy.members import Member, PassedOverVersion
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import release_on_hold
from promptsync.show import push
from promptsync.show.labels import way
from promptsync.show.lines import advised, ago, limits_text, merge_command, noted
from promptsync.show.pins import left_out_text, outdated_text
from promptsync.terminal import output


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One prompt of a plan: its cells in a table, and the notes that have lines of their own below it."""

    name: str
    cells: tuple[str, ...]
    notes: tuple[output.Hanging, ...] = ()

    @property
    def title(self) -> str:
        """The row and its notes as one line without colours; the message comes last."""
        *cells, message = self.cells
        shown = [click.unstyle(cell).strip() for cell in (*cells, *self.notes, message)]
        return " · ".join(one for one in shown if one)


def plan_rows(plan: DeployPlan) -> list[PlanRow]:
    """Return a row for each prompt that is released or checked again."""
    notes = _notes(plan)
    members = [*plan.survey.releases, *plan.survey.dependants]
    return [PlanRow(one.name, _cells(plan, one), tuple(notes.get(one.name, ()))) for one in members]


def row_lines(rows: Sequence[PlanRow]) -> list[str]:
    """Return rows as a table, each followed by its notes."""
    lines: list[str] = []
    table = output.table((row.cells for row in rows), free=True)
    for row, line in zip(rows, table, strict=True):
        lines.append(line)
        lines += [
            output.hanging(f"      {output.style(note, 'warn')}", note.indent, note.command)
            for note in row.notes
        ]
    return lines


def passed_over_texts(plan: DeployPlan) -> dict[str, dict[int, str]]:
    """Return by prompt and number who saved the versions that its release passes over, and when."""
    return {
        member.name: {one.version: _origin(one) for one in member.passed_over}
        for member in plan.survey.releases
        if member.passed_over
    }


def live_elsewhere(live: LiveSnippet) -> str:
    """Return which prompts under other labels render a snippet at once, without their checks."""
    return f"live at once in {named_users(live.elsewhere)}, unchecked there"


def _origin(draft: PassedOverVersion) -> str:
    return ", ".join(filter(None, [f"v{draft.version}", draft.origin, ago(draft.created_at)]))


def exception_lines(plan: DeployPlan, *, released: bool = False) -> list[str]:
    """Return what is live too early, on hold, skipped or deleted. ``released`` says that the labels moved."""
    found = _exceptions(plan, released=released)
    return [noted(word, "warn", *what) for word, *what in found]


def other_lines(plan: DeployPlan, rows: Sequence[PlanRow]) -> list[str]:
    """Return the ``exception_lines`` of the prompts that have no row."""
    named = {row.name for row in rows}
    found = _exceptions(plan, released=False)
    return [noted(word, "warn", name, *what) for word, name, *what in found if name not in named]


def _cells(plan: DeployPlan, member: Member) -> tuple[str, ...]:
    name, checks = output.name(member.name), _checks(plan, member.name)
    if member.dependant:
        word = output.style("check", "good")
        return (f"  {word}", name, f"v{member.version}", "", checks, "renders a changed snippet")
    moves = f"{output.style(output.name(plan.label), 'strong')} {way(member.released, member.version)}"
    pending = output.style("pending from an earlier deploy", "warn") if member.pending else ""
    action = next((one for one in plan.push.actions if one.name == member.name), None)
    if action is None:
        return (f"  {output.style('release', 'good')}", name, "", moves, checks, pending)
    word, name, version, _, message = push.action_row(action)
    return (word, name, version, moves, checks, pending or message)


def _checks(plan: DeployPlan, name: str) -> str:
    """Return the checks of a prompt, with the scores that they need."""
    if name in plan.unchecked:
        return output.style("unchecked", "warn")
    found = [
        " ".join(filter(None, (output.name(one.name), limits_text(one))))
        for one in plan.selection.evaluations
        if name in one.prompts
    ]
    found += [output.name(one.name) for one in plan.selection.agents if name in one.prompts]
    # A snippet without checks of its own counts as checked by those of the prompts that use it.
    return ", ".join(dict.fromkeys(found)) or "checked where it is used"


def _notes(plan: DeployPlan) -> dict[str, list[output.Hanging]]:
    found: dict[str, list[output.Hanging]] = {}

    def add(name: str, text: str, command: str = "") -> None:
        note = output.safe(advised(text, command), newlines=False)
        found.setdefault(name, []).append(output.hanging(note, 8, command))

    for member in plan.survey.releases:
        if user := plan.survey.needed_by.get(member.name):
            add(member.name, f"released too, because {user} renders it")
    for name, versions in passed_over_texts(plan).items():
        more = f"; and {len(versions) - 3} more" if len(versions) > 3 else ""
        text = f"passes over {'; '.join([*versions.values()][-3:])}{more}; kept, and brought back by drift"
        add(name, text, merge_command(name))
    for action in plan.push.actions:
        if action.kept_tags:
            kept = ", ".join(action.kept_tags)
            add(action.name, f"keeps the tags of the dashboard: {kept}", merge_command(action.name))
    for live in plan.live:
        if live.elsewhere:
            add(live.name, live_elsewhere(live))
        if not live.already and live.parents:
            how = "when its label moves" if live.by_label else "when it is published"
            be = "is" if len(live.parents) == 1 else "are"
            add(live.name, f"live {how}, before {_names(live.parents)} {be} checked; undone if that fails")
    for outdated in plan.pins.outdated:
        add(outdated.snippet, *outdated_text(outdated))
    for left_out in plan.pins.left_out:
        text, command = left_out_text(left_out)
        for user in left_out.users:
            add(user, f"pins {left_out.snippet} {text}", command)
    for word, name, text, command in _exceptions(plan, released=False):
        add(name, f"{word}: {text}", command)
    return found


def _exceptions(plan: DeployPlan, *, released: bool) -> Iterator[tuple[str, str, str, str]]:
    """Yield a word, the name of a prompt, what is unusual about it, and the command to run if any."""
    survey, label = plan.survey, output.name(plan.label)
    for one in plan.live:
        if one.already and not released:
            text = f"v{one.before} is live unchecked in {_names(one.parents)}"
            if one.by_label:
                undo = f"promptsync rollback {shlex.quote(one.name)} --label {shlex.quote(plan.label)}"
                yield "live", one.name, text, undo
            else:
                yield "live", one.name, f"{text}; to undo it, git revert the change and deploy", ""
    for paused in survey.on_hold:
        text = f"v{paused.version} has the text of the file, but {label} {paused.how}"
        yield "on hold", paused.name, text, release_on_hold([paused.name], plan.label)
    for skipped in survey.skipped:
        yield "skipped", skipped.name, f"{skipped.state}, {skipped.reason}", ""
    for name in survey.deleted:
        yield "skipped", name, f"deleted in git; keeps {label}", ""


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(output.name, names[:3])) + more
