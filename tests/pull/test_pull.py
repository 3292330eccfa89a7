"""What a pull writes into files, what it leaves, and what it refuses."""

from __future__ import annotations

import signal
from itertools import count
from pathlib import Path

import pytest
from registry_server import chat
from worlds import PUBLISH, SYNCED, Run, World, failing, fault, publishing, template

from promptsync.compare.gather import gather
from promptsync.errors import Refused
from promptsync.project import plan as project_plan
from promptsync.pull.plan import apply_pull, plan_pull
from promptsync.pull.write import PullOptions

COMMENTED = """\
# The greeting of the shop.
name: a

messages:
  # The only message.
  - role: user
    content: 'Hello {name}'   # quoted by hand
metadata: {owner: shop}
examples:
  - {name: Ann}
"""


@template
def three(world: World) -> None:
    """``a``, ``b`` and ``c`` in sync; ``a`` has comments."""
    for name in "bc":
        world.write(name)
    world.path("a").write_text(COMMENTED, "utf-8")
    world.commit("Say hello")
    world.ok("push")


def test_what_is_behind_is_written_and_comments_and_layout_stay(three: World) -> None:
    three.publish("a", "Good day {name}", metadata={"owner": "shop"})
    found = three.ok("pull", "--json").document
    assert found["written"] == [{"name": "a", "path": "prompts/a.yaml", "version": 2}]
    expected = COMMENTED.replace("'Hello {name}'", "'Good day {name}'")
    text = three.path("a").read_text("utf-8")
    assert SYNCED.sub("", text).replace('"', "'").rstrip() == expected.rstrip()
    assert set(three.states().values()) == {"in-sync"}
    assert three.ok("pull").out == "nothing to pull\n"


def test_partial_writes_the_rest_of_what_a_file_cannot_hold_with_its_comments(three: World) -> None:
    three.edit("a", "{owner: shop}", "{owner: &o {team: shop}, backup: *o}")
    three.commit("Name a team")
    three.ok("push")
    three.publish("a", "Hello {name}", metadata={"owner": {"team": "web"}, "backup": {"team": "shop"}})
    three.publish("b")
    before = three.files()
    three.says(3, "error: prompts/a.yaml cannot be edited without losing its comments\n", "pull")
    assert three.files() == before
    done = three.exits(3, "pull", "--partial", "--json").document
    assert [one["name"] for one in done["written"]] == ["b"]
    assert (done["error"]["code"], done["left"][0]["name"]) == ("unwritable", "a")
    assert three.files()["prompts/a.yaml"] == before["prompts/a.yaml"]


def test_a_side_is_taken_for_all_prompts_that_are_named(three: World) -> None:
    for name in "abc":
        three.edit(name, "Hello", "Ours")
        three.publish(name, "Theirs {name}")
    before = three.files()
    shown = three.ok("pull", "prompts/a.yaml", "b", "--theirs", "--dry-run").out.splitlines()
    assert shown[:2] == ["DRY RUN: nothing was written", "2 files to write"] and three.files() == before
    assert three.ok("pull", "a", "--theirs", "b").out.count("took theirs") == 2
    for name in "ab":
        (kept,) = (three.root / ".promptsync/backup").rglob(f"{name}.yaml")
        assert kept.read_bytes() == before[f"prompts/{name}.yaml"]
        assert "Theirs {name}" in three.path(name).read_text("utf-8")
    assert three.states() == {"a": "in-sync", "b": "in-sync", "c": "diverged"}
    assert "kept yours" in three.ok("pull", "--ours", "c").out
    assert three.ok("pull", "c", "--ours").out.endswith("nothing to pull\n")
    three.ok("push")
    assert (three.text("c"), three.version("c")) == ("Ours {name}", 3)


WRONG = """
    --theirs; --ours; --no-passed-over; --label prod --theirs; --merge --theirs; * --theirs; ? --ours
    b * --no-passed-over; prompts/ --ours; b --theirs --ours; --ours gone; --ours only-remote
    --version 1; --label prod --version 1 b; --label prod --ours b; --label prod --prune; --label nowhere
    --version 9 b; --version 1 new-here; --output out --theirs b; --output out --prune
    --output out --label nowhere; --output out gone; --output prompts; --output prompts/sub
    b@9; b:nowhere; b@1 c:prod
"""


def test_wrong_usage_is_reported_and_writes_nothing(three: World) -> None:
    three.write("new-here")
    three.publish("only-remote")
    three.publish("b", "Theirs {name}")
    before = three.files()
    for line in WRONG.strip().replace("\n", ";").split(";"):
        inside = [
            str(three.root / word) if word == "out" or "prompts" in word else word for word in line.split()
        ]
        done = three.exits(2, "pull", *inside)
        assert "hint:" in done.err or "exclude" in done.err or "take" in done.err
        assert (three.files() == before, (three.root / "out").exists()) == (True, False)


def test_a_file_that_changed_or_appeared_meanwhile_is_refused_before_any_write(three: World) -> None:
    three.publish("a", "Theirs {name}")
    three.publish("b", "Theirs {name}")
    three.publish("new", "Theirs {name}")
    with three.project() as project:
        plan = plan_pull(project, gather(project), PullOptions())
        three.write("new", "Ours {name}")
        with pytest.raises(Refused):
            apply_pull(project, plan)
        three.path("new").unlink()
        three.edit("b", "Hello", "Ours")
        before = three.files()
        with pytest.raises(Refused, match=r"b\.yaml changed since it was read"):
            apply_pull(project, plan)
    assert three.files() == before


# -- deletions ------------------------------------------------------------------------------------------


def test_an_archived_prompts_file_is_deleted_only_when_told(three: World) -> None:
    three.archive("a")
    assert "pull --prune deletes the file" in three.ok("pull").out
    three.exits(2, "pull", "--prune", CI="")
    found = three.ok("pull", "--prune", "-n", "--json").document
    assert found["deleted"] == [{"name": "a", "path": "prompts/a.yaml"}] and three.path("a").exists()
    assert three.ok("pull", "--prune", "-y").out.endswith("1 file deleted\n")
    assert three.states() == {"b": "in-sync", "c": "in-sync"}


def test_a_text_that_is_not_published_is_deleted_only_by_name_and_once_it_is_committed(three: World) -> None:
    three.path("c").write_text(three.path("c").read_text() + "# why we have it\n")
    commented = three.path("c").read_text()
    for name in "bc":
        three.archive(name)
    three.edit("b", "Hello", "Ours")
    done = three.ok("pull", "--prune", "-y", "--json").document
    assert [one["name"] for one in done["deleted"]] == ["c"]
    assert Path(done["backups"]["c"]).read_text() == commented
    before, kept = three.files(), "its file is kept because no commit has its content"
    for options in (["--prune"], ["b", "--theirs"], []):
        assert f"{kept}; promptsync push b --restore publishes it" in three.ok("pull", *options, "-y").out
    done = three.says(3, f"'b' is archived in the registry; {kept}", "pull", "b", "--prune", "-y")
    assert done.err.splitlines()[1:] == [
        "hint: promptsync push b --restore",
        "hint: promptsync pull b --prune --theirs",
    ]
    assert three.files() == before
    done = three.ok("pull", "b", "--prune", "--theirs", "-y", "--json").document
    assert "Ours" in Path(done["backups"]["b"]).read_text()
    three.put("prompts/b.yaml", before["prompts/b.yaml"])
    three.commit("Edit b")
    done = three.ok("pull", "--prune", "-y")
    assert "it differs from the archived version; promptsync push b --restore publishes it" in done.out
    three.exits(2, "pull", "--prune", "--theirs", "-y")
    assert three.path("b").exists()


# -- putting versions there -----------------------------------------------------------------------------


def test_a_version_is_not_put_over_text_that_is_nowhere_else(three: World) -> None:
    three.publish("b", "Theirs {name}")
    three.ok("pull")
    three.commit("Pull")
    three.edit("b", "Theirs", "Ours")
    before = three.files()
    done = three.run("pull", "b", "--version", "1")
    assert done.code == 3
    assert "hint: promptsync pull b --version 1 --theirs\n" in done.err
    assert three.files() == before
    done = three.ok("pull", "b", "--version", "1", "--theirs")
    assert "is backed up in" in done.out
    assert "Hello" in three.path("b").read_text("utf-8")


@pytest.mark.parametrize("options", ["b --version 2", "--label prod"])
@pytest.mark.parametrize("way", ["commit", "restore"])
def test_an_older_version_is_not_put_over_a_pull_that_is_not_committed(
    three: World, options: str, way: str
) -> None:
    three.publish("b", "Theirs {name}", release_labels=["prod"])
    three.publish("b", "Theirs again {name}")
    three.ok("pull")
    before, done = three.files(), three.run("pull", *options.split())
    assert done.code == 3 and three.files() == before
    path = "prompts/b.yaml"
    assert f"error: commit or restore {path} first" in done.err
    assert f"hint: git add {path} && git commit {path}\nhint: git restore {path}\n" in done.err
    three.commit("Pull") if way == "commit" else three.git("restore", path)
    three.ok("pull", *options.split())
    assert "Theirs {name}" in three.path("b").read_text("utf-8")
    if way == "commit":  # git has the later version, and the older one is there to look at
        three.ok("pull", "b@1")


def test_an_export_leaves_no_trace_in_the_working_copy(three: World, tmp_path: Path) -> None:
    three.ok("push", "b", "--label", "prod")
    three.publish("b", "Theirs {name}")
    target = tmp_path / "build" / "prompts"
    target.mkdir(parents=True)
    before, record = three.files(), (three.root / ".promptsync/record.json").read_bytes()
    done = three.ok("pull", "--label", "prod", "--output", str(target), "--dry-run")
    assert done.out.startswith("DRY RUN") and not any(target.iterdir())
    (target / "notes.txt").write_text("my notes\n")
    for more in ((), ("--dry-run",), ("b@1",)):
        three.says(3, f"{target} is not empty; nothing was written", "pull", "--output", str(target), *more)
    (target / "notes.txt").unlink()
    three.ok("pull", "--label", "prod", "--output", str(target))
    assert [path.name for path in target.iterdir()] == ["b.yaml"]
    assert "Hello" in (target / "b.yaml").read_text("utf-8")
    assert three.files() == before
    assert (three.root / ".promptsync/record.json").read_bytes() == record
    assert three.states()["b"] == "behind"


# -- stopped --------------------------------------------------------------------------------------------


def test_a_disk_that_refuses_leaves_old_files_whole_and_tells_what_was_written(three: World) -> None:
    for name in "abc":
        three.publish(name, "Theirs {name}" if name != "b" else "Theirs {name} " * 20_000)
    before = three.files()
    code = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from promptsync.cli import main
main(sys.argv[1:])
"""
    done = three.outside("-c", code, "-C", str(three.root), "pull", "--json")
    assert done.code == 5, str(done)
    written = [one["name"] for one in done.document["written"]]
    assert written in (["a"], ["a", "c"])  # c may be under way when b fails
    assert "b.yaml" in done.document["error"]["message"]
    changed = [path for path, data in three.files().items() if data != before[path]]
    assert changed == [f"prompts/{name}.yaml" for name in written]
    three.ok("pull")
    assert set(three.states().values()) == {"in-sync"}


def test_a_file_that_cannot_be_replaced_fails_whole_when_it_is_the_first(three: World) -> None:
    three.publish("new/prompt", "Theirs {name}")
    (three.root / "prompts/new").write_text("in the way")
    before = three.files()
    done = three.exits(2, "pull", "--json").document
    assert "could not write" in done["error"]["message"]
    assert (done["written"], three.files() == before) == ([], True)


@pytest.mark.parametrize("at", [0, 2])
def test_ctrl_c_between_files_tells_which_were_written(
    three: World, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    for name in "abc":
        three.publish(name, "Theirs {name}")
    written, numbers = list[str](), count()

    def interrupted(root: Path, path: str, text: str, *, within: str = "") -> None:
        real(root, path, text, within=within)
        written.append(path)
        if next(numbers) == at:
            signal.raise_signal(signal.SIGINT)

    real = project_plan.write
    monkeypatch.setattr(project_plan, "write", interrupted)
    done = three.exits(130, "pull", "--json")
    assert [one["path"] for one in done.document["written"]] == sorted(written)
    assert len(written) >= at + 1  # what was under way is finished
    monkeypatch.undo()
    three.ok("pull")
    assert set(three.states().values()) == {"in-sync"}


# -- names that lead astray -----------------------------------------------------------------------------

NAMES = [
    "../../x",
    "/abs",
    "CON",
    "a.yaml",
    "n" * 512,
    "12345",
    "con\x1b[31mtrol\x07",
    "new\nline",
    "right\u202eleft",
    ".hidden/..",
    "spaces  ",
    "emoji 🙂/日本",
    "-n",
    "#x~",
]


def check_escaped(done: Run) -> Run:
    text = done.out + done.err
    assert not [character for character in text if character in "\x1b\x07\u202e\r"]
    assert "\nline" not in text
    return done


def test_hostile_names_are_pulled_safely_and_are_in_sync(three: World, tmp_path: Path) -> None:
    bodies = {name: {"prompt_name": name, "prompt_template": chat("Hi {name}")} for name in NAMES}
    taken = [name for name in NAMES if three.call("POST", PUBLISH, bodies[name]).status == 201]
    assert len(taken) > 10
    check_escaped(three.ok("pull"))
    outside = [path for path in tmp_path.rglob("*.yaml") if "prompts" not in path.parts]
    assert {path.name for path in outside} <= {"promptsync.yaml", "registry.yaml"}
    check_escaped(three.run("status", "-v"))
    assert three.states() == dict.fromkeys(["a", "b", "c", *taken], "in-sync")
    assert three.ok("push").out == "nothing to push\n"
    for path in three.root.rglob("prompts/**/*.yaml"):
        path.write_text(path.read_text("utf-8").replace("Hi", "Changed"), "utf-8")
    for line in ("diff", "diff --stat", "push -n --json", "push --max-changes 100"):
        check_escaped(three.run(*line.split()))
    assert set(three.states().values()) == {"in-sync"}


def test_hostile_texts_and_messages_reach_no_terminal_unescaped(three: World) -> None:
    three.edit("b", "Hello", "Ours")
    three.publish(
        "b",
        "Theirs \x1b]0;pwned\x07 \u202e {name}",
        commit_message="\x1b[2J gone",
        metadata={"\x1b[31mkey": "\x1b[31mvalue"},
        tags=["\x1b[31mtag"],
    )
    for verb in ("status", "diff", "push", "pull"):
        check_escaped(three.run(verb))
    three.edit("c", "Hello", "Ours")
    three.faults.append(fault(publishing(), failing(422, "\x1b[31mno\x07\n  published  c  v2")))
    done = check_escaped(three.exits(5, "push", "c"))
    assert "\n  published" not in done.out + done.err


def test_a_file_that_is_gone_comes_back_with_what_no_registry_keeps(world: World) -> None:
    text = "# why we have it\nname: a\nevaluations: [good]\nmessages:\n- {role: user, content: 'Hi {name}'}\n"
    world.put("prompts/b.yaml", text)  # at the path of another name
    world.commit("Say hi")
    world.ok("push")
    world.path("b").unlink()
    assert "restored  a" in world.ok("pull").out
    assert world.path("b").read_text("utf-8") == text
    world.git("rm", "-q", "prompts/b.yaml")
    world.commit("Delete it")
    world.publish("b", "Somebody else's")
    world.ok("pull", "b")
    world.publish("a", "Ciao {name}")
    world.ok("pull", "--theirs", "a")
    found = world.path("a").read_text("utf-8")
    for kept in ("# why we have it", "evaluations: [good]", "Ciao {name}", "synced: 2-"):
        assert kept in found
    world.ok("status", "--exit-code")
