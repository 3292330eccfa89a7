"""``promptsync promote``: point one label at what another points at."""

from __future__ import annotations

from dataclasses import replace

import click

from promptsync.commands.shared.labels import change, plan_lines, receipt, yes_option
from promptsync.commands.shared.session import Outcome, Session, verb
from promptsync.compare.labels import labelled
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.labels.apply import Changed
from promptsync.labels.plan import Promotion, plan_promotion
from promptsync.prompt.labels import check_label
from promptsync.terminal import output

_DRY = output.Aside("DRY RUN: no label is changed")


@verb("promote", short_help="Point one label at what another points at.", blank={"labels": []})
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan; change nothing.")
@click.option("--force", multiple=True, metavar="NAME", help="Move TO of NAME to a lower version as well.")
@yes_option
def command(
    session: Session,
    source: str,
    target: str,
    names: tuple[str, ...],
    dry_run: bool,
    force: tuple[str, ...],
    yes: bool,
) -> Outcome:
    """Point the label TO at the version that FROM points at, for every prompt in scope that has FROM.

    All or none: TO never goes to a lower version, nothing is changed before the whole plan is sound, and when
    one label stays where it is, for instance because it needs an approval, the others are moved back.

    \b
    promptsync promote staging prod
    promptsync promote staging prod support/refund --dry-run
    """
    check_label(target)
    if source == target:
        raise UsageError(f"{source!r} is both FROM and TO", hint="promptsync promote staging prod")
    with session.project() as project:
        prompts = labelled(project, sorted({*names, *force} if names else ()))
        plan = plan_promotion(prompts, source, target, named=bool(names), force=force)
        blocked = _blocked(plan, source, target) or _forced_in_vain(plan, force)
        if blocked is not None or dry_run:
            return _planned(plan, blocked, dry_run)
        if not plan.changes:
            raise UsageError(f"no prompt in scope has the label {source!r}", hint="promptsync label list")
        outcome = change(
            session,
            project,
            plan.changes,
            question=f"Move {output.name(target)} of {output.count(len(plan.pending), 'prompt')}?",
            yes=yes,
            is_dangerous=any(one.is_lower for one in plan.pending),
            together=True,
        )
        return replace(outcome, body={**outcome.body, "dry_run": False})


def _blocked(plan: Promotion, source: str, target: str) -> PromptsyncError | None:
    if plan.without:
        return Refused(
            f"no label {source!r}: {', '.join(map(repr, plan.without))}; no label was changed",
            hint=f"leave them out, or give them the label: promptsync label set {plan.without[0]} {source}",
            code="no-such-label",
        )
    if plan.lower:
        return Refused(
            f"{target!r} would go to a lower version; no label was changed",
            hint=f"promptsync rollback {plan.lower[0].name} --label {target} takes a release back; "
            f"--force {plan.lower[0].name} moves it all the same",
            details=[click.unstyle(line).strip() for line in plan_lines(plan.lower)],
            code="lower-version",
        )
    return None


def _forced_in_vain(plan: Promotion, force: tuple[str, ...]) -> PromptsyncError | None:
    unknown = sorted(set(force) - {one.name for one in plan.changes})
    if not unknown:
        return None
    return UsageError(
        f"--force {unknown[0]} names no prompt of this promotion", hint="correct the name, or leave it out"
    )


def _planned(plan: Promotion, blocked: PromptsyncError | None, dry_run: bool) -> Outcome:
    """Return the plan as a receipt of nothing done."""
    lower = set(plan.lower)
    done = [
        Changed(one, one.old == one.new, "lower than what is live" if one in lower else "")
        for one in plan.changes
    ]
    outcome = receipt(done, blocked, dry_run=dry_run)
    lines = plan_lines(plan.changes)
    return replace(outcome, lines=[_DRY, "", *lines] if dry_run else lines)
