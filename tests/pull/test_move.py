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


def test_a_file_that_has_its_name_can_move_anywhere(world: World) -> None:
    world.write(OLD)
    world.commit()
    world.ok("push")
    world.git("mv", f"prompts/{OLD}.yaml", "prompts/elsewhere.yaml")
    assert world.states() == {OLD: "in-sync"}


def test_a_moved_file_without_a_name_makes_no_new_prompt(moved: World) -> None:
    for is_committed in (False, True):
        if is_committed:
            moved.commit("Move it")
        found = moved.run("status", "--json").document["prompts"]
        assert [(one["name"], one["state"], one["renamed_from"], one["renamed_to"]) for one in found] == [
            (OLD, "moved", None, NEW),
            (NEW, "moved", OLD, None),
        ]
        out = moved.ok("status").out
        assert "1 moved" in out and "promptsync mv --keep-name" in out and "promptsync push" not in out
        for verb in (("push",), ("push", "--prune", "-y"), ("pull",), ("push", NEW), ("pull", OLD)):
            done = moved.run(*verb, "--json")
            assert (done.code, done.document["error"]["code"]) == (3, "moved"), verb
            assert done.document["error"]["hint"].startswith("promptsync mv --keep-name")
    assert moved.run("deploy", "--label", "prod").code == 3
    assert (moved.writes, moved.path(OLD).exists()) == ([], False)
    moved.write("other")
    done = moved.run("push", "--partial", "--prune", "-y", "--json").document
    assert [one["name"] for one in done["published"]] == ["other"]
    assert moved.label(OLD, "prod") == 1


@pytest.mark.parametrize("committed", [False, True])
def test_a_moved_file_that_was_edited_can_still_keep_its_name(moved: World, committed: bool) -> None:
    path = moved.root / f"prompts/{NEW}.yaml"
    path.write_text("messages:\n- role: user\n  content: Something else\n", "utf-8")
    if committed:
        moved.commit("Move and edit it")
    assert moved.states() == {OLD: "deleted-locally", NEW: "new"}
    command = ("mv", "--keep-name", OLD, NEW)
    for verb in (("status",), ("push", "-n")):
        assert f"promptsync {' '.join(command)}" in " ".join(moved.ok(*verb).out.split())
    moved.ok(*command)
    assert f"name: {OLD}" in path.read_text("utf-8")
    assert moved.states() == {OLD: "ahead"}


def test_a_dashboard_edit_of_a_moved_prompt_is_pulled_into_the_moved_file(moved: World) -> None:
    moved.commit("Move it")
    moved.publish(OLD, "Theirs {name}")
    assert set(moved.states().values()) == {"moved"}
    moved.ok("mv", "--keep-name")
    assert moved.states() == {OLD: "behind"}
    moved.ok("pull")
    assert "Theirs" in moved.path(NEW).read_text("utf-8")
    moved.edit(NEW, "Theirs", "Ours")
    assert moved.states() == {OLD: "ahead"}
    moved.commit("Take theirs as ours")
    moved.ok("push")
    assert (moved.version(OLD), moved.version(NEW), moved.label(OLD, "prod")) == (3, 0, 1)


def test_with_a_name_of_its_own_it_is_a_new_prompt(moved: World) -> None:
    path = moved.path(NEW)
    path.write_text(f"name: {NEW}\n{path.read_text('utf-8')}", "utf-8")
    assert moved.states() == {OLD: "deleted-locally", NEW: "new"}
    moved.ok("push")
    assert moved.version(NEW) == 1


def test_mv_cannot_rename_in_the_registry_and_changes_nothing(live: World) -> None:
    before = live.files()
    done = live.run("mv", OLD, NEW, "--json")
    assert (done.code, done.document["error"]["code"]) == (4, "unsupported")
    assert "cannot rename the prompt" in done.document["error"]["message"]
    assert done.document["error"]["hint"].startswith(f"promptsync mv --keep-name {OLD} {NEW}")
    assert live.files() == before


def test_mv_keeps_the_name_in_the_moved_file(live: World) -> None:
    shown = live.ok("mv", "--keep-name", OLD, NEW, "-n").out
    assert NEW in shown and "fingerprint" not in shown  # mv has no --expect
    assert live.path(OLD).exists()
    out = live.ok("mv", "--keep-name", OLD, NEW).out
    assert f"  moved  {OLD}  prompts/{OLD}.yaml -> prompts/{NEW}.yaml" in out
    assert not live.path(OLD).exists()
    assert live.states() == {OLD: "in-sync"}


def test_mv_after_a_rename_in_the_dashboard_keeps_versions_and_labels(live: World) -> None:
    live.rename(OLD, NEW)
    assert live.states()[OLD] == "renamed-remotely"
    assert live.run("push").code == 3
    live.ok("mv", OLD, NEW)
    live.commit("Rename it")
    assert live.states() == {NEW: "in-sync"}
    assert live.label(NEW, "prod") == 1


def test_no_pull_makes_a_second_file_of_a_prompt_renamed_in_the_dashboard(live: World) -> None:
    live.edit(OLD, "counts", "matters")
    live.rename(OLD, NEW)
    before = live.files()
    assert live.states() == {OLD: "renamed-remotely"}
    for arguments, code in ((("--partial",), 3), ((NEW,), 2), ((NEW, "--theirs"), 2), (("support/*",), 3)):
        done = live.run("pull", *arguments)
        assert done.code == code, str(done)
        assert f"hint: promptsync mv {OLD} {NEW}" in done.err
        assert live.files() == before
    live.ok("mv", OLD, NEW)
    # Git does not show under the new name which version an edited file was made from, so a person decides.
    assert live.states() == {NEW: "diverged"}


@pytest.mark.parametrize("with_name", [False, True])
def test_an_edit_before_a_rename_in_the_dashboard_asks(live: World, with_name: bool) -> None:
    """Git does not show under the new name which version an edited file was made from."""
    if with_name:
        live.edit(OLD, "messages:", f"name: {OLD}\nmessages:")
    live.edit(OLD, "that tone counts", "that manners count")
    live.commit("Be shorter")
    live.rename(OLD, NEW)
    live.ok("mv", OLD, NEW)
    live.commit("Rename it")
    live.forget()
    assert live.states() == {NEW: "diverged"}
    live.ok("pull", NEW, "--ours")
    live.ok("push")
    assert "that manners count" in live.text(NEW)
    assert live.text(NEW, 1) == TEXT


def test_after_git_mv_and_a_rename_in_the_dashboard_nothing_is_left_to_move(moved: World) -> None:
    moved.commit("Move it")
    assert f"then promptsync mv {OLD} {NEW}" in moved.run("mv", OLD, NEW, "--json").document["error"]["hint"]
    moved.rename(OLD, NEW)
    assert moved.states() == {NEW: "in-sync"}
    moved.edit(NEW, "that length counts", "that brevity counts")
    moved.commit("Be shorter")
    assert moved.states() == {NEW: "ahead"}


def test_mv_does_not_take_an_unrelated_prompt_for_a_renamed_one(live: World) -> None:
    live.publish("other", TEXT)
    live.write("draft", TEXT)
    live.commit("Add a draft")
    live.ok("mv", "draft", "other")
    assert "synced:" not in live.path("other").read_text("utf-8")
    assert live.run("mv", "nobody", OLD).code == 2


def test_mv_of_a_prompt_that_was_never_published_and_of_one_in_a_file_of_its_own(live: World) -> None:
    live.write("draft")
    live.ok("mv", "draft", "sketch")
    assert live.states() == {OLD: "in-sync", "sketch": "new"}
    live.path("sketch").rename(live.root / "prompts/mine.yaml")
    live.ok("mv", "sketch", "draft")
    assert (live.root / "prompts/mine.yaml").read_text("utf-8").startswith("name: draft\n")


def test_what_mv_refuses(live: World) -> None:
    live.write("other")
    before = live.files()
    for code, arguments in (
        (2, OLD),
        (2, ""),
        (2, f"{OLD} {NEW} more"),
        (2, f"prompts/{OLD}.yaml {NEW}"),
        (2, f"nobody {NEW}"),
        (3, f"{OLD} other"),
        (3, f"--keep-name {OLD} other"),
    ):
        assert live.run("mv", *arguments.split()).code == code, arguments
        assert live.files() == before
