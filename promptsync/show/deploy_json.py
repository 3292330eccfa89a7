"""A deploy as JSON, and as outputs for the later steps of a workflow."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from promptsync.compare.live_users import LiveUser
from promptsync.deploy.members import Member, Survey
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.push.actions import PushPlan
from promptsync.push.receipt import PushReceipt
from promptsync.show.checks import agents_body, evaluations_body
from promptsync.show.labels import changed_body, label_body
from promptsync.show.pins import pins_body
from promptsync.show.push import live_body, push_body


def deploy_body(receipt: DeployReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return the body of the JSON document; ``passed`` says that all is done and checked."""
    plan = receipt.plan
    survey, results = plan.survey, receipt.results
    changed = [member.name for member in survey.members]
    return {
        "label": plan.label,
        "members": [_member_body(survey, member) for member in survey.members],
        "push": push_body(plan.push, receipt.push, dry_run=dry_run),
        "eval": {"changed": changed, "runs": evaluations_body(results) if results is not None else []},
        "agents": {"changed": changed, "runs": agents_body(results) if results is not None else []},
        "labels": [changed_body(one) for one in receipt.labels]
        or [
            label_body(member.name, plan.label, member.released, member.version, False, "")
            for member in survey.releases
        ],
        "pins": pins_body(plan.pins if dry_run else plan.pins.after(receipt.push.versions)),
        "live": [{**asdict(one), "seconds": round(one.seconds, 3)} for one in receipt.live],
        "live_at_once": _live_at_once(plan),
        **_exceptions_body(plan, survey),
        "kept_back": list(receipt.kept_back),
        "not_from_here": plan.not_from_here or None,
        "fingerprint": plan.fingerprint,
        "passed": receipt.passed and not dry_run,
        "dry_run": dry_run,
    }


def _member_body(survey: Survey, member: Member) -> dict[str, Any]:
    return {
        "name": member.name,
        "path": member.path,
        "needed_by": survey.needed_by.get(member.name),
        "released": member.released,
        "version": member.version,
        "publishes": member.publishes,
        "dependant": member.dependant,
        "through": list(member.through),
    }


def _live_at_once(plan: DeployPlan) -> list[dict[str, Any]]:
    """Return what this deploy does not check: a snippet may be live there unpinned and by its label."""
    users: dict[str, set[LiveUser]] = {}
    for one in plan.live:
        if one.elsewhere:
            users.setdefault(one.name, set()).update(one.elsewhere)
    return live_body({name: sorted(found) for name, found in users.items()})


def _exceptions_body(plan: DeployPlan, survey: Survey) -> dict[str, Any]:
    return {
        "pending": [member.name for member in survey.releases if member.pending],
        "passed_over": [
            {"name": member.name, "versions": [one.version for one in member.passed_over]}
            for member in survey.releases
            if member.passed_over
        ],
        "drafts": [
            {"name": member.name, "version": one.version, "origin": one.origin, "created_at": one.created_at}
            for member in survey.releases
            for one in member.passed_over
        ],
        "kept_tags": [
            {"name": one.name, "tags": list(one.kept_tags)} for one in plan.push.actions if one.kept_tags
        ],
        "unchecked": list(plan.unchecked),
        "on_hold": [asdict(one) for one in survey.on_hold],
        "skipped": [asdict(one) for one in survey.skipped],
        "deleted": list(survey.deleted),
    }


def blank_body() -> dict[str, Any]:
    """Return the body of a deploy that failed before it had a plan."""
    nothing: dict[str, Any] = {"changed": [], "runs": []}
    return {
        "label": None,
        "members": [],
        "push": push_body(PushPlan(()), PushReceipt(), dry_run=False),
        "eval": nothing,
        "agents": nothing,
        "labels": [],
        "live": [],
        "live_at_once": [],
        "pins": [],
        "pending": [],
        "passed_over": [],
        "drafts": [],
        "kept_tags": [],
        "unchecked": [],
        "on_hold": [],
        "skipped": [],
        "deleted": [],
        "kept_back": [],
        "not_from_here": None,
        "passed": False,
        "dry_run": False,
    }


def deploy_outputs(receipt: DeployReceipt, *, passed: bool) -> dict[str, str]:
    """Return what later steps of a workflow can read."""
    released = {one.change.name: one.change.new for one in receipt.labels if one.moved}
    return {
        "label": receipt.plan.label,
        "planned": str(len(receipt.plan.survey.touched)),
        "released": json.dumps(released, sort_keys=True),
        "count": str(len(released)),
        "passed": "true" if passed else "false",
    }
