"""The name of a file, as quickly read, is the name that reading all of it gives."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from promptsync.files.prompt_file import name_in


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("name: support/refund", "support/refund"),
        ("name: support/refund # why\ncontent: x\n", "support/refund"),
        ("name: support/a\n  and more\ncontent: hi\n", "support/a and more"),
        ('name: "a\\\n  b"\ncontent: x\n', "ab"),
        ('{"messages": [{"name": "b"}],\n"name": "a"}', "a"),
        ("? name\n: a\n", "a"),
        ("--- {name: a}\n", "a"),
        ("--- # a comment\nname: a\n", "a"),
        ("name: no\n", ""),
        ("name: 12\n", ""),
        ("name: !!str x\n", ""),
        ("name: !!bool maybe\n", ""),
        ("a: [\nname: !!timestamp foo\n", ""),
        ("a: [\nname: " + "[" * 5000 + "\n", ""),
        ("- name: x\n", ""),
        ("", ""),
    ],
)
def test_a_name_is_read_in_every_spelling(data: str, name: str) -> None:
    assert name_in(data.encode()) == name


@pytest.mark.parametrize("before", ["", "messages: [\n", "a: b: c\n", "x: !!bool maybe\n"])
@pytest.mark.parametrize("after", ["messages: [", "\tx", "name: b"])
def test_a_broken_file_keeps_its_name(before: str, after: str) -> None:
    assert name_in(f"{before}name: a\n{after}".encode()) == "a"


def test_a_file_that_is_cut_keeps_its_name() -> None:
    data = ("name: 'a b'\nmessages:\n" + "- role: user\n  content: hello\n" * 5000).encode()
    assert name_in(data[:65536]) == "a b"


_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=120)


@given(
    data=st.dictionaries(st.sampled_from(["name", "content", "tags", "metadata"]), _NAMES, min_size=1),
    style=st.sampled_from([None, "'", '"', "|", ">"]),
    flow=st.booleans(),
    width=st.sampled_from([10, 80, 10_000]),
)
def test_whatever_an_emitter_makes_of_it(data: dict[str, Any], style: str, flow: bool, width: int) -> None:
    text = yaml.safe_dump(
        data, default_style=style, default_flow_style=flow, width=width, allow_unicode=True, sort_keys=False
    )
    assert name_in(text.encode()) == yaml.safe_load(text).get("name", "")
