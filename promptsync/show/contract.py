"""What a release changes for applications, as text, JSON and Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from promptsync.compare.snippet_users import LiveUser, named_users
from promptsync.show.diff import change_text, verdict
from promptsync.show.markdown import Page, shortened
from promptsync.show.outcome import Row, bodies, row_lines
from promptsync.terminal.output import aside, count, name

if TYPE_CHECKING:
    from promptsync.deploy.contract import PromptContract
    from promptsync.deploy.plan import DeployPlan

_LISTED = 5
_LONG = 200


def contract_rows(plan: DeployPlan) -> Iterator[Row]:
    """Yield what breaks applications, or may, and the names of ``--breaking`` for which nothing does."""
    for contract in plan.contracts:
        for change in contract.changes[:_LISTED]:
            (word, meaning), end = verdict(change), ""
            if change.verdict == "breaking" and contract.is_accepted:
                word, meaning = "accepted", "warn"
                end = f"; needs: {shortened(contract.needs, _LONG)}" if contract.needs else ""
            note = f"{change_text(change)} (compared with {contract.label} v{contract.version}){end}"
            yield Row(word, meaning, contract.name, note=note)
        if (more := len(contract.changes) - _LISTED) > 0:
            yield Row("note", "warn", contract.name, note=f"and {more} more such changes; --json has all")
    names = {contract.name for contract in plan.contracts}
    for other in [other for other in plan.options.breaking if other not in names]:
        yield Row("note", "warn", other, note="breaks nothing; --breaking is not necessary")


def contract_body(contracts: Iterable[PromptContract]) -> list[dict[str, Any]]:
    """Return contracts for a JSON document."""
    keys = "name label version needs accepted=is_accepted changes"
    return bodies(contracts, keys)


def stopped_lines(contracts: Iterable[PromptContract]) -> Iterator[str]:
    """Yield which prompts would stop the next deploy, and the command that says why."""
    if stopping := [contract for contract in contracts if contract.stops]:
        readers = named_users(LiveUser(contract.name, contract.label) for contract in stopping)
        command = f"promptsync deploy --label {shlex.quote(stopping[0].label)} --dry-run"
        yield aside(f"the next deploy would break applications that read {name(readers)}: {name(command)}")


def add_contract(page: Page, plan: DeployPlan) -> None:
    """Add what breaks applications to a page, and what to do if that stops the deploy."""
    if rows := [*contract_rows(plan)]:
        stopping = sum(contract.stops for contract in plan.contracts)
        breaks = f"{count(stopping, 'prompt')} would break applications"
        page.say(f"**Contract: {breaks if stopping else 'nothing stops the deploy'}**")
        page.fence(map(click.unstyle, row_lines(rows)))
    if (error := plan.contract_refusal) is not None:
        page.say("What to do:")
        page.fence(error.hint.splitlines())
