"""What the verbs that change labels have in common: the question before, the receipt after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from promptsync.commands.shared.session import Outcome, Session
from promptsync.compare.project import Project
from promptsync.errors import AnswerIsNo, PromptsyncError, Refused, UsageError
from promptsync.labels.apply import Changed, Stopped, apply_changes, failure
from promptsync.labels.plan import Change
from promptsync.terminal import output


def change(
    session: Session,
    project: Project,
    changes: Sequence[Change],
    *,
    question: str = "",
    yes: bool = False,
    is_dangerous: bool = False,
    together: bool = False,
) -> Outcome:
    """Ask where there is a ``question`` and a terminal, make the changes, and return the receipt.

    What ``is_dangerous`` needs a yes also where nobody can be asked.
    """
    if all(one.old == one.new for one in changes):
        return receipt([Changed(one, True) for one in changes], None)
    if not yes:
        _ask(session, changes, question, is_dangerous)
    try:
        done = apply_changes(project, changes, together=together)
    except Stopped as stopped:
        return receipt(stopped.changed, _interrupted(stopped.changed))
    return receipt(done, failure(project, done))


def _interrupted(changed: Sequence[Changed]) -> PromptsyncError:
    moved = sum(one.moved and one.change.old != one.change.new for one in changed)
    error = PromptsyncError(
        f"interrupted; {output.count(moved, 'label')} moved until then",
        hint="promptsync label list shows where the labels point",
        code="interrupted",
    )
    error.exit_code = 130
    return error


def _ask(session: Session, changes: Sequence[Change], question: str, is_dangerous: bool) -> None:
    if session.environment.interactive and not session.json:
        if not question and not is_dangerous:
            return
        if not session.confirm(question or "Move it to a lower version?", plan_lines(changes)):
            raise AnswerIsNo("not confirmed; no label was changed", code="declined")
    elif is_dangerous:
        what = "--force" if all(one.new is not None for one in changes) else "deleting a label"
        raise Refused(
            f"{what} needs a yes, and there is no terminal to ask on; no label was changed",
            hint="add -y when you are sure",
            code="not-confirmed",
        )


def receipt(
    done: Sequence[Changed], error: PromptsyncError | None, *, dry_run: bool | None = None
) -> Outcome:
    """Return what became of changes, in the order in which they were planned."""
    body: dict[str, Any] = {"labels": [_body(one) for one in done]}
    if dry_run is not None:
        body["dry_run"] = dry_run
    lines = output.table(_row(one) for one in done)
    return Outcome(lines, body, error.exit_code if error is not None else 0, error)


def plan_lines(changes: Sequence[Change]) -> list[str]:
    """Return changes as lines, before they are made."""
    return output.table((f"  {_name(one)}", _label(one), _way(one)) for one in changes)


def change_body(one: Change, moved: bool, reason: str = "") -> dict[str, Any]:
    """Return a change for a JSON document."""
    return {
        "name": one.name,
        "label": one.label,
        "from": one.old,
        "to": one.new,
        "moved": moved,
        "reason": reason,
    }


def _body(done: Changed) -> dict[str, Any]:
    return change_body(done.change, done.moved, done.reason or done.note)


def _row(done: Changed) -> tuple[str, ...]:
    one = done.change
    if not done.moved:
        word = output.style("not moved", "bad")
    elif one.old == one.new:
        word = output.style("unchanged", "faint")
    elif one.new is None:
        word = output.style("deleted", "warn")
    else:
        word = output.style("created" if one.old is None else "moved", "good")
    why = done.reason or done.note
    return (f"  {word}", _name(one), _label(one), _way(one), output.safe(why, newlines=False))


def _name(one: Change) -> str:
    return output.name(one.name)


def _label(one: Change) -> str:
    return output.style(output.name(one.label), "strong")


def _way(one: Change) -> str:
    if one.old == one.new:
        return f"v{one.new}"
    old = f"v{one.old}" if one.old is not None else "new"
    new = f"v{one.new}" if one.new is not None else "deleted"
    return f"{old} -> {new}" + (f"  {output.style('lower', 'warn')}" if one.is_lower else "")


yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def label_of_branch(session: Session, project: Project, *, merged: bool = False) -> str:
    """Return the label that ``labels:`` gives to the branch that is checked out, or that GitHub runs for.

    With ``merged`` a pull request counts as the branch that it would be merged into.
    Raises ``UsageError`` when there is no branch, or no label for it.
    """
    labels = project.config.labels
    branch = _branch(session, project, merged)
    if branch is not None and branch in labels:
        return labels[branch]
    if not labels:
        raise UsageError(
            f"no label is given, and {project.config.path.name} has no labels:",
            hint=f"promptsync deploy --label prod, or add the line  labels: {{{branch or 'main'}: prod}}",
            code="no-label",
        )
    known = ", ".join(f"{name}: {label}" for name, label in labels.items())
    nowhere = "a commit that is on no branch" if project.history is not None else "a directory without git"
    what = f"the branch {branch!r}" if branch is not None else nowhere
    raise UsageError(
        f"there is no release label for {what}; labels: {{{known}}}",
        hint=f"name one with --label, or add {branch}: LABEL to labels:"
        if branch
        else "name one with --label",
        code="no-label",
    )


def _branch(session: Session, project: Project, merged: bool) -> str | None:
    variables = session.environment.variables
    if merged and variables.get("GITHUB_BASE_REF"):
        return variables["GITHUB_BASE_REF"]
    if variables.get("GITHUB_ACTIONS") and variables.get("GITHUB_REF_TYPE", "branch") == "branch":
        # a checkout in a workflow may be on no branch
        name = variables.get("GITHUB_REF_NAME")
        if name:
            return name
    history = project.history
    return history.branch if history is not None else None
