"""The README and docs/ are the manual: what they name exists, and everything that exists is in them.

``tests/test_walkthroughs.py`` runs the commands in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from walkthrough_shell import MANUAL, name_of

from promptsync import __version__, errors
from promptsync.cli import VERBS, group, run
from promptsync.compare.snapshot import State

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [*MANUAL, ROOT / "CONTRIBUTING.md", ROOT / "example-repo/README.md"]
LINES_OF_THE_README = 180
WORDS_OF_THE_MANUAL = 15_800
WORD = re.compile(r"\S*\w\S*")
LINK = re.compile(r"\]\((?!https?:)([^)]+)\)")
# GitHub sets these; promptsync reads them to find out which event runs it.
SET_BY_GITHUB = re.compile(r"GITHUB_(?!STEP_SUMMARY|OUTPUT)\w+")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


YAML = [
    pytest.param(block, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page, "yaml"))
]


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub makes anchors of them."""
    heads = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    for link in LINK.findall(page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        yield link, (page.parent / path).resolve() if path else page, anchor


def first_cells(page: Path, heading: str) -> list[str]:
    """The first column of the table below a heading."""
    text = f"\n{page.read_text('utf-8')}".partition(f"\n{heading}\n")[2]
    table = re.search(r"(?m)^\|[- |]+\|\n((?:\|.*\n)+)", text)
    assert table, f"{page} has no table below {heading}"
    return re.findall(r"(?m)^\| ((?:[^|\\]|\\.)*?) \|", table[1])


def coded(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(one) for one in kind.__subclasses__()))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link, target, anchor in links(page):
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_each_page_is_reachable_from_the_readme() -> None:
    """On GitHub, which does not show the table of contents of the site."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            waiting += [target for _, target, _ in links(page)]
            entries = re.findall(r"```\{toctree\}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
            names = [line for entry in entries for line in entry.split() if not line.startswith(":")]
            waiting += [page.parent / f"{name}.md" for name in names if (page.parent / f"{name}.md").exists()]
    assert [name_of(page) for page in MANUAL if page not in seen] == ["docs/index.md"]


def test_the_readme_and_the_manual_are_short() -> None:
    """In words with a letter or a digit, so that the lines of a table cost nothing; blocks count."""
    assert len(README.splitlines()) <= LINES_OF_THE_README
    words = {name_of(page): len(WORD.findall(page.read_text("utf-8"))) for page in MANUAL}
    assert sum(words.values()) <= WORDS_OF_THE_MANUAL, words


def test_every_verb_state_and_exit_code_is_in_the_manual_and_no_other() -> None:
    assert sorted(coded(first_cells(DOCS / "commands.md", "# Command reference"))) == sorted(VERBS)
    assert set(coded(first_cells(DOCS / "states.md", "## States"))) == {str(state) for state in State}
    known = {0, *(kind.exit_code for kind in subclasses(errors.PromptsyncError))}
    assert [int(cell) for cell in first_cells(DOCS / "states.md", "## Exit codes")] == sorted(known)


def test_every_command_that_the_manual_names_exists() -> None:
    for page in PAGES:
        named = re.findall(r"(?:`|\$ )promptsync (?:-C \S+ )?([a-z][a-z-]+)", page.read_text("utf-8"))
        assert set(named) <= set(VERBS), page


def test_every_option_that_the_manual_names_exists() -> None:
    known = {"--help", *(option for one in _commands() for option in one)}
    words = "|".join(["promptsync", *VERBS])
    for page in PAGES:
        text = page.read_text("utf-8")
        spans = re.findall(rf"`((?:--|(?:{words})\b)[^`]*)`", re.sub(r"(?ms)^```.*?^```", "", text))
        for code in [*spans, *re.findall(r"(?m)^(?:\$ )?(promptsync .*)", text)]:
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", code.partition(" > ")[0]):
                assert option in known, f"{page}: {code}"


def _commands() -> Iterator[list[str]]:
    context = click.Context(group)
    waiting: list[click.Command] = [group]
    while waiting:
        command = waiting.pop()
        yield [option for one in command.params for option in (*one.opts, *one.secondary_opts)]
        if isinstance(command, click.Group):
            names = command.list_commands(context)
            waiting += [one for one in (command.get_command(context, name) for name in names) if one]


def test_every_environment_variable_is_in_the_manual_and_no_other() -> None:
    # httpx reads these.
    used = {"HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    for path in ("cli.py", "commands/shared/session.py"):
        text = (ROOT / "promptsync" / path).read_text("utf-8")
        used |= set(re.findall(r"(?:environ\.get|variable|is_on)\(\"([A-Z_]+)\"", text))
    for file in (ROOT / "promptsync").rglob("*.py"):
        used |= set(re.findall(r"\b(?:PROMPTLAYER|PROMPTSYNC|GITHUB)_[A-Z_]*[A-Z]", file.read_text("utf-8")))
    page = DOCS / "environment.md"
    named = set(coded(first_cells(page, "# Environment variables")))
    elsewhere = {
        f"PROMPTSYNC_{name}" for name in ("DIRECTORY", "EVENT", "PACKAGE", "TOKEN")
    }  # of the workflows
    used -= {"_PROMPTSYNC_COMPLETE"}  # between the completion script and the program
    assert elsewhere <= set(re.findall(r"`(\w+)`", page.read_text("utf-8")))
    assert {name for name in used if not SET_BY_GITHUB.fullmatch(name)} - elsewhere == named


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_helps_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"], {}) == 0
    assert f"promptsync {verb}" in capsys.readouterr().out.split("Options:")[0].partition("\n")[2]


@pytest.mark.parametrize("block", YAML)
def test_yaml_in_the_manual_can_be_read_and_its_files_pass_lint(
    block: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block whose first line names a file is that file."""
    assert yaml.safe_load(block)
    named = re.match(r"# (promptsync\.yaml|(?:prompts|evaluations)/\S+\.yaml)\n", block)
    if named is None:  # a part of a file
        return
    files = {"promptsync.yaml": "prompts: prompts\n", "registry.yaml": "agents: []\n", named[1]: block}
    if named[1] != "promptsync.yaml":
        files["prompts/house-tone.yaml"] = "content: Be kind.\n"
    if named[1].startswith("evaluations"):
        files["prompts/refund.yaml"] = "name: support/refund\ncontent: '{question}'\n"
        rows = "customer question,expected order\nWhere is it?,A-17\n"
        files[named[1].replace(".yaml", ".csv")] = rows
    for path, text in {"prompts/.gitkeep": "", **files}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    assert run(["-C", str(tmp_path), "lint"], {}) == 0, capsys.readouterr().out


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == __version__
