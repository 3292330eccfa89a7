"""``init --github --gitlab --pre-commit``: files for a repository, never over one of its own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from gitcopy import git
from worlds import Run, World, made

import promptsync
from promptsync.cli import VERBS, run
from promptsync.setup.scaffold import StarterKind

EXAMPLE = Path(__file__).parents[2] / "example-repo"
WORKFLOWS = [f".github/workflows/{name}.yml" for name in ("check", "deploy", "drift")]
HOOKS = ".pre-commit-config.yaml"
GITLAB = [".gitlab-ci.yml", ".gitlab/promptsync.gitlab-ci.yml"]
SPEC = "promptsync==1.2.3"
PACKAGE = ("--package", SPEC)
FLAGS = ("init", "--github", "--pre-commit", *PACKAGE)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A git repository with a working copy in it."""
    root = tmp_path / "prompts"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "promptsync.yaml").write_text("remotes: {production: {url: https://api.example.com}}\n")
    return root


def document(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["-C", str(root), *(arguments or FLAGS), "--json"], {}) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", [StarterKind.GITHUB, StarterKind.PRE_COMMIT])
def test_the_example_has_the_very_files_that_init_writes(kind: StarterKind) -> None:
    for path in kind.paths:
        assert (EXAMPLE / path).read_text("utf-8") == kind.starter_text(path)


def test_a_repository_gets_what_it_lacks_and_is_reported_what_is_left_to_do(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(top), *FLAGS, "--agents"], {}) == 0
    *_, commit, _, manual = capsys.readouterr().out.splitlines()
    assert manual == "Then follow the manual: GitHub Actions and pre-commit, Coding agents."
    subprocess.run(["sh", "-c", commit.partition("1. ")[2]], check=True)
    assert {*git(top, "ls-files").split()} >= {".gitignore", *WORKFLOWS, HOOKS, "AGENTS.md"}
    for path in (*WORKFLOWS, HOOKS):
        lines = (EXAMPLE / path).read_text("utf-8").splitlines()
        added = [line for line in (top / path).read_text("utf-8").splitlines() if line not in lines]
        assert added and all(SPEC in line for line in added)  # what to install
    before = contents(top)
    found = document(top, capsys, *FLAGS, "--agents")
    assert (found["created"], found["changed"], found["next"]) == ([], [], [])
    assert set(found["kept"]) >= {*WORKFLOWS, HOOKS}
    assert found["package"] == SPEC
    assert contents(top) == before
    assert document(top, capsys, "init", "--gitlab", *PACKAGE)["created"] == GITLAB
    included = yaml.safe_load((top / GITLAB[0]).read_text("utf-8"))
    assert included == {"include": [{"local": f"/{GITLAB[1]}"}]}


def test_files_that_are_there_are_kept(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (top / ".github" / "workflows").mkdir(parents=True)
    (top / WORKFLOWS[2]).symlink_to("nowhere.yml")
    ours = {WORKFLOWS[1]: "name: ours\n", HOOKS: "repos: []\n", GITLAB[0]: "stages: [build]"}
    for path, text in ours.items():
        (top / path).write_text(text)
    found = document(top, capsys, *FLAGS, "--gitlab")
    assert [path for path in found["created"] if "." in path[1:]] == [WORKFLOWS[0], GITLAB[1]]
    assert {path: (top / path).read_text() for path in ours} == ours
    assert (top / WORKFLOWS[2]).is_symlink()
    assert set(found["kept"]) >= {*ours, WORKFLOWS[2]}


def test_a_copy_of_the_example_gets_everything_that_init_would_write(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (top / ".github" / "workflows").mkdir(parents=True)
    for path in (*WORKFLOWS, HOOKS):
        (top / path).write_bytes((EXAMPLE / path).read_bytes())
    git(top, "symbolic-ref", "HEAD", "refs/heads/topic/a")
    found = document(top, capsys)
    assert found["changed"] == [*WORKFLOWS, HOOKS]
    # Without a default branch of origin, the current one is used.
    assert (top / WORKFLOWS[0]).read_text("utf-8").count("branches: [topic/a]") == 2
    # Without a remote for workflows, the hook compares with the default one.
    (top / "promptsync.yaml").unlink()
    (top / HOOKS).unlink()
    document(top, capsys, "init", "--pre-commit", *PACKAGE)
    _, drift = yaml.safe_load((top / HOOKS).read_text("utf-8"))["repos"][0]["hooks"]
    assert run(["-C", str(top), "status", "--drift", *drift["args"]], {}) == 0


def test_a_clone_uses_the_default_branch_of_its_origin(
    top: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(top, "checkout", "-q", "-b", "trunk")
    git(top, "commit", "-q", "--allow-empty", "-m", "Begin")
    clone, worktree = tmp_path / "clone", tmp_path / "worktree"  # where .git is a file
    git(top, "clone", "-q", str(top), str(clone))
    git(clone, "checkout", "-q", "-b", "topic")
    git(clone, "worktree", "add", "-q", "-b", "other", str(worktree))
    for root in (clone, worktree):
        assert run(["-C", str(root), *FLAGS], {}) == 0
        assert "note:" not in capsys.readouterr().err
        assert "branches: [trunk]" in (root / WORKFLOWS[1]).read_text("utf-8")


def test_a_detached_head_that_nothing_explains_is_refused_before_anything_is_written(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(top, "commit", "-q", "--allow-empty", "-m", "Begin")
    git(top, "checkout", "-q", "--detach")
    assert run(["-C", str(top), *FLAGS], {}) == 2
    assert "git remote set-head origin --auto" in capsys.readouterr().err
    assert sorted(path.name for path in top.iterdir()) == [".git", "promptsync.yaml"]
    with (top / "promptsync.yaml").open("a") as file:
        file.write("labels: {release/1: prod, main: staging}\n")
    document(top, capsys)
    assert "branches: [release/1, main]" in (top / WORKFLOWS[1]).read_text("utf-8")


def test_outside_of_git_and_below_a_configuration_nothing_is_written(
    top: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    below, outside = top / "docs", tmp_path / "outside"
    for place, hint in ((below, f"promptsync -C {top} init"), (outside, "hint: git init")):
        place.mkdir()
        assert run(["-C", str(place), *FLAGS], {}) == 2
        assert hint in capsys.readouterr().err
        assert list(place.iterdir()) == []


@pytest.mark.parametrize("below", ["services/my-bot", "it's a #1", "0123"])
def test_in_a_monorepo_the_files_stand_at_the_top_and_name_the_directory(
    top: Path, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    root = top / below
    root.mkdir(parents=True)
    (top / "promptsync.yaml").unlink()
    (root / "promptsync.yaml").write_text(
        "prompts: texts\nremote: eu\nremotes: {eu: {url: https://eu.example.com}}\nlabels: {trunk: live}\n"
    )
    up = "../" * len(Path(below).parts)
    found = document(root, capsys)
    assert {f"{up}{path}" for path in (*WORKFLOWS, HOOKS)} <= set(found["created"])
    literal = below.replace("'", "''")
    for path in WORKFLOWS:
        text = yaml.safe_load((top / path).read_text("utf-8"))
        (job,) = text["jobs"].values()
        expected = f"${{{{ vars.PROMPTSYNC_DIRECTORY || '{literal}' }}}}"
        assert text["env"]["PROMPTSYNC_DIRECTORY"] == expected
        inside = next(
            (step for step in job["steps"] if "working-directory" in step), job.get("defaults", {}).get("run")
        )
        assert inside["working-directory"] == "${{ env.PROMPTSYNC_DIRECTORY }}"
        assert text["env"]["PROMPTSYNC_REMOTE"] == "${{ vars.PROMPTSYNC_REMOTE || 'eu' }}"
    assert yaml.safe_load((top / WORKFLOWS[1]).read_text("utf-8"))[True]["push"]["branches"] == ["trunk"]
    lint, drift = yaml.safe_load((top / HOOKS).read_text("utf-8"))["repos"][0]["hooks"]
    assert drift["args"] == ["-C", below, "--remote", "eu"]
    assert re.search(lint["files"], f"{below}/texts/a/b.yaml")
    assert re.search(lint["files"], f"{below}/promptsync.yaml")
    assert not re.search(lint["files"], "texts/a.yaml")
    assert document(root, capsys)["created"] == []


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


def written(top: Path, *options: str) -> str:
    """What the workflows and the hooks install."""
    assert run(["-C", str(top), "-q", "init", "--github", "--pre-commit", *options], {}) == 0
    (repository,) = yaml.safe_load((top / HOOKS).read_text("utf-8"))["repos"]
    workflows = [yaml.safe_load(path.read_text("utf-8")) for path in top.glob(".github/*/*")]
    used = {workflow["env"]["PROMPTSYNC_PACKAGE"] for workflow in workflows}
    used |= {package for hook in repository["hooks"] for package in hook["additional_dependencies"]}
    (package,) = used
    return str(package)


def test_a_release_from_an_index_pins_its_version_and_what_is_passed_is_written_as_it_is(
    top: Path, info: Path
) -> None:
    assert written(top) == f"promptsync=={promptsync.__version__}"
    for spec in (
        "promptsync[serve] >= 1.2, < 2",
        "git+ssh://git@github.com/acme/promptsync@v1.2.3",
        'it\'s $(here) `and` "there"',
    ):
        for path in (*WORKFLOWS, HOOKS):
            (top / path).unlink()
        assert written(top, "--package", spec) == spec


NOT_FROM_AN_INDEX = "not installed from PyPI"
NOTHING_FOR_PIP = "is not something that pip can install"
A_SECRET = "must not contain a password or token"


REFUSED_PACKAGES = [
    (["--github"], NOT_FROM_AN_INDEX),
    (["--github", "--package", ""], NOTHING_FOR_PIP),
    (["--github", "--package", "-r requirements.txt"], NOTHING_FOR_PIP),
    (["--github", "--package", "promptsync\nrun: x"], NOTHING_FOR_PIP),
    (["--github", "--package", "git+https://HOST/OWNER/REPO@COMMIT"], NOTHING_FOR_PIP),
    (["--github", "--package", "${{ secrets.PROMPTLAYER_API_KEY }}"], NOTHING_FOR_PIP),
    (["--github", "--package", "git+https://x:secret@github.com/acme/promptsync"], A_SECRET),
    (["--github", "--package", "git+https://secret@github.com/acme/promptsync"], A_SECRET),
    (["--package", SPEC], "--package needs --github, --gitlab or --pre-commit"),
    (["--agents", "--package", SPEC], "--package needs --github, --gitlab or --pre-commit"),
]


def test_anything_else_is_refused_before_anything_is_written(
    top: Path, info: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = {"url": "https://example.com/x", "vcs_info": {}}
    (info / "direct_url.json").write_text(json.dumps(record), "utf-8")
    for options, why in REFUSED_PACKAGES:
        assert run(["-C", str(top), "init", *options], {}) == 2
        err = " ".join(capsys.readouterr().err.split())
        assert why in err and "secret@" not in err
        if why is NOT_FROM_AN_INDEX:
            hint = f"promptsync -C {top} init --github --package git+https://HOST/OWNER/REPO@COMMIT"
            assert err.endswith(f"nothing was written hint: {hint}")
        assert sorted(path.name for path in top.iterdir()) == [".git", "promptsync.yaml"]


# -- ``init --agents``: a section in AGENTS.md and a skill, and every command in them ---------------------


AGENTS, SKILL = StarterKind.AGENTS.paths
SECTION = StarterKind.AGENTS.starter_text(AGENTS)
INSTRUCTIONS = StarterKind.AGENTS.starter_text(SKILL)


@pytest.fixture
def empty(world: World) -> World:
    world.commit("Add promptsync.yaml")
    return world


def test_both_files_are_written_for_the_paths_of_the_working_copy_and_need_no_package(empty: World) -> None:
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
    for path in (AGENTS, SKILL):
        (empty.root / path).unlink()
    empty.put("app/promptsync.yaml", "prompts: texts\nremotes: {local: {url: 'local:'}}\n")
    empty.ok("-C", str(empty.root / "app"), "init", "--agents")
    for path in (AGENTS, SKILL):
        text = empty.root.joinpath(path).read_text("utf-8")
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
        assert (agents.read_bytes(), empty.root.joinpath(SKILL).read_text("utf-8")) == (
            after or before,
            "ours",
        )
    agents.unlink()
    agents.symlink_to(empty.put("CLAUDE.md", "ours\n"))
    assert empty.run("init", "--agents", "--json").document["changed"] == ["CLAUDE.md"]
    assert (agents.is_symlink(), agents.read_text("utf-8")) == (True, f"ours\n\n{SECTION}")


def test_beside_a_file_that_cannot_be_read_or_a_link_nothing_is_written(empty: World, tmp_path: Path) -> None:
    (empty.root / "promptsync.yaml").unlink()
    empty.put(AGENTS, b"\xff ours")
    done = empty.says(
        2, "AGENTS.md cannot be read", "init", "--agents", "--github", "--package", "promptsync"
    )
    assert (empty.root / AGENTS).read_bytes() == b"\xff ours"
    assert not (empty.root / "promptsync.yaml").exists()
    assert not (empty.root / ".github").exists()
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
        done = empty.run("init", "--agents")
        assert (done.code, said in done.err, [*outside.iterdir()]) == (code, True, []), str(done)
        assert not (empty.root / "promptsync.yaml").exists()
        (empty.root / path).unlink()


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
        git(tmp_path, "init", "-q", "--bare", "origin")
        world.git("remote", "add", "origin", str(tmp_path / "origin"))
        world.ok("init", "--agents")
        world.commit("Add prompts")
        world.ok("push", "--label", "prod", "--skip-checks", "-y")
        world.edit("support/refund", "You answer refund questions", "You calmly answer refund questions")
        yield world


def as_agent(world: World, *arguments: str) -> Run:
    return world.run(*arguments, PROMPTSYNC_READ_ONLY="1")


def test_every_command_works_in_a_copy_of_the_example(copy: World) -> None:
    programs = []
    lines = [*commands(SECTION), *commands(INSTRUCTIONS)]
    for program, *arguments in sorted(lines, key=lambda command: command[0] == "git"):
        programs.append(program)
        if program == "promptsync":
            done = as_agent(copy, *arguments)
            assert done.code == 0, f"{arguments}\n{done}"
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
