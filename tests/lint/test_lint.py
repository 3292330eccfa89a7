from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from located import found, lint
from seeds import examples
from strategies import prompts

import promptsync
from promptsync.files.prompt_file import parse, render_new
from promptsync.lint.check import check
from promptsync.lint.rules import RULES, KnownPrompts
from promptsync.prompt.prompt import Local, Prompt

GOOD = """\
name: support/refund
template_format: jinja2
tags: [billing]
model:
  provider: openai
  name: gpt-4o
  parameters: {temperature: 0.2}
messages:
  - role: system
    content: |
      You answer refund questions. @@@tone@label:prod@@@
      {% if vip %}Be quick.{% endif %}
  - role: user
    content: "{{ question }}"
examples:
  - {question: "Where is my money?", vip: true}
"""
TONE = "name: tone\ncontent: Stay calm.\n"


def chat(content: str, *more: str) -> str:
    """A file with one message, whose text starts at line 5."""
    body = "".join(f"      {line}\n" for line in content.split("\n"))
    return (
        "name: a\nmessages:\n  - role: user\n    content: |\n" + body + "".join(f"{line}\n" for line in more)
    )


def model(line: str) -> str:
    """A file with a model, to which the fourth line belongs."""
    return f"model:\n  provider: openai\n  name: o3\n  {line}\ncontent: a\n"


ALONE: list[tuple[str, str]] = [
    ("name: '007'\ncontent: a\n", "1:1 warning name-digits"),
    ("name: a@label:b\ncontent: a\n", "1:1 warning name-reserved"),
    ('name: "a\\x07"\ncontent: a\n', "1:1 warning name-blank"),
    ("name: a\nmessages: []\n", "1:1 warning empty-prompt"),
    ("messages:\n- role: critic\n  content: hi\n", "2:3 error wrong-value"),
    ("content:\n- {type: text, text: a}\n- {type: hologram}\n", "3:4 warning unknown-block"),
    ("messages:\n- role: tool\n  content: four\n- role: user\n  content: a\n", "2:3 error missing-key"),
    ("content: a\nmodel: {name: gpt-4o}\n", "2:1 error missing-key"),
    (
        "messages: [{role: user, content: a}]\nextra:\n  template:\n    mood: calm\n",
        "4:5 warning chat-unknown-key",
    ),
    ("content: a\nextra: {version: {provider_id: 3}}\n", "2:19 warning write-only-field"),
    (
        "messages:\n- {role: system, content: a}\n- {role: user, content: b, template_format: jinja2}\n",
        "3:3 warning mixed-formats",
    ),
    ("content:\n- {type: image_url, image_url: {detail: low}}\n", "2:21 error missing-key"),
    (
        "messages: [{role: user, content: a}]\ntools:\n- type: function\n  function: {strict: true}\n",
        "4:3 error missing-key",
    ),
    ("content: a\nmetadata: {model: gpt-4o}\n", "2:12 error wrong-value"),
    (f"content: a\nmodel: {{provider: p, name: n, base_model: {'x' * 101}}}\n", "2:31 error wrong-value"),
    ("content: a\nextra: {version: {release_labels: [prod]}}\n", "2:19 error reserved-key"),
    ("content: a\nextra: {template: {type: essay}}\n", "2:20 error wrong-value"),
    (
        "template_format: liquid\nmessages: [{role: user, content: a}, {role: user, content: b}]\n",
        "1:1 error wrong-value",
    ),
    ("messages:\n- {role: user, content: a, template_format: liquid}\n", "2:28 error wrong-value"),
    (chat("Hello\n{% if x %}\nthere\n{% endfor %}", "template_format: jinja2"), "8:7 error jinja-syntax"),
    ("template_format: jinja2\ncontent: |+\n\n\n  {{ a b }}\n\n", "5:3 error jinja-syntax"),
    ('template_format: jinja2\ncontent: "a\\n{{ x"\n', "2:1 error jinja-syntax"),
    (
        "template_format: jinja2\nmessages:\n- role: user\n  content:\n"
        "  - type: text\n    text: |\n      a\n      {{ x\n",
        "8:7 error jinja-syntax",
    ),
    ("template_format: jinja2\ncontent: |\n  {{ a }}\n  {{ a | shout }}\n", "4:3 warning jinja-name"),
    (chat('Answer in JSON:\n  {"a": 1}'), "6:9 warning fstring-field"),
    (chat("Hi {name}\n  {{ user.name }}"), "6:9 warning fstring-jinja"),
    (model("parameters: {temprature: 0.2}"), "4:16 warning misspelled"),
    (model("parameters: {response_format: {type: json_shema, json_schema: {}}}"), "4:34 warning misspelled"),
    ("messages:\n- role: user\n  content: a\n  template_fromat: jinja2\n", "4:3 warning misspelled"),
    (
        "content: a\nmetadata:\n  model: {provider: openai, name: o3, parameters: {max_token: 9}}\n",
        "3:52 warning misspelled",
    ),
    (model("temperature: 0.2"), "4:3 warning misplaced"),
    (chat("Answer:\n  }"), "6:9 warning fstring-unrenderable"),
    (chat("Be\n<<<<<<< ours\ncalm\n=======\nquick\n>>>>>>> theirs\nplease"), "6:7 error conflict-markers"),
    (chat("Be\ncalm\n>>>>>>> registry v2\nplease"), "7:7 error conflict-markers"),
    (chat("one\ntwo \u202e three\u2066"), "6:11 warning control-character"),
    ("content: '{a} {b}'\nexamples: [{a: 1}]\n", "2:1 warning example-missing-variable"),
    ("content: '{a}'\nexamples: [{a: 1}, {a: 2, c: 3}]\n", "2:27 warning example-unused-variable"),
]


@pytest.mark.parametrize(("text", "row"), ALONE)
def test_each_rule_finds_its_place(text: str, row: str) -> None:
    problems = lint(text)
    assert found(problems) == [f"a.yaml:{row}"]
    assert problems[0].rule in RULES and problems[0].message.endswith(".")


SUGGESTED = {
    "content: 'Hi {{ name }}'\n": "{{ name }} renders as { name }. Did you mean template_format: jinja2?",
    model("parameters: {temprature: 0.2}"): (
        "model.parameters.temprature looks misspelled. Did you mean temperature?"
    ),
    model("api_tpye: responses"): "model.api_tpye looks misspelled. Did you mean api_type?",
    model("temperature: 0.2"): "model.temperature belongs in model.parameters. Move it there.",
    "content: a\nmodel: {provider: OpenAI, name: o3}\n": (
        "model.provider: OpenAI looks misspelled. Did you mean openai?"
    ),
}


@pytest.mark.parametrize(("text", "words"), SUGGESTED.items())
def test_what_was_probably_meant_is_suggested(text: str, words: str) -> None:
    (problem,) = lint(text)
    assert f"{problem.message} {problem.hint}" == words


HARMLESS = {
    "a good file": GOOD,
    "braces that are no variable": "content: 'Write {{}}, {{ {name} }}, {{\"a\": 1}} or {{a: b}}.'\n",
    "parameters that few know": model("parameters: {top_n: 1, min_tokens: 2, typical_p: 0.3, mirostat: 2}"),
    "a provider of one's own": "content: a\nmodel: {provider: openai-eu, name: o3}\n",
    "comments and CRLF": "# a\r\nname: a\r\ncontent: Hi\r\n",
    "persian with a non-joiner": "content: می\u200cخواهم\n",
    "setext heading": chat("Title\n=======\ntext"),
    "arrows": chat("<<<<<<< is how a conflict starts\n>>>>>>> Ann wrote\n"),
    "markers on purpose": chat(
        "<<<<<<< yours\na\n=======\nb\n>>>>>>> v2", "# promptsync: ignore conflict-markers"
    ),
    "tool calls without a text": (
        "messages:\n- role: assistant\n  tool_calls: [{id: a, function: {name: f, arguments: '{}'}}]\n"
    ),
    "media without a text": "content: [{type: media_variable, name: pictures}]\n",
    "variables of all kinds": "content: '{name} {order-id} {order id} {größe:>5} {n!r}'\n",
    "jinja2 whitespace": "template_format: jinja2\ncontent: '{{ a.b.c }} {%- raw %}{{{% endraw %}'\n",
    "placeholder beside jinja2": (
        "messages:\n- {role: placeholder, name: h}\n- {role: user, content: a, template_format: jinja2}\n"
    ),
    "placeholder in an example": (
        "messages:\n- {role: placeholder, name: h}\n- {role: user, content: '{a}'}\n"
        "examples: [{a: 1, h: []}]\n"
    ),
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_is_fine_is_left_alone(text: str) -> None:
    assert lint(text, TONE) == []


def test_a_path_can_be_too_long_a_name() -> None:
    assert [problem.rule for problem in lint(**{"n" * 513: "content: a\n"})] == ["name-too-long"]


def test_files_are_judged_together_and_problems_come_in_their_order() -> None:
    names = ("support/refund", "Support/Refund", "caf\u00e9", "cafe\u0301", "support/refund")
    problems = lint(*(f"name: {name}\ncontent: text {at}\n" for at, name in enumerate(names)))
    assert found(problems) == [
        "b.yaml:1:1 warning name-twin",
        "d.yaml:1:1 warning name-twin",
        "e.yaml:1:1 error name-duplicate",
    ]
    assert "a.yaml" in problems[-1].message
    known = KnownPrompts(templates={"GREET": {"type": "chat"}, "greet": {"type": "chat"}})
    assert found(lint("name: greet\ncontent: a\n", known=KnownPrompts(templates={"greet": {}}))) == []
    assert [problem.rule for problem in lint("name: Greet\ncontent: a\n", known=known)] == ["name-twin"]
    problems = lint(b=chat("{x", "tags: []"), a="name: '1'\nmessages: []\n")
    assert [(problem.path, problem.rule) for problem in problems] == [
        ("a.yaml", "empty-prompt"),
        ("a.yaml", "name-digits"),
        ("b.yaml", "fstring-unrenderable"),
    ]


@settings(deadline=None, max_examples=examples(150))
@given(prompts())
def test_no_legal_template_is_an_error(prompt: Prompt) -> None:
    problems = check([parse(render_new(prompt, Local()).encode(), "a.yaml", "a")])
    # Texts may contain half a tag, a key or a reference to what is not there.
    by_chance = ("jinja-syntax", "api-key", "snippet-malformed", "snippet-missing", "snippet-unbalanced")
    assert [p for p in problems if p.severity == "error" and p.rule not in by_chance] == []


def test_each_rule_is_reported_by_the_code() -> None:
    package = Path(promptsync.__file__).parent
    sources = [path for path in package.rglob("*.py") if path.name != "rules.py"]
    code = "\n".join(path.read_text("utf-8") for path in sources)
    assert [rule for rule in RULES if f'"{rule}"' not in code] == []
