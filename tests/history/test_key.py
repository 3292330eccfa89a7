from __future__ import annotations

import pytest

from promptsync.history.mark import Key, identity, make_key, parse_key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("7-3fa9c1a", Key(7, "3fa9c1a")),
        ("1234567890-0000000", Key(1234567890, "0000000")),
        ("0-3fa9c1a", None),
        ("07-3fa9c1a", None),
        ("7-3fa9c1", None),
        ("7-3FA9C1A", None),
        ("7", None),
        ("", None),
    ],
)
def test_a_key_is_a_version_and_seven_digits(text: str, key: Key | None) -> None:
    assert parse_key(text) == key
    assert key is None or str(key) == text


def test_a_key_is_bound_to_a_prompt_in_a_registry_and_to_a_content() -> None:
    here = identity(9, 1)
    key = make_key(here, 7, "sha256:a")
    assert parse_key(str(key)) == key
    assert key.names(here, "sha256:a")
    assert not key.names(here, "sha256:b")
    assert not key.names(identity(9, 2), "sha256:a")
    assert not key.names(identity(8, 1), "sha256:a")
    assert make_key(here, 8, "sha256:a").digits != key.digits
    assert identity(None, 1) != identity(0, 1)
