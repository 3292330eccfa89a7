"""Every verb that talks to a registry, against each document's: it works, or names what is lacking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dialect_servers import Dialect, customer, embedded, vendor
from dialect_world import Here, beside
from vendor_spec import Judge

from promptsync.cli import VERBS

JUDGE = Judge()
KINDS: dict[str, Callable[[Any], Dialect]] = {
    "embedded": embedded,
    "customer": customer,
    "vendor": partial(vendor, check=JUDGE),
}
OFFLINE = {"help", "completion", "init", "lint", "schema", "serve"}


@pytest.fixture(params=KINDS)
def here(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Here]:
    with beside(KINDS[request.param], tmp_path, capsys) as found:
        found.name = request.param
        yield found
    assert JUDGE.problems == []  # every answer was as the vendor's specification says, where that is at hand


def edited(here: Here) -> None:
    here.write("tone", "Be nice.")


def behind(here: Here) -> None:
    here.publish("tone", "Be cool.")


def pinned(here: Here) -> None:
    behind(here)
    here.write("support/refund", "@@@tone@version_number:1@@@ {question}")


def grouped(here: Here) -> None:
    here.call("POST", "/create-group", {})


def finished(here: Here) -> None:
    assert here.run("eval", "run", "refund quality", "--no-wait").code == 0


CREATE, MOVE, DELETE = "create the release label", "move the release label", "delete the release label"
SCORE, RESULT = "read the score of the evaluation", "read the result of the agent"
GROUP = "create a group"

Prepare = Callable[[Here], None]
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
    ("ls-remote", {}, None),
    ("ls-remote --label prod", {}, None),
    ("log support/refund", {}, None),
    ("show support/refund", {}, None),
    ("show support/refund@1", {}, None),
    ("show support/refund:prod", {}, None),
    ("label list", {}, None),
    ("label set support/refund beta --version 1", {"customer": CREATE}, None),
    ("label move support/refund prod.previous --version 2", {"customer": MOVE}, None),
    ("label delete support/refund prod -y", {"customer": DELETE}, None),
    ("promote prod beta", {"customer": CREATE}, None),
    ("rollback support/refund --label prod", {"customer": MOVE}, None),
    ("deploy --label beta --allow-dirty", {"customer": CREATE}, None),
    ("deploy --label beta --dry-run --allow-dirty", {}, None),
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
    ("doctor", {}, None),
    ("dataset list", {}, None),
    ("dataset list --name refund --status all", {}, None),
    ("track request request.json", {}, None),
    ("track prompt 1 tone --version 1 --var x=y", {}, None),
    ("track score 1 90 --name tone", {}, None),
    ("track metadata 1 user=42", {}, None),
    ("track group 1 1", {}, grouped),
    ("track group --new", {"customer": GROUP, "vendor": GROUP}, None),
]


@pytest.mark.parametrize(("line", "lacking", "prepare"), TABLE, ids=[line for line, _, _ in TABLE])
def test_a_verb_works_or_names_the_operation_that_the_registry_lacks(
    here: Here, line: str, lacking: dict[str, str], prepare: Prepare | None
) -> None:
    if prepare is not None:
        prepare(here)
    ran = here.run(*line.split(), "--json")
    body = ran.document
    assert ran.code == body["exit_code"]
    if here.name in lacking:
        assert ran.code == 4, ran.out
        assert f"{here.url} cannot {lacking[here.name]}: it has no such operation" in body["error"]["message"]
    else:
        assert ran.code == 0, ran.out
        assert "error" not in body


def test_a_push_says_that_it_published_but_could_not_label(here: Here) -> None:
    edited(here)
    ran = here.run("push", "-y", "--label", "beta", "--json")
    published = {one["name"]: one["version"] for one in ran.document["published"]}
    moved = {one["name"]: one["moved"] for one in ran.document["labels"]}
    assert published == {"tone": 2}
    assert moved == dict.fromkeys(("support/refund", "tone"), here.name != "customer")
    assert ran.code == (5 if here.name == "customer" else 0)
    reasons = [one["reason"] for one in ran.document["labels"] if not one["moved"]]
    assert all("it has no such operation" in reason for reason in reasons)


def test_no_verb_is_left_out_of_the_table() -> None:
    assert {line.split()[0] for line, _, _ in TABLE} == set(VERBS) - OFFLINE
