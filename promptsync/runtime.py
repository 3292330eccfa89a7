"""Prompts for applications: from the registry, or from a bundle when the registry fails or is late.

It needs ``promptlayer`` 1.3 or later and nothing else of promptsync: an application may have a copy of it.
"""

import hashlib
import importlib
import json
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from contextvars import copy_context
from pathlib import Path
from typing import Any

OUTAGES = ("TimeoutError", "ConnectionError", "InternalServerError", "RateLimitError", "AuthenticationError")
"""Names of errors after which the registry gets a pause. Others, such as 404, concern a single prompt."""
Values = Mapping[str, Any]
logger = logging.getLogger("promptsync.runtime")
_lock = threading.RLock()  # a signal handler may load a prompt, too
if hasattr(os, "register_at_fork"):  # a forked process has no thread to free a lock that is held
    os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.RLock()))


class PromptUnavailable(LookupError):
    """Neither the registry nor the bundle has the prompt; ``__cause__`` is the error of the SDK."""


class LoadedPrompt(dict[str, Any]):
    """What ``templates.get`` of the SDK returns. ``reason`` says why the prompt is from the bundle."""

    source, reason = "registry", ""


class _Loader:
    def __init__(
        self, client: Any, bundle: str | Path = "prompts.json", timeout: float = 2, retry_after: float = 10
    ) -> None:
        """Read the bundle once; times are in seconds. ``counts`` has the number of prompts by source."""
        inspect = importlib.import_module("inspect")  # takes long to load, and the SDK has loaded it
        if inspect.iscoroutinefunction(client.templates.get) is not isinstance(self, AsyncPrompts):
            raise TypeError("Prompts needs a PromptLayer client, and AsyncPrompts an AsyncPromptLayer client")
        self._sdk = importlib.import_module("promptlayer.templates")
        if not hasattr(self._sdk, "render_response"):
            raise ImportError("promptsync.runtime needs promptlayer 1.3 or later")
        self._client, self._path, self.timeout, self.retry_after = client, bundle, timeout, retry_after
        try:
            document = json.loads(Path(bundle).read_bytes())
            if document["format"] != "promptsync-bundle/2":
                raise ValueError(f"it has the format {document['format']!r}")
            self._label, self._known, self._responses = document["label"], {}, {}
            for name, prompt in document["prompts"].items():
                written = prompt.pop("checksum")
                content = json.dumps([self._label, name, prompt], sort_keys=True).encode()
                if hashlib.sha256(content).hexdigest() != written:
                    raise ValueError(f"it was edited: {name!r} does not match its checksum")
                self._known[name] = prompt["version"], prompt["renders"]
                # As JSON, because callers may change what they get, and parsing is the fastest way to copy.
                self._responses[name] = json.dumps(prompt["response"])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            message = f"{bundle} is not a valid bundle: {error}. Run promptsync bundle -o {bundle}"
            raise ValueError(message) from None
        self.counts, self._outage, self._tried_at = Counter[str](), "", 0.0

    def _check_pause(self) -> None:
        """Let one call try again after a pause. The more calls still hang, the longer is the pause."""
        hanging = sum(thread.name == __name__ for thread in threading.enumerate()) if self._outage else 0
        with _lock:
            if self._outage and time.monotonic() < self._tried_at + self.retry_after * min(hanging or 1, 30):
                raise PromptUnavailable(f"paused after: {self._outage}")
            self._tried_at = time.monotonic()

    def _loaded(self, name: str, response: Any, reason: str = "") -> LoadedPrompt:
        if not isinstance(response, dict) or not response.get("prompt_template"):
            raise TypeError(f"the SDK returned {type(response).__name__}, not a prompt")
        if (other := response.get("prompt_name")) != name:
            raise ValueError(f"the registry returned another prompt: {other!r}")
        prompt = LoadedPrompt(response)
        prompt.source, prompt.reason = "bundle" if reason else "registry", reason
        with _lock:
            self.counts[prompt.source] += 1
            self._outage = self._outage if reason else ""
        return prompt

    def _from_bundle(self, name: str, request: Values, error: Exception) -> LoadedPrompt:
        late, paused = isinstance(error, TimeoutError), isinstance(error, PromptUnavailable)
        reason = f"no answer in {self.timeout:g} s" if late else str(error) if paused else repr(error)[:300]
        if type(error).__name__.endswith(OUTAGES):
            self._outage, self._tried_at = reason, time.monotonic()
        if refusal := self._refusal(name, request):
            message = f"{name}: {self._path} {refusal}; the registry failed: {reason}"
            raise PromptUnavailable(message) from (None if paused else error)
        logger.log(logging.DEBUG if paused else logging.WARNING, "%s is from the bundle: %s", name, reason)
        response = self._sdk.render_response(json.loads(self._responses[name]), request["input_variables"])
        self._sdk.set_prompt_span_attributes(response, name, label=request.get("label"))
        return self._loaded(name, response, reason)

    def _refusal(self, name: str, request: Values) -> str:
        """Say why the bundle cannot answer. One that was made from a commit has no label: it serves all."""
        if name not in self._known:
            return "has no such prompt"
        (bundled, renders), version = self._known[name], request.get("version")
        if bundled != version if version else self._label not in (None, request.get("label")):
            return f"has version {bundled} with the label {self._label}"
        if unknown := sorted(request.keys() - {"label", "version", "input_variables", "metadata_filters"}):
            return f"cannot apply {', '.join(unknown)}"
        return "" if renders == "anywhere" else "cannot render it; promptsync serve --bundle can"

    def _request(self, label: str | None, input_variables: Values | None, more: Values) -> Values:
        """Return the parameters for the SDK. A version replaces the label, which would win over it."""
        selected = {"label": label} if label and not more.get("version") else {}
        return {**selected, "input_variables": dict(input_variables or {}), **more}


class Prompts(_Loader):
    """Loads prompts with a ``promptlayer.PromptLayer`` client. Threads can share it."""

    def get(
        self, name: str, label: str | None = "prod", input_variables: Values | None = None, **more: Any
    ) -> LoadedPrompt:
        """Return what ``client.templates.get`` returns, or raise ``PromptUnavailable``."""
        request = self._request(label, input_variables, more)
        answer, context = Future[Any](), copy_context()

        def call() -> None:  # in a thread, because the SDK has no timeout, that cannot prevent an exit
            try:
                answer.set_result(context.run(self._client.templates.get, name, request))
            except BaseException as error:
                answer.set_exception(error)

        try:
            self._check_pause()
            threading.Thread(target=call, name=__name__, daemon=True).start()
            response = answer.result(self.timeout)
            for variable, value in context.items():  # the SDK's trace of this prompt
                variable.set(value)
            return self._loaded(name, response)
        except Exception as error:
            return self._from_bundle(name, request, error)


class AsyncPrompts(_Loader):
    """Loads prompts with a ``promptlayer.AsyncPromptLayer`` client."""

    async def get(
        self, name: str, label: str | None = "prod", input_variables: Values | None = None, **more: Any
    ) -> LoadedPrompt:
        """Return what ``client.templates.get`` returns, or raise ``PromptUnavailable``."""
        import asyncio

        request = self._request(label, input_variables, more)
        try:
            self._check_pause()
            async with asyncio.timeout(self.timeout):
                return self._loaded(name, await self._client.templates.get(name, request))
        except Exception as error:
            return self._from_bundle(name, request, error)
