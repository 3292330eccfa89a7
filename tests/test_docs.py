"""The README and docs/ are the manual: what they name exists, and what they show runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from promptsync import __version__
from promptsync.cli import VERBS
from promptsync.compare.state import State

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
QUICK_START = re.search(r"## Quick start\n\n```sh\n(.*?)```", README, re.DOTALL)


PAGES = [ROOT / "README.md", ROOT / "example-repo/README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[str]:
    texts = (page.read_text("utf-8") for page in PAGES)
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub makes anchors of them."""
    heads = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_each_page_is_named_in_the_manual():
    assert [page.name for page in PAGES[2:] if f"(docs/{page.name}" not in README] == []


def test_every_verb_is_in_the_manual_and_no_other():
    rows = re.search(r"## Verbs\n(.*?)\n### States", README, re.DOTALL)
    assert rows
    named = {row.split()[0] for row in re.findall(r"^\| `([^`]+)`", rows[1], re.MULTILINE)}
    assert named == set(VERBS)


def test_every_state_is_in_the_manual_and_no_other():
    rows = re.search(r"### States\n(.*?)\n### ", README, re.DOTALL)
    assert rows
    assert set(re.findall(r"^\| `([^`]+)`", rows[1], re.MULTILINE)) == {str(state) for state in State}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_helps_with_an_example(verb):
    command = [sys.executable, "-m", "promptsync", verb, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert f"promptsync {verb}" in shown.stdout.split("Options:")[0].partition("\n")[2]


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_in_the_manual_can_be_read(block):
    assert yaml.safe_load(block)


@pytest.mark.skipif(sys.platform == "win32", reason="the quick start is for a POSIX shell")
def test_the_quick_start_runs_as_it_stands(tmp_path):
    assert QUICK_START
    script = [line for line in QUICK_START[1].splitlines() if not line.startswith("pip install")]
    programs = tmp_path / "bin"
    programs.mkdir()
    promptsync = programs / "promptsync"
    promptsync.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m promptsync "$@"\n', "utf-8")
    promptsync.chmod(0o755)
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PROMPT", "GIT_"))},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{
            f"GIT_{who}_{what}": "ada@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    done = subprocess.run(
        ["sh", "-e"],
        input="\n".join(script),
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = re.findall(r"# (1 prompt, all in sync)", QUICK_START[1])
    assert last and done.stdout.rstrip().endswith(last[0])


def test_the_changelog_begins_with_the_version_of_the_package():
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == __version__
