"""Edits of files with anchors and aliases: PyYAML reads what was meant, or the edit is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from promptsync.errors import Refused
from promptsync.files.prompt_file import parse, render_edit
from promptsync.prompt.canonical import to_prompt

TEXT = """\
name: p
content: hello
metadata:
  a: &a
    # about k
    k: one  # 1
    l: two  # 2
  b: *a  # the same
  # about c
  c: {d: *a, e: 1}  # three
"""
ONE = {"k": "one", "l": "two"}


def edited(text: str, **metadata: Any) -> str:
    document = {"name": "p", "content": "hello", "metadata": {"a": ONE, "b": ONE, "c": {"d": ONE, "e": 1}}}
    document["metadata"] |= metadata  # type: ignore[operator]
    edited = render_edit(parse(text.encode(), "p.yaml", "p"), *to_prompt(document, "p"))
    assert yaml.safe_load(edited) == document
    return edited


@pytest.mark.parametrize(
    ("metadata", "old", "new"),
    [
        ({"c": {"d": ONE, "e": 2}}, "e: 1", "e: 2"),
        ({"b": {"k": "ONE", "l": "two"}}, "*a  # the same", "{k: ONE, l: two}  # the same"),
        ({"c": {"d": {"k": "one"}, "e": 1}}, "d: *a", "d: {k: one}"),
    ],
)
def test_an_edit_beside_anchors_changes_one_place(metadata: Any, old: str, new: str) -> None:
    assert edited(TEXT, **metadata) == TEXT.replace(old, new)


def test_an_anchored_value_changes_with_its_aliases_or_not_at_all() -> None:
    new = {"k": "ONE", "l": "two"}
    written_out = TEXT.replace("k: one", "k: ONE").replace("*a", "{k: ONE, l: two}")
    assert edited(TEXT, a=new, b=new, c={"d": new, "e": 1}) == written_out
    with pytest.raises(Refused, match="cannot be edited without losing its comments"):
        edited(TEXT, a=new)
    without_comments = "".join(line.partition("#")[0].rstrip() + "\n" for line in TEXT.splitlines())
    assert "&a" not in edited(without_comments, a=new)
