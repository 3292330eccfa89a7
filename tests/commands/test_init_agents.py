"""``init --agents``: a section in AGENTS.md and a skill, and every command in them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from worlds import Run, World, made

from promptsync.cli import VERBS
from promptsync.setup.scaffold import StarterKind

EXAMPLE = Path(__file__).parents[2] / "example-repo"
AGENTS, SKILL = StarterKind.AGENTS.paths
SECTION = StarterKind.AGENTS.starter_text(AGENTS)
INSTRUCTIONS = StarterKind.AGENTS.starter_text(SKILL)


@pytest.fixture
def empty(world: World) -> World:
    world.commit("Add promptsync.yaml")
    return world


def test_both_files_are_written_and_need_no_package(empty: World) -> None:
    document = empty.run("init", "--agents", "--json").document
    assert document["created"][-2:] == [AGENTS, SKILL]
    assert "package" not in document
    assert empty.root.joinpath(AGENTS).read_text("utf-8") == SECTION
    assert empty.root.joinpath(SKILL).read_text("utf-8") == INSTRUCTIONS
    assert empty.run("init", "--agents", "--json").document["kept"][-2:] == [AGENTS, SKILL]
    (commit,) = (step["do"] for step in document["next"])
    for command in commit.split(" && "):
        empty.git(*shlex.split(command)[1:])
    assert empty.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"# Ours\n", b"# Ours\n\n" + SECTION.encode()),
        (b"# Ours\r\n\r\nNo final newline \t", b"# Ours\r\n\r\nNo final newline \t\n\n" + SECTION.encode()),
        (SECTION.encode(), None),
        (f"# Ours\n\n{SECTION.splitlines()[0]}\n\nAnother text.\n".encode(), None),
    ],
)
def test_the_section_is_added_once_and_everything_else_is_kept(
    empty: World, before: bytes, after: bytes | None
) -> None:
    empty.put(AGENTS, before)
    empty.put(SKILL, "ours")
    document = empty.run("init", "--agents", "--json").document
    assert document["changed"] == ([AGENTS] if after else [])
    assert (AGENTS in document["kept"], document["kept"][-1]) == (after is None, SKILL)
    assert empty.root.joinpath(AGENTS).read_bytes() == (after or before)
    assert empty.root.joinpath(SKILL).read_text("utf-8") == "ours"


def test_a_link_is_kept(empty: World) -> None:
    empty.put("CLAUDE.md", "ours")
    empty.root.joinpath(AGENTS).symlink_to("CLAUDE.md")
    assert AGENTS in empty.run("init", "--agents", "--json").document["kept"]
    assert empty.root.joinpath("CLAUDE.md").read_text("utf-8") == "ours"


@pytest.fixture
def new(empty: World) -> World:
    """A repository without a configuration."""
    empty.git("rm", "-q", "promptsync.yaml")
    empty.git("commit", "-qm", "Delete")
    return empty


def test_a_file_that_is_not_utf_8_is_kept_and_none_is_added_beside_it(new: World) -> None:
    new.put(AGENTS, b"\xff ours")
    done = new.run("init", "--agents", "--github", "--package", "promptsync")
    assert (done.code, "AGENTS.md cannot be read" in done.err) == (2, True), str(done)
    assert not new.root.joinpath(".github").exists()
    assert new.root.joinpath(AGENTS).read_bytes() == b"\xff ours"


def test_nothing_is_written_through_a_link_out_of_the_repository(new: World, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    new.root.joinpath(".agents").symlink_to(outside)
    done = new.run("init", "--agents")
    assert (done.code, "leads out of" in done.err) == (3, True), str(done)
    assert (list(outside.iterdir()), new.root.joinpath("promptsync.yaml").exists()) == ([], False)


def test_the_files_name_the_paths_of_the_working_copy(world: World) -> None:
    world.put("app/promptsync.yaml", "prompts: texts\nremotes: {local: {url: 'local:'}}\n")
    (world.root / "promptsync.yaml").unlink()
    assert world.run("-C", str(world.root / "app"), "init", "--agents").code == 0
    for path in (AGENTS, SKILL):
        text = world.root.joinpath(path).read_text("utf-8")
        assert "`app/texts/`" in text and "`app/promptsync.yaml`" in text
        assert "`prompts/`" not in text and "`promptsync.yaml`" not in text
    assert "`app/evaluations/`" in text


# -- the format of skills: https://agentskills.io/specification ----------------------------------------------


def test_the_skill_follows_the_format() -> None:
    _, head, body = re.split(r"^---\n", INSTRUCTIONS, maxsplit=2, flags=re.MULTILINE)
    fields = yaml.safe_load(head)
    assert set(fields) <= {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
    assert all(isinstance(value, str) for value in fields.values())
    assert fields["name"] == Path(SKILL).parent.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fields["name"]) and len(fields["name"]) <= 64
    assert 1 <= len(fields["description"]) <= 1024
    assert 1 <= len(fields["compatibility"]) <= 500
    assert "<" not in head and ">" not in head
    assert len(body.splitlines()) < 500
    assert len(body) / 3 < 5000  # the most tokens that the format recommends
    assert Path(SKILL).parts[:2] == (".agents", "skills")


# -- the commands --------------------------------------------------------------------------------------------

NAMES = {
    "NAME": "support/refund",
    "NEW": "support/greeting",
    "BRANCH": "calmer",
    "MESSAGE": "'Answer calmly'",
    "TEXT": "refund",
}
REFUSED = ("push", "deploy", "promote", "rollback", "label set", "label move", "label delete", "track")


def commands(text: str) -> Iterator[list[str]]:
    """The commands in code, with names of the example."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    for line in [*lines, *re.findall(r"`(promptsync [^`]+)`", text)]:
        yield shlex.split(re.sub(r"\b[A-Z]{3,}\b", lambda match: NAMES[match[0]], line))


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[World]:
    """A released copy of the example with an origin, and an edit that is not committed."""
    with made(tmp_path) as world:
        shutil.rmtree(world.root)
        shutil.copytree(EXAMPLE, world.root, ignore=shutil.ignore_patterns(".promptsync"))
        world.git("init", "-q", "-b", "main", "--template=")
        subprocess.run(["git", "init", "-q", "--bare", tmp_path / "origin"], check=True)
        world.git("remote", "add", "origin", str(tmp_path / "origin"))
        world.ok("init", "--agents")
        world.commit("Add prompts")
        world.ok("push", "--label", "prod", "--skip-checks", "-y")
        world.edit("support/refund", "You answer refund questions", "You calmly answer refund questions")
        yield world


def as_agent(world: World, *arguments: str) -> Run:
    return world.run(*arguments, PROMPTSYNC_READ_ONLY="1")


@pytest.mark.parametrize("text", [SECTION, INSTRUCTIONS], ids=["section", "skill"])
def test_every_command_works_in_a_copy_of_the_example(copy: World, text: str) -> None:
    programs = {"promptsync": 0, "git": 0}
    for program, *arguments in sorted(commands(text), key=lambda command: command[0] == "git"):
        programs[program] += 1
        if program == "promptsync":
            done = as_agent(copy, *arguments)
            assert done.code == 0, f"{arguments}\n{done}"
        else:
            copy.git(*arguments)
    assert programs["promptsync"] >= 4
    if programs["git"]:
        assert copy.git("rev-parse", "origin/calmer") == copy.git("rev-parse", "HEAD")
        assert copy.git("status", "--porcelain") == ""


def test_both_texts_name_the_commands_that_are_refused() -> None:
    skill = re.search(r"Never run (.*?), except", INSTRUCTIONS)
    section = re.search(r"Never publish or release: no (.*?)\.\n", SECTION)
    assert skill and section
    assert tuple(re.findall(r"`([^`]+)`", skill[1])) == REFUSED
    assert set(re.findall(r"`([^`]+)`", section[1])) == {words.split()[0] for words in REFUSED} <= set(VERBS)


def test_the_skill_explains_the_exit_codes_and_keys_that_exist(copy: World) -> None:
    codes = re.findall(r"(?m)^\| (\d+) \|", INSTRUCTIONS)
    assert codes == ["0", "1", "2", "3", "4", "5"]
    documents = {"status": as_agent(copy, "status", "--json").document}
    documents["eval run"] = as_agent(copy, "eval", "run", "refund quality", "--json").document
    copy.put("prompts/support/bad.yaml", "x: 1\n")
    documents["lint"] = as_agent(copy, "lint", "--json").document
    for verb, keys in re.findall(r"(?m)^- `([a-z ]+)`: (.*)", INSTRUCTIONS):
        collection, *names = re.findall(r"`([a-z_]+)`", keys)
        first = documents.pop(verb)[collection][0]
        assert set(names) <= set(first), verb
    assert not documents
