"""Markdown and annotations for people who review: nothing in them breaks out, pings or goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_reader import EVIL, active, check_only_code, hostile, names, page_of
from msgspec.structs import replace

from promptsync.commands.lint import github
from promptsync.compare.difference import Difference, Step
from promptsync.compare.snapshot import Item, State
from promptsync.errors import Refused
from promptsync.labels.move import ChangedLabel
from promptsync.labels.plan import LabelChange
from promptsync.prompt.fields import FieldChange
from promptsync.prompt.prompt import Problem, Prompt, Version
from promptsync.push.actions import Action, Ending, Kind, PushPlan, PushReceipt, Result
from promptsync.show.diff import add_differences
from promptsync.show.markdown import MOST, Page, code
from promptsync.show.push import show_plan, show_receipt

values: st.SearchStrategy[Any] = hostile | st.none() | st.integers() | st.lists(hostile, max_size=2)
values |= st.dictionaries(hostile, hostile, max_size=2)
fields = st.builds(FieldChange, names, values, values, st.sampled_from(["added", "removed", "changed"]))
steps = st.builds(
    Step,
    names,
    st.lists(fields, max_size=3).map(tuple),
    st.lists(names, max_size=2).map(tuple),
    st.lists(names, max_size=2).map(tuple),
)
found_differences = st.lists(
    st.builds(Difference, names, st.sampled_from(State), names, st.lists(steps, max_size=2).map(tuple)),
    max_size=4,
)


def add_plan(page: Page, plan: PushPlan, found: Sequence[Difference] = ()) -> None:
    add = show_plan(plan, "team", lambda: found).markdown
    assert add is not None
    add(page)


def item(name: str, version: int | None) -> Item:
    listed = Version(1, version, Prompt(name, {})) if version is not None else None
    return Item(name, State.AHEAD, listed=listed)


actions = st.builds(
    Action,
    st.builds(item, names, st.none() | st.integers(1, 9)),
    st.sampled_from(Kind),
    message=names,
    labels=st.lists(names, max_size=2).map(tuple),
)
lefts = st.builds(Result, names, st.just(Ending.SKIPPED), names, state=st.sampled_from(State).map(str))
plans = st.builds(PushPlan, st.lists(actions, max_size=4).map(tuple), st.lists(lefts, max_size=3).map(tuple))
limits = st.sampled_from([1_000, 1_500, 4_000, MOST])


BREAKING_OUT = [
    *("@EVIL", "owner/EVIL#1", "# heading", "[a](https://b)", "![a](https://b)", "<https://EVIL>"),
    *("<script>", "<!-- marker -->", "text <b>bold</b>", "```\n```\n@EVIL", "``EVIL`", "1. one", "> quoted"),
    *("a|b\n-|-\nc|d", "<details><summary><code><b></code>: new</summary>", "title\n---", "*EVIL*"),
]


def test_the_reader_finds_what_breaks_out() -> None:
    assert [line for line in BREAKING_OUT if not active([line])] == []


def receipt(published: list[str], reason: str) -> PushReceipt:
    endings = zip(published, (Ending.PUBLISHED, Ending.RACED, Ending.SKIPPED), strict=False)
    results = {name: Result(name, ending, reason, 2, message=reason) for name, ending in endings}
    made = PushReceipt(PushPlan(()), results)
    made.labels = [ChangedLabel(LabelChange(name, 1, reason, 1, 2), "stayed", reason) for name in published]
    return made


def add_receipt(page: Page, made: PushReceipt) -> None:
    add = show_receipt(made.plan, made).markdown
    assert add is not None
    add(page)


PAGES: dict[str, tuple[Any, ...]] = {
    "difference": (add_differences, found_differences),
    "plan": (add_plan, plans, found_differences),
    "receipt": (add_receipt, st.builds(receipt, st.lists(names, max_size=3), names)),
    "error": (Page.error, st.builds(Refused, names, hint=names, details=st.lists(names, max_size=3))),
    "lines": (Page.section, st.just("1 ahead"), st.lists(hostile, max_size=3)),
}
"""What adds to a page, and what it adds."""


@pytest.mark.parametrize("kind", PAGES)
@given(st.data(), limits)
def test_no_text_is_more_than_code(kind: str, data: st.DataObject, most: int) -> None:
    add, *values = PAGES[kind]
    check_only_code(page_of(add, *map(data.draw, values), most=most), most)


@given(st.text() | hostile)
def test_a_code_span_is_one_span_with_the_whole_text(text: str) -> None:
    assert active([code(text)]) == []


def difference(name: str, old: str | None, new: str | None) -> Difference:
    change = FieldChange("content", old, new, "changed" if old and new else "added")
    return Difference(name, State.AHEAD, f"prompts/{name}.yaml", (Step("v1 -> here", (change,)),))


def test_a_text_keeps_its_lines_and_a_message_its_parts() -> None:
    message = {"role": "user", "content": "one\ntwo"}
    change = FieldChange("messages[0]", None, message, "added")
    lines = page_of(add_differences, [Difference("a", State.NEW, None, (Step("new", (change,)),))])
    assert "@ messages[0]\n+role: user\n+content: |-\n+  one\n+  two" in "\n".join(lines)


def test_a_difference_that_is_too_long_is_cut_inside_its_fence_with_a_count() -> None:
    text = "\n".join(f"line {number}" for number in range(20_000))
    lines = page_of(add_differences, [difference("long", None, text), difference("short", "a", "b")])
    (cut,) = [line for line in lines if "more lines" in line]
    assert lines[lines.index(cut) + 1] == "```"
    shown = sum(line.startswith("+line ") for line in lines)
    assert cut == f"… {20_000 - shown} more lines, too much to show here"
    assert "-a" in lines and "+b" in lines
    assert sum(len(line) + 1 for line in lines) <= MOST


def test_prompts_that_do_not_fit_are_named_and_counted() -> None:
    text = "\n".join(f"line {number}" for number in range(400))
    found = [difference(f"prompt-{number}", None, text) for number in range(2_000)]
    lines = page_of(add_differences, found, most=20_000)
    (intro,) = [line for line in lines if "more prompts" in line]
    whole = sum("<details>" in line for line in lines)
    assert intro == f"… and {2_000 - whole} more prompts, too much to show here:"
    listed = sum(line.startswith("- `prompt-") for line in lines)
    assert f"- and {2_000 - whole - listed} more lines" in lines
    items = page_of(Page.items, ["x"] * 5_000, most=4_000)
    assert sum(len(line) + 1 for line in items) <= 4_000


@pytest.mark.parametrize("length", [10, 70_000])
def test_a_fence_is_longer_than_every_run_of_backticks_or_not_there(length: int) -> None:
    lines = page_of(add_differences, [difference(EVIL, None, "`" * length + "\n@EVIL")])
    assert active(lines) == []
    assert sum(len(line) + 1 for line in lines) <= MOST


def test_a_plan_tells_kinds_fingerprint_and_what_is_left() -> None:
    one = Action(item("support/a", 3), Kind.UPDATE, message="Soften (1a2b3c4 v4)")
    plan = PushPlan(
        (one, replace(one, item=item("b", None), kind=Kind.CREATE)),
        (Result("c", Ending.SKIPPED, "x", state="diverged"),),
    )
    lines = page_of(add_plan, plan)
    assert lines[0] == f"**2 prompts to publish** · `team` · fingerprint `{plan.fingerprint}`"
    assert "update support/a v3 -> v4 Soften" in [" ".join(line.split()) for line in lines]
    assert "  skipped  c: diverged, x" in lines
    assert page_of(add_plan, PushPlan(()))[0] == "**Nothing to publish**"
    assert page_of(add_differences, [])[0] == "No prompt differs."


# -- Annotations of GitHub workflows: one line each, whatever stands in them -----------------------------


def read_line(line: str) -> tuple[str, dict[str, str], str]:
    """Read an annotation as GitHub's runner does."""
    _, head, message = line.split("::", 2)
    severity, _, properties = head.partition(" ")
    pairs = (one.partition("=")[::2] for one in properties.split(","))
    return severity, {key: _plain(value) for key, value in pairs}, _plain(message)


def _plain(text: str) -> str:
    for escape, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, sign)
    return text


@given(hostile, hostile, hostile.filter(bool), st.integers(1, 99))
def test_every_text_comes_out_as_it_went_in(text: str, rule: str, path: str, line: int) -> None:
    made = github([Problem(path, line, 3, rule, f"a{text}b")])[0]
    assert "\n" not in made and "\r" not in made
    severity, properties, message = read_line(made)
    assert severity == "error" and set(properties) == {"file", "line", "col", "title"}
    assert (properties["line"], properties["col"]) == (str(line), "3")
    assert message.count("\n") == text.count("\n")
