"""``promptsync init`` and ``new``: the first minute, and every other time."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from gitcopy import git
from worlds import World

from promptsync.files.config import load
from promptsync.setup.init import commit_files

PERSON = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
WRITTEN = [".gitignore", "prompts/hello.yaml", "promptsync.yaml"]


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in PERSON.items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def new(world: World, tmp_path: Path) -> World:
    """An empty directory."""
    return at(world, tmp_path / "new")


def at(world: World, root: Path, *, in_git: bool = False) -> World:
    """An empty directory at a place, which may be a repository."""
    root.mkdir()
    if in_git:
        git(root, "init", "-q")
    return replace(world, root=root)


def names(world: World) -> list[str]:
    paths = (path.relative_to(world.root) for path in world.root.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if path.parts[0] not in (".git", ".promptsync"))


def test_an_empty_directory_becomes_one_that_lints_renders_and_can_be_pushed(new: World) -> None:
    out = new.ok("init").out
    assert (names(new), (new.root / ".gitignore").read_text()) == (WRITTEN, ".promptsync/\n")
    git_ = f"git -C {new.root}"
    places = "promptsync.yaml prompts .gitignore"
    steps = [
        f"promptsync -C {new.root} lint",
        f"promptsync -C {new.root} render hello --example 1",
        f"{git_} init && {git_} add {places} && {git_} commit -m 'Add a first prompt' -- {places}",
        f"promptsync -C {new.root} push",
    ]
    numbered = [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    assert out.splitlines()[-5:] == ["Next:", *numbered]
    for step in steps:
        if step.startswith("git "):
            subprocess.run(["sh", "-c", step], check=True)
        else:
            out = new.ok(*shlex.split(step)[3:]).out
    # The commit comes first, because its subject is published.
    assert "v1  Add a first prompt\n" in out
    new.ok("lint", "--strict")
    new.ok("status", "--exit-code")
    assert new.ok("init").out.startswith("kept  promptsync.yaml\nkept  prompts/\nkept  .gitignore\n")
    assert new.git("status", "--porcelain") == ""


SKILL = ".agents/skills/promptsync/SKILL.md"
COMMITS: list[tuple[bool, list[str], str, list[str]]] = [
    (True, ["--commit"], "Add a first prompt", WRITTEN),
    (False, ["-m", "Ours"], "Ours", WRITTEN),
    (False, ["-m", ""], "Add a first prompt", WRITTEN),
    (False, ["--commit", "--agents"], "Add a first prompt", [SKILL, WRITTEN[0], "AGENTS.md", *WRITTEN[1:]]),
]


def test_what_was_written_can_be_committed(world: World, tmp_path: Path) -> None:
    for number, (in_git, options, subject, files) in enumerate(COMMITS):
        new = at(world, tmp_path / str(number), in_git=in_git)
        new.says(2, "--no-commit and --message cannot be combined", "init", "--no-commit", "-m", "Ours")
        assert names(new) == []
        out = new.ok("init", *options).out
        assert (f"\ncommitted  {subject}\n" in out, "git" in out.partition("Next:")[2]) == (True, False)
        assert new.git("log", "--format=%s", "--name-only").split("\n\n") == [subject, "\n".join(files)]
        assert new.git("status", "--porcelain") == ""
        new.says(0, "note: nothing was written, so there is nothing to commit", "init", *options)


def test_other_changes_stay_as_they_are(world: World, tmp_path: Path) -> None:
    new = at(world, tmp_path / "new", in_git=True)
    before = {".gitignore": "build/\n", "kept": "1", "AGENTS.md": "Be kind.\n"}
    for path, text in before.items():
        new.put(path, text)
    new.commit("before")
    for path in (*before, "staged"):
        new.put(path, f"{before.get(path, '')}mine/\n")
    new.git("add", "staged")
    new.says(0, "not committed, because you edited it: .gitignore, AGENTS.md", "init", "--commit", "--agents")
    assert new.git("show", "--format=", "--name-only").split() == [SKILL, *WRITTEN[1:]]
    rest = [" M .gitignore", " M AGENTS.md", " M kept", "A  staged"]
    assert new.git("status", "--porcelain").splitlines() == rest


def without_identity(world: World, patch: pytest.MonkeyPatch) -> None:
    for key in PERSON:
        patch.delenv(key)
    for key, value in {"GIT_CONFIG_GLOBAL": os.devnull, "EMAIL": "", "HOME": "/nonexistent"}.items():
        patch.setenv(key, value)
    world.git("config", "user.useConfigOnly", "true")


def refusing_hook(world: World, patch: pytest.MonkeyPatch) -> None:
    world.put(".git/hooks/pre-commit", "#!/bin/sh\necho not today\nexit 1\n").chmod(0o755)


NOT_COMMITTED: list[tuple[Callable[[World, pytest.MonkeyPatch], object], str, str]] = [
    (refusing_hook, "not today", "commit -m 'Add a first prompt' -- promptsync.yaml"),
    (lambda world, patch: world.put(".gitignore", "prompts/\n"), "ignored", "commit -m"),
    (without_identity, "git does not know your name", "git config --global user.name"),
    (
        lambda world, patch: patch.setenv("PATH", str(world.root)),
        "not committed: git cannot be run: PATH has no such program",
        "hint: install git, or add it to PATH\nhint: promptsync -C",
    ),
]


def test_a_commit_that_git_refuses_leaves_the_files_and_says_why(world: World, tmp_path: Path) -> None:
    for number, (prepare, said, hint) in enumerate(NOT_COMMITTED):
        new = at(world, tmp_path / str(number), in_git="PATH" not in said)
        with pytest.MonkeyPatch.context() as patch:
            prepare(new, patch)
            err = new.says(5, said, "init", "--commit").err
        assert "the files were written, but not committed" in err and hint in err
        assert "prompts/hello.yaml" in names(new)


def test_the_next_run_commits_what_an_earlier_one_could_not(world: World, tmp_path: Path) -> None:
    for number, prepare in enumerate((without_identity, refusing_hook)):
        new = at(world, tmp_path / str(number), in_git=True)
        with pytest.MonkeyPatch.context() as patch:
            prepare(new, patch)
            new.exits(5, "init", "--commit", "--agents")
        (new.root / ".git/hooks/pre-commit").unlink(missing_ok=True)
        new.says(0, "note: not in git yet, so the commit has it, too: ", "init", "--commit", "--agents")
        committed = new.git("log", "--format=%s", "--name-only").split("\n\n")
        assert committed == ["Add a first prompt", "\n".join([SKILL, WRITTEN[0], "AGENTS.md", *WRITTEN[1:]])]
        assert new.git("status", "--porcelain") == ""


def test_more_paths_than_a_command_line_holds_are_committed(new: World) -> None:
    import resource

    paths = [f"{'long' * 50}-[{number}].yaml" for number in range(700)]
    for path in (*paths, f"{'long' * 50}-0.yaml"):  # which [0] would match
        new.put(path, "")
    before = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (512 * 1024, before[1]))  # at most 128 KiB of arguments
    try:
        commit_files(new.root, paths, "Import", "git commit")
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, before)
    assert sorted(new.git("ls-files").split()) == sorted(paths)


ANSWERS = [
    (True, "\n", "Commit these files? [Y/n]"),
    (True, "n\n", "Commit these files? [Y/n]"),
    (False, "y\n", "Create a git repository and commit these files? [Y/n]"),
    (True, None, ""),
]


def test_on_a_terminal_init_asks_and_an_interruption_leaves_the_files(world: World, tmp_path: Path) -> None:
    for number, (in_git, answer, question) in enumerate(ANSWERS):
        new = at(world, tmp_path / str(number), in_git=in_git)
        done = new.on_terminal("init", answer=answer, NO_COLOR="1")
        assert (done.code, question in done.err) == (0, True)
        assert done.out.startswith("created  promptsync.yaml") == (not question)
        agreed = bool(question) and "n" not in (answer or "")
        assert ("committed  Add a first prompt" in done.out) == agreed != ("commit -m" in done.out)
        assert not agreed or new.git("log", "--format=%s") == "Add a first prompt"
    new = at(world, tmp_path / "interrupted")
    done = new.on_terminal("init", answer="", NO_COLOR="1")
    # The error has a line of its own, below the question.
    said = "[Y/n]: \nerror: interrupted; the files were written, and not committed\n"
    assert (done.code, said in done.err, names(new)) == (130, True, WRITTEN)
    hint = " ".join(done.err.rpartition("hint: ")[2].split())
    subprocess.run(["sh", "-c", hint], check=True)
    assert new.git("log", "--format=%s") == "Add a first prompt"


def test_what_an_earlier_run_wrote_is_committed_with_the_prompts(new: World) -> None:
    new.ok("init")
    new.put("prompts/mine.yaml", "content: mine\n")
    said = "promptsync.yaml, .gitignore, prompts/hello.yaml, prompts/mine.yaml\n"
    new.says(0, f"note: not in git yet, so the commit has it, too: {said}", "init", "--commit")
    committed = new.git("show", "--format=", "--name-only").split()
    assert committed == sorted([*WRITTEN, "prompts/mine.yaml"])
    new.put("prompts/draft.yaml", "content: a draft\n")
    new.says(0, "nothing was written, so there is nothing to commit", "init", "--commit")


IGNORED = {
    "build/\n": "build/\n.promptsync/\n",
    "build/\r\n": "build/\r\n.promptsync/\n",
    "": ".promptsync/\n",
    "/.promptsync\n": "/.promptsync\n",
    ".promptsync/": ".promptsync/",
}


def test_files_that_are_there_are_kept_and_the_private_directory_is_ignored_once(new: World) -> None:
    new.put("promptsync.yaml", "prompts: mine\n")
    new.put("mine/hello.yaml", "content: mine\n")
    new.says(0, "promptsync.yaml exists and was kept", "init", "--prompts", "other", "--no-commit")
    assert names(new) == [".gitignore", "mine/hello.yaml", "promptsync.yaml"]
    assert (new.root / "mine/hello.yaml").read_text() == "content: mine\n"
    for before, after in IGNORED.items():
        ignore = new.put(".gitignore", before)
        found = new.on_terminal("init", "--json", answer="y\n").document
        assert ignore.read_bytes() == after.encode()
        assert (found["created"], found["changed"] == [".gitignore"]) == ([], before != after)
    assert not (new.root / ".git").exists()


def test_any_directory_below_can_hold_the_prompts_also_in_a_monorepo(new: World) -> None:
    new.ok("init")
    for number, prompts in enumerate(["app/prompts", "my prompts", "no", "0123", "#x"]):
        below = at(new, new.root / str(number))
        below.ok("init", "--prompts", prompts, "--force")
        assert load(below.root / "promptsync.yaml").prompts == prompts
        assert (below.root / prompts / "hello.yaml").is_file()
    # No example is written beside other prompts.
    below = at(new, new.root / "a")
    below.put("prompts/one.yml", "content: x\n")
    below.ok("init", "--force")
    assert names(below) == [".gitignore", "prompts/one.yml", "promptsync.yaml"]


def test_inside_a_project_init_writes_nothing_unless_a_second_one_is_meant(new: World) -> None:
    new.ok("init")
    below = at(new, new.root / "docs and more")
    for options in ([], ["--commit"], ["--prompts", "other"], ["--from-remote"], ["--agents", "-m", "It's"]):
        said = f"{below.root} belongs to the project of {new.root / 'promptsync.yaml'}; nothing was written"
        hints = below.says(2, f"error: {said}", "init", *options).err.partition("hint: ")[2].split("\nhint: ")
        there, nested = (shlex.split(hint) for hint in hints)
        assert there == ["promptsync", "-C", str(new.root), "init", *options]
        assert nested == ["promptsync", "-C", str(below.root), "init", *options, "--force"]
        assert names(below) == []
    below.ok("init", "--force")
    assert names(below) == WRITTEN
    below.ok("init")  # it is a project now


OTHER_PLACES = [
    *(("--prompts", value) for value in ("../x", "/x", ".", "a\\b", "C:x")),
    # No key may be sent there.
    *(("--url", f"{value}example.com") for value in ("http://api.", "api.", "https://user:secret@")),
]


def test_what_cannot_be_used_is_reported_and_nothing_is_written(new: World, tmp_path: Path) -> None:
    for option, value in OTHER_PLACES:
        err = new.exits(2, "init", option, value).err
        assert ("is not below this directory" in err, "secret" in err) == (option == "--prompts", False)
        assert names(new) == []
    new.put("promptsync.yaml", "promts: x\n")
    new.says(2, "Unknown key promts", "init")
    assert names(new) == ["promptsync.yaml"]
    outside = tmp_path / "outside"
    for path, code in (("prompts", 2), (".gitignore", 3)):
        below = at(new, tmp_path / f"below {path}")
        (below.root / path).symlink_to(outside)
        for _ in range(2):
            below.exits(code, "init")
        assert ([place.name for place in below.root.iterdir()], outside.exists()) == ([path], False)
    below = at(new, tmp_path / "linked")
    below.put("src/my prompts/a.yaml", "content: Hi\n")
    (below.root / "prompts").symlink_to("src/my prompts")
    below.ok("init")
    assert "prompts: src/my prompts\n" in (below.root / "promptsync.yaml").read_text()


def test_a_registry_that_exists_is_pulled_from_first(new: World) -> None:
    out = new.ok("init", "--url", "https://api.example.com/", PROMPTLAYER_API_KEY="").out
    assert f"  2. promptsync -C {new.root} pull\n" in out and "PROMPTLAYER_API_KEY" in out
    # the directory is empty, or the registry has no prompts either: git refuses it as a path of a commit
    added = f"git -C {new.root} add promptsync.yaml .gitignore prompts && "
    assert f"{added}git -C {new.root} commit -m 'Set up promptsync'\n" in out
    config = load(new.root / "promptsync.yaml")
    assert {remote.url for remote in config.remotes.values()} == {"https://api.example.com", "local:"}
    assert config.default_remote == "production"
    assert f"  1. promptsync -C {new.root} pull\n" in new.ok("init").out


# -- ``promptsync new``: a file to start from, and nothing that was there before is touched --------------


NEW = [
    ("support/refund", "support/refund.yaml", ("--model", "openrouter/meta/llama-3")),
    ("a{name}", "a{name}.yaml", ("--snippet",)),
    ("é: #1", "é%3A #1.yaml", ()),
]


@pytest.mark.parametrize(("name", "path", "options"), NEW)
def test_a_new_prompt_passes_lint_and_each_command_that_follows(
    local: World, name: str, path: str, options: tuple[str, ...]
) -> None:
    done = local.ok("new", name, *options)
    assert f"created  prompts/{path}" in done.out
    written = local.files()[f"prompts/{path}"]
    if "--model" in options:
        assert yaml.safe_load(written)["model"] == {"provider": "openrouter", "name": "meta/llama-3"}
    assert "no problems" in local.ok("lint", "--strict").out
    steps = [line.split(". ", 1)[1] for line in done.out.partition("Next:")[2].splitlines() if line]
    assert [step.split()[3] for step in steps] == ["lint", "render", "add", "commit", "push"]
    for step in steps:
        program, _, _, *words = shlex.split(step)
        (local.git if program == "git" else local.ok)(*words)
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
    local.ok("new", "c", "--from", str(local.path("old/a")))
    assert local.path("c").read_text() == copy.replace("name: b", "name: c")
    found = local.ok("new", "a/b", "--json").document
    assert found["path"] == "prompts/a/b.yaml"
    assert found["next"][-1] == {"do": f"promptsync -C {local.root} push a/b"}


EXISTS = {"a": "a", "A": "a", "broken": "broken", "other": "other", "folder": "folder"}
REFUSED = [
    *(((name,), 3, f"prompts/{file}.yaml already exists") for name, file in EXISTS.items()),
    *(((name,), 2, "looks like a path") for name in ("prompts/new.yaml", "./new", "../new")),
    (("not/included",), 3, "include: does not match 'not/included'"),
    (("",), 2, "is shorter than 1 character"),
    (("x" * 600,), 2, "longer than 512"),
    (("12",), 2, "all digits"),
    (("a@@@b",), 2, "contains '@@@'"),
    ((" a",), 2, "starts or ends with a space"),
    (("a\x1b[31m",), 2, "control character"),
    (("a\udcff",), 2, "not valid"),
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
    local.put("prompts/broken.yaml", "messages: 3\n")
    local.put("prompts/other.yaml", "name: mine\ncontent: x\n")
    (local.root / "prompts/folder.yaml").mkdir()
    before = local.files()
    for arguments, code, message in REFUSED:
        assert "\x1b" not in local.says(code, message, "new", *arguments).err
        assert local.files() == before
