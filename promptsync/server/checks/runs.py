"""Runs of evaluations and agents: the steps of each, and the threads that do them.

A run is under way while a step of it has no cells. The process that starts a run works on it, and so does
any process that is polled for it: a run that ended in the middle goes on with the next poll. If two processes
work on one run, both may ask the model, and the cells that are stored first stay.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from promptsync.server.prompts import items
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, Store, StoreError, encoded, insert, storable

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptsync.server.checks.models import Models

    DoNext = Callable[[Store, Models, Any], bool]
    """Does the next step of the run with this id; false if there is none."""

EVALUATION, EVALUATION_RUN, AGENT_RUN = "evaluation", "evaluation run", "agent run"
"""The kinds of rows in the table of runs. An evaluation is one, because it shares its ids with its runs."""

_log = logging.getLogger(__name__)


class StepCell(msgspec.Struct, frozen=True):
    """A part of what a step results in: a value, or the reason why there is none."""

    value: Any = None
    error: str | None = None


class RunStep(msgspec.Struct, frozen=True):
    """A row of a dataset, or a node of an agent; ``cells`` is ``None`` until it is done."""

    position: int
    inputs: dict[str, Any]
    cells: list[StepCell] | None


def described(cell: StepCell | None, success: str) -> dict[str, Any]:
    """Return a cell as in a response. ``success`` is the status of a value, ``None`` a cell that waits."""
    if cell is None:
        return {"status": "QUEUED", "value": None, "error_message": None}
    status = success if cell.error is None else "FAILED"
    return {"status": status, "value": cell.value, "error_message": cell.error}


def chosen_version(db: Database, prompt: dict[str, Any]) -> Row:
    """Return the version of a prompt that a fixtures file refers to; 404 otherwise."""
    return items.version(db, items.find(db, prompt["name"]), prompt["version"], prompt["label"])


def create_run(
    db: Database,
    kind: str,
    version_id: int,
    steps: list[dict[str, Any]],
    spec: dict[str, Any],
    **columns: Any,
) -> int:
    """Store a run of a version, and return its id. ``steps`` are the inputs of each."""
    columns |= {"kind": kind, "version_id": version_id, "spec": encoded(spec)}
    run_id = insert(db, "runs", **columns, created_at=now(), updated_at=now())
    db.executemany(
        "INSERT INTO steps (run_id, position, inputs) VALUES (?, ?, ?)",
        [(run_id, position, encoded(inputs)) for position, inputs in enumerate(steps)],
    )
    return run_id


_STEPS = 'SELECT position, inputs AS "inputs [json]", cells AS "cells [json]" FROM steps WHERE run_id = ?'


def steps_of(db: Database, run_id: int) -> list[RunStep]:
    """Return all steps of a run, in order."""
    rows = db.execute(f"{_STEPS} ORDER BY position", (run_id,))
    return [msgspec.convert(dict(row), RunStep) for row in rows]


def next_step(db: Database, run_id: int) -> RunStep | None:
    """Return the first step of a run that has no cells yet."""
    row = db.execute(f"{_STEPS} AND cells IS NULL ORDER BY position LIMIT 1", (run_id,)).fetchone()
    return None if row is None else msgspec.convert(dict(row), RunStep)


def store_cells(db: Database, run_id: int, step: RunStep, cells: list[StepCell], model: str | None) -> None:
    """Store what a step results in, unless another process was faster."""
    text = storable(encoded(msgspec.to_builtins(cells)))
    stored = db.execute(
        "UPDATE steps SET cells = ? WHERE run_id = ? AND position = ? AND cells IS NULL",
        (text, run_id, step.position),
    )
    if stored.rowcount:
        db.execute(
            "UPDATE runs SET updated_at = ?, model = coalesce(?, model) WHERE id = ?", (now(), model, run_id)
        )


class Runner:
    """Does the steps of runs on up to ``models.parallel`` threads, each of which works on one run.

    ``close`` waits for the steps that are being done, for up to ``close_seconds``.
    """

    def __init__(self, store: Store, models: Models) -> None:
        self._store = store
        self.models = models
        self._queue: queue.SimpleQueue[tuple[int | str, DoNext | None] | None] = queue.SimpleQueue()
        self._pending: set[int | str] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopped = False
        self.close_seconds = 5.0

    def work_on(self, run_id: int | str, do_next: DoNext | None = None) -> None:
        """Do the steps of a run that are left, unless a thread of this process will do so anyway.

        A sheet or a calculation of a Table is a run whose steps ``do_next`` does.
        """
        with self._lock:
            if self._stopped or run_id in self._pending:
                return
            self._pending.add(run_id)
            self._queue.put((run_id, do_next))
            if len(self._threads) < self.models.parallel:
                # Ctrl-C must not wait for a model that hangs, so threads do not keep the process alive.
                thread = threading.Thread(target=self._work, name="registry-runner", daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Stop after the steps that are being done."""
        with self._lock:
            self._stopped = True
        deadline = time.monotonic() + self.close_seconds
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))

    def _work(self) -> None:
        # Imported for the first run, because most commands that open a registry run nothing.
        from promptsync.server.checks.steps import do_next as do_next_of_run

        for run_id, chosen in iter(self._queue.get, None):
            do_next: DoNext = chosen or do_next_of_run
            try:
                while not self._stopped and do_next(self._store, self.models, run_id):
                    pass
            except (sqlite3.Error, StoreError) as error:
                _log.warning("A run was interrupted: %s", error)
            except Exception:
                _log.exception("A run was interrupted")
            finally:
                with self._lock:
                    self._pending.discard(run_id)
