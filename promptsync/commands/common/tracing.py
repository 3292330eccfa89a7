"""``--track``: noting where an agent's run came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from promptsync import output
from promptsync.checks.agents import AgentOrder, AgentRun
from promptsync.checks.trace import Noted, note_traces, trace_of
from promptsync.commands.common.session import Session
from promptsync.errors import PromptsyncError

if TYPE_CHECKING:
    from promptsync.checks.selection import AgentCheck
    from promptsync.sync.project import Project

track_option = click.option(
    "--track",
    is_flag=True,
    help="Note git commit, branch and the versions of prompts as metadata of the requests that are made.",
)
"""Adds ``--track``."""

_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME")
"""What GitHub says where no branch is checked out; the first one is of pull requests only."""


class Tracer:
    """Gives the runs of agents their trace. Without ``wanted`` it does nothing at all."""

    def __init__(self, session: Session, project: Project, *, wanted: bool) -> None:
        self._session = session
        self._project = project
        self._wanted = wanted
        self._metadata: list[dict[str, str]] = []
        self._noted: list[Noted] = []

    def traced(self, order: AgentOrder, check: AgentCheck) -> AgentOrder:
        """The order with the metadata that its run is to have."""
        if not self._wanted:
            return order
        commit, branch = self._git()
        found = trace_of(self._project.registry, order, check.prompts, commit=commit, branch=branch)
        self._metadata.append(found)
        return replace(order, metadata=found)

    def note(self, runs: Sequence[AgentRun]) -> PromptsyncError | None:
        """Attach the metadata to the requests that the registry names; say where it names none."""
        if not self._wanted:
            return None
        self._noted = note_traces(self._project.registry, runs, self._metadata)
        for run, noted in zip(runs, self._noted, strict=True):
            self._tell(run, noted)
        return next((one.error for one in self._noted if one.error is not None), None)

    def body(self, number: int, run: AgentRun) -> dict[str, Any]:
        """What the JSON document says about the trace of a run."""
        if not self._noted:
            return {}
        return {
            "tracked": {
                "metadata": self._metadata[number],
                "requests": list(self._noted[number].requests),
                "with_run": run.has_metadata,
            }
        }

    def _tell(self, run: AgentRun, noted: Noted) -> None:
        name = output.name(run.agent)
        if noted.requests:
            ids = ", ".join(output.name(str(one)) for one in noted.requests)
            self._session.say(f"{name}: commit, branch and versions noted on request {ids}")
        elif noted.error is None and run.has_metadata:
            self._session.say(
                f"{name}: the registry returned no request id; commit, branch and versions went along as "
                "metadata of the run"
            )
        elif noted.error is None and run.error is None:
            warning = output.style("warning:", "warn")
            why = "the registry returned no request id and took no metadata; nothing is noted"
            self._session.say(f"{warning} {name}: {why}")

    def _git(self) -> tuple[str | None, str | None]:
        history = self._project.history
        commit = history.head_commit if history is not None else None
        if history is None or commit is None:
            return None, None
        variables = self._session.environment.variables
        told = next((variables[key] for key in _BRANCHES if variables.get(key)), None)
        return commit + ("+" if history.differing(commit) else ""), history.branch or told
