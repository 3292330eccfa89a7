"""Tables as the API stores them: sheets from files, columns, rows, cells and traces."""

from __future__ import annotations

import base64

import pytest
from stored import span
from tables import TABLES, sheet_of

from promptsync.server.tables import store

COMPARE = {"title": "same", "type": "COMPARE", "config": {"sources": ["question", "answer"]}}
TRACE = "/api/public/v2/dataset-versions/add-trace"


def source(content: str, name: str = "cases.csv"):
    return {"file_name": name, "file_content_base64": base64.b64encode(content.encode()).decode()}


@pytest.fixture
def sheet(call):
    return sheet_of(call, ["question", "answer"], [["a", "a"], ["b", "c"]])


def computed(sheet):
    """The ids of a computed column, and of one that reads it."""
    same = sheet.column("same", "COMPARE", **COMPARE["config"])
    return same, sheet.column("copy", "COMPOSITION", source="same")


def set_status(app, status="COMPLETED"):
    with app.store.write() as db:
        db.execute("UPDATE cells SET status = ? WHERE status <> 'COMPLETED'", (status,))


@pytest.fixture
def sheets(call):
    """The path of the sheets of an empty table."""
    table = call("POST", TABLES, {"create_default_sheet": False}).body["table"]
    return f"{TABLES}/{table['id']}/sheets"


def test_tables_are_made_listed_changed_and_deleted(call):
    made = call("POST", TABLES, {}).body
    assert made["table"]["title"] == "Untitled Table 1"
    assert made["table"]["sheet_row_counts"] == {made["default_sheet"]["id"]: 1}
    rows = call("GET", f"{TABLES}/{made['table']['id']}/sheets/{made['default_sheet']['id']}/rows").body
    assert (made["default_sheet"]["title"], rows["columns"][0]["title"]) == ("Sheet 1", "Column A")
    assert [cell["value"] for row in rows["data"] for cell in row["cells"].values()] == [None]
    folder = call("POST", "/api/public/v2/folders", {"name": "f"}).body["folder"]["id"]
    path = f"{TABLES}/{made['table']['id']}"
    for change, state in (
        ({"folder_id": folder}, ("Untitled Table 1", folder)),
        ({"title": "other"}, ("other", folder)),
        ({"folder_id": None}, ("other", None)),
        ({"folder_id": folder}, ("other", folder)),
    ):
        table = call("PATCH", path, change).body["table"]
        assert (table["title"], table["folder_id"]) == state
    assert call("PATCH", path, {"folder_id": 9}).status == 404
    for title in ("Refund", "refund two"):
        empty = call("POST", TABLES, {"title": title, "create_default_sheet": False}).body["table"]
        assert empty["sheet_count"] == 0
    first = call("GET", f"{TABLES}?limit=2").body
    assert (first["has_more"], first["pagination"]["limit"]) == (True, 2)
    for query, titles in (
        ("", ["refund two", "Refund", "other"]),
        ("?order=asc&name=REFUND", ["Refund", "refund two"]),
        (f"?folder_id={folder}", ["other"]),
        (f"?limit=2&cursor={first['next_cursor']}", ["other"]),
    ):
        assert [table["title"] for table in call("GET", TABLES + query).body["data"]] == titles
    assert call("GET", f"{TABLES}?cursor=x").status == 422
    assert call("DELETE", path).status == 200
    assert call("GET", path).status == call("DELETE", path).status == 404


def test_a_sheet_has_the_rows_of_its_file_and_its_import_is_known_by_its_id(call, sheets):
    for name, content, rows in (
        ("a.csv", "q\n", []),
        ("a.CSV", '\ufeffq,"a b"\r\n"x\ny, ""z""",ü\r\n\r\nonly\r\n', [['x\ny, "z"', "ü"], ["only", None]]),
        ("a.csv", "q\n" + "x" * 200_000 + "\n", [["x" * 200_000]]),
    ):
        body = {"source": {"type": "file", **source(content, name)}, "title": "cases"}
        started = call("POST", sheets, body).body
        made = started["sheet"]
        assert (made["title"], made["row_count"]) == ("cases", len(rows)), name
        shown = call("GET", f"{sheets}/{made['id']}/rows").body
        ids = [column["id"] for column in shown["columns"]]
        values = [[row["cells"][column_id]["value"] for column_id in ids] for row in shown["data"]]
        assert values == rows, name
    operation = call("GET", f"{sheets}/operations/{started['operation_id']}").body["operation"]
    assert operation == started["operation"]
    assert (operation["status"], operation["row_count"]) == ("completed", 1)
    assert call("GET", f"{sheets}/operations/other").status == 404


def test_a_file_that_cannot_be_read_makes_no_sheet(call, sheets, monkeypatch):
    monkeypatch.setattr(store, "MAX_COLUMNS", 4)
    monkeypatch.setattr(store, "MAX_CELLS", 8)
    for file, says in (
        (source("a,a\n"), "title of its own"),
        (source(""), "title of its own"),
        (source("a\n1,2\n"), "line 2 is not CSV: 2 values for 1 columns"),
        (source('a\n"x'), "line 2 is not CSV"),
        (source("[]", "a.json"), "only .csv files"),
        ({"file_name": "a.csv", "file_content_base64": "!"}, "not base64"),
        ({"file_name": "a.csv", "file_content_base64": "/w=="}, "not base64 of UTF-8"),
        (source("a,b,c,d,e"), "at most 4 columns"),
        (source("a,b,c,d" + "\n1" * 3), "at most 8 cells"),
    ):
        call.expect(("POST", sheets, {"source": {"type": "file", **file}}, 400, says))
        assert call("GET", sheets).body["data"] == [], says


def test_sheets_are_in_the_order_of_their_creation(call, sheets):
    made = [call("POST", sheets, {"title": title}).body["sheet"]["id"] for title in ("a", "b", "c", None)]
    assert call("DELETE", f"{sheets}/{made[0]}").status == 200
    listed = call("GET", sheets).body["data"]
    assert [(sheet["title"], sheet["index"]) for sheet in listed] == [("b", 0), ("c", 1), ("Sheet 4", 2)]
    renamed = call("PATCH", f"{sheets}/{made[3]}", {"title": "d"}).body
    assert (renamed["sheet"]["title"], renamed["version"]) == ("d", listed[2]["version_count"])
    assert call("GET", f"{sheets}/{made[0]}").status == 404


def test_what_a_sheet_refuses(sheet):
    (same, _), answer = computed(sheet), sheet.columns["answer"]
    new = (
        ({"title": "question"}, "already has a column called 'question'"),
        ({"config": {"sources": ["question", "nobody"]}}, "no other column 'nobody'"),
        ({"config": {"sources": ["question", "new"]}}, "no other column 'new'"),
    )
    cell, computed_cell = (f"/cells/{sheet.cells(title)[0]['id']}" for title in ("answer", "same"))
    sheet.refuses(
        *(("POST", "/columns", COMPARE | {"title": "new"} | body, 400, says) for body, says in new),
        ("PATCH", f"/columns/{answer}", {"title": "x"}, 400, "other columns read 'answer' under this title"),
        ("PATCH", f"/columns/{same}", {"config": {"sources": ["question", "copy"]}}, 400, "depend on itself"),
        ("DELETE", "/columns/nothing", None, 404, "no column"),
        ("POST", "/rows", {"count": 101}, 400, "count"),
        ("POST", "/rows", {"values": [{same: 1}]}, 400, "no text column"),
        ("DELETE", "/rows", {"row_indices": [-1]}, 400, "row_indices"),
        ("PATCH", cell, {}, 400, "value: required, or display_value"),
        ("PATCH", computed_cell, {"value": 1}, 400, "this one is computed"),
        ("GET", "/cells/nothing", None, 404, "no cell"),
    )
    assert [*sheet.columns, sheet("GET")["sheet"]["row_count"]] == ["question", "answer", "same", "copy", 2]


def test_a_column_depends_on_what_its_configuration_reads(sheet):
    made = sheet("POST", "/columns", {**COMPARE, "type": "comparison"}, status=201)
    assert made["column"]["type"] == "COMPARE"
    assert [cell["status"] for cell in made["cells"]] == ["STALE", "STALE"]
    question, answer, _ = sheet.columns.values()
    assert {edge["column_id"] for edge in made["column"]["dependencies"]} == {question, answer}


def test_a_changed_column_makes_itself_and_what_reads_it_stale(sheet, app):
    first, second = computed(sheet)
    sheet.column("alone", "CONTAINS", source="answer", value="x")
    for change, affected in (
        ({"title": "the same"}, None),
        ({"is_output_column": True}, []),
        ({"type": "REGEX"}, None),
        ({"config": {"sources": ["answer", "question"]}}, sorted([first, second])),
    ):
        set_status(app)
        version = sheet.version
        answer = sheet("PATCH", f"/columns/{first}", change, status=400 if affected is None else 200)
        assert answer.get("affected_column_ids") == affected
        stale = {"STALE"} if affected else {"COMPLETED"}
        assert {cell["status"] for title in ("same", "copy") for cell in sheet.cells(title)} == stale
        assert {cell["status"] for cell in sheet.cells("alone")} == {"COMPLETED"}
        assert sheet.version == version + (affected is not None)
    assert sheet("DELETE", f"/columns/{first}")["stale_count"] == 2
    columns = {column["title"]: column for column in sheet("GET", "/columns")["data"]}
    assert columns["copy"]["dependencies"] == [{"column_id": first}]
    sheet.recalculate(column_ids=[second])
    assert sheet.cells("copy")[0]["error_message"] == "the sheet has no column 'same'"
    # A sheet keeps its last column.
    *others, last = sheet.columns.values()
    for column_id in others:
        sheet("DELETE", f"/columns/{column_id}")
    sheet("DELETE", f"/columns/{last}", status=400)


def test_added_rows_have_values_for_text_columns_only(sheet):
    same, _ = computed(sheet)
    answer = sheet.columns["answer"]
    body = {"count": 2, "values": [{answer: {"n": 1}}, {}, {answer: "beyond the count"}]}
    added = sheet("POST", "/rows", body, status=201)
    assert (added["row_indices"], added["row_count"], added["cell_count"]) == ([2, 3], 4, 8)
    cell = added["rows"][0]["cells"][answer]
    assert (cell["value"], cell["display_value"], cell["status"]) == ({"n": 1}, '{"n":1}', "COMPLETED")
    assert added["rows"][1]["cells"][same]["status"] == "STALE"


def test_an_edited_cell_makes_what_depends_on_it_stale(sheet, app):
    app.runner.close()  # otherwise each request to a sheet has it computed
    computed(sheet)
    path = f"/cells/{sheet.cells('answer')[1]['id']}"
    for status, old, new in (("COMPLETED", "c", "b"), ("FAILED", "b", "c"), ("QUEUED", "c", "b")):
        set_status(app, status)
        version = sheet.version
        unchanged, edited = (sheet("PATCH", path, {"value": value}) for value in (old, new))
        assert (unchanged["stale_count"], unchanged["version"]) == (0, version)
        assert (edited["stale_count"], edited["version"]) == (2, version + 1)
        for title in ("same", "copy"):
            assert sheet.cells(title)[1]["status"] == "STALE"
    counts = sheet("GET", "/status-counts")
    assert (counts["total_cells"], counts["status_counts"]["STALE"]) == (4, 2)


def test_a_cell_has_its_value_and_the_text_of_it(sheet):
    path = f"/cells/{sheet.cells('answer')[0]['id']}"
    for body, shown in (
        ({"value": True, "display_value": "True"}, (True, "true")),
        ({"value": 1}, (1, "1")),
        ({"value": [1]}, ([1], "[1]")),
        ({"display_value": "x"}, ("x", "x")),
        ({"value": None}, (None, None)),
    ):
        cell = sheet("PATCH", path, body)["cell"]
        assert (cell["value"], cell["display_value"]) == shown
        assert sheet("GET", path)["cell"] == cell


def test_a_trace_becomes_a_row(sheet, call):
    spans = [span("3", "1"), span("2", "1"), span("1", None, function_output="42"), span("4", "2")]
    assert call("POST", "/spans-bulk", {"spans": spans}).status == 201
    body = {"trace_id": "t", "smart_table_id": sheet.table_id, "sheet_id": sheet.sheet_id}
    tree = lambda node: [node["name"], *map(tree, node["children"])]  # noqa: E731
    for index, span_id, names, output in (
        (2, None, ["span 1", ["span 2", ["span 4"]], ["span 3"]], "42"),
        (3, "2".zfill(16), ["span 2", ["span 4"]], None),
    ):
        row = call("POST", TRACE, body | {"span_id": span_id}).body["row"]
        trace = row["cells"][sheet.columns["Trace"]]["value"]
        assert (row["row_index"], tree(trace), trace["output"]) == (index, names, output)


def test_a_trace_that_cannot_become_a_row_is_refused(sheet, call):
    chain = [span(f"{number:x}", f"{number - 1:x}" if number > 1 else None) for number in range(1, 300)]
    assert call("POST", "/spans-bulk", {"spans": [*chain, span("1", trace_id="other")]}).status == 201
    sheet.column("Trace", "COMPOSITION", source="question")
    body = {"trace_id": "t", "smart_table_id": sheet.table_id, "sheet_id": sheet.sheet_id}
    call.expect(
        ("POST", TRACE, body, 400, "nest too deeply"),
        ("POST", TRACE, body | {"trace_id": "x"}, 404, "no trace"),
        ("POST", TRACE, body | {"span_id": "x"}, 404, "no span 'x'"),
        ("POST", TRACE, body | {"sheet_id": "x"}, 404, "no sheet"),
        ("POST", TRACE, body | {"trace_id": "other"}, 400, "'Trace' is computed"),
    )
    assert sheet("GET")["sheet"]["row_count"] == 2


def test_nothing_stays_of_a_deleted_table(sheet, call, app):
    computed(sheet)
    call("DELETE", f"{TABLES}/{sheet.table_id}")
    with app.store.read() as db:
        for table in ("smart_tables", "sheets", "columns", "cells"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0, table
        # A runner that comes late finds nothing to change.
        assert store.mark_stale(db, sheet.sheet_id, ["x"]) == 0


def test_rows_come_in_pages(call):
    sheet = sheet_of(call, ["q"], [[number] for number in range(10)])
    for query, rows, has_more in (
        ("limit=4&cursor=3", range(4, 8), True),
        ("limit=4&cursor=7", range(8, 10), False),
        ("limit=2&order=desc", range(9, 7, -1), True),
        ("limit=2&order=desc&cursor=8", range(7, 5, -1), True),
    ):
        page = sheet("GET", f"/rows?{query}")
        assert [row["row_index"] for row in page["data"]] == list(rows)
        assert [column["title"] for column in page["columns"]] == ([] if "cursor" in query else ["q"])
        assert page["has_more"] is page["pagination"]["has_more"] is has_more


def test_a_sheet_is_what_its_changes_make_of_it(call):
    """The indices after the last row are used again, and each change makes a version."""
    sheet = sheet_of(call, ["q"], [])
    sheet("POST", "/rows", {"count": 3, "values": [{sheet.columns["q"]: "a"}]}, status=201)
    sheet("DELETE", "/rows", {"row_indices": [2, 1, 7]})
    sheet("DELETE", "/rows", {"row_indices": [1]})
    sheet("POST", "/rows", {"count": 2}, status=201)
    added = sheet.column("new", "TEXT")
    sheet("PATCH", f"/cells/{sheet.cells('q')[1]['id']}", {"value": "b"})
    sheet("PATCH", f"/cells/{sheet.cells('new')[2]['id']}", {"value": "c"})
    indices = [row["row_index"] for row in sheet("GET", "/rows")["data"]]
    rows = [*zip(indices, sheet.values("q"), sheet.values("new"), strict=True)]
    assert rows == [(0, "a", None), (1, "b", None), (2, None, "c")]
    sheet("DELETE", "/rows", {"row_indices": [0]})
    sheet("DELETE", f"/columns/{added}")
    page = sheet("GET", "/rows")
    assert [(row["row_index"], len(row["cells"])) for row in page["data"]] == [(1, 1), (2, 1)]
    assert (sheet.values("q"), page["row_count"], page["version"]) == (["b", None], 2, 9)
