from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptsync.prompt.template import read, template_variables, variable_uses
from promptsync.rendering import Engine, render_template

F, J = "f-string", "jinja2"


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def chat(*messages: dict, **more: list) -> dict:
    return {"type": "chat", "messages": list(messages), **more}


@pytest.mark.parametrize(
    ("template", "written", "names"),
    [
        ("{{literal}} {x!r:>5}", F, {"x"}),
        ("{ x }", F, {" x "}),
        ("{a.b} {c[0]}", F, {"a.b", "c[0]"}),
        ('{"a": 1}', F, {'"a"'}),
        ("{{ a }}", J, {"a"}),
        ("{{ a.b.c|upper }} {% for x in xs %}{{ x }}{{ loop.index }}{% endfor %}", J, {"a", "xs"}),
        ("{% set y = z %}{{ y }}{{ range(3) }}", J, {"z"}),
        ("{% macro m(p) %}{{ p }}{{ q }}{% endmacro %}{{ m(1) }}", J, {"q"}),
        ("{{ x }", "unheard-of", set()),
    ],
)
def test_variables_are_read_from_the_text(template, written, names):
    assert read(template, written).variables.keys() == names


def test_messages_have_placeholder_image_and_media_variables():
    image = {"type": "image_url", "image_url": {"url": ""}, "image_variable": "picture"}
    files = {"type": "media_variable", "name": "files"}
    template = chat(
        {"role": "system", "content": [text("{tone}")]},
        {"role": "user", "template_format": J, "content": [text("{{ question }} {not_me}")]},
        {"role": "placeholder", "name": "history"},
        {"role": "user", "content": [image, files, {"type": "thinking", "thinking": "{no}"}]},
        tools=[{"type": "variable", "name": "more_tools"}, {"type": "function", "function": {"name": "f"}}],
    )
    kinds = {"tone": "text", "question": "text", "history": "messages"}
    kinds |= {"picture": "image", "files": "media", "more_tools": "tool"}
    assert {use.name: use.kind for use in variable_uses(template)} == kinds
    assert template_variables({"content": "{plain}"}) == {"plain"}


@pytest.mark.parametrize(
    "odd", [{}, {"messages": None}, {"messages": [None, 3]}, {"content": {"a": 1}}, {"tools": 3}]
)
def test_templates_of_odd_shapes_have_no_variables(odd):
    assert template_variables(odd) == set()
    assert render_template(odd, {}) == (odd, [])


@pytest.mark.parametrize(
    ("template", "written", "error"),
    [
        ("fine {a} {{b}}", F, None),
        ("{{ok}}\n  {never", F, ("expected '}' before end of string", 2, 3)),
        (
            "a\n{x.y} {",
            F,
            ("the field {x.y} reaches into a value; f-string templates allow plain names only", 2, 1),
        ),
        ("{}", F, ("a positional field, {} or {0}, names no variable", 1, 1)),
        ("ab {x!z}", F, ("unknown conversion !z", 1, 4)),
        ("}} %} #}", J, None),
        ("\n{{ a ", J, ("unexpected end of template, expected 'end of print statement'.", 2, None)),
        ("{{ a|nope }}", J, ("no filter named 'nope'", 1, None)),
        ("{{ a is nope }}", J, ("no test named 'nope'", 1, None)),
        ("{{ " + "(" * 5000, J, ("it nests too deeply", 1, None)),
    ],
)
def test_syntax_errors_have_a_place(template, written, error):
    assert read(template, written).error == error


@pytest.mark.parametrize(
    ("template", "written", "values", "rendered"),
    [
        ("Hi {name}!", F, {"name": None}, "Hi !"),
        ("{{json}} {n:.2f} {s!r:>5}", F, {"n": 1, "s": "x"}, "{json} 1.00   'x'"),
        ("{n:.2f}", F, {}, "{n:.2f}"),
        ('{"a": 1} {b}', F, {"b": 2}, '{"a": 1} {b}'),
        ("{a.b}", F, {"a": 1, "a.b": 2}, "{a.b}"),
        ("{x:>{w}}", F, {"x": 1, "w": 3}, "{x:>{w}}"),
        ("no markup\r\nhere\n", J, {}, "no markup\nhere"),
        ("{{ a }}{{ b.c.d }}", J, {"a": None}, "None"),
        ("{{ a|default('x') }}{% if b %}{% endif %}", J, {}, "x"),
        ("{% for x in xs %}{{ loop.index }}{{ x }} {% endfor %}", J, {"xs": "ab"}, "1a 2b "),
        ("{{ a ~ 1 ~ '<&>' }}", J, {"a": 2}, "21<&>"),
        ("{{ '{:,}'.format(n) }}", J, {"n": 1234567}, "1,234,567"),
        ("{{ 1 / 0 }}", J, {}, "{{ 1 / 0 }}"),
        ("{{ ''.__class__.__mro__ }}", J, {}, ""),
        ("{{ a.__init__.__globals__ }}", J, {"a": "x"}, ""),
        ("{{ '{0.__class__}'.format(1) }}", J, {}, ""),
    ],
)
def test_text_renders_as_in_the_registry(template, written, values, rendered):
    assert Engine()(template, written, values).text == rendered


@example("{{ " + "9" * 5000 + " }}", J, {})
@given(st.text(), st.sampled_from([F, J]), st.dictionaries(st.text(max_size=3), st.text(max_size=3)))
def test_no_text_raises(template, written, values):
    read(template, written)
    Engine()(template, written, values)


@given(
    st.lists(
        st.sampled_from(["{", "}", "{{", "}}", "a", "!", "r", ":", "%", "\n", "{%", "if", ".", "[", "]"])
    )
)
def test_what_has_a_syntax_error_is_never_rendered(parts):
    template = "".join(parts)
    error = read(template, F).error
    rendered = Engine()(template, F, {"a": "value", "r": "value"})
    if error is not None:
        assert rendered.text == template
        line, column = error[1], error[2]
        assert column is not None
        assert 1 <= column <= len(template.split("\n")[line - 1]) + 1


def test_a_template_renders_with_one_warning_per_missing_variable():
    thought = {"type": "thinking", "thinking": "{q}"}
    template = chat(
        {"role": "system", "content": [text("{tone} {tone}"), text("{tone}")]},
        {"role": "user", "template_format": J, "content": [text("{{ q }}{{ d|default('') }}{{ s }}")]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": [text("{broken"), thought]},
        {"role": "user", "content": [text("{tone.x}")]},
        {"role": "user", "content": "{q}"},
    )
    rendered, warnings = render_template(template, {"q": "Why?"})
    contents = [[text(" "), text("")], [text("Why?")], None, [text("{broken"), thought], [text("{tone.x}")]]
    assert [message["content"] for message in rendered["messages"]] == [*contents, "Why?"]
    assert warnings == [
        "Missing value for the input variable 'tone'.",
        "Missing value for the input variable 's'.",
        "The text of message 4 was left unrendered: expected '}' before end of string.",
        "The text of message 5 was left unrendered: the field {tone.x} reaches into a value; "
        "f-string templates allow plain names only.",
    ]
    assert template["messages"][0]["content"][0] == text("{tone} {tone}")


BOT = {"role": "assistant", "content": [text("a")]}
WRONG = "The placeholder 'history' takes a list of messages; other values were dropped."


@pytest.mark.parametrize(
    ("values", "messages", "warnings"),
    [
        ({}, [], ["Missing value for the placeholder 'history'."]),
        ({"history": {"role": "user", "content": "{x}"}}, [{"role": "user", "content": [text("{x}")]}], []),
        ({"history": [BOT, BOT]}, [BOT, BOT], []),
        ({"history": "text"}, [], [WRONG]),
    ],
)
def test_placeholders_become_the_messages_in_their_variable(values, messages, warnings):
    rendered, told = render_template(chat({"role": "placeholder", "name": "history"}), values)
    assert (rendered["messages"], told) == (messages, warnings)


def test_image_and_media_variables_become_their_urls():
    image = {"type": "image_url", "image_url": {"url": "", "detail": "low"}, "image_variable": "pics"}
    template = {"type": "completion", "content": [image, {"type": "media_variable", "name": "docs"}]}
    rendered, warnings = render_template(template, {"pics": ["http://a", "http://b"], "docs": "aGk="})
    images = [
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}, "image_variable": None}
        for url in ("http://a", "http://b")
    ]
    media = {"title": "media", "type": "image/jpeg", "url": "aGk=", "format": "base64"}
    assert (rendered["content"], warnings) == ([*images, {"type": "media", "media": media}], [])
    unfilled, warnings = render_template(template, {"pics": 3})
    assert (unfilled, len(warnings)) == (template, 2)


THREADS = """
import sys; sys.setswitchinterval(1e-6)
from concurrent.futures import ThreadPoolExecutor
from promptsync.prompt.template import read
from promptsync.rendering import Engine
work = [lambda: Engine()("{{ a }}", "jinja2", {"a": 1}).text,
        lambda: read("{{ a }}", "jinja2").variables, lambda: read("{{ a", "jinja2").error] * 8
with ThreadPoolExecutor(24) as pool: results = list(pool.map(lambda job: job(), work))
assert results[0] == "1" and results[1] == {"a": True} and results[2], results
"""


def test_many_threads_can_render_the_first_jinja2_template_at_once():
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", THREADS], check=True, env=environ)


@pytest.mark.parametrize(
    ("template", "needed", "optional"),
    [
        ("{% if x %}{{ x.name }}, {{ y }}{% endif %}", "y", "x"),
        ("{% if x %}a{% endif %}{{ x }}", "x", ""),
        ("{% if x %}a{% elif y %}{{ y }}{% else %}{{ z }}{% endif %}", "z", "x y"),
        ("{% if x is defined and x|length > 2 %}{{ x }}{% endif %}", "", "x"),
        ("{{ x|default('a') }} {{ y.z|d('b')|upper }}", "", "x y"),
        ("{{ x|default(y) }}", "y", "x"),
        ("{{ x or 'a' }}", "", "x"),
        ("{{ x if x else y }}", "y", "x"),
        ("{{ x is defined }} {{ not y }}", "y", "x"),
        ("{% for a in x or [] %}{{ a }}{{ b }}{% endfor %}", "b", "x"),
        ("{% set x = x or 'a' %}{{ x }}", "", "x"),
        ("{% if not x %}{% set x = 'a' %}{% endif %}{{ x }}", "x", ""),
        ("{% for a in y %}{% set x = 1 %}{% endfor %}{{ x }}", "x y", ""),
        ("{{ f(x) }} {{ 'a' ~ y }} {{ z > 1 }}", "f x y z", ""),
        ("{% macro m(x) %}{{ x }}{{ y }}{% endmacro %}{{ m(1) }}", "y", ""),
    ],
)
def test_a_jinja2_text_does_not_need_a_variable_that_it_tests_first(template, needed, optional):
    uses = [*variable_uses({"content": template, "template_format": J})]
    assert {use.name for use in uses if use.required} == set(needed.split())
    assert {use.name for use in uses if not use.required} == set(optional.split())
