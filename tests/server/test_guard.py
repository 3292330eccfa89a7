"""A web page can neither read nor change a served registry; programs can, whatever library they use."""

from __future__ import annotations

import json

import pytest
from registry_server import Caller, chat, flat, running
from stored import skills_of
from wire import sent

from promptsync.errors import UsageError
from promptsync.server.guard import Hosts
from promptsync.server.serve import bind

PUBLISH = "/rest/prompt-templates"
SKILLS = "/api/public/v2/skill-collections"
JSON = "application/json"


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


def test_hosts() -> None:
    for accepted, hosts in HOSTS.items():
        for host in hosts:
            assert (LOOPBACK.accept(host), PUBLIC.accept(host)) == accepted, host


# -- what a page can send ------------------------------------------------------------------------------------


def test_what_a_page_can_send_is_refused(app, url) -> None:
    for headers, status, words in (
        ({"Host": "evil.example"}, 403, "'evil.example' is not an address of this registry"),
        ({"Host": "localhost:1"}, 403, "or allow the name: promptsync serve --allow-host localhost"),
        ({"Host": ""}, 400, "The Host header is missing"),
        ({"Origin": "http://evil.example"}, 403, "Web pages cannot use this registry"),
        ({"Origin": "null"}, 403, "Origin: null"),
        ({"Origin": ""}, 403, "Origin: )"),
        ({"Origin": "http://HERE, http://evil.example"}, 403, "Web pages"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site: cross-site"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "Sec-Fetch-Site: same-site"),
        ({"Content-Type": "text/plain; x=application/json"}, 415, "must be application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "-H 'Content-Type: application/json'"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "must be application/json"),
        ({"Content-Type": ""}, 415, "it is missing"),
    ):
        full = {"Content-Type": JSON, "X-API-KEY": "k", **headers}
        answer = sent(url, "POST", PUBLISH, full, json.dumps(flat("stolen")))
        assert (answer.status, answer.headers["content-type"]) == (status, JSON), headers
        assert words in answer.body["message"], headers
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
        answer = sent(url, "POST", PUBLISH, {"X-API-KEY": "k", **headers}, json.dumps(flat(str(name))))
        assert (answer.status, published(app)[0]) == (201, str(name)), headers
    # Protobuf is, too, but not from a page.
    one_unknown_field = "\x10\x01"
    for headers, status in (({}, 200), ({"Origin": "http://evil.example"}, 403)):
        full = {"X-API-KEY": "k", "Content-Type": "application/x-protobuf", **headers}
        assert sent(url, "POST", "/v1/traces", full, one_unknown_field).status == status


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
        answer = sent(url, "POST", target, full, form)
        assert answer.status == status, (target, headers, answer.body)
        stored = ["mine"] if status == 201 else []
        assert (skills_of(app), published(app)) == (stored, [])


def test_a_preflight_is_refused_and_a_page_can_load_nothing_as_a_script_or_an_image(url) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    key, same = {"X-API-KEY": "k"}, {"Origin": "http://HERE"}
    for method, target, headers, status in (
        *(("OPTIONS", target, key | asked | same, 403) for target in ("/prompt-templates", "/nowhere", "*")),
        ("OPTIONS", PUBLISH, key | asked, 403),
        ("GET", "/prompt-templates", key, 200),
        ("GET", "/prompt-templates", {}, 401),
        ("GET", "/prompt-templates", {"Host": "evil.example"}, 403),
    ):
        answer = sent(url, method, target, headers)
        assert (answer.status, answer.headers["x-content-type-options"]) == (status, "nosniff")
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_an_absolute_url_has_to_name_the_registry_and_the_path_is_bounded(url) -> None:
    for target, status in (
        ("http://HERE/prompt-templates", 200),
        ("http://evil.example/prompt-templates", 403),
        # In a query it is text.
        ("/prompt-templates?name=http://evil.example/", 200),
        ("/prompt-templates?name=" + "x" * 8000, 200),
        ("/prompt-templates?name=" + "x" * 9000, 414),
    ):
        answer = sent(url, "GET", target, {"X-API-KEY": "k"})
        assert (answer.status, answer.headers["content-type"]) == (status, JSON), target[:99]


def test_get_changes_nothing(app, url) -> None:
    """A page can make a browser send any GET, with a cookie at most."""
    from promptsync.server.routes import ROUTES

    call = Caller(app)
    assert call("POST", PUBLISH, flat("a", release_labels=["prod"])).status == 201
    before = call("GET", "/prompt-templates").body, call("GET", "/prompt-templates/labels").body
    for path in {route.path for route in ROUTES if route.method == "GET"}:
        parts = ["1" if part.startswith("<") else part for part in path.split("/")]
        sent(url, "GET", "/".join(parts), {"X-API-KEY": "k"})
    assert (call("GET", "/prompt-templates").body, call("GET", "/prompt-templates/labels").body) == before


# -- other addresses -----------------------------------------------------------------------------------------


def test_the_ipv6_loopback_address_works(app) -> None:
    try:
        bind("::1", 0).close()
    except UsageError:
        pytest.skip("this machine has no IPv6")
    with running(app, host="::1") as url:
        for headers, status in (({}, 200), ({"Host": "evil.example"}, 403)):
            assert sent(url, "GET", "/prompt-templates", {"X-API-KEY": "k", **headers}).status == status


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
