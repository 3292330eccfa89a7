"""A request that names a workspace: every route accepts the key's own and refuses any other."""

from __future__ import annotations

import re

import pytest

from promptsync.server.routes import ROUTES

EVERY_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
REFUSAL = "Invalid workspace_id."


def target(path, query=""):
    path = re.sub(r"<string[^>]+>", "1" * 36, path)
    return re.sub(r"<[^>]+>", "1", path) + query


def bodies(workspace):
    nested = {"prompt_template": {"prompt_name": "a", "workspace_id": workspace}, "prompt_version": {}}
    return [{"workspace_id": workspace}, nested]


@EVERY_ROUTE
def test_a_foreign_workspace_is_a_400_everywhere(app, call, route):
    own = app.store.workspace_id
    for workspace in (1, own + 1, -own, True, float(own), 1.5, 10**30, "x", str(own), [own], {}):
        for body in bodies(workspace):
            answer = call(route[0], target(route[1]), body)
            assert (answer.status, answer.body["message"]) == (400, REFUSAL), body
    for text in ("1", str(own + 1), f"-{own}", f"{own}.0", "x", f"0{own}"):
        answer = call(route[0], target(route[1], f"?workspace_id={text}"))
        assert (answer.status, answer.body["message"]) == (400, REFUSAL), text


@EVERY_ROUTE
def test_the_own_workspace_and_none_change_nothing(app, call, route):
    own = app.store.workspace_id
    for body in bodies(own) + bodies(None):
        answer = call(route[0], target(route[1], f"?workspace_id={own}"), body)
        assert answer.status < 500
        assert REFUSAL not in answer.raw.decode()
    assert REFUSAL not in call(route[0], target(route[1], "?workspace_id=")).raw.decode()


def test_nothing_is_stored_for_a_foreign_workspace(call):
    flat = {"prompt_name": "a", "prompt_template": {"messages": []}, "workspace_id": 1}
    assert call("POST", "/rest/prompt-templates", flat).status == 400
    assert call("GET", "/prompt-templates").body["items"] == []
