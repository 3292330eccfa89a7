"""The tools of PromptLayer's MCP server, against the embedded registry.

``python tests/fidelity/mcp_tools.py FOLDER`` starts the built server in FOLDER (``node build/index.js``) over
stdio, calls its tools and prints a line for each: what the tool answered, or its error. The exit code is 1
if a tool that only reads fails. It needs Node.js, and is run by hand.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from operation_tries import LOGGED, SPANS, TRACE, served
from registry_server import chat

ELSEWHERE = """data:text/javascript,
const real = globalThis.fetch;
globalThis.fetch = (url, options) =>
  real(url.replace("https://api.promptlayer.com", process.env.PROMPTLAYER_BASE_URL), options);
"""
"""A module that sends the requests of the server to another base URL, which it has no setting for."""

PUBLISHED = {
    "prompt_template": {"prompt_name": "published", "tags": ["t"]},
    "prompt_version": {"prompt_template": chat("@@@tone@@@ {name}"), "commit_message": "m"},
    "release_labels": ["dev"],
}
NAME = {"input_variables": {"name": "Ana"}}

# In the order in which they make what the next ones read. The ids are those of ``world``.
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create-folder", {"name": "folder"}),
    ("resolve-folder-id", {"path": "folder"}),
    ("publish-prompt-template", PUBLISHED),
    ("get-folder-entities", {"flatten": True, "include_metadata": True}),
    ("get-folder-entities", {"filter_type": "SNIPPET", "search_query": "TO"}),
    ("list-prompt-templates", {"label": "prod", "tags": "t"}),
    ("get-prompt-template", {"prompt_name": "greeting", "label": "prod", "metadata_filters": {"plan": "x"}}),
    ("get-prompt-template", {"prompt_name": "greeting", **NAME}),
    ("get-prompt-template-raw", {"identifier": "published", "resolve_snippets": False}),
    ("get-snippet-usage", {"identifier": "tone"}),
    ("create-prompt-label", {"prompt_id": 3, "prompt_version_number": 2, "name": "dev"}),
    ("move-prompt-label", {"prompt_label_id": 4, "prompt_version_number": 1}),
    ("list-prompt-template-labels", {"identifier": "greeting"}),
    ("delete-prompt-label", {"prompt_label_id": 4}),
    ("log-request", {**LOGGED, "prompt_version_number": 1, "metadata": {"user": "ana"}}),
    ("get-request", {"request_id": 1}),
    ("search-request-logs", {"q": "hi", "per_page": 5}),
    ("search-request-logs", {"filters": [{"field": "engine", "operator": "is", "value": "gpt-4o"}]}),
    ("create-spans-bulk", SPANS),
    ("get-trace", {"trace_id": TRACE}),
    ("list-datasets", {"name": "quality"}),
    ("get-dataset-rows", {"dataset_id": 2}),
    ("list-evaluations", {"include_runs": True}),
    ("run-report", {"report_id": 1, "name": "nightly"}),
    ("get-report", {"report_id": 2}),
    ("get-report-score", {"report_id": 2}),
    ("get-evaluation-rows", {"evaluation_id": 2}),
    ("list-workflows", {}),
    ("get-workflow", {"workflow_id_or_name": "echo-agent", "label": "prod"}),
    ("get-workflow-labels", {"workflow_id_or_name": "echo-agent"}),
    ("run-workflow", {"workflow_name": "echo-agent", **NAME}),
    *(
        ("get-workflow-version-execution-results", {"workflow_version_execution_id": 3, **outputs})
        for outputs in ({}, {"return_all_outputs": True}, {"workflow_node_id": 1})
    ),
    ("delete-folder-entities", {"entities": [{"id": 5, "type": "SNIPPET"}]}),
)


class Server:
    """A running MCP server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._ids = itertools.count(1)

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its result."""
        number = next(self._ids)
        self.send({"id": number, "method": method, "params": params})
        for line in self._process.stdout or ():
            message = json.loads(line)
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(message["error"]["message"])
                result: dict[str, Any] = message["result"]
                return result
        raise RuntimeError("the server has ended")

    def call(self, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
        """Call a tool; return whether it worked, and the first line that it answered."""
        try:
            result = self.request("tools/call", {"name": tool, "arguments": arguments})
        except RuntimeError as error:
            return False, str(error).partition("\n")[0]
        return not result.get("isError"), result["content"][0]["text"].partition("\n")[0]

    def send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()


@contextmanager
def mcp_server(folder: Path, base_url: str) -> Iterator[Server]:
    """Run the built server in ``folder`` against a registry, after the handshake."""
    command = ["node", "--import", ELSEWHERE.replace("\n", ""), str(folder / "build" / "index.js")]
    environment = {**os.environ, "PROMPTLAYER_API_KEY": "pl_test", "PROMPTLAYER_BASE_URL": base_url}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    about = {"name": "fidelity", "version": "1"}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            server = Server(process)
            hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about}
            server.request("initialize", hello)
            server.send({"method": "notifications/initialized"})
            yield server
        finally:
            process.terminate()


def main(folder: Path) -> int:
    """Print a line for each call, then the tools that were not called; return the exit code."""
    failed: list[str] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        served(Path(scratch)) as url,
        mcp_server(folder, url) as server,
    ):
        tools = [tool["name"] for tool in server.request("tools/list", {})["tools"]]
        for tool, arguments in CALLS:
            worked, text = server.call(tool, arguments)
            print(f"{'works' if worked else 'fails':7}{tool:44}{text}")
            failed += [] if worked else [tool]
    for tool in sorted(set(tools) - {tool for tool, _ in CALLS}):
        print(f"{'':7}{tool:44}not called")
    print(f"{len(CALLS)} calls of {len(tools)} tools, {len(failed)} failed")
    return int(any(tool.startswith(("get-", "list-", "search-", "resolve-")) for tool in failed))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
