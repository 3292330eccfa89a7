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


def test_a_good_file_has_no_problems() -> None:
    assert lint(GOOD, TONE) == []


ALONE: dict[str, tuple[str, tuple[str, str, int, int]]] = {
    "digits": ("name: '007'\ncontent: a\n", ("name-digits", "warning", 1, 1)),
    "reserved signs": ("name: a@label:b\ncontent: a\n", ("name-reserved", "warning", 1, 1)),
    "fence in a name": ("name: '@@@a'\ncontent: a\n", ("name-reserved", "warning", 1, 1)),
    "blank in front": ("name: ' a'\ncontent: a\n", ("name-blank", "warning", 1, 1)),
    "control character in a name": ('name: "a\\x07"\ncontent: a\n', ("name-blank", "warning", 1, 1)),
    "no messages": ("name: a\nmessages: []\n", ("empty-prompt", "warning", 1, 1)),
    "blank text": ("name: a\ncontent: ' '\n", ("empty-prompt", "warning", 1, 1)),
    "unknown role": (
        "messages:\n- role: critic\n  content: hi\n",
        ("unknown-role", "error", 2, 3),
    ),
    "unknown block": (
        "content:\n- {type: text, text: a}\n- {type: hologram}\n",
        ("unknown-block", "warning", 3, 4),
    ),
    "tool message without its call": (
        "messages:\n- role: tool\n  content: four\n- role: user\n  content: a\n",
        ("message-incomplete", "error", 2, 3),
    ),
    "placeholder without a name": (
        "messages: [{role: placeholder}]\n",
        ("message-incomplete", "error", 1, 12),
    ),
    "model without a provider": (
        "content: a\nmodel: {name: gpt-4o}\n",
        ("model-incomplete", "error", 2, 1),
    ),
    "unknown key of a chat": (
        "messages: [{role: user, content: a}]\nextra:\n  template:\n    mood: calm\n",
        ("chat-unknown-key", "warning", 4, 5),
    ),
    "unknown key of a completion": (
        "content: a\nextra: {template: {mood: calm}}\n",
        ("completion-unknown-key", "warning", 2, 20),
    ),
    "write-only field": (
        "content: a\nextra: {version: {provider_id: 3}}\n",
        ("write-only-field", "warning", 2, 19),
    ),
    "formats mixed": (
        "messages:\n- {role: system, content: a}\n- {role: user, content: b, template_format: jinja2}\n",
        ("mixed-formats", "warning", 3, 3),
    ),
    "message without content": (
        "messages:\n- {role: user, content: a}\n- role: system\n",
        ("message-incomplete", "error", 3, 3),
    ),
    "block without its key": (
        "content:\n- {type: text, text: a}\n- {type: code, id: c}\n",
        ("block-incomplete", "error", 3, 3),
    ),
    "image without a URL": (
        "content:\n- {type: image_url, image_url: {detail: low}}\n",
        ("block-incomplete", "error", 2, 21),
    ),
    "function without a name": (
        "messages: [{role: user, content: a}]\ntools:\n- type: function\n  function: {strict: true}\n",
        ("tool-incomplete", "error", 4, 3),
    ),
    "a model that is a text": (
        "content: a\nmetadata: {model: gpt-4o}\n",
        ("wrong-value", "error", 2, 12),
    ),
    "a long name of a base model": (
        f"content: a\nmodel: {{provider: p, name: n, base_model: {'x' * 101}}}\n",
        ("wrong-value", "error", 2, 31),
    ),
    "a label under extra": (
        "content: a\nextra: {version: {release_labels: [prod]}}\n",
        ("reserved-key", "error", 2, 19),
    ),
    "a type that does not exist": (
        "content: a\nextra: {template: {type: essay}}\n",
        ("wrong-value", "error", 2, 20),
    ),
    "unknown format": ("content: a\ntemplate_format: mustache\n", ("unknown-format", "error", 2, 1)),
    "unknown format of a message": (
        "messages:\n- {role: user, content: a, template_format: liquid}\n",
        ("unknown-format", "error", 2, 28),
    ),
    "jinja2 in a literal block": (
        chat("Hello\n{% if x %}\nthere\n{% endfor %}", "template_format: jinja2"),
        ("jinja-syntax", "error", 8, 7),
    ),
    "jinja2 after leading blank lines": (
        "template_format: jinja2\ncontent: |+\n\n\n  {{ a b }}\n\n",
        ("jinja-syntax", "error", 5, 3),
    ),
    "jinja2 in a quoted text": (
        'template_format: jinja2\ncontent: "a\\n{{ x"\n',
        ("jinja-syntax", "error", 2, 1),
    ),
    "jinja2 in a folded block": (
        "template_format: jinja2\ncontent: >\n  a\n  {{ x\n",
        ("jinja-syntax", "error", 2, 1),
    ),
    "jinja2 in a text block": (
        "template_format: jinja2\nmessages:\n- role: user\n  content:\n"
        "  - type: text\n    text: |\n      a\n      {{ x\n",
        ("jinja-syntax", "error", 8, 7),
    ),
    "unknown filter": (
        "template_format: jinja2\ncontent: |\n  {{ a }}\n  {{ a | shout }}\n",
        ("jinja-name", "warning", 4, 3),
    ),
    "JSON in an f-string": (chat('Answer in JSON:\n  {"a": 1}'), ("fstring-field", "warning", 6, 9)),
    "JSON over several lines": (chat('Answer:\n{\n "a": 1\n}'), ("fstring-field", "warning", 6, 7)),
    "blanks in a field": ("content: 'Hi { name }'\n", ("fstring-field", "warning", 1, 1)),
    "a jinja2 variable": (chat("Hi {name}\n  {{ user.name }}"), ("fstring-jinja", "warning", 6, 9)),
    "a jinja2 filter": ("content: 'Hi {{ name | title }}'\n", ("fstring-jinja", "warning", 1, 1)),
    "misspelled parameter": (model("parameters: {temprature: 0.2}"), ("misspelled", "warning", 4, 16)),
    "misspelled provider": (
        "content: a\nmodel:\n  provider: opneai\n  name: o3\n",
        ("misspelled", "warning", 3, 3),
    ),
    "misspelled key of a model": (model("paramters: {seed: 1}"), ("misspelled", "warning", 4, 3)),
    "misspelled response format": (
        model("parameters: {response_format: {type: json_shema, json_schema: {}}}"),
        ("misspelled", "warning", 4, 34),
    ),
    "misspelled schema": (
        model("parameters: {response_format: {type: json_schema, json_shema: {}}}"),
        ("misspelled", "warning", 4, 53),
    ),
    "misspelled key of a message": (
        "messages:\n- role: user\n  content: a\n  template_fromat: jinja2\n",
        ("misspelled", "warning", 4, 3),
    ),
    "misspelled parameter below metadata": (
        "content: a\nmetadata:\n  model: {provider: openai, name: o3, parameters: {max_token: 9}}\n",
        ("misspelled", "warning", 3, 52),
    ),
    "a parameter beside the others": (model("temperature: 0.2"), ("misplaced", "warning", 4, 3)),
    "unbalanced brace": (chat("Answer:\n  }"), ("fstring-unrenderable", "warning", 6, 9)),
    "dotted field": ("content: 'Hi {user.name}'\n", ("fstring-unrenderable", "warning", 1, 1)),
    "positional field": ("content: 'Hi {}'\n", ("fstring-unrenderable", "warning", 1, 1)),
    "conflict markers": (
        chat("Be\n<<<<<<< ours\ncalm\n=======\nquick\n>>>>>>> theirs\nplease"),
        ("conflict-markers", "error", 6, 7),
    ),
    "conflict markers with a base": (
        chat("<<<<<<< ours\ncalm\n||||||| base\n\n=======\n>>>>>>> theirs"),
        ("conflict-markers", "error", 5, 7),
    ),
    "bidirectional override": (
        chat("one\ntwo \u202e three\u2066"),
        ("control-character", "warning", 6, 11),
    ),
    "zero-width space": ("content: a\u200bb\n", ("control-character", "warning", 1, 1)),
    "escaped control character": ('content: "a\\x1b[31m"\n', ("control-character", "warning", 1, 1)),
    "invisible tags": (chat("a\U000e0061\U000e0062"), ("control-character", "warning", 5, 8)),
    "example without a variable": (
        "content: '{a} {b}'\nexamples: [{a: 1}]\n",
        ("example-missing-variable", "warning", 2, 1),
    ),
    "example with an unknown variable": (
        "content: '{a}'\nexamples: [{a: 1}, {a: 2, c: 3}]\n",
        ("example-unused-variable", "warning", 2, 27),
    ),
}


@pytest.mark.parametrize(("text", "row"), ALONE.values(), ids=ALONE)
def test_each_rule_finds_its_place(text: str, row: tuple[str, str, int, int]) -> None:
    problems = lint(text)
    assert found(problems) == [(*row, "a.yaml")]
    assert problems[0].rule in RULES and problems[0].message.endswith(".")


SUGGESTED = {
    "content: 'Hi {{ name }}'\n": (
        "{{ name }} renders as { name }.",
        "Did you mean template_format: jinja2?",
    ),
    model("parameters: {temprature: 0.2}"): (
        "model.parameters.temprature looks misspelled.",
        "Did you mean temperature?",
    ),
    model("api_tpye: responses"): ("model.api_tpye looks misspelled.", "Did you mean api_type?"),
    model("temperature: 0.2"): (
        "model.temperature belongs in model.parameters.",
        "Move it there.",
    ),
    "content: a\nmodel: {provider: OpenAI, name: o3}\n": (
        "model.provider: OpenAI looks misspelled.",
        "Did you mean openai?",
    ),
}


@pytest.mark.parametrize(("text", "words"), SUGGESTED.items())
def test_what_was_probably_meant_is_suggested(text: str, words: tuple[str, str]) -> None:
    (problem,) = lint(text)
    assert (problem.message, problem.hint) == words


HARMLESS = {
    "braces that are no variable": "content: 'Write {{}}, {{ {name} }}, {{\"a\": 1}} or {{a: b}}.'\n",
    "a value in braces": "content: 'Write {{{name}}}.'\n",
    "parameters that few know": model("parameters: {top_n: 1, min_tokens: 2, typical_p: 0.3, mirostat: 2}"),
    "a provider of one's own": "content: a\nmodel: {provider: openai-eu, name: o3}\n",
    "a key of one's own in a message": "messages: [{role: user, content: a, importance: 3}]\n",
    "comments and CRLF": "# a\r\nname: a\r\ncontent: Hi\r\n",
    "family": "content: 👩‍👩‍👧\n",
    "arabic with marks": "content: \u200fمرحبا\u200e\n",
    "persian with a non-joiner": "content: می\u200cخواهم\n",
    "setext heading": chat("Title\n=======\ntext"),
    "arrows": chat("<<<<<<< is how a conflict starts"),
    "tool calls without a text": (
        "messages:\n- role: assistant\n  tool_calls: [{id: a, function: {name: f, arguments: '{}'}}]\n"
    ),
    "placeholder alone": "messages: [{role: placeholder, name: history}]\n",
    "an image alone": "content: [{type: image_url, image_url: {url: u}}]\n",
    "media without a text": "content: [{type: media_variable, name: pictures}]\n",
    "variables of all kinds": "content: '{name} {order-id} {order id} {größe:>5} {n!r}'\n",
    "escaped braces": "content: 'Answer {{\"a\": 1}} to {question}'\n",
    "jinja2 whitespace": "template_format: jinja2\ncontent: '{{ a.b.c }} {%- raw %}{{{% endraw %}'\n",
    "placeholder beside jinja2": (
        "messages:\n- {role: placeholder, name: h}\n- {role: user, content: a, template_format: jinja2}\n"
    ),
    "no examples": "content: '{a}'\n",
    "placeholder in an example": (
        "messages:\n- {role: placeholder, name: h}\n- {role: user, content: '{a}'}\n"
        "examples: [{a: 1, h: []}]\n"
    ),
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_is_fine_is_left_alone(text: str) -> None:
    assert lint(text) == []


def test_a_path_can_be_too_long_a_name() -> None:
    assert [problem.rule for problem in lint(**{"n" * 513: "content: a\n"})] == ["name-too-long"]


def test_files_are_judged_together() -> None:
    problems = lint(
        "name: support/refund\ncontent: a\n",
        "name: Support/Refund\ncontent: b\n",
        "name: caf\u00e9\ncontent: b\n",
        "name: cafe\u0301\ncontent: b\n",
        "name: support/refund\ncontent: c\n",
    )
    assert found(problems) == [
        ("name-twin", "warning", 1, 1, "b.yaml"),
        ("name-twin", "warning", 1, 1, "d.yaml"),
        ("name-duplicate", "error", 1, 1, "e.yaml"),
    ]
    assert "a.yaml" in problems[-1].message


def test_a_twin_among_the_other_prompts_of_the_repository_counts() -> None:
    known = KnownPrompts(templates={"GREET": {"type": "chat"}, "greet": {"type": "chat"}})
    assert found(lint("name: greet\ncontent: a\n", known=KnownPrompts(templates={"greet": {}}))) == []
    assert [problem.rule for problem in lint("name: Greet\ncontent: a\n", known=known)] == ["name-twin"]


def test_problems_come_in_the_order_of_the_files() -> None:
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
    assert [p for p in problems if p.severity == "error" and p.rule not in ("jinja-syntax", "api-key")] == []


def test_each_rule_is_reported_by_the_code() -> None:
    package = Path(promptsync.__file__).parent
    sources = [path for path in package.rglob("*.py") if path.name != "rules.py"]
    code = "\n".join(path.read_text("utf-8") for path in sources)
    assert [rule for rule in RULES if f'"{rule}"' not in code] == []
    assert all(rule.id == name and rule.summary.endswith(".") for name, rule in RULES.items())
