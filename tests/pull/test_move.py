"""Files that move, with and without ``name:``, and ``promptsync mv``."""

from __future__ import annotations

import pytest
from worlds import World

OLD, NEW = "support/refund", "support/return"
TEXT = "".join(
    f"Rule {number} says that {name} counts.\n" for number, name in enumerate(("tone", "length", "order"))
)


def nameless(world: World, name: str = OLD) -> None:
    """Take ``name:`` out of a file, so that its path names the prompt."""
    path = world.path(name)
    path.write_text(path.read_text("utf-8").replace(f"name: {name}\n", ""), "utf-8")


@pytest.fixture
def live(world: World) -> World:
    """``support/refund``, whose file has no ``name:``, is live under ``prod``."""
    world.write(OLD, TEXT)
    nameless(world)
    world.commit("Say hello")
    world.ok("push", "--label", "prod")
    return world


@pytest.fixture
def moved(live: World) -> World:
    live.git("mv", f"prompts/{OLD}.yaml", f"prompts/{NEW}.yaml")
    live.forget()
    return live


LOST = f"prompts/{NEW}.yaml has no name:, and '{OLD}' lost its file"
HINTS = [f"write name: {OLD} into prompts/{NEW}.yaml to keep the prompt", f"promptsync push {NEW}"]
EDITED = "messages:\n- role: user\n  content: Something else\n"


@pytest.mark.parametrize("committed", ["nothing", "the deletion", "all"])
def test_a_moved_file_without_a_name_makes_no_new_prompt(moved: World, committed: str) -> None:
    moved.path(NEW).write_text(EDITED, "utf-8")
    if committed == "all":
        moved.commit("Move it")
    elif committed == "the deletion":
        moved.git("reset", "-q", "--", "prompts")
        moved.git("commit", "-qam", "Move it")
    assert moved.states() == {OLD: "deleted-locally", NEW: "new"}
    shown = " ".join(moved.ok("status").out.split())
    assert f"{LOST}: {', or '.join(HINTS)}" in shown
    assert (shown.count("promptsync push"), shown.count("promptsync pull")) == (1, 0)
    deploy = ("deploy", "--label", "prod", "--allow-dirty")
    for verb in (("push",), ("push", "--prune", "--partial", "-y"), ("push", "support/*"), ("pull",), deploy):
        error = moved.exits(3, *verb, "--json").document["error"]
        assert error["code"] == "moved" and error["message"].startswith(LOST)
        assert error["hint"].splitlines() == HINTS
    assert (moved.writes, moved.path(OLD).exists()) == ([], False)
    moved.write("other")
    moved.ok("push", "other")
    moved.edit(NEW, "messages:", f"name: {OLD}\nmessages:")
    moved.commit("Keep the name")
    assert moved.states()[OLD] == "ahead"
    moved.ok(*deploy)
    assert (moved.label(OLD, "prod"), moved.version(NEW)) == (2, 0)


@pytest.mark.parametrize("verb", [f"push {NEW}", f"deploy {NEW} --label prod", f"pull {OLD}", ""])
def test_a_moved_file_is_a_new_prompt_if_it_is_named(moved: World, verb: str) -> None:
    moved.commit("Move it")
    if not verb:
        moved.edit(NEW, "messages:", f"name: {NEW}\nmessages:")
    else:
        moved.ok(*verb.split())
    moved.ok("push")
    assert (moved.version(NEW), moved.version(OLD), moved.label(OLD, "prod")) == (1, 1, 1)
    assert moved.ok("push").out.count("lost its file") == 0


def test_without_git_the_record_knows_which_prompts_had_a_file(live: World) -> None:
    (live.root / ".git").rename(live.root / "no-git")
    live.path(OLD).rename(live.path(NEW))
    assert (live.run("push").code, live.version(NEW)) == (3, 0)
    live.ok("push", NEW)
    assert live.version(NEW) == 1


def test_mv_cannot_rename_in_the_registry_and_keeps_versions_and_labels_after_a_rename_there(
    live: World,
) -> None:
    before = live.files()
    error = live.exits(4, "mv", OLD, NEW, "--json").document["error"]
    assert error["code"] == "unsupported" and "cannot rename the prompt" in error["message"]
    assert f"then promptsync mv {OLD} {NEW}\n" in error["hint"] and live.files() == before
    live.rename(OLD, NEW)
    assert live.states()[OLD] == "renamed-remotely"
    live.ok("mv", OLD, NEW)
    live.commit("Rename it")
    assert (live.states(), live.label(NEW, "prod")) == ({NEW: "in-sync"}, 1)


def test_no_pull_makes_a_second_file_of_a_prompt_renamed_in_the_dashboard(live: World) -> None:
    live.edit(OLD, "counts", "matters")
    live.rename(OLD, NEW)
    before = live.files()
    assert live.states() == {OLD: "renamed-remotely"}
    for arguments, code in (
        *(("--partial", 3), (NEW, 2), (f"{NEW} --theirs", 2), ("support/*", 3), ("--merge", 3)),
        *((f"{OLD} --theirs", 3), (f"{OLD} --ours", 2)),
    ):
        done = live.exits(code, "pull", *arguments.split())
        assert f"hint: promptsync mv {OLD} {NEW}" in done.err or "--ours" in arguments
        assert live.files() == before
    live.forget()
    assert (live.run("push").code, live.writes) == (3, [])
    live.ok("mv", OLD, NEW)
    # Git does not show under the new name which version an edited file was made from, so a person decides.
    assert live.states() == {NEW: "diverged"}


def test_mv_of_a_prompt_in_the_embedded_registry_names_no_dashboard(local: World) -> None:
    local.write(OLD)
    local.ok("push")
    assert local.run("mv", OLD, NEW).err.splitlines()[1:] == [f"hint: promptsync new {NEW} --from {OLD}"]


def test_mv_of_a_prompt_that_was_never_published_and_of_one_in_a_file_of_its_own(live: World) -> None:
    live.write("draft")
    out = live.ok("mv", "draft", "sketch").out
    assert "  moved  sketch  prompts/draft.yaml -> prompts/sketch.yaml" in out
    assert live.states() == {OLD: "in-sync", "sketch": "new"}
    live.path("sketch").rename(live.root / "prompts/mine.yaml")
    live.ok("mv", "sketch", "draft")
    assert (live.root / "prompts/mine.yaml").read_text("utf-8").startswith("name: draft\n")
    # An unrelated prompt that has the name is no renamed one.
    live.publish("other", TEXT)
    live.ok("mv", "draft", "other")
    assert "synced:" not in (live.root / "prompts/mine.yaml").read_text("utf-8")


def test_what_mv_refuses(live: World) -> None:
    live.write("other")
    before = live.files()
    for code, arguments in (
        (2, OLD),
        (2, f"prompts/{OLD}.yaml {NEW}"),
        (2, f"nobody {NEW}"),
        (3, f"{OLD} other"),
    ):
        assert live.run("mv", *arguments.split()).code == code, arguments
        assert live.files() == before
