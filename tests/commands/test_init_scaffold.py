"""``init --github --gitlab --pre-commit``: files for a repository, never over one of its own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from gitcopy import git
from worlds import World, made, template

import promptsync
from promptsync.cli import VERBS
from promptsync.setup.scaffold import StarterKind

EXAMPLE = Path(__file__).parents[2] / "example-repo"
WORKFLOWS = [f".github/workflows/{name}.yml" for name in ("check", "deploy", "drift")]
HOOKS = ".pre-commit-config.yaml"
GITLAB = [".gitlab-ci.yml", ".gitlab/promptsync.gitlab-ci.yml"]
SPEC = "promptsync==1.2.3"
PACKAGE = ("--package", SPEC)
FLAGS = ("init", "--github", "--pre-commit", *PACKAGE)


@pytest.fixture
def top(world: World, tmp_path: Path) -> World:
    """A git repository with a working copy in it."""
    root = tmp_path / "prompts"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "promptsync.yaml").write_text("remotes: {production: {url: https://api.example.com}}\n")
    return replace(world, root=root)


def document(top: World, *arguments: str) -> dict[str, Any]:
    return top.ok(*(arguments or FLAGS), "--json").document


def text_of(top: World, path: str) -> str:
    return (top.root / path).read_text("utf-8")


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_example_has_the_very_files_that_init_writes() -> None:
    for kind in (StarterKind.GITHUB, StarterKind.PRE_COMMIT):
        for path in kind.paths:
            assert (EXAMPLE / path).read_text("utf-8") == kind.starter_text(path)


def test_a_repository_gets_what_it_lacks_and_is_reported_what_is_left_to_do(top: World) -> None:
    *_, commit, _, manual = top.ok(*FLAGS, "--agents").out.splitlines()
    assert manual == "Then follow the manual: GitHub Actions and pre-commit, Coding agents."
    subprocess.run(["sh", "-c", commit.partition("1. ")[2]], check=True)
    assert {*top.git("ls-files").split()} >= {".gitignore", *WORKFLOWS, HOOKS, "AGENTS.md"}
    for path in (*WORKFLOWS, HOOKS):
        lines = (EXAMPLE / path).read_text("utf-8").splitlines()
        added = [line for line in text_of(top, path).splitlines() if line not in lines]
        assert added and all(SPEC in line for line in added)  # what to install
    before = contents(top.root)
    found = document(top, *FLAGS, "--agents")
    assert (found["created"], found["changed"], found["next"]) == ([], [], [])
    assert (set(found["kept"]) >= {*WORKFLOWS, HOOKS}, found["package"]) == (True, SPEC)
    assert contents(top.root) == before
    assert document(top, "init", "--gitlab", *PACKAGE)["created"] == GITLAB
    assert yaml.safe_load(text_of(top, GITLAB[0])) == {"include": [{"local": f"/{GITLAB[1]}"}]}


def test_files_that_are_there_are_kept(top: World) -> None:
    ours = {WORKFLOWS[1]: "name: ours\n", HOOKS: "repos: []\n", GITLAB[0]: "stages: [build]"}
    for path, text in ours.items():
        top.put(path, text)
    (top.root / WORKFLOWS[2]).symlink_to("nowhere.yml")
    found = document(top, *FLAGS, "--gitlab")
    assert [path for path in found["created"] if "." in path[1:]] == [WORKFLOWS[0], GITLAB[1]]
    assert {path: text_of(top, path) for path in ours} == ours
    assert (top.root / WORKFLOWS[2]).is_symlink()
    assert set(found["kept"]) >= {*ours, WORKFLOWS[2]}


def test_a_copy_of_the_example_gets_everything_that_init_would_write(top: World) -> None:
    for path in (*WORKFLOWS, HOOKS):
        top.put(path, (EXAMPLE / path).read_bytes())
    top.git("symbolic-ref", "HEAD", "refs/heads/topic/a")
    assert document(top)["changed"] == [*WORKFLOWS, HOOKS]
    # Without a default branch of origin, the current one is used.
    assert text_of(top, WORKFLOWS[0]).count("branches: [topic/a]") == 2
    # Without a remote for workflows, the hook compares with the default one.
    (top.root / "promptsync.yaml").unlink()
    (top.root / HOOKS).unlink()
    document(top, "init", "--pre-commit", *PACKAGE)
    assert yaml.safe_load(text_of(top, HOOKS))["repos"][0]["hooks"][1]["args"] == []


def test_a_clone_uses_the_default_branch_of_its_origin(top: World, tmp_path: Path) -> None:
    top.git("checkout", "-q", "-b", "trunk")
    top.git("commit", "-q", "--allow-empty", "-m", "Begin")
    clone, worktree = tmp_path / "clone", tmp_path / "worktree"  # where .git is a file
    top.git("clone", "-q", str(top.root), str(clone))
    git(clone, "worktree", "add", "-q", "-b", "other", str(worktree))
    there = replace(top, root=worktree)
    assert "note:" not in there.ok(*FLAGS).err
    assert "branches: [trunk]" in text_of(there, WORKFLOWS[1])


def test_what_nothing_explains_is_refused_before_anything_is_written(top: World, tmp_path: Path) -> None:
    for place, hint in (
        (top.root / "docs", f"promptsync -C {top.root} init"),
        (tmp_path / "out", "hint: git init"),
    ):
        place.mkdir()
        replace(top, root=place).says(2, hint, *FLAGS)
        assert list(place.iterdir()) == []
        place.rmdir()
    top.git("commit", "-q", "--allow-empty", "-m", "Begin")
    top.git("checkout", "-q", "--detach")
    top.says(2, "git remote set-head origin --auto", *FLAGS)
    assert sorted(path.name for path in top.root.iterdir()) == [".git", "promptsync.yaml"]
    top.configure("labels: {release/1: prod, main: staging}")
    document(top)
    assert "branches: [release/1, main]" in text_of(top, WORKFLOWS[1])


@pytest.mark.parametrize("below", ["services/my-bot", "it's a #1"])
def test_in_a_monorepo_the_files_stand_at_the_top_and_name_the_directory(top: World, below: str) -> None:
    (top.root / "promptsync.yaml").unlink()
    top.put(
        f"{below}/promptsync.yaml",
        "prompts: texts\nremote: eu\nremotes: {eu: {url: https://eu.example.com}}\nlabels: {trunk: live}\n",
    )
    inside = replace(top, root=top.root / below)
    up = "../" * len(Path(below).parts)
    assert {f"{up}{path}" for path in (*WORKFLOWS, HOOKS)} <= set(document(inside)["created"])
    literal = below.replace("'", "''")
    for path in WORKFLOWS:
        env = yaml.safe_load(text_of(top, path))["env"]
        assert env["PROMPTSYNC_DIRECTORY"] == f"${{{{ vars.PROMPTSYNC_DIRECTORY || '{literal}' }}}}"
        assert env["PROMPTSYNC_REMOTE"] == "${{ vars.PROMPTSYNC_REMOTE || 'eu' }}"
    assert yaml.safe_load(text_of(top, WORKFLOWS[1]))[True]["push"]["branches"] == ["trunk"]
    lint, drift = yaml.safe_load(text_of(top, HOOKS))["repos"][0]["hooks"]
    assert drift["args"] == ["-C", below, "--remote", "eu"]
    assert re.search(lint["files"], f"{below}/texts/a/b.yaml")
    assert re.search(lint["files"], f"{below}/promptsync.yaml")
    assert not re.search(lint["files"], "texts/a.yaml")
    assert document(inside)["created"] == []


# -- what they install ------------------------------------------------------------------------------------


@pytest.fixture
def info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of an installation from an index, which Python finds first."""
    place = tmp_path / "site" / f"promptsync-{promptsync.__version__}.dist-info"
    place.mkdir(parents=True)
    text = f"Metadata-Version: 2.4\nName: promptsync\nVersion: {promptsync.__version__}\n"
    (place / "METADATA").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(place.parent))
    return place


def written(top: World, *options: str) -> str:
    """What the workflows and the hooks install."""
    top.ok("init", "-q", "--github", "--pre-commit", *options)
    (repository,) = yaml.safe_load(text_of(top, HOOKS))["repos"]
    used = {yaml.safe_load(text_of(top, path))["env"]["PROMPTSYNC_PACKAGE"] for path in WORKFLOWS}
    used |= {package for hook in repository["hooks"] for package in hook["additional_dependencies"]}
    (package,) = used
    return str(package)


SPECS = [
    *("promptsync[serve] >= 1.2, < 2", "git+ssh://git@github.com/acme/promptsync@v1.2.3"),
    'it\'s $(here) `and` "there"',
]
NOT_FROM_AN_INDEX = "not installed from PyPI"
NOTHING_FOR_PIP = "is not something that pip can install"
A_SECRET = "must not contain a password or token"

REFUSED_PACKAGES = [
    (["--github"], NOT_FROM_AN_INDEX),
    (["--github", "--package", "-r requirements.txt"], NOTHING_FOR_PIP),
    (["--github", "--package", "promptsync\nrun: x"], NOTHING_FOR_PIP),
    (["--github", "--package", "git+https://HOST/OWNER/REPO@COMMIT"], NOTHING_FOR_PIP),
    (["--github", "--package", "${{ secrets.PROMPTLAYER_API_KEY }}"], NOTHING_FOR_PIP),
    (["--github", "--package", "git+https://x:secret@github.com/acme/promptsync"], A_SECRET),
    (["--github", "--package", "git+https://secret@github.com/acme/promptsync"], A_SECRET),
    (["--agents", "--package", SPEC], "--package needs --github, --gitlab or --pre-commit"),
]


def test_a_release_pins_its_version_and_what_pip_cannot_install_is_refused(top: World, info: Path) -> None:
    assert written(top) == f"promptsync=={promptsync.__version__}"
    for spec in SPECS:
        for path in (*WORKFLOWS, HOOKS):
            (top.root / path).unlink()
        assert written(top, "--package", spec) == spec
    record = {"url": "https://example.com/x", "vcs_info": {}}
    (info / "direct_url.json").write_text(json.dumps(record), "utf-8")
    before = contents(top.root)
    for options, why in REFUSED_PACKAGES:
        err = " ".join(top.exits(2, "init", *options).err.split())
        assert why in err and "secret@" not in err
        if why is NOT_FROM_AN_INDEX:
            hint = f"promptsync -C {top.root} init --github --package git+https://HOST/OWNER/REPO@COMMIT"
            assert err.endswith(f"nothing was written hint: {hint}")
        assert contents(top.root) == before


# -- ``init --agents``: a section in AGENTS.md and a skill, and every command in them ---------------------


AGENTS, SKILL = StarterKind.AGENTS.paths
SECTION = StarterKind.AGENTS.starter_text(AGENTS)
INSTRUCTIONS = StarterKind.AGENTS.starter_text(SKILL)


@template
def empty(world: World) -> None:
    world.commit("Add promptsync.yaml")


def test_both_files_are_written_for_the_paths_of_the_working_copy_and_need_no_package(empty: World) -> None:
    document = empty.run("init", "--agents", "--json").document
    assert document["created"][-2:] == [AGENTS, SKILL] and "package" not in document
    assert (text_of(empty, AGENTS), text_of(empty, SKILL)) == (SECTION, INSTRUCTIONS)
    assert empty.run("init", "--agents", "--json").document["kept"][-2:] == [AGENTS, SKILL]
    (commit,) = (step["do"] for step in document["next"])
    for command in commit.split(" && "):
        empty.git(*shlex.split(command)[1:])
    assert empty.git("status", "--porcelain") == ""
    for path in (AGENTS, SKILL):
        (empty.root / path).unlink()
    empty.put("app/promptsync.yaml", "prompts: texts\nremotes: {local: {url: 'local:'}}\n")
    empty.ok("-C", str(empty.root / "app"), "init", "--agents")
    for path in (AGENTS, SKILL):
        text = text_of(empty, path)
        assert "`app/texts/`" in text and "`app/promptsync.yaml`" in text
        assert "`prompts/`" not in text and "`promptsync.yaml`" not in text
    assert "`app/evaluations/`" in text


SECTIONS = [
    (b"# Ours\n", b"# Ours\n\n" + SECTION.encode()),
    (b"# Ours\r\n\r\nNo final newline \t", b"# Ours\r\n\r\nNo final newline \t\n\n" + SECTION.encode()),
    (SECTION.encode(), None),
    (f"# Ours\n\n{SECTION.splitlines()[0]}\n\nAnother text.\n".encode(), None),
]


def test_the_section_is_added_once_and_everything_else_is_kept(empty: World) -> None:
    agents = empty.root / AGENTS
    empty.put(SKILL, "ours")
    for before, after in SECTIONS:
        agents.write_bytes(before)
        document = empty.run("init", "--agents", "--json").document
        assert document["changed"] == ([AGENTS] if after else [])
        assert (AGENTS in document["kept"], document["kept"][-1]) == (after is None, SKILL)
        assert (agents.read_bytes(), text_of(empty, SKILL)) == (after or before, "ours")
    agents.unlink()
    agents.symlink_to(empty.put("CLAUDE.md", "ours\n"))
    assert empty.run("init", "--agents", "--json").document["changed"] == ["CLAUDE.md"]
    assert (agents.is_symlink(), agents.read_text("utf-8")) == (True, f"ours\n\n{SECTION}")


def test_beside_a_file_that_cannot_be_read_or_a_link_nothing_is_written(empty: World, tmp_path: Path) -> None:
    (empty.root / "promptsync.yaml").unlink()
    empty.put(AGENTS, b"\xff ours")
    empty.says(2, "AGENTS.md cannot be read", "init", "--agents", "--github", *PACKAGE)
    assert sorted(path.name for path in empty.root.iterdir()) == [".git", ".gitignore", AGENTS, "prompts"]
    (empty.root / AGENTS).unlink()
    outside = tmp_path / "outside"
    outside.mkdir()
    for path, target, code, said in (
        (".agents", outside, 3, "leads out of"),
        (AGENTS, outside / "new.md", 3, "leads out of"),
        (AGENTS, "nowhere.md", 2, "AGENTS.md cannot be read"),
        (AGENTS, ".git", 2, "AGENTS.md cannot be read"),  # a directory
    ):
        (empty.root / path).symlink_to(target)
        empty.says(code, said, "init", "--agents")
        assert [*outside.iterdir()] == [] and not (empty.root / "promptsync.yaml").exists()
        (empty.root / path).unlink()


def test_the_skill_follows_the_format() -> None:
    """See https://agentskills.io/specification; it recommends at most 5,000 tokens."""
    _, head, body = re.split(r"^---\n", INSTRUCTIONS, maxsplit=2, flags=re.MULTILINE)
    fields = yaml.safe_load(head)
    assert [*fields] == ["name", "description", "compatibility"] and fields["name"] == Path(SKILL).parent.name
    assert len(fields["description"]) <= 1024 and len(fields["compatibility"]) <= 500
    assert "<" not in head and ">" not in head and len(body) / 3 < 5000


# -- the commands --------------------------------------------------------------------------------------------

NAMES = {"NAME": "support/refund", "NEW": "support/greeting", "BRANCH": "calmer"}
NAMES |= {"MESSAGE": "'Answer calmly'", "TEXT": "refund"}
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
        git(tmp_path, "init", "-q", "--bare", "origin")
        world.git("remote", "add", "origin", str(tmp_path / "origin"))
        world.ok("init", "--agents")
        world.commit("Add prompts")
        world.ok("push", "--label", "prod", "--skip-checks", "-y")
        world.edit("support/refund", "You answer refund questions", "You calmly answer refund questions")
        yield world


def test_every_command_works_in_a_copy_of_the_example(copy: World) -> None:
    lines = [*commands(SECTION), *commands(INSTRUCTIONS)]
    programs = [program for program, *_ in lines]
    for program, *arguments in sorted(lines, key=lambda command: command[0] == "git"):
        if program == "promptsync":
            copy.ok(*arguments, PROMPTSYNC_READ_ONLY="1")
        else:
            copy.git(*arguments)
    assert programs.count("promptsync") >= 8 and "git" in programs
    assert copy.git("rev-parse", "origin/calmer") == copy.git("rev-parse", "HEAD")
    assert copy.git("status", "--porcelain") == ""


def test_the_skill_and_the_section_say_what_is_true(copy: World) -> None:
    # Both name the commands that are refused.
    skill = re.search(r"Never run (.*?), except", INSTRUCTIONS)
    section = re.search(r"Never publish or release: no (.*?)\.\n", SECTION)
    assert skill and section
    assert tuple(re.findall(r"`([^`]+)`", skill[1])) == REFUSED
    assert set(re.findall(r"`([^`]+)`", section[1])) == {words.split()[0] for words in REFUSED} <= set(VERBS)
    # The skill explains the exit codes and keys that exist.
    assert re.findall(r"(?m)^\| (\d+) \|", INSTRUCTIONS) == [*"012345"]
    documents = {"status": copy.run("status", "--json").document}
    documents["eval run"] = copy.run("eval", "run", "refund quality", "--json").document
    copy.put("prompts/support/bad.yaml", "x: 1\n")
    documents["lint"] = copy.run("lint", "--json").document
    for verb, keys in re.findall(r"(?m)^- `([a-z ]+)`: (.*)", INSTRUCTIONS):
        collection, *names = re.findall(r"`([a-z_]+)`", keys)
        first = documents.pop(verb)[collection][0]
        assert set(names) <= set(first), verb
    assert not documents
