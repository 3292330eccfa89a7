from __future__ import annotations

import re
import sys
from urllib.parse import quote

import httpx
from registry_server import Caller, flat

import promptsync
from promptsync.server.app import create_app, install_command
from promptsync.server.routes import ROUTES


def test_every_answer_is_json_that_ends_in_a_newline(call):
    for method, path in (("GET", "/prompt-templates"), ("GET", "/nowhere"), ("PUT", "/prompt-templates")):
        answer = call(method, path)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.raw.endswith(b"}\n")
        assert int(answer.headers["Content-Length"]) == len(answer.raw)
    got, head = call("GET", "/prompt-templates"), call("HEAD", "/prompt-templates")
    assert (head.raw, head.headers) == (b"", got.headers)


def test_paths_and_methods(call):
    lacks = "docs/compatibility.md"
    found = ("/prompt-templates", "/prompt-templates/", "//prompt-templates", "///prompt-templates")
    missing = (
        *(("GET", path) for path in ("/", "", "/rest", "/rest/prompt-templates", "http://127.0.0.1:1")),
        *(("DELETE", "/prompt-templates/x"), ("BREW", "/prompt-templates"), ("OPTIONS", "/reports/1")),
        *(("POST", "/api/public/v2/env-vars"), ("GET", "/api/public/v2/requests/suggestions")),
        *(("POST", "/rest/workflows"), ("DELETE", "/reports/1/external-ids/a/b%2Fc")),
        *(("PUT", "/prompt-templates/by-external-id/git/1"), ("GET", "/api/public/v2/tool-registry")),
    )
    call.expect(
        *(("GET", path, None, 200) for path in found),
        ("GET", "http://127.0.0.1:1/prompt-templates?page=1#fragment", None, 200),
        ("GET", "/prompt-templates//labels", None, 404),
        ("GET", "/prompt-templates/x/y", None, 404),
        # The SDKs repeat a request after a 5xx, so an operation that is missing is none.
        *((method, path, None, 404, lacks) for method, path in missing),
    )


def test_any_name_is_addressed_by_its_encoded_form_and_a_bare_slash_separates(call, publish):
    for name in (
        *("a/labels", "labels", "by-external-id", "50% off", "a?b#c", "../up", "名前", "a b", "a%2Fb"),
        *("x\ny", "\N{NULL}", "+"),
    ):
        publish(name)
        path = f"/prompt-templates/{quote(name, safe='')}"
        rendered = call("POST", path, {})
        assert rendered.status == 200, name
        assert rendered.body["prompt_name"] == name, name
        if name != "labels":
            assert call("GET", path).body["prompt_name"] == name, name
        assert call("GET", f"{path}/labels").body["release_labels"] == [], name
    publish("a/labels")
    assert call("GET", "/prompt-templates/a/labels").status == 404
    publish("a")
    assert "release_labels" in call("GET", "/prompt-templates/a/labels").body


def test_any_wsgi_server_can_call_the_application(tmp_path):
    with create_app(tmp_path / "r.db") as app, httpx.Client(transport=httpx.WSGITransport(app)) as client:
        found = client.get("http://localhost/prompt-templates?per_page=3&name=é", headers={"X-API-KEY": "k"})
    assert (found.status_code, found.json()["per_page"]) == (200, 3)


def test_keys(tmp_path):
    for configured, key, body, status in (
        (None, None, None, 401),
        (None, "", None, 401),
        (None, "anything", None, 200),
        (None, None, {"api_key": "anything"}, 200),
        *((None, None, body, 401) for body in ({"api_key": ""}, {"api_key": 3}, [])),
        ("secret", "secret", None, 200),
        ("secret", "Secret", None, 401),
        ("secret", None, {"api_key": "secret"}, 200),
        ("secret", "wrong", {"api_key": "secret"}, 401),
        ("gehéim", "gehéim".encode().decode("latin-1"), None, 200),
    ):
        with create_app(tmp_path / "r.db", api_key=configured) as app:
            assert Caller(app, key)("GET", "/prompt-templates", body).status == status, body


def test_without_the_key_every_answer_is_that_the_key_is_wrong(tmp_path):
    targets = [
        *(("DELETE", "/prompt-templates", b""), ("OPTIONS", "/nowhere", b""), ("GET", "/nowhere", b"")),
        *(("HEAD", "/prompt-templates", b""), ("GET", "/prompt-templates?page=x", b"")),
        *(("POST", "/rest/prompt-templates", raw) for raw in (b"{", b'{"api_key": "wrong"}')),
        *((route.method, route.path, b'{"api_key": "secre"}') for route in ROUTES),
    ]
    with create_app(tmp_path / "r.db", api_key="secret") as app:
        for key in (None, "wrong", "secre", "secrets"):
            for method, target, raw in targets:
                answer = Caller(app, key)(method, target, raw=raw)
                assert answer.status == 401
                assert answer.headers.keys() == {"Content-Type", "Content-Length"}


def test_the_key_is_neither_stored_nor_echoed(tmp_path, call):
    secret = "pl_never_keep_me"
    answer = call("POST", "/rest/prompt-templates", flat("x", metadata={"a": 1}, api_key=secret))
    assert secret not in answer.raw.decode()
    assert secret not in call("GET", "/prompt-templates").raw.decode()
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


VALUES = (b"[]", b'"text"', b"3", b"[" * 200 + b"]" * 200)
"""JSON, but no objects."""


def test_a_body_is_a_json_object_and_an_empty_one_counts_as_empty(call, publish):
    for raw in (
        *(b"{", b"nope", b"\xff\xfe", b"[" * 100_000, *VALUES),
        *(b'{"a": %s}' % value for value in (b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b'"\\ud800"')),
        b'{"\\udfff": 1}',
    ):
        for path in ("/rest/prompt-templates", "/prompt-templates/x"):
            answer = call("POST", path, raw=raw)
            assert answer.status == (422 if raw in VALUES else 400), raw
            assert answer.body["success"] is False, raw
    publish("x")
    for raw in (b"", b"  \n", b"null", b"{}", b"\xef\xbb\xbf{}"):
        assert call("POST", "/prompt-templates/x", raw=raw).status == 200, raw


def test_a_body_that_is_too_large_is_refused(call, monkeypatch):
    monkeypatch.setattr("promptsync.server.http.MAX_BODY", 100)
    assert call("POST", "/rest/prompt-templates", raw=b" " * 101).status == 413
    assert call("POST", "/prompt-templates/x", raw=b" " * 100).status == 404


QUERIES = {
    200: ("page=999999999999999999", "per_page=1000", "page=", "name=null", "unknown=1"),
    400: ("external_source=git&external_id=x", "&".join(["a=1"] * 500)),
    422: (
        *("page=0", "page=-1", "page=x", "page=٣", "page=99999999999999999999999", "per_page=0"),
        *("status=gone", "sort_by=size", "sort_order=up", "is_snippet=perhaps"),
        "per_page=null",
    ),
}


def test_query_parameters_are_checked(call):
    for status, queries in QUERIES.items():
        call.expect(*(("GET", f"/prompt-templates?{query}", None, status) for query in queries))
    answer = call("GET", "/prompt-templates?created_after=2020-01-01").body
    assert answer["message"] == answer["detail"][0]["msg"] == "created_after: not supported by this registry."
    assert answer["detail"][0]["loc"] == ["query", "created_after"]


def test_anybody_can_see_whether_the_registry_works(app):
    call = Caller(app, key=None)
    healthy = {"status": "ok", "registry": "promptsync", "version": promptsync.__version__}
    assert (call("GET", "/health").status, call("GET", "/health").body) == (200, healthy)
    assert call("HEAD", "/health").status == 200
    app.close()
    for path in ("/health", "/prompt-templates"):
        answer = Caller(app)("GET", path)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_a_package_that_is_not_installed_is_named_with_the_command_that_installs_it(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    answer = call("POST", "/v1/traces", raw=b"x", content_type="application/x-protobuf")
    assert answer.status == 400
    assert "opentelemetry" in answer.body["message"]
    assert answer.body["message"].endswith(install_command())


def test_the_command_that_installs_it_is_for_the_python_that_runs(monkeypatch):
    monkeypatch.setattr("sys.executable", "/a b/python")
    for pip, command in (
        ("here", "'/a b/python' -m pip install 'promptsync[serve]'"),
        (None, "uv pip install 'promptsync[serve]' --python '/a b/python'"),
    ):
        monkeypatch.setattr("promptsync.server.app.find_spec", lambda name, pip=pip: pip)
        assert install_command() == command


# -- workspaces ----------------------------------------------------------------------------------------------

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
