"""A program that calls ``run`` of both clients of the official SDK once for each case on its standard input.

Usage: ``python run_providers.py REGISTRY PROVIDERS``, both as URLs.

A case is an object: ``options`` for ``run``, and ``environ``, environment variables for this case alone.
Each line of the output is the blueprint of the logged request, or the error; first those of the synchronous
client, then those of the other.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from typing import Any

import promptlayer


def send_to(providers: str) -> None:
    """Two clients take no address from the environment, so they get it in their tables of servers."""
    import mistralai.sdkconfiguration
    import openrouter.sdkconfiguration

    for module, path in ((mistralai.sdkconfiguration, ""), (openrouter.sdkconfiguration, "/api/v1")):
        servers: Any = module.SERVERS
        for key in servers if isinstance(servers, dict) else range(len(servers)):
            servers[key] = providers + path


async def run(client: Any, options: dict[str, Any]) -> Any:
    answer = client.run(**options)
    if inspect.isawaitable(answer):
        answer = await answer
    if not options.get("stream"):
        return answer
    return [chunk async for chunk in answer][-1] if hasattr(answer, "__aiter__") else list(answer)[-1]


async def main() -> None:
    registry, providers = sys.argv[1:]
    send_to(providers)
    cases = json.load(sys.stdin)
    for made in (promptlayer.PromptLayer, promptlayer.AsyncPromptLayer):
        client = made(api_key="pl_test", base_url=registry)
        for case in cases:
            os.environ.update(case["environ"])
            try:
                said: Any = (await run(client, case["options"]))["prompt_blueprint"]
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
            sys.stdout.write(json.dumps(said) + "\n")
            for name in case["environ"]:
                del os.environ[name]


asyncio.run(main())
