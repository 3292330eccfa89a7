"""What fails on the way, over real sockets: what is repeated, what a caller may conclude, what is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_server import chat
from scripted_registry import DROPPED, EMPTY_LIST, HTML, KEY, Reply, Scripted, client, serving
from worlds import World

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Prompt
from promptsync.registry.address import address
from promptsync.registry.errors import BadAnswer, FateUnknown, NotSent, Rejected
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.connection import explained
from promptsync.registry.promptlayer.responses import EXCERPT, Answer, shown
from promptsync.registry.protocol import Timeouts

PROMPT = Prompt("greet", chat())
CREATED = Reply({"id": 7, "prompt_name": "greet", "version_number": 1}, status=201)
MOVED = Reply("", status=302, headers={"Location": f"https://evil.example/?k={KEY}"})


def failed(status: int, message: str = "") -> Reply:
    return Reply({"success": False, "message": message}, status=status)


READS: list[tuple[Reply, str, int]] = [
    # the response that a read always gets, the code of its error, and the attempts
    (failed(500), "server-failed", 6),
    (DROPPED, "connection-lost", 6),
    (Reply({"items": []}, cut=3), "connection-lost", 6),
    (failed(429), "rate-limited", 6),
    (failed(401), "unauthorized", 1),
    (failed(403), "forbidden", 1),
    (MOVED, "redirected", 1),
    (HTML, "bad-answer", 1),
    (Reply('{"items": ['), "bad-answer", 1),
    (Reply(""), "bad-answer", 1),
    (Reply({"things": []}), "bad-answer", 1),
    (Reply({"items": [], "pages": 3}), "list-kept-changing", 3),
]


@pytest.mark.parametrize(("fault", "code", "attempts"), READS)
def test_a_read_that_never_succeeds_has_exit_code_four(fault: Reply, code: str, attempts: int) -> None:
    with client(Scripted(fault)) as registry:
        with pytest.raises(RemoteError) as caught:
            registry.prompts.list()
        assert (caught.value.code, caught.value.exit_code) == (code, 4)
        assert registry.requests == attempts
        assert registry.url.partition("//")[2] in caught.value.message


UNKNOWN: list[tuple[Reply, str]] = [
    (DROPPED, "connection-lost"),
    (Reply(CREATED.body, status=201, cut=4), "connection-lost"),
    (Reply('{"id": 7', status=201), "unknown-outcome"),
    (HTML, "unknown-outcome"),
    (failed(500), "server-failed"),
    (failed(503), "server-failed"),
    (Reply(delay=0.4), "timed-out"),
]
CERTAIN = [(failed(401), "unauthorized"), (failed(403), "forbidden"), (MOVED, "redirected")]
CERTAIN += [(failed(409), "rejected"), (failed(413), "rejected")]


def test_a_publish_is_sent_once_and_its_error_says_whether_it_may_have_happened() -> None:
    for fault, code in UNKNOWN + CERTAIN:
        script = Scripted(fault)
        with client(script, timeouts=Timeouts(answer=0.2, first_retry=0.001)) as registry:
            with pytest.raises(NotSent if (fault, code) in CERTAIN else FateUnknown) as caught:
                registry.prompts.publish(PROMPT, message="m")
            assert (len(script.seen), caught.value.code) == (1, code)


# -- what is said ----------------------------------------------------------------------------------------


def test_a_key_that_the_registry_echoes_is_not_shown() -> None:
    for reply in (
        failed(401, f"Invalid API key {KEY}"),
        Reply(f"<html>{KEY}</html>"),
        Reply({"error": f"key={KEY}"}, status=422),
        Reply({"detail": [{"loc": ["header", KEY], "msg": KEY}]}, status=422),
        Reply(f"oops {KEY}", status=500),
        MOVED,
        Reply("x" * 150 + KEY),
    ):
        with client(Scripted(reply)) as registry, pytest.raises(RemoteError) as caught:
            registry.prompts.list()
        shown = repr(vars(caught.value))
        assert KEY not in shown and KEY[:8] not in shown, reply
        if reply.status == 401:
            assert "PROMPTLAYER_API_KEY" in caught.value.hint, reply


def test_a_redirect_is_not_followed_and_its_target_is_named() -> None:
    other = Scripted(EMPTY_LIST)
    with serving(other) as elsewhere:
        script = Scripted(Reply("", status=301, headers={"Location": f"{elsewhere}/prompt-templates"}))
        with client(script) as registry, pytest.raises(NotSent) as caught:
            registry.prompts.list()
        assert elsewhere in caught.value.message
    assert other.seen == []


REASONS: list[tuple[Any, str]] = [
    ({"success": False, "message": "", "error": "no such label"}, "no such label"),
    ({"detail": "plain"}, "plain"),
    ({"detail": [{"loc": ["body", "tags", 0], "msg": "no string"}, "odd"]}, "body.tags.0: no string; odd"),
    ({"message": {"why": "größer"}}, '{"why": "größer"}'),
    ('"a JSON string"', "a JSON string"),
    ("plain text", "plain text"),
    ("<html><head><title>Bad\n gateway</title></head></html>", "Bad gateway"),
]


def test_the_reason_is_found_in_every_known_error_body() -> None:
    for body, reason in REASONS:
        for status, error, said in ((409, Rejected, reason), (500, FateUnknown, f"500: {reason}")):
            with client(Scripted(Reply(body, status=status))) as registry, pytest.raises(error) as caught:
                registry.prompts.list()
            assert said in caught.value.message, body


def test_a_text_that_is_not_valid_in_json_is_refused_before_it_is_sent() -> None:
    script = Scripted(CREATED)
    with client(script) as registry:
        for value in (float("nan"), "\ud800", {1, 2}):
            with pytest.raises(RemoteError, match="not valid in JSON") as caught:
                registry.prompts.publish(Prompt("greet", chat(), metadata={"x": value}), message="m")
            assert caught.value.code == "not-json"
    assert script.seen == []


# -- no connection ---------------------------------------------------------------------------------------

HERE, THERE = "http://127.0.0.1:8470", "https://registry.example"
SAID = [
    (THERE, "[Errno -2] Name or service not known", "the host registry.example was not found", "network"),
    (THERE, "[Errno 8] nodename nor servname provided, or not known", "was not found", "network"),
    (THERE, "[Errno 11001] getaddrinfo failed", "was not found", "network"),
    (THERE, "[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak https", "the remote's url"),
    (HERE, "_ssl.c:989: The handshake operation timed out", "does not speak https", f"use {HERE}"),
    (THERE, "certificate verify failed: certificate has expired", "expired", "url"),
    (THERE, "certificate verify failed: Hostname mismatch, certificate is not valid for 'x'", "'x'", "url"),
    (THERE, "CERTIFICATE_VERIFY_FAILED: self-signed certificate in chain", "self-signed", "SSL_CERT_FILE"),
    (THERE, "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate", "issuer", "SSL_CERT_FILE"),
    (HERE, "[Errno 111] Connection refused", "refused", "promptsync serve --port 8470"),
    (THERE, "[Errno 111] Connection refused", "refused", "any proxy"),
]


def test_network_errors_have_a_reason_and_a_fix() -> None:
    for url, said, reason, hint in SAID:
        told, advice = explained(address(url), said)
        assert reason in told and hint in advice, said


def test_https_to_a_server_that_speaks_http_is_recognized() -> None:
    with serving(lambda seen: EMPTY_LIST) as url, PromptLayer(url.replace("p:", "ps:"), KEY) as registry:
        with pytest.raises(NotSent, match="does not speak https") as caught:
            registry.prompts.list()
        assert f"use {url} if" in caught.value.hint
        assert registry.requests == 1


# -- bodies -------------------------------------------------------------------------------------------------


def answer(body: Any, status: int = 200) -> Answer:
    content = Reply(body).content
    return Answer("https://registry.example", "read the prompt", "GET /prompt-templates/7", status, content)


ABOUT_THE_ROUTE = [
    *("", "{}", "<html><title>404</title></html>", "404 page not found", {"detail": "Not Found"}),
    {"success": False, "message": "Not found."},
    {"message": "404 Not Found: The requested URL was not found on the server."},
    {"error": "No such route: /prompts/7/label"},
    {"error": "unknown endpoint /x"},
    {"message": "Cannot POST /prompts/7/label"},
    {"message": "This registry does not support PATCH /rest/workflows/7; see docs/compatibility.md."},
]
ABOUT_THE_ITEM = [
    {"message": "Prompt template not found"},
    {"success": False, "message": "There is no prompt template with the id 99."},
    {"error": "Report or dataset not found"},
    {"detail": "version 9 does not exist"},
]


def test_a_404_means_that_the_route_is_missing_unless_it_names_an_item() -> None:
    for body in (*ABOUT_THE_ROUTE, *ABOUT_THE_ITEM):
        assert answer(body, 404).is_about_route() is (body in ABOUT_THE_ROUTE), body
        assert answer(body, 405).is_about_route(), body


def test_nearly_any_response_but_a_web_page_or_a_failure_acknowledges_a_write() -> None:
    for body in ("", "{}", "[]", '{"success": true}', "null", "done"):
        answer(body).acknowledge()
    for body, error in (
        ("<!DOCTYPE html><p>Sign in", BadAnswer),
        ('{"success": false}', Rejected),
        ('{"success": tr', BadAnswer),
    ):
        with pytest.raises(error):
            answer(body).acknowledge()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_shown_text_is_one_short_printable_line(text: str) -> None:
    line = shown(text)
    assert line.isprintable() and len(line) <= EXCERPT * len("\\U0001f600")


@given(st.binary(max_size=300), st.sampled_from([200, 404, 422]))
def test_any_bytes_can_be_read_as_an_error(content: bytes, status: int) -> None:
    response = answer(content, status)
    assert response.reason().isprintable()
    response.is_about_route()
    with pytest.raises(BadAnswer) as caught:
        response.fail("a list")
    assert caught.value.message.isprintable()


# -- the key ------------------------------------------------------------------------------------------------


LONG = "pl_0123456789abcdef0123456789abcdef"


def test_no_file_and_no_output_has_the_key(world: World) -> None:
    world.write("a")
    world.commit()
    environ = {"PROMPTLAYER_API_KEY": LONG}
    outputs = [world.run("push", **environ)]
    world.publish("a", "Theirs {name}")
    lines = [
        "status -v",
        "pull -v",
        "label set a prod -y",
        "doctor -v",
        "status --json",
        "deploy --label prod -y",
    ]
    outputs += [world.run(*line.split(), **environ) for line in lines]
    assert [done.code for done in outputs[:4]] == [0, 0, 0, 0], "\n".join(map(str, outputs))
    for done in outputs:
        assert LONG not in done.out + done.err
    files = [path for path in world.root.rglob("*") if path.is_file()]
    assert any(".promptsync" in path.parts for path in files)
    for path in files:
        assert LONG.encode() not in path.read_bytes(), path
