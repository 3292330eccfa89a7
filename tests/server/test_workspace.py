"""A request that names a workspace: every route accepts the key's own and refuses any other."""

from __future__ import annotations

import re

from promptsync.server.routes import ROUTES

TARGETS = [
    (route.method, re.sub("<[^>]+>", "1", re.sub("<string[^>]+>", "1" * 36, route.path))) for route in ROUTES
]
REFUSAL = "Invalid workspace_id."


def bodies(workspace):
    nested = {"prompt_template": {"prompt_name": "a", "workspace_id": workspace}, "prompt_version": {}}
    return [{"workspace_id": workspace}, nested]


def test_a_foreign_workspace_is_a_400_everywhere(app, call):
    own = app.store.workspace_id
    odd = [own + 1, -own - 1, True, float(own), 1.5, 10**30, "x", str(own), [own], {}]
    for index, (method, target) in enumerate(TARGETS):
        for body in bodies(odd[index % len(odd)]) + bodies(own + 1):
            call.expect((method, target, body, 400, REFUSAL))
        for text in (own + 1, f"{own}.0", "x", f"0{own}"):
            call.expect((method, f"{target}?workspace_id={text}", None, 400, REFUSAL))
    assert call("GET", "/prompt-templates").body["items"] == []


def test_the_own_workspace_and_none_change_nothing(app, call):
    own = app.store.workspace_id
    for method, target in TARGETS:
        for body in bodies(own) + bodies(None):
            assert REFUSAL not in call(method, f"{target}?workspace_id={own}", body).raw.decode()
        assert REFUSAL not in call(method, f"{target}?workspace_id=").raw.decode()
