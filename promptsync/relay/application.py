"""The WSGI application that receives events: the signature, replays, and which workflow an event starts."""

from __future__ import annotations

import atexit
import hmac
import json
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import werkzeug
from werkzeug.exceptions import NotFound

from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config, load
from promptsync.prompt.labels import is_own
from promptsync.relay.dispatch import Dispatcher, start_of

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
