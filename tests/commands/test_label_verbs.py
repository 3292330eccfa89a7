"""``label``, ``promote`` and ``rollback`` as a person and a pipeline run them."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from thanks import MODEL, SCRIPTED, thanks
from worlds import World, asking, failing, fault, own_world, template, template_on


def only(world: World, name: str, **versions: int) -> None:
    """Give a prompt these labels and no others."""
    for label in world.labels(name):
        world.remove_label(name, label)
    world.point(name, **versions)


world = own_world(fixtures=SCRIPTED)(lambda world: None)


@template
def here(world: World) -> None:
    world.publish_all("refund", "one", "two", "three")
    world.publish_all("greet", "one", "two")


# -- label ---------------------------------------------------------------------------------------------


def test_a_label_goes_through_its_life(here: World) -> None:
    create = ("label", "set", "refund", "prod", "--version", "1")
    planned = here.run(*create, "--dry-run", "--json").document["fingerprint"]
    here.says(3, " label set greet prod --dry-run", "label", "set", "greet", "prod", "--expect", planned)
    assert here.run(*create, "--expect", planned).lines == [["created", "refund", "prod", "new", "->", "v1"]]
    moved = here.run("label", "move", "refund", "prod", "--to", "2").lines
    assert moved == [["moved", "refund", "prod", "v1", "->", "v2"]]
    assert here.run("label", "list").lines == [["refund", "prod", "v2", "latest", "v3"]]
    assert here.run("label", "list", "-v").lines[1] == ["refund", "prod.previous", "v1", "latest", "v3"]
    first, *_ = here.run("label", "list", "--json").document["labels"]
    assert first == {"name": "refund", "label": "prod", "version": 2, "latest": 3}
    only = here.run("label", "list", "refund", "--label", "prod.previous").lines
    assert only == [["refund", "prod.previous", "v1", "latest", "v3"]]
    assert here.run("label", "move", "refund", "prod", "--json").document["labels"] == [
        {"name": "refund", "label": "prod", "from": 2, "to": 3, "moved": True, "waits": False, "reason": ""}
    ]
    for line, words in (
        ("set refund prod", "unchanged refund prod v3"),
        ("move refund prod", "unchanged refund prod v3"),
        ("move refund prod --to 2 --force -y", "moved refund prod v3 -> v2 lower"),
        ("delete refund prod -y", "deleted refund prod v2 -> deleted"),
    ):
        assert here.ok("label", *line.split()).lines[0] == words.split()
    nothing = here.run("label", "list")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no labels\n")


REFUSALS: dict[tuple[int, str], str] = {
    (3, "label move refund prod --to 3"): "label set refund prod; rollback refund --label prod --to 3",
    (3, "promptsync rollback refund"): "label move refund prod --to 1",
    (3, "--label prod --to N"): "rollback refund; rollback refund --label prod",
    (2, "promptsync label list refund"): "label move refund staging; label delete refund staging; "
    "rollback refund --label staging",
    (2, "promptsync label list greet"): "promote prod live greet",
    (2, "did you mean 'refund'"): "label move refnd prod; label list refnd; promote prod live refnd",
    (2, "promptsync log refund"): "label set refund new --version 9",
    (2, "--help"): "label set refund new --version 0; label set refund",
    (2, "a word, such as prod"): "label set refund ' '; promote prod ' '",
    (2, "promptsync label list"): "promote prod prod",
    (2, "promptsync label move refund@N live"): "promote prod live refund@1",
    (2, "no prompt in scope has the label 'staging'"): "promote staging prod",
    (2, "--force needs the names of the prompts"): "promote prod live --force",
    (2, "--force needs exact names, and 'ref*' is a pattern"): "promote prod live ref* --force; "
    "label move ref* prod --to 1 --force",
    (2, "label delete needs exact names, and 'ref*' is a pattern"): "label delete ref* prod",
}


def test_what_is_refused_says_what_to_do_and_changes_nothing(here: World) -> None:
    here.point("refund", prod=2)
    for (code, hint), lines in REFUSALS.items():
        for line in lines.split("; "):
            here.says(code, hint, *shlex.split(line))
            assert here.labels("refund") == {"prod": 2}
            assert here.exits(code, *shlex.split(line), "--json").document["error"]["message"]


def test_a_prompt_is_rolled_back_to_one_version(here: World) -> None:
    for names, version in (
        (("refund@2", "refund@1"), None),
        (("refund@1", "refund"), None),
        (("refund@1", "refund@1"), 1),
        (("refund@1", "ref*"), None),
        (("ref*", "re*"), 2),
    ):
        here.point("refund", prod=3, prod_previous=2, prod_released=3)
        ran = here.run("rollback", *names, "--label", "prod", "-y")
        assert ran.code == (0 if version else 2), ran.err
        assert here.labels("refund")["prod"] == (version or 3)
        if version is None:
            assert "refund is specified at v1 and without a version" in ran.err or "@2" in names[0]
    own = "'prod.previous' records the previous version of another label"
    here.says(2, own, "rollback", "refund", "--label", "prod.previous", "-y")


def test_a_snippets_label_in_use_is_deleted_only_with_force(here: World) -> None:
    here.publish("tone", content="Be kind.")
    here.point("tone", prod=1)
    here.publish("parent", "@@@tone@label:prod@@@")
    here.says(3, "'parent'", "label", "delete", "tone", "prod")
    here.ok("label", "delete", "tone", "prod", "--force", "-y")
    assert here.labels("tone") == {}


BEFORE = {"prod": 2, "prod.previous": 1, "staging": 3}
QUESTIONS = {
    "prod is deleted": "label delete refund prod",
    "live is created": "label set refund live",
    "prod moves": "label move refund prod; label move refund prod --to 1 --force; "
    "rollback refund --label prod; promote staging prod",
}


def test_the_plan_is_confirmed_by_an_answer_or_an_option(here: World) -> None:
    for question, line in ((done, line) for done, lines in QUESTIONS.items() for line in lines.split("; ")):
        only(here, "refund", **BEFORE)
        asked = here.on_terminal(*line.split(), answer="n\n")
        assert (asked.code, f"{question} on 1 prompt. Continue?" in asked.err) == (1, True), str(asked)
        assert " -> v" in asked.err or " -> deleted" in asked.err
        ran = here.says(2, f"{line} --yes", *line.split(), CI="")
        assert "v2" in ran.out or "v3" in ran.out
        warning = "refund: v2 is live under prod; applications that load it get nothing" in ran.out
        assert warning == ("deleting a label needs confirmation" in ran.err) == ("delete" in line)
        assert here.run(*line.split(), "--json", CI="").document["error"]["code"] == "not-confirmed"
        assert here.labels("refund") == BEFORE
        yes = [] if line.startswith("rollback") else ["--yes"]
        done = here.on_terminal(*line.split(), *yes, answer="" if yes else "y\n")
        assert (done.code, "Continue?" in done.err) == (0, not yes)
        assert here.labels("refund") != BEFORE


# -- promote -------------------------------------------------------------------------------------------


def test_a_promotion_moves_every_prompt_in_scope_and_remembers_the_way_back(here: World) -> None:
    here.point("refund", staging=3, prod=1)
    here.point("greet", staging=2)
    here.publish("unstaged")
    here.publish("theirs")
    here.point("theirs", staging=1)
    here.configure("include: [refund, greet, unstaged]")
    assert here.ok("promote", "staging", "prod").lines == [
        ["created", "greet", "prod", "new", "->", "v2"],
        ["moved", "refund", "prod", "v1", "->", "v3"],
        ["prod", "moved", "on", "2", "prompts"],
    ]
    assert here.labels("refund") == {"staging": 3, "prod": 3, "prod.previous": 1, "prod.released": 3}
    again = here.ok("promote", "staging", "prod").lines
    assert [line[0] for line in again] == ["unchanged", "unchanged", "nothing"]
    assert here.labels("theirs") == {"staging": 1}
    # One lower version stops the whole promotion.
    only(here, "refund", staging=1, prod=3)
    only(here, "greet", staging=2, prod=1)
    ran = here.says(3, "'prod' of 'refund' is at v3; v1 is older", "promote", "staging", "prod")
    assert "promptsync label move refund prod --to 1 --force" in ran.err
    assert here.labels("greet") == {"staging": 2, "prod": 1}
    body = here.run("promote", "staging", "prod", "--json").document
    assert [(one["name"], one["moved"]) for one in body["labels"]] == [("greet", False), ("refund", False)]
    here.exits(2, "promote", "staging", "prod", "refund", "--force", CI="")
    here.ok("promote", "staging", "prod", "refund", "--force", "-y")
    assert here.labels("refund") == {"staging": 1, "prod": 1, "prod.previous": 3, "prod.released": 3}


# -- rollback ------------------------------------------------------------------------------------------


def test_a_rollback_undoes_the_last_release_once_or_goes_to_the_version_it_is_given(here: World) -> None:
    here.point("refund", prod=1, staging=3)
    here.run("promote", "staging", "prod")
    ran = here.ok("rollback", "refund", "--label", "prod")
    assert ran.lines == [["moved", "refund", "prod", "v3", "->", "v1", "lower"]]
    again = here.says(3, "v3 was rolled back already", "rollback", "refund", "--label", "prod")
    assert "hint: promptsync log refund\n" in again.err
    # Labels that promptsync keeps itself are never suggested.
    here.says(2, "hint: promptsync label list refund", "label", "move", "refund@1", "prod.relesed")
    here.ok("promote", "staging", "prod")
    assert here.labels("refund") == {"staging": 3, "prod": 3, "prod.previous": 1, "prod.released": 3}
    (label,) = here.run("rollback", "refund", "--label", "prod", "--to", "2", "--json").document["labels"]
    assert (label["from"], label["to"], label["moved"]) == (3, 2, True)
    assert here.run("rollback", "refund", "--label", "prod", "--to", "2").lines[0][0] == "unchanged"


ONLY: list[tuple[str, dict[str, int], int, str]] = [
    ("labels: {main: prod}\n", {"prod": 2, "prod_previous": 1, "staging": 3}, 0, ""),
    ("labels: {main: prod, next: prod}\n", {"prod": 2, "prod_previous": 1}, 0, ""),
    ("", {"prod": 2, "prod_previous": 1, "prod_released": 2}, 0, ""),
    ("labels: {main: prod, next: staging}\n", {"prod": 2, "prod_previous": 1}, 2, "prod or staging"),
    ("", {"prod": 2, "prod_previous": 1, "staging": 3}, 2, "prod or staging"),
    ("", {}, 2, "specify the label with --label"),
    # after a release to staging alone, or the first one to prod
    ("labels: {main: prod}\n", {"staging": 3, "staging_previous": 2}, 2, "specify the label: staging"),
    ("labels: {main: prod}\n", {"prod": 2, "staging": 3, "staging_previous": 2}, 2, "the label: staging"),
]


def test_a_rollback_takes_the_only_label_there_is(here: World) -> None:
    before = (here.root / "promptsync.yaml").read_text()
    for config, labels, code, words in ONLY:
        here.put("promptsync.yaml", before + config)
        only(here, "refund", **labels)
        ran = here.says(code, words, "rollback", "refund")
        assert here.label("refund", "prod") == (labels.get("prod") if code else 1)
        if code and labels:
            label = "prod" if "prod" in words else "staging"
            assert ran.err.endswith(f" rollback refund --label={label}\n")


# -- Governed labels: other verbs move them, and a promotion of what failed its checks needs a yes -------


CHECKS = "checks: [{match: a, table: thanks, min_score: 90}]"
REASON = "thanks: score 0 is below the minimum of 90"
FAILED = {"name": "a", "version": 2, "failed": True, "reason": REASON}
NEVER_RAN = {"name": "a", "version": 3, "failed": False, "reason": "thanks has no complete result for it"}


@template
def guarded(world: World) -> None:
    """``a`` v1 passed and is under prod; v2 failed and v3 never ran, as ``b``, which has no checks."""
    config(world, "labels: {main: prod}", CHECKS)
    world.put("evaluations/thanks.yaml", thanks(2, prompts=[]))
    world.write("a", "A polite hello, {name}", model=MODEL)
    world.write("b", "Hello {name}", commit="Add a and b")
    world.ok("deploy")
    world.write("a", "A rude hello, {name}", model=MODEL)
    world.write("b", "Bye {name}", commit="Be brief")
    world.exits(1, "deploy")
    world.ok("push")
    world.publish("a", "A moody hello, {name}", metadata={"model": {**MODEL, "parameters": {}}})


def config(world: World, *lines: str) -> None:
    path = world.root / "promptsync.yaml"
    path.write_text("\n".join([*path.read_text().splitlines()[:2], *lines]) + "\n")
    world.git("add", "promptsync.yaml")
    world.git("commit", "-qm", "Configure checks", "--allow-empty")


def warnings(world: World, *arguments: str) -> list[dict[str, Any]]:
    """Change labels, which warnings never stop, and return the warnings."""
    done = world.ok(*arguments, "--json")
    found: list[dict[str, Any]] = json.loads(done.out)["warnings"]
    return found


PROMOTE = ("promote", "staging", "prod")


@template_on("guarded")
def staged(world: World) -> None:
    """``a`` v2 and ``b`` v2 are under staging as well."""
    for version in ("a@2", "b@2"):
        world.ok("label", "set", version, "staging")


GOVERNED = {  # what fits, with which hint
    "label move a prod": "promptsync deploy",
    "label move a:staging prod": "promptsync promote staging prod a",
    "label move * prod --to 2": "promptsync deploy",
    "label move b@1 prod --force": "promptsync rollback b@1 --label prod",
    "label set c prod": "promptsync deploy",
    "label set c:staging prod": "promptsync promote staging prod c",
    "label delete a prod": "promptsync label delete a prod --skip-checks",
}


@pytest.mark.parametrize("checks", [CHECKS, ""], ids=["checks", "no checks"])
def test_a_governed_label_is_changed_by_hand_only_with_skip_checks(staged: World, checks: str) -> None:
    config(staged, "labels: {main: prod}", checks)
    staged.publish("c", "Welcome, {name}")
    for line, hint in GOVERNED.items():
        only(staged, "a", prod=1, staging=2)
        only(staged, "b", prod=1 if "*" in line else 2, staging=2)
        only(staged, "c", staging=1)
        before = [staged.labels(name) for name in "abc"]
        for option in ("--yes", "--dry-run"):
            done = staged.exits(3, *line.split(), option)
            assert done.err.endswith(f"; no label was changed\nhint: {hint}\n"), str(done)
        assert [staged.labels(name) for name in "abc"] == before
        staged.ok(*line.split(), "--skip-checks")
        assert [staged.labels(name) for name in "abc"] != before


def test_a_move_to_what_failed_its_checks_needs_an_option(staged: World) -> None:
    line = "  a: v2 failed its checks: thanks: score 0 is below the minimum of 90"
    for arguments, option in ((PROMOTE, "--yes"), (PROMOTE, "--skip-checks")):
        only(staged, "a", prod=1, prod_released=1, staging=2)
        for more in ((), ("-n",)):
            done = staged.run(*arguments, *more)
            assert (done.code, line in done.out) == (3, True), str(done)
            assert "a  prod  v1 -> v2" in done.out.replace("   ", "  ")
            assert f"v2 of 'a' failed its checks: {FAILED['reason']}; no label was changed" in done.err
            assert "hint: promptsync deploy\n" in done.err and "--skip-checks" not in done.err
        asked = staged.on_terminal(*arguments, answer="n\n")
        question = "to a version that failed its checks: a v2. Continue?"
        assert (asked.code, asked.err.count(line), staged.label("a", "prod")) == (1, 1, 1), str(asked)
        assert asked.err.index(line) < asked.err.index(question)
        assert warnings(staged, *arguments, option) == [FAILED]
        assert staged.label("a", "prod") == 2


def test_what_never_ran_needs_an_option_and_so_does_a_registry_that_cannot_tell(guarded: World) -> None:
    guarded.point("a", staging=3)
    done = guarded.exits(3, *PROMOTE)
    assert "v3 of 'a' has no passing check: thanks has no complete result for it; no label" in done.err
    on_terminal = guarded.on_terminal(*PROMOTE, answer="n\n")
    assert "to a version that has no passing check: a v3. Continue?" in on_terminal.err
    guarded.faults.append(fault(asking("GET", "/tables"), failing(500)))
    guarded.point("a", staging=2)
    done = guarded.exits(3, *PROMOTE)
    assert "has no passing check: the results of its tables could not be read: " in done.err
    assert guarded.label("a", "prod") == 1
    guarded.faults[:] = [fault(lambda seen: seen.method in ("PATCH", "PUT"), failing(403))]
    done = guarded.run("label", "move", "a@2", "prod", "--skip-checks", "--json")
    assert (done.code, done.document.get("warnings")) == (4, [])  # it did not happen
    guarded.faults.clear()
    done = guarded.ok("label", "move", "a", "prod", "--skip-checks")
    assert f"  warning  a: v3 has no passing check: {NEVER_RAN['reason']}" in done.out.splitlines()
    assert warnings(guarded, "rollback", "a", "--label", "prod", "--to", "2") == [FAILED]
    assert warnings(guarded, "rollback", "a", "--label", "prod", "--to", "1", "-y") == []


def test_what_no_checks_guard_costs_no_request_and_no_warning(guarded: World) -> None:
    for lines, label in (
        (["labels: {main: prod}", CHECKS], "staging"),
        (["labels: {main: prod}"], "prod"),
        ([], "prod"),
        (["labels: {main: prod}", CHECKS], "prod.previous"),
        ([CHECKS], "prod.released"),
    ):
        config(guarded, *lines)
        guarded.run("label", "delete", "a", label, "--skip-checks")
        guarded.forget()
        assert warnings(guarded, "label", "set", "a@2", label, "--skip-checks") == []
        assert not [one for one in guarded.seen if "/tables" in one.target]
    config(guarded, "labels: {main: prod}", CHECKS)
    guarded.forget()
    for prompt in ("b", "a@2"):  # one has no checks, the other one stays
        assert warnings(guarded, "label", "move", prompt, "prod", "--skip-checks") == []
    assert not [one for one in guarded.seen if "/tables" in one.target]
    for lines, label in (([CHECKS], "anything"), (["labels: {main: prod, next: beta}", CHECKS], "beta")):
        config(guarded, *lines)
        guarded.says(3, f"{label} moves only with deploy, promote or rollback", "label", "set", "a@2", label)
        assert warnings(guarded, "label", "set", "a@2", label, "--skip-checks") == [FAILED]

    # Many warnings are cut in text.
    config(guarded, "labels: {main: prod}", "checks: [{match: 'p*', table: thanks}]")
    for number in range(13):
        guarded.publish(f"p{number:02}")
    done = guarded.ok("label", "set", "p*", "prod", "--skip-checks")
    assert done.out.count("  warning  ") == 11
    assert "and 3 more; --json has all" in done.out


# -- on hold --------------------------------------------------------------------------------------------


@template_on("guarded")
def rolled_back(world: World) -> None:
    """``b`` v3, which is under staging as well, was released and rolled back to v1; v2 was never live."""
    world.write("b", "See you, {name}", commit="Say see you")
    world.ok("deploy", "b")
    world.ok("label", "set", "b", "staging")
    world.ok("rollback", "b@1", "-y")


ON_HOLD = [
    (PROMOTE, "v3", "rolled back to v1"),
    (("label", "move", "b", "prod", "--skip-checks"), "v3", "rolled back to v1"),
    (("label", "move", "b@2", "prod", "--skip-checks"), "v2", "rolled back to v1"),
    (("label", "set", "b*", "prod", "--skip-checks"), "v3", "removed"),
]


def test_a_move_up_to_what_was_rolled_back_needs_a_yes(rolled_back: World) -> None:
    labels = {label.replace(".", "_"): version for label, version in rolled_back.labels("b").items()}
    for arguments, version, how in ON_HOLD:
        only(rolled_back, "b", **labels)
        if how == "removed":
            rolled_back.remove_label("b", "prod")
        before = rolled_back.label("b", "prod")
        for more in ((), ("--skip-checks",), ("-n",)):
            done = rolled_back.exits(3, *arguments, *more)
            assert f"warning  b: {version} is on hold: prod was {how}" in done.out
            assert f"{version} of 'b' is on hold: prod was {how}; no label was changed" in done.err
            assert "hint: promptsync deploy b --label prod --again\n" in done.err
            assert rolled_back.label("b", "prod") == before
        (found,) = warnings(rolled_back, *arguments, "-y")
        assert found["reason"] == f"prod was {how}"
        assert f"v{rolled_back.label('b', 'prod')}" == version
    # A question names what is on hold, and other labels move.
    only(rolled_back, "b", **labels)
    done = rolled_back.on_terminal(*PROMOTE, answer="n\n")
    assert "prod moves on 1 prompt, to a version that is on hold: b v3. Continue?" in done.err
    rolled_back.ok("rollback", "b@1", "--label", "staging")
    assert warnings(rolled_back, "label", "move", "b", "staging") == []  # no branch releases it
    config(rolled_back, "labels: {main: prod}", "checks: [{match: b, evaluation: nightly}]")
    done = rolled_back.exits(3, *PROMOTE)
    assert "b: v3 has no passing check: nightly counts only in a deploy" in done.out
    assert "v3 of 'b' is on hold: prod was rolled back to v1; no label was changed" in done.err


# -- uncommitted checks ---------------------------------------------------------------------------------


def test_uncommitted_checks_move_no_label_up(staged: World) -> None:
    lines = (staged.root / "promptsync.yaml").read_text().splitlines()
    weaker = [line.replace("min_score: 90", "min_score: 0") for line in lines]
    for changed in (weaker, lines[:2]):
        only(staged, "a", prod=1, prod_released=1, staging=2)
        only(staged, "b", prod=1, prod_released=1, staging=2)
        staged.put("promptsync.yaml", "\n".join(changed) + "\n")
        done = staged.exits(3, *PROMOTE, "--yes")
        assert "promptsync.yaml has uncommitted changes, and its checks guard prod; no label" in done.err
        assert "hint: git add promptsync.yaml && git commit\n" in done.err
        assert staged.label("a", "prod") == 1
        staged.ok("label", "set", "b", "beta")
        staged.ok("label", "delete", "b", "prod", "--skip-checks")
        staged.ok(*PROMOTE, "--skip-checks")
        assert staged.label("a", "prod") == 2
        staged.ok("rollback", "a", "--label", "prod")
