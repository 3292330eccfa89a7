"""Receives the webhooks of PromptLayer, and starts workflows on GitHub or GitLab.

``Relay`` is the WSGI application: the signature, replays, and which workflow an event starts. ``Dispatcher``
starts one workflow for all events of ten seconds, again after a failure, so that no event is lost.
"""

from __future__ import annotations

import atexit
import hmac
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx
import werkzeug
from werkzeug.exceptions import NotFound

from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config, load
from promptsync.prompt.labels import is_own

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

WORKFLOWS: Final = {
    "prompt_template_version_created": "drift",
    "prompt_template_updated": "drift",
    "prompt_template_name_changed": "drift",
    "prompt_template_deleted": "drift",
    "prompt_template_label_change_approved": "approved",
}
"""Event to the workflow that it starts. A label that moves changes no file, and a deploy moves many."""

MAX_BODY: Final = 1024 * 1024
MOST_SEEN: Final = 1000
"""How many events are remembered, so that one that arrives again starts nothing."""

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


def create_app(
    *, secret: str, token: str, github: str = "", gitlab: str = "", api_url: str = "", directory: str = "."
) -> Relay:
    """Return the application for the ``promptsync.yaml`` in a directory. Raises ``UsageError``.

    At the end of the process, it starts what still waits.
    """
    secret, token = secret.strip(), token.strip()  # mounted secrets end with a newline
    for name, value in (("PROMPTLAYER_WEBHOOK_SECRET", secret), ("PROMPTSYNC_RELAY_TOKEN", token)):
        if not re.fullmatch(r"[!-~]+", value):
            problem = "contains spaces or other invalid characters" if value else "is not set"
            raise UsageError(f"{name} {problem}", hint=f"export {name}=VALUE")
    config = load(Path(directory) / FILE_NAME)
    branch = next(iter(config.labels), "main")
    start = start_of(github, gitlab, token=token, api_url=api_url, branch=branch)
    relay = Relay(secret, config, Dispatcher(start, token))
    atexit.register(relay.dispatcher.close)
    return relay


def verified(body: bytes, signature: str, secret: str) -> dict[str, Any] | None:
    """Return the event in a body, ``None`` if the signature is not its own."""
    try:
        event = json.loads(body)
        # PromptLayer signs this form of the event, not the bytes that it sends.
        signed = json.dumps(event, sort_keys=True).encode()
    except (ValueError, RecursionError):
        return None
    expected = hmac.new(secret.encode(), signed, "sha256").hexdigest()
    is_genuine = hmac.compare_digest(expected.encode(), signature.encode())
    return event if is_genuine and isinstance(event, dict) else None


def reason_to_drop(event: Mapping[str, Any], config: Config) -> str:
    """Return why an event starts nothing, an empty text if it starts a workflow."""
    workflow, details = WORKFLOWS.get(str(event.get("event_type"))), event.get("details")
    if workflow is None or not isinstance(details, dict):
        return "it changes no file"
    names = (details.get("prompt_template_name"), details.get("old_prompt_template_name"))
    if not any(isinstance(name, str) and config.in_scope(name) for name in names):
        return "its prompt is not in include:"
    if workflow != "approved":
        return ""
    label, change = str(details.get("prompt_template_label")), str(details.get("change_type"))
    if change.startswith(("delete", "remove")):
        return "a deploy would undo it"
    # The workflow runs for one branch, as a rule the first one.
    is_released = label in [*config.labels.values()][:1] if config.labels else is_own(label)
    return "" if is_released else "its label is not that of the first branch in labels:"


class Relay:
    """A WSGI callable; any number of threads may call it at once."""

    is_signed = True
    max_body = MAX_BODY

    def __init__(self, secret: str, config: Config, dispatcher: Dispatcher) -> None:
        self._secret, self._config, self.dispatcher = secret, config, dispatcher
        self._seen: dict[str, None] = {}
        """The signatures of the last events, oldest first."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return werkzeug.Request.application(self._answer)(environ, start_response)

    def _answer(self, request: werkzeug.Request) -> werkzeug.Response:
        request.max_content_length = MAX_BODY
        if request.path == "/health":
            status = self.dispatcher.status
            return _response(503 if status == "rejected" else 200, status)
        if request.path not in ("/", "/webhook") or request.method != "POST":
            raise NotFound
        signature = request.headers.get("X-PromptLayer-Signature", "")
        event = verified(request.get_data(), signature, self._secret)
        if event is None:
            _log.warning("refused a request: its signature is missing or wrong")
            return _response(401, "unauthorized")
        # ASCII, so that no name can write to a terminal.
        shown = json.dumps([event.get("event_type"), event.get("details")])[1:300].removesuffix("]")
        is_seen = signature in self._seen
        if reason := "it was received before" if is_seen else reason_to_drop(event, self._config):
            _log.info("dropped, because %s: %s", reason, shown)
            return _response(200, "dropped")
        is_first = self.dispatcher.add(WORKFLOWS[event["event_type"]])
        _log.info("%s: %s", "received" if is_first else "merged", shown)
        self._seen[signature] = None
        for old in [*self._seen][:-MOST_SEEN]:
            self._seen.pop(old, None)
        return _response(202, "accepted")


def _response(status: int, word: str) -> werkzeug.Response:
    return werkzeug.Response(json.dumps({"status": word}), status, mimetype="application/json")


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
