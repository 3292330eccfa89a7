"""The quick walk over a parsed template, against jinja2's own answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, TemplateError, meta

from promptsync.prompt.jinja import Walk
from promptsync.prompt.template import syntax_error, variables

ENVIRONMENT = Environment()

TEXTS = [
    "plain",
    "{{ a }} {{ b.c[d] }} {{ e(f, g=h) | default(i) }}",
    "{% if a is defined and not b %}{{ c }}{% elif d in [e, (f, g), {h: i}] %}{% else %}{{ j ~ k }}"
    "{% endif %}",
    "{{ a if b else c }} {{ d[e:f] }} {{ -g + +h - i * j / k // l % m ** n }} {{ o < p <= q }}",
    "{% for x in xs %}{{ x }}{{ loop.index }}{{ y }}{% else %}{{ x }}{{ loop }}{% endfor %}{{ x }}",
    "{% for k, v in d.items() %}{% for x in v %}{{ k }}{{ x }}{% endfor %}{{ x }}{% endfor %}",
    "{% for x in x %}{{ x }}{% endfor %}",
    "{% for (a, b), c in d %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in xs if x.ok and y %}{{ x }}{% endfor %}",
    "{% for x in xs recursive %}{{ loop(x.y) }}{% endfor %}",
    "{{ range(n) }} {{ dict(a=b) }} {{ namespace }} {{ self }}",
    "{% set a = b %}{{ a }}{{ c }}",
    "{{ a }}{% set a = 1 %}",
    "{% macro m(x) %}{{ x }}{{ y }}{% endmacro %}{{ m(z) }}",
    "{% block b %}{{ x }}{% endblock %}",
    "{% with a = b %}{{ a }}{% endwith %}{{ c }}",
    "{% filter upper %}{{ x }}{% endfilter %}",
    "{% call(x) m() %}{{ x }}{% endcall %}",
    "{% raw %}{{ a }}{% endraw %}{# {{ b }} #}{{ c }}",
    "{% set ns = namespace(x=1) %}{% for i in j %}{% set ns.x = i %}{% endfor %}{{ ns.x }}",
]


def _ours(text: str) -> Walk:
    walk = Walk(ENVIRONMENT.filters, ENVIRONMENT.tests)
    walk.visit(ENVIRONMENT.parse(text))
    return walk


@pytest.mark.parametrize("text", TEXTS)
def test_the_variables_are_those_that_jinja2_finds(text: str) -> None:
    assert variables(text, "jinja2") == meta.find_undeclared_variables(ENVIRONMENT.parse(text))


@pytest.mark.parametrize("text", TEXTS[:8])
def test_templates_without_assignments_need_only_the_walk(text: str) -> None:
    assert _ours(text).is_plain or "(a, b), c" in text


@pytest.mark.parametrize("text", TEXTS[8:10] + TEXTS[11:18])
def test_jinja2_handles_templates_with_scopes(text: str) -> None:
    assert not _ours(text).is_plain


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("{{ a | nope }}", ("filter", "nope", 1)),
        ("\n{{ a is nope }}", ("test", "nope", 2)),
        ("{% for x in y %}\n{{ x | nope }}{{ x | neither }}{% endfor %}", ("filter", "nope", 2)),
        ("{{ a | upper }}", None),
    ],
)
def test_the_first_unknown_filter_or_test_is_named(text: str, unknown: object) -> None:
    assert _ours(text).unknown == unknown
    assert (syntax_error(text, "jinja2") is None) == (unknown is None)


NAMES = st.sampled_from(["a", "b", "x", "loop", "range", "self"])
EXPRESSIONS = st.recursive(
    NAMES | st.sampled_from(["1", "'s'", "true", "none"]),
    lambda inner: st.one_of(
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} is defined)".format, NAMES),
        st.builds("({} | default({}))".format, inner, inner),
        st.builds("{}.c".format, NAMES),
        st.builds("[{}, {}]".format, inner, inner),
    ),
    max_leaves=6,
)
BODIES = st.recursive(
    st.builds("{{{{ {} }}}}".format, EXPRESSIONS) | st.just("text"),
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, EXPRESSIONS, inner, inner),
        st.builds(
            "{{% for {} in {} %}}{}{{% else %}}{}{{% endfor %}}".format, NAMES, EXPRESSIONS, inner, inner
        ),
        st.builds("{{% for {}, {} in {} %}}{}{{% endfor %}}".format, NAMES, NAMES, EXPRESSIONS, inner),
        st.builds("{{% set {} = {} %}}{}".format, NAMES, EXPRESSIONS, inner),
    ),
    max_leaves=8,
)


@given(BODIES)
def test_the_variables_of_any_template_are_those_that_jinja2_finds(text: str) -> None:
    try:
        expected = meta.find_undeclared_variables(ENVIRONMENT.parse(text))
    except TemplateError:
        expected = set()
    assert variables(text, "jinja2") == expected
