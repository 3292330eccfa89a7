"""Past runs of an evaluation: the newest run of a version, and the score of the live version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from promptsync.checks.catalog import Evaluation
from promptsync.checks.executions import STARTED_BY_US, read_report, with_score
from promptsync.checks.results import LiveScore
from promptsync.checks.runs import OTHER_PROMPT, Run, named_version
from promptsync.registry.errors import NotFound

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

MOST: Final = 50
"""How many runs of an evaluation are read at most."""


class PastRuns:
    """The newest completed runs of an evaluation that promptsync started.

    A run that was started elsewhere may have had other rows. Each report is read once, when a question
    needs it.
    """

    def __init__(self, registry: Registry, evaluation: Evaluation) -> None:
        self._registry = registry
        self._evaluation = evaluation
        self._runs: list[Run] = []
        ours = [past for past in evaluation.completed if past.name.startswith(STARTED_BY_US)]
        self._unread, self._is_cut = ours[:MOST], len(ours) > MOST

    def newest(
        self, name: str, template_id: int, version: int, *, is_clean: bool = False
    ) -> tuple[Run | None, str]:
        """Return the newest run that names a version of a prompt, with its score.

        Without one, returns why: empty if it never ran, ``OTHER_PROMPT`` if all runs are of other prompts.
        With ``is_clean``, only a run with a score and without failed cells counts. Raises ``RemoteError``.
        """
        if self._evaluation.runs is None:
            return None, "the registry does not list its runs"
        reasons = []
        for run in self._read():
            number, reason = named_version(run, name, template_id)
            reasons.append(reason)
            if number == version and not (is_clean and (run.failed or run.score is None)):
                return run, ""
        unclear = next((reason for reason in reasons if reason not in ("", OTHER_PROMPT)), "")
        if unclear or (reasons and all(reasons)):
            return None, unclear or OTHER_PROMPT
        return None, f"none of its newest {MOST} runs used it" if self._is_cut else ""

    def live_score(self, name: str, template_id: int | None, version: int, live: int | None) -> LiveScore:
        """Return the score with which that of ``version`` is compared. Raises ``RemoteError``."""
        if live is None or template_id is None:
            return LiveScore(name, reason=f"{name} is not live yet")
        if live == version:
            return LiveScore(name, live, reason=f"{name} v{live} is live already")
        run, why = self.newest(name, template_id, live, is_clean=True)
        if run is None:
            return LiveScore(
                name, live, reason=f"{name} v{live} is live, and {why or 'no run of it has a score'}"
            )
        return LiveScore(name, live, run.score)

    def _read(self) -> Iterator[Run]:
        yield from self._runs
        while self._unread:
            past = self._unread.pop(0)
            run = Run(kind="evaluation", name=self._evaluation.name, item_id=self._evaluation.id, id=past.id)
            try:
                run = read_report(self._registry, run)
            except NotFound:
                continue
            # The score in the list belongs to a run that completed.
            if run.score is None and not run.stopped:
                run = with_score(self._registry, replace(run, score=past.score))
            if run.error is not None:
                raise run.error
            self._runs.append(run)
            yield run
