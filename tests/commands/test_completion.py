"""``promptsync completion``: what shells offer, in real shells where they are installed."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import subprocess
from pathlib import Path

import forked
import pytest
from click.shell_completion import split_arg_string

from promptsync.cli import VERBS, run
from promptsync.commands.completion import VARIABLE

SPLIT = ["a:b:c", "back\\slash", "it's mine", "user@home", "x$HOME `id` & (1); #!"]
"""Names that bash splits into several words."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A working copy with odd names, labels and remotes."""
    config = {
        "remote": "local",
        "remotes": {
            "local": {"url": "local:", "fixtures": "registry.yaml"},
            "team": {"url": "https://registry.example"},
        },
        "labels": {"main": "prod", "dev": "pre-prod"},
    }
    (tmp_path / "promptsync.yaml").write_text(json.dumps(config), "utf-8")
    (tmp_path / "registry.yaml").write_text("", "utf-8")
    (tmp_path / "prompts/support").mkdir(parents=True)
    for number, name in enumerate([*SPLIT, "日本語"]):
        body = f"name: {json.dumps(name)}\ncontent: hi\n"
        (tmp_path / f"prompts/{number}.yaml").write_text(body, "utf-8")
    (tmp_path / "prompts/support/refund.yaml").write_text("content: Hi\n", "utf-8")
    (tmp_path / "prompts/broken.yaml").write_text("name: support/broken\nmessages: [", "utf-8")
    return tmp_path


@pytest.fixture
def offered(copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Returns what is offered for a line, as to a shell that replaces whole words."""

    def complete(line: str) -> list[str]:
        capsys.readouterr()
        line = line.replace("promptsync", f"promptsync -C {shlex.quote(str(copy))}", 1)
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(split_arg_string(f"{line}.")) - 1))
        assert run([], {VARIABLE: "zsh_complete"}) == 0
        out, err = capsys.readouterr()
        assert err == ""
        rows = out.splitlines()
        triples = zip(rows[::3], rows[1::3], strict=False)
        return [value if kind == "plain" else kind for kind, value in triples]

    return complete


OFFERED = {
    "promptsync st": ["status"],
    "promptsync label mo": ["move"],
    "promptsync push --dry": ["--dry-run"],
    "promptsync push support/": ["support/broken", "support/refund"],
    "promptsync pull --theirs support/r": ["support/refund"],
    "promptsync label move support/refund ": ["pre-prod", "prod"],
    "promptsync log 日": ["日本語"],
    "promptsync push --label p": ["pre-prod", "prod"],
    "promptsync promote pre": ["pre-prod"],
    "promptsync rollback support/refund --label ": ["pre-prod", "prod"],
    "promptsync --remote ": ["local", "team"],
    "promptsync lint ": ["file"],
    "promptsync -C ": ["dir"],
    "promptsync pull --output ": ["dir"],
    "promptsync serve --api-key ": [],
    "promptsync completion ": ["bash", "zsh", "fish"],
}


def test_what_is_offered(offered, copy):
    before = sorted(copy.rglob("*"))
    assert [one for one in offered("promptsync ") if not one.startswith("-")] == list(VERBS)
    for line, words in OFFERED.items():
        assert offered(line) == words, line
    assert sorted(copy.rglob("*")) == before


def test_names_and_labels_of_the_registry_are_offered_once_it_was_read(copy, offered):
    (copy / "prompts/broken.yaml").unlink()
    (copy / "registry.yaml").unlink()
    assert run(["-C", str(copy), "push", "--label", "live", "--yes"], {}) == 0
    assert run(["-C", str(copy), "status"], {}) == 0
    for path in (copy / "prompts").rglob("*.yaml"):
        path.unlink()
    assert offered("promptsync log support/") == ["support/refund"]
    assert offered("promptsync label delete support/refund ") == ["live", "pre-prod", "prod"]
    assert offered("promptsync --remote team log support/") == []


BROKEN = ["remotes: [", "remote: nowhere\n", "", "- 1\n", "api_key: x\n", "prompts: ../..\n", "\x00"]


def test_a_broken_configuration_says_nothing_and_names_are_offered_all_the_same(copy, offered):
    for text in BROKEN:
        (copy / "promptsync.yaml").write_text(text, "utf-8")
        assert offered("promptsync push support/") == ["support/broken", "support/refund"]
        assert offered("promptsync push --label ") == []


# -- real shells --------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_tab_in_bash_completes_the_line(copy, tmp_path_factory):
    programs = tmp_path_factory.mktemp("bin")
    script = programs / "promptsync"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(forked.command())} "$@"\n', "utf-8")
    script.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "HOME": str(programs), "TERM": "dumb", "PS1": "$ "}
    master, slave = pytest.importorskip("pty").openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    with subprocess.Popen(
        ["bash", "--norc", "-i"], cwd=copy, env=environ, start_new_session=True, **streams
    ) as shell:
        os.close(slave)
        try:
            os.write(master, b'eval "$(promptsync completion bash)"\recho ready-$((1+1))\r')
            read_until(master, b"ready-2")
            os.write(master, b"promptsync push support/r\t")
            read_until(master, b"support/refund ")
        finally:
            shell.kill()
            os.close(master)


def read_until(descriptor: int, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        assert select.select([descriptor], [], [], 60)[0], seen
        seen += os.read(descriptor, 65536)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_what_its_shell_can_read(shell, capsys, tmp_path):
    assert run(["completion", shell], {}) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out, "utf-8")
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0
