from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from strategies import json_objects

from promptsync.files.yaml import load as yaml_load
from promptsync.files.yaml.load import MAX_BYTES, InvalidFile, load, position
from promptsync.lint.rules import RULES
from promptsync.prompt.limits import MAX_DEPTH

LAUGHS = b"a: &a [x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (ord("b") + n, ord("b") + n, b", ".join([b"*%c" % (ord("a") + n)] * 8))
    for n in range(8)
)


@pytest.fixture(params=["c", "python"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        loader = type("Loader", (yaml_load._Resolver, yaml.BaseLoader), {})
        monkeypatch.setattr(yaml_load, "Loader", loader)


def problems(data: bytes) -> list[tuple[int, int, str]]:
    with pytest.raises(InvalidFile) as caught:
        load(data, "p.yaml")
    assert all(problem.path == "p.yaml" and problem.message for problem in caught.value.problems)
    assert {problem.rule for problem in caught.value.problems} <= {*RULES}
    return [(problem.line, problem.column, problem.rule) for problem in caught.value.problems]


@pytest.mark.usefixtures("loader")
def test_what_is_not_plain_data_is_refused_at_its_place() -> None:
    for data, found in (
        (b"a: 1\nb: 2\na: 3\n", [(3, 1, "yaml-duplicate-key")]),
        (b"1: x\nno: y\n2024-01-01: z\n~: w\n", [(n, 1, "yaml-key") for n in (1, 2, 3, 4)]),
        (b"? [a]\n: b\n", [(1, 3, "yaml-key")]),
        (b"content: {{ question }}\n", [(1, 11, "yaml-key")]),
        (b"a: {<<: {b: 1}}\n", [(1, 5, "yaml-key")]),
        (b"a: !!str 5\nb: !!python/name:os.system x\n", [(n, 4, "yaml-tag") for n in (1, 2)]),
        (b"a: 2024-01-01\nb: 2024-01-01 10:00:00\n", [(1, 4, "yaml-date"), (2, 4, "yaml-date")]),
        (b"a: [.inf, -.INF, .nan, 1.0e+999]\n", [(1, n, "yaml-number") for n in (5, 11, 18, 24)]),
        (b"a: " + b"9" * 5000, [(1, 4, "yaml-number")]),
        (b"a: 1\n---\nb: 2\n", [(2, 1, "yaml-syntax")]),
        (b"a: &x [*x]\n", [(1, 1, "yaml-aliases")]),
        (LAUGHS, [(1, 1, "yaml-aliases")]),
        (b"a:\n\tb: 1\n", [(2, 1, "yaml-syntax")]),
        (b"a: x\x07y\n", [(1, 5, "yaml-syntax")]),
        (b"a: \xef\xbf\xbf\n", [(1, 4, "yaml-syntax")]),
        (b"ok: 1\na: caf\xe9\n", [(2, 7, "file-encoding")]),
        (b"\xef\xbb\xbfa: 1\n", [(1, 1, "file-encoding")]),
        ("a: 1\n".encode("utf-16"), [(1, 1, "file-encoding")]),
        (b"a: 1\nb\0c\n", [(2, 2, "file-encoding")]),
        (b"[" * 150 + b"]" * 150, [(1, MAX_DEPTH + 1, "yaml-nesting")]),
        (b"[" * 1200, [(1, 1, "yaml-nesting")]),
        (b"a: {" + b"{" * 150 + b"}" * 150 + b": 1}", [(1, 5, "yaml-key")]),
        (b"b: x\na: 1" + b":1" * 6000, [(2, 4, "yaml-number")]),
        (b"a: 1" + b":1" * 400 + b".5", [(1, 4, "yaml-number")]),
        (b"a: 0x" + b"f" * 5000, [(1, 4, "yaml-number")]),
    ):
        assert problems(data) == found, data[:99]


def test_an_error_says_what_to_do() -> None:
    for data, hint in (
        (b"a: {{ x }}", "must be quoted"),
        (b"a:\n\tb: 1", "spaces"),
        (b'a: "C:\\path"', "backslash"),
        (b"a: 'open", "never closed"),
        (b'a: "\\ud83d"', "half of a character"),
        (b"a: 1\n--- \nb: 1", "A file holds one prompt"),
    ):
        with pytest.raises(InvalidFile) as caught:
            load(data, "p.yaml")
        assert hint in caught.value.hint


@pytest.mark.usefixtures("loader")
def test_values_mean_what_pyyaml_takes_them_to_mean() -> None:
    for text in (
        "a: [1, -2, 0x1F, 010, 1_000, 1:30, 1.5, .5, 1e3, 1.0e+3, 089, 0o17, -.5, 0b11]",
        "a: [yes, No, TRUE, off, y, n, ~, null, Null, '', '1', \"no\"]",
        "a: &x {b: 1}\nc: [*x, *x]",
        "a: >-\n  folded\n  text\nb: |+\n  kept\n\nc: plain\n  text",
        "# nothing\n",
        "'quoted key': 1\n? explicit\n: 2\n",
        'a: "\\x07\\u00e9\\U0001F600"',
        "a: ! x",
    ):
        value = load(text.encode(), "p").value
        assert repr(value) == repr(yaml.safe_load(text)), text


@given(json_objects())
@settings(deadline=None)
def test_what_pyyaml_writes_is_read(value: dict[str, Any]) -> None:
    text = yaml.safe_dump(value, allow_unicode=False)
    assert load(text.encode(), "p").value == yaml.safe_load(text)


def test_positions_are_those_of_keys_and_items() -> None:
    loaded = load(b"name: p\nmessages:\n  - role: user\n    content: |\n      hi\n  - {role: no}\n", "p")
    places = {
        (): (1, 1),
        ("name",): (1, 1),
        ("messages",): (2, 1),
        ("messages", 0): (3, 5),
        ("messages", 0, "content"): (4, 5),
        ("messages", 1, "role"): (6, 6),
        ("messages", 0, "content", 0, "text"): (4, 5),
        ("messages", 7): (2, 1),
        ("nothing", "here"): (1, 1),
    }
    assert {path: position(loaded.text, path) for path in places} == places


def test_a_large_file_is_refused_without_reading_it() -> None:
    data = b"a: " + b"[" * (30_000_000)
    assert problems(data) == [(1, 1, "file-size")]
    assert len(data) > MAX_BYTES
