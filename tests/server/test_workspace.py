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
    for sign in (1, -1):
        own = app.store.workspace_id
        odd = [True, float(own), 1.5, 10**30, "x", str(own), [own], {}]
        for index, (method, target) in enumerate(TARGETS):
            foreign = (own + 1) * sign
            sent = [(target, body) for value in (foreign, odd[index % len(odd)]) for body in bodies(value)]
            sent += [
                (f"{target}?workspace_id={text}", None) for text in (foreign, f"{own}.0", "x", f"0{own}")
            ]
            for path, body in sent:
                answer = call(method, path, body)
                assert (answer.status, answer.body["message"]) == (400, REFUSAL), (method, path, body)
        assert call("GET", "/prompt-templates").body["items"] == [], sign


def test_the_own_workspace_and_none_change_nothing(app, call):
    own = app.store.workspace_id
    for method, target in TARGETS:
        for body in bodies(own) + bodies(None):
            answer = call(method, f"{target}?workspace_id={own}", body)
            assert answer.status < 500
            assert REFUSAL not in answer.raw.decode()
        assert REFUSAL not in call(method, f"{target}?workspace_id=").raw.decode()
