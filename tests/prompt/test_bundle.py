"""The format of a bundle: the same bytes for the same release, and errors that say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from bundles import bundle, response, write_bundle
from registry_server import chat, completion

from promptsync.errors import Refused
from promptsync.files.schema import schema
from promptsync.prompt.bundle import bundled, checksum, decode, encode

TEXT = {"type": "text", "text": "Hello {name}"}


def message(role: str = "user", **keys: Any) -> dict[str, Any]:
    return {"role": role, "content": [TEXT], **keys}


def template(*messages: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"type": "chat", "messages": list(messages), **keys}


def test_a_bundle_is_read_as_it_was_written_and_is_valid() -> None:
    written = bundle(response(), response("b/ü", completion("Grüße, {name} 🙂"), model=None), label="prod")
    content = encode(written)
    assert decode(content) == decode(encode(decode(content)))
    assert encode(decode(content)) == content
    assert "Grüße, {name} 🙂".encode() in content
    jsonschema_rs.validator_for(schema("bundle")).validate(json.loads(content))


def test_half_of_a_surrogate_pair_survives() -> None:
    content = encode(bundle(response(template=chat("a \ud83d b"))))
    assert content.decode("utf-8")
    text = decode(content).prompts["support/refund"].response["prompt_template"]["messages"][0]["content"]
    assert "\ud83d" in json.dumps(text, ensure_ascii=False)


def test_keys_of_model_providers_stay_out() -> None:
    secret = {"client": "openai", "base_url": "https://llm.example", "api_key": "sk-secret"}
    content = encode(bundle(response(custom_provider=secret, provider_base_url=secret)))
    assert b"https://llm.example" in content
    assert b"sk-secret" not in content


RENDERS: list[tuple[str, dict[str, Any], str]] = [
    ("texts", template(message("system"), message()), "anywhere"),
    ("no content key", template(message(), {"role": "assistant"}), "anywhere"),
    ("placeholder", template(message("placeholder", name="history")), "registry"),
    ("tool variable", template(message(), tools=[{"type": "variable", "name": "tools"}]), "registry"),
    ("two formats", template(message(), message(template_format="jinja2")), "registry"),
    ("null content", template(message(), {"role": "assistant", "content": None}), "registry"),
    ("string", template({"role": "user", "content": "Hello {name}"}), "registry"),
    ("image", template(message() | {"content": [{"type": "image_url", "image_variable": "x"}]}), "registry"),
]


@pytest.mark.parametrize(("what", "body", "expected"), RENDERS)
def test_where_a_prompt_can_be_rendered(what: str, body: dict[str, Any], expected: str) -> None:
    assert bundled(response(template=body)).renders == expected


def _changed(**keys: Any) -> bytes:
    return json.dumps({**json.loads(encode(bundle())), **keys}).encode()


BROKEN: list[tuple[bytes, str]] = [
    (encode(bundle())[:-40], "it is not JSON, or it was cut off"),
    (b"\xff\xfe", "it is not JSON"),
    (b"[" * 100_000, "it is not JSON"),
    (b"[]", "is not a bundle"),
    (_changed(prompts=[]), r"Expected `object`.*prompts"),
    (_changed(prompts={"a": {"version": "x"}}), "is not a valid bundle"),
]


@pytest.mark.parametrize(("content", "why"), BROKEN)
def test_a_file_that_is_no_bundle_says_why(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode(content)


CHANGES: list[tuple[bytes, bytes, str]] = [
    (b"politely", b"rudely", "was edited: 'support/refund' does not match its checksum"),
    (b'"version": 7', b'"version": 8', "was edited"),
    (b'"temperature": 0.2', b'"temperature": 1', "was edited"),
    (b'"label": "prod"', b'"label": "prod "', "was edited"),
    (b'"support/refund": {', b'"support/other": {', "was edited: 'support/other' does not"),
    (b'"checksum"', b'"other"', "was edited"),
    (b"bundle/2", b"bundle/1", "has the format 'promptsync-bundle/1'; this promptsync reads"),
]


@pytest.mark.parametrize(("old", "new", "why"), CHANGES)
def test_a_bundle_that_was_changed_names_the_command_that_writes_it_again(
    old: bytes, new: bytes, why: str
) -> None:
    content = encode(bundle())
    assert old in content
    with pytest.raises(Refused, match=f"^my bundle.json {why}") as caught:
        decode(content.replace(old, new), "my bundle.json")
    label = "'prod '" if new.endswith(b'prod "') else "prod"
    assert caught.value.hint == f"promptsync bundle --label {label} -o 'my bundle.json'"


def test_white_space_and_the_order_of_keys_may_change() -> None:
    content = encode(bundle(response("b/ü"), response("1")))
    again = json.dumps(json.loads(content)).encode()
    assert again != content and decode(again) == decode(content)


def test_keys_of_later_versions_are_ignored(tmp_path: Path) -> None:
    content = json.loads(write_bundle(tmp_path / "prompts.json").read_bytes())
    entry = content["prompts"]["support/refund"]
    entry["later"] = content["later"] = 1
    entry["checksum"] = checksum("prod", "support/refund", entry)
    assert decode(json.dumps(content).encode()) == decode(encode(bundle()))
