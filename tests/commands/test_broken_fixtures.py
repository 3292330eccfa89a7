"""A fixtures file with mistakes stops every verb that opens the registry, and says where they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from worlds import World

from promptsync.cli import run

BROKEN = """\
datasets:
  - name: cases
evaluations:
  - {name: quality, dataset: case, prompt: ask, score: []}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/ask.yaml").write_text("content: Hello\n", "utf-8")
    (tmp_path / "promptsync.yaml").write_text(
        'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n', "utf-8"
    )
    (tmp_path / "registry.yaml").write_text(BROKEN, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "list"],
        ["agent", "list"],
        ["push"],
        ["serve", "--port", "0"],
    ],
    ids=" ".join,
)
def test_every_mistake_is_reported_with_its_place(
    here: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(here), *arguments, "--json"], {}) == 2
    shown = capsys.readouterr()
    error = json.loads(shown.out)["error"]
    assert error["code"] == "fixtures"
    assert error["details"] == [
        "registry.yaml:4:21: There is no dataset 'case' in this file.",
        "registry.yaml:4:49: Unknown key evaluations[0].score. Did you mean scores?",
    ]
    assert "promptsync schema fixtures" in error["hint"]
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", "not valid YAML"),
        (b"\xff\xfe", "byte order mark"),
        (b"datasets: [&a [*a]]", "aliases"),
        (b"!!python/object:os.system {}", "tag"),
        (b"- 1", "must be a mapping"),
    ],
)
def test_whatever_stands_in_the_file_is_a_clear_answer(
    here: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "registry.yaml").write_bytes(content)
    assert run(["-C", str(here), "eval", "list"], {}) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "registry.yaml:1:" in shown or "registry.yaml:2:" in shown
    assert "Traceback" not in shown


def test_a_mended_file_works_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(here), "eval", "list"], {}) == 2
    (here / "registry.yaml").write_text(
        BROKEN.replace("case,", "cases,").replace("score:", "scores:"), "utf-8"
    )
    assert run(["-C", str(here), "eval", "list"], {}) == 0
    assert "quality" in capsys.readouterr().out


ASK = """\
content: "Hello {name}"
evaluations: ["quality: tone"]
agents: [{name: writer}]
examples: [{name: Ana}]
"""


def test_what_a_file_names_and_the_registry_lacks_is_listed(world: World) -> None:
    config = world.root / "promptsync.yaml"
    config.write_text("labels: {main: prod}\nremotes: {local: {url: 'local:'}}\n", "utf-8")
    (world.root / "prompts").mkdir(exist_ok=True)
    (world.root / "prompts/ask.yaml").write_text(ASK, "utf-8")
    world.commit("Add ask")
    error = world.run("deploy", "--yes", "--json").document["error"]
    assert "does not have 2 evaluations and agents" in error["message"]
    first, second, last = error["details"]
    assert "promptsync eval list" in first and "promptsync agent list" in second
    assert "fixtures file" in last
