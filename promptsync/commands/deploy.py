"""``promptsync deploy``: publish, prove and release what git holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from promptsync.commands.shared.checks import ResultFile, first_result, junit_option, result_file, told_in
from promptsync.commands.shared.labels import label_of_branch
from promptsync.commands.shared.options import choose_format, format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.commands.shared.since import resolve_since, since_option
from promptsync.compare.select import named_by
from promptsync.deploy.apply import Gate, apply_deploy
from promptsync.deploy.plan import DeployOptions, DeployPlan, plan_deploy
from promptsync.deploy.receipt import DeployReceipt
from promptsync.deploy.survey import InTheWay
from promptsync.errors import AnswerIsNo, PromptsyncError, Refused
from promptsync.files.state.disk import locked
from promptsync.prompt.labels import check_label
from promptsync.show import deploy as show_deploy
from promptsync.show import deploy_documents, diff
from promptsync.show.deploy_errors import failure, rehearsal_failure
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.compare.project import Project
    from promptsync.deploy.rehearse import Rehearsal


@verb("deploy", short_help="Publish, prove and release what git holds.", blank=deploy_documents.blank())
@click.option("--label", metavar="LABEL", help="The release label (default: that of the branch, by labels:).")
@click.option("-m", "--message", metavar="TEXT", help="Commit message; the default is git's subject.")
@click.option(
    "--min-score", metavar="N", type=click.FloatRange(0, 100), help="The score that all must reach."
)
@click.option("--allow-unscored", is_flag=True, help="Take an evaluation without a score for passed.")
@click.option("--allow-unbound", is_flag=True, help="Take a run that names no version for a proof.")
@click.option("--require-proof", is_flag=True, help="Refuse prompts that no evaluation and no agent proves.")
@click.option("--live-snippets", is_flag=True, help="Make snippets live first; take them back on failure.")
@click.option("--again", multiple=True, metavar="NAME", help="Release NAME, whose release was taken back.")
@click.option("--rehearse", is_flag=True, help="Do all of it in a throw-away registry first.")
@click.option(
    "--timeout", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), help="Stop waiting."
)
@junit_option
@since_option
@click.option("--allow-dirty", is_flag=True, help="Release changes that are not committed.")
@click.option("--max-changes", type=click.IntRange(0), metavar="N", help="Allow a plan of N changes.")
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan; publish, run and move nothing.")
@click.option("--expect", metavar="FINGERPRINT", help="Refuse any other plan than the one reviewed.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@format_option("markdown")
def command(
    session: Session,
    label: str | None,
    dry_run: bool,
    expect: str | None,
    yes: bool,
    form: str | None,
    **asked: Any,
) -> Outcome:
    """Make a release label say what git says, for every prompt where it says something else.

    What is new is published, everything is proven by the evaluations and agents that the files and checks:
    name, and only then does the label move to exactly the versions that were proven, all or none. A gate that
    fails leaves the label where it is; running it again continues, and publishes nothing twice.

    \b
    promptsync deploy
    promptsync deploy --label prod --min-score 80
    promptsync deploy --dry-run
    promptsync deploy --dry-run --rehearse --format markdown > plan.md
    """
    choose_format(session, form)
    session.blank = {**session.blank, "dry_run": dry_run}
    results = result_file(session, "--junit", asked["junit_file"])
    with session.project() as project, told_in(results, "deploy"):
        wanted = label if label is not None else label_of_branch(session, project, merged=dry_run)
        check_label(wanted)
        options = _options(session, project, wanted, asked)
        if dry_run:
            return _dry_run(session, project, options, expect, asked)
        with locked(project.root):
            plan = _plan(project, options, expect)
            if asked["rehearse"] and not plan.is_empty:
                _, error = _rehearse(session, project, options, plan, asked)
                if error is not None:
                    raise error
            return _deploy(session, project, plan, asked, yes=yes, results=results)


def _options(session: Session, project: Project, label: str, asked: dict[str, Any]) -> DeployOptions:
    since = resolve_since(session, asked["since"], required=False)
    touched = None
    if since is not None:
        from promptsync.compare.changed import changed_since
        from promptsync.files.worktree import scan

        worktree = scan(project.root, project.config.prompts)
        touched = frozenset(one.name for one in changed_since(project, worktree, since).prompts)
    return DeployOptions(
        label=label,
        message=asked["message"],
        touched=touched,
        require_proof=asked["require_proof"],
        live_snippets=asked["live_snippets"],
        allow_dirty=asked["allow_dirty"],
        again=named_by(project, session.directory, asked["again"]),
        max_changes=asked["max_changes"],
    )


def _plan(project: Project, options: DeployOptions, expect: str | None) -> DeployPlan:
    try:
        plan = plan_deploy(project, options)
    except InTheWay as refusal:
        raise diff.explained(project, refusal) from None
    if expect is not None and plan.fingerprint != expect:
        raise Refused(
            f"the plan is not the one that was reviewed: {plan.fingerprint}, not {expect}",
            hint="review this plan: promptsync deploy --dry-run",
            details=[click.unstyle(line) for line in show_deploy.plan_lines(plan)],
            code="plan-changed",
        )
    return plan


def _dry_run(
    session: Session, project: Project, options: DeployOptions, expect: str | None, asked: dict[str, Any]
) -> Outcome:
    plan = _plan(project, options, expect)
    rehearsal, error = None, None
    # what a change leaves alone is for those to mend who left it over
    is_idle = asked["rehearse"] and plan.is_left_over
    if asked["rehearse"] and not plan.is_empty and not is_idle:
        rehearsal, error = _rehearse(session, project, options, plan, asked)
    elif is_idle and session.form != "markdown":
        session.say(show_deploy.NOT_REHEARSED)
    lines = [
        show_deploy.DRY,
        "",
        *show_deploy.plan_lines(plan),
        "",
        f"fingerprint {plan.fingerprint}",
        show_deploy.DRY,
    ]
    if plan.is_empty:
        lines[2:-3] = show_deploy.nothing_lines(plan)
    summary: list[str] = []
    if session.form == "markdown" or session.environment.in_github:
        from promptsync.compare.difference import differences
        from promptsync.show.deploy import deploy_plan_markdown

        releases = [member.name for member in plan.survey.releases]
        found = differences(project, plan.survey.under.only(releases)) if releases else []
        summary = deploy_plan_markdown(plan, found, rehearsal, is_rehearsed=not is_idle)
    shown = summary if session.form == "markdown" else lines
    receipt = DeployReceipt(plan)
    body = deploy_documents.body(receipt, passed=False, dry_run=True)
    outputs = deploy_documents.outputs(receipt, passed=error is None)
    return Outcome(shown, body, error.exit_code if error is not None else 0, error, summary, outputs)


def _rehearse(
    session: Session, project: Project, options: DeployOptions, plan: DeployPlan, asked: dict[str, Any]
) -> tuple[Rehearsal, PromptsyncError | None]:
    """Rehearse, tell how it went, and return it with the error that it means for the deploy."""
    from promptsync.deploy.rehearse import rehearse

    rehearsal = rehearse(project, options, plan.selection, _gate(asked))
    error = rehearsal_failure(rehearsal)
    if session.form == "markdown":
        return rehearsal, _rehearsed(project, error)
    for name in rehearsal.without:
        session.say(f"rehearsal: the fixtures declare no {output.name(name)}, which was left out")
    if error is not None:
        for line in show_deploy.receipt_lines(rehearsal.receipt):
            session.say(line)
    else:
        count = output.count(len(rehearsal.receipt.labels), "prompt")
        proof = rehearsal.receipt.proof
        ran = "" if proof is not None and proof.all else "; nothing was proven in it"
        session.say(f"rehearsal passed: {count} released in a throw-away registry{ran}")
    return rehearsal, _rehearsed(project, error)


def _rehearsed(project: Project, error: PromptsyncError | None) -> PromptsyncError | None:
    if error is None:
        return None
    return type(error)(
        f"the rehearsal failed, and nothing was done in {project.registry.url}: {error.message}",
        hint=error.hint,
        details=error.details,
        code=error.code,
    )


def _gate(asked: dict[str, Any]) -> Gate:
    from promptsync.checks.evaluations import Standard
    from promptsync.checks.wait import Patience

    standard = Standard(asked["min_score"], asked["allow_unscored"])
    patience = Patience() if asked["timeout"] is None else Patience(asked["timeout"])
    return Gate(standard, asked["allow_unbound"], patience)


def _deploy(
    session: Session,
    project: Project,
    plan: DeployPlan,
    asked: dict[str, Any],
    *,
    yes: bool,
    results: ResultFile,
) -> Outcome:
    if not plan.is_empty:
        _confirm(session, plan, yes)
    receipt = apply_deploy(project, plan, _gate(asked))
    return _outcome(session, receipt, results.write(lambda: _junit(receipt)))


def _junit(receipt: DeployReceipt) -> str:
    from promptsync.checks.receipt import Proof
    from promptsync.show.junit import junit

    return junit(receipt.proof or Proof())


def _confirm(session: Session, plan: DeployPlan, yes: bool) -> None:
    if yes or not session.environment.interactive or session.json:
        return
    question = f"Deploy to {output.name(plan.label)} of {output.name(session.remote_name or '')}?"
    if not session.confirm(question, show_deploy.plan_lines(plan)):
        raise AnswerIsNo("not confirmed; nothing was released", code="declined")


def _outcome(session: Session, receipt: DeployReceipt, unwritten: PromptsyncError | None) -> Outcome:
    failed = failure(receipt)
    code, error = first_result(failed, unwritten)
    lines = show_deploy.receipt_lines(receipt)
    summary: list[str] = []
    if session.form == "markdown" or session.environment.in_github:
        from promptsync.show.deploy import deploy_markdown

        summary = deploy_markdown(receipt)
    return Outcome(
        summary if session.form == "markdown" else lines,
        deploy_documents.body(receipt, passed=failed is None, dry_run=False),
        code,
        error,
        summary,
        deploy_documents.outputs(receipt, passed=failed is None),
    )
