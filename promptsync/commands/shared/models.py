"""The model endpoint for evaluations and agents of an embedded registry, which loads the server."""

from __future__ import annotations

from promptsync.commands.shared.session import Environment
from promptsync.errors import UsageError
from promptsync.registry.address import address
from promptsync.server.checks.models import Endpoint


def endpoint(environment: Environment) -> Endpoint | None:
    """Return the endpoint at ``PROMPTSYNC_MODEL_URL``, ``None`` without one.

    Raises ``UsageError`` for a malformed URL, and for a key that would cross a network unencrypted.
    """
    url, key = environment.model_url, environment.model_key or ""
    if url is None:
        return None
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"{url!r} is not the URL of a model", hint="pass its base URL, such as http://127.0.0.1:11434/v1"
        )
    if key:
        try:
            address(url)
        except UsageError as error:
            raise UsageError(f"the model's {error.message}", hint=error.hint) from None
    return Endpoint(url, key, environment.model_name or "")
