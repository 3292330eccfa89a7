"""Annotations of GitHub workflows: one line each, whatever stands in them, and no more than are shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_reader import hostile

from promptsync.commands.lint import Checked, github
from promptsync.prompt.prompt import Problem


def annotation(problem: Problem) -> str:
    return github(Checked((problem,), 1), [problem])[0]


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
def test_every_text_comes_out_as_it_went_in(text: str, rule: str, path: str, line: int) -> None:
    made = annotation(Problem(path, line, 3, rule, f"a{text}b"))
    assert "\n" not in made and "\r" not in made
    severity, properties, message = read(made)
    assert severity == "error" and set(properties) == {"file", "line", "col", "title"}
    assert (properties["line"], properties["col"]) == (str(line), "3")
    assert message.count("\n") == text.count("\n")
