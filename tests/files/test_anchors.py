"""Edits of files with anchors and aliases: every comment stays, and PyYAML reads what was meant."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from promptsync.files.prompt_file import parse, render_edit
from promptsync.prompt.document import to_prompt

MAPPING = """\
name: p
content: hello
metadata:
  a: &a  # the anchor
    # about k
    k: one  # 1
    l: two  # 2
  b: *a  # the same
  # about c
  c: {d: *a, e: 1}  # three
"""
LIST = """\
name: p
content: hello
metadata:
  a: &a  # the anchor
    # about the first
    - one  # 1
    # about the second
    - two  # 2
  b:
    # the same
    - *a  # again
    - last  # end
"""
TEXT = """\
name: p
messages:
  # both have the same text
  - role: system
    content: &t |  # the text
      Be kind.
      Be brief.
  - role: user  # asks
    content: *t  # the same
"""
BRACKETS = """\
name: p
content: &c hello  # top
metadata: &m
  # inside
  copy: *c
  list: &l [one,  # 1
    two]  # 2
  other: *l
"""
EDITS = [
    (MAPPING, ("metadata", "a", "k"), "ONE"),
    (MAPPING, ("metadata", "b", "k"), "ONE"),
    (MAPPING, ("metadata", "c", "d", "l"), "TWO"),
    (MAPPING, ("metadata", "c", "e"), 2),
    (MAPPING, ("metadata", "a", "new"), "more"),
    (LIST, ("metadata", "a", 1), "TWO"),
    (LIST, ("metadata", "b", 0, 1), "TWO"),
    (LIST, ("metadata", "b", 1), "LAST"),
    (TEXT, ("messages", 0, "content"), "Be kind.\nBe short.\n"),
    (TEXT, ("messages", 1, "content"), "Be kind.\nBe short.\n"),
    (BRACKETS, ("content",), "bye"),
    (BRACKETS, ("metadata", "copy"), "bye"),
    (BRACKETS, ("metadata", "list", 1), "TWO"),
    (BRACKETS, ("metadata", "other", 0), "ONE"),
]


@pytest.mark.parametrize("has_crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize(("text", "place", "value"), EDITS)
def test_a_change_beside_anchors_keeps_every_comment(
    text: str, place: Sequence[Any], value: Any, has_crlf: bool
) -> None:
    wanted = yaml.safe_load(yaml.dump(yaml.safe_load(text), Dumper=NoAliases))
    holder = wanted
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    text = text.replace("\n", "\r\n") if has_crlf else text
    edited = render_edit(parse(text.encode(), "p.yaml", "p"), *to_prompt(copy.deepcopy(wanted), "p"))
    assert yaml.safe_load(edited) == wanted
    assert re.findall(r"#[^\r\n]*", edited) == re.findall(r"#[^\r\n]*", text)


class NoAliases(yaml.SafeDumper):
    """Writes equal values out, so that each of them can be changed."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def test_aliases_stay_where_nothing_changes_in_their_value() -> None:
    edited = render_edit(
        parse(MAPPING.encode(), "p.yaml", "p"),
        *to_prompt({**yaml.safe_load(MAPPING), "content": "bye"}, "p"),
    )
    assert edited == MAPPING.replace("hello", "bye")


def test_a_text_of_several_lines_is_written_out_as_a_block() -> None:
    file = parse(TEXT.encode(), "p.yaml", "p")
    changed = yaml.safe_load(TEXT.replace("*t", "other"))
    changed["messages"][1]["content"] = "Be kind.\nBe brief.\n"
    changed["messages"][0]["content"] = "New."
    edited = render_edit(file, *to_prompt(changed, "p"))
    assert edited.endswith("content: |  # the same\n      Be kind.\n      Be brief.\n")
