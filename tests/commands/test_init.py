"""``promptsync init`` and ``new``: the first minute, and every other time."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from gitcopy import git
from worlds import World

from promptsync.cli import run
from promptsync.files.config import load
from promptsync.setup.init import commit_command, commit_files

PERSON = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def init(root: Path, *arguments: str) -> int:
    return run(["-C", str(root), "init", *arguments], {})


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_an_empty_directory_becomes_one_that_lints_renders_and_can_be_pushed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path) == 0
    out = capsys.readouterr().out
    assert names(tmp_path) == [".gitignore", "prompts/hello.yaml", "promptsync.yaml"]
    assert (tmp_path / ".gitignore").read_text() == ".promptsync/\n"
    assert "created  promptsync.yaml\n" in out
    steps = [
        f"promptsync -C {tmp_path} lint",
        f"promptsync -C {tmp_path} render hello --example 1",
        f"git -C {tmp_path} init && git -C {tmp_path} add promptsync.yaml prompts .gitignore && "
        f"git -C {tmp_path} commit -m 'Add a first prompt' -- promptsync.yaml prompts .gitignore",
        f"promptsync -C {tmp_path} push",
    ]
    numbered = [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    assert out.splitlines()[-5:] == ["Next:", *numbered]
    for step in steps:
        if step.startswith("git "):
            subprocess.run(["sh", "-c", step], check=True, env=os.environ | PERSON)
        else:
            assert run(shlex.split(step)[1:], {}) == 0
    # The commit comes first, because its subject is published.
    assert "v1  Add a first prompt\n" in capsys.readouterr().out
    assert run(["-C", str(tmp_path), "lint", "--strict"], {}) == 0
    assert run(["-C", str(tmp_path), "status", "--exit-code"], {}) == 0
    capsys.readouterr()
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert init(tmp_path) == 0
    assert capsys.readouterr().out.startswith("kept  promptsync.yaml\nkept  prompts/\nkept  .gitignore\n")
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in PERSON.items():
        monkeypatch.setenv(key, value)


WRITTEN = [".gitignore", "prompts/hello.yaml", "promptsync.yaml"]


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(
    ("in_git", "options", "subject"),
    [
        (True, ["--commit"], "Add a first prompt"),
        (False, ["-m", "Ours"], "Ours"),
        (False, ["-m", ""], "Add a first prompt"),
    ],
)
def test_what_was_written_can_be_committed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], in_git: bool, options: list[str], subject: str
) -> None:
    if in_git:
        git(tmp_path, "init", "-q")
    assert init(tmp_path, "--no-commit", "-m", "Ours") == 2
    assert "--no-commit and --message cannot be combined" in capsys.readouterr().err
    assert not (tmp_path / "promptsync.yaml").exists()
    assert init(tmp_path, *options) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[4] == f"committed  {subject}"
    assert "git" not in out.partition("Next:")[2]
    assert git(tmp_path, "log", "--format=%s", "--name-only").splitlines() == [subject, "", *WRITTEN]
    assert git(tmp_path, "status", "--porcelain") == ""
    assert init(tmp_path, *options) == 0
    assert "note: nothing was written, so there is nothing to commit" in capsys.readouterr().err


@pytest.mark.usefixtures("person")
def test_other_changes_stay_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "kept").write_text("1")
    (tmp_path / "AGENTS.md").write_text("Be kind.\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "before")
    (tmp_path / ".gitignore").write_text("build/\nmine/\n")
    (tmp_path / "kept").write_text("2")
    (tmp_path / "AGENTS.md").write_text("Be very kind.\n")
    (tmp_path / "staged").write_text("1")
    git(tmp_path, "add", "staged")
    assert init(tmp_path, "--commit", "--agents") == 0
    assert "not committed, because you edited it: .gitignore, AGENTS.md" in capsys.readouterr().err
    skill = ".agents/skills/promptsync/SKILL.md"
    assert git(tmp_path, "show", "--format=", "--name-only").split() == [skill, *WRITTEN[1:]]
    rest = [" M .gitignore", " M AGENTS.md", " M kept", "A  staged"]
    assert git(tmp_path, "status", "--porcelain").splitlines() == rest


NO_NAME = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "EMAIL": "", "HOME": "/nonexistent"}


@pytest.mark.parametrize("problem", ["identity", "hook", "ignored"])
def test_a_commit_that_git_refuses_leaves_the_files_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    git(tmp_path, "init", "-q")
    for key, value in (PERSON if problem != "identity" else NO_NAME).items():
        monkeypatch.setenv(key, value)
    if problem == "identity":
        for key in PERSON:
            monkeypatch.delenv(key, raising=False)
        git(tmp_path, "config", "user.useConfigOnly", "true")
    elif problem == "hook":
        hook = tmp_path / ".git/hooks/pre-commit"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho not today\nexit 1\n")
        hook.chmod(0o755)
    else:
        (tmp_path / ".gitignore").write_text("prompts/\n")
    assert init(tmp_path, "--commit") == 5
    err = capsys.readouterr().err
    assert "the files were written, but not committed" in err
    said = {"identity": "git config --global user.name", "hook": "not today", "ignored": "ignored"}
    assert said[problem] in err
    assert "commit -m 'Add a first prompt' -- promptsync.yaml" in err
    assert names(tmp_path / "prompts") == ["hello.yaml"]


@pytest.mark.usefixtures("person")
def test_more_paths_than_a_command_line_holds_are_committed(tmp_path: Path) -> None:
    import resource

    paths = [f"{'long' * 50}-[{number}].yaml" for number in range(700)]
    for path in paths:
        (tmp_path / path).touch()
    (tmp_path / f"{'long' * 50}-0.yaml").touch()  # which [0] would match
    before = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (512 * 1024, before[1]))  # at most 128 KiB of arguments
    try:
        commit_files(tmp_path, paths, "Import", "git commit")
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, before)
    assert sorted(git(tmp_path, "ls-files").split()) == sorted(paths)
    paths = ["promptsync.yaml", *(f"my prompts/{number}.yaml" for number in range(700)), "my prompts.yaml"]
    command = commit_command(Path("/"), paths, "Add", "my prompts")
    assert command.endswith("commit -m Add -- promptsync.yaml 'my prompts' 'my prompts.yaml'")


ANSWERS = [
    (True, "\n", "Commit these files? [Y/n]"),
    (True, "n\n", "Commit these files? [Y/n]"),
    (False, "y\n", "Create a git repository and commit these files? [Y/n]"),
    (True, None, ""),
]


@pytest.mark.usefixtures("person")
def test_on_a_terminal_init_asks_and_an_interrupted_question_leaves_the_files(
    world: World, tmp_path: Path
) -> None:
    for number, (in_git, answer, question) in enumerate(ANSWERS):
        root = tmp_path / str(number)
        root.mkdir()
        if in_git:
            git(root, "init", "-q")
        done = replace(world, root=root).on_terminal("init", answer=answer, NO_COLOR="1")
        assert (done.code, question in done.err) == (0, True)
        assert done.out.startswith("created  promptsync.yaml") == (not question)
        agreed = bool(question) and "n" not in (answer or "")
        assert ("committed  Add a first prompt" in done.out) == agreed
        assert (
            (git(root, "log", "--format=%s") == "Add a first prompt") if agreed else "commit -m" in done.out
        )
    root = tmp_path / "new"
    root.mkdir()
    done = replace(world, root=root).on_terminal("init", answer="", NO_COLOR="1")
    assert done.code == 130
    # The error has a line of its own, below the question.
    assert "[Y/n]: \nerror: interrupted; the files were written, and not committed\n" in done.err
    assert names(root) == WRITTEN
    hint = " ".join(done.err.rpartition("hint: ")[2].split())
    subprocess.run(["sh", "-c", hint], check=True)
    assert git(root, "log", "--format=%s") == "Add a first prompt"


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize("in_git", [True, False])
def test_what_an_earlier_run_wrote_is_committed_with_the_prompts_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], in_git: bool
) -> None:
    if in_git:
        git(tmp_path, "init", "-q")
    assert init(tmp_path) == 0
    (tmp_path / "prompts/mine.yaml").write_text("content: mine\n")
    capsys.readouterr()
    assert init(tmp_path, "--commit") == 0
    said = "promptsync.yaml, .gitignore, prompts/hello.yaml, prompts/mine.yaml\n"
    assert capsys.readouterr().err == f"note: not in git yet, so the commit has it, too: {said}"
    assert git(tmp_path, "show", "--format=", "--name-only").split() == sorted(
        [*WRITTEN, "prompts/mine.yaml"]
    )
    (tmp_path / "prompts/draft.yaml").write_text("content: a draft\n")
    assert init(tmp_path, "--commit") == 0
    assert "nothing was written, so there is nothing to commit" in capsys.readouterr().err


def test_without_git_the_hint_is_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert init(tmp_path, "--commit") == 5
    err = " ".join(capsys.readouterr().err.split())
    assert "not committed: git cannot be run: PATH has no such program" in err
    assert err.endswith(f"hint: install git, or add it to PATH hint: promptsync -C {tmp_path} init")


IGNORED = {
    "build/\n": "build/\n.promptsync/\n",
    "build/": "build/\n.promptsync/\n",
    "build/\r\n": "build/\r\n.promptsync/\n",
    "": ".promptsync/\n",
    "/.promptsync\n": "/.promptsync\n",
    ".promptsync/": ".promptsync/",
}


def test_files_that_are_there_are_kept_and_the_private_directory_is_ignored_once(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "promptsync.yaml").write_text("prompts: mine\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "hello.yaml").write_text("content: mine\n")
    there = replace(world, root=tmp_path)
    done = there.on_terminal("init", "--prompts", "other", "--no-commit", answer="y\n")
    assert (done.code, "promptsync.yaml exists and was kept" in done.err) == (0, True)
    assert (tmp_path / "mine" / "hello.yaml").read_text() == "content: mine\n"
    assert not (tmp_path / "other").exists()
    for before, after in IGNORED.items():
        (tmp_path / ".gitignore").write_bytes(before.encode())
        found = there.on_terminal("init", "--json", answer="y\n").document
        assert (tmp_path / ".gitignore").read_bytes() == after.encode()
        assert (found["created"], found["changed"] == [".gitignore"]) == ([], before != after)
    assert not (tmp_path / ".git").exists()


def test_any_directory_below_can_hold_the_prompts_also_in_a_monorepo(tmp_path: Path) -> None:
    init(tmp_path)
    for number, prompts in enumerate(["app/prompts", "my prompts", "no", "ü", "0123", "a #b", "#x"]):
        root = tmp_path / str(number)
        root.mkdir()
        assert init(root, "--prompts", prompts) == 0
        config = load(root / "promptsync.yaml")
        assert (config.prompts, config.root) == (prompts, root)
        assert (root / prompts / "hello.yaml").is_file()
    # No example is written beside other prompts.
    (tmp_path / "a" / "prompts").mkdir(parents=True)
    (tmp_path / "a" / "prompts" / "one.yml").write_text("content: x\n")
    init(tmp_path / "a")
    assert names(tmp_path / "a") == [".gitignore", "prompts/one.yml", "promptsync.yaml"]


OTHER_PLACES = [
    *(("--prompts", value) for value in ("../x", "/x", ".", "a\\b", "C:x")),
    # No key may be sent there.
    *(("--url", f"{value}example.com") for value in ("http://api.", "api.", "https://user:secret@")),
]


def test_another_place_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, value in OTHER_PLACES:
        assert init(tmp_path, option, value) == 2
        err = capsys.readouterr().err
        assert ("is not below this directory" in err, "secret" in err) == (option == "--prompts", False)
        assert names(tmp_path) == []


def test_a_registry_that_exists_is_pulled_from_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path, "--url", "https://api.example.com/") == 0
    out = capsys.readouterr().out
    assert f"  2. promptsync -C {tmp_path} pull\n" in out
    # the directory is empty, or the registry has no prompts either: git refuses it as a path of a commit
    added = f"git -C {tmp_path} add promptsync.yaml .gitignore prompts && "
    assert f"{added}git -C {tmp_path} commit -m 'Set up promptsync'\n" in out
    assert "PROMPTLAYER_API_KEY" in out
    assert names(tmp_path) == [".gitignore", "promptsync.yaml"]
    config = load(tmp_path / "promptsync.yaml")
    assert config.default_remote == "production"
    assert config.remotes["production"].url == "https://api.example.com"
    assert config.remotes["local"].url == "local:"
    assert run(["-C", str(tmp_path), "init"], {"PROMPTLAYER_API_KEY": "pl_1"}) == 0
    assert f"  1. promptsync -C {tmp_path} pull\n" in capsys.readouterr().out


def test_a_broken_configuration_or_a_link_out_of_the_directory_is_reported_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "promptsync.yaml").write_text("promts: x\n")
    assert init(tmp_path) == 2
    assert "Unknown key promts" in capsys.readouterr().err
    assert names(tmp_path) == ["promptsync.yaml"]
    (tmp_path / "promptsync.yaml").unlink()
    (tmp_path / "promptsync.yaml").symlink_to("promptsync.yaml")
    assert init(tmp_path) == 2
    assert "This is a symbolic link" in capsys.readouterr().err
    outside = tmp_path / "outside"
    for path, code in (("prompts", 2), (".gitignore", 3)):
        root = tmp_path / f"below {path}"
        root.mkdir()
        (root / path).symlink_to(outside)
        assert [init(root), init(root)] == [code, code]
        assert ([place.name for place in root.iterdir()], outside.exists()) == ([path], False)


# -- ``promptsync new``: a file to start from, and nothing that was there before is touched --------------


@pytest.mark.parametrize(
    ("name", "path", "options"),
    [
        ("support/refund", "support/refund.yaml", ("--model", "openrouter/meta/llama-3")),
        ("hello", "hello.yaml", ()),
        ("a{name}", "a{name}.yaml", ("--snippet",)),
        ("é: #1", "é%3A #1.yaml", ()),
        ("con", "%63on.yaml", ()),
    ],
)
def test_a_new_prompt_passes_lint_and_each_command_that_follows(
    local: World, tmp_path: Path, name: str, path: str, options: tuple[str, ...]
) -> None:
    done = local.ok("new", name, *options)
    assert f"created  prompts/{path}" in done.out
    written = local.files()[f"prompts/{path}"]
    if "--model" in options:
        assert yaml.safe_load(written)["model"] == {"provider": "openrouter", "name": "meta/llama-3"}
    if name == "hello":  # the first prompt that init writes
        assert local.run("-C", str(tmp_path), "init").code == 0
        assert (tmp_path / "prompts/hello.yaml").read_bytes() == written
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
    copy = local.files()["prompts/b.yaml"].decode()
    kept = SOURCE.partition("\n")[2].replace("synced: 3-0123456\n", "")
    assert copy == f"# Read before editing.\nname: b\n{kept}"
    assert "--example 1" in done.out
    found = local.ok("new", "a/b", "--json").document
    assert found["path"] == "prompts/a/b.yaml"
    assert found["next"][-1] == {"do": f"promptsync -C {local.root} push a/b"}


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
    local.configure("include: [a*, A, b*, other, folder, new]")
    local.write("a")
    local.write("ab")
    (local.root / "prompts/broken.yaml").write_text("messages: 3\n")
    (local.root / "prompts/other.yaml").write_text("name: mine\ncontent: x\n")
    (local.root / "prompts/folder.yaml").mkdir()
    before = local.files()
    for arguments, code, message in REFUSED:
        done = local.says(code, message, "new", *arguments)
        assert "\x1b" not in done.err
        assert local.files() == before
