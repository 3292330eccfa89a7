"""Labels, archiving, logging, evaluations, agents and Tables, in every form in which registries answer."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from scripted_registry import Reply, Scripted, Seen, client, version
from test_listing import asked

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Label
from promptsync.registry.errors import BadAnswer, FateUnknown, NotFound, Rejected, Unsupported
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.protocol import SheetId

PROD = {"release_label": "prod", "release_label_id": 12, "prompt_version_number": 3}
OWNED = {**PROD, "prompt_id": 71, "prompt_name": "greet"}
LABEL = Label("prod", 3, 12, 71, "greet")
SHORT = {"name": "prod", "version": 3, "id": 12, "prompt_name": "greet"}

LABEL_LISTS: list[tuple[Any, list[Label] | None]] = [
    *((body, [LABEL]) for body in ([OWNED], {"success": True, "release_labels": [OWNED]})),
    *(({key: [OWNED]}, [LABEL]) for key in ("labels", "items")),
    ([SHORT], [Label("prod", 3, 12, None, "greet")]),
    ([], []),
    *((body, None) for body in ([PROD], [{**OWNED, "prompt_version_number": None}], ["prod"])),
    *((body, None) for body in ({"names": ["prod"]}, {"items": [OWNED], "pages": 2})),
    ({**version("labels"), "labels": []}, None),
]


def test_a_list_of_all_labels_is_used_only_if_it_is_complete() -> None:
    for body, labels in LABEL_LISTS:
        with client(Scripted(Reply(body))) as registry:
            assert registry.labels.all() == labels, body


def test_a_list_of_all_labels_may_be_missing_but_not_forbidden() -> None:
    for status in (400, 404, 405, 422, 401, 403):
        with client(Scripted(Reply({"message": "'labels' is not an id"}, status=status))) as registry:
            if status in (401, 403):
                with pytest.raises(Rejected):
                    registry.labels.all()
            else:
                assert registry.labels.all() is None, status


def test_the_labels_of_a_prompt_are_a_list_or_in_an_object_and_nothing_else() -> None:
    for body in ([PROD], {"release_labels": [PROD]}):
        with client(Scripted(Reply(body))) as registry:
            assert registry.labels.of(71, "greet") == [LABEL]
    for wrong in ({}, {"release_labels": {}}, [{"release_label": "prod"}], "<html>"):
        with client(Scripted(Reply(wrong))) as registry, pytest.raises(RemoteError, match="expected"):
            registry.labels.of(71, "greet")


def test_a_forbidden_label_names_the_missing_permission() -> None:
    with client(Scripted(Reply("", status=403))) as registry, pytest.raises(Rejected) as caught:
        registry.labels.set(71, "greet", "prod", 3, LABEL)
    assert "permission" in caught.value.hint
    assert caught.value.code == "forbidden"


# -- the others ------------------------------------------------------------------------------------------


def test_a_prompt_is_archived_as_the_kind_that_the_registry_accepts() -> None:
    for is_snippet, kinds in ((False, ["PROMPT"]), (True, ["SNIPPET", "PROMPT"])):
        moved = [Reply({"moved_count": int(kind == "PROMPT")}) for kind in kinds]
        script = Scripted(Reply(version()), *moved)
        with client(script) as registry:
            registry.prompts.get(7, "greet")
            registry.prompts.archive(7, is_snippet)
        bodies = [seen.body for seen in script.seen[1:]]
        assert [body["entities"] for body in bodies] == [[{"id": 7, "type": kind}] for kind in kinds]
        assert {body["workspace_id"] for body in bodies} == {9}


def test_what_is_missing_is_no_unsupported_operation() -> None:
    gone = Reply({"message": "There is no request 9."}, status=404)
    with client(Scripted(gone)) as registry, pytest.raises(NotFound, match="no request 9"):
        registry.tracking.track(9, "score", score=1)
    nothing = Scripted(Reply({"moved_count": 0}))
    with client(nothing) as registry, pytest.raises(NotFound, match="has no prompt with the id 1"):
        registry.prompts.archive(1, False)


def test_an_evaluation_that_cannot_run_says_why() -> None:
    for status, message, error in (
        (404, "Report not found", NotFound),
        (401, "No requests found for the given criteria", Rejected),
    ):
        script = Scripted(Reply({"detail": "Not Found"}, 404), Reply({"message": message}, status))
        with client(script) as registry, pytest.raises(error, match=message) as caught:
            registry.checks.run_evaluation(1, "nightly")
        assert [seen.path for seen in script.seen] == ["/api/public/v2/evaluations/1/run", "/reports/1/run"]
        assert "PROMPTLAYER_API_KEY" not in caught.value.message + caught.value.hint


def test_the_outputs_of_an_agent_are_polled() -> None:
    nodes = {"answer": {"status": "SUCCESS"}}
    script = Scripted(Reply({"success": True}, 202), Reply(nodes), Reply('"sunny"'))
    with client(script) as registry:
        results = [registry.checks.agent_result(1) for _ in range(3)]
    assert results == [(False, None), (True, nodes), (True, "sunny")]
    assert {asked(seen)["return_all_outputs"] for seen in script.seen} == {"true"}


# -- tables -------------------------------------------------------------------------------------------------


SHEET = SheetId("t1", "s1")
GONE = Reply({"success": False, "message": "Table or sheet not found"}, status=404)
NO_ROUTE = Reply({"message": "Not Found"}, status=404)
REPEATED = Reply({"data": [], "next_cursor": "again", "has_more": True})


def rows(seen: Seen) -> Reply:
    start = int(asked(seen).get("cursor") or 0)
    end = start + int(asked(seen)["limit"])
    body: dict[str, Any] = {"data": [{"row_index": index} for index in range(start, min(end, 250))]}
    more = {"next_cursor": str(end), "has_more": True} if end < 250 else {"next_cursor": None}
    return Reply({**body, **more, "row_count": 250, "columns": [{"id": "c"}]})


def test_all_rows_of_a_sheet_are_read() -> None:
    script = Scripted(react=rows)
    with client(script) as registry:
        whole = registry.tables.rows(SHEET)
        first = registry.tables.rows(SHEET, limit=1)
    assert [row["row_index"] for row in whole["rows"]] == list(range(250))
    assert (whole["columns"], whole["row_count"]) == ([{"id": "c"}], 250)
    assert (first["rows"], first["row_count"]) == ([{"row_index": 0}], 250)
    assert [asked(seen).get("cursor") for seen in script.seen] == [None, "100", "200", None]


def test_a_table_that_is_gone_is_not_a_registry_without_tables_and_pages_do_not_repeat() -> None:
    errors = ((GONE, NotFound), (NO_ROUTE, Unsupported), (Reply({"data": 1}), BadAnswer))
    for reply, error in (*errors, (REPEATED, BadAnswer)):
        with client(Scripted(reply)) as registry, pytest.raises(error):
            registry.tables.sheets("t1")


def test_a_registry_that_wants_a_confirmation_or_lacks_what_is_to_be_deleted_has_not_failed() -> None:
    asks = Reply({"success": False, "requires_confirmation": True, "confirmation_token": "x", "message": "m"})
    refuses = Reply({"success": False, "message": "no"})
    with client(Scripted(asks, refuses, GONE)) as registry:
        assert registry.tables.recalculate(SHEET, ["c1"])["confirmation_token"] == "x"
        with pytest.raises(RemoteError, match="success: false: no"):
            registry.tables.recalculate(SHEET, ["c1"])
        assert registry.tables.scorecard(SHEET) == {}
        registry.tables.delete_sheet(SHEET)
        registry.labels.delete(LABEL)  # somebody else deleted both


def test_what_creates_something_is_sent_once() -> None:
    script = Scripted(Reply(status=503))
    with client(script) as registry:
        tables = registry.tables
        for write in (
            lambda: tables.create("t"),
            lambda: tables.import_sheet("t1", "title", b"a\n"),
            lambda: tables.create_column(SHEET, {"title": "x"}),
            lambda: tables.recalculate(SHEET, ["c1"]),
            lambda: tables.score(SHEET),
        ):
            with pytest.raises(FateUnknown):
                write()
    assert len(script.seen) == 5


def test_only_the_vendor_has_a_dashboard_to_link() -> None:
    body = json.dumps({"data": [{"id": "t1", "title": "t", "workspace_id": 9}]}).encode()
    for url, start in (
        ("https://api.promptlayer.com", "https://dashboard.promptlayer.com"),
        ("https://api.eu.promptlayer.com", "https://dashboard.eu.promptlayer.com"),
        ("https://api.promptlayer.com.evil.org", ""),
        ("https://prompts.example.org", ""),
        ("http://127.0.0.1:8000", ""),
    ):
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(body)))
        with PromptLayer(url, "pl_key", transport=transport) as registry:
            assert registry.tables.link(SHEET) == ""
            registry.tables.titled("t")
            expected = f"{start}/workspace/9/smart-tables/t1?sheet=s1" if start else ""
            assert registry.tables.link(SHEET) == expected, url
