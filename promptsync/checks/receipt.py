"""The results of checks: each with the reason why it failed, and the one error of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from promptsync.checks.assignment import Check
from promptsync.checks.catalog import Kind
from promptsync.checks.past_runs import LiveScore
from promptsync.checks.run import Run, Status
from promptsync.checks.tables.comparison import Comparison
from promptsync.checks.versions import Unbound
from promptsync.errors import AnswerIsNo, Incomplete, Interrupted, PromptsyncError, RemoteError

ALLOW_UNSCORED = "add --allow-unscored"


class Standard(Struct, frozen=True):
    """The options for all checks: limits besides those of each check, and exceptions.

    Without ``fails_on_noise``, a table whose rows cannot tell whether a version is worse passes.
    """

    min_score: float | None = None
    allow_unscored: bool = False
    allow_unbound: bool = False
    max_drop: float | None = None
    fails_on_noise: bool = True


class Failure(Struct, frozen=True):
    """Why a check failed; ``kind`` is one word, such as ``min-score``."""

    kind: str
    message: str


class CheckResult(Struct, frozen=True):
    """The result of one check, whose limits include those of the command line.

    ``live`` is the score that its own is compared with. Of a table, ``live_run`` is the run of the live
    version, and ``comparison`` compares their rows. ``unbound`` are the versions that it did not check,
    although the run itself passed.
    """

    check: Check
    run: Run
    live: LiveScore = LiveScore()
    failures: tuple[Failure, ...] = ()
    unbound: tuple[Unbound, ...] = ()
    allow_unscored: bool = False
    live_run: Run | None = None
    comparison: Comparison | None = None

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
    def drop(self) -> float | None:
        """How far its score is below that of the live version."""
        return self.live.drop(self.run.score)

    @property
    def max_drop(self) -> float | None:
        """How far it may be below; outside of a deploy, scores are compared with nothing."""
        return self.check.max_drop if self.live else None

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
            states = [f": {result.run.stopped}" if result.run.stopped else "" for result in running]
            return Interrupted(
                "interrupted while checks were running" if running else "interrupted",
                hint=_follow(running),
                details=[
                    f"{result.title}: {result.run.location}{state}"
                    for result, state in zip(running, states, strict=True)
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
