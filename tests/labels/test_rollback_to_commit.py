"""A whole release is rolled back to what a commit said, and forward again."""

from __future__ import annotations

import shlex
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from deploying import served
from interrupting import ended, held, press, until
from worlds import World, asking, failing, fault, is_move, made, once, template

NAMES = ("bye", "hello", "tone")


@template
def released(world: World) -> None:
    """Two prompts use the snippet ``tone`` by its label; all three are released, and then again as v2."""
    world.write("tone", content="Be kind.")
    for name in ("hello", "bye"):
        world.write(name, f"One {name} @@@tone@label:prod@@@")
    world.commit("Say one")
    world.ok("deploy", "tone", "--label", "prod")
    world.ok("deploy", "--label", "prod")
    world.edit("tone", "kind", "brief")
    for name in ("hello", "bye"):
        world.edit(name, "One", "Two")
    world.commit("Say two")
    world.ok("push")
    world.ok("label", "move", "*", "prod")
    assert prod(world) == dict.fromkeys(NAMES, 2)


def prod(world: World, names: tuple[str, ...] = NAMES) -> dict[str, int | None]:
    return {name: world.label(name, "prod") for name in names}


LAST_OF_PLAN = asking("GET", "label=prod.previous")
"""Matches the last request of a plan."""


def to_commit(*more: str, to: str = "HEAD~1") -> tuple[str, ...]:
    return ("rollback", "--label", "prod", "--to", to, *more)


def on_hold(world: World) -> list[str]:
    """Deploy, and return what is on hold."""
    return sorted(
        held["name"] for held in world.run("deploy", "--label", "prod", "--json").document["on_hold"]
    )


# -- there and back -------------------------------------------------------------------------------------


def test_a_whole_release_is_rolled_back_and_forward_again(released: World) -> None:
    back = released.ok(*to_commit("--json")).document
    moves = {label["name"]: (label["from"], label["to"]) for label in back["labels"]}
    assert moves == dict.fromkeys(NAMES, (2, 1)) and back["skipped"] == []
    assert back["commit"] == released.git("rev-parse", "HEAD~1").strip()
    assert prod(released) == dict.fromkeys(NAMES, 1)
    assert served(released, "hello") == "One hello Be kind."
    # A deploy holds it until it comes back.
    # And the snippet that it renders.
    released.says(3, "2 prompts are on hold; first: 'hello'", "deploy", "hello", "--label", "prod")
    assert on_hold(released) == [*NAMES] and prod(released) == dict.fromkeys(NAMES, 1)
    assert "rolled back already" in released.exits(3, "rollback", "hello", "--label", "prod").err

    assert "prod moved on 3 prompts to" in released.ok(*to_commit(to="main")).out
    assert served(released, "hello") == "Two hello Be brief."
    assert on_hold(released) == [] and prod(released) == dict.fromkeys(NAMES, 2)
    assert released.ok(*to_commit(to="main")).out.startswith("no label moves, 3 prompts already at ")


def test_only_what_a_release_changed_moves_and_each_of_several_is_a_target(released: World) -> None:
    released.edit("hello", "Two", "Three", commit="Say three")
    released.ok("deploy", "--label", "prod")
    done = released.ok(*to_commit())
    assert done.lines[0] == ["moved", "hello", "prod", "v3", "->", "v2", "lower"]
    assert "bye" not in done.out and done.out.endswith("2 unchanged\n")
    assert prod(released) == {"bye": 2, "hello": 2, "tone": 2}
    for ref, expected in (("HEAD~2", 1), ("HEAD", 3), ("HEAD~1", 2), ("HEAD", 3), ("HEAD~2", 1)):
        released.ok(*to_commit(to=ref))
        assert released.label("hello", "prod") == expected
    # Going forward only a part of the way leaves the rest on hold. Labels know only of the newest release.
    done = released.run(*to_commit("--json"))
    assert done.document["skipped"][0]["reason"] == "v2 matches HEAD~1, but is not known to have been live"
    released.ok("label", "move", "hello@2", "prod")
    assert on_hold(released) == ["hello"] and prod(released) == dict.fromkeys(NAMES, 2)


def test_what_was_pushed_from_a_dirty_tree_or_in_the_dashboard_does_not_mislead(released: World) -> None:
    released.publish("hello", "Theirs")
    released.write("hello", "One hello @@@tone@label:prod@@@", synced="3")
    released.call("POST", "/rest/prompt-templates", {})  # somebody's failed request
    assert released.run(*to_commit()).code == 0
    assert prod(released) == dict.fromkeys(NAMES, 1)


def test_only_a_commit_with_the_content_counts_also_below_a_revert(released: World) -> None:
    for text in ("Two! hello", "Three hello"):
        released.write("hello", text, commit=f"Say {text}")
    released.ok("deploy", "--label", "prod")  # what the commit before said was never published
    released.write("hello", "Bad hello", commit="Say bad")
    released.write("hello", "Three hello", commit="Revert")
    path = released.path("hello")
    path.write_text(f"# A comment\n{path.read_text('utf-8')}", "utf-8")
    released.commit("Comment")
    released.write("hello", "Four hello", commit="Say four")
    released.ok("deploy", "--label", "prod")
    released.exits(3, *to_commit("hello", to="HEAD~5"))
    released.ok(*to_commit("hello"))
    assert (released.label("hello", "prod"), released.version("hello")) == (3, 4)


# -- what stays -----------------------------------------------------------------------------------------


def test_a_prompt_whose_version_is_unknown_stops_the_rollback_of_all(released: World) -> None:
    """A file that cannot be read counts as the one of the commit before, and of two files none counts."""
    released.write("new", "New")
    released.write("late", "Late")
    released.path("hello").write_text("messages: {", "utf-8")
    twin = released.root / "prompts/twin.yaml"
    twin.write_text("name: bye\nmessages:\n- {role: user, content: Other}\n")
    released.commit("Break hello, add two and a twin")
    broken = released.git("rev-parse", "HEAD").strip()
    twin.unlink()
    for name, text in (("hello", "Three"), ("late", "Later"), ("bye", "Three"), ("newer", "Newer")):
        released.write(name, text)
    released.commit("Say three")
    released.ok("deploy", "--label", "prod")
    before = prod(released, names := ("bye", "hello", "late", "new", "newer", "tone"))
    released.forget()
    refused = released.exits(3, *to_commit("--json", to=broken))
    assert released.writes == [] and prod(released, names) == before
    skipped = {one["name"]: one["reason"] for one in refused.document["skipped"]}
    unknown, missing = "no version was published from its content in", "has no such prompt in prompts/"
    unpublished = dict.fromkeys(("bye", "late"), f"{unknown} {broken}")
    assert skipped == {**unpublished, "newer": f"{broken} {missing}"}
    error = refused.document["error"]
    assert error["message"].startswith(f"'prod' of 'bye' stays at v3: {skipped['bye']} (and 1 more)")
    named, others = error["hint"].splitlines()
    assert named == "promptsync rollback bye --label prod --to N"
    assert others == f"promptsync rollback hello new tone --label prod --to {broken}"
    released.ok(*others.split()[1:])
    assert prod(released, names) == {**before, "hello": 2}


def test_a_live_version_with_the_content_of_the_commit_is_in_place_whoever_made_it(released: World) -> None:
    released.ok("rollback", "hello@1", "--label", "prod")
    released.publish("hello", "Two hello @@@tone@label:prod@@@", release_labels=["prod"])
    released.edit("bye", "Two", "Three")
    released.write("hello", "Three", commit="Say three")
    shutil.rmtree(released.root / ".promptsync")
    released.faults.append(fault(asking("GET", "version=2"), failing(404)))
    document = released.ok(*to_commit("hello", "--json")).document
    assert document["skipped"] == []
    assert [(label["from"], label["to"]) for label in document["labels"]] == [(3, 3)]


def test_a_rollback_that_can_move_nothing_is_refused(released: World) -> None:
    released.write("new", "New", commit="Add new")
    released.ok("deploy", "--label", "prod")
    released.forget()
    released.says(3, "hint: promptsync log new", *to_commit())
    assert released.writes == []


def test_prompts_without_the_label_or_a_file_and_those_of_others_are_not_meant(released: World) -> None:
    released.publish("unlabelled", "One")
    released.publish("theirs", "One", release_labels=["prod"])
    document = released.ok(*to_commit("--json", to="HEAD")).document
    assert [(skipped["name"], skipped["version"]) for skipped in document["skipped"]] == [("theirs", 1)]
    released.configure("include: [hello, bye, tone, unlabelled]")
    document = released.run(*to_commit("--json")).document
    assert [label["name"] for label in document["labels"]] == [*NAMES] and document["skipped"] == []


def test_a_rollback_releases_nothing_that_was_never_live(released: World) -> None:
    for name in ("hello", "bye"):
        released.edit(name, "Two", "Three")
    released.commit("Say three")
    released.ok("push")  # as a deploy whose checks failed
    released.forget()
    for names in ((), ("hello",)):
        document = released.exits(3, *to_commit(*names, "--json", to="HEAD")).document
        reason = "v3 matches HEAD, but is not known to have been live"
        assert document["skipped"][-1] == {"name": "hello", "label": "prod", "version": 2, "reason": reason}
        assert document["error"]["hint"] == "promptsync deploy --label prod"
    assert released.writes == []
    released.ok(*to_commit(to="HEAD~2"))
    forward = released.ok(*to_commit("--json", to="HEAD")).document
    assert [skipped["name"] for skipped in forward["skipped"]] == ["bye", "hello"]
    assert prod(released) == {"bye": 1, "hello": 1, "tone": 2}
    # Neither is a draft below what was rolled back.
    released.write("hello", "Good", commit="Say good")
    released.ok("push")
    released.ok("deploy", "--label", "prod")
    released.ok("rollback", "hello@1", "--label", "prod")
    done = released.exits(3, *to_commit("hello"))
    assert "v3 matches HEAD~1, but is not known to have been live; no label was changed" in done.err
    assert "hint: promptsync label move hello@3 prod\n" in done.err
    assert released.label("hello", "prod") == 1


# -- all or none ----------------------------------------------------------------------------------------


def test_two_equal_rollbacks_at_once_do_not_undo_each_other(released: World) -> None:
    others: list[int] = []
    overtaken = once(LAST_OF_PLAN, lambda: others.append(released.apart(*to_commit()).code), after=True)
    released.faults.append(overtaken)
    done = released.run(*to_commit("--json"))
    assert (done.code, others) == (0, [0]), str(done)
    assert prod(released) == dict.fromkeys(NAMES, 1)
    assert {name: released.label(name, "prod.released") for name in NAMES} == dict.fromkeys(NAMES, 2)


def test_ctrl_c_twice_says_what_is_unknown_and_the_command_that_ends_the_work(released: World) -> None:
    for name in NAMES:
        released.point(name, staging=1)
    command = ("promote", "prod", "staging")
    with held(released, is_move), released.started(*command, "--json") as process:
        until(process, lambda: sum(map(is_move, released.seen)) == len(NAMES))
        press(process)
        process.send_signal(signal.SIGINT)
        document = ended(process)
    reasons = {label["reason"] for label in document["labels"]}
    assert reasons == {"interrupted: it may or may not have moved"}
    error = document["error"]
    assert error["message"] == "interrupted: 3 unknown"
    released.faults.clear()
    released.ok(*shlex.split(error["hint"].splitlines()[0])[1:])
    assert {released.label(name, "staging") for name in NAMES} == {2}


def test_a_dry_run_shows_the_plan_and_writes_nothing(released: World, tmp_path: Path) -> None:
    released.write("new", "New")
    released.ok("push", "new", "--label", "prod")
    released.forget()
    done = released.ok(*to_commit("-n"))
    assert released.writes == []
    # The last request identifies the workspace. Their number does not grow with the release.
    assert len(released.seen) <= 7, [seen.target for seen in released.seen]
    assert "(Say one), 1 skipped\n" in done.out and "HEAD~1 has no such prompt" in done.out
    fingerprint = released.run(*to_commit("-n", "--json")).document["fingerprint"]
    assert fingerprint in done.out
    released.exits(3, *to_commit("h*", "--expect", fingerprint))
    # The plan of another workspace is another one.
    command = ("rollback", "hello@1", "--label", "prod")
    with made(tmp_path / "other") as other:
        for version in (1, 2):
            other.publish("hello", f"Text {version}")
        other.ok("label", "set", "hello", "prod")
        theirs = other.run(*command, "-n", "--json").document["fingerprint"]
    assert "not the plan that was reviewed" in released.exits(3, *command, "--expect", theirs).err
    assert prod(released) == dict.fromkeys(NAMES, 2)
    released.ok(*to_commit("--expect", fingerprint))
    assert prod(released) == dict.fromkeys(NAMES, 1)


# -- what --to means ------------------------------------------------------------------------------------

USAGE: list[tuple[tuple[str, ...], str, str]] = [
    ((), "name the prompts", "promptsync rollback --label prod --to HEAD~1"),
    (("--to", "1"), "--to 1 is a version", "promptsync rollback NAME --label prod --to 1"),
    (("--to", "0"), "not the number of a version", ""),
    (("--to", "nowhere"), "this clone has no commit nowhere", "git fetch origin nowhere"),
    (("--to", "0" * 40), "before the first commit", "--to N"),
    (("--to", ""), "is not a commit", "HEAD~1"),
    (("--to", "v1"), "is a version", "tags/v1"),
    (("hello@1", "--to", "HEAD~1"), "hello is specified at v1", "--label prod --to 'HEAD~1'"),
    (("hello@1", "--to", "2"), "at v1 and by an option at v2", "remove one of the two"),
    *((("--label", "prd", "--to", "HEAD~1", *names), "label 'prd'", "") for names in ((), ("hello",))),
]


def test_a_usage_error_names_the_way_out(released: World) -> None:
    for arguments, message, hint in USAGE:
        error = released.exits(2, "rollback", "--label", "prod", *arguments, "--json").document["error"]
        assert message in error["message"] and hint in error["hint"]
    assert released.writes == []


def test_a_clone_that_lacks_the_commits_of_versions_says_so(released: World, tmp_path: Path) -> None:
    released.ok(*to_commit())
    for message in ("One", "Two"):
        released.git("commit", "-q", "--allow-empty", "-m", message)
    for depth, why in (("1", "HEAD~1"), ("2", "to find out which version was published from HEAD~1")):
        clone = tmp_path / depth
        released.git("clone", "-q", "--depth", depth, f"file://{released.root}", str(clone))
        error = replace(released, root=clone).run(*to_commit("--json")).document["error"]
        assert why in error["message"] and "git fetch --unshallow" in error["hint"]


@pytest.mark.parametrize(("git", "message"), [(False, "not in a git repository"), (True, "no commit yet")])
def test_without_a_commit_there_is_none_to_go_to(tmp_path: Path, git: bool, message: str) -> None:
    with made(tmp_path, git=git) as world:
        world.publish("hello", release_labels=["prod"])
        world.publish("hello", "Two")
        error = world.exits(2, *to_commit("--json")).document["error"]
        assert message in error["message"] and (git or "--to N" in error["hint"])
