"""The URL and the key of a registry: what would endanger the key is refused before anything is sent."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.errors import UsageError
from promptsync.registry.address import address, segment
from promptsync.registry.errors import MissingKey
from promptsync.registry.promptlayer.client import PromptLayer

VENDOR, HERE = "https://api.promptlayer.com", "http://127.0.0.1:8470"

ALLOWED = [
    (f"{VENDOR}/", VENDOR, "api.promptlayer.com", 443),
    ("HTTPS://Api.Example.com:8443/v1//", "https://api.example.com:8443/v1", "api.example.com", 8443),
    ("http://localhost:8000/", "http://localhost:8000", "localhost", 8000),
    ("http://127.0.0.1", "http://127.0.0.1", "127.0.0.1", 80),
    ("http://127.8.9.10:1", "http://127.8.9.10:1", "127.8.9.10", 1),
    ("http://[::1]:8000", "http://[::1]:8000", "::1", 8000),
    ("local:/tmp/registry.db", "http://localhost", "localhost", 80),
]


def test_a_url_is_split_into_its_parts() -> None:
    for url, *parts in ALLOWED:
        read = address(url)
        assert [read.base, read.host, read.port] == parts, url


UNENCRYPTED = ("api.promptlayer.com", "10.0.0.1:8000", "0.0.0.0:8000", "[::2]", "127.1")
REFUSED = [
    *((f"http://{host}", "unencrypted") for host in UNENCRYPTED),
    ("http://localhost.example.com", "unencrypted"),
    ("http://127.0.0.1.example.com", "unencrypted"),
    *((url, "not a registry URL") for url in ("ftp://localhost", "api.promptlayer.com", "", "https://")),
    ("https://user:pa55word@api.promptlayer.com", "not a registry URL"),
    ("http://localhost@evil.example", "not a registry URL"),
    ("http://localhost\\@evil.example", "not a registry URL"),
    *((f"https://api.prompt{rest}", "not a registry URL") for rest in ("layer.com?key=1", "#x", " layer")),
    ("https://host:99999", "65535"),
]


@pytest.mark.parametrize(("url", "why"), REFUSED)
def test_a_url_that_would_endanger_the_key_is_refused_before_any_look_up(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        PromptLayer(url, "pl_key")
    assert "pa55word" not in caught.value.message


def test_a_key_that_is_missing_or_that_no_header_can_carry_is_refused_without_being_shown() -> None:
    unset, any_value = "PROMPTLAYER_API_KEY", "`promptsync serve` accepts any value"
    keys = [(VENDOR, key, unset) for key in (None, "", "  \n")]
    keys += [(VENDOR, key, "") for key in ("pl_a b", "pl_a\nb", "pl_ä")]
    for url, key, hint in [*keys, (HERE, None, any_value)]:
        with pytest.raises(MissingKey) as caught:
            PromptLayer(url, key)
        assert hint in caught.value.hint and caught.value.exit_code == 4, key
        assert not key or key.isspace() or key not in str(caught.value)


def test_an_embedded_registry_needs_a_transport() -> None:
    with pytest.raises(UsageError, match="transport"):
        PromptLayer("local:", None)


def test_names_are_encoded_with_no_safe_characters() -> None:
    names = ("a/b", "a:b", "a b", "@#", "..", 71)
    assert [segment(name) for name in names] == ["a%2Fb", "a%3Ab", "a%20b", "%40%23", "%2E%2E", "71"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_is_one_segment_that_decodes_to_itself(name: str) -> None:
    encoded = segment(name)
    assert unquote(encoded) == name
    assert "/" not in encoded and encoded not in {".", ".."}
