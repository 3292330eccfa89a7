"""Every verb that talks to a registry, against each document's: it works, or names what is lacking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dialect_servers import customer, embedded, vendor
from dialect_world import Kind, beside
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


def pinned(here: World) -> None:
    here.publish("tone", "Be cool.")
    here.write("support/refund", "@@@tone@version_number:1@@@ {question}")


def two_commits(here: World) -> None:
    """Version 3 was published from the first commit, and version 4, which is in prod, from the second."""
    here.git("init", "-q", "-b", "main")
    for number, old, new, labels in ((3, "Say", "Old", []), (4, "Old", "Say", ["prod"])):
        here.edit("support/refund", old, new, commit=f"{new} it")
        message = f"{new} ({here.git('rev-parse', '--short=7', 'HEAD').strip()} v{number})"
        here.publish("support/refund", f"{new} {{question}}", commit_message=message, release_labels=labels)


PREPARED: dict[str, Callable[[World], object]] = {
    "edited": lambda here: here.write("tone", "Be nice."),
    "behind": lambda here: here.publish("tone", "Be cool."),
    "pinned": pinned,
    "drafted": lambda here: here.write("draft", "Hello"),
    "grouped": lambda here: here.call("POST", "/create-group", {}),
    "agent started": lambda here: here.ok("agent", "run", "refund-agent", "--no-wait"),
    "evaluation started": lambda here: here.ok("eval", "run", "refund quality", "--no-wait"),
    "two commits": two_commits,
}
LABELS = {"customer": "change release labels"}
SCORE = {"customer": "read the score of the evaluation"}
RESULT = {"customer": "read the result of the agent"}
GROUP = dict.fromkeys(("customer", "vendor"), "create a group")
MOVE = "label move support/refund prod.previous --version 2"

TABLE: list[tuple[str, dict[str, str], str]] = [
    # the command line, what kinds of registries lack for it, and what is prepared in a registry of its own
    ("status", {}, ""),
    ("status --label prod", {}, ""),
    ("status -v", {}, "pinned"),
    ("bump tone", {}, ""),
    ("bump tone --to 2", {}, "pinned"),
    ("diff", {}, "edited"),
    ("push -y", {}, "edited"),
    ("pull", {}, "behind"),
    ("pull --label prod", {}, ""),
    ("mv draft sketch", {}, "drafted"),
    ("ls-remote", {}, ""),
    ("log support/refund", {}, ""),
    ("show support/refund", {}, ""),
    ("show support/refund@1", {}, ""),
    ("show support/refund:prod", {}, ""),
    ("label list", {}, ""),
    ("label set support/refund beta --version 1", LABELS, ""),
    (MOVE, LABELS, ""),
    ("label delete support/refund prod -y", LABELS, ""),
    ("promote prod beta", LABELS, ""),
    ("rollback support/refund --label prod", LABELS, ""),
    ("rollback --label prod --to HEAD~1", LABELS, "two commits"),
    ("deploy --label beta --allow-dirty", LABELS, ""),
    ("deploy --label beta --dry-run --allow-dirty", LABELS, ""),
    ("push -y --label beta", LABELS, "edited"),
    ("push --dry-run --label beta", LABELS, "edited"),
    ("push --dry-run --label beta", LABELS, ""),
    ("label set support/refund beta --version 1 --dry-run", LABELS, ""),
    (f"{MOVE} --dry-run", LABELS, ""),
    ("label delete support/refund prod --dry-run", LABELS, ""),
    ("promote prod beta --dry-run", LABELS, ""),
    ("rollback support/refund --label prod --dry-run", LABELS, ""),
    ("render support/refund --from-registry --var question=Where", {}, ""),
    ("eval list", {}, ""),
    ("eval run 1", SCORE, ""),
    ("eval run 1 --min-score 80", SCORE, ""),
    ("eval run 1 --allow-unscored", {}, ""),
    ("eval run 1 --no-wait", {}, ""),
    ("eval show 1", {}, "evaluation started"),
    ("eval show 2 --wait", {}, "evaluation started"),
    ("agent list", {}, ""),
    ("agent run refund-agent --var question=Where", RESULT, ""),
    ("agent run refund-agent --no-wait", {}, ""),
    ("agent show 2 --wait", RESULT, "agent started"),
    ("bundle --label prod", {}, ""),
    ("doctor", {}, ""),
    ("dataset list", {}, ""),
    ("track request request.json", {}, ""),
    ("track prompt 1 tone --version 1 --var x=y", {}, ""),
    ("track score 1 90 --name tone", {}, ""),
    ("track metadata 1 user=42", {}, ""),
    ("track group 1 1", {}, "grouped"),
    ("track group --new", GROUP, ""),
]
ALONE = [row for row in TABLE if row[2] or (row[1] is LABELS and "--dry-run" not in row[0])]
"""What moves labels, or needs something in place, has a registry of its own."""


@pytest.mark.parametrize(("line", "lacking", "prepared"), ALONE, ids=[line for line, _, _ in ALONE])
def test_a_verb_works_or_names_the_operation_that_the_registry_lacks(
    here: World, kind: str, line: str, lacking: dict[str, str], prepared: str
) -> None:
    if prepared:
        PREPARED[prepared](here)
    check(here, line, lacking.get(kind))


def test_verbs_that_leave_labels_alone_work_or_name_what_the_registry_lacks(here: World, kind: str) -> None:
    for row in TABLE:
        if row not in ALONE:
            check(here, row[0], row[1].get(kind))
    checks = here.run("doctor", "--json").document["checks"]
    (dialect,) = [check for check in checks if check["name"] == "dialect"]
    assert dialect["status"] == ("warning" if kind == "customer" else "ok")
    assert ("without raw prompts" in dialect["message"]) is (kind == "customer")


def check(here: World, line: str, lacking: str | None) -> None:
    ran = here.exits(4 if lacking else 0, *line.split(), "--json")
    body = ran.document
    assert ("error" in body) is bool(lacking)
    if lacking:
        assert f"{here.url} cannot {lacking}: it has no such operation" in body["error"]["message"]


def state(here: World) -> list[Any]:
    return [here.call("GET", path).body for path in ("/prompt-templates", "/prompt-templates/labels")]


def test_where_labels_cannot_be_changed_that_is_known_before_anything_is_sent_to_write(
    tmp_path: Path,
) -> None:
    with beside(customer, tmp_path) as here:
        for prepared in ("", "edited", "two commits"):
            if prepared:
                PREPARED[prepared](here)
            before = state(here)
            here.forget()
            for line, lacking, needed in TABLE:
                if lacking is LABELS and needed == prepared:
                    here.exits(4, *line.split())
            assert (state(here), here.writes) == (before, [])


def test_an_empty_registry_that_cannot_change_labels_stays_empty(tmp_path: Path) -> None:
    with beside(customer, tmp_path, is_empty=True) as here:
        here.write("tone", "Be kind.")
        for line in ("push -y --label prod", "push -n --label prod", "deploy --label prod"):
            here.says(4, "cannot change release labels", *line.split())
        assert here.call("GET", "/prompt-templates").body["items"] == []


def test_no_verb_is_left_out_of_the_table() -> None:
    assert {line.split()[0] for line, _, _ in TABLE} == set(VERBS) - OFFLINE - VENDOR_ONLY
