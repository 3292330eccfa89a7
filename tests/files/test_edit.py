from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from seeds import examples
from strategies import locals_, prompts

from promptsync.errors import Refused
from promptsync.files.prompt_file import parse, render_edit, render_new
from promptsync.prompt.canonical import canonical, to_document, to_prompt
from promptsync.prompt.prompt import Local, Prompt

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


def edit(text: str, change: Any, **local: Any) -> str:
    """Edit a file by changing its document in place."""
    file = parse(text.encode(), "p.yaml", "support/refund")
    document = to_document(file.prompt, file.local)
    change(document)
    prompt, said = to_prompt(document, file.prompt.name)
    edited = render_edit(file, prompt, replace(said, **local))
    back = parse(edited.encode(), "p.yaml", "support/refund")
    assert canonical(back.prompt) == canonical(prompt)
    assert set(back.prompt.tags) == set(prompt.tags)
    return edited


def changes(before: str, after: str) -> str:
    """The lines that went and came, in order, as a diff shows them."""
    import difflib

    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return "\n".join(line.rstrip("\r\n") for line in lines if line[0] in "+-")


def test_a_file_that_says_the_same_is_returned_as_it_is() -> None:
    file = parse(FILE.encode(), "p.yaml", "p")
    assert render_edit(file, file.prompt, file.local) == FILE
    filled = replace(
        file.prompt, template={**file.prompt.template, "tools": [], "input_variables": ["question"]}
    )
    assert render_edit(file, replace(filled, tags=("support", "billing")), file.local) == FILE


def _set(*path: Any) -> Any:
    *where, last, value = path

    def change(document: Any) -> None:
        for part in where:
            document = document[part]
        document[last] = value

    return change


def _call(*path: Any) -> Any:
    *where, method, arguments = path

    def change(document: Any) -> None:
        for part in where:
            document = document[part]
        getattr(document, method)(*arguments)

    return change


CHANGES: dict[str, tuple[Any, str]] = {
    "synced": (_set("synced", "8-0c4e1f2"), "- synced: 7-3fa9c1a # by pull\n+ synced: 8-0c4e1f2 # by pull"),
    "literal block": (
        _set("messages", 0, "content", "You answer.  \n\nBe brief.\n"),
        "-     Be kind.\n+     Be brief.",
    ),
    "a block below a deeper key": (
        _set("model", "prompt", "a\nb\n"),
        "+     prompt: |\n+       a\n+       b",
    ),
    "quoted becomes a block and keeps its comment": (
        _set("messages", 1, "content", "a\nb\n"),
        '- - content: "{{ question }}"  # quoted\n+ - content: |  # quoted\n+     a\n+     b',
    ),
    "another text in a folded block": (
        _set("messages", 2, "content", "one"),
        "-   content: >-\n+   content: |-\n+     one\n-     folded\n-     text",
    ),
    "inside a flow mapping": (
        _set("model", "parameters", "temperature", 0.5),
        "-     parameters: {temperature: 0.20, stop: [a, b]}\n"
        "+     parameters: {temperature: 0.5, stop: [a, b]}",
    ),
    "inside a flow list": (
        _set("model", "parameters", "stop", ["a", "c", "b"]),
        "-     parameters: {temperature: 0.20, stop: [a, b]}\n"
        "+     parameters: {temperature: 0.20, stop: [a, c, b]}",
    ),
    "one tag goes, another comes": (
        _set("tags", ["support", "new"]),
        '- tags: [ billing,  "support" ]   # two\n+ tags: [ "support", new ]   # two',
    ),
    "one more parameter": (
        _set("model", "parameters", "seed", 4),
        "-     parameters: {temperature: 0.20, stop: [a, b]}\n"
        "+     parameters: {temperature: 0.20, stop: [a, b], seed: 4}",
    ),
    "one more key with the indentation of its siblings": (
        _set("model", "api_type", "responses"),
        "+     api_type: responses",
    ),
    "a message in the middle": (
        _call("messages", "insert", (1, {"role": "user", "content": "Hi\nthere"})),
        "+ - role: user\n+   content: |-\n+     Hi\n+     there",
    ),
    "a message at the end": (
        _call("messages", "append", ({"role": "user", "content": "x"},)),
        "+ - role: user\n+   content: x",
    ),
    "a message less": (
        _call("messages", "pop", (1,)),
        '- - content: "{{ question }}"  # quoted\n-   role: user',
    ),
    "a new section after a folded block": (_set("evaluations", ["a"]), "+ evaluations: [a]"),
    "the key beside the dash goes": (
        _call("messages", 1, "pop", ("content",)),
        '- - content: "{{ question }}"  # quoted\n-   role: user\n+ - role: user',
    ),
    "a section less": (
        _call("pop", ("model",)),
        "- model:\n"
        "-     provider: openai\n"
        '-     name: "gpt-4o"     # not mini\n'
        "-     parameters: {temperature: 0.20, stop: [a, b]}",
    ),
    "a text that ends in blank lines": (
        _set("messages", 0, "content", "a\n\n\n"),
        "-   content: |\n+   content: |+\n-     You answer.  \n+     a\n-     Be kind.",
    ),
    "the default format is not said": (_set("template_format", "f-string"), "- template_format: 'jinja2'"),
}


@pytest.mark.parametrize(("change", "diff"), CHANGES.values(), ids=[*CHANGES])
def test_an_edit_touches_the_lines_that_changed(change: Any, diff: str) -> None:
    assert changes(FILE, edit(FILE, change)) == diff


FOLDED = """\
content: >-  # the tone
  You answer questions of our customers about refunds and
  returns. Be brief and friendly, and say so when you do
  not know what the customer wants.

  The second paragraph stays.
    - indented lines
    - stay too
"""
PLAIN = """\
content:   You answer questions about refunds
    and returns. Be brief and friendly.   # the tone
"""
QUOTED = """\
content: "You answer caf\\u00e9 questions about\\
  \\ refunds and returns. Be brief and
  friendly.\\n\\tSay \\x22so\\x22."
"""
SINGLE = """\
metadata:
  note:    'it''s brief'   # aligned
content: x
"""


STYLES: dict[str, tuple[str, str, str, str | None]] = {
    "one word of a folded block": (
        FOLDED,
        "brief",
        "short",
        "-   returns. Be brief and friendly, and say so when you do\n"
        "+   returns. Be short and friendly, and say so when you do",
    ),
    "a line may get long where little changes": (
        FOLDED,
        "brief",
        "brief, honest, attentive",
        "-   returns. Be brief and friendly, and say so when you do\n"
        "+   returns. Be brief, honest, attentive and friendly, and say so when you do",
    ),
    "one word of a plain text on two lines": (
        PLAIN,
        "brief",
        "short",
        "-     and returns. Be brief and friendly.   # the tone\n"
        "+     and returns. Be short and friendly.   # the tone",
    ),
    "a quoted text keeps its other escapes and line breaks": (
        QUOTED,
        "brief",
        'short "é"',
        '-   \\ refunds and returns. Be brief and\n+   \\ refunds and returns. Be short \\"é\\" and',
    ),
    "single quotes and the blanks around them": (
        SINGLE,
        "brief",
        "brief, isn't it",
        "-   note:    'it''s brief'   # aligned\n+   note:    'it''s brief, isn''t it'   # aligned",
    ),
    "what single quotes cannot hold is in double quotes": (
        SINGLE,
        "brief",
        "\x07",
        "-   note:    'it''s brief'   # aligned\n+   note:    \"it's \\u0007\"   # aligned",
    ),
    "another line break in a block": (
        FOLDED.replace("not know", "not\u2028  know").replace(" >-", " |"),
        "brief",
        "short",
        None,
    ),
}


@pytest.mark.parametrize(("text", "old", "new", "diff"), STYLES.values(), ids=[*STYLES])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_edited_text_keeps_its_style(text: str, old: str, new: str, diff: str | None, end: str) -> None:
    def change(document: Any) -> None:
        holder, key = (document["metadata"], "note") if text == SINGLE else (document, "content")
        assert old in holder[key]
        holder[key] = holder[key].replace(old, new)

    edited = edit(text.replace("\n", end), change)
    assert edited.count("\r") == (edited.count("\n") if end == "\r\n" else 0)
    if diff is not None:
        assert changes(text, edited.replace(end, "\n")) == diff


KEY = "synced: 1-0a1b2c3\n"
JSON = '{"name": "p", "content": "x",\n "tags": ["a"]}\n'
TOP = f"# top\nname: p\n# the text\ncontent: x\n{KEY}"
LIST = "content: x\nmetadata:\n  list:\n  - a: 1\n    b: 2\n    c: 3 # stays\n  - d\n"
COMMENTED = "content: x\ntags:\n  # one\n  - a # first\n  # two\n  - b\n"
BLOCK = f"content: |\n      a\n\n      b\n{KEY}"
LITERAL = "content: |\n  long\n  text\n"
IN_FLOW = f"messages: [{{role: user, content: hi}}]  # short\n{KEY}"
OPENED = f"messages:  # short\n  - role: user\n    content: |\n      a\n      b\n{KEY}"
EDITED: dict[str, tuple[str, Any, str]] = {
    "one text block in a list": (
        "content:\n- type: text  # one\n  text: 'a'\n",
        _set("content", "b"),
        "content:\n- type: text  # one\n  text: 'b'\n",
    ),
    "a key in its place": (TOP, _set("tags", ["a"]), TOP.replace("# the", "tags: [a]\n# the")),
    "a key at the top": ("# top\ncontent: x\n", _set("tags", ["a"]), "# top\ntags: [a]\ncontent: x\n"),
    "the first entries of an item": (
        LIST,
        _set("metadata", "list", 0, {"new": 0, "c": 3}),
        LIST.replace("a: 1\n    b: 2", "new: 0"),
    ),
    "another item in the place": (COMMENTED, _set("tags", ["c", "b"]), COMMENTED.replace("- a", "- c")),
    "what the application must have": (
        "content: x # n\nneeds: app >= 2.3  # since May\n",
        _set("needs", "app >= 2.4"),
        "content: x # n\nneeds: app >= 2.4  # since May\n",
    ),
    "needs below metadata stay there while they are the same": (
        "content: x\nmetadata:\n  needs: app  # since May\n",
        _set("content", "y"),
        "content: y\nmetadata:\n  needs: app  # since May\n",
    ),
    "needs below metadata move to the top with a new value": (
        "name: p\ncontent: x # n\nmetadata:\n  needs: app  # since May\n  owner: me # us\n",
        _set("needs", "app >= 2"),
        "name: p\nneeds: app >= 2\ncontent: x # n\nmetadata:\n  owner: me # us\n",
    ),
    "brackets open up": (IN_FLOW, _set("messages", 0, "content", "a\nb\n"), OPENED),
    "an indicator": (BLOCK, _set("content", " a\nb\n"), f"content: |6\n       a\n      b\n{KEY}"),
    "a literal block that is indented": (LITERAL, _set("content", "  a\nb"), "content: |2-\n    a\n  b\n"),
    "an empty line": (LITERAL, _set("content", "\n"), 'content: "\\n"\n'),
    "several lines in quotes": (
        "content: 'a\n\n  b'\n",
        _set("content", "one\nb\n\ntwo"),
        "content: 'one\n\n  b\n\n\n  two'\n",
    ),
    "JSON": (JSON, _set("content", "a\nb"), JSON.replace('"x"', '"a\\nb"')),
    "JSON loses a key": (JSON, _call("pop", ("tags",)), '{"name": "p", "content": "x"}\n'),
    "no last line break": ("name: p\ncontent: x", _set("content", "z"), "name: p\ncontent: z\n"),
    "a block without one": (
        "content: |\n  x",
        _set("synced", "2-3fa9c1a"),
        "content: |-\n  x\nsynced: 2-3fa9c1a\n",
    ),
    "a comment beside": ("content: x # n", _set("content", "a\nb"), "content: |- # n\n  a\n  b\n"),
}


@pytest.mark.parametrize(("text", "change", "expected"), EDITED.values(), ids=[*EDITED])
def test_an_edit_keeps_the_layout(text: str, change: Any, expected: str) -> None:
    assert edit(text, change) == expected


def test_more_lines_of_a_folded_text_make_it_literal() -> None:
    text = "content: >-  # the tone\n  one\n  line\n\n  two\nsynced: 1-0a1b2c3\n"
    expected = "content: |-  # the tone\n  one line\n  new\n  two\nsynced: 1-0a1b2c3\n"
    assert edit(text, _set("content", "one line\nnew\ntwo")) == expected


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        *(
            ("600", 600.0),
            ("1.50", 1.5),
            ("0x10", 16.0),
            ("1_000", 1000.0),
            ("1.0e+3", 1000),
            ("0o17", "0o17"),
        ),
        *(("yes", True), ("off", False), ("~", None)),
    ],
)
def test_an_equal_value_keeps_its_spelling_beside_one_that_changes(spelling: str, value: Any) -> None:
    text = f"content: x\nmetadata: {{a: {spelling}, b: 1, list: [ {spelling}, 2 ]}}\n"

    def change(document: Any) -> None:
        document["metadata"] = {"a": value, "b": 2, "list": [value, 3]}

    assert edit(text, change) == text.replace("b: 1", "b: 2").replace(", 2 ]", ", 3 ]")


def test_a_moved_item_takes_its_lines_along() -> None:
    text = FILE.replace("\n\n# then", "\n# then").replace(
        "- role: assistant", "# last, an example\n- role:   assistant # as it was"
    )
    head, _, rest = text.partition("# then the question\n")
    question, _, rest = rest.partition("# last, an example\n")
    example, _, local = rest.partition("# local\n")

    def change(document: Any) -> None:
        first, second, third = document["messages"]
        document["messages"] = [first, third, second]

    assert edit(text, change) == (
        f"{head}# last, an example\n{example}# then the question\n{question}# local\n{local}"
    )


def test_an_item_that_changes_keeps_its_comments_where_another_one_moves() -> None:
    text = "messages:\n- role: user # 1\n  content: a\n- role: user # 2\n  content: b\n"

    def change(document: Any) -> None:
        first, second = document["messages"]
        document["messages"] = [second, {**first, "content": "new"}]

    edited = edit(text, change)
    assert edited == "messages:\n- role: user # 2\n  content: b\n- role: user # 1\n  content: new\n"


LINES_IN_BRACKETS = """\
{
  "name": "p",
  "evaluations": [
    "a",
    "b",
    "c"
  ],
  "content": "x"
}
"""


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (["a", "c"], ['"a"', '"c"']),
        (["c"], ['"c"']),
        (["a", "b", "c", "d", "e"], ['"a"', '"b"', '"c"', "d", "e"]),
        (["a", "d", "b", "c"], ['"a"', "d", '"b"', '"c"']),
        (["c", "a", "b"], ['"c"', '"a"', '"b"']),
    ],
)
def test_entries_of_brackets_with_lines_of_their_own_come_and_go_by_line(
    names: list[str], lines: list[str]
) -> None:
    before = '    "a",\n    "b",\n    "c"\n'
    after = ",\n".join(f"    {line}" for line in lines) + "\n"
    assert edit(LINES_IN_BRACKETS, _set("evaluations", names)) == LINES_IN_BRACKETS.replace(before, after)


def test_defaults_that_the_file_states_and_its_own_ways_to_say_things_stay() -> None:
    text = (
        "template_format: f-string\n"
        "messages:\n"
        "  - {role: user, template_format: f-string, content: [{type: text, text: hi}], name: null}\n"
        "  - role: system\n    content: a\n"
        "tools: []\nagents: [bot]\n"
    )
    assert changes(text, edit(text, _set("messages", 1, "content", "b"))) == (
        "-     content: a\n+     content: b"
    )


def test_a_file_that_a_pull_writes_is_given_its_name() -> None:
    file = parse(b"# why\ncontent: x\n", "prompts/a.yaml", "a")
    prompt = replace(file.prompt, template={"type": "completion", "content": [{"type": "text", "text": "z"}]})
    assert render_edit(file, prompt, file.local, named=True) == "# why\nname: a\ncontent: z\n"
    assert render_edit(file, file.prompt, file.local, named=True) == file.text


LISTS = "metadata:\n  list:\n  - - a\n    - b\n  - - c\n  - \n  -\n    d: e\ncontent: x\n"


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("content: &t hello\nmetadata: {copy: *t}\n", _set("content", "new")),
        ("content: &t hello\nmetadata: {copy: *t}\n", _set("metadata", "copy", "new")),
        ("? name\n: p\n? content\n: x\n", _set("content", "y")),
        ("messages:\n- - \n", None),
        ("--- # start\ncontent: x\n...\n", _set("content", "y")),
        (
            "content: [\n  # first\n  {type: text, text: a}, # one\n  {type: code, code: b},\n]\n",
            _set("content", 1, "code", "c"),
        ),
        *((LISTS, _set("metadata", "list", *change)) for change in ((0, ["z"]), (3, "d", 1), (2, [1]))),
        ("content:\n  plain text\n  on lines\nmetadata:\n\n  a:\n", _set("metadata", "a", "1")),
        ("content: |+\n  a\n\n\nmetadata: {a: 1}\n", _call("pop", ("metadata",))),
        ("content: |2\n    a\n\n     \nmetadata: {a: 1}\n", _set("metadata", "b", 2)),
        ("metadata: {a: 1}\ncontent: |2-\n    a\n      \n", _set("synced", "2-3fa9c1a")),
    ],
)
def test_odd_layouts_are_edited_too(text: str, change: Any) -> None:
    if change is not None:
        edit(text, change)


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


@given(prompts(), st.sampled_from([True, False, None]), st.integers(2, 6), prompts())
@settings(max_examples=examples(100), deadline=None)
def test_files_of_other_emitters_are_edited_too(
    old: Prompt, flow: bool | None, indent: int, new: Prompt
) -> None:
    new = replace(new, name=old.name)
    document = to_document(old, Local())
    existing = yaml.safe_dump(
        document, default_flow_style=flow, indent=indent, allow_unicode=True, sort_keys=False, width=60
    )
    try:
        before = parse(existing.encode(), "p.yaml", "p")
        if before.prompt.template != to_prompt(document, "p")[0].template:
            return
    except Exception:  # PyYAML writes some texts so that they do not read back.
        return
    edited = render_edit(before, new, Local())
    assert canonical(parse(edited.encode(), "p.yaml", "p").prompt) == canonical(new)


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


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("text", ["", "new", "new\n", "new\n\n", "new\n\n\n"])
@pytest.mark.parametrize("content", ["one", "|-2\n      one", "|2-\n      one", ">\n      one\n"])
def test_blank_lines_at_the_end_of_a_text_cost_no_comments(content: str, text: str, place: int) -> None:
    """Blank lines below a text that ends in some would become part of it."""
    source = BLANKS.format(content=content)

    def change(document: dict[str, Any]) -> None:
        if text:
            document["messages"].insert(place, {"role": "assistant", "content": text})
        one = next(each for each in document["messages"] if str(each["content"]).startswith("one"))
        one["content"] = "one\nmore\n\n"

    edited = edit(source, change)
    assert [mark for mark in ("# name", "# list", "# first", "# one", "# second", "# two", "# last")
            if mark not in edited] == []  # fmt: skip


def test_an_edit_that_would_lose_comments_is_refused() -> None:
    text = "? content\n: x\n"
    assert edit(text, _set("content", "a\nb\n")) == "name: support/refund\ncontent: |\n  a\n  b\n"
    tags = "content: x\ntags: [\n  a, # one\n  b\n]\n"
    messages = "messages: [\n  # first\n  {role: user, content: a}]\n"
    for before, change in (
        (f"{text}# why\n", _set("content", "a\nb\n")),
        (tags, _set("tags", ["a"])),
        (tags, _set("tags", ["a", "b", "c"])),
        (messages, _set("messages", 0, "content", "a\nb\n")),
    ):
        with pytest.raises(Refused, match="cannot be edited without losing its comments") as refused:
            edit(before, change)
        assert "without brackets" in refused.value.hint
    dashes = "content: x\ntags:\n  - a # one\n  - b\n"
    assert edit(dashes, _set("tags", ["a", "c", "d"])).endswith(dashes.replace("- b", "- c\n  - d"))
