from __future__ import annotations

from typing import Any

import pytest
from located import found, lint

from promptsync.lint.rules import KnownPrompts

TONE = "name: tone\ncontent: Stay calm.\n"
PINNED = "@label:prod"


def uses(name: str, *references: str, form: str = "content: |\n  Hi\n  {}\n") -> str:
    return f"name: {name}\n" + form.format(" ".join(f"@@@{reference}@@@" for reference in references))


def test_a_reference_that_is_not_pinned_is_a_warning_once() -> None:
    problems = lint(uses("a", "tone", "tone", "tone@label:prod"), TONE)
    assert found(problems) == ["a.yaml:2:1 warning snippet-unpinned"]
    assert "@@@tone@label:LABEL@@@" in problems[0].hint
    assert lint(uses("a", "tone@label:prod", "tone@version_number:3"), TONE) == []
    assert found(lint(uses("a", "Tone@label:prod"), TONE)) == ["a.yaml:2:1 error snippet-missing"]
    hidden = 'name: a\ncontent: "\\x40@@b@label:x@@@"\n'
    assert found(lint(hidden)) == ["a.yaml:2:1 error snippet-missing"]


@pytest.mark.parametrize(
    ("known", "severity"),
    [
        (KnownPrompts(), "error"),
        (KnownPrompts(in_scope="ours".__eq__), "warning"),
        (KnownPrompts(registry=frozenset({"other"})), "error"),
        (KnownPrompts(registry=frozenset({"other"}), in_scope="ours".__eq__), "error"),
        (KnownPrompts(registry=frozenset({"tone"})), None),
        (KnownPrompts(templates={"tone": {"type": "completion", "content": []}}), None),
    ],
)
def test_a_reference_to_nothing_is_judged_by_what_is_known(known: KnownPrompts, severity: str | None) -> None:
    expected = [f"a.yaml:2:1 {severity} snippet-missing"] if severity else []
    assert found(lint(uses("a", "tone@label:prod"), known=known)) == expected


def test_a_chat_prompt_is_no_snippet() -> None:
    greet = "name: greet\nmessages: [{role: user, content: hi}]\n"
    assert found(lint(uses("a", "greet@label:prod"), greet)) == ["a.yaml:2:1 error snippet-chat"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("one @@@ alone", "snippet-unbalanced"),
        ("@@@tone@label:a@@@ and @@@", "snippet-unbalanced"),
        ("@@@@@@", "snippet-malformed"),
        ("@@@tone@version_number:x@@@", "snippet-malformed"),
    ],
)
def test_what_only_looks_like_a_reference_is_an_error(text: str, rule: str) -> None:
    problems = lint(f"name: a\ncontent: '{text}'\n", TONE)
    assert found(problems) == [f"a.yaml:2:1 error {rule}"]


def test_a_circle_is_named_with_its_path() -> None:
    problems = lint(uses("a", "b"), uses("b", "c"), uses("c", "a"), uses("d", "a"), uses("e", "e"))
    circles = [problem for problem in problems if problem.rule == "snippet-cycle"]
    assert found(circles) == ["a.yaml:2:1 error snippet-cycle", "e.yaml:2:1 error snippet-cycle"]
    assert "a -> b -> c -> a" in circles[0].message
    # One through a pin may be none.
    problems = lint(uses("a", "b"), uses("b", "a@version_number:1"))
    assert found(problems, "snippet-unpinned") == ["a.yaml:2:1 warning snippet-cycle"]
    known = KnownPrompts(templates={"b": {"type": "completion", "content": "@@@c@@@"}})
    problems = lint(c=uses("c", "b"), known=known)
    assert found(problems, "snippet-unpinned") == ["c.yaml:2:1 error snippet-cycle"]


def test_a_reference_outside_of_texts_is_not_expanded() -> None:
    text = (
        "name: a\nmessages: [{role: user, content: hi}]\n"
        "tools:\n- {type: function, function: {name: f, description: '@@@tone@@@'}}\n"
    )
    problems = lint(text, TONE)
    assert found(problems) == ["a.yaml:4:40 warning snippet-not-expanded"]
    assert problems[0].message.endswith("where the registry does not expand snippets.")


def test_examples_count_the_variables_of_snippets() -> None:
    tone = "name: tone\ncontent: 'Be {mood}. @@@deep@label:x@@@'\n"
    deep = "name: deep\ncontent: '{depth}'\n"
    text = uses("a", "tone@label:prod") + "examples: [{{mood: calm, {}: 1}}]\n"
    assert lint(text.replace("{}", "depth").replace("{{", "{").replace("}}", "}"), tone, deep) == []


def test_examples_are_not_judged_as_unused_when_a_snippet_is_out_of_sight() -> None:
    text = uses("a", "far@label:prod") + "examples: [{mood: calm}]\n"
    assert lint(text, known=KnownPrompts(registry=frozenset({"far"}))) == []


JINJA = "template_format: jinja2\ncontent: |\n  {}\n"


def test_snippets_may_open_a_block_that_another_text_closes() -> None:
    opening = uses("open", form="template_format: jinja2\ncontent: '{{% if vip %}}'\n")
    text = uses("a", "open@label:prod", form=JINJA + "  quick {{% endif %}}\n")
    assert found(lint(text, opening)) == ["b.yaml:3:1 warning jinja-syntax"]


def test_a_broken_text_is_an_error_unless_its_snippets_are_out_of_sight() -> None:
    text = uses("a", "tone@label:prod", form=JINJA + "  quick {{% endif %}}\n")
    assert found(lint(text, TONE)) == ["a.yaml:5:3 error jinja-syntax"]
    known = KnownPrompts(registry=frozenset({"tone"}))
    assert found(lint(text, known=known)) == ["a.yaml:5:3 warning jinja-syntax"]


# -- pins ---------------------------------------------------------------------------------------------------


def pinned(name: str, *versions: int) -> str:
    return uses(name, *(f"tone@version_number:{version}" for version in versions))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([pinned("a", 1), pinned("b", 1)], []),
        ([pinned("a", 1), pinned("b", 3)], ["a.yaml:2:1 warning snippet-outdated"]),
        ([pinned("a", 1, 3)], ["a.yaml:2:1 warning snippet-outdated"]),
        ([pinned("a", 1), uses("b", "tone@label:prod")], []),
    ],
)
def test_a_pin_is_judged_by_the_pins_of_other_prompts(files: list[str], expected: list[Any]) -> None:
    assert found(lint(*files, TONE)) == expected


def test_the_hint_about_an_old_pin_is_the_command_that_moves_it() -> None:
    (problem,) = lint(pinned("a b", 1), pinned("c", 2), TONE)
    assert problem.message == "@@@tone@version_number:1@@@ pins an old version; c pins v2."
    assert problem.hint == "promptsync bump tone 'a b'"
