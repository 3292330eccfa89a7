"""Which requests are events of PromptLayer, and which of those start a workflow."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from registry_server import Caller
from relaying import APPROVAL, CLIENT, EDIT, SECRET, Api, Site, event, relaying, sign

LARGEST = 1024 * 1024


def started(site: Site, github: Api) -> list[str]:
    """The workflows that start within ten seconds."""
    before = len(github.requests)
    site.pass_time(10)
    return [request.body["event_type"] for request in github.requests[before:]]


# -- signatures ---------------------------------------------------------------------------------------------

GENUINE: dict[str, Any] = {
    "as in the manual": event(),
    "non-ASCII names": event(name="support/Rückgabe 返金 🙂"),
    "half of a surrogate pair": event(name="support/\ud83d"),
    "floats": event(score=1.0, tiny=1e-7, large=1e22),
    "large integers": event(number=2**80),
    "nested null and lists": event(more={"b": None, "a": [1, {"z": None, "y": [None, True]}]}),
    "quotes and colons": event(text='a": "b", {"c": [1,2]}'),
    "1970": {**event(), "timestamp": "1970-01-01T00:00:00"},
    "2099": {**event(), "timestamp": "2099-12-31T23:59:59"},
    "no time": {**event(), "timestamp": None},
}


def test_a_genuine_event_starts_a_workflow_whatever_it_contains(site: Site, github: Api) -> None:
    for name, payload in GENUINE.items():
        answer = site.send(payload)
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"}), name
        assert started(site, github) == ["promptsync-drift"], name
    # The signature is that of the values and not of the bytes.
    for body in (
        json.dumps(event(number=1), indent=3),
        json.dumps(event(name="support/ü"), ensure_ascii=False),
        json.dumps(dict(reversed(event(number=2).items())), separators=(",", ":")),
    ):
        headers = {"X-PromptLayer-Signature": sign(json.loads(body))}
        assert site.send_raw(body.encode(), headers, path="/webhook").status_code == 202, body


OWN, BODY = sign(event()), json.dumps(event()).encode()
UTF_8 = json.dumps(event(name="support/ü"), sort_keys=True, ensure_ascii=False).encode()
"""What PromptLayer's recipe for JavaScript signs where it differs."""
FORGED: dict[str, tuple[bytes, str | None]] = {
    "no header": (BODY, None),
    "empty": (BODY, ""),
    "another secret": (BODY, sign(event(), "other")),
    "no secret": (BODY, sign(event(), "")),
    "changed body": (json.dumps(event(name="support/triage")).encode(), OWN),
    "a key more": (json.dumps({**event(), "more": None}).encode(), OWN),
    "a value of another type": (json.dumps({**event(), "user_id": 3.0}).encode(), OWN),
    "capital letters": (BODY, OWN.upper()),
    "cut": (BODY, OWN[:-1]),
    "with its kind": (BODY, f"sha256={OWN}"),
    "not ASCII": (BODY, "ü" * 64),
    "twice": (BODY, f"{OWN}, {OWN}"),
    "of the bytes": (UTF_8, hmac.new(SECRET.encode(), UTF_8, hashlib.sha256).hexdigest()),
    "duplicate keys": (b'{"user_id": 3, "user_id": 4, ' + BODY[1:-1] + b', "user_id": 5}', OWN),
    "not JSON": (b"{", OWN),
    "not UTF-8": (b'{"a": "\xff"}', OWN),
    "empty body": (b"", OWN),
    "deep": (b"[" * 100_000, OWN),
    "digits": (b"9" * 10_000, OWN),
    "a signed list": (b"[1]", sign([1])),
    "a signed null": (b"null", sign(None)),
}


def test_a_forged_event_starts_nothing_and_learns_nothing(
    site: Site, github: Api, caplog: pytest.LogCaptureFixture
) -> None:
    for name, (body, signature) in FORGED.items():
        headers = {} if signature is None else {"X-PromptLayer-Signature": signature.encode()}
        answer = site.send_raw(body, headers)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()) == (401, {"status": "unauthorized"}), name
        assert started(site, github) == [], name
    assert caplog.text.count("its signature is missing or wrong") == len(FORGED)
    assert SECRET not in caplog.text and OWN not in caplog.text


def test_the_last_of_duplicate_keys_is_the_one_that_is_checked_and_used(site: Site, github: Api) -> None:
    own = json.dumps(event(name="other/x"))
    body = own.replace('"other/x"', '"support/a", "prompt_template_name": "other/x"')
    headers = {"X-PromptLayer-Signature": sign(event(name="other/x"))}
    assert site.send_raw(body.encode(), headers).status_code == 200
    assert started(site, github) == []


def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    body = b" " * (LARGEST + 1)
    for content in (body, iter([body])):  # with its length, and in chunks
        answer = CLIENT.post(site.url, content=content)
        assert answer.status_code == 413 and "larger than 1,048,576 bytes" in answer.json()["message"]
    assert Caller(site.relay)("POST", "/", raw=body).status == 413  # under another host


def test_anything_else_is_unknown(site: Site) -> None:
    for method, path in (("GET", "/"), ("POST", "/other"), ("PUT", "/webhook"), ("GET", "/webhook/")):
        assert CLIENT.request(method, site.url + path).status_code == 404

    # Any host name and content type is accepted, because the signature decides.
    headers = {"X-PromptLayer-Signature": OWN, "Host": "hooks.example.com", "Content-Type": "text/plain"}
    assert site.send_raw(BODY, headers).status_code == 202


# -- replays ------------------------------------------------------------------------------------------------


def test_an_event_that_arrives_again_starts_nothing(
    site: Site, github: Api, caplog: pytest.LogCaptureFixture
) -> None:
    assert site.send(event()).status_code == 202
    assert started(site, github) == ["promptsync-drift"]
    for path in ("/", "/webhook"):
        answer = site.send(event(), path=path)
        assert (answer.status_code, answer.json()) == (200, {"status": "dropped"})
    assert started(site, github) == [] and "it was received before" in caplog.text


def test_the_memory_for_replays_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptsync.relay.MOST_SEEN", 5)
    for number in range(8):
        assert site.send({**event(), "user_id": number}).status_code == 202
    assert len(site.relay._seen) == 5
    assert [site.send({**event(), "user_id": number}).status_code for number in (7, 3, 2)] == [200, 200, 202]


# -- what starts a workflow ---------------------------------------------------------------------------------

RENAME, MOVED = "prompt_template_name_changed", "prompt_template_label_moved"
LABELS = "labels: {main: prod, staging: stage}\n"
TABLE: list[tuple[str, dict[str, Any], list[str]]] = [
    ("", event(), ["drift"]),
    ("", event(name="a/b"), ["drift"]),
    ("include: ['support/*']", event(), ["drift"]),
    ("include: ['support/*']", event(name="marketing/x"), []),
    ("include: ['support/*']", event("prompt_template_deleted"), ["drift"]),
    ("include: ['support/*']", event(RENAME, "support/b", old_prompt_template_name="a"), ["drift"]),
    ("include: ['support/*']", event(RENAME, "b", old_prompt_template_name="support/a"), ["drift"]),
    ("include: ['support/*']", event(RENAME, "b", old_prompt_template_name="a"), []),
    ("", event(MOVED, prompt_template_label="prod"), []),
    ("", event("prompt_template_label_deleted", prompt_template_label="prod"), []),
    ("", event("prompt_template_label_change_requested", prompt_template_label="prod"), []),
    (LABELS, event(APPROVAL, prompt_template_label="prod"), ["approved"]),
    (LABELS, event(APPROVAL, prompt_template_label="prod", change_type="move"), ["approved"]),
    (LABELS, event(APPROVAL, prompt_template_label="prod", change_type="delete"), []),
    (LABELS, event(APPROVAL, prompt_template_label="stage"), []),
    (LABELS, event(APPROVAL, prompt_template_label="prod.released"), []),
    (LABELS, event(APPROVAL, prompt_template_label=None), []),
    ("", event(APPROVAL, prompt_template_label="dev"), ["approved"]),
    ("", event(APPROVAL, prompt_template_label="dev.previous"), []),
    ("include: ['support/*']", event(APPROVAL, "x", prompt_template_label="prod"), []),
    ("", event("agent_run_finished"), []),
    ("", {"event_type": EDIT}, []),
    ("", {"event_type": EDIT, "details": {"prompt_template_name": 5}}, []),
    ("", {"event_type": EDIT, "details": ["x"]}, []),
    ("", {"event_type": ["x"], "details": {}}, []),
    ("", {}, []),
]


def test_what_starts_a_workflow(github: Api, caplog: pytest.LogCaptureFixture) -> None:
    for config, payload, workflows in TABLE:
        caplog.clear()
        with relaying(github.url, config=f"prompts: prompts\n{config}\n") as site:
            answer = site.send(payload)
            assert answer.status_code == (202 if workflows else 200), payload
            assert started(site, github) == [f"promptsync-{name}" for name in workflows], payload
        assert ("dropped, because" in caplog.text) == (not workflows), payload


def test_names_are_escaped_and_cut_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.send(event(name="support/\x1b[31m\n\u202eü" + "x" * 500))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "promptsync.relay"]
    assert line.startswith('received: "prompt_template_version_created", {"prompt_template_name": "support/')
    assert line.isascii() and line.isprintable() and len(line) < 320
    assert "ann@example.com" not in line
