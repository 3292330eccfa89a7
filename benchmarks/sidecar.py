"""A sidecar with 1,000 prompts of 2 KB, and what a bare application under the same server does.

``python -m benchmarks.sidecar LENGTH`` serves such an application and prints its URL.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import CONSOLE_SCRIPT, ROOT, environment
from benchmarks.table import Row
from promptsync.prompt.bundle import Bundle, bundled, encode
from promptsync.server.serve import base_url, bind

_COUNT = 1000
_CONNECTIONS = 8
_LEAST = 0.2
"""The part of the bare application's requests that the sidecar has to answer in the same time."""
_MEGABYTES = 50
_WORDS = Path(ROOT, "README.md").read_text("utf-8").replace("{", "").replace("}", "").split()
_BODIES = {
    "unrendered": {"label": "prod", "skip_input_variable_rendering": True},
    "rendered": {"label": "prod", "input_variables": {"question": "Where is my money?"}},
}


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    prompts = {name: _prompt(name) for name in (f"p{number}" for number in range(_COUNT))}
    file = folder / "prompts.json"
    file.write_bytes(encode(Bundle(prompts, "prod")))
    gets = 800 if quick else 4000
    length = str(len(json.dumps(prompts["p0"].response)))
    serve = [sys.executable, "-c", CONSOLE_SCRIPT, "serve", "--port", "0", "--bundle", str(file)]
    with _serving([sys.executable, "-m", "benchmarks.sidecar", length]) as (bare, _):
        most = {kind: asyncio.run(_rate(bare, body, gets)) for kind, body in _BODIES.items()}
    with _serving(serve) as (url, process):
        for kind, body in _BODIES.items():
            rate = asyncio.run(_rate(url, body, gets))
            ratio = rate / most[kind]
            yield Row(
                f"{kind} gets from a sidecar",
                f"{rate:,.0f} a second",
                f"a bare application: {most[kind]:,.0f} a second, {ratio:.2f} x",
                f"{_LEAST} x",
                ratio >= _LEAST,
                ratio=ratio,
            )
        if sys.platform == "linux":
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            used = pages * 4096 / 2**20
            work = f"memory of a sidecar with {_COUNT:,} prompts"
            yield Row(work, f"{used:.0f} MB", "", f"{_MEGABYTES} MB", used <= _MEGABYTES)


def _prompt(name: str) -> Any:
    text = " ".join(random.Random(name).choices(_WORDS, k=330)) + " {question}"
    message = {"role": "user", "template_format": "f-string", "content": [{"type": "text", "text": text}]}
    template = {"type": "chat", "messages": [message]}
    arguments = {"model": "gpt-4o", "messages": [{"role": "user", "content": message["content"]}]}
    model = {"provider": "openai", "name": "gpt-4o", "parameters": {}}
    response = {"id": 1, "prompt_name": name, "version": 1, "metadata": {"model": model}}
    return bundled({**response, "prompt_template": template, "llm_kwargs": arguments})


@contextmanager
def _serving(command: list[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment()
    ) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip(), child
        finally:
            child.terminate()


async def _rate(url: str, body: dict[str, Any], gets: int) -> float:
    """Return how many gets a second are answered on a few connections that stay open."""
    host, _, port = url.removeprefix("http://").partition(":")
    sent = json.dumps(body).encode()

    async def work(count: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in range(count):
            lines = f"POST /prompt-templates/p{number % _COUNT} HTTP/1.1", f"Host: {host}:{port}"
            kind = "Content-Type: application/json", f"Content-Length: {len(sent)}", "", ""
            writer.write("\r\n".join(lines + kind).encode() + sent)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    await work(50)
    began = time.perf_counter()
    await asyncio.gather(*(work(gets // _CONNECTIONS) for _ in range(_CONNECTIONS)))
    return gets / (time.perf_counter() - began)


def _main(length: str) -> None:
    from uvicorn import Config, Server

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-length", length.encode()), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * int(length)})

    with bind("127.0.0.1", 0) as bound:
        sys.stdout.write(base_url(*bound.getsockname()[:2]) + "\n")
        sys.stdout.flush()
        config = Config(
            app, http="h11", loop="asyncio", lifespan="off", log_level="critical", access_log=False
        )
        Server(config).run(sockets=[bound])


if __name__ == "__main__":
    _main(*sys.argv[1:])
