"""``promptsync push``: publish changed prompts as new versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from msgspec.structs import replace

from promptsync.commands.shared.action import carry_out, plan_options
from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import format_option, message_option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.difference import Difference, differences
from promptsync.compare.gather import gather
from promptsync.compare.released import find_pins
from promptsync.project.project import Project
from promptsync.project.target import check_exact
from promptsync.push.actions import PushOptions, PushPlan
from promptsync.push.apply import apply_push
from promptsync.push.plan import check_options, plan_push
from promptsync.show import push as show_push
from promptsync.show.outcome import Outcome


@verb("push")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@message_option
@option("--label labels", "LABEL", "Point LABEL at the new versions.", multiple=True)
@plan_options
@flag("--skip-checks", "Change live prompts without running deploy's checks.")
@flag("--partial", "Skip prompts that diverged and publish the others.")
@flag("--force", "Publish the named prompts over the registry's changes.")
@flag("--restore", "Publish the named prompts even if they are archived.")
@flag("--prune", "Archive prompts whose files were deleted in git.")
@option("--max-changes", "N", "Allow a plan with N changes.", type=click.IntRange(0))
@format_option("markdown")
def command(session: Session, names: tuple[str, ...], force: bool, restore: bool, **flags: Any) -> Outcome:
    """Publish new and changed prompts as new versions, snippets first.

    If a prompt also changed in the registry, the push stops before it publishes anything, shows both changes
    and suggests what to do.

    \b
    promptsync push -m "Soften the tone"
    promptsync push support/refund --label staging
    promptsync push --dry-run
    promptsync push --dry-run --format markdown > plan.md
    """
    options = PushOptions(
        names,
        labels=tuple(dict.fromkeys(flags.pop("labels"))),
        force=names if force else (),
        restore=names if restore else (),
        command=session.command(without="--max-changes"),
        **flags,
    )
    # Before anything is opened: a message that does not fit is a usage error, without any request.
    check_options(options)
    with session.project() as project:
        if force or restore:
            check_exact(project, names, "--force" if force else "--restore")
        return carry_out(
            session,
            project,
            plan=lambda: _plan(project, options),
            apply=lambda made: apply_push(project, made),
            show=lambda made, receipt: (
                show_push.show_plan(made, project.title, lambda: _differences(project, made))
                if receipt is None
                else show_push.show_receipt(made, receipt)
            ),
            headline=lambda made: show_push.headline(made, project.title),
            needs_confirmation=lambda made: bool(made.actions),
            unchanged="nothing was published",
        )


def _plan(project: Project, options: PushOptions) -> PushPlan:
    snapshot = gather(project)
    plan = plan_push(project, snapshot, options)
    if not plan.publishing:
        return plan
    pins = find_pins(project, snapshot, plan.new_texts)
    changing = {action.name for action in plan.publishing}
    return replace(plan, pins=tuple(pin for pin in pins if pin.snippet in changing))


def _differences(project: Project, plan: PushPlan) -> Sequence[Difference]:
    if not plan.actions or plan.snapshot is None:
        return ()
    return differences(project, plan.snapshot.only(action.name for action in plan.actions))
