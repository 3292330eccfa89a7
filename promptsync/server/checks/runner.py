"""The threads that compute sheets, among them those of runs and calculations.

A sheet is under way while a cell of it is queued. The process that starts this works on it, and so does any
process that is polled for it: what ended in the middle goes on with the next poll. If two processes work on
one, both may ask the model, and what is stored first stays.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from promptsync.server.store.database import Store, StoreError

if TYPE_CHECKING:
    from promptsync.server.checks.models import Models

_log = logging.getLogger(__name__)


class Runner:
    """Works on up to ``models.parallel`` threads, each on one sheet.

    ``close`` waits for the parts that are being done, for up to ``close_seconds``.
    """

    def __init__(self, registry: Store, models: Models) -> None:
        self._registry = registry
        self.models = models
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._pending: dict[str, bool] = {}
        """What is waited for or worked on, and whether it was requested again since."""
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopped = False
        self.close_seconds = 5.0

    def work_on(self, sheet_id: str) -> None:
        """Compute what is left of a sheet, unless a thread will do so anyway."""
        with self._lock:
            if self._stopped:
                return
            if sheet_id in self._pending:
                # Its thread may just have found that nothing was left.
                self._pending[sheet_id] = True
                return
            self._pending[sheet_id] = False
            self._queue.put(sheet_id)
            if len(self._threads) < self.models.parallel:
                # Ctrl-C must not wait for a model that hangs, so threads do not keep the process alive.
                thread = threading.Thread(target=self._work, name="registry-runner", daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Stop after the parts that are being done."""
        with self._lock:
            self._stopped = True
        deadline = time.monotonic() + self.close_seconds
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))

    def _work(self) -> None:
        # Imported for the first run, because most commands that open a registry run nothing.
        from promptsync.server.tables.compute import compute_next

        for sheet_id in iter(self._queue.get, None):
            try:
                while not self._stopped and compute_next(self._registry, self.models, sheet_id):
                    pass
            except (sqlite3.Error, StoreError) as error:
                _log.warning("A run was interrupted: %s", error)
            except Exception:
                _log.exception("A run was interrupted")
            finally:
                with self._lock:
                    again = self._pending.pop(sheet_id)
                if again:
                    self.work_on(sheet_id)
