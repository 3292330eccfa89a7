"""A deploy: its plan and its receipt, as text, JSON and Markdown."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from promptsync.checks.results import CheckResults
from promptsync.checks.runs import Status
from promptsync.compare.difference import Difference, step
from promptsync.compare.released import after
from promptsync.deploy.apply import DeployReceipt, release_on_hold
from promptsync.deploy.members import UNRELEASED, Fate, Member, PassedOverVersion
from promptsync.deploy.plan import DeployPlan
from promptsync.history.mark import without_mark
from promptsync.show import notes, push
from promptsync.show.checks import add_tables, echo_lines, planned_text, results_lines, reuse_text, runs_body
from promptsync.show.diff import patch_lines
from promptsync.show.labels import as_planned, label_row, labels_body, way
from promptsync.show.markdown import Page, code
from promptsync.show.outcome import Outcome, Row, bodies, body, planned, row_lines
from promptsync.terminal import output

_KEPT_BACK = "its checks failed, or those of a prompt released with it"


# -- the plan -----------------------------------------------------------------------------------------------


def show_plan(plan: DeployPlan, differences: Callable[[], Sequence[Difference]] = tuple) -> Outcome:
    """Return the plan of a deploy.

    ``differences`` compares the files with the released versions, for Markdown.
    """
    receipt = DeployReceipt(plan)
    return Outcome(
        plan_lines(plan),
        deploy_body(receipt, dry_run=True),
        outputs=_outputs(receipt, passed=True),
        markdown=lambda page: add_plan(page, plan, differences()),
    )


def headline(plan: DeployPlan, where: str = "", label: str = "") -> str:
    """Return how many prompts a deploy releases, where, and under which label, if need be as Markdown."""
    label = label or output.name(plan.label)
    if plan.is_empty:
        return f"nothing to release to {label}"
    place = f" in {output.safe(where)}" if where else ""
    moved = sum(member.is_moved for member in plan.survey.releases)
    edited = sum(any(draft.in_dashboard for draft in member.drafts) for member in plan.survey.releases)
    already = f", {moved} of them already live" if moved else ""
    without = f", {edited} of them without edits made in the dashboard" if edited else ""
    prompts = output.count(len(plan.survey.releases), "prompt")
    return f"{prompts} to release to {label}{place}{already}{without}"


def plan_lines(plan: DeployPlan) -> list[str]:
    """Return what will be released and checked, and what will not: a row for each prompt, with notes."""
    if plan.is_empty and plan.survey.members:
        return row_lines(_unreleased(plan, member) for member in plan.survey.of(*UNRELEASED))
    if plan.is_empty:
        where = "what is committed" if plan.in_git else "what your files have"
        points = f"{output.name(plan.label)} points at {where}"
        return [output.aside(points if plan.survey.latest.worktree.files else "no prompts to deploy")]
    lines = []
    if not plan.survey.under.listing and plan.survey.latest.listing:  # the label may be a typo
        lines.append(f"  {output.style('new label', 'warn')}  no prompt has {output.name(plan.label)} yet")
    if plan.not_from_here:
        lines.append(f"  {output.style('not from here', 'warn')}  {output.name(plan.not_from_here)}")
    # What is not checked has no cells, and comes last.
    members = sorted(plan.survey.of(*Fate), key=lambda member: not (member.is_release or member.is_dependant))
    rows = row_lines([_row(plan, member) for member in members], free=True)
    for member, line in zip(members, rows, strict=True):
        lines.append(line)
        for note in _notes(plan, member) if member.is_release or member.is_dependant else ():
            text = output.style(output.name(note.advice), "warn")
            lines.append(output.Line(f"      {text}", 8, note.command))
    lines += row_lines(notes.contract_rows(plan))
    return [*lines, *([output.aside(text)] if (text := planned_text(plan.tables)) else [])]


def _row(plan: DeployPlan, member: Member) -> Row:
    """Return what happens to a prompt; only what is released or checked has cells."""
    name, checks = member.name, _checks(plan, member.name)
    if member.is_dependant:
        return Row("check", "good", name, (f"v{member.version}", "", checks), "renders a changed snippet")
    if not member.is_release:
        return _unreleased(plan, member)
    moves = f"{output.style(output.name(plan.label), 'strong')} {way(member.released, member.version)}"
    note = "already live" if member.is_moved else ""
    note = "pending from an earlier deploy" if member.is_pending else note
    action = next((action for action in plan.push.actions if action.name == name), None)
    if action is None:
        return Row("release", "good", name, ("", moves, checks), note)
    before = f"v{action.current}" if action.current is not None else "-"
    version = f"{before} -> v{action.next}"
    note = note or without_mark(action.message or "")
    return Row(action.kind, "good", name, (version, moves, checks), note)


def _unreleased(plan: DeployPlan, member: Member) -> Row:
    """Return why a prompt is not released."""
    if member.fate is Fate.HELD:
        text = f"v{member.held} is the same as the file, but {plan.label} {member.how}"
        again = release_on_hold([member.name], plan.label)
        return Row("on hold", "warn", member.name, note=text, command=again)
    text = f"deleted in git; keeps {plan.label}" if member.fate is Fate.DELETED else member.reason
    return Row("skipped", "warn", member.name, note=text)


def _checks(plan: DeployPlan, name: str) -> str:
    """Return the checks of a prompt, with the scores that they need."""
    if name in plan.unchecked:
        return output.style("unchecked", "warn")
    checks = []
    for check in (check for check in plan.selection.checks if name in check.prompts):
        limits = [] if check.min_score is None else [f">= {check.min_score:g}"]
        limits += [] if check.max_drop is None else [f"at most {check.max_drop:g} below live"]
        checks.append(f"{output.name(check.name)} {', '.join(limits)}".rstrip())
    # A snippet without checks of its own counts as checked by those of the prompts that use it.
    return ", ".join(dict.fromkeys(checks)) or "checked where it is used"


def _notes(plan: DeployPlan, member: Member) -> Iterator[Row]:
    """Yield what is unusual about a prompt of the table, each with the command to run, if any."""
    note, name = partial(Row, "note", "warn", member.name, ()), shlex.quote(member.name)
    if member.needed_by:
        yield note(f"released too, because {member.needed_by} renders it")
    for wanted, (own, _) in zip(plan.tables.wanted, plan.tables.pairs, strict=True):
        run = plan.tables.runs[own]
        if wanted.candidate.name == member.name and run.status is Status.COMPLETED:
            least = wanted.check.min_score
            is_below = least is not None and run.score is not None and run.score < least
            yield note(f"{reuse_text(run)}{f', below the minimum of {least:g}' if is_below else ''}")
    if member.drafts:
        versions = [*map(_draft, member.drafts)]
        more = f"; and {len(versions) - 3} more" if len(versions) > 3 else ""
        kept = "it" if len(versions) == 1 else "them"
        text = f"passes over {'; '.join(versions[-3:])}{more}; the registry keeps {kept}"
        yield note(text, f"promptsync pull --merge {name}")
        leave = f"or, after the deploy, leave {kept} out for good"
        yield note(leave, f"promptsync pull {name} --no-passed-over")
    for row in notes.kept_tag_rows(plan.push, {member.name}):
        yield note(f"keeps {row.note}", f"promptsync pull --merge {name}")
    yield from (row for row in notes.pin_rows(plan.pins) if row.name == member.name)
    if member.is_dependant and member.fate is not Fate.CHECK:
        unreleased = _unreleased(plan, member)
        yield note(f"{unreleased.word}: {unreleased.note}", unreleased.command)


def _draft(draft: PassedOverVersion) -> str:
    """Return who saved a version that a release passes over, and when."""
    return ", ".join(filter(None, [f"v{draft.version}", draft.origin, notes.ago(draft.created_at)]))


# -- the receipt --------------------------------------------------------------------------------------------


def show_receipt(receipt: DeployReceipt) -> Outcome:
    """Return what a deploy did."""
    return Outcome(
        receipt_lines(receipt),
        deploy_body(receipt, dry_run=False),
        error=receipt.error,
        outputs=_outputs(receipt, passed=receipt.error is None),
        markdown=lambda page: add_receipt(page, receipt),
    )


def receipt_lines(receipt: DeployReceipt) -> list[str]:
    """Return what was done, and then what was not."""
    plan = receipt.plan
    if plan.is_empty:
        return plan_lines(plan)
    pending = (member.name for member in plan.survey.releases if member.is_pending)
    rows = [Row("pending", "warn", name, note="from an earlier deploy") for name in pending]
    lines = row_lines(planned(rows))
    others = tuple(result for result in receipt.results.all if result.run.kind != "table")
    lines += results_lines(CheckResults(receipt.results.of("table")))
    if plan.push.actions and not receipt.is_unpublished:
        known = {
            member.name: {draft.version: _draft(draft) for draft in member.drafts}
            for member in plan.survey.releases
        }
        lines += push.receipt_lines(receipt.push, known)
        lines += row_lines(notes.kept_tag_rows(plan.push, receipt.push.versions))
    lines += [*results_lines(CheckResults(others)), *echo_lines(receipt.results)]
    remarks = dict.fromkeys(plan.unchecked, "unchecked: it has no evaluation or agent")
    lines += row_lines(
        label_row(label, "released", remarks.get(label.change.name, "")) for label in receipt.labels
    )
    lines += row_lines(_live_failures(receipt))
    if plan.options.keep_going:
        lines += row_lines(Row("kept back", "warn", name, note=_KEPT_BACK) for name in receipt.kept_back)
    rows = [_unreleased(plan, member) for member in plan.survey.of(*UNRELEASED)]
    lines += row_lines(planned([*rows, *notes.contract_rows(plan)]))
    lines += row_lines(notes.pin_rows(after(plan.pins, receipt.push.versions)))
    return [*lines, output.aside(summary(receipt))]


def _live_failures(receipt: DeployReceipt) -> Iterator[Row]:
    """Yield the releases that did not pass their checks, and that the label pointed at before the deploy."""
    label = receipt.plan.label
    results = (result for result in receipt.results.all if result.passed is False)
    failed = {name for result in results for name in result.check.prompts}
    for member in receipt.plan.survey.releases:
        if member.name in failed and member.is_moved:
            yield notes.live_row(member.name, label, member.version, member.live)


def summary(receipt: DeployReceipt, label: str = "") -> str:
    """Return how many prompts were released, or where the label is, ``label`` being how it is written."""
    label, kept = label or output.name(receipt.plan.label), receipt.kept_back
    if receipt.plan.is_empty:
        return f"nothing to release to {label}"
    if receipt.is_released:
        kept_back = f", {len(kept)} kept back" if kept else ""
        return f"{output.count(len(receipt.others), 'prompt')} released to {label}{kept_back}"
    if any(change.is_unknown for change in receipt.labels):
        return f"not released; the position of {label} is unknown"
    waiting = sum(change.waits for change in receipt.labels)
    if waiting and not any(change.is_move for change in receipt.labels):
        return f"not released; {output.count(waiting, 'prompt')} waiting for approval of {label}"
    if any(change.moved for change in receipt.labels):
        return f"not released; {label} moved on some prompts"
    passed = len(receipt.passed_others) if kept else 0
    others = f"; {output.count(passed, 'other prompt')} passed" if passed else ""
    what = "published or released" if receipt.is_unpublished else "released"
    return f"nothing was {what}; {label} did not move{others}"


# -- JSON ---------------------------------------------------------------------------------------------------


def deploy_body(receipt: DeployReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return the body of the JSON document; ``passed`` says that all is done and checked."""
    plan, survey = receipt.plan, receipt.plan.survey
    checked = [member.name for member in survey.checked]
    over = [member for member in survey.releases if member.drafts]
    drafts = [(member.name, draft) for member in over for draft in member.drafts]
    member_keys = "name path needed_by released version publishes dependant=is_dependant through"
    kept = [action for action in plan.push.actions if action.kept_tags]
    return {
        "label": plan.label,
        "members": bodies(survey.checked, member_keys),
        "push": push.push_body(receipt.push, dry_run=dry_run),
        "eval": {"changed": checked, "runs": runs_body(receipt.results, "evaluation")},
        "agents": {"changed": checked, "runs": runs_body(receipt.results, "agent")},
        "labels": labels_body(receipt.labels or as_planned(receipt.changes)),
        "pins": notes.pins_body(plan.pins if dry_run else after(plan.pins, receipt.push.versions)),
        "contract": notes.contract_body(plan.contracts),
        "pending": [member.name for member in survey.releases if member.is_pending],
        "passed_over": [
            {"name": member.name, "versions": [draft.version for draft in member.drafts]} for member in over
        ],
        "drafts": [{"name": name, **body(draft, "version origin created_at")} for name, draft in drafts],
        "kept_tags": bodies(kept, "name tags=kept_tags"),
        "unchecked": list(plan.unchecked),
        "on_hold": bodies(survey.of(Fate.HELD), "name version=held released touched"),
        "skipped": bodies(survey.skipped, "name state=fate reason touched"),
        "deleted": [member.name for member in survey.of(Fate.DELETED)],
        "kept_back": list(receipt.kept_back),
        "not_from_here": plan.not_from_here or None,
        "fingerprint": plan.fingerprint,
        "passed": receipt.error is None and not dry_run,
        "dry_run": dry_run,
    }


def _outputs(receipt: DeployReceipt, *, passed: bool) -> dict[str, str]:
    """Return what later steps of a workflow can read."""
    moved = (label for label in receipt.labels if label.ending == "moved")
    released = {label.change.name: label.change.new for label in moved}
    members = [member for member in receipt.plan.survey.members if member.fate is not Fate.CHECK]
    return {
        "label": receipt.plan.label,
        "planned": str(sum(member.touched for member in members)),
        "released": json.dumps(released, sort_keys=True),
        "count": str(len(released)),
        "passed": "true" if passed else "false",
    }


# -- Markdown -----------------------------------------------------------------------------------------------


def add_receipt(page: Page, receipt: DeployReceipt) -> None:
    """Add what a deploy did to a page: versions, scores and labels, and the error that it ended in."""
    page.section(summary(receipt, code(receipt.plan.label)), receipt_lines(receipt))
    add_tables(page, receipt.results.of("table"))
    page.error(receipt.error)


def add_plan(page: Page, plan: DeployPlan, differences: Sequence[Difference] = ()) -> None:
    """Add what a deploy will do to a page: the plan, and what differs from the label."""
    end = "" if plan.is_empty else f" · fingerprint {code(plan.fingerprint)}"
    page.section(headline(plan, label=code(plan.label)), plan_lines(plan), end)
    if plan.is_empty:
        return
    if plan.contracts:  # the plan has a row for each change
        stopping = sum(contract.stops for contract in plan.contracts)
        breaks = f"{output.count(stopping, 'prompt')} would break applications"
        page.say(f"**Contract: {breaks if stopping else 'nothing stops the deploy'}**")
    if plan.contract_refusal is not None:
        page.hint(plan.contract_refusal.hint.splitlines())
    page.differences([*_details(plan, differences)])


def _details(plan: DeployPlan, differences: Sequence[Difference]) -> Iterator[tuple[str, str, Iterator[str]]]:
    """Yield the differences from the label, and then those that a release passes over."""
    for difference in differences:
        yield difference.name, difference.state, patch_lines(difference.steps)
    for member in plan.survey.releases:
        for draft in member.drafts:
            if draft.new is not None:
                change = step(f"v{draft.version - 1} -> v{draft.version}", draft.old, draft.new)
                yield f"{member.name}, passed over: {change.title}", "", patch_lines([change])
