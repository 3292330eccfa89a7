"""All that keeps a file from being read is reported at once, each thing once, with its line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import examples

from promptsync.commands.lint import lint

TOP = [
    ("name: a\nname: b\n", 2, 1, "yaml-duplicate-key"),
    ("tags: 5\n", 1, 1, "wrong-type"),
    ("tags: [a, 5]\n", 1, 11, "wrong-type"),
    ("moood: x\n", 1, 1, "unknown-key"),
    ("template_format: mustache\n", 1, 1, "unknown-format"),
    ("examples: yes\n", 1, 1, "wrong-type"),
    ("metadata:\n  when: 2024-01-01\n", 2, 9, "yaml-date"),
    ("metadata:\n  a: 1\n  b: 2\n  a: 3\n", 4, 3, "yaml-duplicate-key"),
    ("metadata: {a: .inf}\n", 1, 15, "yaml-number"),
    ("model: {provider: p}\n", 1, 1, "model-incomplete"),
    ("model: {provider: p, name: 4}\n", 1, 22, "wrong-type"),
    ("tools: !!x [1]\n", 1, 8, "yaml-tag"),
    ("extra: {version: {folder_id: 3}}\n", 1, 19, "reserved-key"),
    ("agents: [{input_variables: {}}]\n", 1, 10, "missing-key"),
    ("synced: yesterday\n", 1, 1, "schema"),
]
MESSAGES = [
    ("- role: user\n  content: hi\n  content: ho\n", 3, 3, "yaml-duplicate-key"),
    ("- role: critic\n  content: x\n", 1, 3, "unknown-role"),
    ("- content: x\n", 1, 3, "missing-key"),
    ("- {role: tool, content: a}\n", 1, 3, "message-incomplete"),
    ("- role: user\n  content: {{ x }}\n", 2, 13, "yaml-key"),
    ("- role: user\n  content: 2024-01-01\n", 2, 12, "yaml-date"),
    ("- role: user\n  content: 5\n", 2, 3, "wrong-type"),
    ("- role: user\n  template_format: liquid\n  content: x\n", 2, 3, "unknown-format"),
    ("- role: user\n  content: '@@@nobody@@@'\n", 2, 3, "snippet-missing"),
    ("- role: user\n  template_format: jinja2\n  content: |\n    {% if x %}\n", 4, 5, "jinja-syntax"),
]
READABLE = {
    *("unknown-format", "model-incomplete", "reserved-key", "unknown-role", "message-incomplete"),
    *("snippet-missing", "jinja-syntax"),
}
"""Rules about files that hold what they should."""

Wrong = tuple[str, int, int, str]


def no_key_twice(chosen: list[Wrong]) -> list[Wrong]:
    return list({text.partition(":")[0]: (text, *rest) for text, *rest in chosen}.values())  # type: ignore[misc]


def written(top: list[Wrong], messages: list[Wrong]) -> tuple[str, list[tuple[int, int, str]]]:
    text, expected = "", []
    for part, line, column, rule in top:
        expected.append((text.count("\n") + line, column, rule))
        text += part
    text += "messages:\n- {role: user, content: fine}\n"
    for part, line, column, rule in messages:
        expected.append((text.count("\n") + line, column, rule))
        text += part
    return text, sorted(expected)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    (root / "prompts").mkdir()
    (root / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    return root


@settings(deadline=None, max_examples=examples(200))
@given(
    st.lists(st.sampled_from(TOP), unique=True, max_size=6).map(no_key_twice),
    st.lists(st.sampled_from(MESSAGES), unique=True, max_size=6),
)
def test_every_problem_of_a_file_is_reported_once(
    root: Path, top: list[Wrong], messages: list[Wrong]
) -> None:
    text, expected = written(top, messages)
    (root / "prompts" / "a.yaml").write_text(text, "utf-8")
    errors = [one for one in lint(root).problems if one.severity == "error"]
    # What a file says is checked once all of it can be read.
    reasons = [reason for reason in expected if reason[2] not in READABLE]
    assert [(one.line, one.column, one.rule) for one in errors] == (reasons or expected)
