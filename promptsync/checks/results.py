"""The results of checks: each with the reason why it failed, and the one error of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Kind
from promptsync.checks.comparison import Comparison
from promptsync.checks.runs import TIMEOUT, Run, Status
from promptsync.errors import AnswerIsNo, Incomplete, Interrupted, PromptsyncError, RemoteError

ALLOW_UNSCORED = "add --allow-unscored"


class Standard(Struct, frozen=True):
    """The options for all checks: limits besides those of each check, and exceptions.

    Without ``fails_on_noise``, a table whose rows cannot tell whether a version is worse passes. What has not
    ended after ``timeout`` seconds failed; with 0, checks are only started. ``origin`` is what tables run
    for, such as ``pull request 12``.
    """

    min_score: float | None = None
    allow_unscored: bool = False
    allow_unbound: bool = False
    max_drop: float | None = None
    fails_on_noise: bool = True
    timeout: float = TIMEOUT
    origin: str = ""


class Failure(Struct, frozen=True):
    """Why a check failed; ``kind`` is one word, such as ``min-score``."""

    kind: str
    message: str


class Unbound(Struct, frozen=True):
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


class CheckResult(Struct, frozen=True):
    """The result of one check, whose limits include those of the command line.

    Of a table, ``live_run`` is the run of the live version, ``comparison`` compares their rows, and
    ``not_compared`` is why there is nothing to compare with. ``unbound`` are the versions that it did not
    check, although the run itself passed.
    """

    check: Check
    run: Run
    failures: tuple[Failure, ...] = ()
    unbound: tuple[Unbound, ...] = ()
    allow_unscored: bool = False
    live_version: int | None = None
    live_run: Run | None = None
    comparison: Comparison | None = None
    not_compared: str | None = None

    @property
    def title(self) -> str:
        """What it is called; a table has a result for each prompt, so the prompt comes first."""
        if self.check.kind == "table" and self.check.prompts:
            return f"{self.tested} ({self.run.name})"
        return self.run.name

    @property
    def tested(self) -> str:
        """The first of its prompts, with the version if it tested a published one."""
        version = "" if self.run.version is None else f" v{self.run.version}"
        return f"{self.check.prompts[0]}{version}" if self.check.prompts else "-"

    @property
    def reason(self) -> str:
        """Why it failed, empty if it passed or is under way."""
        return "; ".join(failure.message for failure in self.failures)

    @property
    def live_score(self) -> float | None:
        """The score of the live version."""
        return self.live_run.score if self.live_run is not None else None

    @property
    def drop(self) -> float | None:
        """How far its score is below that of the live version, negative if it is higher."""
        if self.run.score is None or self.live_score is None:
            return None
        return round(self.live_score - self.run.score, 6)  # scores are decimal numbers

    @property
    def passed(self) -> bool | None:
        """Whether it passed, ``None`` while it is under way."""
        return None if self.run.is_under_way else not self.failures

    def failed_by(self, *kinds: str) -> bool:
        """Whether something of these kinds is why it failed."""
        return any(failure.kind in kinds for failure in self.failures)

    @property
    def error(self) -> RemoteError | None:
        """The failure of the registry, if that is why it did not pass."""
        missing = self.run.no_score
        if missing is not None and self.failed_by("unscored"):
            return RemoteError(missing.message, hint=ALLOW_UNSCORED, code=missing.code)
        if self.live_run is not None and {failure.kind for failure in self.failures} == {"cannot-tell"}:
            return self.live_run.error
        return self.run.error


def judge(check: Check, run: Run, standard: Standard, **compared: Any) -> CheckResult:
    """Return the result of a run, which must reach ``standard`` and the limits of its check.

    ``compared`` are the fields of a result that say how a table compares with the live version.
    """
    check = check.with_limits(standard.min_score, standard.max_drop)
    result = CheckResult(check, run, allow_unscored=standard.allow_unscored, **compared)
    return replace(result, failures=tuple(_failures(result, standard)))


def _failures(result: CheckResult, standard: Standard) -> Iterator[Failure]:
    """Yield why a run failed; nothing if it passed or is under way."""
    run = result.run
    failed_node = next((name for name, node in run.outputs.items() if node.failed), None)
    if run.error is not None:
        yield Failure("error", run.error.message)
    elif run.status is Status.TIMED_OUT:
        yield Failure("timed-out", f"timed out; {run.location} is still running")
    elif failed_node is not None:  # it says more about the reason than the status of the run
        node = run.outputs[failed_node]
        yield Failure("failed-node", f"node {failed_node} failed: {node.error or node.status}")
    elif run.stopped:
        yield Failure("failed", run.stopped)
    elif run.status not in (Status.COMPLETED, Status.RUNNING):
        yield Failure("failed", f"did not complete: {run.status}")
    elif run.kind != "agent" and run.status is Status.COMPLETED:
        yield from _shortfalls(result, standard)


def _shortfalls(result: CheckResult, standard: Standard) -> Iterator[Failure]:
    check, run, score = result.check, result.run, result.run.score
    if run.failed:
        # Of an evaluation, the cells are listed; the rows of a table are, and they do not say why.
        why = f": {run.failed_cells[0].reason}" if run.kind == "table" and run.failed_cells else ""
        yield Failure("failed-cell", f"{run.failed} failed {'cell' if run.failed == 1 else 'cells'}{why}")
        return
    if score is None:
        if not standard.allow_unscored:
            yield Failure("unscored", "no score")
    elif check.min_score is not None and score < check.min_score:
        reached = f"{score:g} on the echo model" if run.is_echo else f"score {score:g}"
        yield Failure("min-score", f"{reached} is below the minimum of {check.min_score:g}")
    elif check.min_score is None and run.verdict == "fail":
        # An explicit minimum takes the place of the scorecard's own thresholds.
        yield Failure("scorecard", "the verdict of its scorecard is fail")
    comparison = result.comparison
    if comparison is None or check.max_drop is None:
        return
    if comparison.verdict == "fail":
        yield Failure("max-drop", comparison.reason)
    if comparison.verdict == "cannot tell" and standard.fails_on_noise:
        yield Failure("cannot-tell", f"cannot tell: {comparison.reason}")


class CheckResults(Struct, frozen=True):
    """The results of all checks. ``interrupted`` says that Ctrl-C came before all had ended."""

    all: tuple[CheckResult, ...] = ()
    interrupted: bool = False

    def of(self, kind: Kind) -> tuple[CheckResult, ...]:
        """Return the results of one kind."""
        return tuple(result for result in self.all if result.run.kind == kind)

    @property
    def under_way(self) -> tuple[CheckResult, ...]:
        """Those that were started and have not ended."""
        return tuple(result for result in self.all if result.run.is_under_way)

    @property
    def error(self) -> PromptsyncError | None:
        """The one error of all results, ``None`` if none failed.

        A start with an unknown outcome takes precedence, then a failure of the registry.
        """
        if self.interrupted:
            running = [result for result in self.all if result.run.is_under_way or result.run.stopped]
            return Interrupted(
                "interrupted while checks were running" if running else "interrupted",
                hint=_follow(running),
                details=[
                    ": ".join(filter(None, (result.title, result.run.location, result.run.stopped)))
                    for result in running
                ],
            )
        failed = [result for result in self.all if result.passed is False]
        reasons = _reasons(failed)
        unknown = [result.title for result in failed if result.run.status is Status.MAYBE_STARTED]
        if unknown:
            return Incomplete(
                f"{', '.join(unknown)} may or may not have been started",
                hint="check the PromptLayer dashboard before you run it again",
                details=reasons,
                code="unknown-outcome",
            )
        error = next((result.error for result in failed if result.error is not None), None)
        if error is not None:
            return error.replaced(details=reasons[1:] or error.details)
        if not failed:
            return None
        kinds = {result.check.kind for result in failed}
        noun = kinds.pop() if len(kinds) == 1 and "table" not in kinds else "check"
        return AnswerIsNo(
            reasons[0] if len(reasons) == 1 else f"{len(reasons)} {noun}s failed",
            hint=_hint(failed),
            details=reasons if len(reasons) > 1 else (),
            code="not-passed",
        )

    @property
    def passed(self) -> bool:
        """Whether everything has ended and passed."""
        return not self.under_way and self.error is None


def _reasons(failed: Sequence[CheckResult]) -> list[str]:
    """Return a line for each failure, those of the registry first."""
    lines = [(result, result.error.message if result.error else result.reason) for result in failed]
    lines.sort(key=lambda line: line[0].error is None)
    return [f"{result.title}: {reason}" for result, reason in lines]


def _follow(running: Sequence[CheckResult]) -> str:
    """Return the commands that wait for the first two of these runs."""
    return "\n".join([result.run.follow_command for result in running if result.run.follow_command][:2])


def _hint(failed: Sequence[CheckResult]) -> str:
    if all(result.run.status is Status.TIMED_OUT for result in failed):
        return _follow(failed)
    if all(result.unbound for result in failed):
        is_unpublished = any(gap.version is None for result in failed for gap in result.unbound)
        return "promptsync push\nadd --allow-unbound" if is_unpublished else "add --allow-unbound"
    return ALLOW_UNSCORED if all(result.failed_by("unscored") for result in failed) else ""
