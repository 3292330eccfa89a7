"""Annotations of GitHub workflows: one line each, whatever stands in them, and no more than are shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_reader import hostile

from promptsync.compare.difference import Difference, Step
from promptsync.compare.snapshot import State
from promptsync.prompt.fields import FieldChange
from promptsync.show.github import MOST_ANNOTATIONS, annotation, differences_github


def read(line: str) -> tuple[str, dict[str, str], str]:
    """Read an annotation as GitHub's runner does."""
    _, head, message = line.split("::", 2)
    severity, _, properties = head.partition(" ")
    pairs = (one.partition("=")[::2] for one in properties.split(","))
    return severity, {key: _plain(value) for key, value in pairs}, _plain(message)


def _plain(text: str) -> str:
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text


@given(hostile, hostile, hostile.filter(bool), st.integers(1, 99))
def test_every_text_comes_out_as_it_went_in(text: str, title: str, path: str, line: int) -> None:
    made = annotation("error", text, title=title, path=path, line=line, column=3)
    assert "\n" not in made and "\r" not in made
    severity, properties, message = read(made)
    assert severity == "error" and set(properties) == {"file", "line", "col", "title"}
    assert (properties["line"], properties["col"]) == (str(line), "3")
    assert message.count("\n") == text.count("\n")


def test_a_path_and_a_message_are_readable() -> None:
    made = annotation("warning", "50% of a: b, c\nd", title="x: y", path="a,b:c.yaml", line=1)
    assert made == "::warning file=a%2Cb%3Ac.yaml,line=1,col=1,title=x%3A y::50%25 of a: b, c%0Ad"


def test_no_more_than_github_shows_and_the_rest_is_counted_in_the_log() -> None:
    found = [Difference(f"::error::{number}", State.AHEAD, None, ()) for number in range(15)]
    lines = differences_github(found)
    assert sum(line.startswith("::notice") for line in lines) == MOST_ANNOTATIONS
    assert not any(line.startswith("::error") for line in lines)
    assert lines[-1].startswith("5 more differences in the log")


def test_the_first_change_of_each_prompt_comes_first() -> None:
    fields = tuple(FieldChange(f"metadata.k{number}", 0, number, "changed") for number in range(1, 13))
    found = [Difference(name, State.AHEAD, f"{name}.yaml", (Step("v1", fields),)) for name in "abc"]
    lines = differences_github(found, lambda path: f"sub/{path}")
    shown = [read(line)[1] for line in lines if line.startswith("::")]
    assert [one["file"] for one in shown[:6]] == ["sub/a.yaml", "sub/b.yaml", "sub/c.yaml"] * 2
    rest = [line for line in lines if line.startswith("ahead: ")]
    assert len(rest) == 36 - MOST_ANNOTATIONS and rest[-1] == "ahead: c metadata.k12"
