"""``promptsync render`` and ``types``: files and snippets in, what a model or an application sees out."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from pathlib import Path

import pytest
from worlds import World

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
  - role: user
    content:
      - {type: text, text: Look}
      - {type: image_url, image_url: {url: "https://x.example/ä.png"}}
  - role: assistant
    tool_calls: [{id: c1, type: function, function: {name: f, arguments: "{}"}}]
tools:
  - {type: function, function: {name: look_up, description: Find an order.}}
examples:
  - {company: Fernweh, question: Where?, history: [{role: assistant, content: Hello.}]}
  - {company: Alpina, question: When?}
"""


def tree(world: World, **files: str) -> None:
    for name, text in files.items():
        world.put(f"prompts/{name.replace('__', '/')}.yaml", text)


def render(world: World, *arguments: str) -> tuple[str, str]:
    """What a rendering that succeeds prints on stdout and stderr."""
    done = world.ok("render", *arguments)
    return done.out, done.err


def test_a_chat_prompt_is_shown_by_role_with_snippets_variables_and_tools(world: World) -> None:
    tree(world, tone="content: Be kind.\n", a__chat=CHAT)
    assert render(world, "a/chat", "--example", "1") == (
        "--- system ---\nBe kind. You serve Fernweh.\n\n"
        "--- assistant ---\nHello.\n\n"
        "--- user (ana) ---\nWhere?\n\n"
        '--- user ---\nLook\n[image_url {"image_url": {"url": "https://x.example/ä.png"}}]\n\n'
        '--- assistant ---\n[tool call {"name": "f", "arguments": "{}"}]\n\n'
        "--- tools ---\nlook_up: Find an order.\n",
        "",
    )
    assert world.seen == [] and not (world.root / ".promptsync").exists()
    document = world.ok("render", "a/chat", "--example", "1", "--json").document
    assert (document["path"], document["model"]["name"]) == ("prompts/a/chat.yaml", "gpt-4o")
    assert document["messages"][2]["content"] == [{"type": "text", "text": "Where?"}]


HELLO = 'content: "Hello {name}."\n'
KINDS = 'template_format: jinja2\ncontent: "{% if x is string %}str{% elif x is mapping %}dict{% endif %}"\n'
EXAMPLE = "content: '{a} {b} {c}'\nexamples: [{a: 1, b: 1, c: 1}]\n"
MISTYPED = ["--var", "nmae=Ann", "--var", "name=Ann", "--var", "x=1"]
UNUSED = "warning: The prompt does not use the variable"

# The prompt, the options, what is printed, and all of stderr.
VALUES: list[tuple[str, list[str], str, list[str]]] = [
    ('content: "Hello {name}, {{so}}"\n', ["--var", "name=Ana = Eva"], "Hello Ana = Eva, {so}\n", []),
    (HELLO, [], "Hello .\n", ["warning: Missing value for the input variable 'name'."]),
    (HELLO, MISTYPED, "Hello Ann.\n", [f"{UNUSED} 'nmae'. Did you mean 'name'?", f"{UNUSED} 'x'."]),
    (EXAMPLE, ["--example", "1", "--vars", "values.yaml", "--var", "c=3"], "1 2 3\n", []),
    (KINDS, ["--var", "x=3"], "str\n", []),
    (KINDS, ["--var", 'x:={"a": 1}'], "dict\n", []),
    (KINDS, ["--var", "x=[1]"], "str\n", []),
    ('content: "\\e[31mred"\n', [], "\\x1b[31mred\n", []),
]


def test_variables_get_their_values(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("values.yaml", "b: 2\nc: 2\n")
    for text, options, out, err in VALUES:
        tree(world, one=text)
        shown = render(world, "one", *options)
        assert (shown[0], shown[1].splitlines()) == (out, err)
    warnings = [line.removeprefix("warning: ") for line in VALUES[2][3]]
    tree(world, one=HELLO)
    assert world.ok("render", "one", *MISTYPED, "--json").document["warnings"] == warnings
    for content in ('{"name":\t"Ana"}', "# nothing else\nname: 'Ana'\n"):
        world.put("values", content)
        assert render(world, "one", "--vars", "values")[0] == "Hello Ana.\n"
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
        assert render(world, "one", "--vars", "-")[0] == "Hello Ana.\n"
    tree(world, one=f"{HELLO}examples: [{{name: Ana}}]\n")
    hint = f"hint: promptsync -C {shlex.quote(str(world.root))} render one --example 1"
    assert render(world, "one")[1].splitlines()[1:] == [hint]
    assert render(world, "one", "--example", "1") == ("Hello Ana.\n", "")


USAGE = {
    "nope": "there is no prompt 'nope'",
    "oen": "did you mean 'one'?",
    "one --var x": "not of the form NAME=TEXT",
    "one --var x:={": "is not JSON",
    "one --vars none.yaml": "cannot read",
    "one --vars list.yaml": "is not a mapping",
    "one --example 1": "has 0 examples, so there is no example 1",
    "one --from-registry --model gpt-4o": "add --provider PROVIDER",
    "one --label prod": "promptsync push one",
    "nope --from-registry": "promptsync ls-remote",
    "one --llm-kwargs": "add --from-registry",
    "x": "no prompt 'x'",
}


def test_a_usage_error_has_a_hint(world: World) -> None:
    tree(world, **{"one": "content: x\n", "x.v2": "content: [\n"})
    world.put("list.yaml", "- a\n")
    for line, message in USAGE.items():
        world.says(2, message, "render", *line.split())
    # The name may be a path, also of a draft that is elsewhere.
    tree(world, a__one="name: other\ncontent: text\n", tone="content: Be kind.\n")
    world.put("draft.yaml", "content: 'Draft. @@@tone@@@'\n")
    for name in ("other", "prompts/a/one.yaml", str(world.root / "prompts/a/one.yaml")):
        assert render(world, name)[0] == "text\n"
    assert render(world, "draft.yaml")[0] == "Draft. Be kind.\n"


LIMITS = "simplify the template: a prompt may take 5 seconds, 512 MB of memory and 5,000,000 characters"
JINJA = "template_format: jinja2\ncontent: "
AT = "prompts/one.yaml"

# The prompt, and what is said of it; the snippets that it may render are in the test.
BROKEN = [
    ("content: [\n", f"{AT}:2:1: This is not valid YAML"),
    ("name: z\ncontent: a\nno: b\n", f"{AT}:3:"),
    (f"{JINJA}|\n  Hello\n  {{% if x %}}\n", f"{AT}:4:3: jinja2: Unexpected end of template"),
    (f"{JINJA}|\n  Hello\n  {{{{ 1 / x }}}}\n", f"{AT}:2:1: jinja2: division by zero"),
    (f"{JINJA}|\n  @@@tone@@@\n  {{% if %}}\n", f"{AT}:2:1: jinja2: Expected an expression"),
    (
        f"{JINJA}|\n  Hi {{{{ 'a'.center(10**10) }}}}\n",
        f"{AT}:2:1: jinja2: rendering needs more than 512 MB of memory.\nhint: {LIMITS}",
    ),
    ("content: '@@@none@@@'\n", "neither in your files nor in team"),
    ("content: '@@@chat@@@'\n", "only completion prompts"),
    ("content: '@@@two@@@'\n", "Snippet cycle: "),
]


def test_a_prompt_that_cannot_be_rendered_says_where_and_why(world: World) -> None:
    tree(world, tone="content: a\n", chat="messages: []\n", two="content: '@@@one@@@'\n")
    for text, message in BROKEN:
        tree(world, one=text)
        world.says(1, message, "render", "z" if text.startswith("name: z") else "one", "--var", "x:=0")
    # An f-string that cannot be rendered is shown as the registry leaves it.
    tree(world, one="content: 'Answer {\"a\": 1} to {name.first}'\n")
    out, err = render(world, "one", "--var", "name=Ana")
    assert (out, "left unrendered" in err) == ('Answer {"a": 1} to {name.first}\n', True)


# -- snippets, the registry ----------------------------------------------------------------------------


def test_a_pinned_snippet_comes_from_the_registry_and_an_unpinned_one_from_the_file(world: World) -> None:
    pins = "@@@tone@version_number:1@@@, @@@tone@label:prod@@@"
    tree(world, tone="content: file\n", one=f'content: "@@@tone@@@, {pins}, @@@far@@@"\n')
    for text in ("first", "second", "third"):
        world.publish("tone", content=text)
    world.point("tone", prod=2)
    world.publish("far", content="from afar")
    assert render(world, "one") == ("file, first, second, from afar\n", "")
    tree(world, one='content: "@@@tone@version_number:4@@@"\n')
    out, err = render(world, "one")
    assert (out, "@@@tone@version_number:4@@@ is not in team yet" in err) == ("file\n", True)

    # Without the registry, a pin is an error that names --offline.
    tree(world, one='content: "@@@tone@label:prod@@@"\n')
    world.put("promptsync.yaml", "remotes:\n  far: {url: 'https://registry.invalid'}\n")
    out, err = render(world, "one", "--offline")
    assert (out, "not from the pinned version" in err) == ("file\n", True)
    assert "--offline" in world.says(4, "PROMPTLAYER_API_KEY", "render", "one", PROMPTLAYER_API_KEY="").err


def test_the_registry_renders_a_label_or_a_version_without_a_file(world: World) -> None:
    world.publish("far", content="one {x}")
    world.publish("far", content="two {x}")
    world.point("far", prod=1)
    arguments = ["far", "--from-registry", "--var", "x=y"]
    for more, text in (([], "two y\n"), (["--label", "prod"], "one y\n"), (["--version", "1"], "one y\n")):
        assert render(world, *arguments, *more)[0] == text
    assert world.ok("render", *arguments, "--json").document["version"] == 2
    tree(world, far="content: not this {x}\nexamples: [{x: z}]\n")
    assert render(world, "far", "--from-registry", "--example", "1")[0] == "two z\n"

    # It renders for a provider and its model, too.
    world.publish("far", content="Hello", metadata={"model": {"provider": "openai", "name": "gpt-4o"}})
    world.publish("bare", content="Hello")
    assert "--provider" in world.run("render", "bare", "--from-registry", "--llm-kwargs").err
    arguments = ["bare", "--from-registry", "--llm-kwargs", "--provider", "openai"]
    assert json.loads(render(world, *arguments)[0]) == {"prompt": "Hello"}
    assert world.ok("render", *arguments, "--json").document["llm_kwargs"] == {"prompt": "Hello"}
    arguments = ["far", "--from-registry", "--provider", "anthropic"]
    found = world.ok("render", *arguments, "--model", "claude-sonnet-4", "--json").document
    assert (found["model"]["provider"], found["model"]["name"]) == ("anthropic", "claude-sonnet-4")
    assert found["llm_kwargs"]["model"] == "claude-sonnet-4"
    assert "No model was passed for anthropic" in render(world, *arguments)[1]


# -- ``promptsync types``: what is written, what ``--check`` says, and where the prompts come from -------


EXAMPLES = Path(__file__).parents[2] / "example-repo"


@pytest.fixture
def offline(tmp_path: Path) -> World:
    """The example repository without git, a registry or a key; a request would fail."""

    def no_request(*_: object, **__: object) -> None:
        raise AssertionError("there is no registry")

    root = Path(shutil.copytree(EXAMPLES, tmp_path / "repository"))
    return World(root, no_request)  # type: ignore[arg-type]


@pytest.mark.parametrize(("language", "file"), [("python", "a/types.py"), ("typescript", "a/types.ts")])
def test_a_file_is_written_once_and_is_then_up_to_date(offline: World, language: str, file: str) -> None:
    command = ("types", "--lang", language, "-o", file)
    offline.says(1, f"error: {file} is out of date", *command, "--check")
    assert not (offline.root / file).exists()
    assert offline.ok(*command).out == f"written  {file}\n"
    before = (offline.root / file).stat().st_ino
    for options in ([], ["--check"]):
        assert offline.ok(*command, *options).out == f"{file} is up to date\n"
    assert (offline.root / file).stat().st_ino == before
    printed = offline.ok("types", "--lang", language).out
    assert printed == (offline.root / file).read_text("utf-8")
    assert f"Generated by promptsync types --lang {language}; do not edit." in printed
    document = offline.run("types", "--lang", language, "--json").document
    assert (document["types"], "support/refund" in document["prompts"]) == (printed, True)
    (offline.root / file).write_bytes(printed.encode().replace(b"\n", b"\r\n"))  # a checkout on Windows
    offline.ok(*command, "--check")
    # A file that is out of date stays, and the hint fixes it, here and in every directory.
    offline.edit("support/triage", "enum: [low, normal, high]", "enum: [low, high]")
    stale = (offline.root / file).read_bytes()
    inside = World(offline.root / "a", offline.call)
    done = inside.run("types", "--lang", language, "-o", Path(file).name, "--check")
    assert (done.code, done.out, (offline.root / file).read_bytes()) == (1, "", stale)
    hint = done.err.rpartition("hint: ")[2]
    assert hint.startswith(f"promptsync -C {inside.root} ")
    inside.ok(*shlex.split(hint)[1:])
    offline.ok(*command, "--check")
    inside.ok("types", "--lang", language, "-o", "../../elsewhere/types")
    assert (offline.root.parent / "elsewhere/types").exists()


def test_a_bundle_has_the_same_types_as_the_files_that_it_is_made_of(offline: World, world: World) -> None:
    for path in (EXAMPLES / "prompts/support").glob("*.yaml"):
        lines = path.read_text("utf-8").splitlines(True)
        world.put(f"prompts/support/{path.name}", "".join(line for line in lines if line[0] != "#"))
    world.commit()
    world.ok("bundle", "--from", "HEAD", "-o", "prompts.json")
    shutil.copy(world.root / "prompts.json", offline.root.parent)
    for language in ("python", "typescript"):
        elsewhere = World(offline.root.parent, offline.call)  # without a promptsync.yaml
        bundled = elsewhere.ok("types", "--lang", language, "--bundle", "prompts.json").out
        assert bundled == world.ok("types", "--lang", language).out


MISUSE = {
    "": "--lang",
    "--lang cobol": "cobol",
    "--lang python --check": "--check requires the file",
    "--lang python --bundle nowhere.json": "nowhere.json cannot be read",
    "--lang python --bundle promptsync.yaml": "promptsync.yaml is not a bundle",
    "--lang python -o prompts": "prompts",
    "--lang python -o promptsync.yaml/types.py": "promptsync.yaml",
}
MARKED = "content: |\n  <<<<<<< yours\n  a\n  =======\n  b\n  >>>>>>> theirs\n"
UNREADABLE = [
    ("support/refund", "messages: [", 1, "prompts/support/refund.yaml:"),
    ("support/refund", "content: '@@@support/house-tone@@@ @@@nowhere@@@'\n", 1, "@@@nowhere@@@ has no file"),
    ("support/house-tone", "content: '@@@support/house-tone@@@'\n", 1, "Snippet cycle"),
    ("support/refund", MARKED, 3, "conflict markers"),
]


def test_nothing_is_written_of_files_that_cannot_be_read_or_through_a_link(offline: World) -> None:
    for line, message in MISUSE.items():
        offline.says(2, message, "types", *line.split())
    for name, text, code, message in UNREADABLE:
        whole = offline.path(name).read_bytes()
        offline.put(f"prompts/{name}.yaml", text)
        offline.says(code, message, "types", "--lang", "python", "-o", "types.py")
        assert not (offline.root / "types.py").exists()
        offline.put(f"prompts/{name}.yaml", whole)
    target = offline.put("../target.py", "x = 1\n")
    (offline.root / "types.py").symlink_to(target)
    offline.exits(3, "types", "--lang", "python", "-o", "types.py")
    assert target.read_text("utf-8") == "x = 1\n"

    # A comment describes a prompt unless its metadata does.
    (offline.root / "types.py").unlink()
    offline.put("prompts/a.yaml", "# First.\n# Second.\n#\n# Third.\nname: a\ncontent: x\n")
    comments = "# yaml-language-server: $schema=x\n# First.\n"
    offline.put("prompts/b.yaml", f"{comments}metadata: {{description: In metadata}}\ncontent: x\n")
    printed = offline.ok("types", "--lang", "python").out
    assert "#: Variables of a.\n#: First.\n#: Second.\nclass" in printed
    assert "#: Variables of b.\n#: In metadata\nclass" in printed
