"""Tables: lists whose pages name the next one, and answers that are no failures."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from scripted_registry import Reply, Scripted, Seen, client
from test_listing import asked

from promptsync.errors import RemoteError
from promptsync.registry.errors import BadAnswer, FateUnknown, NotFound, Unsupported
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.protocol import SheetId

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


def test_a_registry_that_wants_a_confirmation_or_has_no_scorecard_has_not_failed() -> None:
    asks = Reply({"success": False, "requires_confirmation": True, "confirmation_token": "x", "message": "m"})
    refuses = Reply({"success": False, "message": "no"})
    with client(Scripted(asks, refuses, GONE)) as registry:
        assert registry.tables.recalculate(SHEET, ["c1"])["confirmation_token"] == "x"
        with pytest.raises(RemoteError, match="success: false: no"):
            registry.tables.recalculate(SHEET, ["c1"])
        assert registry.tables.scorecard(SHEET) == {}
        registry.tables.delete_sheet(SHEET)


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
