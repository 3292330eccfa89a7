from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.errors import UsageError
from promptsync.registry.address import address, segment
from promptsync.registry.errors import MissingKey
from promptsync.registry.promptlayer.client import PromptLayer

ALLOWED = [
    ("https://api.promptlayer.com", "https://api.promptlayer.com", "api.promptlayer.com", 443),
    ("https://api.promptlayer.com/", "https://api.promptlayer.com", "api.promptlayer.com", 443),
    (
        "HTTPS://Api.PromptLayer.com:8443/v1//",
        "https://api.promptlayer.com:8443/v1",
        "api.promptlayer.com",
        8443,
    ),
    ("http://localhost:8000/", "http://localhost:8000", "localhost", 8000),
    ("http://127.0.0.1", "http://127.0.0.1", "127.0.0.1", 80),
    ("http://127.8.9.10:1", "http://127.8.9.10:1", "127.8.9.10", 1),
    ("http://[::1]:8000", "http://[::1]:8000", "::1", 8000),
    ("local:", "http://localhost", "localhost", 80),
    ("local:/tmp/registry.db", "http://localhost", "localhost", 80),
]


@pytest.mark.parametrize(("url", "base", "host", "port"), ALLOWED)
def test_a_url_is_split_into_its_parts(url: str, base: str, host: str, port: int) -> None:
    parts = address(url)
    assert (parts.base, parts.host, parts.port) == (base, host, port)


REFUSED = [
    ("http://api.promptlayer.com", "unencrypted"),
    ("http://10.0.0.1:8000", "unencrypted"),
    ("http://0.0.0.0:8000", "unencrypted"),
    ("http://localhost.example.com", "unencrypted"),
    ("http://127.0.0.1.example.com", "unencrypted"),
    ("http://[::2]", "unencrypted"),
    ("http://127.1", "unencrypted"),
    ("ftp://localhost", "not a registry URL"),
    ("api.promptlayer.com", "not a registry URL"),
    ("", "not a registry URL"),
    ("https://", "not a registry URL"),
    ("https://user:pa55word@api.promptlayer.com", "not a registry URL"),
    ("http://localhost@evil.example", "not a registry URL"),
    ("http://localhost\\@evil.example", "not a registry URL"),
    ("https://api.promptlayer.com?key=1", "not a registry URL"),
    ("https://api.promptlayer.com#x", "not a registry URL"),
    ("https://api.prompt layer.com", "not a registry URL"),
    ("https://host:99999", "65535"),
]


@pytest.mark.parametrize(("url", "why"), REFUSED)
def test_a_url_that_would_endanger_the_key_is_refused_before_any_look_up(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        PromptLayer(url, "pl_key")
    assert "pa55word" not in caught.value.message


@pytest.mark.parametrize("key", [None, "", "  \n"])
def test_a_missing_key_is_named_before_any_request(key: str | None) -> None:
    with pytest.raises(MissingKey) as caught:
        PromptLayer("https://api.promptlayer.com", key)
    assert caught.value.exit_code == 4
    assert "PROMPTLAYER_API_KEY" in caught.value.hint


def test_a_registry_on_this_machine_accepts_any_key() -> None:
    with pytest.raises(MissingKey) as caught:
        PromptLayer("http://127.0.0.1:8470", None)
    assert "`promptsync serve` accepts any value" in caught.value.hint


@pytest.mark.parametrize("key", ["pl_a b", "pl_a\nb", "pl_ä"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(MissingKey) as caught:
        PromptLayer("https://api.promptlayer.com", key)
    assert key not in str(caught.value)


def test_an_embedded_registry_needs_a_transport() -> None:
    with pytest.raises(UsageError, match="transport"):
        PromptLayer("local:", None)


def test_names_are_encoded_with_no_safe_characters() -> None:
    for name, encoded in (
        ("a/b", "a%2Fb"),
        ("a:b", "a%3Ab"),
        ("a b", "a%20b"),
        ("@#", "%40%23"),
        ("..", "%2E%2E"),
        (71, "71"),
    ):
        assert segment(name) == encoded, name


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_is_one_segment_that_decodes_to_itself(name: str) -> None:
    encoded = segment(name)
    assert unquote(encoded) == name
    assert "/" not in encoded
    assert encoded not in {".", ".."}
