from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from seeds import examples
from strategies import locals_, prompts, texts

from promptsync.files.prompt_file import parse
from promptsync.files.prompt_text import render_edit, render_new
from promptsync.prompt.canonical import canonical
from promptsync.prompt.document import to_document, to_prompt
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


def changes(before: str, after: str) -> list[str]:
    """The lines that went and came, in order, as a diff shows them."""
    import difflib

    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line.rstrip("\r\n") for line in lines if line[0] in "+-"]


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


@pytest.mark.parametrize(
    ("change", "diff"),
    [
        pytest.param(
            _set("synced", "8-0c4e1f2"),
            ["- synced: 7-3fa9c1a # by pull", "+ synced: 8-0c4e1f2 # by pull"],
            id="synced",
        ),
        pytest.param(
            _set("messages", 0, "content", "You answer.  \n\nBe brief.\n"),
            ["-     Be kind.", "+     Be brief."],
            id="literal block",
        ),
        pytest.param(
            _set("model", "prompt", "a\nb\n"),
            ["+     prompt: |", "+       a", "+       b"],
            id="a block below a deeper key",
        ),
        pytest.param(
            _set("messages", 1, "content", "a\nb\n"),
            ['- - content: "{{ question }}"  # quoted', "+ - content: |  # quoted", "+     a", "+     b"],
            id="quoted becomes a block and keeps its comment",
        ),
        pytest.param(
            _set("messages", 2, "content", "one"),
            ["+     one", "-     folded", "-     text"],
            id="folded stays folded",
        ),
        pytest.param(
            _set("model", "parameters", "temperature", 0.5),
            [
                "-     parameters: {temperature: 0.20, stop: [a, b]}",
                "+     parameters: {temperature: 0.5, stop: [a, b]}",
            ],
            id="inside a flow mapping",
        ),
        pytest.param(
            _set("model", "parameters", "stop", ["a", "c", "b"]),
            [
                "-     parameters: {temperature: 0.20, stop: [a, b]}",
                "+     parameters: {temperature: 0.20, stop: [a, c, b]}",
            ],
            id="inside a flow list",
        ),
        pytest.param(
            _set("tags", ["support", "new"]),
            ['- tags: [ billing,  "support" ]   # two', '+ tags: [ "support", new ]   # two'],
            id="one tag goes, another comes",
        ),
        pytest.param(
            _set("model", "parameters", "seed", 4),
            [
                "-     parameters: {temperature: 0.20, stop: [a, b]}",
                "+     parameters: {temperature: 0.20, stop: [a, b], seed: 4}",
            ],
            id="one more parameter",
        ),
        pytest.param(
            _set("model", "api_type", "responses"),
            ["+     api_type: responses"],
            id="one more key with the indentation of its siblings",
        ),
        pytest.param(
            _call("messages", "insert", (1, {"role": "user", "content": "Hi\nthere"})),
            ["+ - role: user", "+   content: |-", "+     Hi", "+     there"],
            id="a message in the middle",
        ),
        pytest.param(
            _call("messages", "insert", (0, {"role": "developer", "content": "x"})),
            ["+ - role: developer", "+   content: x"],
            id="a message at the start",
        ),
        pytest.param(
            _call("messages", "append", ({"role": "user", "content": "x"},)),
            ["+ - role: user", "+   content: x"],
            id="a message at the end",
        ),
        pytest.param(
            _call("messages", "pop", (1,)),
            ['- - content: "{{ question }}"  # quoted', "-   role: user"],
            id="a message less",
        ),
        pytest.param(_set("metadata", {"owner": "me"}), ["+ metadata: {owner: me}"], id="a new section"),
        pytest.param(
            _set("evaluations", ["a"]),
            ["+ evaluations: [a]"],
            id="a new section after a folded block",
        ),
        pytest.param(
            _call("messages", 1, "pop", ("content",)),
            ['- - content: "{{ question }}"  # quoted', "-   role: user", "+ - role: user"],
            id="the key beside the dash goes",
        ),
        pytest.param(
            _call("pop", ("model",)),
            [
                "- model:",
                "-     provider: openai",
                '-     name: "gpt-4o"     # not mini',
                "-     parameters: {temperature: 0.20, stop: [a, b]}",
            ],
            id="a section less",
        ),
        pytest.param(
            _set("messages", 0, "content", "a\n\n\n"),
            ["-   content: |", "+   content: |+", "-     You answer.  ", "+     a", "-     Be kind."],
            id="a text that ends in blank lines",
        ),
        pytest.param(
            _set("template_format", "f-string"),
            ["- template_format: 'jinja2'"],
            id="the default format is not said",
        ),
    ],
)
def test_an_edit_touches_the_lines_that_changed(change: Any, diff: list[str]) -> None:
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


@pytest.mark.parametrize(
    ("text", "old", "new", "diff"),
    [
        pytest.param(
            FOLDED,
            "brief",
            "short",
            [
                "-   returns. Be brief and friendly, and say so when you do",
                "+   returns. Be short and friendly, and say so when you do",
            ],
            id="one word of a folded block",
        ),
        pytest.param(
            FOLDED,
            "brief",
            "brief, honest, attentive",
            [
                "-   returns. Be brief and friendly, and say so when you do",
                "+   returns. Be brief, honest, attentive and friendly, and say so when you do",
            ],
            id="a line may get long where little changes",
        ),
        pytest.param(
            FOLDED,
            "\nThe second",
            "\nOne more.\nThe second",
            ["+   One more.", "+ "],
            id="a new paragraph in a folded block",
        ),
        pytest.param(
            FOLDED,
            "stay too",
            "stay too\n",
            ["- content: >-  # the tone", "+ content: >  # the tone"],
            id="a line break at the end of a folded block",
        ),
        pytest.param(
            PLAIN,
            "brief",
            "short",
            [
                "-     and returns. Be brief and friendly.   # the tone",
                "+     and returns. Be short and friendly.   # the tone",
            ],
            id="one word of a plain text on two lines",
        ),
        pytest.param(
            QUOTED,
            "brief",
            'short "é"',
            [
                "-   \\ refunds and returns. Be brief and",
                '+   \\ refunds and returns. Be short \\"é\\" and',
            ],
            id="a quoted text keeps its other escapes and line breaks",
        ),
        pytest.param(
            SINGLE,
            "brief",
            "brief, isn't it",
            ["-   note:    'it''s brief'   # aligned", "+   note:    'it''s brief, isn''t it'   # aligned"],
            id="single quotes and the blanks around them",
        ),
        pytest.param(
            SINGLE,
            "brief",
            "\x07",
            ["-   note:    'it''s brief'   # aligned", '+   note:    "it\'s \\a"   # aligned'],
            id="what single quotes cannot hold is in double quotes",
        ),
        pytest.param(
            FOLDED.replace("not know", "not\u2028  know").replace(" >-", " |"),
            "brief",
            "short",
            None,
            id="another line break in a block",
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_edited_text_keeps_its_style(
    text: str, old: str, new: str, diff: list[str] | None, end: str
) -> None:
    def change(document: Any) -> None:
        holder, key = (document["metadata"], "note") if text == SINGLE else (document, "content")
        assert old in holder[key]
        holder[key] = holder[key].replace(old, new)

    edited = edit(text.replace("\n", end), change)
    assert edited.count("\r") == (edited.count("\n") if end == "\r\n" else 0)
    if diff is not None:
        assert changes(text, edited.replace(end, "\n")) == diff


@pytest.mark.parametrize(
    ("content", "expected"),
    [("short\n", "|\n  short\n"), ("  a\nb", "|2-\n    a\n  b\n"), ("", '""\n'), ("\n", '"\\n"\n')],
)
def test_a_literal_block_stays_one_if_it_can(content: str, expected: str) -> None:
    assert edit("content: |\n  long\n  text\n", _set("content", content)) == f"content: {expected}"


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
        (["a", "b"], ['"a"', '"b"']),
        (["c"], ['"c"']),
        (["a", "b", "c", "d", "e"], ['"a"', '"b"', '"c"', "d", "e"]),
        (["d", "a", "b", "c"], ["d", '"a"', '"b"', '"c"']),
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


def test_comments_in_brackets_stay_with_their_entries() -> None:
    text = "content: x\ntags: [\n  a, # one\n  b, # two\n  c, # three\n]\n"
    assert edit(text, _set("tags", ["a", "c"])) == text.replace("  b, # two\n", "")
    assert edit(text, _set("tags", ["a", "b", "d", "c"])) == text.replace("  c,", "  d,\n  c,")


def test_a_list_of_one_text_block_stays_a_list() -> None:
    text = "content:\n- type: text  # one\n  text: 'a'\n"
    assert edit(text, _set("content", "b")) == text.replace("'a'", "'b'")


def test_a_new_key_stands_where_the_house_style_has_it() -> None:
    text = "# top\nname: p\n# the text\ncontent: x\nsynced: 1-0a1b2c3\n"
    edited = edit(text, _set("tags", ["a"]))
    assert edited == "# top\nname: p\ntags: [a]\n# the text\ncontent: x\nsynced: 1-0a1b2c3\n"
    assert edit("# top\ncontent: x\n", _set("tags", ["a"])) == "# top\ntags: [a]\ncontent: x\n"


def test_the_first_entries_of_an_item_may_go_and_others_come() -> None:
    text = "content: x\nmetadata:\n  list:\n  - a: 1\n    b: 2\n    c: 3 # stays\n  - d\n"
    edited = edit(text, _set("metadata", "list", 0, {"new": 0, "c": 3}))
    assert edited == "content: x\nmetadata:\n  list:\n  - new: 0\n    c: 3 # stays\n  - d\n"


def test_items_that_take_each_others_place_keep_the_comments_around() -> None:
    text = "content: x\ntags:\n  # one\n  - a # first\n  # two\n  - b\n"
    assert edit(text, _set("tags", ["c", "b"])) == text.replace("- a", "- c")


def test_a_file_with_aliases_says_the_right_thing_after_an_edit() -> None:
    text = "# top\ncontent: &t hello\nmetadata: {copy: *t, other: 1}\n"
    assert edit(text, _set("metadata", "other", 2)) == text.replace("1", "2")
    assert edit(text, _set("content", "new")).startswith("# top\n")


def test_a_flow_mapping_opens_up_for_a_text_of_several_lines() -> None:
    key = "synced: 1-0a1b2c3\n"
    edited = edit(
        f"messages: [{{role: user, content: hi}}]  # short\n{key}", _set("messages", 0, "content", "a\nb\n")
    )
    assert edited == f"messages:  # short\n  - role: user\n    content: |\n      a\n      b\n{key}"


def test_a_literal_block_keeps_its_indentation() -> None:
    key = "synced: 1-0a1b2c3\n"
    text = f"content: |\n      a\n\n      b\n{key}"
    assert edit(text, _set("content", "a\n\n  c\n")) == f"content: |\n      a\n\n        c\n{key}"
    assert edit(text, _set("content", " a\nb\n")) == f"content: |6\n       a\n      b\n{key}"


def test_a_file_in_json_stays_json() -> None:
    text = '{"name": "p", "content": "x",\n "tags": ["a"]}\n'
    edited = edit(text, _set("content", "a\nb"))
    assert edited == '{"name": "p", "content": "a\\nb",\n "tags": ["a"]}\n'
    assert edit(text, _call("pop", ("tags",))) == '{"name": "p", "content": "x"}\n'


def test_crlf_files_stay_crlf() -> None:
    text = FILE.replace("\n", "\r\n")
    edited = edit(text, _set("messages", 1, "content", "a\nb\n"))
    assert "\n" not in edited.replace("\r\n", "")
    assert edited.replace("\r\n", "\n") == edit(FILE, _set("messages", 1, "content", "a\nb\n"))


@pytest.mark.parametrize(
    ("text", "change", "expected"),
    [
        ("name: p\ncontent: x", _set("content", "z"), "name: p\ncontent: z"),
        ("content: x\nsynced: 1-0a1b2c3", _set("synced", "2-3fa9c1a"), "content: x\nsynced: 2-3fa9c1a"),
        ("content: |\n  x", _set("synced", "2-3fa9c1a"), "content: |-\n  x\nsynced: 2-3fa9c1a"),
        ("content: x # note", _set("content", "a\nb"), "content: |- # note\n  a\n  b"),
    ],
)
def test_a_missing_last_line_break_stays_missing(text: str, change: Any, expected: str) -> None:
    assert edit(text, change) == expected


def test_defaults_that_the_file_states_and_its_own_ways_to_say_things_stay() -> None:
    text = (
        "template_format: f-string\n"
        "messages:\n"
        "  - {role: user, template_format: f-string, content: [{type: text, text: hi}], name: null}\n"
        "  - role: system\n    content: a\n"
        "tools: []\nagents: [bot]\n"
    )
    assert changes(text, edit(text, _set("messages", 1, "content", "b"))) == [
        "-     content: a",
        "+     content: b",
    ]


def test_a_file_without_a_name_gets_none() -> None:
    assert edit("content: x\n", _set("content", "z")) == "content: z\n"


def test_a_file_that_a_pull_writes_is_given_its_name() -> None:
    file = parse(b"# why\ncontent: x\n", "prompts/a.yaml", "a")
    prompt = replace(file.prompt, template={"type": "completion", "content": [{"type": "text", "text": "z"}]})
    assert render_edit(file, prompt, file.local, named=True) == "# why\nname: a\ncontent: z\n"
    assert render_edit(file, file.prompt, file.local, named=True) == file.text


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
        (
            "metadata:\n  list:\n  - - a\n    - b\n  - - c\n  - \n  -\n    d: e\ncontent: x\n",
            _set("metadata", "list", 0, ["z"]),
        ),
        (
            "metadata:\n  list:\n  - - a\n    - b\n  - - c\n  - \n  -\n    d: e\ncontent: x\n",
            _set("metadata", "list", 3, "d", 1),
        ),
        (
            "metadata:\n  list:\n  - - a\n    - b\n  - - c\n  - \n  -\n    d: e\ncontent: x\n",
            _set("metadata", "list", 2, [1]),
        ),
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


@given(prompts(), locals_(), st.data())
@settings(max_examples=examples(150), deadline=None)
def test_one_changed_text_leaves_the_other_lines_alone(
    prompt: Prompt, local: Local, data: st.DataObject
) -> None:
    existing = render_new(prompt, local)
    lines = existing.splitlines(keepends=True)
    document = to_document(prompt, local)
    document["metadata"] = {**document.get("metadata", {}), "note to self": data.draw(texts())}
    edited = render_edit(parse(existing.encode(), "p.yaml", "p"), *to_prompt(document, prompt.name))
    kept = [line for line in lines if not line.startswith("metadata:")]
    rest = iter(edited.splitlines(keepends=True))
    assert all(line in rest for line in kept)


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
