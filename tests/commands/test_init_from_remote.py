"""``init --from-remote``: an existing registry is imported into an empty repository, or nothing is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from test_init import names
from worlds import Reply, World, asking, failing, fault, template

from promptsync.files.config import load

FLAGS = ("init", "--from-remote")
OURS = {f"support/p{number:02}" for number in range(30)}
THEIRS = {f"billing/eu/q{number}" for number in range(12)} | {"hello"}


@template
def full(world: World) -> None:
    """A registry with 43 prompts, most of them labelled, beside a repository with nothing in it."""
    for name in sorted(OURS | THEIRS):
        world.publish(name, release_labels=["prod"] if name != "support/p00" else [])
    world.publish("support/p01", "Newer {name}")
    for path in (world.root / "promptsync.yaml", world.root / ".gitignore"):
        path.unlink()
    (world.root / "prompts").rmdir()


def test_what_belongs_here_comes_in_one_go_and_is_ready_to_be_committed(full: World) -> None:
    done = full.ok(*FLAGS, "--remote", full.url, "--include", "support/*")
    assert len(full.seen) <= 1.1 * len(OURS)
    assert "30 prompts imported" in done.out and "13 ignored (not in include)" in done.out
    assert full.states() == dict.fromkeys(OURS, "in-sync")
    ignored = "30 prompts, all in sync\n  13 registry prompts ignored (not in include)\n"
    assert full.run("status").out.endswith(ignored)
    (commit,) = re.findall(r"^  \d\. (git .*)$", done.out, re.MULTILINE)
    for command in commit.split(" && "):
        full.git(*shlex.split(command)[3:])
    assert full.git("status", "--porcelain") == ""
    assert full.git("log", "--format=%s").strip() == "Import 30 prompts from the registry"
    full.ok("status", "--exit-code")
    # What was stopped half-way is finished by the same command.
    for name in sorted(OURS)[::2]:
        full.path(name).unlink()
    (full.root / ".promptsync" / "record.json").unlink()
    assert "15 prompts imported" in full.ok(*FLAGS, "--remote", full.url, "--include", "support/*").out
    assert full.states() == dict.fromkeys(OURS, "in-sync")


def test_a_person_is_asked(full: World) -> None:
    full.publish("house style")
    for answer, code, said in (
        ("", 130, "[*]: \nerror: interrupted; nothing was written\n"),
        ("suport/*\n", 2, "matches none of the"),
    ):
        done = full.on_terminal(*FLAGS, "--url", full.url, answer=answer, NO_COLOR="1")
        assert (done.code, said in done.err, names(full)) == (code, True, []), str(done)
    done = full.on_terminal(*FLAGS, "--url", full.url, answer="'house style' hello\nn\n")
    assert (done.code, "     1  'house style'\n" in done.err.replace("\r", "")) == (0, True), str(done)
    assert set(full.states()) == {"house style", "hello"}
    for path in names(full):
        full.root.joinpath(path).unlink()
    done = full.on_terminal(*FLAGS, "--url", full.url, answer="\nn\n")
    assert "Commit these files and 44 prompts? [Y/n]" in done.err
    assert set(full.states()) == OURS | THEIRS | {"house style"}


NOTHING_IS_WRITTEN = [
    (["--include", "suport/*"], None, 2, "matches none of the 43 prompts"),
    (["--include", "*", "--prompts", "../x"], None, 2, "is not below this directory"),
    (["--include", ""], None, 2, "promptsync.yaml"),
    (["--include", "*"], failing(401, "Invalid API key"), 4, "PROMPTLAYER_API_KEY"),
    (["--include", "*"], failing(500), 4, "500"),
    (["--include", "*"], Reply("<html>", 200, {}), 4, "error:"),
    (["--include", "*", "--remote", "staging"], None, 2, "--remote https://"),
    (["--include", "*", "--remote", "http://127.0.0.1:9"], None, 4, "127.0.0.1:9"),
    (["--include", "support/p01"], failing(503), 4, "503"),
]


def test_what_goes_wrong_before_the_first_file_leaves_nothing(full: World) -> None:
    for arguments, reply, code, message in NOTHING_IS_WRITTEN:
        requests = asking("GET", "version=2" if "support/p01" in arguments else "/")
        full.faults[:] = [fault(requests, reply)] if reply is not None else []
        full.says(code, message, *FLAGS, "--remote", full.url, *arguments)  # the last one counts
    # Without a terminal it must be said which prompts belong here.
    full.faults.clear()
    done = full.says(2, "--include 'support/*'", *FLAGS, "--remote", full.url)
    groups = [("30", "support/*"), ("12", "billing/*"), ("1", "hello")]
    assert re.findall(r"^ +(\d+)  (.*)$", done.err, re.MULTILINE) == groups
    assert full.run(*FLAGS, "--remote", full.url, "--json").document["error"]["code"] == "include-needed"
    assert (names(full), full.writes) == ([], [])


def test_there_is_nothing_to_import_from_an_empty_registry(world: World, tmp_path: Path) -> None:
    world.root = tmp_path / "new"
    world.root.mkdir()
    for remote in ("local", world.url):
        world.says(2, "has no prompts to import", *FLAGS, "--remote", remote, "--include", "*")
        assert list(world.root.iterdir()) == []


def test_the_registry_may_be_named_by_the_environment_and_the_import_committed(full: World) -> None:
    full.write("hello").write_text("messages: [")
    assert full.run(*FLAGS, "--include", "hello", PROMPTLAYER_BASE_URL=full.url).code == 1
    full.path("hello").unlink()
    for key in ("user.name", "user.email"):
        full.git("config", key, "a")
    done = full.ok(*FLAGS, "--include", "hello", "--commit", "--json", PROMPTLAYER_BASE_URL=full.url)
    assert [step["do"].split()[-1] for step in done.document["next"]] == ["status"]
    assert full.git("status", "--porcelain") == ""
    assert load(full.root / "promptsync.yaml").remotes["production"].url == full.url


def test_files_that_are_there_are_never_overwritten(full: World) -> None:
    mine = full.write("support/p02", "Mine {name}").read_bytes()
    same = full.write("support/p03", "Theirs {name}").read_bytes()
    full.write("support/only-here")
    said = "1 existing file differs from the registry"
    done = full.says(3, said, *FLAGS, "--remote", full.url, "--include", "support/*")
    assert "support/p02  prompts/support/p02.yaml" in done.err
    assert full.path("support/p02").read_bytes() == mine
    assert full.path("support/p03").read_bytes() == same
    states = full.states()
    assert (states.pop("support/p02"), states.pop("support/only-here")) == ("diverged", "new")
    assert {*states.values()} == {"in-sync"}


def test_a_configuration_that_is_there_is_kept_and_needs_an_include_of_its_own(full: World) -> None:
    path = full.root / "promptsync.yaml"
    text = f"# ours\nprompts: texts  # here\nremote: team\nremotes: {{team: {{url: '{full.url}'}}}}\n"
    path.write_text(text)
    full.says(2, 'write in promptsync.yaml: include: ["support/*"]', *FLAGS, "--include", "support/*")
    path.write_text(f'{text}include: ["support/*"]\n')
    full.ok(*FLAGS)
    assert path.read_text() == f'{text}include: ["support/*"]\n'
    assert len([file for file in names(full) if file.startswith("texts/support/")]) == 30
    full.says(2, "includes other prompts: support/*", *FLAGS, "--include", "billing/*")
    again = full.ok(*FLAGS)
    assert "nothing new to import" in again.out and "git commit" not in again.out
    assert "30 skipped, because they already have a file" in again.out

    # It has to know the registry.
    path.write_text("include: ['*']\n")
    done = full.says(2, "has no remote", *FLAGS, "--remote", full.url)
    line = done.err.partition("add to remotes: in promptsync.yaml: ")[2].splitlines()[0]
    path.write_text(f"include: ['*']\nremotes:\n  {line}\n")
    full.ok(*FLAGS, "--remote", "production")


def test_a_plain_init_takes_the_registry_and_status_says_how_to_choose_what_belongs_here(full: World) -> None:
    for options, said in (
        (["--include", "accounts/*"], "include: matches none of the 43 registry prompts"),
        ([], "set include: in promptsync.yaml if some of them belong to another repository"),
    ):
        full.forget()
        full.ok("init", "--remote", full.url, *options)
        assert full.seen == []
        config = load(full.root / "promptsync.yaml")
        assert config.remotes[config.default_remote].url == full.url
        assert said in full.ok("status").out
        (full.root / "promptsync.yaml").unlink()
