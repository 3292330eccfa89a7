"""Every verb that talks to a registry, against each document's: it works, or names what is lacking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dialect_servers import customer, embedded, vendor
from dialect_world import Kind, beside
from registry_server import Caller
from vendor_spec import Judge
from worlds import World

from promptsync.cli import VERBS

JUDGE = Judge()
KINDS: dict[str, Kind] = {"embedded": embedded, "customer": customer, "vendor": partial(vendor, check=JUDGE)}
OFFLINE = {"help", "completion", "init", "lint", "new", "relay", "schema", "search", "serve", "types"}
VENDOR_ONLY = {"open"}
"""Only the vendor's own host has a dashboard."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def here(kind: str, tmp_path: Path) -> Iterator[World]:
    with beside(KINDS[kind], tmp_path) as found:
        yield found
    assert JUDGE.problems == []  # every answer was as the vendor's specification says, where that is at hand


def edited(here: World) -> None:
    here.write("tone", "Be nice.")


def behind(here: World) -> None:
    here.publish("tone", "Be cool.")


def pinned(here: World) -> None:
    behind(here)
    here.write("support/refund", "@@@tone@version_number:1@@@ {question}")


def drafted(here: World) -> None:
    here.write("draft", "Hello")


def grouped(here: World) -> None:
    here.call("POST", "/create-group", {})


def agent_started(here: World) -> None:
    here.ok("agent", "run", "refund-agent", "--no-wait")


def finished(here: World) -> None:
    here.ok("eval", "run", "refund quality", "--no-wait")


def two_commits(here: World) -> None:
    """Version 3 was published from the first commit, and version 4, which is in prod, from the second."""
    here.git("init", "-q", "-b", "main")
    for number, old, new, labels in ((3, "Say", "Old", []), (4, "Old", "Say", ["prod"])):
        here.edit("support/refund", old, new)
        here.commit(f"{new} it")
        message = f"{new} ({here.git('rev-parse', '--short=7', 'HEAD').strip()} v{number})"
        here.publish("support/refund", f"{new} {{question}}", commit_message=message, release_labels=labels)


LABELS = {"customer": "change release labels"}
SCORE, RESULT = "read the score of the evaluation", "read the result of the agent"
GROUP = "create a group"

Prepare = Callable[[World], None]
TABLE: list[tuple[str, dict[str, str], Prepare | None]] = [
    ("status", {}, None),
    ("status --label prod", {}, None),
    ("status -v", {}, pinned),
    ("bump tone", {}, None),
    ("bump tone --to 2", {}, pinned),
    ("diff", {}, edited),
    ("push -y", {}, edited),
    ("pull", {}, behind),
    ("pull --label prod", {}, None),
    ("mv draft sketch", {}, drafted),
    ("ls-remote", {}, None),
    ("log support/refund", {}, None),
    ("show support/refund", {}, None),
    ("show support/refund@1", {}, None),
    ("show support/refund:prod", {}, None),
    ("label list", {}, None),
    ("label set support/refund beta --version 1", LABELS, None),
    ("label move support/refund prod.previous --version 2", LABELS, None),
    ("label delete support/refund prod -y", LABELS, None),
    ("promote prod beta", LABELS, None),
    ("rollback support/refund --label prod", LABELS, None),
    ("rollback --label prod --to HEAD~1", LABELS, two_commits),
    ("deploy --label beta --allow-dirty", LABELS, None),
    ("deploy --label beta --dry-run --allow-dirty", LABELS, None),
    ("push -y --label beta", LABELS, edited),
    ("push --dry-run --label beta", LABELS, edited),
    ("push --dry-run --label beta", LABELS, None),
    ("label set support/refund beta --version 1 --dry-run", LABELS, None),
    ("label move support/refund prod.previous --version 2 --dry-run", LABELS, None),
    ("label delete support/refund prod --dry-run", LABELS, None),
    ("promote prod beta --dry-run", LABELS, None),
    ("rollback support/refund --label prod --dry-run", LABELS, None),
    ("render support/refund --from-registry --var question=Where", {}, None),
    ("eval list", {}, None),
    ("eval run 1", {"customer": SCORE}, None),
    ("eval run 1 --min-score 80", {"customer": SCORE}, None),
    ("eval run 1 --allow-unscored", {}, None),
    ("eval run 1 --no-wait", {}, None),
    ("eval show 1", {}, finished),
    ("eval show 2 --wait", {}, finished),
    ("agent list", {}, None),
    ("agent run refund-agent --var question=Where", {"customer": RESULT}, None),
    ("agent run refund-agent --no-wait", {}, None),
    ("agent show 2 --wait", {"customer": RESULT}, agent_started),
    ("bundle --label prod", {}, None),
    ("doctor", {}, None),
    ("dataset list", {}, None),
    ("track request request.json", {}, None),
    ("track prompt 1 tone --version 1 --var x=y", {}, None),
    ("track score 1 90 --name tone", {}, None),
    ("track metadata 1 user=42", {}, None),
    ("track group 1 1", {}, grouped),
    ("track group --new", {"customer": GROUP, "vendor": GROUP}, None),
]


ALONE = [row for row in TABLE if row[2] or (row[1] is LABELS and "--dry-run" not in row[0])]
"""What moves labels, or needs something in place, has a registry of its own."""


@pytest.mark.parametrize(("line", "lacking", "prepare"), ALONE, ids=[line for line, _, _ in ALONE])
def test_a_verb_works_or_names_the_operation_that_the_registry_lacks(
    here: World, kind: str, line: str, lacking: dict[str, str], prepare: Prepare | None
) -> None:
    if prepare is not None:
        prepare(here)
    check(here, line, lacking.get(kind))


def test_verbs_that_leave_labels_alone_work_or_name_what_the_registry_lacks(here: World, kind: str) -> None:
    for row in TABLE:
        if row not in ALONE:
            check(here, row[0], row[1].get(kind))


def check(here: World, line: str, lacking: str | None) -> None:
    ran = here.run(*line.split(), "--json")
    body = ran.document
    assert ran.code == body["exit_code"], line
    if lacking:
        assert ran.code == 4, ran.out
        why = f"{here.url} cannot {lacking}: it has no such operation"
        assert why in body["error"]["message"]
    else:
        assert ran.code == 0, ran.out
        assert "error" not in body


def state(call: Caller) -> list[Any]:
    return [call("GET", path).body for path in ("/prompt-templates", "/prompt-templates/labels")]


@pytest.mark.parametrize(
    ("line", "prepare"), [(line, prepare or edited) for line, lacking, prepare in TABLE if lacking is LABELS]
)
def test_where_labels_cannot_be_changed_that_is_known_before_anything_is_sent_to_write(
    tmp_path: Path, line: str, prepare: Prepare
) -> None:
    with beside(customer, tmp_path) as here:
        prepare(here)
        before = state(here.call)
        here.forget()
        assert here.run(*line.split()).code == 4
        assert state(here.call) == before
        assert here.writes == []


@pytest.mark.parametrize("line", ["push -y --label prod", "push -n --label prod", "deploy --label prod"])
def test_an_empty_registry_that_cannot_change_labels_stays_empty(tmp_path: Path, line: str) -> None:
    with beside(customer, tmp_path, is_empty=True) as here:
        here.write("tone", "Be kind.")
        done = here.run(*line.split())
        assert (done.code, "cannot change release labels" in done.err) == (4, True)
        assert here.call("GET", "/prompt-templates").body["items"] == []


def test_doctor_warns_of_what_a_registry_lacks(here: World, kind: str) -> None:
    checks = here.run("doctor", "--json").document["checks"]
    (dialect,) = [check for check in checks if check["name"] == "dialect"]
    assert dialect["status"] == ("warning" if kind == "customer" else "ok")
    assert ("without raw prompts" in dialect["message"]) is (kind == "customer")


def test_no_verb_is_left_out_of_the_table() -> None:
    assert {line.split()[0] for line, _, _ in TABLE} == set(VERBS) - OFFLINE - VENDOR_ONLY
