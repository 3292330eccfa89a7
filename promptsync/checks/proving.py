"""Proving versions of prompts: all their evaluations and agents at once, and what these are a proof of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptsync.checks.agents import AgentBatch, AgentOrder, AgentRun
from promptsync.checks.batch import run_together
from promptsync.checks.binding import Binder, Bond, Doubt, Finding
from promptsync.checks.evaluations import EvaluationBatch, Standard, fault_of
from promptsync.checks.finding import Found, find_checks
from promptsync.checks.outcome import Fault, Status, failure
from promptsync.checks.reports import EvaluationRun
from promptsync.checks.selection import AgentCheck, EvaluationCheck, Selection
from promptsync.checks.uses import Use, uses_of_agent
from promptsync.checks.waiting import Patience, Progress
from promptsync.errors import AnswerIsNo, PromptsyncError

if TYPE_CHECKING:
    from promptsync.remote.client import Registry


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


def prove(
    registry: Registry,
    selection: Selection,
    *,
    versions: Mapping[str, int] | None,
    standard: Standard,
    allow_unbound: bool = False,
    patience: Patience | None,
    progress: Progress,
    found: Found | None = None,
    orders: Sequence[AgentOrder] | None = None,
) -> Proof:
    """Run all checks of a selection at the same time, wait until they have ended, and judge them.

    ``versions`` are the versions to be proven, by prompt: a check that is no proof of them does not pass,
    unless ``allow_unbound``. Without them, and for prompts that they leave out, a check that passes will do.
    The minimum of ``standard`` and that of a check both count. Without ``patience`` checks are only started.
    ``found`` is what ``find_checks`` said about the selection, if it was asked before, and ``orders`` are the
    runs of its agents, if they are to be run with more than their input variables.

    Raises what ``find_checks`` does, before anything is started, and ``Interrupted`` with the runs as they
    are. What the registry fails at later is in the run that it concerns.
    """
    found = find_checks(registry, selection) if found is None else found
    wanted = {name: number for name, number in (versions or {}).items() if name in found.prompts}
    binder = Binder(registry, wanted) if wanted else None
    evaluations = EvaluationBatch(registry, [item for _, item in found.evaluations])
    if orders is None:
        orders = [AgentOrder(item, check.input_variables) for check, item in found.agents]
    agents = AgentBatch(registry, orders)
    run_together([evaluations, agents], patience=patience, progress=progress, what="running checks")
    checks = [check for check, _ in found.evaluations]
    proof = Proof(
        tuple(
            map(_evaluation, checks, evaluations.runs, [standard.at_least(one.min_score) for one in checks])
        ),
        tuple(
            ProvenAgent(check, run, run.verdict)
            for (check, _), run in zip(found.agents, agents.runs, strict=True)
        ),
    )
    if binder is None:
        return proof
    uses = [uses_of_agent(registry, one.agent.id, label=one.label, version=one.version) for one in orders]
    return _bound(proof, binder, [()] * len(checks) + uses, allow_unbound=allow_unbound)


def proof_of(runs: Iterable[object], standard: Standard) -> Proof:
    """What runs come to that are to prove no prompt, such as those that Ctrl-C left as they are."""
    known = list(runs)
    evaluations = [run for run in known if isinstance(run, EvaluationRun)]
    agents = [run for run in known if isinstance(run, AgentRun)]
    return Proof(
        tuple(_evaluation(EvaluationCheck(run.evaluation, ()), run, standard) for run in evaluations),
        tuple(ProvenAgent(AgentCheck(run.agent, ()), run, run.verdict) for run in agents),
    )


def _evaluation(check: EvaluationCheck, run: EvaluationRun, standard: Standard) -> ProvenEvaluation:
    return ProvenEvaluation(check, run, standard.verdict(run), standard)


def _bound(proof: Proof, binder: Binder, uses: Sequence[tuple[Use, ...]], *, allow_unbound: bool) -> Proof:
    """The proof with what its checks are no proof of, as far as they passed; ``uses`` is what agents send.

    A check about another prompt does no harm to one that some other check proves.
    """
    findings: dict[tuple[int, str], Finding] = {}
    for place, one in enumerate(proof.all):
        if one.verdict or one.run.is_under_way:
            continue
        for prompt in one.check.prompts:
            if prompt in binder.versions:
                findings[place, prompt] = _finding(binder, one, prompt, uses[place])
    proven = {prompt for (_, prompt), (bond, _) in findings.items() if bond is Bond.PROOF}

    def doubts(wanted: int) -> tuple[Doubt, ...]:
        return tuple(
            Doubt(prompt, binder.versions[prompt], why)
            for (place, prompt), (bond, why) in findings.items()
            if place == wanted and (bond is Bond.DOUBT or (bond is Bond.SILENT and prompt not in proven))
        )

    def verdict(one: Proven, why: tuple[Doubt, ...]) -> str:
        return one.verdict or ("" if allow_unbound else "; ".join(map(str, why)))

    found = [(one, doubts(place)) for place, one in enumerate(proof.all)]
    judged = [replace(one, doubts=why, verdict=verdict(one, why)) for one, why in found]
    split = len(proof.evaluations)
    return Proof(
        tuple(one for one in judged[:split] if isinstance(one, ProvenEvaluation)),
        tuple(one for one in judged[split:] if isinstance(one, ProvenAgent)),
    )


def _finding(binder: Binder, one: Proven, prompt: str, uses: tuple[Use, ...]) -> Finding:
    if isinstance(one, ProvenEvaluation):
        return binder.of_evaluation(prompt, one.check.prompts, one.run)
    return binder.of_uses(prompt, uses)


def _only_unbound(one: Proven) -> bool:
    """Whether doubts are all that stands against a run."""
    return bool(one.doubts) and one.verdict == "; ".join(map(str, one.doubts))


def _hint(ended: Iterable[Proven]) -> str:
    failed = [one for one in ended if one.verdict]
    if failed and all(map(_only_unbound, failed)):
        return "--allow-unbound takes a run for passed that is no proof of the version"
    is_unscored = [one.run.status is Status.COMPLETED and _has_no_score(one) for one in failed]
    if failed and all(is_unscored):
        return "--allow-unscored takes an evaluation without a score for passed"
    return ""


def _has_no_score(one: Proven) -> bool:
    return isinstance(one, ProvenEvaluation) and one.run.score is None and not one.run.failed_cells
