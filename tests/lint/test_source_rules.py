from __future__ import annotations

import pytest
from located import found, lint

# Put together here, so that no scanner of this repository takes them for keys.
HEX = "9f86d081884c7d659a2feaa0c55ad015"
MIXED = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"


@pytest.mark.parametrize(
    ("key", "issuer"),
    [
        ("pl_" + HEX, "PromptLayer"),
        ("sk-proj-" + MIXED + "-" + MIXED, "OpenAI"),
        ("sk-ant-api03-" + MIXED, "Anthropic"),
        ("AIza" + (MIXED + "Q")[:35], "Google"),
        ("AKIA" + "Q3EGU7ZT5WXK2JRM", "AWS"),
        ("github_pat_" + MIXED, "GitHub"),
        ("xoxb-" + "2845-" + MIXED, "Slack"),
        ("hf_" + MIXED, "Hugging Face"),
    ],
)
def test_a_key_is_an_error_that_does_not_repeat_it(key: str, issuer: str) -> None:
    problems = lint(f"name: a\ncontent: hi\n# the key is {key}\n")
    assert found(problems) == ["a.yaml:3:14 error api-key"]
    assert issuer in problems[0].message
    assert key not in problems[0].message + problems[0].hint


@pytest.mark.parametrize(
    "prose",
    [
        "sk-learn-style-estimators-for-tabular-data",
        "sk-estimator-classification-regression-clustering2024",
        "pl_" + "polish_translation_of_the_text",
        "sk-" + "your_openai_api_key_goes_right_here_0123",
        "sk-" + "20240517093018273645918",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "task-" + MIXED,
        "https://example.com/?q=desk-" + MIXED,
    ],
)
def test_prose_and_placeholders_are_no_keys(prose: str) -> None:
    assert lint(f"name: a\ncontent: '{prose}'\n") == []


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("owner: no", "the boolean false"),
        ("zip: 01234", "the number 668"),
        ("time: 12:30", "the number 750"),
        ("time: 1:30.5", "the number 90.5"),
        ("rate: 1e-3", "text, not as a number"),
        ("countries:\n  - de\n  - no", "the boolean false"),
    ],
)
def test_an_unquoted_value_that_yaml_reads_as_something_else_is_a_warning(line: str, read: str) -> None:
    text = "content: hi\nmetadata:\n" + "".join(f"  {part}\n" for part in line.split("\n"))
    problems = lint(text)
    assert [(problem.rule, problem.severity) for problem in problems] == [("yaml-scalar", "warning")]
    assert read in problems[0].message
    assert problems[0].line == 2 + len(line.split("\n"))


@pytest.mark.parametrize(
    "line",
    [
        "owner: 'no'",
        'owner: "12:30"',
        "note: no refunds",
        "note: |\n    answer: no",
        "note: 'x'  # a: no",
        "rates: |\n    Answer: no\n    at: 12:30\n    - yes",
    ],
)
def test_values_that_are_what_they_look_like_are_left_alone(line: str) -> None:
    assert lint(f"content: hi\nmetadata:\n  {line}\n") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{content: hi, metadata: {owner: no}}\n", "1:26"),
        ("metadata:\n  # why\n  a:\n  - {b: no}\ncontent: hi\n", "4:6"),
        ("messages: [{role: user, content: hi}]\ntools:\n- type: x\n- a: no\n  type: x\n", "4:3"),
        ("content: '{a}'\nexamples:\n- a: no\n", "3:3"),
    ],
)
def test_such_values_are_found_in_every_style_of_file(text: str, place: str) -> None:
    assert found(lint(text)) == [f"a.yaml:{place} warning yaml-scalar"]
