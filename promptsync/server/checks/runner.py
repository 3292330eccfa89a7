"""Running jobs in the background: a queue in the database, a few threads, and leases.

A job whose process died is taken over when its lease ends, a job whose process closed normally at once.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Mapping

from promptsync.server.store.database import Database, Store, StoreError

POLL_SECONDS = 0.5

_log = logging.getLogger(__name__)

Step = Callable[[int], bool]
"""Does the next piece of the job with this target id; true if it is done."""


class Runner:
    """Runs jobs on up to ``threads`` threads; ``steps`` returns the function that advances each kind.

    ``lease`` is how many seconds one step may take before another process considers the job abandoned;
    ``close_seconds`` is how long ``close`` waits for one.
    """

    def __init__(
        self, store: Store, steps: Callable[[], Mapping[str, Step]], *, threads: int, lease: float
    ) -> None:
        self._store = store
        self._steps = steps
        self._most = threads
        self._lease = lease
        self._running: set[threading.Thread] = set()
        self._changed = threading.Condition()
        self._stopped = False
        self.close_seconds = 5.0
        self._owner = uuid.uuid4().hex

    def wake(self) -> None:
        """Look for work, on another thread if there is room for one."""
        with self._changed:
            if not self._stopped and len(self._running) < self._most:
                thread = threading.Thread(target=self._work, name="registry-runner", daemon=True)
                self._running.add(thread)
                thread.start()
            self._changed.notify_all()

    def resume(self) -> None:
        """Continue what an earlier process left unfinished."""
        with self._store.read() as db:
            waiting = db.execute("SELECT count(*) FROM jobs").fetchone()[0]
        for _ in range(min(waiting, self._most)):
            self.wake()

    def close(self) -> None:
        """Stop after the steps that are running; the rest stays queued."""
        with self._changed:
            self._stopped = True
            threads = list(self._running)
            self._changed.notify_all()
        for thread in threads:
            thread.join(self.close_seconds)
        if any(thread.is_alive() for thread in threads):
            # The next process that opens the database should not wait for a model that this one gave up on.
            self._write("UPDATE jobs SET owner = NULL, leased_until = 0 WHERE owner = ?", self._owner)

    def _work(self) -> None:
        me = threading.current_thread()
        try:
            while self._take_one():
                pass
        except (sqlite3.Error, StoreError) as error:
            _log.warning("A run was interrupted: %s", error)
        except Exception:
            _log.exception("A run was interrupted")
        finally:
            with self._changed:
                self._running.discard(me)

    def _take_one(self) -> bool:
        """Do one job, or wait for one; false if there is none and this thread may end."""
        # The lease is claimed in a write transaction, so two processes never get the same job.
        job = None if self._stopped else self._claim()
        if job is not None:
            self._do(*job)
            return True
        with self._changed:
            if self._stopped or not self._has_jobs():
                # Still under the lock, so that whoever adds a job after this starts another thread.
                self._running.discard(threading.current_thread())
                return False
            self._changed.wait(POLL_SECONDS)
            return True

    def _has_jobs(self) -> bool:
        with self._store.read() as db:
            return db.execute("SELECT 1 FROM jobs LIMIT 1").fetchone() is not None

    def _do(self, job_id: int, kind: str, target_id: int) -> None:
        finished = False
        try:
            step = self._steps()[kind]
            while not self._stopped and not finished:
                finished = step(target_id)
                self._write(
                    "UPDATE jobs SET leased_until = ? WHERE id = ?", time.time() + self._lease, job_id
                )
        finally:
            if finished:
                self._write("DELETE FROM jobs WHERE id = ?", job_id)
            else:
                self._write("UPDATE jobs SET owner = NULL, leased_until = 0 WHERE id = ?", job_id)

    def _claim(self) -> tuple[int, str, int] | None:
        moment = time.time()
        with self._store.write() as db:
            job = db.execute(
                "SELECT * FROM jobs WHERE leased_until < ? ORDER BY id LIMIT 1", (moment,)
            ).fetchone()
            if job is None:
                return None
            db.execute(
                "UPDATE jobs SET owner = ?, leased_until = ? WHERE id = ?",
                (self._owner, moment + self._lease, job["id"]),
            )
        return job["id"], job["kind"], job["target_id"]

    def _write(self, statement: str, *values: object) -> None:
        with self._store.write() as db:
            db.execute(statement, values)


def enqueue(db: Database, kind: str, target_id: int) -> None:
    """Add a job, in the same transaction as the row ``target_id`` that it works on."""
    db.execute("INSERT INTO jobs (kind, target_id) VALUES (?, ?)", (kind, target_id))


def is_queued(db: Database, kind: str, target_id: int) -> bool:
    """Return whether the job that works on ``target_id`` is unfinished."""
    found = db.execute("SELECT 1 FROM jobs WHERE kind = ? AND target_id = ?", (kind, target_id)).fetchone()
    return found is not None
