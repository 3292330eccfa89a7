"""Edits one prompt with the API, as somebody would in the dashboard: DATABASE NAME OLD NEW."""

from __future__ import annotations

import json
import sys

import httpx

from promptsync.registry.open import LocalTransport
from promptsync.server.app import create_app


def main() -> None:
    database, name, old, new = sys.argv[1:]
    headers = {"X-API-KEY": "demo"}
    with (
        create_app(database) as app,
        httpx.Client(transport=LocalTransport(app), base_url="http://registry", headers=headers) as client,
    ):
        current = client.get(f"/prompt-templates/{name}", params={"resolve_snippets": False}).json()
        body = {
            "prompt_template": {"prompt_name": name, "tags": current["tags"]},
            "prompt_version": {
                "prompt_template": json.loads(json.dumps(current["prompt_template"]).replace(old, new)),
                "metadata": current["metadata"],
                "commit_message": "Edited in the dashboard",
            },
        }
        version = client.post("/rest/prompt-templates", json=body).json()["version_number"]
    print(f'\n(in the dashboard: "{old}" becomes "{new}", saved as v{version})')


if __name__ == "__main__":
    main()
