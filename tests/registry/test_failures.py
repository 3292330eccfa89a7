"""What fails on the way, over real sockets: what is repeated, and what a caller may conclude."""

from __future__ import annotations

from typing import Any

import pytest
from registry_server import chat
from scripted_registry import DROPPED, EMPTY_LIST, HTML, KEY, Reply, Scripted, client, serving

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import FateUnknown, NotSent, Rejected
from promptsync.registry.protocol import Timeouts

PROMPT = Prompt("greet", chat())
CREATED = Reply({"id": 7, "prompt_name": "greet", "version_number": 1}, status=201)
SLOW = Reply(delay=0.4)


def failed(status: int, message: str = "") -> Reply:
    return Reply({"success": False, "message": message}, status=status)


CUT = Reply({"items": []}, cut=3)

GIVEN_UP: list[tuple[Reply, str, int]] = [
    (failed(500), "server-failed", 6),
    (failed(503), "server-failed", 6),
    (DROPPED, "connection-lost", 6),
    (CUT, "connection-lost", 6),
    (failed(429), "rate-limited", 6),
    (failed(401), "unauthorized", 1),
    (failed(403), "forbidden", 1),
    (Reply("", status=302, headers={"Location": "https://evil.example/"}), "redirected", 1),
    (HTML, "bad-answer", 1),
    (Reply('{"items": ['), "bad-answer", 1),
    (Reply(""), "bad-answer", 1),
    (Reply({"things": []}), "bad-answer", 1),
    (Reply({"items": [], "pages": 3}), "list-kept-changing", 3),
    (Reply({"items": None, "total": 7}), "list-kept-changing", 3),
]


@pytest.mark.parametrize(("fault", "code", "attempts"), GIVEN_UP)
def test_a_read_that_never_succeeds_has_exit_code_four(fault: Reply, code: str, attempts: int) -> None:
    with client(Scripted(fault)) as registry:
        with pytest.raises(RemoteError) as caught:
            registry.prompts.list()
        assert (caught.value.code, caught.value.exit_code) == (code, 4)
        assert registry.requests == attempts
        assert registry.url in caught.value.message or "127.0.0.1" in caught.value.message


FATES: list[tuple[Reply, str, bool]] = [
    (DROPPED, "connection-lost", False),
    (Reply(CREATED.body, status=201, cut=4), "connection-lost", False),
    (Reply('{"id": 7', status=201), "unknown-outcome", False),
    (HTML, "unknown-outcome", False),
    (failed(500), "server-failed", False),
    (failed(502), "server-failed", False),
    (failed(503), "server-failed", False),
    (SLOW, "timed-out", False),
    (failed(401), "unauthorized", True),
    (failed(403), "forbidden", True),
    (failed(409), "rejected", True),
    (failed(413), "rejected", True),
    (Reply("", status=307, headers={"Location": "/"}), "redirected", True),
]


@pytest.mark.parametrize(("fault", "code", "is_certain"), FATES)
def test_a_publish_is_sent_once_and_its_error_says_whether_it_may_have_happened(
    fault: Reply, code: str, is_certain: bool
) -> None:
    script = Scripted(fault)
    with client(script, timeouts=Timeouts(answer=0.2, first_retry=0.001)) as registry:
        with pytest.raises(NotSent if is_certain else FateUnknown) as caught:
            registry.prompts.publish(PROMPT, message="m")
        assert len(script.seen) == 1
        assert caught.value.code == code


# -- what is said ----------------------------------------------------------------------------------------


def test_a_key_that_the_registry_echoes_is_not_shown() -> None:
    for reply in (
        failed(401, f"Invalid API key {KEY}"),
        Reply(f"<html>{KEY}</html>"),
        Reply({"error": f"key={KEY}"}, status=422),
        Reply({"detail": [{"loc": ["header", KEY], "msg": KEY}]}, status=422),
        Reply(f"oops {KEY}", status=500),
        Reply("", status=302, headers={"Location": f"https://x.example/?k={KEY}"}),
        Reply("x" * 150 + KEY),
    ):
        with client(Scripted(reply)) as registry, pytest.raises(RemoteError) as caught:
            registry.prompts.list()
        shown = repr(vars(caught.value))
        assert KEY not in shown and KEY[:8] not in shown, reply
        if reply.status == 401:
            assert registry.url in caught.value.message and "PROMPTLAYER_API_KEY" in caught.value.hint, reply


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
    (
        {"detail": [{"loc": ["body", "tags", 0], "msg": "not a string"}, "odd"]},
        "body.tags.0: not a string; odd",
    ),
    ({"message": {"why": "größer"}}, '{"why": "größer"}'),
    ('"a JSON string"', "a JSON string"),
    ("plain text", "plain text"),
    ("<html><head><title>Bad\n gateway</title></head></html>", "Bad gateway"),
]


@pytest.mark.parametrize(("body", "reason"), REASONS)
def test_the_reason_is_found_in_every_known_error_body(body: Any, reason: str) -> None:
    with client(Scripted(Reply(body, status=409))) as registry, pytest.raises(Rejected) as caught:
        registry.prompts.list()
    assert caught.value.reason == reason
    assert reason in caught.value.message
    with (
        client(Scripted(Reply(body, status=500))) as registry,
        pytest.raises(FateUnknown, match="500: ") as failure,
    ):
        registry.prompts.list()
    assert reason in failure.value.message


def test_a_response_with_success_false_is_an_error() -> None:
    with client(Scripted(Reply({"success": False, "message": "quota"}))) as registry:
        with pytest.raises(Rejected, match="quota"):
            registry.tracking.track(1, "score", score=50)
        with pytest.raises(Rejected, match="quota"):
            registry.prompts.publish(PROMPT, message="m")


def test_a_text_that_is_not_valid_in_json_is_refused_before_it_is_sent() -> None:
    script = Scripted(CREATED)
    with client(script) as registry:
        for value in (float("nan"), "\ud800", {1, 2}):
            with pytest.raises(RemoteError, match="not valid in JSON") as caught:
                registry.prompts.publish(Prompt("greet", chat(), metadata={"x": value}), message="m")
            assert caught.value.code == "not-json"
    assert script.seen == []
