from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import locals_, prompts

from promptsync.errors import Refused
from promptsync.files import schema
from promptsync.files.prompt_file import name_in, parse, render_edit, render_new
from promptsync.files.yaml.load import InvalidFile
from promptsync.lint.rules import RULES
from promptsync.prompt.canonical import TEMPLATE_KEYS, to_document
from promptsync.prompt.prompt import MAX_NAME, Local, Prompt
from promptsync.prompt.shapes import BLOCKS, ROLES

LOCAL_KEYS = ("evaluations", "agents", "examples", "synced")


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        parse(text.encode(), "p.yaml", "p")
    assert {problem.rule for problem in caught.value.problems} <= {*RULES}
    return [
        f"{problem.line}:{problem.column} {problem.rule}: {problem.message} {problem.hint}".strip()
        for problem in caught.value.problems
    ]


def test_a_file_becomes_a_prompt_with_places() -> None:
    file = parse(
        b"# hi\ntemplate_format: jinja2\nmessages:\n  - role: user\n    content: '{{ q }}'\n", "a/b.yaml", "b"
    )
    content = [{"type": "text", "text": "{{ q }}"}]
    assert file.prompt == Prompt(
        "b", {"type": "chat", "messages": [{"role": "user", "template_format": "jinja2", "content": content}]}
    )
    assert (file.path, file.local, file.text[:4]) == ("a/b.yaml", Local(), "# hi")
    assert file.position(("messages", 0, "content", 0, "text")) == (5, 5)


ONE_OF = "1:1 prompt-kind: A prompt has either messages: (chat) or content: (completion)"
TWICE = "schema: metadata has {0}, which is also at the top of the file; keep one of them."
SYNCED = (
    "schema: synced is not a version and seven hex digits, such as 7-3fa9c1a: "
    "delete the line, then run promptsync pull."
)
REFUSED: list[tuple[str, list[str]]] = [
    ("", ["1:1 missing-key: The file is empty: a prompt has messages: or content:."]),
    ("name: p\n", [f"{ONE_OF}. Write one of them."]),
    ("content: x\nmessages: []\n", [f"{ONE_OF}, not both. Write one of them."]),
    (
        "content: x\nmodel: gpt-4o\n",
        ["2:1 wrong-type: model must be a mapping, but it is text. "
         "Write model: {provider: openai, name: gpt-4o}, with its provider."],
    ),
    (
        "content: 012\ntags: [a, no]\n",
        ["1:1 wrong-type: content must be text or a list, but it is a whole number. Quote it.",
         "2:11 wrong-type: tags[1] must be text, but it is the boolean false in YAML. Quote it."],
    ),
    (
        "content: x\nevaluation: [a]\ntemperature: 0.2\nmax_token: 9\nprovider: openai\n",
        ["2:1 unknown-key: Unknown key evaluation. Did you mean evaluations?",
         "3:1 unknown-key: Unknown key temperature. Write temperature: in model.parameters.",
         "4:1 unknown-key: Unknown key max_token. Write max_tokens: in model.parameters.",
         "5:1 unknown-key: Unknown key provider. Write it in model."],
    ),
    (
        "messages:\n  - content: x\n  - role: user\n    content: {a: b}\n",
        ["2:5 missing-key: messages[0] lacks the key role.",
         "4:5 wrong-type: messages[1].content must be text or a list, but it is a mapping. "
         "Text that starts with { or contains a colon must be quoted."],
    ),
    ("content: x\nmodel: {name: m}\nmetadata: {model: {name: n}}\n", [f"3:1 {TWICE.format('model')}"]),
    ("content: x\nneeds: app >= 2\nmetadata: {needs: app}\n", [f"3:1 {TWICE.format('needs')}"]),
    (
        "content: x\nneeds: app >= VERSION\n",
        ["2:1 schema: needs says VERSION; write the version of your application instead."],
    ),
    (
        "content: x\nextra: {template: {tools: []}, versoin: {}}\n",
        ["2:9 schema: extra.template has a key that belongs at the top of the file; move it there.",
         "2:32 unknown-key: Unknown key extra.versoin. Did you mean version?"],
    ),
    ("content: x\nsynced: 0-3fa9c1a\n", [f"2:1 {SYNCED}"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_a_file_that_says_something_else_is_refused_with_every_reason(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


def test_what_the_registry_may_hold_is_taken() -> None:
    for text in (
        "name:\ntags:\ntools:\nmetadata:\ncontent: x\n",
        "messages: [{role: bard, mood: calm, content: [{type: hologram, beam: 3}]}]\n",
        "content: |\n  <<<<<<< ours\n  a\n  =======\n  b\n  >>>>>>> theirs\n",
        "content: x\nmodel: {provider: openai, name: m, shoe_size: 9}\nmetadata: {model_card: no, a: null}\n",
    ):
        parse(text.encode(), "p.yaml", "p")


@given(prompts(), locals_())
@settings(deadline=None)
def test_every_document_fits_the_published_schema(prompt: Prompt, local: Local) -> None:
    jsonschema.Draft202012Validator(schema.schema("prompt")).validate(to_document(prompt, local))


def test_the_schemas_describe_every_key_and_offer_every_role_block_and_the_longest_name() -> None:
    kinds: tuple[schema.Kind, ...] = ("prompt", "config")
    for kind in kinds:
        loaded = json.loads(schema.schema_text(kind))
        jsonschema.Draft202012Validator.check_schema(loaded)
        assert all(part["description"] for part in loaded["properties"].values())
    prompt = schema.schema("prompt")
    assert set(prompt["properties"]) == {
        *("name", "template_format", "tags", "model", "needs", "metadata", "messages", "content", "extra"),
        *(*TEMPLATE_KEYS, *LOCAL_KEYS),
    }
    assert prompt["properties"]["name"]["maxLength"] == MAX_NAME
    assert prompt["$defs"]["message"]["properties"]["role"]["examples"] == list(ROLES)
    assert prompt["$defs"]["block"]["properties"]["type"]["examples"] == list(BLOCKS)


def test_what_no_file_can_say_is_refused() -> None:
    """A registry may return a text block without a text, and no valid file says that."""
    file = parse(b"name: a\nmessages:\n  - {role: user, content: Hello}\n", "a.yaml", "a")
    messages = [{"role": "user", "content": [{"type": "text"}]}]
    prompt = Prompt("a", {"type": "chat", "messages": messages})
    for write in (lambda: render_edit(file, prompt, Local()), lambda: render_new(prompt, Local())):
        with pytest.raises(Refused, match="'a' cannot be written to a prompt file: "):
            write()


# -- the name alone, of a file that need not be whole ------------------------------------------------------


def test_a_name_is_read_in_every_spelling() -> None:
    for data, name in (
        ("name: support/refund # why\ncontent: x\n", "support/refund"),
        ('name: "a\\\n  b"\ncontent: x\n', "ab"),
        ('{"messages": [{"name": "b"}],\n"name": "a"}', "a"),
        ("? name\n: a\n", "a"),
        ("--- # a comment\nname: a\n", "a"),
        ("name: 12\n", ""),
        ("name: !!str x\n", ""),
        ("a: [\nname: !!timestamp foo\n", ""),
        ("a: [\nname: " + "[" * 5000 + "\n", ""),
        ("- name: x\n", ""),
    ):
        assert name_in(data.encode()) == name, data[:99]


@pytest.mark.parametrize("before", ["", "messages: [\n", "x: !!bool maybe\n"])
@pytest.mark.parametrize("after", ["messages: [", "\tx", "name: b"])
def test_a_broken_file_keeps_its_name(before: str, after: str) -> None:
    assert name_in(f"{before}name: a\n{after}".encode()) == "a"


_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=120)


@given(
    st.dictionaries(st.sampled_from(["name", "content", "tags", "metadata"]), _NAMES, min_size=1),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.booleans(),
    st.sampled_from([10, 80, 10_000]),
)
def test_a_name_is_found_whatever_an_emitter_makes_of_it(
    data: dict[str, str], style: str, flow: bool, width: int
) -> None:
    text = yaml.safe_dump(
        data, default_style=style, default_flow_style=flow, width=width, allow_unicode=True, sort_keys=False
    )
    assert name_in(text.encode()) == yaml.safe_load(text).get("name", "")
