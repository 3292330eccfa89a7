"""``promptsync status``: every state, with and without the registry."""

from __future__ import annotations

import re
import shutil

import pytest
from stories import drop_private_files
from thanks import MODEL, SCRIPTED, add_polite, thanks
from worlds import World, asking, failing, fault, own_world, template

world = own_world(fixtures=SCRIPTED)(lambda world: None)


@template
def states(world: World) -> None:
    """One prompt in each state; each is named after its own."""
    names = ["ahead", "behind", "diverged", "in-sync", "deleted-locally", "deleted-remotely", "old-name"]
    for name in names:
        world.write(name)
    world.commit("Say hello")
    world.ok("push", "--label", "prod")
    world.edit("ahead", "Hello", "Ours")
    world.publish("behind")
    world.edit("diverged", "Hello", "Ours")
    world.publish("diverged")
    world.path("deleted-locally").unlink()
    world.archive("deleted-remotely")
    world.rename("old-name", "new-name")
    world.write("new")
    world.publish("remote-only")
    world.path("broken").write_text("messages: [")


ALIKE = "ahead behind deleted-locally deleted-remotely diverged in-sync new remote-only"
EXPECTED = {name: name for name in ALIKE.split()} | {"broken": "invalid", "old-name": "renamed-remotely"}


def test_every_prompt_is_listed_with_who_changed_it(states: World) -> None:
    found = states.exits(1, "status", "--json")  # a file cannot be read
    prompts = {one["name"]: one for one in found.document["prompts"]}
    assert {name: prompts[name]["state"] for name in EXPECTED} == EXPECTED
    assert prompts["behind"]["version"] == 2
    assert prompts["in-sync"]["labels"] == {"prod": 1, "prod.released": 1}
    assert prompts["new"]["version"] is None
    out = states.run("status").out
    assert all(state in out for state in EXPECTED.values() if state != "in-sync")
    assert all(text in out for text in ("prompts/broken.yaml:2:1:", "v1 -> v2", "now new-name"))
    for advice in ("push", "pull", "push NAME --restore", "pull --prune", "lint"):
        assert re.search(rf"(  |or )promptsync {advice}(,|$)", out, re.M), advice
    assert states.run("status", "-q").out.count("\n") < out.count("\n")
    assert states.writes == []
    # Offline needs no key.
    states.forget()
    done = states.exits(1, "status", "--offline", "--json", PROMPTLAYER_API_KEY="")
    offline = {one["name"]: one["state"] for one in done.document["prompts"]}
    assert states.seen == []
    assert offline["in-sync"] == offline["behind"] == "in-sync"
    assert offline["ahead"] == offline["diverged"] == "ahead"
    assert [offline[name] for name in ("new", "broken")] == ["new", "invalid"]
    assert "offline: as of the last push or pull\n" in states.run("status", "--offline").out
    # What is yet to be pushed is no drift, but a file that cannot be read is.
    states.exits(1, "status", "in-sync", "--drift")
    states.path("broken").unlink()
    drift = {"behind", "diverged", "deleted-remotely", "old-name", "remote-only"}
    for name in EXPECTED.keys() - {"broken"}:
        states.exits(int(name in drift), "status", name, "--drift")
    states.says(2, "--offline and --drift cannot be combined", "status", "--drift", "--offline")
    states.configure("include: [ahead, new]")
    states.ok("status", "--drift")


def test_differences_are_no_failure_unless_asked(world: World) -> None:
    assert "no prompts yet" in world.ok("status").out
    assert world.ok("status", "--json").document["prompts"] == []
    world.write("a")
    world.ok("status")
    world.exits(1, "status", "--exit-code")
    world.ok("push")
    assert "1 prompt, all in sync" in world.ok("status", "--exit-code").out
    for number in range(25):
        world.publish(f"theirs{number}")
    done = world.ok("status")
    assert "25 prompts exist only in the registry" in done.out and "theirs7" not in done.out
    assert "theirs7" in world.ok("status", "-v").out
    assert len(world.ok("status", "--json").document["prompts"]) == 26


# -- offline --------------------------------------------------------------------------------------------


def test_offline_a_fresh_clone_knows_nothing_and_says_so(world: World) -> None:
    world.write("a")
    world.write("b", commit="Change prompts")
    world.ok("push")
    shutil.rmtree(world.root / ".promptsync")
    prompts = world.ok("status", "--offline", "--json").document["prompts"]
    assert [one["state"] for one in prompts] == ["unknown", "unknown"]
    out = world.ok("status", "--offline").out
    assert "2 unknown here" in out and "promptsync status" in out and "push" not in out.partition("\n")[2]
    world.ok("status")
    world.write("c")
    assert "1 new, 2 unknown here" in world.ok("status", "--offline").out
    # It forgets what a push archived, and keeps a file that broke.
    assert world.run("status", "--offline", "--label", "prod").code == 2
    world.commit()
    world.ok("push")
    world.path("c").unlink()
    world.path("a").unlink()
    world.commit("Drop a and c")
    world.ok("push", "--prune", "-y")
    world.path("b").write_text("name: b\nmessages: [")
    prompts = world.run("status", "--offline", "--json").document["prompts"]
    assert [(one["name"], one["state"]) for one in prompts] == [("b", "invalid")]


# -- ``status`` shows what is not released, and why -------------------------------------------------------


REASON = "thanks: score 0 is below the minimum of 100"


@template
def released(world: World) -> None:
    """``a``, which has checks, and ``b`` are released to prod."""
    world.configure("checks: [{match: a, table: thanks, min_score: 100}]")
    add_polite(world, thanks(2, prompts=[]))
    world.ok("deploy")


def pending(world: World) -> dict[str, object]:
    found = world.run("status", "--json").document
    return {one["name"]: one["not_released"] for one in found["prompts"] if one["not_released"]}


def test_what_was_never_released_is_counted(released: World) -> None:
    released.write("c", commit="Change prompts")
    assert "not released" not in released.ok("status").out
    released.ok("push")
    lines = released.ok("status").out.splitlines()
    assert lines[-2:] == ["3 prompts, all in sync", "1 prompt not released to prod: promptsync deploy"]
    released.ok("deploy")
    assert released.ok("status").out.splitlines()[-1] == "3 prompts, all in sync"
    # A later version with the same text is released.
    released.publish("b", "A polite hello, {name}", metadata={"model": {**MODEL, "parameters": {}}})
    assert (released.version("b"), pending(released)) == (2, {})


def test_a_version_that_failed_its_checks_is_shown_with_the_reason(released: World) -> None:
    released.edit("a", "polite", "rude")
    released.edit("b", "hello", "welcome", commit="Change prompts")
    assert released.run("deploy").code == 1
    released.ok("push")
    out = released.ok("status").out
    assert f"in-sync  a  v2  prod v1, v2 not released: {REASON}" in out
    assert "in-sync  b  v2  prod v1, v2 not released  " in out
    assert out.endswith("\n2 prompts not released to prod: promptsync deploy\n")
    expected = {"label": "prod", "version": 2, "released": 1, "rolled_back": False, "reason": REASON}
    assert pending(released)["a"] == [expected]
    released.faults.append(fault(asking("GET", "/tables"), failing(403)))
    assert "prod v1, v2 not released  " in released.ok("status").out  # without the reason


def test_a_live_version_that_failed_its_check_is_reported(released: World) -> None:
    released.put("evaluations/thanks.yaml", thanks(2, prompts="b"))
    released.edit("a", "polite", "rude", commit="Be rude")
    released.ok("deploy", "b")
    released.exits(1, "eval", "run", "thanks")
    released.ok("push")
    released.ok("label", "move", "a@2", "prod", "--skip-checks")
    line = f"  live  a: prod is at v2, which failed 'thanks' just now: {REASON.partition(': ')[2]}; "
    for is_fresh in (False, True, False):
        if is_fresh:
            drop_private_files(released)
        released.forget()
        assert line + "promptsync rollback a --label prod" in released.ok("status").out.splitlines()
        assert released.writes == [] and not [seen for seen in released.seen if seen.method != "GET"]
    # What passed is known, and a failure is read again.
    sheets = [seen.path for seen in released.seen if "/sheets/" in seen.path]
    assert len(sheets) == len(set(sheets)) == 3
    assert line in released.ok("status", "--label", "prod", "a").out
    assert "  live  " not in released.ok("status", "b").out + released.ok("status", "--offline").out
    (failure,) = released.ok("status", "--json").document["failed_live"]
    assert [failure[key] for key in ("name", "label", "version", "check")] == ["a", "prod", 2, "thanks"]
    # A column that another prompt lacks hides nothing.
    released.edit("b", "{name}", "{nobody}")
    released.ok("push", "b")
    released.point("b", prod=2)
    assert line in released.ok("status").out
    released.ok("rollback", "a", "--label", "prod", "-y")
    assert "  live  " not in released.ok("status").out


def test_a_release_that_was_rolled_back_is_reported(released: World) -> None:
    released.edit("b", "hello", "welcome", commit="Change prompts")
    released.ok("deploy")
    released.ok("rollback", "b", "--label", "prod", "-y")
    out = released.ok("status").out
    assert "in-sync  b  v2  prod v1, v2 rolled back" in out
    assert "1 prompt rolled back from prod, on hold until its text changes" in out
    assert "promptsync deploy" not in out and "prod.previous" not in out
    # Under a label that a branch releases to, the advice is to deploy.
    released.edit("b", "welcome", "hi", commit="Change prompts")
    assert "on hold" not in released.ok("status").out
    assert "  ahead  promptsync deploy\n" in released.ok("status", "--label", "prod").out
    released.ok("label", "set", "b", "canary")
    assert "promptsync push --label canary" in released.ok("status", "--label", "canary").out


def test_another_branch_names_the_one_that_deploys(released: World) -> None:
    released.configure("labels: {main: prod, stable: lts}", instead="labels: {main: prod}")
    released.commit("Release stable")
    released.git("switch", "-qc", "feature")
    released.ok("label", "set", "a", "lts", "--skip-checks")
    released.edit("b", "hello", "welcome", commit="Be welcoming")
    released.ok("push")
    assert released.ok("status").out.splitlines()[-2:] == [
        "1 prompt not released to lts: promptsync deploy, on stable",
        "1 prompt not released to prod: promptsync deploy, on main",
    ]
    released.git("switch", "-qc", "stable")
    assert released.ok("status").out.splitlines()[-1] == "1 prompt not released to lts: promptsync deploy"


# -- ``promptsync status --drift``: what the registry changed stops, what is yet to be pushed does not ----


@template
def pushed(world: World) -> None:
    world.write("one", commit="Change prompts")
    world.ok("push", "--label", "staging")


def test_an_edit_that_was_passed_over_is_drift_until_it_is_answered(pushed: World) -> None:
    pushed.publish("one")
    # Under a label, only what it points at is drift.
    assert pushed.run("status", "--drift", "--label", "staging").code == 0
    pushed.point("one", staging=2)
    assert pushed.run("status", "--drift", "--label", "staging").code == 1
    for number in range(2):
        pushed.write("one", f"Ours, {number} {{name}}", commit="Change prompts")
        pushed.ok("push", *(() if number else ("one", "--force")))
        done = pushed.run("status", "--drift")
        assert (done.code, "passed over  one: v2" in done.out) == (1, True), str(done)
    assert pushed.run("status", "--exit-code").code == 0
    pushed.ok("pull", "one", "--no-passed-over")
    assert pushed.run("status", "--drift").code == 0


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_version_that_was_pushed_from_a_branch_and_passed_over_is_no_drift(
    pushed: World, is_edited: bool
) -> None:
    if is_edited:
        pushed.publish("one")
    pushed.git("switch", "-qc", "feature")
    if is_edited:
        pushed.ok("pull")
    pushed.edit("one", "{name}", "{name}, feature", commit="Change prompts")
    pushed.ok("push")
    pushed.git("switch", "-q", "-")
    pushed.edit("one", "Hello", "Ours", commit="Change prompts")
    pushed.ok("push", "one", "--force", "--yes")
    shown = "passed over  one: v2, v3" if is_edited else "passed over  one: v2"
    done = pushed.run("status", "--drift")
    assert (done.code, shown in done.out) == (int(is_edited), True), str(done)


def test_what_a_colleague_committed_comes_with_git(released: World) -> None:
    released.edit("a", "hello", "welcome", commit="Be welcoming")
    released.ok("push")
    released.git("init", "-q", "--bare", "../origin.git")
    released.git("remote", "add", "origin", "../origin.git")
    released.ok("pull", "a@1")
    assert "  behind  promptsync pull\n" in released.ok("status").out
    released.git("push", "-q", "-u", "origin", "main")
    released.git("reset", "-q", "--hard", "HEAD~1")
    assert "  behind  git pull, or promptsync pull\n" in released.ok("status").out
