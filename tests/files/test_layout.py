from __future__ import annotations

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from seeds import examples
from strategies import texts

from promptsync.errors import Refused
from promptsync.files.prompt_file import parse, render_new
from promptsync.prompt.prompt import Local, Prompt


def completion(text: str) -> Prompt:
    return Prompt("p", {"type": "completion", "content": [{"type": "text", "text": text}]})


def written(text: str) -> str:
    """The lines of the content of a new file."""
    return render_new(completion(text), Local()).partition("content:")[2].lstrip(" ").removesuffix("\n")


def read(text: str) -> str:
    prompt = parse(text.encode(), "p.yaml", "p").prompt
    return prompt.template["content"][0]["text"]


@given(texts())
@settings(max_examples=examples(300), deadline=None)
def test_no_character_of_a_text_is_lost(text: str) -> None:
    assert read(render_new(completion(text), Local())) == text


def test_texts_are_written_in_the_house_style() -> None:
    for text, lines in (
        ("a\nb\n", "|\n  a\n  b"),
        ("a\n\n\n", "|+\n  a\n\n"),
        ("  indented\nb\n", "|2\n    indented\n  b"),
        ("\ttab first\nb", "|2-\n  \ttab first\n  b"),
        ("a\r\nb", r'"a\r\nb"'),
        ("bell\x07\x01", r'"bell\u0007\u0001"'),
        ("\n\n", r'"\n\n"'),
        ('say "hi"', 'say "hi"'),
        ('"quoted"', "'\"quoted\"'"),
        ("@@@tone@@@", '"@@@tone@@@"'),
        ("a: b", '"a: b"'),
    ):
        assert written(text) == lines


NEW = """\
name: support/refund
template_format: jinja2
tags: [billing, support]
model:
  provider: openai
  name: gpt-4o
  parameters: {temperature: 0.2}
metadata: {owner: support, "a, b": "c, d"}
messages:
  - role: system
    content: |
      You answer.
  - role: user
    content:
      - type: text
        text: "{{ question }}"
      - type: image_url
        image_url: {url: https://example.com/a.png}
tools:
  - type: function
    function:
      name: find
      parameters:
        type: object
        properties:
          order: {type: string}
        required: [order]
evaluations: [refund quality]
agents:
  - name: bot
    input_variables: {order: A-17}
examples:
  - {q: "?"}
synced: 7-3fa9c1a
"""


def test_a_new_file_looks_as_a_person_would_write_it() -> None:
    read = parse(NEW.encode(), "p.yaml", "p")
    assert render_new(read.prompt, read.local) == NEW
    # What the registry fills in, in an order of its own, is not written.
    filled = {**read.prompt.template, "functions": [], "input_variables": ["question"]}
    for message in filled["messages"]:
        message |= {"input_variables": [], "template_format": "jinja2", "name": None}
    filled["messages"][1]["content"][1]["image_url"]["detail"] = None
    model = dict(reversed(read.prompt.metadata["model"].items()))
    metadata = {"owner": "support", "a, b": "c, d", "model": model}
    assert render_new(replace(read.prompt, template=filled, metadata=metadata), read.local) == NEW


DEEP: list[object] = []
for _ in range(200):
    DEEP = [DEEP]


def test_what_no_file_can_hold_is_refused() -> None:
    for metadata, reason in (
        ({"a": ["x", "half \ud83d"]}, "Unicode character escape"),
        ({"a": float("nan")}, "does not read back"),
        ({"a": DEEP}, "nest deeper"),
    ):
        with pytest.raises(Refused, match=reason):
            render_new(Prompt("p", {"type": "chat", "messages": []}, metadata), Local())
