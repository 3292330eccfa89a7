"""``promptsync new``: a file to start from, and nothing that was there before is touched."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml
from worlds import World

from promptsync.cli import run


def files(world: World) -> dict[str, bytes]:
    return {
        path.relative_to(world.root).as_posix(): path.read_bytes()
        for path in (world.root / "prompts").rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("name", "path", "options"),
    [
        ("support/refund", "support/refund.yaml", ("--model", "anthropic/claude-sonnet-4")),
        ("a{name}", "a{name}.yaml", ("--snippet",)),
        ("é: #1", "é%3A #1.yaml", ()),
        ("con", "%63on.yaml", ()),
    ],
)
def test_a_new_prompt_passes_lint_and_each_command_that_follows(
    local: World, name: str, path: str, options: tuple[str, ...]
) -> None:
    done = local.ok("new", name, *options)
    assert f"created  prompts/{path}" in done.out
    assert "no problems" in local.ok("lint", "--strict").out
    steps = [line.split(". ", 1)[1] for line in done.out.partition("Next:")[2].splitlines() if line]
    assert [step.split()[3] for step in steps] == ["lint", "render", "add", "commit", "push"]
    for step in steps:
        program, _, _, *words = shlex.split(step)
        if program == "git":
            local.git(*words)
        else:
            local.ok(*words)
    assert local.states() == {name: "in-sync"}


def test_the_model_is_the_one_that_was_passed(local: World) -> None:
    local.ok("new", "a", "--model", "openrouter/meta/llama-3")
    text = yaml.safe_load((local.root / "prompts/a.yaml").read_text())
    assert text["model"] == {"provider": "openrouter", "name": "meta/llama-3"}


def test_init_writes_the_same_first_prompt(local: World, tmp_path: Path) -> None:
    local.ok("new", "hello")
    assert run(["-C", str(tmp_path), "init"], {}) == 0
    assert (tmp_path / "prompts/hello.yaml").read_bytes() == files(local)["prompts/hello.yaml"]


SOURCE = """\
# Read before editing.
synced: 3-0123456
messages:
- {role: user, content: "Hello {{who}}"}   # short
evaluations: [tone]
examples:
- who: you
"""


def test_a_copy_keeps_the_text_but_neither_the_name_nor_the_versions(local: World) -> None:
    local.write("old/a").write_text(SOURCE)
    done = local.ok("new", "b", "--from", "old/a")
    copy = files(local)["prompts/b.yaml"].decode()
    kept = SOURCE.partition("\n")[2].replace("synced: 3-0123456\n", "")
    assert copy == f"# Read before editing.\nname: b\n{kept}"
    assert "--example 1" in done.out


REFUSED = [
    (("a",), 3, "prompts/a.yaml already exists"),
    (("A",), 3, "prompts/a.yaml already exists"),
    (("broken",), 3, "prompts/broken.yaml already exists"),
    (("other",), 3, "prompts/other.yaml already exists"),
    (("folder",), 3, "prompts/folder.yaml already exists"),
    (("not/included",), 3, "include: does not match 'not/included'"),
    (("",), 2, "is shorter than 1 character"),
    (("x" * 600,), 2, "longer than 512"),
    (("12",), 2, "all digits"),
    (("a@@@b",), 2, "contains '@@@'"),
    ((" a",), 2, "starts or ends with a space"),
    (("a\x1b[31m",), 2, "control character"),
    (("a\udcff",), 2, "not valid"),
    (("prompts/new.yaml",), 2, "looks like a path"),
    (("./new",), 2, "looks like a path"),
    (("../new",), 2, "looks like a path"),
    (("new", "--model", "gpt"), 2, "PROVIDER/MODEL"),
    (("new", "--model", "opnai/gpt-4o"), 2, "looks misspelled"),
    (("new", "--from", "b"), 2, "there is no prompt 'b'"),
    (("new", "--from", "broken"), 1, "prompts/broken.yaml:1:"),
    (("new", "--from", "a", "--snippet"), 2, "cannot be combined"),
]


def test_nothing_is_written_when_refused(local: World) -> None:
    config = local.root / "promptsync.yaml"
    patterns = "[a*, A, b*, other, folder, new]"
    config.write_text(f"{config.read_text()}include: {patterns}\n")
    local.write("a")
    local.write("ab")
    (local.root / "prompts/broken.yaml").write_text("messages: 3\n")
    (local.root / "prompts/other.yaml").write_text("name: mine\ncontent: x\n")
    (local.root / "prompts/folder.yaml").mkdir()
    before = files(local)
    for arguments, code, message in REFUSED:
        done = local.run("new", *arguments)
        assert (done.code, message in done.err) == (code, True), str(done)
        assert "\x1b" not in done.err
        assert files(local) == before


def test_a_document_has_the_path_and_the_commands(local: World) -> None:
    found = local.ok("new", "a/b", "--json").document
    assert found["path"] == "prompts/a/b.yaml"
    assert found["next"][-1] == {"do": f"promptsync -C {local.root} push a/b"}
    assert local.seen == []
