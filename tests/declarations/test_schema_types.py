"""The types of JSON Schemas: what schemas accept, types accept, checked by mypy and tsc."""

from __future__ import annotations

import ast
import itertools
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import texts

from promptsync.cli import run
from promptsync.declarations import LANGUAGES, declarations
from promptsync.prompt.prompt import Prompt

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
NULL = {"type": "null"}


def record(properties: Any, *keys: str, **others: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*keys], **others}


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


STEP = record({"title": TEXT, "minutes": NUMBER}, "title")
NODE = record({"value": TEXT, "next": {"anyOf": [{"$ref": "#/$defs/node"}, NULL]}}, "value")
SHAPES = [
    record({"kind": {"const": "circle"}, "radius": {"type": "number"}}, "kind", "radius"),
    record({"kind": {"const": "square"}, "side": NUMBER}, "kind", "side"),
]
REFERENCE: dict[str, Any] = {"$ref": "#/$defs/step"}
DEFINED: dict[str, Any] = {"$defs": {"step": STEP}}
ODD = ("", "ключ", "ﬁ", "__proto__", "__x")
KEYWORDS = ("class", "def", "None", "self", "type", "new", "constructor", "list", "Any", "float")
HOSTILE = '*/ """ \\ \' ${x} `\n#: x\r\n@ts-ignore\n# type: ignore\u2028export const evil = 1 \u202e'

PARTS: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("text", TEXT, ["x", ""], [1, None]),
    ("number", {"type": "number"}, [1.5, 1], ["x"]),
    ("integer", NUMBER, [1], ["x"]),  # a number of TypeScript can have a fraction
    ("boolean", {"type": "boolean"}, [True], ["x", 1]),
    ("enum", {"enum": ["low", "high", 3, True, None]}, ["low", 3, None], ["x", 4]),
    ("enum of objects", {"enum": ["x", {"k": 1}, 1.5]}, [{"k": 1}, 1.5], []),
    ("enum of long numbers", {"enum": ["x", 2**62]}, [2**62], ["y"]),
    ("const", {"const": "refund"}, ["refund"], ["other"]),
    ("types", {"type": ["string", "integer", "null"]}, ["x", 1, None], [[]]),
    ("nested arrays", listed(listed(NUMBER)), [[[1], []]], [[1]]),
    ("array of objects", listed(STEP), [[{"title": "x"}]], [[{}]]),
    ("array of anything", {"type": "array"}, [[1, "x", None]], ["x"]),
    ("tuple", {"type": "array", "prefixItems": [TEXT, NUMBER], "items": False}, [["x", 1]], [1]),
    ("open tuple", {"type": "array", "prefixItems": [TEXT]}, [["x", None]], [1]),
    (
        "nullable object",
        {"type": ["object", "null"], "properties": {"b": TEXT}, "required": ["b"]},
        [None, {"b": ""}],
        [{"b": 1}],
    ),
    ("one of", {"oneOf": SHAPES}, [{"kind": "circle", "radius": 1.5}], [{"kind": "square"}]),
    ("anything", True, [1, None, []], []),
    ("reference", REFERENCE, [{"title": "x"}], [{"minutes": 1}]),
    ("array of references", listed(REFERENCE), [[{"title": "y", "minutes": 1}]], [[{}]]),
    ("all of one reference", {"allOf": [REFERENCE], "description": "x"}, [{"title": "x"}], [{}]),
]
"""What a required property is, with values that it accepts, and values that its type must not accept."""

SCHEMAS: list[tuple[str, Any, list[Any], list[Any]]] = [
    *(
        (name, record({"a": part}, "a", **DEFINED), *([{"a": value} for value in values] for values in both))
        for name, part, *both in PARTS
    ),
    ("optional", record({"a": TEXT, "b": NUMBER}, "a"), [{"a": ""}, {"a": "", "b": 1}], [{"b": 1}, {}]),
    (
        "recursive root",
        record({"value": TEXT, "children": listed({"$ref": "#"})}, "value", "children"),
        [{"value": "a", "children": [{"value": "b", "children": []}]}],
        [{"value": "a", "children": {}}],  # what is inside itself can be anything
    ),
    (
        "recursive reference",
        {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
        [{"value": "a", "next": {"value": "b", "next": None}}],
        [{"next": None}],
    ),
    ("escaped reference", {"$ref": "#/$defs/x~1y~0", "$defs": {"x/y~": NUMBER}}, [1], ["x"]),
    ("any of at the root", {"anyOf": [STEP, listed(STEP)]}, [{"title": "x"}, [{"title": "x"}]], [[1], {}]),
    ("map", {"type": "object", "additionalProperties": NUMBER}, [{}, {"x": 1}], [{"x": "y"}]),
    (
        "patterns",
        {"type": "object", "patternProperties": {"^x": TEXT, "^y": NUMBER}, "additionalProperties": False},
        [{"xa": "", "ya": 1}],
        ["x"],
    ),
    ("any object", {"type": "object"}, [{}, {"a": [1]}], ["x"]),
    ("empty object", {"type": "object", "properties": {}, "additionalProperties": False}, [{}], [{"a": 1}]),
    ("false", record({"a": False, "b": TEXT}), [{"b": "x"}], [{"a": 1}]),
    ("root true", True, [1, "x", None], []),
    ("required without a schema", {"type": "object", "required": ["a"]}, [{"a": 1}], [{}]),
    (
        "odd keys",
        record({"a-b": TEXT, "a b": STEP, "1st": NUMBER, "😀": NUMBER, **dict.fromkeys(ODD, TEXT)}, "a-b"),
        [{"a-b": "", "1st": 1, "ﬁ": "x", "a b": {"title": ""}, "__x": "", "😀": 1}],
        [{"a-b": 1}, {"1st": 1}],
    ),
    (
        "keywords and names of types",
        record({"str": NUMBER, "x": listed(TEXT), **dict.fromkeys(KEYWORDS, TEXT)}, "str", "class"),
        [{"str": 1, "class": "x", "x": ["y"], "type": "y", "constructor": "z"}],
        [{"str": "x", "class": "x"}, {"type": "x"}],
    ),
    (
        "hostile texts",
        record(
            {
                HOSTILE: {"enum": [HOSTILE, "x"], "description": HOSTILE},
                "b": record({"c": TEXT}, description=HOSTILE),
            },
            description=HOSTILE,
            title=HOSTILE,
        ),
        [{HOSTILE: HOSTILE, "b": {"c": ""}}],
        [{HOSTILE: "y"}],
    ),
    ("long description", record({"a": {**TEXT, "description": "x" * 100_000}}), [{"a": ""}], [{"a": 1}]),
]
"""A name, a schema, values that it accepts, and values that its type must not accept."""

DOUBLED = {f"a{at}": {"allOf": [{"$ref": f"#/$defs/a{at + 1}"}] * 2} for at in range(60)}
CHOSEN = {
    f"a{at}": {"properties": {f"p{at}": {}}, "anyOf": [{"$ref": f"#/$defs/a{at + 1}"}] * 2}
    for at in range(60)
}

CIRCLE = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
ELSEWHERE = ("https://example.com/x", "#/nowhere/9", "#name")

READ: list[tuple[str, Any, list[Any], list[Any]]] = [
    (
        "google",
        {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}, "required": ["a"]},
        [{"a": None}, {"a": "x"}],
        [{"a": 1}],
    ),
    (
        "one of beside properties",
        record({"a": TEXT}, "a", oneOf=[{"required": ["b"]}, {"properties": {"c": TEXT}}]),
        [{"a": "x"}],
        [{}, {"a": 1}],
    ),
    ("all of", {"allOf": [REFERENCE, record({"b": NUMBER}, "b")], **DEFINED}, [{"title": "x", "b": 1}], []),
    (
        "reference beside keys",
        record({"a": {**REFERENCE, "properties": {"b": TEXT}, "required": ["b"]}}, **DEFINED),
        [{"a": {"title": "x"}}],
        [{"a": {}}],
    ),
    (
        "any of beside closed",
        record({"a": {"anyOf": [TEXT, STEP], "additionalProperties": False, "required": ["title"]}}),
        [{"a": "x"}, {"a": {"title": "x"}}],
        [{"a": 1}],
    ),
    ("self reference", {"$ref": "#"}, [1], []),
    ("circle", record({"a": {"$ref": "#/$defs/a"}}, **{"$defs": CIRCLE}), [{"a": 1}], [1]),
    (
        "elsewhere",
        record({key: {"$ref": to} for key, to in zip("abc", ELSEWHERE, strict=True)}),
        [{"a": 1, "b": None}],
        [1],
    ),
    (
        "not a schema",
        record({"a": 5, "b": {"type": 5}, "c": {"allOf": 5, "enum": 5, "anyOf": {}}}, required=5),
        [{"a": 1, "b": 2, "c": 3}],
        [],
    ),
    ("doubled", {"$ref": "#/$defs/a0", "$defs": DOUBLED}, [1], []),
    ("chosen", {"$ref": "#/$defs/a0", "$defs": CHOSEN}, [{"p0": 1}], [1]),
    ("deep", json.loads('{"items":' * 60 + "{}" + "}" * 60), [[]], []),
]
"""Schemas that are read in a way of their own, or hardly at all, so that no validator is asked."""


def of_response(schema: Any) -> Prompt:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    model = {"provider": "openai", "name": "gpt-4o", "parameters": {"response_format": form}}
    return Prompt("x", {"type": "completion", "content": "x"}, {"model": model})


def module(language: str, schemas: dict[str, Any], header: str = "") -> str:
    prompts = [replace(of_response(schema), name=name) for name, schema in schemas.items()]
    return declarations(prompts, LANGUAGES[language], header)


CASES = [*SCHEMAS, *READ]
ALL = {name: schema for name, schema, *_ in CASES}
NAMES = {name: f"{''.join(word.capitalize() for word in re.findall(r'[a-z]+', name))}Output" for name in ALL}


def test_the_rows_say_what_the_schemas_accept() -> None:
    for name, schema, good, _ in SCHEMAS:
        validator = jsonschema_rs.validator_for(schema)
        assert [value for value in good if not validator.is_valid(value)] == [], name


def test_mypy_accepts_the_module_and_the_values(tmp_path: Path) -> None:
    """In its strict mode, without an error but those of the values that a type must not accept."""
    pytest.importorskip("mypy")
    (tmp_path / "declared.py").write_text(module("python", ALL), "utf-8")
    lines = [f"from declared import {', '.join(NAMES.values())}"]
    wrong = set()
    for name, _, good, bad in CASES:
        for value in (*good, *bad):
            lines.append(f"v{len(lines)}: {NAMES[name]} = {value!r}")
        wrong |= {len(lines) - at for at in range(len(bad))}
    (tmp_path / "values.py").write_text("\n".join(lines), "utf-8")
    assert run([*EXAMPLES, "--lang", "python", "-o", str(tmp_path / "examples.py")], {}) == 0
    (tmp_path / "reader.py").write_text(READER, "utf-8")
    options = ("--strict", "--config-file=", "--no-incremental")
    files = ("declared.py", "values.py", "examples.py", "reader.py")
    command = [sys.executable, "-m", "mypy", *options, *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line for line in errors if not line.startswith("values.py:")] == []
    assert {int(line.split(":")[1]) for line in errors} == wrong, done.stdout


EXAMPLES = ("-C", str(Path(__file__).parents[2] / "example-repo"), "types")

READER = """
import json
from promptsync.runtime import AsyncPrompts, LoadedPrompt, Prompts
from examples import PromptName, SupportRefundVariables, SupportTriageOutput

def render(name: PromptName) -> None: ...

render("support/triage")
order = {"number": "A-17"}
values: SupportRefundVariables = {"question": "Where is it?", "refund_days": 30, "order": order}
without: SupportRefundVariables = {"question": "Where is it?", "refund_days": "30"}

def load(prompts: Prompts) -> LoadedPrompt:
    return prompts.get("support/refund", input_variables=values)

async def load_later(prompts: AsyncPrompts) -> LoadedPrompt:
    return await prompts.get("support/refund", input_variables=values)

answer: SupportTriageOutput = json.loads("{}")
number: str | None = answer["order_number"]
urgent: bool = answer["urgency"] == "high"
"""
"""An application of the example repository."""


@pytest.fixture(scope="session")
def tsc(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiler of TypeScript, from npm."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("tsc")
    if npm is None:
        pytest.skip("no npm is installed")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "typescript@5"]
    if subprocess.run(command, cwd=folder, check=False, timeout=110).returncode:
        pytest.skip("TypeScript cannot be installed")
    return str(folder / "node_modules/typescript/bin/tsc")


@pytest.mark.lane
def test_typescript_accepts_the_module_and_the_values(tmp_path: Path, tsc: str) -> None:
    (tmp_path / "declared.ts").write_text(module("typescript", ALL), "utf-8")
    lines = [f"import type {{ {', '.join(NAMES.values())}, PromptName }} from './declared';"]
    for name, _, good, bad in CASES:
        for value in good:
            lines.append(f"export const v{len(lines)}: {NAMES[name]} = {json.dumps(value)};")
        for value in bad:
            wrong = f"export const w{len(lines)}: {NAMES[name]} = {json.dumps(value)};"
            lines += ["// @ts-expect-error", wrong]
    assert run([*EXAMPLES, "--lang", "typescript", "-o", str(tmp_path / "examples.ts")], {}) == 0
    lines += [
        "export const known: PromptName = 'enum';",
        "// @ts-expect-error",
        "export const unknown: PromptName = 'no such prompt';",
        "import type * as examples from './examples';",
        "interface Order { number: string }",
        "export const order: Order = { number: 'A-17' };",
        "export const values: examples.SupportRefundVariables = { question: '?', refund_days: 1, order };",
        "export const accepted_by_the_sdk: Record<string, unknown> = values;",
        "declare const answer: examples.SupportTriageOutput;",
        "export const urgent: boolean = answer.urgency === 'high';",
        "// @ts-expect-error",
        "export const typo: boolean = answer.urgency === 'hihg';",
    ]
    (tmp_path / "values.ts").write_text("\n".join(lines), "utf-8")
    options = ("--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler")
    command = ["node", tsc, "--strict", "--noEmit", *options, "values.ts"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.stdout == "" and done.returncode == 0


# -- the same text -------------------------------------------------------------------------------------------


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = [*value]
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_the_order_of_keys_makes_no_difference(language: str) -> None:
    for seed in range(3):
        assert module(language, shuffled(ALL, random.Random(seed))) == module(language, ALL)


# -- nothing but declarations --------------------------------------------------------------------------------


def statements(text: str) -> Iterator[str]:
    """The kinds of statements of a module in Python; anything that could do something is an error."""
    for node in ast.parse(text).body:
        match node:
            case ast.ImportFrom(module="typing"):
                yield "import"
            case ast.ClassDef(bases=[ast.Name("TypedDict")], decorator_list=[], body=body):
                assert all(isinstance(item, ast.AnnAssign | ast.Pass) for item in body)
                yield "class"
            case ast.Assign(value=ast.Call(func=ast.Name("TypedDict"))):
                yield "class"
            case ast.AnnAssign(annotation=ast.Name("TypeAlias")):
                yield "alias"
            case _:
                raise AssertionError(ast.unparse(node))
    calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert all(isinstance(called, ast.Name) and called.id == "TypedDict" for called in calls)


_COMMENTS_AND_STRINGS = re.compile(r'/\*.*?\*/|"(?:[^"\\\n\r\u2028\u2029]|\\.)*"', re.DOTALL)


@example("a\n\nb", "a/b", ["c"])
@given(texts(), texts(), st.lists(texts(), unique=True, max_size=3))
def test_whatever_the_texts_are_there_is_nothing_but_declarations(
    text: str, name: str, keys: list[str]
) -> None:
    properties = {key: {"enum": [text, key], "description": text} for key in [*keys, name]}
    prompt = of_response(record(properties, description=name))
    described = replace(prompt, name=name, metadata={**prompt.metadata, "description": text})
    python, typescript = (
        declarations([described, replace(described, name=text)], language, text)
        for language in LANGUAGES.values()
    )
    kinds = [*statements(python)]
    exec(compile(python.encode(), "declared", "exec"), {})
    rest = _COMMENTS_AND_STRINGS.sub("''", typescript)
    assert re.fullmatch(r"[\w\s{}:;?|<>=',]*", rest), rest
    count = kinds.count("class") + kinds.count("alias") + 1  # Prompts
    assert rest.count("export ") == len(re.findall(r"(?m)^export (type|interface) \w+", rest)) == count
    # What hooks for ends of lines and files would change would differ from then on.
    for code in (python, typescript):
        assert re.search(r"[ \t]$|\n\n\Z", code, re.MULTILINE) is None and code.endswith("\n")
    assert [char for char in python + typescript if not char.isprintable() and char != "\n"] == []


def test_no_comment_tells_a_compiler_something() -> None:
    told = ("type: ignore", "mypy: ignore-errors", "@ts-nocheck", " @ts-ignore", "noqa", "*/")
    for language, text in itertools.product(LANGUAGES, told):
        lines = module(language, {"a": record({"b": {**TEXT, "description": text}})}, text).splitlines()
        for line in lines:
            if text.strip()[:8] in line:
                assert re.match(r"\s*(#: |/\*\* |\*)", line)
                assert not re.match(r"\s*/?\*+ *@", line)
