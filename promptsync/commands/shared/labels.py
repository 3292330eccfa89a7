"""What the commands that move release labels share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msgspec import structs

from promptsync.checks.verdicts import Verdict, warnings_of
from promptsync.commands.shared.action import carry_out
from promptsync.commands.shared.groups import flag
from promptsync.commands.shared.session import Session
from promptsync.compare.git_state import uncommitted_config
from promptsync.errors import Refused, UsageError
from promptsync.labels.move import apply_labels
from promptsync.labels.plan import LabelChange, LabelPlan
from promptsync.project import versions
from promptsync.project.plan import workspace_of
from promptsync.project.project import Project
from promptsync.project.target import LATEST, At, PromptAt, resolve
from promptsync.show import labels as show_labels
from promptsync.show.outcome import Outcome

skip_checks_option = flag("--skip-checks", "Also move it to a version that has not passed its checks.")


Chosen = tuple[versions.Labelled, PromptAt]
"""A prompt with its labels, and the version that is meant of it."""


def chosen_labels(
    project: Project, names: Sequence[str], at: At = LATEST, *, having: str | None = None
) -> list[Chosen]:
    """Return the prompts that arguments mean, with their labels and the version that is meant of each.

    Without arguments these are all in scope. Of those that nobody named, only the ones with the label
    ``having`` count. Raises ``UsageError`` for a prompt at two versions, and if no prompt is left.
    """
    catalog, chosen = versions.Catalog(project), dict[str, PromptAt]()
    for target in resolve(project, names, catalog, at=at):
        other = chosen.get(target.name)
        if other is not None and other.at != target.at:
            where = [f"at {version}" if version else "without a version" for version in (other.at, target.at)]
            what = f"{target.name} is specified {' and '.join(where)}"
            raise UsageError(what, hint="remove one of the two")
        if other is None or target.is_exact:
            chosen[target.name] = target
    prompts = versions.labelled(project, [catalog[name] for name in sorted(chosen)] if names else None)
    known = [(prompt, prompt.listed.name) for prompt in prompts]
    pairs = [(prompt, chosen.get(name) or PromptAt(name, is_exact=False)) for prompt, name in known]
    if having is not None:
        pairs = [pair for pair in pairs if pair[1].is_exact or having in pair[0].labels]
        if not pairs:
            of = "none of these prompts" if names else "no prompt in scope"
            raise UsageError(f"{of} has the label {having!r}", hint="promptsync label list")
    return pairs


def numbered(project: Project, chosen: Sequence[Chosen]) -> list[tuple[versions.Labelled, int]]:
    """Return prompts with the number of the version that is meant of each. Raises ``NoSuchVersion``."""
    find = versions.find_number
    return [(prompt, find(project, prompt.listed, target.at, prompt.labels)) for prompt, target in chosen]


def change_labels(
    session: Session, project: Project, plan: LabelPlan, *, skip_checks: bool = False
) -> Outcome:
    """Carry out a plan of labels.

    Plan and receipt warn where a label moves to a version that is not known to have passed its checks, or
    that live prompts render at once: then a move up needs a person who confirms it, ``--yes`` or
    ``skip_checks``, and if the version is on hold or breaks applications, a person or ``--yes``. Checks that
    are not committed do not count. Raises ``Unsupported`` if the registry cannot change labels.
    """
    # Nothing else shows or compares the fingerprint.
    if plan.pending and (session.dry_run or session.expect):
        plan = structs.replace(plan, workspace=workspace_of(project))
    for change in plan.pending[:1]:
        versions.check_changeable(project, [(change.template_id, change.name)])
    plan, warnings, failed = _checked(session, project, plan, skip_checks=skip_checks)

    return carry_out(
        session,
        project,
        plan=lambda: plan,
        apply=lambda plan: apply_labels(project, plan.changes, command=session.command()),
        show=lambda plan, receipt: show_labels.show_changes(plan, receipt, warnings),
        headline=lambda plan: show_labels.headline(plan, failed),
        unchanged="no label was changed",
        lock=False,
    )


def _checked(
    session: Session, project: Project, plan: LabelPlan, *, skip_checks: bool
) -> tuple[LabelPlan, list[Verdict], list[Verdict]]:
    """Return a plan, refused if what it needs cannot be confirmed, its warnings, and those to confirm."""
    # A rollback is an emergency, and the version was live before; so is one to a commit that moves up.
    moves = [] if plan.commit else plan.pending
    up = [change for change in moves if change.new is not None and not change.is_lower]
    if plan.refusal is None and not skip_checks:
        plan = structs.replace(plan, refusal=_uncommitted_checks(project, up))
    if plan.refusal is not None:
        return plan, [], []
    warnings = warnings_of(project, plan.pending, up)
    names = {change.name for change in up}
    failed = [warning for warning in warnings if warning.name in names]
    # A deploy checks what failed, but keeps what is on hold, and refuses what breaks applications.
    lasting = [warning for warning in failed if warning.about in ("on-hold", "contract")]
    failed = lasting + ([] if skip_checks else [warning for warning in failed if warning not in lasting])
    if failed and not (session.yes or session.can_ask):
        plan = structs.replace(plan, refusal=_failed_checks(project, failed, plan.pending[0].label))
    return plan, warnings, failed


def _uncommitted_checks(project: Project, up: Sequence[LabelChange]) -> Refused | None:
    """Return why governed labels may not move up: the checks in the configuration are not committed."""
    label = next((change.label for change in up if project.governs(change.label)), None)
    places = uncommitted_config(project) if label is not None else []
    if not places:
        return None
    what = f"{places[0]} has uncommitted changes, and its checks guard {label}; no label was changed"
    return Refused(what, hint=f"git add {shlex.join(places)} && git commit", code="uncommitted")


def _failed_checks(project: Project, failed: Sequence[Verdict], label: str) -> Refused:
    first, code = failed[0], "failed-checks"
    others = len({verdict.name for verdict in failed}) - 1
    more = f" (and {others} more)" if others else ""
    hint = versions.deploy_command(project, label)
    if first.about == "live":
        code = "live-snippets"
    elif first.about in ("on-hold", "contract"):
        code = first.about
        how = ["--again"] if code == "on-hold" else ["--breaking", first.name]
        hint = shlex.join(["promptsync", "deploy", first.name, "--label", label, *how])
    what = f"v{first.version} of {first.name!r} {first}{more}; no label was changed"
    return Refused(what, hint=hint, code=code)
