"""Edits of prompt files: what changed is replaced in the style of the file, and every other byte stays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from seeds import examples
from strategies import locals_, prompts

from promptsync.errors import Refused
from promptsync.files.prompt_file import parse, render_edit, render_new
from promptsync.prompt import snippets
from promptsync.prompt.canonical import canonical, to_document, to_prompt
from promptsync.prompt.prompt import Local, Prompt
from promptsync.prompt.snippets import pins

Change = Callable[[Any], object]


def edit(text: str, change: Change) -> str:
    """Edit a file by changing its document in place."""
    file = parse(text.encode(), "p.yaml", "support/refund")
    document = to_document(file.prompt, file.local)
    change(document)
    prompt, local = to_prompt(document, file.prompt.name)
    edited = render_edit(file, prompt, local)
    back = parse(edited.encode(), "p.yaml", "support/refund")
    assert canonical(back.prompt) == canonical(prompt)
    assert set(back.prompt.tags) == set(prompt.tags)
    return edited


def put(*path: Any) -> Change:
    """A change that sets the value at a path; the value is the last argument."""
    *where, last, value = path

    def change(document: Any) -> None:
        for part in where:
            document = document[part]
        document[last] = value

    return change


def call(*path: Any) -> Change:
    """A change that calls a method of what is at a path, with the last argument."""
    *where, method, argument = path

    def change(document: Any) -> None:
        for part in where:
            document = document[part]
        getattr(document, method)(*argument)

    return change


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


FILE = """\
# The refund prompt.
name: support/refund   # as in the registry

template_format: 'jinja2'
tags: [ billing,  "support" ]   # two
model:
    provider: openai
    name: "gpt-4o"     # not mini
    parameters: {temperature: 0.20, stop: [a, b]}


# What the model sees.
messages:
# first the tone
- role: system
  content: |
    You answer.  

    Be kind.

# then the question
- content: "{{ question }}"  # quoted
  role: user
- role: assistant
  content: >-
    folded
    text
# local
synced: 7-3fa9c1a # by pull
"""
KEY = "synced: 1-0a1b2c3\n"
JSON = '{"name": "p", "content": "x",\n "tags": ["a"]}\n'
TOP = f"# top\nname: p\n# the text\ncontent: x\n{KEY}"
LIST = "content: x\nmetadata:\n  list:\n  - a: 1\n    b: 2\n    c: 3 # stays\n  - d\n"
BLOCK = f"content: |\n      a\n\n      b\n{KEY}"
IN_FLOW = f"messages: [{{role: user, content: hi}}]  # short\n{KEY}"
OPENED = f"messages:  # short\n  - role: user\n    content: |\n      a\n      b\n{KEY}"
OWN_WAYS = """\
template_format: f-string
messages:
  - {role: user, template_format: f-string, content: [{type: text, text: hi}], name: null}
  - role: system
    content: a
tools: []
agents: [bot]
"""
SPELLINGS = (
    "{a: 600, b: 1.50, c: 0x10, d: 1_000, e: 1.0e+3, f: 0o17, g: yes, h: off, i: ~, list: [ 1.50, 2 ]}"
)
TURNS = "messages:\n- role: user # 1\n  content: a\n# two\n- role:   user # 2\n  content: b\n# local\n" + KEY
TURNED = "messages:\n# two\n- role:   user # 2\n  content: b\n- role: user # 1\n  content: a\n# local\n" + KEY
ANCHORS = """\
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


def in_brackets(*lines: str) -> str:
    between = ",\n    ".join(lines)
    return f'{{\n  "name": "p",\n  "evaluations": [\n    {between}\n  ],\n  "content": "x"\n}}\n'


BRACKETS = in_brackets('"a"', '"b"', '"c"')


def turned(document: Any) -> None:
    document["messages"].reverse()


def with_other_values(document: Any) -> None:
    document["metadata"] |= {"a": 600.0, "c": 16.0, "e": 1000, "list": [1.5, 3]}


def everywhere(document: Any) -> None:
    new = {"k": "ONE", "l": "two"}
    document["metadata"] = {"a": new, "b": new, "c": {"d": new, "e": 1}}


# a file, a change, and the whole file afterwards, or what is in the place of what; None: only its meaning
EDITS: dict[str, tuple[str, Change, str | tuple[str, str] | None]] = {
    # -- texts and values
    "quotes become a block": (
        FILE, put("messages", 1, "content", "a\nb\n"),
        ('"{{ question }}"  # quoted\n', "|  # quoted\n    a\n    b\n"),
    ),
    "more lines in a folded block": (
        "content: >-  # the tone\n  one\n  line\n\n  two\n" + KEY, put("content", "one line\nnew\ntwo"),
        "content: |-  # the tone\n  one line\n  new\n  two\n" + KEY,
    ),
    "several lines in quotes": (
        "content: 'a\n\n  b'\n", put("content", "one\nb\n\ntwo"), "content: 'one\n\n  b\n\n\n  two'\n",
    ),
    "an indicator of indentation": (
        BLOCK, put("content", " a\nb\n"), f"content: |6\n       a\n      b\n{KEY}",
    ),
    "a comment beside a block": ("content: x # n\n", put("content", "a\nb"), "content: |- # n\n  a\n  b\n"),
    "one text block in a list": (
        "content:\n- type: text  # one\n  text: 'a'\n", put("content", "b"),
        "content:\n- type: text  # one\n  text: 'b'\n",
    ),
    "equal values keep their spelling": (
        f"content: x\nmetadata: {SPELLINGS}\n", with_other_values,
        f"content: x\nmetadata: {swap(SPELLINGS, ', 2 ]', ', 3 ]')}\n",
    ),
    "defaults that the file states": (
        OWN_WAYS, put("messages", 1, "content", "b"), ("content: a", "content: b"),
    ),
    # -- keys
    "a key in its place": (TOP, put("tags", ["a"]), ("# the", "tags: [a]\n# the")),
    "a key less in JSON": (JSON, call("pop", ("tags",)), '{"name": "p", "content": "x"}\n'),
    "needs below metadata, which change": (
        "name: p\ncontent: x # n\nmetadata:\n  needs: app  # since May\n  owner: me # us\n",
        put("needs", "app >= 2"), "name: p\nneeds: app >= 2\ncontent: x # n\nmetadata:\n  owner: me # us\n",
    ),
    # -- items of lists
    "tags": (FILE, put("tags", ["support", "new"]), ('billing,  "support" ]', '"support", new ]')),
    "the first entries of an item": (
        LIST, put("metadata", "list", 0, {"new": 0, "c": 3}), ("a: 1\n    b: 2", "new: 0"),
    ),
    "brackets open up": (IN_FLOW, put("messages", 0, "content", "a\nb\n"), OPENED),
    "lines in brackets move": (
        BRACKETS, put("evaluations", ["c", "a", "b"]), in_brackets('"c"', '"a"', '"b"'),
    ),
    "a moved item takes its lines along": (TURNS, turned, TURNED),
    # -- anchors
    "an alias": (ANCHORS, put("metadata", "b", {"k": "one"}), ("b: *a", "b: {k: one}")),
    "an anchor with all its aliases": (
        ANCHORS, everywhere, swap(ANCHORS, "k: one", "k: ONE").replace("*a", "{k: ONE, l: two}"),
    ),
    # -- odd layouts, of which only the meaning counts
    "an explicit key whose text becomes a block": (
        "? content\n: x\n", put("content", "a\nb\n"), "name: support/refund\ncontent: |\n  a\n  b\n",
    ),
    "comments in brackets": (
        "content: [\n  # first\n  {type: text, text: a}, # one\n  {type: code, code: b},\n]\n",
        put("content", 1, "code", "c"), None,
    ),
    "an empty value": ("content:\n  on\n  lines\nmetadata:\n\n  a:\n", put("metadata", "a", "1"), None),
    "blanks at the end": ("metadata: {}\ncontent: |2-\n    a\n      \n", put("synced", "2-3fa9c1a"), None),
}  # fmt: skip


@pytest.mark.parametrize(("text", "change", "expected"), EDITS.values(), ids=[*EDITS])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_edit_changes_what_it_must_and_keeps_the_style(
    text: str, change: Change, expected: str | tuple[str, str] | None, end: str
) -> None:
    edited = edit(text.replace("\n", end), change)
    if expected is not None:
        after = expected if isinstance(expected, str) else swap(text, *expected)
        assert edited == after.replace("\n", end)


def test_a_file_that_says_the_same_is_returned_as_it_is() -> None:
    file = parse(FILE.encode(), "p.yaml", "p")
    assert render_edit(file, file.prompt, file.local) == FILE
    filled = replace(
        file.prompt, template={**file.prompt.template, "tools": [], "input_variables": ["question"]}
    )
    assert render_edit(file, replace(filled, tags=("support", "billing")), file.local) == FILE


def test_a_file_that_a_pull_writes_is_given_its_name() -> None:
    file = parse(b"# why\ncontent: x\n", "prompts/a.yaml", "a")
    prompt = replace(file.prompt, template={"type": "completion", "content": [{"type": "text", "text": "z"}]})
    assert render_edit(file, prompt, file.local, named=True) == "# why\nname: a\ncontent: z\n"
    assert render_edit(file, file.prompt, file.local, named=True) == file.text


IN_LINES = "content: x\ntags: [\n  a, # one\n  b\n]\n"


def test_an_edit_that_would_lose_comments_is_refused() -> None:
    for text, change in (
        ("? content\n: x\n# why\n", put("content", "a\nb\n")),
        (IN_LINES, put("tags", ["a"])),
        (IN_LINES, put("tags", ["a", "b", "c"])),
        ("messages: [\n  # first\n  {role: user, content: a}]\n", put("messages", 0, "content", "a\nb\n")),
        (ANCHORS, put("metadata", "a", {"k": "ONE", "l": "two"})),
    ):
        with pytest.raises(Refused, match="cannot be edited without losing its comments") as refused:
            edit(text, change)
        assert "without brackets" in refused.value.hint
        without = "".join(line.partition("#")[0].rstrip() + "\n" for line in text.splitlines())
        assert "&a" not in edit(without, change)


@given(prompts(), locals_(), prompts(), locals_())
@settings(max_examples=examples(150), deadline=None)
def test_any_file_can_become_any_other(old: Prompt, old_local: Local, new: Prompt, new_local: Local) -> None:
    new = replace(new, name=old.name)
    existing = render_new(old, old_local)
    before = parse(existing.encode(), "p.yaml", "other")
    assert render_edit(before, old, old_local) == existing
    edited = render_edit(before, new, new_local)
    file = parse(edited.encode(), "p.yaml", "other")
    assert canonical(file.prompt) == canonical(new)
    assert (file.prompt.name, set(file.prompt.tags), file.local) == (new.name, set(new.tags), new_local)


BLANKS = """\
name: x # name
messages: # list
  # first
  - role: user # one
    content: {content}

  # second
  - {{role: user, content: two}} # two

tags: [a] # last
"""


@pytest.mark.parametrize("content", ["one", "|2-\n      one", ">\n      one\n"])
def test_blank_lines_at_the_end_of_a_text_cost_no_comments(content: str) -> None:
    """Blank lines below a text that ends in some would become part of it."""
    source = BLANKS.format(content=content)
    for place, text in itertools.product((0, 1, 2), ("", "new", "new\n\n")):

        def change(document: dict[str, Any], place: int = place, text: str = text) -> None:
            one = document["messages"][0]
            if text:
                document["messages"].insert(place, {"role": "assistant", "content": text})
            one["content"] = "one\nmore\n\n"

        edited = edit(source, change)
        assert edited.count(" # ") == source.count(" # "), edited


# -- pins --------------------------------------------------------------------------------------------------

PIN = "@@@tone@version_number:1@@@"
NEW = "@@@tone@version_number:12@@@"


def repinned(text: str) -> str:
    file = parse(text.encode(), "p.yaml", "p")
    template = snippets.repinned(file.prompt.template, "tone", {1}, 12)
    return render_edit(file, replace(file.prompt, template=template), file.local)


def test_only_the_number_of_a_pin_that_is_rendered_changes() -> None:
    for text in (
        "{{name: p, messages: [{{role: user, content: 'Hi {pin}'}}]}}\n",
        "name: p\r\ncontent: |\r\n  {pin} {pin}\r\n  @@@tone@@@ @@@tone@label:prod@@@ {pin}\r\n",
        f"# {PIN}\nname: p\ncontent: |  # {PIN}\n  {{pin}}\nexamples: [{{{{x: '{PIN}'}}}}]\n# {PIN}\n",
        "name: p\ncontent: '@@@tone@version_number:3@@@ @@@other@@@tone@version_number:1@@@'\n",
    ):
        assert repinned(text.format(pin=PIN)) == text.format(pin=NEW)


def test_a_reference_that_is_spelled_with_escapes_is_changed_too() -> None:
    text = 'name: p\n# why\ncontent: "Hi \\x40@@tone@version_number:1@@@"  # beside\nmetadata: {a: 1}\n'
    found = repinned(text)
    assert pins(parse(found.encode(), "p.yaml", "p").prompt.template) == {"tone": {12}}
    assert "# why\n" in found and "# beside" in found and found.endswith("metadata: {a: 1}\n")
    zeros = "name: p\ncontent: '@@@tone@version_number:001@@@'\n"
    assert repinned(zeros) == zeros.replace("001", "12")
