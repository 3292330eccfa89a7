"""``promptsync deploy``: publish, check and release what is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from msgspec import structs

from promptsync.checks.results import CheckResults, Standard
from promptsync.checks.runs import TIMEOUT
from promptsync.checks.tested_text import Wanted
from promptsync.commands.shared import checks, ci, options
from promptsync.commands.shared.action import carry_out, plan_options
from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.difference import Difference, differences
from promptsync.deploy.apply import DeployReceipt, apply_deploy
from promptsync.deploy.plan import DeployOptions, DeployPlan, plan_deploy
from promptsync.errors import UsageError
from promptsync.project.project import Project
from promptsync.show import deploy as show_deploy
from promptsync.show.checks import run_notes
from promptsync.show.outcome import Outcome, Row, row_lines

_STANDARD = ("min_score", "allow_unscored", "allow_unbound", "max_drop")


@verb("deploy")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.release_label_option
@options.message_option
@option("--min-score", "N", "The score that every evaluation must reach.", type=options.SCORE)
@option(
    "--max-drop",
    "N",
    "On tables: how far the share of rows that pass may drop below the live version's.",
    type=options.SCORE,
)
@flag("--allow-unscored", "Accept evaluations without a score.")
@flag("--allow-unbound", "Accept runs that may have used another version.")
@flag("--require-checks", "Refuse prompts that have no evaluation or agent.")
@flag("--keep-going", "Release the prompts that passed, even if others failed.")
@flag("--again", "Release the named prompts even if they were rolled back.")
@option("--breaking", "NAME", "Release NAME even if that breaks applications that read it.", multiple=True)
@flag("--older", "Deploy even if the branch has newer commits.")
@options.timeout_option
@checks.junit_option
@checks.report_option
@ci.since_option
@flag("--allow-dirty", "Release uncommitted changes.")
@checks.max_cells_option
@checks.reuse_option
@option("--max-changes", "N", "Allow a plan with N changes.", type=click.IntRange(0))
@plan_options
@options.format_option("markdown")
def command(
    session: Session, names: tuple[str, ...], label: str | None, older: bool, **flags: Any
) -> Outcome:
    """Run your checks and publish what is committed, then move the release label to it.

    Checks on tables run first, and nothing is published unless they pass. The other evaluations and the
    agents run on the published versions; if they pass, the label moves to exactly these versions, on all
    prompts or none. If checks fail, the label stays where it is. Run the command again to continue: nothing
    is published twice.

    NAME is a name, a pattern, a file or a directory. Snippets that the named prompts render are released with
    them.

    \b
    promptsync deploy
    promptsync deploy support/refund 'ops/*'
    promptsync deploy --label prod --min-score 80
    promptsync deploy --dry-run --format markdown > plan.md
    """
    if flags["again"] and not names:
        what = "--again needs the names of prompts that were rolled back"
        raise UsageError(what, hint="promptsync deploy NAME --again")
    session.deploy_label = label
    files = checks.ResultFiles(session, "deploy", flags.pop("junit_file"), flags.pop("report_file"))
    with session.project() as project, files.errors():
        requested = _options(session, project, names, label, flags)
        deploying = _Deploying(session, project, requested, older)
        outcome = carry_out(
            session,
            project,
            plan=deploying.plan,
            apply=deploying.apply,
            show=deploying.show,
            headline=lambda made: show_deploy.headline(made, project.title),
            unchanged="nothing was released",
        )
        if outcome.error is not None:  # such as a refusal, which the plan does not know
            body, outputs = {**outcome.body, "passed": False}, {**outcome.outputs, "passed": "false"}
            outcome = outcome.replaced(body=body, outputs=outputs)
        unwritten = None
        if not session.dry_run:  # a plan alone has no results, so the files stay as they are
            unwritten = files.write(project, deploying.results, deploying.texts, outcome.error)
        return outcome.replaced(error=outcome.error or unwritten)


def _options(
    session: Session, project: Project, names: tuple[str, ...], label: str | None, flags: dict[str, Any]
) -> DeployOptions:
    """Return what was requested. Raises ``UsageError`` without a label for the branch."""
    if label is None and session.read_only:  # an agent's branch has none; the refusal shows it
        label = ci.live_label(session, project, None)
    label = label if label is not None else ci.label_of_branch(session, project, merged=session.dry_run)
    standard = {name: flags.pop(name) for name in _STANDARD}
    return DeployOptions(
        label,
        names,
        standard=Standard(**standard, timeout=flags.pop("timeout") or TIMEOUT),
        since=ci.resolve_since(session, flags.pop("since"), required=False),
        command=session.command(without="--max-changes"),
        **flags,
    )


@dataclass
class _Deploying:
    """One deploy. ``results`` are those of its checks, once they ran, and ``texts`` what tables ran."""

    session: Session
    project: Project
    options: DeployOptions
    older: bool
    results: CheckResults = field(default_factory=CheckResults)
    texts: Sequence[Wanted] = ()

    def plan(self) -> DeployPlan:
        """Return the plan. Raises what ``plan_deploy`` raises, and ``Refused`` on a wrong branch.

        A dry run shows the plan there too, and says so.
        """
        plan = plan_deploy(self.project, self.options)
        if plan.is_empty:
            return plan
        label = self.options.label
        # Where nothing may be changed, the plan is the outcome.
        dry_run = self.session.dry_run or self.session.read_only
        wrong = ci.branch_refusal(self.session, self.project, label, dry_run=dry_run, older=self.older)
        if wrong is not None and not dry_run:
            raise wrong
        return structs.replace(plan, not_from_here=wrong.message if wrong is not None else "")

    def show(self, plan: DeployPlan, receipt: DeployReceipt | None) -> Outcome:
        """Return the plan, or the receipt."""
        if receipt is None and plan.is_empty and not self.session.dry_run:
            receipt = DeployReceipt(plan, is_released=True)
        if receipt is not None:
            shown = show_deploy.show_receipt(receipt)
            history = self.project.history
            branch = history.branch if history is not None else None
            if receipt.is_released and not self.project.is_guarding and branch is not None:
                guard = f"labels: {{{branch}: {plan.label}}} in promptsync.yaml guards it"
                note = f"push changes its snippets without checks; {guard}"
                row = Row("not guarded", "warn", plan.label, note=note)
                shown = shown.replaced(lines=[*shown.lines, *row_lines([row])])
            return shown

        def differing() -> Sequence[Difference]:
            releases = [member.name for member in plan.survey.releases]
            return differences(self.project, plan.survey.under.only(releases)) if releases else ()

        return show_deploy.show_plan(plan, differing)

    def apply(self, plan: DeployPlan) -> DeployReceipt:
        """Carry out the plan, and keep its results."""
        if plan.tables.to_run:
            origin = ci.origin(self.session, self.project)
            standard = structs.replace(plan.options.standard, origin=origin)
            plan = structs.replace(plan, options=structs.replace(plan.options, standard=standard))
        receipt = apply_deploy(self.project, plan)
        self.results, self.texts = receipt.results, plan.tables.wanted
        for note in run_notes(receipt.results, self.session.command_on_remote):
            self.session.say(note)
        return receipt
