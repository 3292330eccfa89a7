"""``label``, ``promote`` and ``rollback`` as a person and a pipeline run them."""

from __future__ import annotations

import shlex

import pytest
from worlds import Reply, World, failing, fault, template


@template
def here(world: World) -> None:
    for name, texts in {"refund": ("one", "two", "three"), "greet": ("one", "two")}.items():
        for text in texts:
            world.publish(name, text, commit_message=text)


# -- label ---------------------------------------------------------------------------------------------


def test_a_label_goes_through_its_life(here: World) -> None:
    assert here.run("label", "set", "refund", "prod", "--version", "1").lines == [
        ["created", "refund", "prod", "new", "->", "v1"]
    ]
    assert here.run("label", "move", "refund", "prod", "--to", "2").lines == [
        ["moved", "refund", "prod", "v1", "->", "v2"]
    ]
    assert here.run("label", "list").lines == [["refund", "prod", "v2", "latest", "v3"]]
    assert here.run("label", "list", "-v").lines[1] == ["refund", "prod.previous", "v1", "latest", "v3"]
    assert here.run("label", "delete", "refund", "prod", "-y").lines == [
        ["deleted", "refund", "prod", "v2", "->", "deleted"]
    ]
    nothing = here.run("label", "list")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no labels\n")


def test_labels_are_listed_as_json_with_every_label(here: World) -> None:
    here.point("refund", prod=2, prod_previous=1)
    here.point("greet", prod=2)
    body = here.run("label", "list", "--json").document
    assert (body["remote"], body["exit_code"]) == ("team", 0)
    assert body["labels"] == [
        {"name": "greet", "label": "prod", "version": 2, "latest": 2},
        {"name": "refund", "label": "prod", "version": 2, "latest": 3},
        {"name": "refund", "label": "prod.previous", "version": 1, "latest": 3},
    ]
    only = here.run("label", "list", "refund", "--label", "prod.previous").lines
    assert only == [["refund", "prod.previous", "v1", "latest", "v3"]]


def test_a_change_as_json_names_both_versions(here: World) -> None:
    here.point("refund", prod=1)
    assert here.run("label", "move", "refund", "prod", "--json").document["labels"] == [
        {"name": "refund", "label": "prod", "from": 1, "to": 3, "moved": True, "waits": False, "reason": ""}
    ]
    for verb in ("set", "move"):
        assert here.ok("label", verb, "refund", "prod").lines[0] == ["unchanged", "refund", "prod", "v3"]


REFUSALS: list[tuple[str, int, str]] = [
    ("label set refund prod", 3, "label move refund prod --to 3"),
    ("label move refund prod --to 1", 3, "promptsync rollback refund"),
    ("label move refund staging", 2, "promptsync label list refund"),
    ("label delete refund staging", 2, "promptsync label list refund"),
    ("label move refnd prod", 2, "did you mean 'refund'"),
    ("label list refnd", 2, "did you mean 'refund'"),
    ("label set refund new --version 9", 2, "promptsync log refund"),
    ("label set refund new --version 0", 2, "--help"),
    ("label set refund ' '", 2, "a word, such as prod"),
    ("label set refund", 2, "--help"),
    ("label mve refund prod", 2, "did you mean 'promptsync label move'?"),
    ("rollback refund", 3, "--label prod --to N"),
    ("rollback refund --label prod", 3, "--label prod --to N"),
    ("rollback refund --label staging", 2, "promptsync label list refund"),
    ("rollback refund --label prod --to 3", 3, "label move refund prod --to 3"),
    ("promote prod prod", 2, "promote staging prod"),
    ("promote prod ' '", 2, "a word, such as prod"),
    ("promote prod live greet", 2, "promptsync label list greet"),
    ("promote prod live gret", 2, "did you mean 'greet'"),
    ("promote prod live refund@1", 2, "promptsync label move refund@N live"),
    ("promote staging prod", 2, "no prompt in scope has the label 'staging'"),
    ("promote prod live --force", 2, "--force needs the names of the prompts"),
    ("promote prod live ref* --force", 2, "--force needs exact names, and 'ref*' is a pattern"),
    ("label move ref* prod --to 1 --force", 2, "--force needs exact names, and 'ref*' is a pattern"),
    ("label delete ref* prod", 2, "label delete needs exact names, and 'ref*' is a pattern"),
]


def test_what_is_refused_says_what_to_do_and_changes_nothing(here: World) -> None:
    here.point("refund", prod=2)
    for line, code, hint in REFUSALS:
        ran = here.run(*shlex.split(line))
        assert (ran.code, hint in ran.err) == (code, True), f"{line}\n{ran}"
        assert here.labels("refund") == {"prod": 2}
        document = here.run(*shlex.split(line), "--json").document
        assert document["exit_code"] == code and document["error"]["message"]


def test_a_lower_version_needs_force_and_a_yes(here: World) -> None:
    here.point("refund", prod=3)
    ran = here.run("label", "move", "refund", "prod", "--to", "1", "--force", "-y")
    assert ran.lines == [["moved", "refund", "prod", "v3", "->", "v1", "lower"]]
    assert here.labels("refund") == {"prod": 1, "prod.previous": 3, "prod.released": 3}


def test_a_prompt_is_rolled_back_to_one_version(here: World) -> None:
    for names, version in (
        (("refund@2", "refund@1"), None),
        (("refund@1", "refund"), None),
        (("refund@1", "refund@1"), 1),
        (("refund@1", "ref*"), 1),
        (("ref*", "refund@1"), 1),
        (("ref*", "re*"), 2),
    ):
        here.point("refund", prod=3, prod_previous=2, prod_released=3)
        ran = here.run("rollback", *names, "--label", "prod", "-y")
        assert ran.code == (0 if version else 2), ran.err
        assert here.labels("refund")["prod"] == (version or 3)
        if version is None:
            assert "refund is specified at v" in ran.err


def test_a_snippets_label_in_use_is_deleted_only_with_force(here: World) -> None:
    here.publish("tone", content="Be kind.")
    here.point("tone", prod=1)
    here.publish("parent", "@@@tone@label:prod@@@")
    ran = here.run("label", "delete", "tone", "prod")
    assert ran.code == 3
    assert "'parent'" in ran.err
    assert here.run("label", "delete", "tone", "prod", "--force", "-y").code == 0
    assert here.labels("tone") == {}


BEFORE = {"prod": 2, "prod.previous": 1, "staging": 3}
QUESTIONS = [
    ("label delete refund prod", "prod is deleted on 1 prompt. Continue?"),
    ("label set refund live", "live moves on 1 prompt. Continue?"),
    ("label move refund prod", "prod moves on 1 prompt. Continue?"),
    ("label move refund prod --to 1 --force", "prod moves on 1 prompt. Continue?"),
    ("rollback refund --label prod", "prod moves on 1 prompt. Continue?"),
    ("promote staging prod", "prod moves on 1 prompt. Continue?"),
]


@pytest.mark.parametrize(("line", "question"), QUESTIONS)
def test_the_plan_is_confirmed_by_an_answer_or_an_option(here: World, line: str, question: str) -> None:
    here.point("refund", **BEFORE)
    asked = here.on_terminal(*line.split(), answer="n\n")
    assert (asked.code, question in asked.err) == (1, True), str(asked)
    assert " -> v" in asked.err or " -> deleted" in asked.err
    ran = here.run(*line.split(), CI="")
    assert (ran.code, f"{line} --yes" in ran.err) == (2, True), str(ran)
    assert "v2" in ran.out or "v3" in ran.out
    warning = "refund: v2 is live under prod; applications that load it get nothing" in ran.out
    assert warning == ("deleting a label needs confirmation" in ran.err) == ("delete" in line)
    assert here.run(*line.split(), "--json", CI="").document["error"]["code"] == "not-confirmed"
    assert here.labels("refund") == BEFORE
    if line.endswith("--label prod"):
        done = here.on_terminal(*line.split(), answer="y\n")
    else:
        done = here.on_terminal(*line.split(), "--yes", answer="")
        assert "?" not in done.err
    assert done.code == 0
    assert here.labels("refund") != BEFORE


# -- promote -------------------------------------------------------------------------------------------


def test_a_promotion_moves_every_prompt_in_scope_and_remembers_the_way_back(here: World) -> None:
    here.point("refund", staging=3, prod=1)
    here.point("greet", staging=2)
    here.publish("unstaged")
    ran = here.run("promote", "staging", "prod")
    assert ran.code == 0
    assert ran.lines == [
        ["created", "greet", "prod", "new", "->", "v2"],
        ["moved", "refund", "prod", "v1", "->", "v3"],
        ["prod", "moved", "on", "2", "prompts"],
    ]
    assert here.labels("refund") == {"staging": 3, "prod": 3, "prod.previous": 1, "prod.released": 3}
    again = here.run("promote", "staging", "prod")
    assert (again.code, [line[0] for line in again.lines]) == (0, ["unchanged", "unchanged", "nothing"])


def test_a_promotion_leaves_other_repositories_prompts_alone(here: World) -> None:
    configure(here, "include: ['ref*']\n")
    here.point("refund", staging=3)
    here.point("greet", staging=2)
    assert len(here.run("promote", "staging", "prod").lines) == 1
    assert here.labels("greet") == {"staging": 2}


def test_one_lower_version_stops_the_whole_promotion(here: World) -> None:
    here.point("refund", staging=1, prod=3)
    here.point("greet", staging=2, prod=1)
    ran = here.run("promote", "staging", "prod")
    assert ran.code == 3
    assert "'prod' of 'refund' is at v3; v1 is older" in ran.err
    assert "promptsync label move refund prod --to 1 --force" in ran.err
    assert here.labels("greet") == {"staging": 2, "prod": 1}
    body = here.run("promote", "staging", "prod", "--json").document
    assert [(one["name"], one["moved"]) for one in body["labels"]] == [("greet", False), ("refund", False)]
    assert here.run("promote", "staging", "prod", "refund", "--force", CI="").code == 2
    assert here.run("promote", "staging", "prod", "refund", "--force", "-y").code == 0
    assert here.run("promote", "staging", "prod", "greet", "-y").code == 0
    assert here.labels("refund") == {"staging": 1, "prod": 1, "prod.previous": 3, "prod.released": 3}
    assert here.labels("greet") == {"staging": 2, "prod": 2, "prod.previous": 1, "prod.released": 2}


# -- rollback ------------------------------------------------------------------------------------------


def test_a_rollback_undoes_the_last_release_once_or_goes_to_the_version_it_is_given(here: World) -> None:
    here.point("refund", prod=1, staging=3)
    here.run("promote", "staging", "prod")
    ran = here.run("rollback", "refund", "--label", "prod")
    assert (ran.code, ran.lines) == (0, [["moved", "refund", "prod", "v3", "->", "v1", "lower"]])
    again = here.run("rollback", "refund", "--label", "prod")
    assert again.code == 3
    assert "rolled back already" in again.err
    assert "hint: promptsync log refund\n" in again.err
    assert here.run("promote", "staging", "prod").code == 0
    assert here.labels("refund") == {"staging": 3, "prod": 3, "prod.previous": 1, "prod.released": 3}
    body = here.run("rollback", "refund", "--label", "prod", "--to", "2", "--json").document
    assert body["labels"] == [
        {"name": "refund", "label": "prod", "from": 3, "to": 2, "moved": True, "waits": False, "reason": ""}
    ]
    assert here.run("rollback", "refund", "--label", "prod", "--to", "2").lines[0][0] == "unchanged"


ONLY: list[tuple[str, dict[str, int], int, str]] = [
    ("labels: {main: prod}\n", {"prod": 2, "prod_previous": 1, "staging": 3}, 0, ""),
    ("labels: {main: prod, next: prod}\n", {"prod": 2, "prod_previous": 1}, 0, ""),
    ("", {"prod": 2, "prod_previous": 1, "prod_released": 2}, 0, ""),
    ("labels: {main: prod, next: staging}\n", {"prod": 2, "prod_previous": 1}, 2, "prod or staging"),
    ("", {"prod": 2, "prod_previous": 1, "staging": 3}, 2, "prod or staging"),
    ("", {}, 2, "specify the label with --label"),
]


def configure(world: World, text: str) -> None:
    path = world.root / "promptsync.yaml"
    path.write_text(f"{path.read_text()}{text}")


@pytest.mark.parametrize(("config", "labels", "code", "words"), ONLY)
def test_a_rollback_takes_the_only_label_there_is(
    here: World, config: str, labels: dict[str, int], code: int, words: str
) -> None:
    configure(here, config)
    here.point("refund", **labels)
    ran = here.run("rollback", "refund")
    assert (ran.code, words in ran.err) == (code, True), ran.err
    assert here.label("refund", "prod") == (None if not labels else 2 if code else 1)
    if code and labels:
        assert ran.err.endswith(" rollback refund --label=prod\n")


# -- registries with other ideas -----------------------------------------------------------------------

FAULTS = [
    (failing(403, "no"), 4, "forbidden"),
    (failing(409, "approval needed"), 3, "label-not-moved"),
    (failing(422, "bad"), 4, "rejected"),
    (Reply({"id": 1}, 200, {}), 3, "waits-for-approval"),
    (Reply({"detail": "Not Found"}, 404, {}), 4, "unsupported"),
]


@pytest.mark.parametrize(("reply", "code", "word"), FAULTS)
def test_a_registry_that_does_not_move_the_label_is_never_a_success(
    here: World, reply: Reply, code: int, word: str
) -> None:
    here.point("refund", prod=2, staging=3)
    path = here.label_path("refund", "prod")
    here.faults.append(fault(lambda seen: (seen.method, seen.path) == ("PATCH", path), reply))
    for line in ("label move refund prod", "promote staging prod", "rollback refund --label prod --to 1"):
        ran = here.run(*line.split(), "--json")
        error = ran.document["error"]
        assert (ran.code, error["code"]) == (code, word), line
        # Where it is now is recorded, because the move may be approved later.
        recorded = {"prod.released": 2} if word == "waits-for-approval" else {}
        assert here.labels("refund") == {"prod": 2, "staging": 3, **recorded}
        if word == "unsupported":
            assert here.url in error["message"]
        else:
            assert [one["moved"] for one in ran.document["labels"]] == [False]


def test_a_label_command_carries_out_the_reviewed_plan_alone(here: World) -> None:
    planned = here.run("label", "set", "refund", "prod", "--dry-run", "--json").document["fingerprint"]
    other = here.run("label", "set", "greet", "prod", "--expect", planned)
    assert other.code == 3 and " label set greet prod --dry-run" in other.err
    assert here.run("label", "set", "refund", "prod", "--expect", planned).code == 0
