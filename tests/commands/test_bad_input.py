"""What is wrong with a file is told by lint and stops push, with its place and a way out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluation_files import contains, declared, evaluation, put
from scripted_registry import Reply, Seen, serving
from worlds import World

from promptsync.files.yaml.load import MAX_BYTES

GOOD = "content: Be kind to {name}.\n"


def _bomb() -> str:
    lines = ["content: x", "metadata:", "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        aliases = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"  a{number}: &a{number} [{aliases}]")
    return "\n".join(lines) + "\n"


def _deep_aliases() -> str:
    chain = "".join(f"  a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 120))
    return f"content: x\nmetadata:\n  a0: &a0 [x]\n{chain}"


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _holes(path: Path) -> None:
    path.write_bytes(b"content: x\n")
    os.truncate(path, 100 << 30)


# What is in the file, the line that is told, and words of the message or of its hint.
# tests/files has what else the reader and the schema refuse.
CASES: list[tuple[str | bytes | Callable[[Path], Any], int, list[str]]] = [
    ("name: no\ncontent: x\n", 1, ["name must be text", "boolean", "Quote it"]),
    ("template_format: jinja2\ncontent: |\n  Hi\n  {% if x %}\n  you\n", 4, ["jinja2"]),
    (_bomb(), 1, ["aliases", "far more"]),
    ("content: Hi @@@nobody@@@\n", 1, ["nobody", "Check the name"]),
    ("content: Use sk-proj-" + "a1B2c3D4e5" * 5 + "\n", 1, ["OpenAI", "key"]),
    ("content: Grüße\n".encode("latin-1"), 1, ["UTF-8"]),
    ("", 1, ["empty"]),
    (_holes, 1, [f"{MAX_BYTES:,}"]),
    (_link("../../outside.yaml"), 1, ["symbolic link", "replace it"]),
    (_link("bad.yaml"), 1, ["symbolic link"]),
    (_link(".."), 1, ["symbolic link", "replace it"]),
    (_pipe, 1, ["neither a file nor a directory"]),
    (_link("/dev/zero"), 1, ["symbolic link", "replace it"]),
    (f"content: x\nmetadata:\n  a: 1{':1' * 6000}\n", 3, ["digits", "Quote it"]),
    (f"name: 1{':1' * 6000}\ncontent: x\n", 1, ["digits", "Quote it"]),
    (f"content: x\nmetadata:\n  1{':1' * 400}: a\n", 3, ["key", "Quote it"]),
    (_deep_aliases(), 3, ["nest"]),
    ("content: x\n" + "".join(f"k{n}: 1\n" for n in range(5000)), 2, ["k0"]),
]


def test_a_bad_file_is_reported_with_its_place_and_nothing_is_published(local: World) -> None:
    local.put("prompts/good.yaml", GOOD)
    (local.root.parent / "outside.yaml").write_text("content: secret\n")
    for number, (content, _, _) in enumerate(CASES):
        if callable(content):
            content(local.path(f"bad{number}"))
        else:
            local.put(f"prompts/bad{number}.yaml", content)
    before = {path: path.lstat().st_mtime_ns for path in (local.root / "prompts").iterdir()}

    linted = local.run("lint", "--json")
    errors: dict[tuple[str, int], str] = {}
    for one in linted.document["problems"]:
        if one["severity"] == "error":
            place = one["path"], one["line"]
            errors[place] = f"{errors.get(place, '')} {one['message']} {one['hint']}".lower()
    pushed, shown = local.run("push"), local.run("status").out
    assert (linted.code, pushed.code) == (1, 1)
    for number, (_, line, words) in enumerate(CASES):
        path = f"prompts/bad{number}.yaml"
        assert [word for word in words if word.lower() not in errors[path, line]] == [], path
        is_readable = f"\n  new  bad{number} " in shown
        assert (f"\n  invalid  {path}:" in shown) is (f"{path}:{line}:" in pushed.err) is not is_readable
    assert len({path for path, _ in errors}) == len(CASES)
    assert " invalid" in shown and "  invalid  promptsync lint\n" in shown
    assert local.ok("ls-remote", "--json").document["prompts"] == []
    assert {path: path.lstat().st_mtime_ns for path in before} == before


def test_a_prompt_with_a_key_is_published_by_no_option(local: World) -> None:
    local.put("prompts/a.yaml", f"content: Use sk-proj-{'a1B2c3D4e5' * 5}\n")
    local.commit("Add a key")
    for line in ("push", "push a -y --skip-checks", "deploy -y --label prod", "deploy a -y --label prod"):
        local.says(1, "secret key", *line.split())
    assert local.ok("ls-remote", "--json").document["prompts"] == []


# -- what comes from elsewhere than prompt files ------------------------------------------------------------

DEEP = {depth: "[" * depth + "]" * depth for depth in (150, 100_000)}
LONG = f"1{':1' * 6000}"

TOO_LONG = f"the limit is {MAX_BYTES:,} bytes"

# The arguments, the file that they read, its text, the exit code, and a word of the message.
OTHERS: list[tuple[str, list[str], str, str, int, str]] = [
    *(
        (f"{name}, {depth} deep", arguments, path, text % DEEP[depth], code, "nest")
        for depth in DEEP
        for name, arguments, path, text, code in (
            ("--vars JSON", ["render", "good", "--vars", "v.json"], "v.json", '{"name": %s}', 1),
            ("--vars YAML", ["render", "good", "--vars", "v.yaml"], "v.yaml", "name: %s", 1),
            ("track request", ["track", "request", "r.json"], "r.json", '{"provider": %s}', 1),
            ("promptsync.yaml", ["status"], "promptsync.yaml", "remotes: %s", 2),
            ("registry.yaml", ["ls-remote"], "registry.yaml", "agents: %s", 2),
            ("evaluation", ["lint"], "evaluations/x.yaml", "rows: [{a: %s}]", 1),
            ("evaluation of a registry", ["ls-remote"], "evaluations/x.yaml", "rows: [{a: %s}]", 2),
            ("rows", ["lint"], "evaluations/rows.jsonl", '{"a": %s}', 1),
        )
    ),
    ("--vars, base 60", ["render", "good", "--vars", "v.yaml"], "v.yaml", f"name: {LONG}", 1, "digits"),
    ("promptsync.yaml, base 60", ["status"], "promptsync.yaml", f"limits: {{changes: {LONG}}}", 2, "digits"),
    ("rows without end", ["lint"], "evaluations/y.yaml", "rows: /dev/zero.csv", 1, "beside this one"),
    ("evaluation, base 60", ["lint"], "evaluations/x.yaml", f"rows: [{{a: {LONG}}}]", 1, "digits"),
    ("registry.yaml, base 60", ["ls-remote"], "registry.yaml", f"agents: {LONG}", 2, "digits"),
    ("--var, deep", ["render", "good", "--var", f"name:={DEEP[100_000]}"], "x", "", 2, "is not JSON"),
    ("--vars without end", ["render", "good", "--vars", "/dev/zero"], "x", "", 1, TOO_LONG),
    ("track request without end", ["track", "request", "/dev/zero"], "x", "", 1, TOO_LONG),
    ("a NUL in a path", ["status"], "promptsync.yaml", 'prompts: "a\\0b"', 2, "not a path"),
    ("a long path", ["status"], "promptsync.yaml", f"prompts: {'a' * 5000}", 2, "not a path"),
]


CONFIG = 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n'
GOOD_FILES = {
    "promptsync.yaml": CONFIG,
    "registry.yaml": "agents: []\n",
    "evaluations/rows.yaml": "rows: rows.jsonl\n",
    "evaluations/rows.jsonl": '{"a": 1}\n',
    "prompts/good.yaml": GOOD,
}


def test_other_files_have_the_same_limits(world: World) -> None:
    for name, arguments, path, text, code, word in OTHERS:
        for good, content in GOOD_FILES.items():
            world.put(good, content)
        bad = world.put(path, text)
        done = world.run(*arguments)
        said = done.out if arguments == ["lint"] else done.err
        assert (done.code, "error: " in said, word in said) == (code, True, True), f"{name}\n{done}"
        bad.unlink()


def test_directories_nest_only_so_deep(local: World) -> None:
    local.put(f"prompts/{'d/' * 300}x.yaml", GOOD)
    assert "more than 100 levels deep" in local.exits(1, "lint").out


# -- A fixtures file with mistakes stops every verb that opens the registry, and says where they are -----


BROKEN = "agents:\n  - {name: writer, nodes: [{name: a, promt: ask}]}\n"
FIXED = BROKEN.replace("promt", "prompt")
COLUMN = """rows: [{a: 1}]
scorecard: {steps: [{title: x, type: REGEX, config: {source: b}}]}
"""


def test_a_mistake_is_reported_with_its_place_and_a_fixed_file_works_at_once(local: World) -> None:
    local.put("promptsync.yaml", CONFIG)
    local.put("prompts/ask.yaml", "content: Hello\n")
    local.put("registry.yaml", BROKEN)
    lacks = "registry.yaml:2:28: agents[0].nodes[0] lacks the key prompt."
    unknown = "registry.yaml:2:38: Unknown key agents[0].nodes[0].promt. Did you mean prompt?"
    for line in ("agent list", "push", "serve --port 0"):
        error = local.run(*line.split(), "--json").document["error"]
        assert (error["code"], error["details"]) == ("fixtures", [lacks, unknown])
        assert "promptsync schema fixtures" in error["hint"]
    for key in ("datasets", "evaluations"):
        local.put("registry.yaml", f"{key}: []\n")
        advice = "Write each evaluation as a file with its rows: promptsync schema evaluation."
        detail = f"registry.yaml:1:1: Unknown key {key}. {advice}"
        assert local.run("push", "--json").document["error"]["details"] == [detail]
    local.put("registry.yaml", FIXED)
    assert "writer" in local.ok("agent", "list").out
    local.put("evaluations/x.yaml", COLUMN)
    missing = "evaluations/x.yaml:2:54: x: no column above has the title 'b'."
    for line in ("eval list", "push"):
        error = local.run(*line.split(), "--json").document["error"]
        assert (error["code"], error["details"]) == ("fixtures", [missing])
        assert error["message"].endswith("/copy/evaluations has a file that is not valid.")
        assert "promptsync schema evaluation" in error["hint"]
    local.put("evaluations/x.yaml", COLUMN.replace("source: b", "source: a"))
    assert "x" in local.ok("dataset", "list").out


# -- The model behind evaluations and agents of an embedded registry: which one, and whose key it gets ----


QUALITY = evaluation("quality", "ask", [{"question": "one"}], contains("sunny"))


SUNNY = Reply({"choices": [{"message": {"content": "sunny"}}]})


def test_a_local_remote_uses_the_model_of_the_environment_and_of_its_fixtures(local: World) -> None:
    seen: list[Seen] = []
    local.write("ask", "{question}")
    put(local.root, declared("", QUALITY))
    local.put("promptsync.yaml", CONFIG)
    local.ok("push")
    with serving(lambda request: seen.append(request) or SUNNY) as url:
        variables = {"URL": f"{url}/v1", "KEY": "sk-secret", "NAME": "tiny"}
        environ = {f"PROMPTSYNC_MODEL_{name}": value for name, value in variables.items()}
        done = local.ok("eval", "run", "quality", "--min-score", "100", "--json", **environ)
        assert (done.document["runs"][0]["model"], "sk-secret" in done.out) == ("tiny", False)
        assert seen[0].body["messages"][0]["content"] == [{"type": "text", "text": "one"}]
        # A fixtures file names the key of a model, but never that of the registry.
        keys = {"a": "A_KEY", "b": "PROMPTLAYER_API_KEY"}
        models = [f"{{name: {name}, url: '{url}/v1', key: {key}}}" for name, key in keys.items()]
        put(local.root, declared(f"models: [{', '.join(models)}]", QUALITY))
        for name in keys:
            local.write("ask", "{question}", model={"provider": "openai", "name": name})
            local.ok("push", "--yes")
            local.run("eval", "run", "quality", "--json", A_KEY="sk-a", PROMPTLAYER_API_KEY="pl-secret")
    asked = [(one.headers["Authorization"], one.body["model"]) for one in seen]
    assert asked == [("Bearer sk-secret", "tiny"), ("Bearer sk-a", "a")]
    environ["PROMPTSYNC_MODEL_URL"] = "http://192.0.2.1/v1"
    local.says(2, "refusing plain http", "eval", "run", "quality", **environ)
