"""``promptsync render``: files and snippets in, what a model would see out."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from promptsync.cli import run
from promptsync.prompt.prompt import Prompt
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.http import local_transport

CHAT = """\
template_format: jinja2
model: {provider: openai, name: gpt-4o}
messages:
  - role: system
    content: |
      @@@tone@@@ You serve {{ company }}.
  - {role: placeholder, name: history}
  - role: user
    name: ana
    content: "{{ question }}"
tools:
  - {type: function, function: {name: look_up, description: Find an order.}}
examples:
  - {company: Fernweh, question: Where?, history: [{role: assistant, content: Hello.}]}
  - {company: Alpina, question: When?}
"""


def tree(root: Path, **files: str) -> Path:
    (root / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    for name, text in files.items():
        path = root / "prompts" / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def render(root: Path, *arguments: str) -> int:
    return run(["-C", str(root), "render", *arguments], {})


def shown(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    assert render(root, *arguments) == 0
    found = capsys.readouterr()
    return found.out, found.err


def published(root: Path, *texts: str, name: str = "tone", label: str | None = None, **more: Any) -> None:
    """Publish completion prompts into the working copy's embedded registry, one version for each text."""
    (root / ".promptsync").mkdir(exist_ok=True)
    transport = local_transport(str(root / ".promptsync" / "registry.db"))
    with PromptLayer("local:", None, transport=transport) as registry:
        for text in texts:
            template = {"type": "completion", "content": [{"type": "text", "text": text}]}
            registry.prompts.publish(
                Prompt(name, template, **more), message="m", labels=[label] if label else []
            )


def test_a_chat_prompt_is_shown_by_role_with_snippets_variables_and_tools(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, tone="content: Be kind.\n", a__chat=CHAT)
    assert shown(root, capsys, "a/chat", "--example", "1") == (
        "--- system ---\nBe kind. You serve Fernweh.\n\n"
        "--- assistant ---\nHello.\n\n"
        "--- user (ana) ---\nWhere?\n\n"
        "--- tools ---\nlook_up: Find an order.\n",
        "",
    )
    assert not (root / ".promptsync").exists()


def test_a_completion_is_its_text_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, one='content: "Hello {name}, {{literally}}"\n')
    assert shown(root, capsys, "one", "--var", "name=Ana = Eva") == ("Hello Ana = Eva, {literally}\n", "")


def test_a_missing_variable_is_empty_and_named_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, one='content: "Hello {name}."\n')
    out, err = shown(root, capsys, "one")
    assert out == "Hello .\n"
    assert err == "warning: Missing value for the input variable 'name'.\n"
    assert render(root, "one", "--json") == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == [err.removeprefix("warning: ").strip()]


def test_examples_are_offered_where_values_are_missing(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path, one='content: "Hello {name}."\nexamples: [{name: Ana}]\n')
    _, err = shown(root, capsys, "one")
    assert err.splitlines()[1:] == [f"hint: promptsync -C {shlex.quote(str(root))} render one --example 1"]
    assert shown(root, capsys, "one", "--example", "1") == ("Hello Ana.\n", "")


def test_a_value_that_nobody_asks_for_is_reported_with_what_may_have_been_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, one='content: "Hello {name}."\n', values="other: 1\n")
    out, err = shown(root, capsys, "one", "--var", "nmae=Ann", "--var", "name=Ann", "--var", "x=1")
    assert out == "Hello Ann.\n"
    assert err == (
        "warning: The prompt does not use the variable 'nmae'. Did you mean 'name'?\n"
        "warning: The prompt does not use the variable 'x'.\n"
    )


def test_values_of_var_beat_those_of_the_file_and_those_beat_the_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, one="content: '{a} {b} {c}'\nexamples: [{a: 1, b: 1, c: 1}]\n")
    (tmp_path / "values.yaml").write_text("b: 2\nc: 2\n")
    values = ["--example", "1", "--vars", "values.yaml", "--var", "c=3"]
    assert shown(root, capsys, "one", *values)[0] == "1 2 3\n"


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [("x=3", "str"), ("x:=3", "int"), ("x:=[1]", "list"), ('x:={"a": 1}', "dict"), ("x=[1]", "str")],
)
def test_values_are_text_unless_they_are_given_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], assignment: str, expected: str
) -> None:
    kinds = (
        "{% if x is string %}str{% elif x is integer %}int"
        "{% elif x is mapping %}dict{% else %}list{% endif %}"
    )
    root = tree(tmp_path, one=f'template_format: jinja2\ncontent: "{kinds}"\n')
    assert shown(root, capsys, "one", "--var", assignment)[0] == f"{expected}\n"


@pytest.mark.parametrize("text", ['{"name":\t"Ana"}', "name: Ana\n", "# nothing else\nname: 'Ana'\n"])
def test_values_come_from_yaml_json_or_stdin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    root = tree(tmp_path, one="content: 'Hello {name}'\n")
    (tmp_path / "values").write_text(text)
    assert shown(root, capsys, "one", "--vars", "values")[0] == "Hello Ana\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert shown(root, capsys, "one", "--vars", "-")[0] == "Hello Ana\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "there is no prompt 'nope'"),
        (["oen"], "did you mean 'one'?"),
        (["one", "--var", "x"], "not of the form NAME=TEXT"),
        (["one", "--var", "x:={"], "is not JSON"),
        (["one", "--vars", "none.yaml"], "cannot read"),
        (["one", "--vars", "list.yaml"], "is not a mapping"),
        (["one", "--example", "1"], "has 0 examples, so there is no example 1"),
        (["one", "--provider", "openai"], "add --from-registry"),
        (["one", "--from-registry", "--model", "gpt-4o"], "add --provider PROVIDER"),
        (["one", "--label", "prod"], "promptsync push one"),
        (["nope", "--from-registry"], "promptsync ls-remote"),
        (["one", "--llm-kwargs"], "add --from-registry"),
        (["one", "--from-registry", "--label", "a", "--version", "1"], "cannot be combined"),
    ],
)
def test_a_usage_error_has_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    root = tree(tmp_path, one="content: x\n")
    (tmp_path / "list.yaml").write_text("- a\n")
    assert render(root, *arguments) == 2
    assert message in capsys.readouterr().err


def test_the_name_may_be_a_path_also_of_a_draft_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, a__one="name: other\ncontent: text\n", tone="content: Be kind.\n")
    (root / "draft.yaml").write_text("content: 'Draft. @@@tone@@@'\n")
    for given in ("other", "prompts/a/one.yaml", str(root / "prompts/a/one.yaml")):
        assert shown(root, capsys, given)[0] == "text\n"
    assert shown(root, capsys, "draft.yaml")[0] == "Draft. Be kind.\n"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path, one="content: [\n")
    assert render(root, "one") == 1
    assert "prompts/one.yaml:2:1: This is not valid YAML" in capsys.readouterr().err


def test_only_the_file_of_the_very_name_stops_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree(tmp_path, **{"x.v2": "content: [\n", "y": "name: z\ncontent: a\nno: b\n"})
    for name, code, said in (("x", 2, "no prompt 'x'"), ("x.v2", 1, "x.v2.yaml:"), ("z", 1, "y.yaml:3:")):
        assert render(tmp_path, name) == code
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("|\n  Hello\n  {% if x %}\n", "prompts/one.yaml:4:3: jinja2: Unexpected end of template"),
        ("|\n  Hello\n  {{ 1 / x }}\n", "prompts/one.yaml:2:1: jinja2: division by zero"),
        ('"{{ x | nope }}"\n', "prompts/one.yaml:2:1: jinja2: no filter named 'nope'"),
        ("|\n  @@@tone@@@\n  {% if %}\n", "prompts/one.yaml:2:1: jinja2: Expected an expression"),
    ],
)
def test_a_jinja2_error_names_the_line_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, place: str
) -> None:
    root = tree(tmp_path, one=f"template_format: jinja2\ncontent: {content}", tone="content: a\n")
    assert render(root, "one", "--var", "x:=0") == 1
    assert place in capsys.readouterr().err


def test_an_fstring_that_cannot_be_rendered_is_shown_as_the_registry_leaves_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, one="content: 'Answer {\"a\": 1} to {name.first}'\n")
    out, err = shown(root, capsys, "one", "--var", "name=Ana")
    assert out == 'Answer {"a": 1} to {name.first}\n'
    assert "left unrendered" in err


# -- snippets ------------------------------------------------------------------------------------------


def test_a_pinned_snippet_comes_from_the_registry_and_an_unpinned_one_from_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(
        tmp_path,
        tone="content: file\n",
        one='content: "@@@tone@@@, @@@tone@version_number:1@@@, @@@tone@label:prod@@@, @@@far@@@"\n',
    )
    published(root, "first")
    published(root, "second", label="prod")
    published(root, "third")
    published(root, "from afar", name="far")
    assert shown(root, capsys, "one") == ("file, first, second, from afar\n", "")


def test_a_pin_that_the_registry_lacks_is_shown_from_the_file_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, tone="content: file\n", one='content: "@@@tone@version_number:2@@@"\n')
    published(root, "first")
    out, err = shown(root, capsys, "one")
    assert out == "file\n"
    assert "@@@tone@version_number:2@@@ is not in local yet" in err


def test_offline_shows_the_files_and_says_what_that_hides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, tone="content: file\n", one='content: "@@@tone@label:prod@@@"\n')
    (root / "promptsync.yaml").write_text("remotes:\n  far: {url: 'http://127.0.0.1:9'}\n")
    out, err = shown(root, capsys, "one", "--offline")
    assert out == "file\n"
    assert "not from the pinned version" in err


def test_a_registry_that_cannot_be_asked_is_an_error_that_names_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, tone="content: file\n", one='content: "@@@tone@label:prod@@@"\n')
    (root / "promptsync.yaml").write_text("remotes:\n  far: {url: 'https://registry.invalid'}\n")
    assert render(root, "one") == 4
    err = capsys.readouterr().err
    assert "PROMPTLAYER_API_KEY" in err
    assert "--offline" in err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"one": "content: '@@@none@@@'\n"}, "neither in your files nor in local"),
        ({"one": "content: '@@@chat@@@'\n", "chat": "messages: []\n"}, "only completion prompts"),
        ({"one": "content: '@@@two@@@'\n", "two": "content: '@@@one@@@'\n"}, "Snippet cycle: "),
    ],
)
def test_snippets_that_cannot_be_put_in_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str], message: str
) -> None:
    assert render(tree(tmp_path, **files), "one") == 1
    assert message in capsys.readouterr().err


# -- documents, the registry ---------------------------------------------------------------------------


def test_the_json_document_holds_what_a_model_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, tone="content: Be kind.\n", a__chat=CHAT, one="content: text\n")
    document = as_json(root, capsys, "a/chat", "--example", "1")
    assert (document["name"], document["path"], document["version"]) == (
        "a/chat",
        "prompts/a/chat.yaml",
        None,
    )
    assert [message["role"] for message in document["messages"]] == ["system", "assistant", "user"]
    assert document["messages"][2]["content"] == [{"type": "text", "text": "Where?"}]
    assert document["tools"][0]["function"]["name"] == "look_up"
    assert document["model"]["name"] == "gpt-4o"
    assert as_json(root, capsys, "one")["content"] == [{"type": "text", "text": "text"}]


def as_json(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert render(root, *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_the_registry_renders_a_label_or_a_version_without_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path)
    published(root, "one {x}", name="far", label="prod")
    published(root, "two {x}", name="far")
    asked = ["far", "--from-registry", "--var", "x=y"]
    assert shown(root, capsys, *asked)[0] == "two y\n"
    assert shown(root, capsys, *asked, "--label", "prod")[0] == "one y\n"
    assert shown(root, capsys, *asked, "--version", "1")[0] == "one y\n"
    assert as_json(root, capsys, *asked)["version"] == 2
    assert render(root, "none", "--from-registry") == 2
    assert "there is no prompt 'none'" in capsys.readouterr().err


def test_the_registry_gives_the_arguments_of_a_provider(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path)
    published(root, "Hello", name="far")
    asked = ["far", "--from-registry", "--llm-kwargs"]
    assert render(root, *asked) == 1
    assert "--provider" in capsys.readouterr().err
    assert json.loads(shown(root, capsys, *asked, "--provider", "openai")[0]) == {"prompt": "Hello"}
    assert as_json(root, capsys, *asked, "--provider", "openai")["llm_kwargs"] == {"prompt": "Hello"}


def test_the_registry_renders_for_another_provider_and_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path)
    published(root, "Hello", name="far", metadata={"model": {"provider": "openai", "name": "gpt-4o"}})
    asked = ["far", "--from-registry", "--provider", "anthropic"]
    found = as_json(root, capsys, *asked, "--model", "claude-sonnet-4")
    assert (found["model"]["provider"], found["model"]["name"]) == ("anthropic", "claude-sonnet-4")
    assert found["llm_kwargs"]["model"] == "claude-sonnet-4"
    assert "No model was passed for anthropic" in shown(root, capsys, *asked)[1]


def test_the_registry_takes_values_of_the_files_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, far="content: not this {x}\nexamples: [{x: y}]\n")
    published(root, "Hello {x}", name="far")
    assert shown(root, capsys, "far", "--from-registry", "--example", "1")[0] == "Hello y\n"


def test_control_characters_in_a_prompt_are_shown_and_not_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, one='content: "\\e[31mred"\n')
    assert shown(root, capsys, "one")[0] == "\\x1b[31mred\n"


def test_other_blocks_and_tool_calls_are_summed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """\
messages:
  - role: user
    content:
      - {type: text, text: Look}
      - {type: image_url, image_url: {url: "https://x.example/a.png"}}
  - role: assistant
    tool_calls: [{id: c1, type: function, function: {name: f, arguments: "{}"}}]
"""
    out, _ = shown(tree(tmp_path, one=text), capsys, "one")
    assert 'Look\n[image_url {"image_url": {"url": "https://x.example/a.png"}}]\n' in out
    assert '[tool call {"name": "f", "arguments": "{}"}]\n' in out


def test_a_template_that_needs_too_much_is_refused_with_its_place_and_the_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "template_format: jinja2\ncontent: |\n  Hi {{ 'a'.center(10**10) }}\n"
    root = tree(tmp_path, one=text, two="content: '{x:>999999999}'\n")
    for name, place, reason in (
        ("one", "prompts/one.yaml:2:1: jinja2", "rendering needs more than 512 MB of memory"),
        ("two", "prompts/two.yaml:1:1: f-string", "it uses a number over 100,000 as a width"),
    ):
        assert render(root, name, "--json", "--var", "x=1") == 1
        error = json.loads(capsys.readouterr().out)["error"]
        assert (error["code"], error["message"]) == ("unrenderable", f"{place}: {reason}.")
        assert error["hint"] == (
            "simplify the template: a prompt may take 5 seconds, 512 MB of memory and 5,000,000 characters"
        )
