"""``eval`` on tables: the texts of files run beside what is live, before anything is published."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from checked_copy import edited
from thanks import MODEL, SCRIPTED, add_polite, thanks
from worlds import World, own_world, published_name


def evaluation(count: int = 20, **more: Any) -> str:
    return thanks(count, **{"max_drop": 5, **more})


@own_world(fixtures=SCRIPTED)
def world(world: World) -> None:
    """``a`` and ``b`` are live and polite, and the table ``thanks`` checks them."""
    add_polite(world, evaluation())
    world.ok("deploy", "-y")


def rude(world: World, name: str = "a") -> None:
    world.write(name, "A rude hello, {name}", model=MODEL)


def test_a_worse_text_fails_and_says_which_rows_and_nothing_is_published(world: World) -> None:
    rude(world)
    done = world.exits(1, "eval", "run", "--changed")
    assert "tables: 1 sheet to run with 20 cells and 20 model calls" in done.err
    assert re.search(r"a +20 +0 +100 \(v1\) +-100 +20 +0 +failed\n", done.out)
    row = "row 1 got worse (Says thanks)\n    input: name: Customer 0\n    live: Thank you!\n"
    assert f"a (thanks): {row}" in done.out
    assert "the verdict of its scorecard is fail; 20 of 20 rows got worse" in done.err
    assert not [seen for seen in world.writes if published_name(seen)]


def test_an_unchanged_text_passes_and_is_not_run_twice(world: World) -> None:
    done = world.ok("eval", "run", "thanks")
    assert "a (thanks): not compared: a v1 is live with the same content" in done.out
    assert world.run("eval", "run", "--changed").out == ""
    rude(world)
    world.run("eval", "run", "--changed")
    again = world.run("eval", "run", "thanks", "--prompt", "a")
    assert "tables: nothing to run" in again.err
    world.says(1, "2 sheets to run", "eval", "run", "thanks", "--prompt", "a", "--reuse", "0")
    assert "a (thanks): thanks 0, evaluated in uncommitted changes to" in again.out
    shown = world.exits(1, "eval", "show", "thanks", "--prompt", "a")
    assert shown.out.splitlines()[:2] == again.out.splitlines()[:2]
    (world.root / "evaluations/thanks.yaml").rename(world.root / "evaluations/polite-answers.yaml")
    for name in ("polite-answers", "evaluations/polite-answers.yaml"):
        assert "b (thanks): not compared: b v1 is live" in world.run("eval", "run", name).out


def test_a_usage_error_starts_nothing(world: World) -> None:
    world.call("POST", "/api/public/v2/tables", {"title": "Dashboard table"})
    for options, message in (
        (["thank"], "hint: did you mean 'thanks'?\n"),
        (["Dashboard tables"], "hint: did you mean 'Dashboard table'?\n"),
        (["Dashboard table"], "hint: promptsync eval run 'Dashboard table' --prompt NAME\n"),
        (["nothing like it"], "hint: promptsync eval list\n"),
        (["thanks", "--prompt", "nobody"], "no prompt 'nobody' in your files"),
        (["thanks", "--prompt", "a", "--report", "."], "--report: cannot write ."),
        (["Nothing", "--prompt", "a"], "write evaluations/NAME.yaml"),
    ):
        world.says(2, message, "eval", "run", *options)
    for name, hint in (
        ("a", "hint: promptsync eval noise thanks --prompt a\n"),
        ("thank", "hint: did you mean 'thanks'?\n"),
        ("Dashboard table", "hint: promptsync eval noise 'Dashboard table' --prompt NAME\n"),
        ("nothing like it", "hint: promptsync eval list\n"),
    ):
        world.says(2, hint, "eval", "noise", name)
    (world.root / "evaluations/thanks.yaml").unlink()
    for verb in ("run", "noise"):
        world.says(2, "hint: restore its file in evaluations/: git log", "eval", verb, "thanks")
    assert world.writes == []
    world.put("evaluations/thanks.yaml", evaluation(prompts="nobody"))
    world.says(2, "thanks.yaml: its prompts: matches none of your prompts", "eval", "run", "thanks")


def test_an_edited_evaluation_checks_its_prompts_although_they_are_the_same(world: World) -> None:
    changed = ("eval", "run", "--changed")
    world.put("evaluations/thanks.yaml", evaluation(21))
    world.put("evaluations/unused.yaml", "rows: [{name: Ada}]\n")
    done = world.run(*changed)
    assert (done.code, done.err.count("checked")) == (0, 1), str(done)
    assert "evaluations/thanks.yaml changed since HEAD: its prompts are checked" in done.err
    assert [line.split()[:2] for line in done.out.splitlines()[1:3]] == [["a", "21"], ["b", "21"]]
    world.commit("Add a row")
    assert world.run(*changed).out == ""
    assert world.run(*changed, "--since", "HEAD~1", "--json").document["runs"][0]["prompts"] == ["a"]
    # The rows in a file of their own, and a base that has no such file.
    world.put("evaluations/thanks.yaml", evaluation(rows="thanks.csv"))
    world.put("evaluations/thanks.csv", "name\nAda\n")
    world.commit("Keep rows beside the file")
    assert world.run(*changed).out == ""
    world.put("evaluations/thanks.csv", "name\r\nAda\r\n")
    assert world.run(*changed).out == ""
    world.put("evaluations/thanks.csv", "name\nAda\nGrace\n")
    rude(world)
    done = world.run(*changed, "--since", "0" * 40, "--tables")
    assert [line.split()[:3] for line in done.out.splitlines()[1:3]] == [["a", "2", "0"], ["b", "2", "100"]]
    assert world.run(*changed).err.count("evaluations/thanks.yaml changed since HEAD") == 1
    assert world.run("agent", "run", "--changed").out == ""


def test_files_and_outputs_of_a_workflow(world: World, tmp_path: Path) -> None:
    rude(world)
    place = tmp_path / "outputs"
    environ = {"GITHUB_OUTPUT": str(place), "GITHUB_REF": "refs/pull/12/merge"}
    done = world.run("eval", "run", "thanks", "--json", "--report", "out/report.html", **environ)
    keys = ("prompts", "passed", "verdict", "score", "live_score")
    worse, fine = ([run[key] for key in keys] for run in done.document["runs"])
    assert (worse, fine[:3]) == ([["a"], False, "fail", 0, 100], [["b"], True, None])
    outputs = dict(line.split("=", 1) for line in place.read_text().splitlines())
    assert json.loads(outputs["scores"]) == {"a (thanks)": 0, "b (thanks)": 100}
    page = (world.root / "out/report.html").read_text("utf-8")
    assert "1 check passed, 1 failed" in page and "pull request 12" in page
    assert "A <del>polite</del> hello, {name}" in page and "A <ins>rude</ins> hello, {name}" in page
    world.commit("Be rude")
    world.exits(1, "deploy", "-y", "--report", "report.html")
    assert "1 check failed" in (world.root / "report.html").read_text("utf-8")


def test_more_cells_than_the_limit_are_refused_and_a_run_that_is_not_awaited_is_finished_by_the_next(
    world: World,
) -> None:
    rude(world)
    writes = len(world.writes)
    done = world.run("eval", "run", "--changed", "--max-cells", "19")
    without_stdin = world.on_terminal("eval", "run", "thanks", "--max-cells", "0", answer=None)
    world.configure("limits: {cells: 19}")
    for refused in (done, without_stdin, world.run("eval", "run", "--changed")):
        assert (refused.code, "add --max-cells 20" in refused.err) == (3, True), str(refused)
    assert len(world.writes) == writes
    started = world.ok("eval", "run", "thanks", "--prompt", "a", "--no-wait", "--max-cells", "20")
    world.configure("", instead="limits: {cells: 19}")
    assert "promptsync eval run thanks" in started.err
    said = "has no complete run of a as it is in your files"
    world.says(1, said, "eval", "show", "thanks", "--prompt", "a")
    # The hint runs what is shown, also on a table that no prompt names.
    world.put("evaluations/thanks.yaml", evaluation(prompts=[]))
    for options in (["--prompt", "a"], ["--prompt", "a", "--label", "prod", "--wait"]):
        shown = world.run("eval", "show", "thanks", *options)
        hint = shlex.split(shown.err.rpartition("hint: promptsync ")[2])
        assert (shown.code, hint) == (1, ["eval", "run", "thanks", *options[:4]]), str(shown)
    assert world.run(*hint).code in (0, 1)
    assert world.run("eval", "show", "thanks", *options).code in (0, 1)


def test_noise_says_which_rows_move_and_what_that_allows(world: World) -> None:
    world.faults.append(edited(lambda body: body["operation"].update(status="running"), "/operations/"))
    hint = "hint: promptsync eval noise thanks\n"
    world.says(1, hint, "eval", "noise", "thanks", "--prompt", "a", "--timeout", "0.05")
    world.faults.clear()
    calm = world.ok("eval", "noise", "thanks", "--prompt", "a")
    assert calm.out.splitlines() == [
        "a v1 (thanks)",
        "  scores of 3 runs with 20 rows: 100, 100, 100",
        "  rows whose verdict changed: none; 0 % differ between two runs",
        "  an unchanged prompt passes max_drop 5 in four of five runs with 20 rows",
        "  max_drop 5 takes 20 rows",
    ]
    # Each row gets its two answers in turn, so three of five say thanks.
    world.put("evaluations/thanks.yaml", evaluation(15))
    world.write("new", "A moody hello, {name}", model=MODEL)
    moody = world.ok("eval", "noise", "thanks", "--prompt", "new", "--runs", "5", "--json")
    (noise,) = moody.document["noise"]
    assert (noise["moved"], noise["share"], sum(noise["scores"])) == ([*range(1, 16)], 0.6, 300)
    world.put("evaluations/thanks.yaml", evaluation(8))
    world.forget()
    few = "thanks has 8 rows: it takes 10 to measure anything, and 20 for max_drop 5"
    world.says(1, few, "eval", "noise", "thanks")
    assert world.writes == []


def lists(world: World) -> str:
    return world.ok("eval", "list").out


def test_the_list_has_files_and_what_does_not_belong_here_or_has_markers_is_not_run(world: World) -> None:
    rows = [line.split() for line in world.ok("eval", "list").out.splitlines()]
    assert rows[0] == ["NAME", "KIND", "RUNS", "LAST", "SCORE", "ID"]
    # The table that the file has made is in its line.
    (line,) = [row for row in rows[1:] if row[:2] == ["thanks", "file"]]
    assert len(line[-1]) == 36 and not [row for row in rows if row[1] == "table"]
    # The run of a live version that it compares with is not the last run.
    assert re.search(
        r"^thanks: its last run for [ab] passed \(max_drop not compared\) \(just now\)$", lists(world), re.M
    )
    rude(world)
    world.put("evaluations/thanks.yaml", evaluation(21, min_score=50))
    world.exits(1, "eval", "run", "thanks", "--prompt", "a")
    line = "thanks: its last run for a failed: score 0 is below the minimum of 50 (just now)\n"
    assert lists(world).endswith(line)
    (file,) = world.ok("eval", "list", "--json").document["files"]
    last = [file["last_run"][key] for key in ("prompt", "passed", "score", "reason")]
    assert last == ["a", False, 0, "score 0 is below the minimum of 50"]
    world.write("a", "A polite hello, {name}", model=MODEL)
    # Prompts that do not belong here are not run.
    world.configure("include: [b]")
    assert [line[0] for line in world.ok("eval", "run", "thanks").lines[:2]] == ["PROMPT", "b"]
    world.says(2, "no prompt 'a' in your files", "eval", "run", "thanks", "--prompt", "a")
    world.configure("", instead="include: [b]")
    path = world.root / "prompts/a.yaml"
    path.write_text("<<<<<<< ours\n" + path.read_text() + "=======\n>>>>>>> theirs\n")
    world.says(1, "prompts/a.yaml:1:1: Git conflict markers", "eval", "run", "thanks")
    world.write("a", "<<<<<<< yours\nHello\n=======\nHi\n>>>>>>> registry v2\n", model=MODEL)
    writes = len(world.writes)
    for options in (["thanks"], ["--changed", "--tables"]):
        done = world.run("eval", "run", *options)
        assert (done.code, done.out, len(world.writes)) == (3, "", writes), str(done)
        assert "'a' has conflict markers at prompts/a.yaml:" in done.err and "nothing was run" in done.err
