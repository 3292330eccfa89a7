"""Edits one prompt over HTTP, as somebody would in the dashboard: URL NAME OLD NEW."""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any
from urllib.parse import quote

# The registry runs on this machine, so a proxy from the environment must not be used.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
HEADERS = {"X-API-KEY": "demo", "Content-Type": "application/json"}


def fetch(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with OPENER.open(urllib.request.Request(url, data, HEADERS)) as response:
        return json.load(response)


def main() -> None:
    url, name, old, new = sys.argv[1:]
    url = url.rstrip("/")
    current = fetch(f"{url}/prompt-templates/{quote(name, safe='')}?resolve_snippets=false")
    body = {
        "prompt_template": {"prompt_name": name, "tags": current["tags"]},
        "prompt_version": {
            "prompt_template": json.loads(json.dumps(current["prompt_template"]).replace(old, new)),
            "metadata": current["metadata"],
            "commit_message": "Edited in the dashboard",
        },
    }
    version = fetch(f"{url}/rest/prompt-templates", body)["version_number"]
    print(f'\n(in the dashboard: "{old}" becomes "{new}", saved as v{version})')


if __name__ == "__main__":
    main()
