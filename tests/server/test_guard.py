"""A web page can neither read nor change a served registry; programs can, whatever library they use."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from registry_server import Caller, chat, completion, flat, running

from promptsync.errors import UsageError
from promptsync.server.guard import Hosts
from promptsync.server.serve import bind

PUBLISH = "/rest/prompt-templates"
SKILLS = "/api/public/v2/skill-collections"
JSON = "application/json"


@pytest.fixture
def url(app) -> Iterator[str]:
    with running(app) as url:
        yield url


class Sent:
    """A request as given, with no header but these; ``body`` is the parsed JSON of the response."""

    def __init__(self, url: str, method: str, target: str, headers: dict[str, str], body: str = "") -> None:
        authority = url.removeprefix("http://")
        # Ports and addresses are only known once the server runs.
        headers = {name: value.replace("HERE", authority) for name, value in headers.items()}
        host, _, port = authority.rpartition(":")
        connection = HTTPConnection(host.strip("[]"), int(port), timeout=30)
        try:
            connection.putrequest(method, target.replace("HERE", authority), skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body.encode())))
            connection.endheaders(body.encode() or None)
            response = connection.getresponse()
            self.status = response.status
            self.headers = {name.lower(): value for name, value in response.getheaders()}
            self.body = json.loads(response.read() or "null")
        finally:
            connection.close()


def published(app) -> list[str]:
    return [item["prompt_name"] for item in Caller(app)("GET", "/prompt-templates").body["items"]]


# -- hosts ---------------------------------------------------------------------------------------------------

LOOPBACK = Hosts(8470, loopback=True, names=frozenset({"registry.test"}))
PUBLIC = Hosts(8470, loopback=False, names=frozenset({"registry.test"}))


HOSTS = {
    (True, True): (
        *("127.0.0.1:8470", "localhost:8470", "LocalHost:8470", "127.8.9.10:8470", "127.0.0.1:08470"),
        *("[::1]:8470", "[::ffff:127.0.0.1]:8470"),
        *("registry.test:8470", "registry.test:9000", "REGISTRY.test"),
    ),
    (False, True): (
        *("127.0.0.1", "127.0.0.1:80", "localhost:9000", "0.0.0.0:8470", "[::]:8470", "[fe80::1]:8470"),
        *("192.168.0.7:8470", "[::ffff:192.168.0.7]:8470"),
    ),
    (False, False): (
        *("evil.example:8470", "evil.example", "localhost.evil.example:8470", "a.localhost:8470"),
        *("127.0.0.1.evil.example:8470", "registry.test.evil.example:8470", "localhost.:8470"),
        *("2130706433:8470", "0x7f.1:8470", "user@127.0.0.1:8470", "127.0.0.1:8470, evil.example"),
        *("127.0.0.1:8470/", "127.0.0.1:", "127.0.0.1:x", "[::1", "[::1%25lo]:8470", ":8470"),
        *("", " ", "*", "null"),
    ),
}
"""Hosts by whether they are accepted on the loopback interface, and on a network."""


@pytest.mark.parametrize(
    ("host", "on_loopback", "on_a_network"),
    [(host, *accepted) for accepted, hosts in HOSTS.items() for host in hosts],
)
def test_hosts(host: str, on_loopback: bool, on_a_network: bool) -> None:
    assert LOOPBACK.accept(host) is on_loopback
    assert PUBLIC.accept(host) is on_a_network


# -- what a page can send ------------------------------------------------------------------------------------


def test_what_a_page_can_send_is_refused(app, url) -> None:
    for headers, status, words in (
        ({"Host": "evil.example"}, 403, "'evil.example' is not an address of this registry"),
        ({"Host": "evil.example:8470"}, 403, "promptsync serve --allow-host evil.example"),
        ({"Host": "localhost:1"}, 403, "Use the URL that promptsync serve prints"),
        ({"Host": ""}, 400, "The Host header is missing"),
        ({"Origin": "http://evil.example"}, 403, "Web pages cannot use this registry"),
        ({"Origin": "https://HERE"}, 403, "Origin: https://"),
        ({"Origin": "http://localhost:3000"}, 403, "Origin: http://localhost:3000"),
        ({"Origin": "null"}, 403, "Origin: null"),
        ({"Origin": ""}, 403, "Origin: )"),
        ({"Origin": "http://HERE, http://evil.example"}, 403, "Web pages"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site: cross-site"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "Sec-Fetch-Site: same-site"),
        ({"Content-Type": "text/plain"}, 415, "it is 'text/plain'"),
        ({"Content-Type": "text/plain; x=application/json"}, 415, "must be application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "-H 'Content-Type: application/json'"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "must be application/json"),
        ({"Content-Type": "application/jsonp"}, 415, "must be application/json"),
        ({"Content-Type": ""}, 415, "it is missing"),
    ):
        full = {"Content-Type": JSON, "X-API-KEY": "k", **headers}
        sent = Sent(url, "POST", PUBLISH, full, json.dumps(flat("stolen")))
        assert (sent.status, sent.headers["content-type"]) == (status, JSON), headers
        assert words in sent.body["message"], headers
    assert published(app) == []


def test_what_programs_send_is_accepted(app, url) -> None:
    for name, headers in enumerate(
        (
            {"Content-Type": JSON},
            {"Content-Type": "Application/JSON; charset=utf-8"},
            {"Content-Type": JSON, "Origin": "http://HERE"},
            {"Content-Type": JSON, "Sec-Fetch-Site": "none"},
            {"Content-Type": JSON, "Sec-Fetch-Site": "same-origin"},
            {"Content-Type": JSON, "Sec-Fetch-Mode": "cors"},  # fetch() of Node.js sends it
        )
    ):
        sent = Sent(url, "POST", PUBLISH, {"X-API-KEY": "k", **headers}, json.dumps(flat(str(name))))
        assert (sent.status, published(app)[0]) == (201, str(name)), headers


def test_protobuf_is_accepted_but_not_from_a_page(url) -> None:
    one_unknown_field = "\x10\x01"
    for headers, status in (({}, 200), ({"Origin": "http://evil.example"}, 403)):
        full = {"X-API-KEY": "k", "Content-Type": "application/x-protobuf", **headers}
        assert Sent(url, "POST", "/v1/traces", full, one_unknown_field).status == status


def test_a_form_is_accepted_for_skills_and_with_the_key_in_its_header_only(app, url) -> None:
    about = json.dumps({"name": "mine", "api_key": "k", "prompt_name": "mine", "prompt_template": chat()})
    form = f'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{about}\r\n--b--\r\n'
    for target, headers, status in (
        # A page can send a form, but no X-API-KEY, whatever it writes into the form.
        (SKILLS, {}, 415),
        (SKILLS, {"X-API-KEY": ""}, 415),
        (SKILLS, {"X-API-KEY": "k", "Origin": "http://evil.example"}, 403),
        (SKILLS, {"X-API-KEY": "k", "Sec-Fetch-Site": "cross-site"}, 403),
        (PUBLISH, {"X-API-KEY": "k"}, 415),
        ("/api/public/v2/folders", {"X-API-KEY": "k"}, 415),
        (f"{SKILLS}/1", {"X-API-KEY": "k"}, 404),
        ("/nowhere", {"X-API-KEY": "k"}, 404),
        (SKILLS, {"X-API-KEY": "k"}, 201),
    ):
        full = {"Content-Type": "Multipart/Form-Data; boundary=b", **headers}
        sent = Sent(url, "POST", target, full, form)
        assert sent.status == status, (target, headers, sent.body)
        skills = Caller(app)("GET", SKILLS).body["skill_collections"]
        stored = ["mine"] if status == 201 else []
        assert ([skill["name"] for skill in skills], published(app)) == (stored, [])


def test_a_preflight_is_refused_and_there_are_no_cors_headers(url) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    origins = ({}, {"Origin": "http://HERE"}, {"Origin": "http://evil.example"})
    for target, headers in itertools.product(("/prompt-templates", PUBLISH, "/nowhere", "*"), origins):
        sent = Sent(url, "OPTIONS", target, {"X-API-KEY": "k", **asked, **headers})
        assert sent.status == 403
        assert [name for name in sent.headers if name.startswith("access-control")] == []


def test_a_page_can_load_nothing_as_a_script_or_an_image(url) -> None:
    for headers, status in (({"X-API-KEY": "k"}, 200), ({}, 401), ({"Host": "evil.example"}, 403)):
        sent = Sent(url, "GET", "/prompt-templates", headers)
        assert (sent.status, sent.headers["x-content-type-options"]) == (status, "nosniff")
        assert sent.headers["cross-origin-resource-policy"] == "same-origin"


def test_an_absolute_url_has_to_name_the_registry_and_the_path_is_bounded(url) -> None:
    key = {"X-API-KEY": "k"}
    assert Sent(url, "GET", "http://HERE/prompt-templates", key).status == 200
    assert Sent(url, "GET", "http://evil.example/prompt-templates", key).status == 403
    # In a query it is text.
    assert Sent(url, "GET", "/prompt-templates?name=http://evil.example/", key).status == 200
    key = {"X-API-KEY": "k"}
    assert Sent(url, "GET", "/prompt-templates?name=" + "x" * 8000, key).status == 200
    sent = Sent(url, "GET", "/prompt-templates?name=" + "x" * 9000, key)
    assert (sent.status, sent.headers["content-type"]) == (414, JSON)
    assert "longer than 8,192 characters" in sent.body["message"]


def test_get_changes_nothing(app, url) -> None:
    """A page can make a browser send any GET, with a cookie at most."""
    from promptsync.server.routes import ROUTES

    call = Caller(app)
    assert call("POST", PUBLISH, flat("a", release_labels=["prod"])).status == 201
    before = call("GET", "/prompt-templates").body, call("GET", "/prompt-templates/labels").body
    for path in {route.path for route in ROUTES if route.method == "GET"}:
        parts = ["1" if part.startswith("<") else part for part in path.split("/")]
        Sent(url, "GET", "/".join(parts), {"X-API-KEY": "k"})
    assert (call("GET", "/prompt-templates").body, call("GET", "/prompt-templates/labels").body) == before


# -- other addresses -----------------------------------------------------------------------------------------


def exists(address: str) -> bool:
    """Whether this machine has the address; macOS has only one for the loopback interface."""
    try:
        bind(address, 0).close()
    except UsageError:
        return False
    return True


def test_the_ipv6_loopback_address_works(app) -> None:
    if not exists("::1"):
        pytest.skip("this machine has no IPv6")
    with running(app, host="::1") as url:
        assert Sent(url, "GET", "/prompt-templates", {"X-API-KEY": "k"}).status == 200
        assert Sent(url, "GET", "/prompt-templates", {"X-API-KEY": "k", "Host": "evil.example"}).status == 403


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.1", True), ("LOCALHOST", True), ("::1", True), ("0", False), ("::", False), ("192.0.2.1", False)],
)
def test_only_loopback_addresses_are_bound_without_a_key(host: str, is_loopback: bool) -> None:
    try:
        bind(host, 0, loopback_only=True).close()
    except UsageError as error:
        if "which requires --api-key" not in error.message:
            pytest.skip(f"this machine cannot listen on it: {error.message}")
        assert not is_loopback
    else:
        assert is_loopback


# -- clients -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("body", ["small", "large"])
def test_curl_publishes(tmp_path, app, url, body) -> None:
    """A large body makes curl ask with ``Expect: 100-continue`` first."""
    text = "x" * (2_000_000 if body == "large" else 10)
    (tmp_path / "body.json").write_text(json.dumps(flat("mine", completion(text))))
    command = ["curl", "-s", "--fail-with-body", "--noproxy", "*", "-H", "X-API-KEY: k", "-d", "@body.json"]
    ran = subprocess.run(
        [*command, "-H", f"Content-Type: {JSON}", url + PUBLISH], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert published(app) == ["mine"]
    # Without the header curl sends a form, and the answer has the fix.
    ran = subprocess.run([*command, url + PUBLISH], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 22
    assert "add -H 'Content-Type: application/json'" in json.loads(ran.stdout)["message"]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_fetch_of_node_publishes(app, url) -> None:
    program = """
        const [url, body] = process.argv.slice(1);
        const headers = {"Content-Type": "application/json", "X-API-KEY": "k"};
        fetch(url, {method: "POST", headers, body}).then(answer => console.log(answer.status));
    """
    body = json.dumps(flat("mine", chat()))
    command = ["node", "-e", program, url + PUBLISH, body]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "201", ran.stderr
    assert published(app) == ["mine"]
