"""``label``, ``promote`` and ``rollback`` as a person and a pipeline run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from release_world import World, faulty, world
from worlds import Run


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    with world(tmp_path, capsys) as made:
        made.publish("refund", "one", "two", "three")
        made.publish("greet", "one", "two")
        yield made


@dataclass(frozen=True)
class Asked:
    code: int
    shown: str


def at_a_terminal(here: World, *arguments: str, answer: str) -> Asked:
    """Run a command line at a pseudo-terminal where somebody types an answer."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "promptsync", "-C", str(here.root), "--color", "never", *arguments]
    environ = {key: value for key, value in os.environ.items() if key != "CI"}
    os.write(ours, f"{answer}\n".encode())
    ran = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the other end is closed
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    return Asked(ran.wait(), shown.decode())


def error_of(ran: Run) -> dict[str, Any]:
    error: dict[str, Any] = ran.document["error"]
    return error


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
    here.label("refund", prod=2, prod_previous=1)
    here.label("greet", prod=2)
    body = here.run("label", "list", "--json").document
    assert (body["schema"], body["remote"], body["exit_code"]) == (1, "local", 0)
    assert body["labels"] == [
        {"name": "greet", "label": "prod", "version": 2, "latest": 2},
        {"name": "refund", "label": "prod", "version": 2, "latest": 3},
        {"name": "refund", "label": "prod.previous", "version": 1, "latest": 3},
    ]
    only = here.run("label", "list", "refund", "--label", "prod.previous").lines
    assert only == [["refund", "prod.previous", "v1", "latest", "v3"]]


def test_a_change_as_json_names_both_versions(here: World) -> None:
    here.label("refund", prod=1)
    assert here.run("label", "move", "refund", "prod", "--json").document["labels"] == [
        {"name": "refund", "label": "prod", "from": 1, "to": 3, "moved": True, "reason": ""}
    ]


def test_a_label_that_is_there_already_is_exit_0(here: World) -> None:
    here.label("refund", prod=3)
    for verb in ("set", "move"):
        ran = here.run("label", verb, "refund", "prod")
        assert (ran.code, ran.lines) == (0, [["unchanged", "refund", "prod", "v3"]])


REFUSALS: list[tuple[tuple[str, ...], int, str]] = [
    (("label", "set", "refund", "prod"), 3, "label move refund prod --to 3"),
    (("label", "move", "refund", "prod", "--to", "1"), 3, "promptsync rollback refund"),
    (("label", "move", "refund", "staging"), 2, "promptsync label list refund"),
    (("label", "delete", "refund", "staging"), 2, "promptsync label list refund"),
    (("label", "move", "refnd", "prod"), 2, "did you mean 'refund'"),
    (("label", "list", "refnd"), 2, "did you mean 'refund'"),
    (("label", "set", "refund", "new", "--version", "9"), 2, "promptsync log refund"),
    (("label", "set", "refund", "new", "--version", "0"), 2, "--help"),
    (("label", "set", "refund", " "), 2, "a word, such as prod"),
    (("label", "set", "refund"), 2, "--help"),
    (("label", "mve", "refund", "prod"), 2, "did you mean 'promptsync label move'?"),
    (("rollback", "refund"), 3, "--label prod --to N"),
    (("rollback", "refund", "--label", "prod"), 3, "--label prod --to N"),
    (("rollback", "refund", "--label", "staging"), 2, "promptsync label list refund"),
    (("rollback", "refund", "--label", "prod", "--to", "3"), 3, "label move refund prod --to 3"),
    (("promote", "prod", "prod"), 2, "promote staging prod"),
    (("promote", "prod", " "), 2, "a word, such as prod"),
    (("promote", "prod", "live", "greet"), 2, "promptsync label list greet"),
    (("promote", "prod", "live", "gret"), 2, "did you mean 'greet'"),
    (("promote", "prod", "live", "--force"), 2, "promptsync promote prod live NAME --force"),
    (("promote", "prod", "live", "ref*", "--force"), 2, "promptsync promote prod live NAME --force"),
]


@pytest.mark.parametrize(("arguments", "code", "hint"), REFUSALS)
def test_what_is_refused_says_what_to_do_and_changes_nothing(
    here: World, arguments: tuple[str, ...], code: int, hint: str
) -> None:
    here.label("refund", prod=2)
    ran = here.run(*arguments)
    assert ran.code == code
    assert hint in ran.err
    assert "Traceback" not in ran.err
    assert here.labels("refund") == {"prod": 2}
    told = here.run(*arguments, "--json")
    assert told.code == told.document["exit_code"] == code
    assert error_of(told)["message"]


def test_a_lower_version_needs_force_and_a_yes(here: World) -> None:
    here.label("refund", prod=3)
    ran = here.run("label", "move", "refund", "prod", "--to", "1", "--force", "-y")
    assert ran.lines == [["moved", "refund", "prod", "v3", "->", "v1", "lower"]]
    assert here.labels("refund") == {"prod": 1, "prod.previous": 1, "prod.released": 3}


@pytest.mark.parametrize(
    ("names", "version"),
    [
        (("refund@2", "refund@1"), None),
        (("refund@1", "refund"), None),
        (("refund@1", "refund@1"), 1),
        (("refund@1", "ref*"), 1),
        (("ref*", "refund@1"), 1),
        (("ref*", "re*"), 2),
    ],
)
def test_a_prompt_is_rolled_back_to_one_version(
    here: World, names: tuple[str, ...], version: int | None
) -> None:
    here.label("refund", prod=3, prod_previous=2)
    ran = here.run("rollback", *names, "--label", "prod", "-y")
    assert ran.code == (0 if version else 2), ran.err
    assert here.labels("refund")["prod"] == (version or 3)
    if version is None:
        assert "refund is specified at v" in ran.err


def test_a_snippets_label_in_use_is_deleted_only_with_force(here: World) -> None:
    here.publish("tone", "Be kind.", snippet=True)
    here.label("tone", prod=1)
    here.publish("parent", "@@@tone@label:prod@@@")
    ran = here.run("label", "delete", "tone", "prod")
    assert ran.code == 3
    assert "'parent'" in ran.err
    assert here.run("label", "delete", "tone", "prod", "--force", "-y").code == 0
    assert here.labels("tone") == {}


def test_without_a_terminal_a_label_is_deleted_only_with_a_yes(here: World) -> None:
    here.label("refund", prod=1)
    ran = here.run("label", "delete", "refund", "prod", CI="")
    assert ran.code == 2
    assert "deleting a label needs confirmation" in ran.err
    assert "refund: v1 is live under prod; applications that load it get nothing" in ran.out
    assert here.labels("refund") == {"prod": 1}
    assert here.run("label", "delete", "refund", "prod", "-y").code == 0
    assert here.labels("refund") == {}


QUESTIONS: list[tuple[tuple[str, ...], str]] = [
    (("label", "delete", "refund", "prod"), "prod is deleted on 1 prompt. Continue?"),
    (("label", "set", "refund", "live"), "live moves on 1 prompt. Continue?"),
    (("label", "move", "refund", "prod"), "prod moves on 1 prompt. Continue?"),
    (("label", "move", "refund", "prod", "--to", "1", "--force"), "prod moves on 1 prompt. Continue?"),
    (("rollback", "refund", "--label", "prod"), "prod moves on 1 prompt. Continue?"),
    (("promote", "staging", "prod"), "prod moves on 1 prompt. Continue?"),
]


@pytest.mark.parametrize(("arguments", "question"), QUESTIONS)
def test_on_a_terminal_it_asks_and_no_is_exit_1(
    here: World, arguments: tuple[str, ...], question: str
) -> None:
    before = {"prod": 2, "prod.previous": 1, "staging": 3}
    here.label("refund", prod=2, prod_previous=1, staging=3)
    asked = at_a_terminal(here, *arguments, answer="n")
    assert asked.code == 1
    assert question in asked.shown
    assert " -> v" in asked.shown or " -> deleted" in asked.shown
    assert here.labels("refund") == before


def test_yes_goes_on_and_the_option_answers_beforehand(here: World) -> None:
    here.label("refund", prod=2, prod_previous=1)
    assert at_a_terminal(here, "rollback", "refund", "--label", "prod", answer="y").code == 0
    assert here.labels("refund")["prod"] == 1
    quiet = at_a_terminal(here, "label", "delete", "refund", "prod", "-y", answer="")
    assert quiet.code == 0
    assert "?" not in quiet.shown


@pytest.mark.parametrize("arguments", [arguments for arguments, _ in QUESTIONS])
def test_without_a_terminal_it_shows_the_plan_and_exits_2(here: World, arguments: tuple[str, ...]) -> None:
    before = {"prod": 2, "prod.previous": 1, "staging": 3}
    here.label("refund", **{name.replace(".", "_"): version for name, version in before.items()})
    ran = here.run(*arguments, CI="")
    assert (ran.code, here.labels("refund")) == (2, before)
    assert "v2" in ran.out or "v3" in ran.out
    assert f"{' '.join(arguments)} --yes" in ran.err
    assert here.run(*arguments, "--json", CI="").document["error"]["code"] == "not-confirmed"
    assert here.run(*arguments, "--yes", CI="").code == 0
    assert here.labels("refund") != before


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_shared_options_may_stand_anywhere(here: World, place: str) -> None:
    here.label("refund", prod=1)
    words = {
        "before": ("--json", "label", "list"),
        "between": ("label", "--json", "list"),
        "after": ("label", "list", "--json"),
    }[place]
    assert here.run(*words).document["labels"][0]["label"] == "prod"


def test_control_characters_in_labels_and_names_are_escaped(here: World) -> None:
    here.publish("e\x1b[31mvil\u202e", "one")
    here.label("e\x1b[31mvil\u202e", **{"pr\x07od": 1})
    ran = here.run("label", "list", "--color", "never")
    assert ran.lines == [["e\\x1b[31mvil\\u202e", "pr\\x07od", "v1"]]


# -- promote -------------------------------------------------------------------------------------------


def test_a_promotion_moves_every_prompt_in_scope_and_remembers_the_way_back(here: World) -> None:
    here.label("refund", staging=3, prod=1)
    here.label("greet", staging=2)
    here.publish("unstaged", "one")
    ran = here.run("promote", "staging", "prod")
    assert ran.code == 0
    assert ran.lines == [
        ["created", "greet", "prod", "new", "->", "v2"],
        ["moved", "refund", "prod", "v1", "->", "v3"],
        ["prod", "moved", "on", "2", "prompts"],
    ]
    assert here.labels("refund") == {"staging": 3, "prod": 3, "prod.previous": 1, "prod.released": 3}
    again = here.run("promote", "staging", "prod")
    assert (again.code, [line[0] for line in again.lines]) == (0, ["unchanged", "unchanged", "no"])


def test_a_promotion_leaves_other_repositories_prompts_alone(here: World) -> None:
    here.write("promptsync.yaml", "include: ['ref*']\n")
    here.label("refund", staging=3)
    here.label("greet", staging=2)
    assert len(here.run("promote", "staging", "prod").lines) == 1
    assert here.labels("greet") == {"staging": 2}


def test_a_dry_run_shows_the_plan_and_changes_nothing(here: World) -> None:
    here.label("refund", staging=3, prod=1)
    ran = here.run("promote", "staging", "prod", "--dry-run")
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith("DRY RUN")
    assert ["refund", "prod", "v1", "->", "v3"] in ran.lines
    body = here.run("promote", "staging", "prod", "-n", "--json").document
    assert body["dry_run"] is True
    assert body["labels"][0] == {
        "name": "refund",
        "label": "prod",
        "from": 1,
        "to": 3,
        "moved": False,
        "reason": "",
    }
    assert here.labels("refund") == {"staging": 3, "prod": 1}


def test_one_lower_version_stops_the_whole_promotion(here: World) -> None:
    here.label("refund", staging=1, prod=3)
    here.label("greet", staging=2, prod=1)
    ran = here.run("promote", "staging", "prod")
    assert ran.code == 3
    assert "refund  prod  v3 -> v1" in ran.err
    assert "promote staging prod refund --force" in ran.err
    assert here.labels("greet") == {"staging": 2, "prod": 1}
    body = here.run("promote", "staging", "prod", "--json").document
    assert [(one["name"], one["moved"]) for one in body["labels"]] == [("greet", False), ("refund", False)]
    assert here.run("promote", "staging", "prod", "refund", "--force", CI="").code == 2
    assert here.run("promote", "staging", "prod", "refund", "--force", "-y").code == 0
    assert here.run("promote", "staging", "prod", "greet", "-y").code == 0
    assert here.labels("refund") == {"staging": 1, "prod": 1, "prod.previous": 1, "prod.released": 3}
    assert here.labels("greet") == {"staging": 2, "prod": 2, "prod.previous": 1, "prod.released": 2}


def test_a_promotion_of_nothing_says_so(here: World) -> None:
    ran = here.run("promote", "staging", "prod")
    assert (ran.code, ran.out) == (2, "")
    assert "no prompt in scope has the label 'staging'" in ran.err
    assert here.run("promote", "staging", "prod", "--json").document["labels"] == []


# -- rollback ------------------------------------------------------------------------------------------


def test_a_rollback_undoes_the_last_release_once(here: World) -> None:
    here.label("refund", prod=1, staging=3)
    here.run("promote", "staging", "prod")
    ran = here.run("rollback", "refund", "--label", "prod")
    assert (ran.code, ran.lines) == (0, [["moved", "refund", "prod", "v3", "->", "v1", "lower"]])
    again = here.run("rollback", "refund", "--label", "prod")
    assert again.code == 3
    assert "rolled back already" in again.err
    assert "v3  staging  three" in again.err
    assert here.run("promote", "staging", "prod").code == 0
    assert here.labels("refund") == {"staging": 3, "prod": 3, "prod.previous": 1, "prod.released": 3}


def test_a_rollback_goes_to_the_version_it_is_given(here: World) -> None:
    here.label("refund", prod=3)
    body = here.run("rollback", "refund", "--label", "prod", "--to", "2", "--json").document
    assert body["labels"] == [
        {"name": "refund", "label": "prod", "from": 3, "to": 2, "moved": True, "reason": ""}
    ]
    assert here.run("rollback", "refund", "--label", "prod", "--to", "2").lines[0][0] == "unchanged"


# -- registries with other ideas -----------------------------------------------------------------------

FAULTS: list[tuple[int, Any, int, str]] = [
    (200, {"id": 1}, 3, "label-not-moved"),
    (403, {"message": "no"}, 4, "forbidden"),
    (409, {"message": "approval needed"}, 3, "label-not-moved"),
    (404, {"detail": "Not Found"}, 4, "unsupported"),
]
VERBS: list[tuple[str, ...]] = [
    ("label", "move", "refund", "prod"),
    ("promote", "staging", "prod"),
    ("rollback", "refund", "--label", "prod", "--to", "1"),
]


@pytest.mark.parametrize("arguments", VERBS)
@pytest.mark.parametrize(("status", "body", "code", "word"), FAULTS)
def test_a_registry_that_does_not_move_the_label_is_never_a_success(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    status: int,
    body: Any,
    code: int,
    word: str,
) -> None:
    def answers(method: str, path: str) -> tuple[int, Any] | None:
        return (status, body) if (method, path) == ("PATCH", "/prompt-labels/1") else None

    with faulty(tmp_path, answers, capsys) as (sound, broken, _):
        sound.publish("refund", "one", "two", "three")
        sound.label("refund", prod=2)
        sound.label("refund", staging=3)
        ran = broken.run(*arguments, "--json")
        assert (ran.code, error_of(ran)["code"]) == (code, word)
        assert sound.labels("refund") == {"prod": 2, "staging": 3}
        if word == "unsupported":
            assert broken.project.url in error_of(ran)["message"]
            return
        assert [one["moved"] for one in ran.document["labels"]] == [False]
        assert broken.run(*arguments).err.startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [("label",), ("label", "list"), ("label", "move"), ("promote",), ("rollback",)]
)
def test_each_verb_explains_itself_with_an_example(here: World, arguments: tuple[str, ...]) -> None:
    ran = here.run(*arguments, "--help")
    assert ran.code == 0
    assert f"    promptsync {' '.join(arguments)}".strip() in ran.out


def test_the_documents_are_json_also_when_the_options_are_wrong(here: World) -> None:
    ran = here.run("label", "list", "--nonsense", "--json")
    assert ran.code == 2
    assert json.loads(ran.out)["error"]["code"] == "usage"


def test_a_label_command_carries_out_the_reviewed_plan_alone(here: World) -> None:
    planned = here.run("label", "set", "refund", "prod", "--dry-run", "--json").document["fingerprint"]
    other = here.run("label", "set", "greet", "prod", "--expect", planned)
    assert other.code == 3 and " label set greet prod --dry-run" in other.err
    assert here.run("label", "set", "refund", "prod", "--expect", planned).code == 0


def test_a_promotion_takes_no_version(here: World) -> None:
    here.run("label", "set", "refund", "staging", "--version", "2")
    done = here.run("promote", "staging", "prod", "refund@1")
    assert done.code == 2 and "promptsync label move" in done.err
    assert here.run("label", "list", "--label", "prod").lines == []
