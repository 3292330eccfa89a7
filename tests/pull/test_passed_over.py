"""Versions that were passed over: found, brought back, left out for good, and listed no more afterwards."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest
import yaml
from markdown_reader import MOST, check_only_code
from stories import clone, keys
from worlds import SYNCED, Run, World, template

from promptsync.compare.gather import gather
from promptsync.compare.snapshot import find_passed_over

LINES = ["Be kind.", "Be brief.", "Never promise money.", "Ask for the order.", "Answer {question}."]
TEXT = "\n\n".join(LINES)


def said(**lines: str) -> str:
    """The text with other lines: ``said(l1=…)`` changes the first."""
    return "\n\n".join(lines.get(f"l{number}", line) for number, line in enumerate(LINES, 1))


def found(world: World, *names: str) -> list[tuple[str, tuple[int, ...]]]:
    """The versions that were passed over, by prompt."""
    with world.project() as project:
        lost = find_passed_over(project, gather(project).only(names))
        return [(name, tuple(one.version for one in some.read)) for name, some in lost.items()]


def release(world: World) -> None:
    """Publish what the file says over whatever the registry holds, as a deploy does."""
    world.ok("push", "refund", "--force", "-y")


def say(world: World) -> None:
    world.write("refund", TEXT)
    world.write("other", TEXT)
    world.commit("Say it")
    world.ok("push")


def pass_over(world: World) -> None:
    world.publish("refund", said(l1="Be very kind."))
    world.edit("refund", "Be brief.", "Be short.")
    world.commit("Be short")
    release(world)


@template
def shop(world: World) -> None:
    """``refund`` and ``other``, both published from a commit."""
    say(world)


@template
def passed(world: World) -> None:
    """A draft, v2, that v3 was published over."""
    say(world)
    pass_over(world)


@template
def clashing(world: World) -> None:
    """The draft of ``refund`` clashes with its text; ``other`` was edited in the registry."""
    say(world)
    pass_over(world)
    world.edit("refund", "Be kind.", "Be curt.")
    world.commit("Be curt")
    world.ok("push")
    world.publish("other", said(l5="Answer {question} soon."))


# -- finding them -------------------------------------------------------------------------------------------


def test_drafts_of_several_releases_are_found_and_come_back_together(passed: World) -> None:
    passed.publish("refund", said(l2="Be short.", l3="Promise money."))
    passed.publish("refund", said(l2="Be short.", l3="Promise much money."))
    for word, publish in (("concise", release), ("curt", lambda world: world.ok("push"))):
        passed.write("refund", said(l2=f"Be {word}."))
        passed.commit(f"Be {word}")
        publish(passed)
    assert found(passed) == [("refund", (2, 4, 5))]
    passed.ok("pull", "--passed-over")
    passed.commit("Bring them back")
    passed.ok("push")
    assert passed.text("refund") == said(l1="Be very kind.", l2="Be curt.", l3="Promise much money.")
    assert found(passed) == []
    for options in (("--passed-over",), ("--no-passed-over", "refund")):
        assert passed.ok("pull", *options).out == "nothing to pull\n"


# -- bringing them back -------------------------------------------------------------------------------------


def test_a_draft_can_be_left_out_for_good_on_the_branches_that_have_the_commit(passed: World) -> None:
    before = passed.path("refund").read_text("utf-8")
    assert "(passed over)" in passed.ok("log", "refund", "--oneline").out
    passed.git("checkout", "-qb", "aside")
    done = passed.ok("pull", "--no-passed-over", "refund")
    assert "updated  refund  v3  prompts/refund.yaml  without v2, passed over before" in done.out
    assert SYNCED.sub("", passed.path("refund").read_text("utf-8")) == before
    assert keys(passed, "refund") == (3, 2)
    assert set(passed.states().values()) == {"in-sync"}
    passed.commit("Leave it out")
    assert "(passed over)" not in passed.ok("log", "refund", "--oneline").out
    passed.ok("push", "--json")
    assert (passed.version("refund"), found(passed)) == (3, [])
    passed.git("checkout", "-q", "main")
    assert found(passed) == [("refund", (2,))]
    passed.git("merge", "-q", "--no-ff", "--no-edit", "aside")
    assert found(passed) == []


def test_a_reviewer_who_drops_the_text_is_not_asked_again(passed: World) -> None:
    passed.ok("pull", "--passed-over")
    passed.edit("refund", "Be very kind.", "Be kind.")
    passed.commit("Not this one")
    for _ in range(2):
        assert found(passed) == []
        assert set(passed.states().values()) == {"in-sync"}
        assert passed.ok("push").out == "nothing to push\n"
        passed.path("refund").unlink()  # with the keys of the draft, which HEAD still has
        passed.write("refund", said(l2="Be short."))


def test_an_edit_on_top_the_draft_below_and_an_edit_here_come_together(passed: World) -> None:
    passed.publish("refund", said(l2="Be short.", l5="Answer {question} now."))
    assert passed.states()["refund"] == "behind"
    assert "fetch-depth: 0" in clone(passed, "shallow").run("pull", "--passed-over").err
    other = clone(passed, "other")
    other.ok("pull")
    assert keys(other, "refund") == (4,) and "Be very kind." not in other.path("refund").read_text("utf-8")
    other.commit("Take the edit")
    assert found(other) == [("refund", (2,))]

    passed.edit("refund", "Never promise money.", "Promise nothing.")
    ours = passed.path("refund").read_bytes()
    assert passed.run("pull", "--passed-over").code == 3
    passed.ok("pull", "--merge", "--passed-over")
    (kept,) = (path for path in (passed.root / ".promptsync/backup").rglob("*") if path.is_file())
    assert kept.read_bytes() == ours
    text = passed.path("refund").read_text("utf-8")
    for line in ("Be very kind.", "Be short.", "Promise nothing.", "Answer {question} now."):
        assert line in text
    assert keys(passed, "refund") == (4, 2)


# -- what other verbs make of it ----------------------------------------------------------------------------


def test_the_push_that_passes_over_says_so_and_so_does_status_while_it_is_the_newest(shop: World) -> None:
    shop.publish("refund", said(l1="Be very kind."))
    shop.edit("refund", "Be brief.", "Be short.")
    shop.commit("Be short")
    line = "  passed over  refund: v2; promptsync pull refund --passed-over"
    other = "  or  refund: leave that out for good; promptsync pull refund --no-passed-over"
    planned = shop.run("push", "refund", "--force", "-n").out
    assert "passes over  refund: v2; promptsync pull --merge refund" in planned
    done = shop.run("push", "refund", "--force", "-y", "--json").document
    assert [one["passed_over"] for one in done["published"]] == [[2]]
    out = shop.ok("status").out
    assert "2 prompts, all in sync" in out and out.splitlines()[-2:] == [line, other]
    shop.forget()
    assert shop.ok("status").out == out
    assert len(shop.seen) == 3  # two lists, and v2 to see whether the file includes it
    assert "v2" in shop.ok("status", "--format", "markdown").out
    logged = shop.run("log", "refund", "--json").document["versions"]
    assert [(one["version"], one["parents"], one["passed_over"]) for one in logged] == [
        (3, [1], False),
        (2, [1], True),
        (1, [], False),
    ]
    # a file that says it includes the version needs a push, and no advice to pull
    shop.ok("pull", "--passed-over")
    assert line not in shop.ok("status").out
    shop.commit("Bring it back")
    shop.ok("push")
    assert [one["passed_over"] for one in shop.run("status", "--json").document["prompts"]] == [[], []]


# -- what does not merge ------------------------------------------------------------------------------------


def test_drafts_that_do_not_merge_leave_every_file_as_it_was_or_get_markers(clashing: World) -> None:
    before = clashing.files()
    done = clashing.exits(3, "pull", "--passed-over", "--json").document
    (conflict,) = done["conflicts"]
    assert (conflict["name"], conflict["version"]) == ("refund", 2)
    assert (done["error"]["code"], clashing.files() == before) == ("merge-conflict", True)
    assert "--theirs" not in done["error"]["hint"]
    document = clashing.exits(3, "pull", "--merge", "--passed-over", "--partial", "--json").document
    assert [one["name"] for one in document["written"]] == ["other"]
    assert [[one["name"] for one in document[key]] for key in ("left", "conflicts")] == [["refund"]] * 2
    assert clashing.files()["prompts/refund.yaml"] == before["prompts/refund.yaml"]
    assert found(clashing) == [("refund", (2,))]
    assert "conflict  refund" in clashing.exits(3, "pull", "--passed-over", "--markers", "refund").out
    text = clashing.path("refund").read_text("utf-8")
    assert "<<<<<<< yours" in text and ">>>>>>> v2" in text
    assert clashing.run("push").code == 3


# -- merged in git ---------------------------------------------------------------------------

MERGES: dict[str, Callable[[World], object]] = {
    "merge commit": lambda world: world.git("merge", "-q", "--no-ff", "--no-edit", "drift"),
    "fast-forward": lambda world: world.git("merge", "-q", "--ff-only", "drift"),
    "squash": lambda world: (world.git("merge", "-q", "--squash", "drift"), world.commit("Drift (#7)")),
    "rebase": lambda world: world.git("cherry-pick", "main..drift"),
}


@pytest.mark.parametrize("how", MERGES)
def test_merging_the_drift_branch_publishes_only_the_draft_and_once(passed: World, how: str) -> None:
    passed.ok("label", "set", "other", "prod")
    passed.publish("other", said(l1="Be very kind."))
    assert found(passed) == [("refund", (2,))]  # what nothing covers is behind
    passed.git("checkout", "-qb", "drift")
    passed.ok("pull", "--merge", "--passed-over", "--partial")
    passed.commit("Bring back what the registry has")
    passed.git("checkout", "-q", "main")
    if how != "fast-forward":
        passed.write("third")
        passed.commit("Add a third")
        passed.ok("push")
    MERGES[how](passed)
    passed.git("branch", "-qD", "drift")
    passed.git("clean", "-qxfd", ".promptsync")
    assert found(passed) == []
    states = passed.states()
    assert (states.pop("refund"), set(states.values())) == ("ahead", {"in-sync"})
    passed.ok("push")
    assert passed.ok("push").out == "nothing to push\n"
    assert passed.messages("refund")[-1].endswith(" v4^3^2)")
    assert (passed.version("other"), found(passed)) == (2, [])


# -- what a workflow gets -----------------------------------------------------------------------------------


DRIFT = ("pull", "--merge", "--passed-over", "--partial", "--format", "markdown")


def test_a_workflow_learns_whether_there_is_something_to_review(clashing: World) -> None:
    output, summary = clashing.root.parent / "output", clashing.root.parent / "summary"
    told = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    for code, names, counts in ((3, (), (1, 1)), (0, ("other",), (0, 0)), (3, (), (0, 1))):
        clashing.exits(code, *DRIFT, *names, **told)
        is_changed, others = str(bool(counts[0])).lower(), f"count={counts[0]}\nconflicts={counts[1]}\n"
        assert output.read_text() == f"changed={is_changed}\n{others}"
        output.unlink()
    assert "**1 prompt from the registry**" in summary.read_text()


HOSTILE = "```\n</details>\n@EVIL see #1 ![x](http://x) <img src=x> \x1b[31m" + "`" * 7


def test_the_body_of_the_pull_request_tells_versions_differences_and_what_was_left(clashing: World) -> None:
    clashing.publish("other", HOSTILE, commit_message="see @EVIL ```")
    lines = clashing.run(*DRIFT).out.splitlines()
    assert lines[0] == "**1 prompt from the registry**"
    assert "  updated  other  v1 -> v3  prompts/other.yaml" in lines
    assert "**1 prompt skipped**, left for you to decide:" in lines
    assert "refund: passed-over v2 does not merge in 1 place" in lines
    assert any(line.startswith("      registry v2: ") for line in lines)
    assert any(line.startswith("# v3  20") and line.endswith("see @EVIL ```") for line in lines)
    assert "-Be kind." in lines and "+</details>" in lines
    check_only_code(lines, MOST)


# -- drafts that clash with each other: one at a time --------------------------------------------------------

FIRST, SECOND = "Be very kind.", "Be extremely kind."
MARKERS = re.compile(r"<<<<<<< yours\n(.*?)=======\n(.*?)>>>>>>> (v\d+)\n", re.DOTALL)


def text_of(first: str) -> str:
    return f"{first}\n\nBe brief.\n\nAnswer {{question}}.\n"


@pytest.fixture
def drafts(world: World) -> World:
    """Two drafts of the same line, v2 and v4, each passed over by a release that changed another line."""
    world.write("refund", text_of("Be kind."))
    world.commit("Say it")
    world.ok("push")
    for draft, old, new in ((FIRST, "Be brief.", "Be short."), (SECOND, "Be short.", "Be terse.")):
        world.publish("refund", text_of(draft).replace("Be brief.", old))
        world.edit("refund", old, new)
        world.commit(new)
        world.ok("push", "--force", "refund", "-y")
    return world


def hints(done: Run) -> list[list[str]]:
    return [shlex.split(line)[2:] for line in done.err.splitlines() if line.startswith("hint: promptsync ")]


def resolved(world: World) -> str:
    """Keep both sides of each conflict, and return which version the markers name."""
    path = world.path("refund")
    body = yaml.safe_load(path.read_text("utf-8"))
    (message,) = body["messages"]
    (conflict,) = MARKERS.finditer(message["content"])
    message["content"] = MARKERS.sub(r"\1\2", message["content"])
    path.write_text(yaml.safe_dump(body), "utf-8")
    return conflict[3]


def test_drafts_that_both_clash_with_the_file_get_markers_one_at_a_time(drafts: World) -> None:
    drafts.edit("refund", "Be kind.", "Be curt.")
    drafts.commit("Be curt")
    drafts.ok("push")
    for version in (2, 4):
        before, done = drafts.files(), drafts.run("pull", "--passed-over")
        assert f"'refund': passed-over v{version} does not merge in 1 place; nothing was written" in done.err
        assert hints(done)[1:] == [["pull", "refund", "--no-passed-over"]]
        assert drafts.files() == before
        done = drafts.exits(3, *hints(done)[0])
        assert f"with v{version}, passed over before" in done.out
        assert resolved(drafts) == f"v{version}"
    assert drafts.ok("pull", "--passed-over").out.endswith("\nnothing to pull\n")
    text = drafts.path("refund").read_text("utf-8")
    assert [line for line in ("Be curt.", FIRST, SECOND) if line not in text] == []
    drafts.commit("Bring both back")
    drafts.ok("push")
    (prompt,) = drafts.ok("status", "--json").document["prompts"]
    assert (prompt["state"], prompt["passed_over"]) == ("in-sync", [])
