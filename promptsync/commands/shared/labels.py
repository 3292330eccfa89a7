"""What the commands that move release labels share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from promptsync.commands.shared.action import carry_out
from promptsync.commands.shared.session import Session
from promptsync.compare.project import Project
from promptsync.errors import UsageError
from promptsync.labels.apply import apply_labels
from promptsync.labels.plan import LabelPlan
from promptsync.show import labels as show_labels
from promptsync.show.outcome import Outcome


def change_labels(
    session: Session,
    project: Project,
    plan: Callable[[], LabelPlan],
    *,
    asks: bool = False,
    dry_run: bool | None = None,
    yes: bool = False,
    expect: str | None = None,
) -> Outcome:
    """Carry out a plan of labels; ``asks`` says that it needs confirmation on a terminal.

    What is destructive needs it in any case. Without ``dry_run`` the document does not mention it.
    """
    outcome = carry_out(
        session,
        project,
        plan=plan,
        apply=lambda made: apply_labels(project, made),
        show_plan=lambda made: show_labels.show_plan(made, with_dry_run=bool(dry_run)),
        show_receipt=show_labels.show_receipt,
        headline=show_labels.headline,
        asks=lambda made: asks or bool(made.destructive),
        unchanged="no label was changed",
        dry_run=bool(dry_run),
        yes=yes,
        expect=expect,
        lock=False,
    )
    return outcome if dry_run is None else replace(outcome, body={**outcome.body, "dry_run": dry_run})


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
