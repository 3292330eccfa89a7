"""The model endpoint for evaluations and agents of an embedded registry."""

from __future__ import annotations

from typing import Final

from promptsync.commands.shared.session import Environment
from promptsync.errors import UsageError
from promptsync.registry.address import address
from promptsync.server.checks.endpoint import Endpoint

KEY: Final = "PROMPTSYNC_MODEL_KEY"
"""The environment variable with the endpoint's key, unless another one is specified."""


def endpoint(
    environment: Environment,
    url: str,
    *,
    name: str | None = None,
    key_variable: str | None = None,
    timeout: float | None = None,
) -> Endpoint:
    """Return the endpoint at ``url``; its key is read from the environment variable ``key_variable``.

    ``timeout`` is in seconds. Raises ``UsageError`` for a malformed URL, a ``key_variable`` that is not set,
    and a key that would cross a network unencrypted.
    """
    key = environment.secret(key_variable or KEY) or ""
    if key_variable is not None and not key:
        raise UsageError(f"{key_variable} is not set", hint=f"export {key_variable}=…")
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"{url!r} is not the URL of a model", hint="pass its base URL, such as http://127.0.0.1:11434/v1"
        )
    if key:
        try:
            address(url)
        except UsageError as error:
            raise UsageError(f"the model's {error.message}", hint=error.hint) from None
    known = Endpoint(url, key, name or environment.model_name or "")
    return known if timeout is None else Endpoint(known.url, known.api_key, known.model, timeout)
