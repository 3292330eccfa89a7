"""``promptsync promote``: point one label at what another points at."""

from __future__ import annotations

import shlex

import click

from promptsync.commands.shared.action import plan_options
from promptsync.commands.shared.groups import flag
from promptsync.commands.shared.labels import change_labels, chosen_labels, skip_checks_option
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.labels.plan import existing, plan_moves
from promptsync.project.target import LATEST, check_exact
from promptsync.prompt.labels import check_label
from promptsync.show.outcome import Outcome


@verb("promote")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@flag("--force", "Also move TO of the named prompts to a lower version.")
@skip_checks_option
@plan_options
def command(
    session: Session, source: str, target: str, names: tuple[str, ...], force: bool, skip_checks: bool
) -> Outcome:
    """Point the label TO at the version that FROM points at, for every prompt in scope that has FROM.

    All labels move, or none: TO never moves to a lower version, and if one cannot move, for example
    because it needs an approval, the others move back. --force needs exact names.

    \b
    promptsync promote staging prod
    promptsync promote staging prod 'support/*' --dry-run
    """
    check_label(target)
    if source == target:
        raise UsageError(f"{source!r} is both FROM and TO", hint="promptsync label list")
    with session.project() as project:
        if force:
            check_exact(project, names, "--force")
        chosen = chosen_labels(project, names, having=source)
        for _, choice in chosen:
            if choice.at != LATEST:
                move = f"promptsync label move {shlex.join([f'{choice.name}@N', target])}"
                if project.governs(target):
                    move = shlex.join(["promptsync", "promote", source, target, choice.name])
                raise UsageError(f"{source!r} is the version that {target!r} moves to", hint=move)
        moves = [(prompt, existing(prompt, source)) for prompt, _ in chosen]
        plan = plan_moves(project, moves, target, force=force)
        return change_labels(session, project, plan, skip_checks=skip_checks)
