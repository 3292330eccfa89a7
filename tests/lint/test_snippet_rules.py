from __future__ import annotations

import pytest
from located import found, lint

from promptsync.lint.rules import KnownPrompts

TONE = "name: tone\ncontent: Stay calm.\n"


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


FAR = KnownPrompts(registry=frozenset({"far"}))
JINJA = "template_format: jinja2\ncontent: |\n  {}\n"
OPENING = uses("open", form="template_format: jinja2\ncontent: '{{% if vip %}}'\n")


def broken(reference: str) -> str:
    return uses("a", f"{reference}@label:prod", form=JINJA + "  quick {{% endif %}}\n")


def pinned(name: str, *versions: int) -> str:
    return uses(name, *(f"tone@version_number:{version}" for version in versions))


TOGETHER: dict[str, tuple[list[str], KnownPrompts | None, list[str]]] = {
    "a chat prompt is no snippet": (
        [uses("a", "greet@label:prod"), "name: greet\nmessages: [{role: user, content: hi}]\n"],
        None, ["a.yaml:2:1 error snippet-chat"],
    ),
    "one fence": (["name: a\ncontent: 'one @@@ alone'\n"], None, ["a.yaml:2:1 error snippet-unbalanced"]),
    "an odd version": (
        ["name: a\ncontent: '@@@tone@version_number:x@@@'\n", TONE], None,
        ["a.yaml:2:1 error snippet-malformed"],
    ),
    "outside of texts": (
        ["name: a\nmessages: [{role: user, content: hi}]\n"
         "tools:\n- {type: function, function: {name: f, description: '@@@tone@@@'}}\n", TONE],
        None, ["a.yaml:4:40 warning snippet-not-expanded"],
    ),
    "examples with variables of snippets": (
        [uses("a", "tone@label:prod") + "examples: [{mood: calm, depth: 1}]\n",
         "name: tone\ncontent: 'Be {mood}. @@@deep@label:x@@@'\n", "name: deep\ncontent: '{depth}'\n"],
        None, [],
    ),
    "a block that the text around a snippet closes": (
        [broken("open"), OPENING], None, ["b.yaml:3:1 warning jinja-syntax"],
    ),
    "a broken text": ([broken("tone"), TONE], None, ["a.yaml:5:3 error jinja-syntax"]),
    "a broken text with a snippet out of sight": ([broken("far")], FAR, ["a.yaml:5:3 warning jinja-syntax"]),
    "an older pin": ([pinned("a", 1), pinned("b", 3), TONE], None, ["a.yaml:2:1 warning snippet-outdated"]),
    "two pins": ([pinned("a", 1, 3), TONE], None, ["a.yaml:2:1 warning snippet-outdated"]),
}  # fmt: skip


@pytest.mark.parametrize(("files", "known", "expected"), TOGETHER.values(), ids=TOGETHER)
def test_references_are_judged_by_all_files(
    files: list[str], known: KnownPrompts | None, expected: list[str]
) -> None:
    assert found(lint(*files, known=known)) == expected


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


def test_the_hint_about_an_old_pin_is_the_command_that_moves_it() -> None:
    (problem,) = lint(pinned("a b", 1), pinned("c", 2), TONE)
    assert problem.message == "@@@tone@version_number:1@@@ pins an old version; c pins v2."
    assert problem.hint == "promptsync bump tone 'a b'"
