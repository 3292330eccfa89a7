"""Starts one workflow for all events of ten seconds, again after a failure, so that no event is lost."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import httpx

from promptsync.errors import UsageError

MERGED_SECONDS: Final = 10.0
"""How long an event waits for others."""
RETRY_SECONDS: Final = 30.0
REJECTED_SECONDS: Final = 300.0
"""How long until another attempt: until then, a person may fix what GitHub or GitLab rejects."""
STOP_SECONDS: Final = 8.0
"""How long a stop may take. Docker and Cloud Run kill a process after 10 seconds."""

_REPOSITORY: Final = re.compile(r"[\w.-]+/[\w./-]+|\d+")
_URL: Final = re.compile(r"https://[^\s?#@]+|http://(?:127\.0\.0\.1|localhost)(?::\d+)?(?:/[^\s?#@]*)?")

_log = logging.getLogger("promptsync.relay")


def start_of(
    github: str, gitlab: str, *, token: str, api_url: str, branch: str
) -> Callable[[str], dict[str, Any]]:
    """Return what makes the request that starts a workflow by its name. Raises ``UsageError``.

    GitLab runs it on ``branch``, GitHub on the default branch.
    """
    if bool(github) == bool(gitlab) or not _REPOSITORY.fullmatch(github or gitlab):
        raise UsageError("pass --github OWNER/REPO or --gitlab GROUP/PROJECT")
    base = api_url.rstrip("/") or ("https://api.github.com" if github else "https://gitlab.com/api/v4")
    if not _URL.fullmatch(base):
        hint = f"use https://HOST/api/{'v3' if github else 'v4'}"
        raise UsageError(f"--api-url {api_url!r} is not an https URL", hint=hint)
    if github:
        url = f"{base}/repos/{github}/dispatches"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        return lambda name: {"url": url, "headers": headers, "json": {"event_type": f"promptsync-{name}"}}
    url, form = f"{base}/projects/{quote(gitlab, safe='')}/trigger/pipeline", {"token": token, "ref": branch}
    return lambda name: {"url": url, "data": {**form, "variables[PROMPTSYNC_EVENT]": name}}


class Dispatcher:
    """Collects events, and starts their workflows on a thread that begins with the first event."""

    def __init__(
        self,
        start: Callable[[str], dict[str, Any]],
        token: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start, self._token, self._clock = start, token, clock
        self._due: dict[str, float] = {}
        """When each workflow that events wait for has to start, by the clock."""
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="relay", daemon=True)
        # No redirects: the token would go along to wherever they lead.
        try:
            self._client = httpx.Client(timeout=5, limits=httpx.Limits(max_keepalive_connections=0))
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
            hint = "check SSL_CERT_FILE, SSL_CERT_DIR, HTTPS_PROXY and ALL_PROXY in your shell"
            raise UsageError(f"cannot set up a connection: {error}", hint=hint) from None
        self.status = "ok"
        """After the last request: ``ok``, ``retrying`` or ``rejected``."""

    def add(self, name: str) -> bool:
        """Accept an event for a workflow; return whether none was waiting."""
        with self._changed:
            is_first = name not in self._due
            self._due.setdefault(name, self._clock() + MERGED_SECONDS)
            if self._thread.ident is None:  # not earlier, because a host may fork before
                self._thread.start()
            self._changed.notify()
        return is_first

    def send(self, *, everything: bool = False) -> None:
        """Start the workflows that are due, or all that wait."""
        with self._changed:
            now = self._clock()
            names = [name for name, due in self._due.items() if everything or due <= now]
            for name in names:  # an event that arrives from now on needs a run of its own
                del self._due[name]
        for name in names:
            if (seconds := self._request(name)) is not None:
                with self._changed:
                    self._due[name] = self._clock() + seconds

    def close(self) -> bool:
        """Start what waits, and stop; return whether nothing is left."""
        with self._changed:
            is_again, self._is_closed = self._is_closed, True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        is_complete = not (self._due or self._thread.is_alive())
        if not is_complete and not is_again:
            _log.error("stopped before every workflow was started; the nightly run finds what changed")
        return is_complete

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._is_closed:
                    break
                due = min(self._due.values(), default=None)
                self._changed.wait(None if due is None else max(0, due - self._clock()))
            self.send()
        self.send(everything=True)

    def _request(self, name: str) -> float | None:
        """Start a workflow; return the seconds until another attempt, ``None`` if it started."""
        status, wait = 0, ""
        try:
            with self._client.stream("POST", **self._start(name)) as response:
                # Only the beginning: what arrives may be of any length.
                reason = next(response.iter_bytes(300), b"").decode(errors="replace")
            status, wait = response.status_code, response.headers.get("Retry-After", "")
        except Exception as error:  # none may end the thread
            reason = f"{type(error).__name__}: {error}"
        if 200 <= status < 300:
            self.status = "ok"
            _log.info("started promptsync-%s", name)
            return None
        reason = f"promptsync-{name} was not started: {status or ''} {reason.replace(self._token, '***')!a}"
        is_rejected = not (wait or status in (0, 408, 429) or status >= 500)
        seconds = REJECTED_SECONDS if is_rejected else RETRY_SECONDS
        if wait.isdecimal():
            seconds = min(int(wait[:9]), 3600)
        self.status = "rejected" if is_rejected else "retrying"
        reason += "; check the token, its permissions and the repository" if is_rejected else ""
        level = logging.ERROR if is_rejected else logging.WARNING
        _log.log(level, "%s; trying again in %.0f s", reason, seconds)
        return seconds
