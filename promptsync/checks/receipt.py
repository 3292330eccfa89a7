"""The results of checks: each with the reason why it failed, and the one error of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from promptsync.checks.agents import AgentRun
from promptsync.checks.assignment import AgentCheck, Check, EvaluationCheck, highest, lowest
from promptsync.checks.batch import Run, Status
from promptsync.checks.evaluations import EvaluationRun
from promptsync.checks.live_scores import LiveScore
from promptsync.errors import AnswerIsNo, Incomplete, Interrupted, PromptsyncError, RemoteError

ALLOW_UNSCORED = "add --allow-unscored"


@dataclass(frozen=True, slots=True)
class Standard:
    """What runs must reach to pass. ``min_score`` and ``max_drop`` are 0 to 100.

    ``max_drop`` is how far a score may be below that of the version that is live.
    """

    min_score: float | None = None
    allow_unscored: bool = False
    allow_unbound: bool = False
    max_drop: float | None = None

    def with_limits(self, check: EvaluationCheck) -> Standard:
        """Return this standard with the limits of a check, where those are stricter."""
        return replace(
            self,
            min_score=highest([self.min_score, check.min_score]),
            max_drop=lowest([self.max_drop, check.max_drop]),
        )

    def evaluation_failure(self, run: EvaluationRun, live: LiveScore | None = None) -> str:
        """Return why a run of an evaluation failed; empty if it passed or is under way.

        ``live`` is the score that it is compared with.
        """
        if run.is_under_way or (reason := run.stopped or _stopped(run)):
            return "" if run.is_under_way else reason
        if run.failed_cells:
            return f"{len(run.failed_cells)} failed {'cell' if len(run.failed_cells) == 1 else 'cells'}"
        if run.score is None:
            return "" if self.allow_unscored else "no score"
        return "; ".join(filter(None, [self.shortfall(run.score), self.excess(run.score, live)]))

    def shortfall(self, score: float) -> str:
        """Return that a score is below the minimum; empty if it is not."""
        if self.min_score is None or score >= self.min_score:
            return ""
        return f"score {score:g} is below the minimum of {self.min_score:g}"

    def excess(self, score: float, live: LiveScore | None) -> str:
        """Return that a score is too far below that of the live version; empty if it is not."""
        drop = live.drop(score) if live is not None else None
        if live is None or drop is None or self.max_drop is None or drop <= self.max_drop:
            return ""
        below = f"{drop:g} below the {live.score:g} of v{live.version}, which is live"
        return f"score {score:g} is {below}; max_drop is {self.max_drop:g}"

    def agent_failure(self, run: AgentRun) -> str:
        """Return why a run of an agent failed; empty if it passed or is under way."""
        # A failed node says more about the reason than the status of the run.
        if run.error is None and run.status is not Status.TIMED_OUT:
            for name, node in run.outputs.items():
                if node.failed:
                    return f"node {name} failed: {node.error or node.status}"
        return _stopped(run)


def _stopped(run: Run) -> str:
    """Return why a run did not complete; empty if it did, or is under way."""
    if run.error is not None:
        return run.error.message
    if run.status is Status.TIMED_OUT:
        return f"timed out; {run.location} is still running"
    return "" if run.status in (Status.COMPLETED, Status.RUNNING) else f"did not complete: {run.status}"


@dataclass(frozen=True, slots=True)
class Unbound:
    """A version that a run should have checked, and why it may have run another one.

    ``version`` is ``None`` if no version matches the prompt's file.
    """

    prompt: str
    version: int | None
    reason: str

    @property
    def target(self) -> str:
        """The prompt and its version, for people."""
        return self.prompt if self.version is None else f"{self.prompt} v{self.version}"

    def __str__(self) -> str:
        return f"{self.target} was not checked: {self.reason}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. ``reason`` is why it failed, empty if it passed or is under way.

    ``unbound`` are the versions that it did not check, although the run itself passed.
    """

    check: Check
    run: Run
    reason: str = field(default="", kw_only=True)
    unbound: tuple[Unbound, ...] = field(default=(), kw_only=True)

    @property
    def passed(self) -> bool | None:
        """Whether it passed, ``None`` while it is under way."""
        return None if self.run.is_under_way else not self.reason

    @property
    def error(self) -> RemoteError | None:
        """The failure of the registry, if that is why it did not pass."""
        return self.run.error


@dataclass(frozen=True, slots=True)
class EvaluationResult(CheckResult):
    """The result of an evaluation. ``standard`` includes the limits of its check.

    ``live`` is the score of the version that is live, if the run is compared with it.
    """

    check: EvaluationCheck
    run: EvaluationRun
    standard: Standard = Standard()
    live: LiveScore | None = None

    @property
    def _is_whole(self) -> bool:
        run = self.run
        return run.status is Status.COMPLETED and run.error is None and not run.failed_cells

    @property
    def is_unscored(self) -> bool:
        """Whether a missing score is why it failed."""
        return self._is_whole and self.run.score is None and not self.standard.allow_unscored

    @property
    def is_too_low(self) -> bool:
        """Whether its score is why it failed."""
        is_scored = self._is_whole and self.run.score is not None
        return is_scored and bool(self.standard.evaluation_failure(self.run, self.live))

    @property
    def drop(self) -> float | None:
        """How far its score is below that of the live version, ``None`` if one of the two is unknown."""
        return self.live.drop(self.run.score) if self.live is not None else None

    @property
    def change(self) -> float | None:
        """The score less the previous one."""
        run = self.run
        if run.score is None or run.previous_score is None:
            return None
        return round(run.score - run.previous_score, 2)

    @property
    def error(self) -> RemoteError | None:
        missing = self.run.no_score if self.is_unscored else None
        if missing is None:
            return self.run.error
        return RemoteError(missing.message, hint=ALLOW_UNSCORED, code=missing.code)


@dataclass(frozen=True, slots=True)
class AgentResult(CheckResult):
    """The result of one run of an agent."""

    check: AgentCheck
    run: AgentRun


@dataclass(frozen=True, slots=True)
class CheckResults:
    """The results of all checks. ``interrupted`` says that Ctrl-C came before all had ended."""

    evaluations: tuple[EvaluationResult, ...] = ()
    agents: tuple[AgentResult, ...] = ()
    interrupted: bool = False

    @property
    def all(self) -> tuple[EvaluationResult | AgentResult, ...]:
        return (*self.evaluations, *self.agents)

    @property
    def under_way(self) -> tuple[EvaluationResult | AgentResult, ...]:
        """Those that were started and have not ended."""
        return tuple(one for one in self.all if one.run.is_under_way)

    @property
    def error(self) -> PromptsyncError | None:
        """The one error of all results, ``None`` if none failed.

        A start with an unknown outcome takes precedence, then a failure of the registry.
        """
        if self.interrupted:
            return self._interruption
        failed = [one for one in self.all if one.passed is False]
        unknown = [one for one in failed if one.run.status is Status.MAYBE_STARTED]
        if unknown:
            return Incomplete(
                f"{', '.join(one.run.name for one in unknown)} may or may not have been started",
                hint="check the PromptLayer dashboard before you run it again",
                details=_reasons(failed),
                code="unknown-outcome",
            )
        error = next((one.error for one in failed if one.error is not None), None)
        if error is not None:
            others = _reasons(failed)[1:]
            return RemoteError(
                error.message, hint=error.hint, details=others or error.details, code=error.code
            )
        return _failure(failed) if failed else None

    @property
    def passed(self) -> bool:
        """Whether everything has ended and passed."""
        return not self.under_way and self.error is None

    @property
    def _interruption(self) -> Interrupted:
        running = self.under_way
        return Interrupted(
            "interrupted; the registry continues what was started" if running else "interrupted",
            hint=_follow(running),
            details=[f"{one.run.name}: {one.run.location}" for one in running],
        )


def _reasons(failed: Sequence[CheckResult]) -> list[str]:
    """Return a line for each failure, those of the registry first."""
    lines = [(one, one.error.message if one.error is not None else one.reason) for one in failed]
    lines.sort(key=lambda line: line[0].error is None)
    return [f"{one.run.name}: {reason}" for one, reason in lines]


def _failure(failed: Sequence[EvaluationResult | AgentResult]) -> AnswerIsNo:
    reasons = _reasons(failed)
    kinds = {"evaluation" if isinstance(one, EvaluationResult) else "agent" for one in failed}
    noun = kinds.pop() if len(kinds) == 1 else "check"
    return AnswerIsNo(
        reasons[0] if len(reasons) == 1 else f"{len(reasons)} {noun}s failed",
        hint=_hint(failed),
        details=reasons if len(reasons) > 1 else (),
        code="not-passed",
    )


def _follow(running: Sequence[CheckResult]) -> str:
    """Return the commands that wait for the first two of these runs."""
    return "\n".join([one.run.follow_command for one in running if one.run.follow_command][:2])


def _hint(failed: Sequence[EvaluationResult | AgentResult]) -> str:
    if all(one.run.status is Status.TIMED_OUT for one in failed):
        return _follow(failed)
    if all(one.unbound for one in failed):
        is_unpublished = any(unbound.version is None for one in failed for unbound in one.unbound)
        accept = "add --allow-unbound"
        return f"promptsync push\n{accept}" if is_unpublished else accept
    if all(isinstance(one, EvaluationResult) and one.is_unscored for one in failed):
        return ALLOW_UNSCORED
    return ""
