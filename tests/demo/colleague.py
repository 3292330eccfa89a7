"""Edits one prompt over HTTP, as the registry's own pages would: URL NAME OLD NEW."""

from __future__ import annotations

import json
import sys
import urllib.request
from urllib.parse import quote


def main() -> None:
    url, name, old, new = sys.argv[1:]
    headers = {"X-API-KEY": "demo", "Content-Type": "application/json"}
    path = f"{url.rstrip('/')}/prompt-templates/{quote(name, safe='')}?resolve_snippets=false"
    with urllib.request.urlopen(urllib.request.Request(path, headers=headers)) as answer:
        held = json.load(answer)
    template = json.loads(json.dumps(held["prompt_template"]).replace(old, new))
    body = {
        "prompt_template": {"prompt_name": name, "tags": held["tags"]},
        "prompt_version": {
            "prompt_template": template,
            "metadata": held["metadata"],
            "commit_message": "Edited in the dashboard",
        },
    }
    request = urllib.request.Request(
        f"{url.rstrip('/')}/rest/prompt-templates", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request) as answer:
        print(f"(somebody published v{json.load(answer)['version_number']} of {name})")


if __name__ == "__main__":
    main()
