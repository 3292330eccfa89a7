"""Deploys whose prompts are checked on tables, before anything is published."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from deploying import change, computed, prod
from thanks import MODEL, SCRIPTED, add_polite, thanks
from worlds import World, asking, failing, fault, once, own_world, publishing, template

from promptsync.commands.shared.ci import origin as origin_of

AGENT = """
agents:
  - {name: bot, nodes: [{name: answer, prompt: a, output: true}]}
"""


def evaluation(prompts: str | list[str], **more: Any) -> str:
    return thanks(12, **{"prompts": prompts, "min_score": 90, **more})


@own_world(fixtures=SCRIPTED + AGENT)
def world(world: World) -> None:
    """``a`` and ``b`` are checked by the table ``thanks``; nothing is published."""
    add_polite(world, evaluation(["a", "b"]))


def test_the_plan_counts_cells_and_more_than_the_limit_are_refused(world: World) -> None:
    plan = world.ok("deploy", "-n")
    assert "tables: 2 sheets to run with 24 cells and 24 model calls" in plan.out
    assert "thanks >= 90" in plan.out
    done = world.says(3, "add --max-cells 24", "deploy", "--max-cells", "23")
    assert "the checks would compute 24 cells with 24 model calls; the limit is 23" in done.err
    assert world.writes == []


def test_the_fingerprint_covers_rows_scorecard_and_limits(world: World) -> None:
    def fingerprint(*options: str) -> str:
        found = world.run("deploy", "-n", "--json", "--allow-dirty", *options).document
        return str(found["fingerprint"])

    seen = {fingerprint(), fingerprint("--max-drop", "10")}
    for more in ({"min_score": 91}, {"runs": 3}, {"max_drop": 5}, {"rows": [{"name": "Ada"}]}):
        world.put("evaluations/thanks.yaml", evaluation(["a", "b"], **more))
        seen.add(fingerprint())
    assert len(seen) == 6


def test_checks_run_for_a_pull_request_or_a_commit(world: World) -> None:
    head = world.git("rev-parse", "--short", "HEAD").strip()
    for variables, origin in (
        ({"GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-7-0a1b2c"}, "pull request 7"),
        ({"GITHUB_REF": "refs/heads/pr-7"}, f"commit {head} by Ann"),
    ):
        session: Any = SimpleNamespace(environ=variables)
        assert origin_of(session, world.library) == origin


# -- released as evaluated ------------------------------------------------------------------------------


@template
def released(world: World) -> None:
    """Both are released as their first versions."""
    world.ok("deploy")


def test_a_failed_deploy_publishes_nothing_and_says_so(released: World) -> None:
    released.edit("b", "polite", "very polite")
    change(released, "polite", "rude", "a")
    done = released.exits(1, "deploy")
    assert "nothing was published or released; prod did not move; 1 other prompt passed" in done.out
    assert "a (thanks): row 1 got worse (Says thanks)" in done.out
    assert "hint: promptsync deploy b" in done.err
    assert released.published == [] and prod(released, "ab") == [1, 1]
    # The hint ends in a release of the other one, which was checked already.
    released.forget()
    assert "thanks 100, evaluated in commit" in released.ok("deploy", "b").out
    assert (computed(released), prod(released, "ab")) == (0, [1, 2]) and released.published == ["b"]


def test_the_live_text_is_not_run_again_within_the_hours_that_a_result_counts(released: World) -> None:
    for number, sheets in ((1, 1), (2, 2)):
        change(released, "hello", f"hello {number}", "a")
        released.forget()
        released.ok("deploy")
        assert computed(released) == sheets
        released.configure("evaluations: {reuse: 0}")


def edit_a_cell(world: World) -> None:
    place = next(seen.path for seen in world.seen if seen.path.endswith("/scorecard/recalculate"))
    sheet = place.removesuffix("/scorecard/recalculate")
    rows = world.call("GET", f"{sheet}/rows?include_columns=true").body
    (column,) = [column for column in rows["columns"] if column["title"] == "name"]
    cell = rows["data"][0]["cells"][column["id"]]
    answer = world.call("PATCH", f"{sheet}/cells/{cell['id']}", {"value": "Somebody else"})
    assert answer.status == 200, answer.body


def test_a_verdict_does_not_count_once_a_row_was_edited(released: World) -> None:
    """The verdicts are those of a deploy that could publish neither of the two new texts."""
    change(released, "hello", "welcome", "ab")
    released.faults.append(fault(publishing(), failing(500)))
    done = released.run("deploy")
    assert done.code != 0 and "nothing was released; prod did not move\n" in done.out, str(done)
    assert computed(released) == 2
    released.faults.clear()
    assert "tables: nothing to run" in released.ok("deploy", "-n").out
    edit_a_cell(released)
    released.forget()
    released.ok("deploy")
    assert computed(released) == 1 and prod(released, "ab") == [2, 2]


def test_a_colleague_who_publishes_while_tables_run_stops_the_deploy(released: World) -> None:
    change(released, "hello", "welcome", "a")
    computing = asking("POST", "/operations")
    released.faults.append(once(computing, lambda: released.publish("a", "A rude hello, {name}")))
    assert "changed" in released.exits(3, "deploy").err
    assert released.published == [] and prod(released, "a") == [1]


# -- rows that get worse ----------------------------------------------------------------------------------


TOO_MUCH: list[tuple[dict[str, int], str, str]] = [
    ({"max_drop": 100, "min_score": 60}, "", "score 0 is below the minimum of 60"),
    # The option cannot raise the limit of the file.
    ({"max_drop": 50}, "--max-drop 100", "max_drop is 50"),
    ({}, "--max-drop 50", "max_drop is 50"),
]


def limit(world: World, **limits: int) -> None:
    world.put("evaluations/thanks.yaml", evaluation("a", **{"min_score": 0, **limits}))
    world.commit()


def test_the_minimum_and_the_drop_both_apply_each_time(released: World) -> None:
    change(released, "polite", "rude", "a")
    for limits, option, reason in TOO_MUCH:
        limit(released, **limits)
        document = released.exits(1, "deploy", *option.split(), "--json").document
        (run,) = document["eval"]["runs"]
        assert run["reason"].endswith(reason)
        assert (run["live_version"], run["live_score"], run["score"]) == (1, 100, 0)
        assert ("12 of 12 rows got worse" in document["error"]["message"]) == ("drop is" in reason)
        assert released.label("a", "prod") == 1
    limit(released, max_drop=100)
    (run,) = released.ok("deploy", "--json").document["eval"]["runs"]
    assert (run["reason"], released.label("a", "prod")) == (None, 2)


def test_a_label_that_a_killed_deploy_moved_is_compared_with_what_was_live_before(released: World) -> None:
    limit(released, max_drop=5)
    change(released, "polite", "rude", "a")
    released.ok("push")
    # What a killed deploy leaves behind: the label moved, and nothing recorded it.
    released.point("a", prod=2)
    (run,) = released.exits(1, "deploy", "--json").document["eval"]["runs"]
    assert (run["live_version"], run["passed"]) == (1, False)


# -- snippets -------------------------------------------------------------------------------------------


@template
def with_tone(world: World) -> None:
    """``a`` renders the snippet ``tone`` without a pin, and ``b`` by the label."""
    world.write("tone", content="polite", commit="Add a snippet")
    world.ok("deploy", "tone")
    world.write("a", "A @@@tone@@@ hello, {name}", model=MODEL)
    world.write("b", "A @@@tone@label:prod@@@ hello, {name}", model=MODEL, commit="Render it")
    world.ok("deploy")


def test_a_snippet_is_published_if_its_users_stay_good_without_a_pin(with_tone: World) -> None:
    change(with_tone, "polite", "rude", ["tone"])
    done = with_tone.exits(1, "deploy")
    assert "nothing was published or released" in done.out
    assert "a v1 (thanks): row 1 got worse" in done.out and "b v1 (thanks): row 1" in done.out
    assert with_tone.published == [] and prod(with_tone, ["tone", "a", "b"]) == [1, 1, 1]
    # The files no longer need the snippet, but the live versions render it until the label moves.
    change(with_tone, "@@@tone@@@", "polite", "a")
    done = with_tone.exits(1, "deploy")
    assert "a v1 (thanks): row 1 got worse" in done.out and "a (thanks): row 1" not in done.out
    assert with_tone.published == []
    with_tone.git("revert", "--no-edit", "HEAD")
    change(with_tone, "rude", "very polite", ["tone"])
    with_tone.forget()
    with_tone.ok("deploy")
    assert with_tone.published == ["tone"] and prod(with_tone, ["tone", "a", "b"]) == [2, 1, 1]
    assert computed(with_tone) == 2


def test_a_live_prompt_of_others_is_checked_where_a_table_is_named_for_it(with_tone: World) -> None:
    # An edit of a user is not what is checked.
    with_tone.publish("a", "A rude @@@tone@@@ hello, {name}", metadata={"model": MODEL})
    with_tone.publish("theirs", "A @@@tone@@@ bye, {name}", metadata={"model": MODEL})
    with_tone.point("theirs", prod=1)
    change(with_tone, "polite", "rude and polite", ["tone"])
    assert "would be live immediately in theirs (prod)" in with_tone.exits(3, "deploy").err
    with_tone.put("evaluations/thanks.yaml", evaluation(["a", "b", "theirs"]))
    with_tone.commit("Check all prompts")
    assert "theirs v1 (thanks): row 1 got worse" in with_tone.exits(1, "deploy", "--keep-going").out
    assert with_tone.published == []
    change(with_tone, "rude and polite", "most polite", ["tone"])
    with_tone.ok("deploy")
    assert with_tone.published == ["tone"] and prod(with_tone, "a") == [1]


# -- other checks, and labels that are moved by hand ----------------------------------------------------


def test_other_checks_run_once_the_tables_passed(released: World) -> None:
    released.configure("checks: [{match: a, agent: bot}]")
    change(released, "polite", "rude", "a")
    done = released.run("deploy", "--json").document
    assert [run["passed"] for run in done["eval"]["runs"]] == [False] and done["agents"]["runs"] == []
    assert released.published == []


def test_tables_run_before_anything_is_published(world: World) -> None:
    world.ok("deploy")
    order = [seen.path.rpartition("/")[2] for seen in world.writes]
    assert order.index("prompt-templates") > len(order) - 1 - order[::-1].index("recalculate")


def test_a_snippet_that_a_colleague_changes_while_tables_run_stops_the_deploy(with_tone: World) -> None:
    with_tone.write("a", "A @@@tone@@@ welcome, {name}", model=MODEL, commit="Say welcome")

    def edit() -> None:
        with_tone.publish("tone", content="rude")
        with_tone.point("tone", prod=2)

    with_tone.faults.append(once(asking("POST", "/operations"), edit))
    done = with_tone.exits(3, "deploy")
    assert "the snippet 'tone' changed" in done.err and "hint: promptsync pull --merge" in done.err
    assert with_tone.published == []


def test_a_live_text_that_lost_its_snippet_blocks_only_a_limit(with_tone: World) -> None:
    with_tone.put("evaluations/thanks.yaml", evaluation("a", max_drop=10))
    with_tone.write("a", "A polite welcome, {name}", model=MODEL)
    with_tone.path("tone").unlink()
    with_tone.path("b").unlink()
    with_tone.commit()
    with_tone.rename("tone", "other tone")
    with_tone.exits(1, "deploy")
    with_tone.put("evaluations/thanks.yaml", evaluation("a"))
    with_tone.commit("Without a limit")
    done = with_tone.ok("deploy")
    assert prod(with_tone, "a") == [2]
    assert "a v1 is live, and @@@tone@@@ in a exists neither in your files nor in" in done.out


def test_what_ran_on_the_echo_model_has_no_score(released: World) -> None:
    released.write("a", "Thank you, {name}", commit="No model, so it is the echo")
    assert "ran on the echo model" in released.ok("deploy", "--breaking", "a").out
    released.point("a", prod=1)
    released.point("a", staging=2)
    moved = released.run("promote", "staging", "prod", "--dry-run", "--json").document
    assert "thanks ran on the echo model" in moved["warnings"][0]["reason"]
