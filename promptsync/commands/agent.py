"""``promptsync agent``: list and run agents."""

from __future__ import annotations

from typing import Any

from promptsync.commands.agent_run import BLANK, agent_run
from promptsync.commands.shared.options import checked_filters, list_filters
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb_group("agent", short_help="List and run agents.")
def command() -> None:
    """Agents, which the registry also calls workflows, send several prompts one after the other.

    \b
    promptsync agent list
    promptsync agent run refund-agent --var order=A-17
    """


@verb("list", parent=command, short_help="List agents.", blank={"agents": []})
@list_filters(named=False)
def list_command(session: Session, **filters: Any) -> Outcome:
    """List the agents with their latest versions and labels.

    \b
    promptsync agent list
    promptsync agent list --sort-by name --sort-order asc
    """
    from promptsync.checks.catalogue import list_agents

    with session.project(needs_config=False) as project:
        found = list_agents(project.registry, **checked_filters(filters))
    if not found:
        session.say("no agents")
    rows = [("ID", "NAME", "VERSION", "LABELS")] + [
        (
            str(one.id),
            output.name(one.name),
            "-" if one.version is None else f"v{one.version}",
            output.name(" ".join(one.labels)),
        )
        for one in found
    ]
    agents = [
        {"id": one.id, "name": one.name, "version": one.version, "labels": list(one.labels)} for one in found
    ]
    return Outcome(output.table(rows, headed=True) if found else [], {"agents": agents})


verb("run", parent=command, short_help="Run agents, and show what each node put out.", blank=BLANK)(agent_run)
