"""``promptsync deploy``: publish, check and release what is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from promptsync.commands.shared.action import carry_out, dry_run_option, expect_option, yes_option
from promptsync.commands.shared.checks import errors_written_to, first_result, junit_option, result_file
from promptsync.commands.shared.labels import label_of_branch
from promptsync.commands.shared.options import SCORE, SECONDS, choose_format, format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.commands.shared.since import resolve_since, since_option
from promptsync.compare.select import named_by
from promptsync.deploy.in_the_way import InTheWay
from promptsync.deploy.plan import DeployOptions, DeployPlan, plan_deploy
from promptsync.deploy.receipt import DeployReceipt
from promptsync.errors import PromptsyncError
from promptsync.prompt.labels import check_label
from promptsync.show import deploy as show_deploy
from promptsync.show import diff
from promptsync.show.deploy_json import blank_body
from promptsync.show.outcome import Outcome

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference
    from promptsync.compare.project import Project
    from promptsync.deploy.apply import Requirements
    from promptsync.deploy.rehearse import Rehearsal


@verb("deploy", short_help="Publish, check and release what is committed.", blank=blank_body())
@click.option("--label", metavar="LABEL", help="The release label (default: the branch's, from labels:).")
@click.option("-m", "--message", metavar="TEXT", help="Commit message (default: the subject of git's).")
@click.option("--min-score", metavar="N", type=SCORE, help="The score that every evaluation needs.")
@click.option(
    "--max-drop",
    metavar="N",
    type=SCORE,
    help="How far scores may be below the live ones.",
)
@click.option("--allow-unscored", is_flag=True, help="Accept evaluations without a score.")
@click.option("--allow-unbound", is_flag=True, help="Accept runs that may have used another version.")
@click.option("--require-checks", is_flag=True, help="Refuse prompts without an evaluation or an agent.")
@click.option("--live-snippets", is_flag=True, help="Allow snippets to be live before they are checked.")
@click.option("--again", multiple=True, metavar="NAME", help="Release NAME although it was rolled back.")
@click.option("--rehearse", is_flag=True, help="Rehearse the deploy in a temporary registry first.")
@click.option("--timeout", metavar="SECONDS", type=SECONDS, help="Stop waiting after SECONDS.")
@junit_option
@since_option
@click.option("--allow-dirty", is_flag=True, help="Release uncommitted changes.")
@click.option("--max-changes", type=click.IntRange(0), metavar="N", help="Allow a plan with N changes.")
@dry_run_option
@expect_option
@yes_option
@format_option("markdown")
def command(
    session: Session,
    label: str | None,
    dry_run: bool,
    expect: str | None,
    yes: bool,
    form: str | None,
    junit_file: str | None,
    **given: Any,
) -> Outcome:
    """Point the release label at what is committed, for every prompt where it points elsewhere.

    New texts are published, the evaluations and agents of the files and of checks: run, and only if all pass
    the label moves to exactly the versions that were checked, on all prompts or none. If checks fail, the
    label stays where it is. Running the command again continues, and publishes nothing twice.

    \b
    promptsync deploy
    promptsync deploy --label prod --min-score 80
    promptsync deploy --dry-run
    promptsync deploy --dry-run --rehearse --format markdown > plan.md
    """
    choose_format(session, form)
    session.blank = {**session.blank, "dry_run": dry_run}
    session.deploy_label = label
    results = result_file(session, "--junit", junit_file)
    with session.project() as project, errors_written_to(results, "deploy"):
        wanted = label if label is not None else label_of_branch(session, project, merged=dry_run)
        check_label(wanted)
        options = _options(session, project, wanted, given)
        deploying = _Deploying(session, project, options, given)
        outcome = carry_out(
            session,
            project,
            plan=deploying.plan,
            apply=deploying.apply,
            show_plan=lambda made: deploying.show_plan(made, rehearse=dry_run),
            show_receipt=show_deploy.show_receipt,
            headline=lambda made: show_deploy.headline(made, project.title),
            further_question=show_deploy.drafts_question,
            unchanged="nothing was released",
            dry_run=dry_run,
            yes=yes,
            expect=expect,
        )
        code, error = first_result(outcome.error, None if dry_run else results.write(deploying.junit))
        return replace(outcome, exit_code=code, error=error)


class _Deploying:
    """One deploy with its options. ``given`` are the other options of the command line."""

    def __init__(
        self, session: Session, project: Project, options: DeployOptions, given: Mapping[str, Any]
    ) -> None:
        self._session = session
        self._project = project
        self._options = options
        self._given = given
        self._rehearse: bool = given["rehearse"]
        self._receipt: DeployReceipt | None = None

    def plan(self) -> DeployPlan:
        try:
            return plan_deploy(self._project, self._options)
        except InTheWay as refusal:
            raise diff.explained(self._project, refusal) from None

    def show_plan(self, plan: DeployPlan, *, rehearse: bool) -> Outcome:
        """Return the plan, and with ``rehearse`` how its rehearsal went."""
        wanted = rehearse and self._rehearse and not plan.is_empty and plan.refusal is None
        # A rehearsal that fails must not block a change that does not touch the pending prompts.
        is_idle = wanted and plan.is_pending
        rehearsal = self._rehearsed(plan) if wanted and not is_idle else None
        return show_deploy.show_plan(
            plan, lambda: self._differences(plan), rehearsal, is_rehearsed=not is_idle
        )

    def apply(self, plan: DeployPlan) -> DeployReceipt:
        """Rehearse if that was requested, and deploy. Raises the error of a rehearsal that failed."""
        if self._rehearse:
            rehearsal = self._rehearsed(plan)
            for line in show_deploy.rehearsal_lines(rehearsal):
                self._session.say(line)
            if rehearsal.error is not None:
                raise self._failed(rehearsal.error)
        from promptsync.deploy.apply import apply_deploy  # most deploys have nothing to release

        self._receipt = apply_deploy(self._project, plan, _requirements(self._given))
        return self._receipt

    def junit(self) -> str:
        """Return the results of the checks as JUnit XML."""
        from promptsync.checks.receipt import CheckResults
        from promptsync.show.junit import junit

        done = self._receipt.results if self._receipt is not None else None
        return junit(done or CheckResults())

    def _rehearsed(self, plan: DeployPlan) -> Rehearsal:
        from promptsync.deploy.rehearse import rehearse

        return rehearse(self._project, self._options, plan.selection, _requirements(self._given))

    def _failed(self, error: PromptsyncError) -> PromptsyncError:
        url = self._project.registry.url
        return type(error)(
            f"the rehearsal failed, and nothing was done in {url}: {error.message}",
            hint=error.hint,
            details=error.details,
            code=error.code,
        )

    def _differences(self, plan: DeployPlan) -> Sequence[Difference]:
        from promptsync.compare.difference import differences

        releases = [member.name for member in plan.survey.releases]
        return differences(self._project, plan.survey.under.only(releases)) if releases else ()


def _options(session: Session, project: Project, label: str, given: dict[str, Any]) -> DeployOptions:
    since = resolve_since(session, given["since"], required=False)
    # Without a state to compare with it is unknown what this push changed, and everything counts.
    touched = None
    if since is not None:
        from promptsync.compare.changes_since import changed_since
        from promptsync.files.worktree import scan

        worktree = scan(project.root, project.config.prompts)
        touched = frozenset(one.name for one in changed_since(project, worktree, since).prompts)
    return DeployOptions(
        label=label,
        message=given["message"],
        touched=touched,
        require_checks=given["require_checks"],
        live_snippets=given["live_snippets"],
        allow_dirty=given["allow_dirty"],
        again=named_by(project, session.directory, given["again"]),
        max_changes=given["max_changes"],
        command=session.command(without="--max-changes"),
    )


def _requirements(given: Mapping[str, Any]) -> Requirements:
    from promptsync.checks.batch import Patience
    from promptsync.checks.receipt import Standard
    from promptsync.deploy.apply import Requirements

    standard = Standard(
        given["min_score"], given["allow_unscored"], given["allow_unbound"], given["max_drop"]
    )
    return Requirements(standard, Patience() if given["timeout"] is None else Patience(given["timeout"]))
