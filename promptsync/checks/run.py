"""Proving versions of prompts: all their evaluations and agents at once, and what these are a proof of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from promptsync.checks.agents import AgentBatch, AgentOrder, AgentRun
from promptsync.checks.batch import run_together
from promptsync.checks.bind import Binder, Bond, Doubt, Finding
from promptsync.checks.evaluations import EvaluationBatch, Standard
from promptsync.checks.find import Found, find_checks
from promptsync.checks.receipt import Proof, Proven, ProvenAgent, ProvenEvaluation
from promptsync.checks.reports import EvaluationRun, missed_cells
from promptsync.checks.select import AgentCheck, EvaluationCheck, Selection
from promptsync.checks.uses import Use, uses_of_agent
from promptsync.checks.wait import Patience, Progress
from promptsync.parallel import mapped

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


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
    unpublished: Mapping[str, str] | None = None,
) -> Proof:
    """Run all checks of a selection at the same time, wait until they have ended, and judge them.

    ``versions`` are the versions to be proven, by prompt: a check that is no proof of them does not pass,
    unless ``allow_unbound``. Without them, and for prompts that they leave out, a check that passes will do.
    The minimum of ``standard`` and that of a check both count. Without ``patience`` checks are only started.
    ``found`` is what ``find_checks`` said about the selection, if it was asked before, and ``orders`` are the
    runs of its agents, if they are to be run with more than their input variables. ``unpublished`` are
    prompts that say something in their files and something else in the registry, and why: whatever runs is
    no proof of them.

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
            _explained(registry, _evaluation(check, run, standard.at_least(check.min_score)))
            for check, run in zip(checks, evaluations.runs, strict=True)
        ),
        tuple(
            ProvenAgent(check, run, run.verdict)
            for (check, _), run in zip(found.agents, agents.runs, strict=True)
        ),
    )
    if binder is None and not unpublished:
        return proof
    uses = mapped(partial(_uses, registry), orders)
    findings = _findings(proof, binder, [()] * len(checks) + uses, unpublished or {})
    return _bound(proof, findings, wanted, allow_unbound=allow_unbound)


def _uses(registry: Registry, order: AgentOrder) -> tuple[Use, ...]:
    return uses_of_agent(registry, order.agent.id, label=order.label, version=order.version)


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


def _explained(registry: Registry, one: ProvenEvaluation) -> ProvenEvaluation:
    """An evaluation with the checks that said no, where these are what keeps it under its minimum."""
    if not one.standard.is_missed_by(one.run):
        return one
    return replace(one, run=replace(one.run, missed_cells=missed_cells(registry, one.run)))


_Findings = Mapping[tuple[int, str], Finding]
"""What a check, by its place among all of a proof, is for a prompt."""


def _findings(
    proof: Proof, binder: Binder | None, uses: Sequence[tuple[Use, ...]], unpublished: Mapping[str, str]
) -> _Findings:
    """What the checks that passed are for their prompts; ``uses`` is what each sends, if that is known."""
    found: dict[tuple[int, str], Finding] = {}
    for place, one in enumerate(proof.all):
        if one.verdict or one.run.is_under_way:
            continue
        for prompt in one.check.prompts:
            if prompt in unpublished:
                found[place, prompt] = Bond.DOUBT, unpublished[prompt]
            elif binder is not None and prompt in binder.versions:
                found[place, prompt] = _finding(binder, one, prompt, uses[place])
    return found


def _bound(proof: Proof, findings: _Findings, versions: Mapping[str, int], *, allow_unbound: bool) -> Proof:
    """The proof with its doubts. A check of another prompt does no harm to one that some check proves."""
    proven = {prompt for (_, prompt), (bond, _) in findings.items() if bond is Bond.PROOF}

    def doubts(wanted: int) -> tuple[Doubt, ...]:
        return tuple(
            Doubt(prompt, versions.get(prompt), why)
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
