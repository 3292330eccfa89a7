"""Labels moved without a deploy: what failed its checks needs a yes, what never ran them is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from thanks import MODEL, SCRIPTED, thanks
from worlds import World, asking, failing, fault, made, template

from promptsync.registry.promptlayer.responses import label_of

CHECKS = "checks: [{match: a, table: thanks, min_score: 90}]"
FAILED = {
    "name": "a",
    "version": 2,
    "failed": True,
    "reason": "thanks: score 0 is below the minimum of 90",
}
NEVER_RAN = {"name": "a", "version": 3, "failed": False, "reason": "thanks has no complete result for it"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """``a`` v1 passed and is under prod; v2 failed and v3 never ran, as ``b``, which has no checks."""

    def build(world: World) -> None:
        config(world, "labels: {main: prod}", CHECKS)
        world.put("evaluations/thanks.yaml", thanks(2, prompts=[]))
        world.write("a", "A polite hello, {name}", model=MODEL)
        world.write("b", "Hello {name}")
        world.commit("Add a and b")
        world.ok("deploy")
        world.write("a", "A rude hello, {name}", model=MODEL)
        world.write("b", "Bye {name}")
        world.commit("Be brief")
        assert world.run("deploy").code == 1
        world.ok("push")
        world.publish("a", "A moody hello, {name}", metadata={"model": {**MODEL, "parameters": {}}})

    with made(tmp_path, fixtures=SCRIPTED) as world:
        yield world.built(build)


def config(world: World, *lines: str) -> None:
    path = world.root / "promptsync.yaml"
    path.write_text("\n".join([*path.read_text().splitlines()[:2], *lines]) + "\n")
    world.git("add", "promptsync.yaml")
    world.git("commit", "-qm", "Configure checks", "--allow-empty")


def warnings(world: World, *arguments: str) -> list[dict[str, Any]]:
    """Change labels, which warnings never stop, and return the warnings."""
    done = world.run(*arguments, "--json")
    assert done.code == 0, str(done)
    found: list[dict[str, Any]] = json.loads(done.out)["warnings"]
    return found


MOVES = [
    ("label", "move", "a@2", "prod"),
    ("label", "move", "a", "prod", "--to", "2"),
    ("label", "move", "*", "prod", "--to", "2"),
    ("promote", "staging", "prod"),
]


@template
def staged(world: World) -> None:
    """``a`` v2 and ``b`` v2 are under staging as well."""
    world.ok("label", "set", "a@2", "staging")
    world.ok("label", "set", "b@2", "staging")


@pytest.mark.parametrize(
    ("arguments", "option"), list(zip(MOVES, ("--yes", "--skip-checks") * 2, strict=True)), ids=str
)
def test_a_move_to_what_failed_its_checks_needs_an_option(
    staged: World, arguments: tuple[str, ...], option: str
) -> None:
    for more in ((), ("-n",)):
        done = staged.run(*arguments, *more)
        assert done.code == 3, str(done)
        assert "a  prod  v1 -> v2" in done.out.replace("   ", "  ")
        assert f"v2 of 'a' failed its checks: {FAILED['reason']}; no label was changed" in done.err
        assert "hint: promptsync deploy\n" in done.err and "--skip-checks" not in done.err
        assert staged.label("a", "prod") == 1
    assert warnings(staged, *arguments, option) == [FAILED]
    assert staged.label("a", "prod") == 2


def test_on_a_terminal_the_question_names_what_failed(staged: World) -> None:
    for answer, code, version in (("n\n", 1, 1), ("y\n", 0, 2)):
        done = staged.on_terminal("label", "move", "a@2", "prod", answer=answer)
        assert done.code == code, str(done)
        assert "prod moves on 1 prompt, to a version that failed its checks: a v2. Continue?" in done.err
        assert staged.label("a", "prod") == version


def test_a_rollback_warns_too(world: World) -> None:
    assert warnings(world, "label", "move", "a@3", "prod", "--skip-checks") == [NEVER_RAN]
    assert warnings(world, "rollback", "a", "--label", "prod", "--to", "2") == [FAILED]
    assert warnings(world, "rollback", "a", "--label", "prod", "--to", "1", "-y") == []


@pytest.mark.parametrize("kind", ["evaluation", "agent"])
def test_what_only_a_deploy_can_know_needs_an_option(world: World, kind: str) -> None:
    config(world, "labels: {main: prod}", f"checks: [{{match: a, {kind}: nightly}}]")
    done = world.run("label", "move", "a@2", "prod")
    assert done.code == 3, str(done)
    assert "v2 of 'a' has no passing check: nightly counts only in a deploy; no label was changed" in done.err
    assert "hint: promptsync deploy\n" in done.err
    (found,) = warnings(world, "label", "move", "a@2", "prod", "--yes")
    assert (found["failed"], found["reason"]) == (False, "nightly counts only in a deploy")
    assert warnings(world, "rollback", "a", "--label", "prod", "--to", "1") == []


def test_what_never_ran_needs_an_option_and_so_does_a_registry_that_cannot_tell(world: World) -> None:
    done = world.run("label", "move", "a", "prod")
    assert done.code == 3, str(done)
    assert "v3 of 'a' has no passing check: thanks has no complete result for it; no label" in done.err
    on_terminal = world.on_terminal("label", "move", "a", "prod", answer="n\n")
    assert "to a version that has no passing check: a v3. Continue?" in on_terminal.err
    world.faults.append(fault(asking("GET", "/tables"), failing(500)))
    done = world.run("label", "move", "a@2", "prod")
    assert done.code == 3, str(done)
    assert "has no passing check: the results of its tables could not be read: " in done.err
    assert world.label("a", "prod") == 1


def test_a_new_label_that_the_configuration_names_is_guarded(world: World) -> None:
    config(world, "labels: {main: prod, next: staging}", CHECKS)
    assert world.run("label", "set", "a@2", "staging").code == 3
    assert warnings(world, "label", "set", "a@2", "staging", "--skip-checks") == [FAILED]


def test_the_text_warns_before_it_is_confirmed_and_once(world: World) -> None:
    line = "warning  a: v2 failed its checks: thanks: score 0 is below the minimum of 90"
    world.ok("label", "set", "a@2", "staging")
    dry = world.run("promote", "staging", "prod", "-n")
    assert dry.code == 3
    assert line in dry.out
    done = world.on_terminal("promote", "staging", "prod", answer="y\n")
    assert done.code == 0, str(done)
    assert (done.out + done.err).count("failed its checks: thanks: score 0 is below the minimum of 90") == 1
    assert (done.out + done.err).index("failed its checks") < (done.out + done.err).index("Continue?")


def test_a_move_in_a_pipe_warns_in_its_receipt(world: World) -> None:
    done = world.ok("label", "move", "a", "prod", "--skip-checks")
    line = f"  warning  a: v3 has no passing check: {NEVER_RAN['reason']}"
    assert line in done.out.splitlines()


def test_a_move_that_did_not_happen_warns_of_nothing(world: World) -> None:
    world.faults.append(fault(lambda seen: seen.method in ("PATCH", "PUT"), failing(403)))
    done = world.run("label", "move", "a@2", "prod", "--skip-checks", "--json")
    assert done.code != 0
    assert world.label("a", "prod") == 1
    assert not json.loads(done.out).get("warnings")


def test_what_no_checks_guard_costs_no_request_and_no_warning(world: World) -> None:
    for lines, label in (
        (["labels: {main: prod}", CHECKS], "staging"),
        (["labels: {main: prod}"], "prod"),
        ([], "prod"),
        (["labels: {main: prod}", CHECKS], "prod.previous"),
        ([CHECKS], "prod.released"),
    ):
        config(world, *lines)
        world.run("label", "delete", "a", label, "-y")
        world.forget()
        assert warnings(world, "label", "set", "a@2", label) == []
        assert not [one for one in world.seen if "/tables" in one.target]


def test_without_labels_in_the_configuration_checks_guard_every_label(world: World) -> None:
    config(world, CHECKS)
    assert warnings(world, "label", "set", "a@2", "anything", "--skip-checks") == [FAILED]


def test_a_prompt_without_checks_or_a_label_that_stays_costs_no_request(world: World) -> None:
    assert warnings(world, "label", "move", "b", "prod") == []
    assert warnings(world, "label", "move", "a@1", "prod") == []
    assert not [one for one in world.seen if "/tables" in one.target]


def test_many_warnings_are_cut_in_text(world: World) -> None:
    names = [f"p{number:02}" for number in range(13)]
    config(world, "labels: {main: prod}", "checks: [{match: 'p*', table: thanks}]")
    for name in names:
        world.publish(name)
    done = world.ok("label", "set", "p*", "prod", "-y")
    assert done.out.count("  warning  ") == 11
    assert "and 3 more; --json has all" in done.out


# -- on hold --------------------------------------------------------------------------------------------


@pytest.fixture
def rolled_back(world: World) -> World:
    """``b`` v3, which is under staging as well, was released and rolled back to v1; v2 was never live."""
    world.write("b", "See you, {name}")
    world.commit("Say see you")
    assert world.run("deploy", "b").code == 0
    world.ok("label", "set", "b", "staging")
    world.ok("rollback", "b@1", "-y")
    return world


ON_HOLD = [
    (("promote", "staging", "prod"), "v3", "rolled back to v1"),
    (("label", "move", "b", "prod"), "v3", "rolled back to v1"),
    (("label", "move", "b@2", "prod"), "v2", "rolled back to v1"),
    (("label", "set", "b*", "prod"), "v3", "removed"),
]


def remove_in_dashboard(world: World, name: str, label: str) -> None:
    found = map(label_of, world.call("GET", "/prompt-templates/labels").body["release_labels"])
    (label_id,) = (one.label_id for one in found if (one.prompt_name, one.name) == (name, label))
    assert world.call("DELETE", f"/prompt-labels/{label_id}").status < 300


@pytest.mark.parametrize(("arguments", "version", "how"), ON_HOLD, ids=str)
def test_a_move_up_to_what_was_rolled_back_needs_a_yes(
    rolled_back: World, arguments: tuple[str, ...], version: str, how: str
) -> None:
    if how == "removed":
        remove_in_dashboard(rolled_back, "b", "prod")
    before = rolled_back.label("b", "prod")
    for more in ((), ("--skip-checks",), ("-n",)):
        done = rolled_back.run(*arguments, *more)
        assert done.code == 3, str(done)
        assert f"warning  b: {version} is on hold: prod was {how}" in done.out
        assert f"{version} of 'b' is on hold: prod was {how}; no label was changed" in done.err
        assert "hint: promptsync deploy b --label prod --again\n" in done.err
        assert rolled_back.label("b", "prod") == before
    (found,) = warnings(rolled_back, *arguments, "-y")
    assert found["reason"] == f"prod was {how}"
    assert f"v{rolled_back.label('b', 'prod')}" == version


def test_what_is_on_hold_and_has_no_passing_check_needs_the_command_that_releases_it(
    rolled_back: World,
) -> None:
    config(rolled_back, "labels: {main: prod}", "checks: [{match: b, evaluation: nightly}]")
    done = rolled_back.run("promote", "staging", "prod")
    assert done.code == 3, str(done)
    assert "b: v3 has no passing check: nightly counts only in a deploy" in done.out
    assert "v3 of 'b' is on hold: prod was rolled back to v1; no label was changed" in done.err
    assert "hint: promptsync deploy b --label prod --again\n" in done.err


def test_on_a_terminal_the_question_names_what_is_on_hold(rolled_back: World) -> None:
    done = rolled_back.on_terminal("promote", "staging", "prod", answer="n\n")
    assert done.code == 1, str(done)
    assert "prod moves on 1 prompt, to a version that is on hold: b v3. Continue?" in done.err


def test_a_label_that_is_not_governed_moves_back_to_what_was_rolled_back(rolled_back: World) -> None:
    rolled_back.ok("rollback", "b@1", "--label", "staging")
    assert warnings(rolled_back, "label", "move", "b", "staging") == []


# -- uncommitted checks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "text"), [(MOVES[0], "min_score: 0"), (MOVES[3], None)], ids=str)
def test_uncommitted_checks_move_no_label_up(
    staged: World, arguments: tuple[str, ...], text: str | None
) -> None:
    path = staged.root / "promptsync.yaml"
    lines = path.read_text().splitlines()
    changed = lines[:2] if text is None else [one.replace("min_score: 90", text) for one in lines]
    path.write_text("\n".join(changed) + "\n")
    done = staged.run(*arguments, "--yes")
    assert done.code == 3, str(done)
    assert "promptsync.yaml has uncommitted changes, and its checks guard prod; no label" in done.err
    assert "hint: git add promptsync.yaml && git commit\n" in done.err
    assert staged.label("a", "prod") == 1
    staged.ok("label", "set", "b", "beta")
    staged.ok("label", "delete", "b", "prod", "-y")
    staged.ok(*arguments, "--skip-checks")
    assert staged.label("a", "prod") == 2
    staged.ok("rollback", "a", "--label", "prod")
