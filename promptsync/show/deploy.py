"""A deploy: its plan, its rehearsal and its receipt, as text, JSON and Markdown."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from promptsync.deploy.members import Member, OnHold, Skipped
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt, release_on_hold
from promptsync.labels.move import ChangedLabel
from promptsync.labels.plan import LabelChange
from promptsync.push.actions import PushPlan
from promptsync.push.receipt import PushReceipt
from promptsync.show import push
from promptsync.show.checks import results_lines, runs_body
from promptsync.show.diff import patch_lines
from promptsync.show.labels import label_row, labels_body, way
from promptsync.show.lines import ago, kept_tag_rows, limits_text, merge_command
from promptsync.show.markdown import MOST, Page, add_error, code, shortened
from promptsync.show.outcome import Outcome
from promptsync.show.pins import pin_rows, pins_body
from promptsync.show.push import push_body
from promptsync.show.rows import Row, row_lines
from promptsync.terminal import output
from promptsync.terminal.output import count

if TYPE_CHECKING:
    from promptsync.compare.difference import Difference
    from promptsync.deploy.rehearse import Rehearsal

_LISTED = 10
_LONG_LABEL = 100
_KEPT_BACK = "its checks failed, or those of a prompt that is only released with it"
_NOT_REHEARSED = "not rehearsed, because this change touches none of these prompts"
_REHEARSED_WITH = (
    "with these texts in a temporary registry, by the evaluations and agents of the fixtures. The deploy "
    "itself runs those of the registry before a label moves."
)


# -- the plan -----------------------------------------------------------------------------------------------


def show_plan(
    plan: DeployPlan,
    differences: Callable[[], Sequence[Difference]] = tuple,
    rehearsal: Rehearsal | None = None,
    *,
    is_rehearsed: bool = True,
) -> Outcome:
    """Return the plan of a deploy, and how its rehearsal went.

    ``differences`` compares the files with the released versions, for Markdown. Without ``is_rehearsed`` a
    rehearsal was requested and there was nothing to rehearse.
    """
    receipt = DeployReceipt(plan)
    error = rehearsal.error if rehearsal is not None else None
    lines = nothing_lines(plan) if plan.is_empty else plan_lines(plan)
    if rehearsal is not None:
        word, details = _rehearsed(rehearsal)
        left_out = [f"rehearsal: {output.name(line)}" for line in rehearsal.left_out]
        where = "with these files in a temporary registry; nothing was released"
        lines += ["", *left_out, f"rehearsal {word}, {where}", *details]
    elif not is_rehearsed:
        lines += ["", output.aside(_NOT_REHEARSED)]
    return Outcome(
        lines,
        {**deploy_body(receipt, dry_run=True), "passed": rehearsal is not None and error is None},
        error.exit_code if error is not None else 0,
        error,
        outputs=_outputs(receipt, passed=error is None),
        markdown=lambda: plan_markdown(plan, differences(), rehearsal, is_rehearsed=is_rehearsed),
    )


def headline(plan: DeployPlan, where: str = "") -> str:
    """Return how many prompts a deploy releases, under which label, and where."""
    label = output.name(plan.label)
    if plan.is_empty:
        return f"nothing to release to {label}"
    place = f" in {output.safe(where)}" if where else ""
    return f"{count(len(plan.survey.releases), 'prompt')} to release to {label}{place}"


def drafts_question(plan: DeployPlan) -> str:
    """Return what a release passes over of the dashboard, which is a question of its own."""
    edits = [
        (member.name, _passed_over(member)[version.version])
        for member in plan.survey.releases
        for version in member.passed_over
        if version.in_dashboard
    ]
    if not edits:
        return ""
    (name, text), *others = edits
    more = f" (and {len(others)} more)" if others else ""
    return f"{output.name(name)} is released without {output.safe(text, newlines=False)}{more}"


def plan_lines(plan: DeployPlan) -> list[str]:
    """Return what will be released and checked, and what will not: a row for each prompt."""
    rows = [_Row(plan, member) for member in (*plan.survey.releases, *plan.survey.dependants)]
    return [*_label_lines(plan), *_row_lines(rows), *_exception_lines(plan, {row.name for row in rows})]


def _label_lines(plan: DeployPlan) -> list[str]:
    """Return what is unusual about the label of a plan: it is new, or not released to from here."""
    lines = []
    if plan.is_new_label:
        lines.append(f"  {output.style('new label', 'warn')}  no prompt has {output.name(plan.label)} yet")
    if plan.not_from_here:
        lines.append(f"  {output.style('not from here', 'warn')}  {output.name(plan.not_from_here)}")
    return lines


def nothing_lines(plan: DeployPlan) -> list[str]:
    """Return why there is nothing to release."""
    skipped = _exception_lines(plan)
    if skipped:
        return skipped
    if not plan.survey.latest.items:
        return [output.aside("no prompts to deploy")]
    where = "what is committed" if plan.in_git else "what your files have"
    return [output.aside(f"{output.name(plan.label)} points at {where}")]


class _Row:
    """One prompt of a plan: its cells in a table, and the notes that have lines of their own below it."""

    def __init__(self, plan: DeployPlan, member: Member) -> None:
        self.name = member.name
        self.cells = _cells(plan, member)
        self.notes = [
            output.Line(output.safe(f"{text}; {command}" if command else text, newlines=False), 8, command)
            for text, command in _notes(plan, member)
        ]

    @property
    def title(self) -> str:
        """The row and its notes as one line without colours; the message comes last."""
        *cells, message = self.cells
        shown = [click.unstyle(cell).strip() for cell in (*cells, *self.notes, message)]
        return " · ".join(filter(None, shown))


def _row_lines(rows: Sequence[_Row]) -> list[str]:
    """Return rows as a table, each followed by its notes."""
    lines: list[str] = []
    table = output.table((row.cells for row in rows), free=True)
    for row, line in zip(rows, table, strict=True):
        lines.append(line)
        lines += [
            output.Line(f"      {output.style(note, 'warn')}", note.indent, note.command)
            for note in row.notes
        ]
    return lines


def _cells(plan: DeployPlan, member: Member) -> tuple[str, ...]:
    name, checks = output.name(member.name), _checks(plan, member.name)
    if member.dependant:
        word = output.style("check", "good")
        return (f"  {word}", name, f"v{member.version}", "", checks, "renders a changed snippet")
    moves = f"{output.style(output.name(plan.label), 'strong')} {way(member.released, member.version)}"
    pending = (
        output.style("pending from an earlier deploy", "warn") if member.name in plan.survey.pending else ""
    )
    action = next((action for action in plan.push.actions if action.name == member.name), None)
    if action is None:
        return (f"  {output.style('release', 'good')}", name, "", moves, checks, pending)
    word, name, version, _, message = push.action_row(action)
    return (word, name, version, moves, checks, pending or message)


def _checks(plan: DeployPlan, name: str) -> str:
    """Return the checks of a prompt, with the scores that they need."""
    if name in plan.unchecked:
        return output.style("unchecked", "warn")
    checks = [
        " ".join(filter(None, (output.name(check.name), limits_text(check))))
        for check in plan.selection.evaluations
        if name in check.prompts
    ]
    checks += [output.name(check.name) for check in plan.selection.agents if name in check.prompts]
    # A snippet without checks of its own counts as checked by those of the prompts that use it.
    return ", ".join(dict.fromkeys(checks)) or "checked where it is used"


def _notes(plan: DeployPlan, member: Member) -> Iterator[tuple[str, str]]:
    """Yield what is unusual about a prompt of a plan, each with the command to run, if any."""
    name = member.name
    if user := plan.survey.needed_by.get(name):
        yield f"released too, because {user} renders it", ""
    if member.passed_over:
        versions = [*_passed_over(member).values()]
        more = f"; and {len(versions) - 3} more" if len(versions) > 3 else ""
        text = f"passes over {'; '.join(versions[-3:])}{more}; kept, and brought back by drift"
        yield text, merge_command(name)
    for action in plan.push.actions:
        if action.kept_tags and action.name == name:
            yield f"keeps the tags of the dashboard: {', '.join(action.kept_tags)}", merge_command(name)
    for row in pin_rows(plan.pins):
        if row.name == name:
            yield row.note, row.command
    for word, other, text, command in _exceptions(plan):
        if other == name:
            yield f"{word}: {text}", command


def _passed_over(member: Member) -> dict[int, str]:
    """Return by number who saved the versions that a release passes over, and when."""
    return {
        version.version: ", ".join(
            filter(None, [f"v{version.version}", version.origin, ago(version.created_at)])
        )
        for version in member.passed_over
    }


def _exceptions(plan: DeployPlan) -> Iterator[tuple[str, str, str, str]]:
    """Yield a word, the name of a prompt, what is unusual about it, and the command to run if any."""
    survey, label = plan.survey, output.name(plan.label)
    for prompt in survey.on_hold:
        text = f"v{prompt.version} has the text of the file, but {label} {prompt.how}"
        yield "on hold", prompt.name, text, release_on_hold([prompt.name], plan.label)
    for skipped in survey.skipped:
        yield "skipped", skipped.name, f"{skipped.state}, {skipped.reason}", ""
    for name in survey.deleted:
        yield "skipped", name, f"deleted in git; keeps {label}", ""


def _exception_lines(plan: DeployPlan, named: set[str] | None = None) -> list[str]:
    """Return what is on hold, skipped or deleted, and not ``named`` in a row already."""
    return row_lines(
        Row(word, "warn", name, note=text, command=command)
        for word, name, text, command in _exceptions(plan)
        if name not in (named or ())
    )


# -- the rehearsal ------------------------------------------------------------------------------------------


def _rehearsed(rehearsal: Rehearsal) -> tuple[str, list[str]]:
    """Return how a rehearsal went, and the results of its checks, or what stopped it before them."""
    receipt = rehearsal.receipt
    ran = receipt.results is not None and bool(receipt.results.all)
    word = "passed" if ran else "passed, without any checks"
    word = "failed" if rehearsal.error is not None else word
    if ran and receipt.results is not None:
        return word, results_lines(receipt.results)
    return word, receipt_lines(receipt) if receipt.error is not None else []


# -- the receipt --------------------------------------------------------------------------------------------


def show_receipt(plan: DeployPlan, receipt: DeployReceipt | None, was_shown: bool = False) -> Outcome:
    """Return what a deploy did; after ``was_shown`` without the rows that went as planned."""
    receipt = receipt or DeployReceipt(plan, is_released=True)
    return Outcome(
        receipt_lines(receipt, was_shown=was_shown),
        deploy_body(receipt, dry_run=False),
        receipt.exit_code,
        receipt.error,
        outputs=_outputs(receipt, passed=receipt.passed),
        markdown=lambda: receipt_markdown(receipt),
    )


def receipt_lines(receipt: DeployReceipt, *, was_shown: bool = False) -> list[str]:
    """Return what was done, and then what was not."""
    plan = receipt.plan
    if plan.is_empty:
        return [*nothing_lines(plan), output.aside(headline(plan))]
    lines = []
    if not was_shown:
        lines += row_lines(
            Row("pending", "warn", name, note="from an earlier deploy") for name in plan.survey.pending
        )
    if plan.push.actions:
        known = {member.name: _passed_over(member) for member in plan.survey.releases if member.passed_over}
        lines += push.receipt_lines(receipt.push, was_shown, known)
        lines += row_lines(kept_tag_rows(plan.push, receipt.push.versions))
    if receipt.results is not None:
        lines += results_lines(receipt.results)
    labels = [label for label in receipt.labels if not was_shown or not label.moved or label.is_overtaken]
    lines += row_lines(label_row(label, "released") for label in labels)
    lines += row_lines(_live_failure(member, plan.label) for member in receipt.live_failures)
    if plan.keep_going:
        lines += row_lines(Row("kept back", "warn", name, note=_KEPT_BACK) for name in receipt.kept_back)
    if not was_shown:
        lines += [*_unchecked_lines(plan.unchecked), *_exception_lines(plan)]
    lines += row_lines(pin_rows(plan.pins.after(receipt.push.versions)))
    return [*lines, output.aside(summary(receipt))]


def _unchecked_lines(names: Sequence[str]) -> Iterator[str]:
    shown = names if len(names) <= _LISTED + 1 else names[:_LISTED]
    yield from row_lines(Row("unchecked", "warn", name, note="no evaluation and no agent") for name in shown)
    if len(shown) < len(names):
        yield f"  {output.style('unchecked', 'warn')}  and {len(names) - len(shown)} more; --json has all"


def _live_failure(member: Member, label: str) -> Row:
    text = f"{output.name(label)} is at v{member.version}, which did not pass its checks"
    if (member.live or member.version) < member.version:
        undo = shlex.join(["promptsync", "rollback", member.name, "--label", label])
    else:
        text, undo = f"{text}; nothing was live before it, so commit a new text", "promptsync deploy"
    return Row("live", "bad", member.name, note=text, command=undo)


def summary(receipt: DeployReceipt, label: str = "") -> str:
    """Return how many prompts were released, or where the label is, ``label`` being how it is written."""
    label, kept = label or output.name(receipt.plan.label), receipt.kept_back
    if receipt.plan.is_empty:
        return f"nothing to release to {label}"
    if receipt.is_released:
        kept_back = f", {len(kept)} kept back" if kept else ""
        return f"{count(len(receipt.others), 'prompt')} released to {label}{kept_back}"
    if any(change.is_unknown for change in receipt.labels):
        return f"not released; the position of {label} is unknown"
    if any(change.moved for change in receipt.labels):
        return f"not released; {label} moved on some prompts"
    passed = len(receipt.passed_others) if kept else 0
    others = f"; {count(passed, 'other prompt')} passed" if passed else ""
    return f"nothing was released; {label} did not move{others}"


# -- JSON ---------------------------------------------------------------------------------------------------


def deploy_body(receipt: DeployReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return the body of the JSON document; ``passed`` says that all is done and checked."""
    plan, survey, results = receipt.plan, receipt.plan.survey, receipt.results
    changed = [member.name for member in survey.members]
    over = [member for member in survey.releases if member.passed_over]
    planned = [
        LabelChange(member.name, member.template_id or 0, plan.label, member.released, member.version)
        for member in survey.releases
    ]
    return {
        **blank_body(),
        "label": plan.label,
        "members": [
            {
                "name": member.name,
                "path": member.path,
                "needed_by": survey.needed_by.get(member.name),
                "released": member.released,
                "version": member.version,
                "publishes": member.publishes,
                "dependant": member.dependant,
                "through": list(member.through),
            }
            for member in survey.members
        ],
        "push": push_body(plan.push, receipt.push, dry_run=dry_run),
        "eval": {"changed": changed, "runs": runs_body(results, "evaluation") if results is not None else []},
        "agents": {"changed": changed, "runs": runs_body(results, "agent") if results is not None else []},
        "labels": labels_body(receipt.labels or [ChangedLabel(change, False) for change in planned]),
        "pins": pins_body(plan.pins if dry_run else plan.pins.after(receipt.push.versions)),
        "pending": list(survey.pending),
        "passed_over": [
            {"name": member.name, "versions": [version.version for version in member.passed_over]}
            for member in over
        ],
        "drafts": [
            {
                "name": member.name,
                "version": draft.version,
                "origin": draft.origin,
                "created_at": draft.created_at,
            }
            for member in over
            for draft in member.passed_over
        ],
        "kept_tags": [
            {"name": action.name, "tags": list(action.kept_tags)}
            for action in plan.push.actions
            if action.kept_tags
        ],
        "unchecked": list(plan.unchecked),
        "on_hold": [_unreleased_body(plan, prompt) for prompt in survey.on_hold],
        "skipped": [_unreleased_body(plan, prompt) for prompt in survey.skipped],
        "deleted": list(survey.deleted),
        "kept_back": list(receipt.kept_back),
        "not_from_here": plan.not_from_here or None,
        "fingerprint": plan.fingerprint,
        "passed": receipt.passed and not dry_run,
        "dry_run": dry_run,
    }


def _unreleased_body(plan: DeployPlan, prompt: OnHold | Skipped) -> dict[str, Any]:
    return {**msgspec.structs.asdict(prompt), "touched": prompt.name in plan.survey.touched}


def blank_body() -> dict[str, Any]:
    """Return the body of a deploy that failed before it had a plan."""
    lists = (
        "members labels pins pending passed_over drafts kept_tags unchecked on_hold skipped deleted kept_back"
    )
    return {
        "label": None,
        "push": push_body(PushPlan(()), PushReceipt(), dry_run=False),
        "eval": {"changed": [], "runs": []},
        "agents": {"changed": [], "runs": []},
        **{key: [] for key in (*lists.split(), "kept_back")},
        "not_from_here": None,
        "passed": False,
        "dry_run": False,
    }


def _outputs(receipt: DeployReceipt, *, passed: bool) -> dict[str, str]:
    """Return what later steps of a workflow can read."""
    released = {label.change.name: label.change.new for label in receipt.labels if label.moved}
    survey = receipt.plan.survey
    named = {*survey.deleted, *(prompt.name for prompt in survey.on_hold)}
    named |= {prompt.name for prompt in survey.releases} | {prompt.name for prompt in survey.skipped}
    return {
        "label": receipt.plan.label,
        "planned": str(len(survey.touched & named)),
        "released": json.dumps(released, sort_keys=True),
        "count": str(len(released)),
        "passed": "true" if passed else "false",
    }


# -- Markdown -----------------------------------------------------------------------------------------------


def receipt_markdown(receipt: DeployReceipt, *, most: int = MOST) -> list[str]:
    """Return what a deploy did: versions, scores and labels, and the error that it ended in."""
    page = Page(most)
    text = summary(receipt, code(shortened(receipt.plan.label, _LONG_LABEL)))
    page.say(f"**{text[0].upper()}{text[1:]}**")
    page.fence(map(click.unstyle, receipt_lines(receipt)))
    if receipt.error is not None:
        add_error(page, receipt.error)
    return page.lines


def plan_markdown(
    plan: DeployPlan,
    differences: Sequence[Difference] = (),
    rehearsal: Rehearsal | None = None,
    *,
    is_rehearsed: bool = True,
    most: int = MOST,
) -> list[str]:
    """Return what a deploy will do: the plan, how its rehearsal went, and what differs from the label."""
    page = Page(most)
    label = code(shortened(plan.label, _LONG_LABEL))
    if plan.is_empty:
        page.say(f"**Nothing to release to {label}**")
        page.fence(map(click.unstyle, nothing_lines(plan)))
        return page.lines
    releases = count(len(plan.survey.releases), "prompt")
    page.say(f"**{releases} to release to {label}** · fingerprint {code(plan.fingerprint)}")
    # The rows come last, because their differences may fill the page.
    if rehearsal is not None:
        word, details = _rehearsed(rehearsal)
        page.say(f"**Rehearsal {word}**, {_REHEARSED_WITH}")
        if lines := [*details, *rehearsal.left_out]:
            page.fence(map(click.unstyle, lines))
        if rehearsal.error is not None:
            add_error(page, rehearsal.error)
    if not is_rehearsed:
        page.say(f"{_NOT_REHEARSED[0].upper()}{_NOT_REHEARSED[1:]}.")
    _add_rows(page, plan, differences)
    return page.lines


def _add_rows(page: Page, plan: DeployPlan, differences: Sequence[Difference]) -> None:
    """Add a row for each prompt; one that differs from the label is the title of what differs."""
    from promptsync.compare.difference import step

    rows = [_Row(plan, member) for member in (*plan.survey.releases, *plan.survey.dependants)]
    steps = {difference.name: difference.steps for difference in differences}
    others = _row_lines([row for row in rows if row.name not in steps])
    if lines := [*_label_lines(plan), *others, *_exception_lines(plan, {row.name for row in rows})]:
        page.fence(map(click.unstyle, lines))
    details = [(row.title, "", patch_lines(steps[row.name])) for row in rows if row.name in steps]
    for member in plan.survey.releases:
        for version in member.passed_over:
            if version.new is not None:
                change = step(f"v{version.version - 1} -> v{version.version}", version.old, version.new)
                details.append((f"{member.name}, passed over: {change.title}", "", patch_lines([change])))
    page.differences(details)
