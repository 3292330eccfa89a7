"""What a label may be released from: the branches of ``labels:``, their newest commit, committed files."""

from __future__ import annotations

import shutil

import pytest
from deploying import change
from worlds import World, template_on

BRANCH = "the branch 'feature' does not release to prod; labels: sends main there"
DETACHED = "a commit that is not on main does not release to prod; labels: sends main there"
GITHUB = {"GITHUB_ACTIONS": "true"}
OLDER = "main has a newer commit; deploy from the newest one"


@template_on("released")
def changed(world: World) -> None:
    """``a`` has a new text on main, which is not released."""
    change(world, "hello", "welcome")


FEATURE, DETACHED_MAIN = "switch -qc feature", "switch -q --detach"
FETCHED = """\
init -q --bare ../origin.git
remote add origin ../origin.git
commit -q --allow-empty -m Colleague
push -q origin main
reset -q --hard HEAD~1
"""
UPSTREAM = f"{FETCHED}remote rename origin team\nbranch -q --set-upstream-to team/main\n"
PLACES = {
    "feature": FEATURE,
    "detached": DETACHED_MAIN,
    "detached feature": f"{DETACHED_MAIN}\ncommit -q --allow-empty -m Mine",
    "main with a newer commit at origin": FETCHED,
    "detached main with a newer commit at origin": FETCHED + DETACHED_MAIN,
    "old tag": f"tag v1\ncommit -q --allow-empty -m Newer\n{DETACHED_MAIN} v1",
    "main with a newer commit at its upstream": UPSTREAM,
    "main with a newer commit at the only remote": f"{UPSTREAM}branch -q --unset-upstream",
}
"""What git does to get there."""


def go(world: World, place: str) -> None:
    for command in PLACES[place].splitlines():
        world.git(*command.split())
    world.forget()


@pytest.mark.parametrize(
    ("place", "options", "code", "message"),
    [
        ("feature", "--label staging", 0, ""),
        ("feature", "", 2, "there is no release label for the branch 'feature'; labels: {main: prod}"),
        ("detached", "--label prod", 0, ""),
        ("detached feature", "--label prod", 3, DETACHED),
        ("main with a newer commit at origin", "--older", 0, ""),
        ("detached main with a newer commit at origin", "--label prod", 3, OLDER),
        ("old tag", "--label prod", 3, OLDER),
        ("old tag", "--label prod --older", 0, ""),
        *((place, "", 3, OLDER) for place in PLACES if place.startswith("main")),
    ],
)
def test_what_may_release_a_label(changed: World, place: str, options: str, code: int, message: str) -> None:
    go(changed, place)
    done = changed.exits(code, "deploy", *options.split())
    assert message in done.err and bool(changed.writes) == (code == 0)
    if code:
        assert ("git switch main" if message != OLDER else "git pull") in done.err
        assert "--older" not in done.err


def test_no_branch_is_advised_that_does_not_exist(changed: World) -> None:
    changed.git("branch", "-qm", "main", "master")
    refused = changed.exits(2, "deploy").err
    assert "hint: add master: LABEL to labels:" in refused and "git switch" not in refused


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({**GITHUB, "GITHUB_REF_NAME": "main"}, 0),
        ({**GITHUB, "GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "tag"}, 3),
        ({**GITHUB, "GITHUB_REF_NAME": "7/merge"}, 3),
        ({"CI_COMMIT_BRANCH": "main"}, 0),
        ({"CI_COMMIT_TAG": "v1"}, 3),
    ],
)
def test_a_workflow_may_name_the_branch(changed: World, variables: dict[str, str], code: int) -> None:
    """Of its commit, and only where git knows none."""
    go(changed, "detached")
    changed.git("branch", "-qm", "main", "other")
    for commit in ("HEAD~1", "HEAD"):
        sha = changed.git("rev-parse", commit).strip()
        run = {"GITHUB_SHA": sha, "CI_COMMIT_SHA": sha}
        done = changed.exits(code if commit == "HEAD" else 3, "deploy", "--label", "prod", **variables, **run)
        assert ("does not release to prod" in done.err) == (done.code == 3)
    go(changed, "feature")
    change(changed, "hello", "welcome", "b")
    changed.says(3, BRANCH, "deploy", "--label", "prod", **variables, **run)


def test_a_dry_run_changes_nothing_and_says_what_may_release(changed: World) -> None:
    for place, message, options in (
        ("feature", BRANCH, ["--dry-run", "--yes"]),
        ("detached feature", DETACHED, ["-n"]),
    ):
        go(changed, place)
        done = changed.ok("deploy", "--label", "prod", *options)
        assert changed.writes == [] and "not from here  " + message in done.out
        assert done.out.startswith("DRY RUN: nothing was released\n")
        found = changed.run("deploy", "--label", "prod", *options, "--json").document
        assert (found["passed"], found["not_from_here"]) == (False, message)


# -- what is committed --------------------------------------------------------------------------------------


UNCOMMITTED = [
    # a path, its text in place of what is committed (None: deleted), and whether it counts for every prompt
    ("prompts/d.yaml", "name: d\ncontent: Bye, without an agent\n", False),
    ("prompts/d.yaml", None, False),
    ("evaluations/x.csv", "a\n2\n", True),
    ("evaluations/new.yaml", "rows: [{a: 2}]\n", True),
    ("evaluations/x.yaml", None, True),
    ("promptsync.yaml", "min_score: 0", True),
]


def test_checks_are_those_of_the_commit(changed: World) -> None:
    """Files of other prompts do not hold up a named one."""
    changed.put("evaluations/x.yaml", "rows: x.csv\n")
    changed.put("evaluations/x.csv", "a\n1\n")
    changed.commit("Add an evaluation")
    changed.forget()
    for path, text, is_of_all in UNCOMMITTED:
        changed.git("checkout", "-q", ".")
        changed.git("clean", "-qf", "evaluations")
        if path == "promptsync.yaml":
            changed.configure(str(text), instead="min_score: 100")
        elif text is None:
            (changed.root / path).unlink()
        else:
            changed.put(path, text)
        for options in ([], *([["a"]] if is_of_all else [])):
            done = changed.says(3, f"{path} has changes that are not committed; deploy", "deploy", *options)
            assert f"git add {'prompts' if path.startswith('prompts') else path}" in done.err
        if not is_of_all:
            changed.ok("deploy", "a", "--dry-run")
    assert changed.writes == []
    changed.ok("deploy", "--allow-dirty")
    assert changed.label("a", "prod") == 2


def test_files_that_git_does_not_watch_or_have_are_refused(changed: World) -> None:
    changed.forget()
    changed.git("update-index", "--assume-unchanged", "promptsync.yaml")
    assert "git ignores changes in promptsync.yaml" in changed.exits(3, "deploy").err
    changed.git("update-index", "--no-assume-unchanged", "promptsync.yaml")
    changed.edit("a", "welcome", "good day")
    uncommitted = "prompts/a.yaml has changes that are not committed; deploy"
    assert uncommitted in changed.exits(3, "deploy", "a").err
    assert changed.writes == []
    # Of a snippet those of all others count, which may render it.
    changed.put("prompts/tone.yaml", "name: tone\ncontent: A polite tone.\n")
    changed.git("add", "prompts/tone.yaml")
    changed.git("commit", "-qm", "Add a snippet")
    assert uncommitted in changed.exits(3, "deploy", "tone").err


def test_prompts_of_a_submodule_are_refused(released: World) -> None:
    released.edit("b", "hello", "welcome")
    place, lib = "prompts/shared", released.root.parent / "lib"
    lib.mkdir()
    for name in "ad":
        shutil.move(released.path(name), lib)
    released.commit("Group prompts")
    for command in ("init -q -b main", "add --all", "commit -qm Share"):
        released.git("-C", str(lib), *command.split())
    released.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), place)
    released.git("config", "submodule.prompts.ignore", "all")
    released.commit("Use a submodule")
    released.forget()
    for arguments in (), ("b",):
        assert f"error: {place} is a submodule" in released.exits(3, "deploy", *arguments).err
    assert released.writes == []


def test_a_broken_evaluation_file_stops_no_status_and_no_rollback(changed: World) -> None:
    changed.ok("deploy")
    changed.put("evaluations/x.yaml", "rows: 3\n")
    changed.ok("rollback", "a", "--label", "prod", "--yes")
    changed.ok("status")
    assert changed.label("a", "prod") == 1


def test_the_fingerprint_covers_what_the_checks_must_reach(changed: World) -> None:
    def fingerprint(*more: str) -> str:
        return str(changed.run("deploy", "--json", *more).document["fingerprint"])

    strict = ("--min-score", "50")
    plans = [
        fingerprint("--dry-run", *more) for more in ((), strict, ("--allow-unbound",), ("--keep-going",))
    ]
    assert len({*plans}) == len(plans)
    assert fingerprint("--dry-run", *strict, "--timeout", "9") == plans[1]
    changed.forget()
    changed.exits(3, "deploy", "--expect", plans[0], *strict)
    changed.exits(3, "deploy", "--expect", plans[1])
    assert changed.writes == []
    changed.ok("deploy", "--expect", plans[1], *strict)
    outputs = changed.root.parent / "outputs"
    changed.exits(3, "deploy", "--expect", plans[1], GITHUB_OUTPUT=str(outputs))
    assert "passed=false" in outputs.read_text()
