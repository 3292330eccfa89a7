"""What became of checks: each with its verdict, and all of them in one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from promptsync.checks.agents import AgentRun
from promptsync.checks.bind import Doubt
from promptsync.checks.evaluations import Standard, fault_of
from promptsync.checks.outcome import Fault, Status, failure
from promptsync.checks.reports import EvaluationRun
from promptsync.checks.select import AgentCheck, EvaluationCheck
from promptsync.errors import AnswerIsNo, PromptsyncError


@dataclass(frozen=True, slots=True)
class ProvenEvaluation:
    """An evaluation that was run. ``verdict`` says why it does not pass, empty when it does.

    ``doubts`` are the versions that it is no proof of, although it may have passed. ``standard`` is what it
    had to reach, the minimum of its check included.
    """

    check: EvaluationCheck
    run: EvaluationRun
    verdict: str
    standard: Standard
    doubts: tuple[Doubt, ...] = ()

    @property
    def unbound(self) -> tuple[str, ...]:
        """The prompts that the run proves nothing about."""
        return tuple(doubt.prompt for doubt in self.doubts)

    @property
    def fault(self) -> Fault:
        error, _ = fault_of(self.run, self.standard)
        return Fault(self.run.evaluation, self.run.status, error, self.verdict)


@dataclass(frozen=True, slots=True)
class ProvenAgent:
    """An agent that was run. ``verdict`` says why it does not pass, empty when it does."""

    check: AgentCheck
    run: AgentRun
    verdict: str
    doubts: tuple[Doubt, ...] = ()

    @property
    def unbound(self) -> tuple[str, ...]:
        """The prompts that the run proves nothing about."""
        return tuple(doubt.prompt for doubt in self.doubts)

    @property
    def fault(self) -> Fault:
        return Fault(self.run.agent, self.run.status, self.run.error, self.verdict)


Proven = ProvenEvaluation | ProvenAgent


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of all checks."""

    evaluations: tuple[ProvenEvaluation, ...] = ()
    agents: tuple[ProvenAgent, ...] = ()

    @property
    def all(self) -> tuple[Proven, ...]:
        return (*self.evaluations, *self.agents)

    @property
    def under_way(self) -> tuple[Proven, ...]:
        """What was started and not waited for."""
        return tuple(one for one in self.all if one.run.is_under_way)

    @property
    def error(self) -> PromptsyncError | None:
        """The error in which what has ended does so, ``None`` when all of it passes."""
        ended = [one for one in self.all if not one.run.is_under_way]
        kinds = {
            "evaluation" if isinstance(one, ProvenEvaluation) else "agent" for one in ended if one.verdict
        }
        error = failure([one.fault for one in ended], kinds.pop() if len(kinds) == 1 else "check")
        if isinstance(error, AnswerIsNo):
            error.hint = _hint(ended)
        return error

    @property
    def passed(self) -> bool:
        """Whether everything has ended well."""
        return not self.under_way and self.error is None

    @property
    def failed_prompts(self) -> frozenset[str]:
        """The prompts that are not proven: a check of theirs did not pass, or is no proof of them."""
        failed: set[str] = set()
        for one in self.all:
            if one.run.is_under_way or (one.verdict and not _only_unbound(one)):
                failed.update(one.check.prompts)
            elif one.verdict:
                failed.update(one.unbound)
        return frozenset(failed)


def _only_unbound(one: Proven) -> bool:
    """Whether doubts are all that stands against a run."""
    return bool(one.doubts) and one.verdict == "; ".join(map(str, one.doubts))


def _hint(ended: Iterable[Proven]) -> str:
    failed = [one for one in ended if one.verdict]
    if failed and all(map(_only_unbound, failed)):
        push = any(doubt.version is None for one in failed for doubt in one.doubts)
        first = "promptsync push publishes what the files say; " if push else ""
        return f"{first}--allow-unbound takes a run for passed that is no proof of the version"
    is_unscored = [one.run.status is Status.COMPLETED and _has_no_score(one) for one in failed]
    if failed and all(is_unscored):
        return "--allow-unscored takes an evaluation without a score for passed"
    return ""


def _has_no_score(one: Proven) -> bool:
    return isinstance(one, ProvenEvaluation) and one.run.score is None and not one.run.failed_cells
