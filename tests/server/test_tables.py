"""Tables as the API stores them: sheets from files, columns, rows, cells, versions and traces."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from seeds import examples

from promptsync.server.tables import store

TABLES = "/api/public/v2/tables"
COMPARE = {"title": "same", "type": "COMPARE", "config": {"sources": ["question", "answer"]}}


def source(content: str, name: str = "cases.csv"):
    return {"file_name": name, "file_content_base64": base64.b64encode(content.encode()).decode()}


class World:
    """A table, and short requests to it."""

    def __init__(self, call):
        self.call = call
        self.table = self.ok("POST", TABLES, {"title": "t", "create_default_sheet": False}, status=201)[
            "table"
        ]
        self.path = f"{TABLES}/{self.table['id']}"

    def ok(self, method, path, body=None, status=200):
        answer = self.call(method, path, body)
        assert answer.status == status, answer.body
        return answer.body

    def sheet(self, content="question,answer\na,a\nb,c\n", name="cases.csv", **more):
        body = {"source": {"type": "file", **source(content, name)}, **more}
        return self.ok("POST", f"{self.path}/sheets", body, status=202)["sheet"]

    def at(self, sheet, rest=""):
        return f"{self.path}/sheets/{sheet['id']}{rest}"

    def column(self, sheet, **more):
        return self.ok("POST", self.at(sheet, "/columns"), COMPARE | more, status=201)["column"]

    def columns(self, sheet):
        return {column["title"]: column for column in self.ok("GET", self.at(sheet, "/columns"))["data"]}

    def rows(self, sheet, query=""):
        """Return the rows as lists of values, in the order of the columns."""
        page = self.ok("GET", self.at(sheet, f"/rows?include_columns=true{query}"))
        ids = [column["id"] for column in page["columns"]]
        return [[row["cells"][column_id]["value"] for column_id in ids] for row in page["data"]]

    def cells(self, sheet, title):
        column_id = self.columns(sheet)[title]["id"]
        return [row["cells"][column_id] for row in self.ok("GET", self.at(sheet, "/rows"))["data"]]

    def version(self, sheet):
        return self.ok("GET", self.at(sheet))["sheet"]["version_count"]

    def compute(self, app, sheet, status="COMPLETED"):
        with app.store.write() as db:
            db.execute("UPDATE cells SET status = ? WHERE status <> 'COMPLETED'", (status,))


@pytest.fixture
def world(call):
    return World(call)


def test_a_new_table_has_a_sheet_with_a_column_and_an_empty_row(call):
    made = call("POST", TABLES, {}).body
    assert made["table"]["title"] == "Untitled Table 1"
    assert made["table"]["sheet_row_counts"] == {made["default_sheet"]["id"]: 1}
    assert made["default_sheet"]["title"] == "Sheet 1"
    rows = call("GET", f"{TABLES}/{made['table']['id']}/sheets/{made['default_sheet']['id']}/rows").body
    assert [column["title"] for column in rows["columns"]] == ["Column A"]
    assert [cell["value"] for row in rows["data"] for cell in row["cells"].values()] == [None]
    empty = call("POST", TABLES, {"title": "x", "create_default_sheet": False}).body
    assert "default_sheet" not in empty
    assert empty["table"]["sheet_count"] == 0


def test_tables_are_listed_by_title_and_folder_page_by_page(call):
    folder = call("POST", "/api/public/v2/folders", {"name": "f"}).body["folder"]["id"]
    for title in ("Refund", "refund two", "other"):
        call("POST", TABLES, {"title": title, "folder_id": folder if title == "other" else None})
    titles = lambda query: [table["title"] for table in call("GET", TABLES + query).body["data"]]  # noqa: E731
    assert titles("") == ["other", "refund two", "Refund"]
    assert titles("?order=asc&name=REFUND") == ["Refund", "refund two"]
    assert titles(f"?folder_id={folder}") == ["other"]
    first = call("GET", f"{TABLES}?limit=2").body
    assert (first["has_more"], first["pagination"]["limit"]) == (True, 2)
    assert titles(f"?limit=2&cursor={first['next_cursor']}") == ["Refund"]
    # The cursor of another order would skip tables.
    assert call("GET", f"{TABLES}?order=asc&cursor={first['next_cursor']}").status == 400
    assert call("GET", f"{TABLES}?prompt_id=1").status == 422


def test_a_table_is_renamed_moved_and_deleted(call):
    folder = call("POST", "/api/public/v2/folders", {"name": "f"}).body["folder"]["id"]
    path = f"{TABLES}/{call('POST', TABLES, {'title': 'a'}).body['table']['id']}"
    state = lambda answer: (answer.body["table"]["title"], answer.body["table"]["folder_id"])  # noqa: E731
    assert state(call("PATCH", path, {"folder_id": folder})) == ("a", folder)
    assert state(call("PATCH", path, {"title": "b"})) == ("b", folder)
    assert state(call("PATCH", path, {"folder_id": None})) == ("b", None)
    assert call("PATCH", path, {"folder_id": 9}).status == 404
    assert call("DELETE", path).status == 200
    assert call("GET", path).status == call("DELETE", path).status == 404


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.csv", "q\n", []),
        ("a.CSV", '\ufeffq,"a b"\r\n"x\ny, ""z""",ü\r\n\r\nonly\r\n', [['x\ny, "z"', "ü"], ["only", None]]),
        ("a.csv", "q\n" + "x" * 200_000 + "\n", [["x" * 200_000]]),
    ],
)
def test_a_sheet_has_the_rows_of_its_file(world, name, content, rows):
    sheet = world.sheet(content, name, title="cases")
    assert (sheet["title"], sheet["row_count"]) == ("cases", len(rows))
    assert world.rows(sheet) == rows


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (source("a,a\n"), "title of its own"),
        (source("a,\n"), "title of its own"),
        (source(""), "title of its own"),
        (source("a\n1,2\n"), "line 2 is not CSV: 2 values for 1 columns"),
        (source('a\n"x'), "line 2 is not CSV"),
        (source("[]", "a.json"), "only .csv files"),
        ({"file_name": "a.csv", "file_content_base64": "!"}, "not base64"),
        ({"file_name": "a.csv", "file_content_base64": "/w=="}, "not base64 of UTF-8"),
        (source(",".join(map(str, range(201)))), "at most 200 columns"),
        (source(",".join(map(str, range(200))) + "\n1" * 2_501), "at most 500,000 cells"),
    ],
)
def test_a_file_that_cannot_be_read_makes_no_sheet(world, file, says):
    answer = world.call("POST", f"{world.path}/sheets", {"source": {"type": "file", **file}})
    assert answer.status == 400
    assert says in answer.body["message"]
    assert world.ok("GET", f"{world.path}/sheets")["data"] == []


def test_an_import_is_known_by_the_id_of_its_sheet(world):
    file = {"type": "file", **source("q\na\nb\n")}
    started = world.ok("POST", f"{world.path}/sheets", {"source": file}, status=202)
    path = f"{world.path}/sheets/operations"
    operation = world.ok("GET", f"{path}/{started['operation_id']}")["operation"]
    assert operation == started["operation"]
    assert (operation["status"], operation["row_count"]) == ("completed", 2)
    assert world.call("GET", f"{path}/other").status == 404
    assert world.call("POST", f"{world.path}/sheets", {"source": file, "operation_id": "mine"}).status == 400


def test_sheets_are_in_the_order_of_their_creation(world):
    sheets = [world.sheet(title=title) for title in "abc"]
    assert world.call("DELETE", world.at(sheets[0])).status == 200
    blank = world.ok("POST", f"{world.path}/sheets", {}, status=201)["sheet"]
    listed = world.ok("GET", f"{world.path}/sheets")["data"]
    assert [(sheet["title"], sheet["index"]) for sheet in listed] == [("b", 0), ("c", 1), ("Sheet 3", 2)]
    version = world.version(blank)
    assert world.ok("PATCH", world.at(blank), {"title": "d"})["sheet"]["title"] == "d"
    assert world.version(blank) == version
    assert world.call("PATCH", world.at(blank), {"index": 0}).status == 400
    assert world.call("GET", world.at(sheets[0])).status == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"type": "CODE_EXECUTION"}, "CODE_EXECUTION columns do not run here"),
        ({"type": "dataset"}, "dataset columns do not run here"),
        ({"title": "question"}, "already has a column called 'question'"),
        ({"title": ""}, "title"),
        ({"config": {"sources": ["question"]}}, "config"),
        ({"config": {"sources": ["question", "nobody"]}}, "no other column 'nobody'"),
        ({"config": {"sources": ["question", "same"]}}, "no other column 'same'"),
        ({"dependencies": [{"column_id": "9"}]}, "no other column '9'"),
        ({"dependencies": [{}]}, "no other column 'None'"),
    ],
)
def test_a_column_that_cannot_be_computed_is_refused(world, body, says):
    sheet = world.sheet()
    answer = world.call("POST", world.at(sheet, "/columns"), COMPARE | body)
    assert answer.status == 400
    assert says in answer.body["message"]
    assert list(world.columns(sheet)) == ["question", "answer"]


def test_a_column_depends_on_what_its_configuration_reads(world):
    sheet = world.sheet()
    ids = {title: column["id"] for title, column in world.columns(sheet).items()}
    made = world.ok("POST", world.at(sheet, "/columns"), {**COMPARE, "type": "comparison"}, status=201)
    assert made["column"]["type"] == "COMPARE"
    assert [cell["status"] for cell in made["cells"]] == ["STALE", "STALE"]
    read = {edge["column_id"] for edge in made["column"]["dependencies"]}
    assert read == {ids["question"], ids["answer"]}
    edge = {"column_id": "answer", "config_key": "sources", "config_meta": {"position": 1}}
    named = world.column(sheet, title="named", dependencies=[edge])["dependencies"]
    assert named == [edge | {"column_id": ids["answer"]}, {"column_id": ids["question"]}]
    assert world.call("PATCH", world.at(sheet, f"/columns/{ids['answer']}"), {"title": "x"}).status == 400


def test_columns_cannot_depend_on_each_other(world):
    sheet = world.sheet()
    first = world.column(sheet)
    world.column(sheet, title="copy", type="COMPOSITION", config={"source": "same"})
    change = {"config": {"sources": ["question", "copy"]}}
    answer = world.call("PATCH", world.at(sheet, f"/columns/{first['id']}"), change)
    assert (answer.status, "depend on itself" in answer.body["message"]) == (400, True)


def test_a_changed_column_makes_itself_and_what_reads_it_stale(world, app):
    sheet = world.sheet()
    first = world.column(sheet)
    second = world.column(sheet, title="copy", type="COMPOSITION", config={"source": "same"})
    world.column(sheet, title="alone", type="CONTAINS", config={"source": "answer", "value": "x"})
    path = world.at(sheet, f"/columns/{first['id']}")
    for change, affected in (
        ({"title": "the same"}, 400),
        ({"is_output_column": True}, []),
        ({"type": "REGEX"}, 400),
        ({"config": {"sources": ["answer", "question"]}}, sorted([first["id"], second["id"]])),
    ):
        world.compute(app, sheet)
        answer = world.call("PATCH", path, change)
        assert affected in (answer.status, answer.body.get("affected_column_ids"))
        stale = {"STALE"} if affected and affected != 400 else {"COMPLETED"}
        assert {cell["status"] for cell in world.cells(sheet, "copy")} == stale
        assert {cell["status"] for cell in world.cells(sheet, "alone")} == {"COMPLETED"}
    answer = world.ok("DELETE", path)
    assert answer["stale_count"] == 2
    assert world.columns(sheet)["copy"]["dependencies"] == [{"column_id": first["id"]}]
    assert world.call("DELETE", path).status == 404


def test_a_sheet_keeps_its_last_column(world):
    sheet = world.sheet("q\n")
    path = world.at(sheet, f"/columns/{world.columns(sheet)['q']['id']}")
    assert world.call("DELETE", path).status == 400


@settings(
    max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(count=st.integers(0, 12), limit=st.integers(1, 5), order=st.sampled_from(["asc", "desc"]))
def test_the_pages_of_rows_are_all_rows_once(world, count, limit, order):
    sheet = world.sheet("q\n" + "".join(f"{number}\n" for number in range(count)))
    seen, cursor = [], ""
    while cursor is not None:
        page = world.ok("GET", world.at(sheet, f"/rows?limit={limit}&order={order}{cursor}"))
        assert len(page["data"]) <= limit
        assert [column["title"] for column in page["columns"]] == ([] if cursor else ["q"])
        seen += [next(iter(row["cells"].values()))["value"] for row in page["data"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        assert page["pagination"]["next_cursor"] == page["next_cursor"]
    expected = [str(number) for number in range(count)]
    assert seen == (expected if order == "asc" else expected[::-1])


def test_added_rows_have_values_for_text_columns_only(world):
    sheet = world.sheet()
    same = world.column(sheet)
    ids = {title: column["id"] for title, column in world.columns(sheet).items()}
    added = world.ok(
        "POST",
        world.at(sheet, "/rows"),
        {"count": 2, "values": [{ids["answer"]: {"n": 1}}, {}, {ids["answer"]: "beyond the count"}]},
        status=201,
    )
    assert (added["row_indices"], added["row_count"], added["cell_count"]) == ([2, 3], 4, 6)
    cell = added["rows"][0]["cells"][ids["answer"]]
    assert (cell["value"], cell["display_value"], cell["status"]) == ({"n": 1}, '{"n":1}', "COMPLETED")
    assert added["rows"][1]["cells"][same["id"]]["status"] == "STALE"
    for body in ({"count": 0}, {"count": 101}, {"values": [{same["id"]: 1}]}, {"values": [{"9": 1}]}):
        assert world.call("POST", world.at(sheet, "/rows"), body).status == 400
    assert world.ok("GET", world.at(sheet))["sheet"]["row_count"] == 4


def test_deleted_rows_leave_the_others_where_they_are(world):
    sheet = world.sheet("q\na\nb\nc\n")
    deleted = world.ok("DELETE", world.at(sheet, "/rows"), {"row_indices": [1, 1, 99]})
    assert (deleted["deleted_count"], deleted["row_count"]) == (1, 2)
    rows = world.ok("GET", world.at(sheet, "/rows"))["data"]
    assert [row["row_index"] for row in rows] == [0, 2]
    added = world.ok("POST", world.at(sheet, "/rows"), {}, status=201)
    assert added["row_indices"] == [3]
    assert world.call("DELETE", world.at(sheet, "/rows"), {"row_indices": [-1]}).status == 400


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "QUEUED"])
def test_an_edited_cell_makes_what_depends_on_it_stale(world, app, status):
    app.runner.close()  # otherwise each request to a sheet has it computed
    sheet = world.sheet()
    world.column(sheet)
    world.column(sheet, title="copy", type="COMPOSITION", config={"source": "same"})
    world.compute(app, sheet, status)
    path = world.at(sheet, f"/cells/{world.cells(sheet, 'answer')[1]['id']}")
    version = world.version(sheet)
    assert world.ok("PATCH", path, {"value": "c"})["stale_count"] == 0
    assert world.version(sheet) == version
    edited = world.ok("PATCH", path, {"value": "b"})
    assert (edited["stale_count"], edited["version"]) == (2, version + 1)
    for title in ("same", "copy"):
        assert [cell["status"] for cell in world.cells(sheet, title)] == [status, "STALE"]
    counts = world.ok("GET", world.at(sheet, "/status-counts"))
    assert (counts["total_cells"], counts["status_counts"]["STALE"]) == (4, 2)


def test_a_cell_has_its_value_and_the_text_of_it(world):
    sheet = world.sheet()
    path = world.at(sheet, f"/cells/{world.cells(sheet, 'answer')[0]['id']}")
    for body, shown in (
        ({"value": True, "display_value": "True"}, (True, "true")),
        ({"value": 1}, (1, "1")),
        ({"value": [1]}, ([1], "[1]")),
        ({"display_value": "x"}, ("x", "x")),
        ({"value": None}, (None, None)),
    ):
        cell = world.ok("PATCH", path, body)["cell"]
        assert (cell["value"], cell["display_value"]) == shown
        assert world.ok("GET", path)["cell"] == cell
    assert world.call("PATCH", path, {}).status == 400
    computed = world.column(sheet)
    cell_id = world.cells(sheet, computed["title"])[0]["id"]
    assert world.call("PATCH", world.at(sheet, f"/cells/{cell_id}"), {"value": 1}).status == 400


def test_a_cell_that_waits_goes_on_waiting_when_its_source_is_computed(world, app):
    app.runner.close()  # otherwise each request to a sheet has it computed
    sheet = world.sheet()
    first = world.column(sheet)
    world.column(sheet, title="copy", type="COMPOSITION", config={"source": "same"})
    world.compute(app, sheet)
    with app.store.write() as db:
        db.execute("UPDATE cells SET status = 'QUEUED' WHERE row_index = 0 AND status = 'COMPLETED'")
        assert store.mark_stale(db, sheet["id"], [first["id"]], pending=False) == 1
    assert [cell["status"] for cell in world.cells(sheet, "copy")] == ["QUEUED", "STALE"]


def test_every_change_of_a_sheet_counts_as_a_version(world):
    sheet = world.sheet()
    column = world.column(sheet)
    cell = world.cells(sheet, "answer")[0]
    for method, rest, body, status in (
        ("PATCH", f"/cells/{cell['id']}", {"value": "new"}, 200),
        ("POST", "/rows", {}, 201),
        ("DELETE", "/rows", {"row_indices": [0]}, 200),
        ("POST", "/columns", {"title": "more", "type": "text"}, 201),
        ("PATCH", f"/columns/{column['id']}", {"is_output_column": True}, 200),
        ("DELETE", f"/columns/{column['id']}", None, 200),
    ):
        before, table = world.version(sheet), world.ok("GET", world.path)["table"]["updated_at"]
        answer = world.ok(method, world.at(sheet, rest), body, status)
        assert world.version(sheet) == answer.get("version", before + 1) == before + 1
        assert world.ok("GET", world.path)["table"]["updated_at"] > table


def test_a_saved_version_keeps_what_the_sheet_had(world):
    sheet = world.sheet()
    saved = world.ok("POST", world.at(sheet, "/versions"), {"name": "one"}, status=201)["version"]
    cell = world.cells(sheet, "answer")[0]
    world.ok("PATCH", world.at(sheet, f"/cells/{cell['id']}"), {"value": "new"})
    world.ok("POST", world.at(sheet, "/versions"), {"name": "two"}, status=201)
    kept = world.ok("GET", world.at(sheet, f"/versions/{saved['id']}"))["version"]
    assert kept == saved
    assert kept["snapshot"]["rows"][0]["cells"][cell["column_id"]]["value"] == "a"
    listed = world.ok("GET", world.at(sheet, "/versions"))["data"]
    assert [(version["version_number"], version["name"]) for version in listed] == [(2, "two"), (1, "one")]
    assert all("snapshot" not in version for version in listed)
    for body in ({}, {"name": "x", "source_version_id": saved["id"]}):
        assert world.call("POST", world.at(sheet, "/versions"), body).status == 400
    assert world.call("GET", world.at(sheet, f"/versions/{world.table['id']}")).status == 404


def span(span_id, parent_id=None, **attributes):
    status = {"status_code": "StatusCode.OK"}
    times = {"start_time": int(span_id) * 10**9, "end_time": 10**10}
    about = {"name": f"span {span_id}", "kind": "SpanKind.INTERNAL", "parent_id": parent_id, **times}
    context = {"trace_id": "t", "span_id": span_id.zfill(16)}
    return {
        **about,
        "context": context,
        "status": status,
        "attributes": attributes,
        "resource": {"attributes": {}},
    }


@pytest.mark.parametrize(
    ("span_id", "names"),
    [(None, ["span 1", ["span 2", ["span 4"]], ["span 3"]]), ("2".zfill(16), ["span 2", ["span 4"]])],
)
def test_a_trace_becomes_a_row(world, span_id, names):
    spans = [span("3", "1"), span("2", "1"), span("1", None, function_output="42"), span("4", "2")]
    world.ok("POST", "/spans-bulk", {"spans": spans}, status=201)
    sheet = world.sheet()
    body = {"trace_id": "t", "smart_table_id": world.table["id"], "sheet_id": sheet["id"], "span_id": span_id}
    row = world.ok("POST", "/api/public/v2/dataset-versions/add-trace", body, status=201)["row"]
    assert row["row_index"] == 2
    trace = row["cells"][world.columns(sheet)["Trace"]["id"]]["value"]

    def tree(node):
        return [node["name"], *map(tree, node["children"])]

    assert tree(trace) == names
    assert trace["output"] == ("42" if span_id is None else None)


def test_a_trace_that_cannot_become_a_row_is_refused(world):
    chain = [span(str(number), str(number - 1) if number > 1 else None) for number in range(1, 300)]
    world.ok("POST", "/spans-bulk", {"spans": chain}, status=201)
    sheet = world.sheet()
    body = {"trace_id": "t", "smart_table_id": world.table["id"], "sheet_id": sheet["id"]}
    for change, status in (
        ({}, 400),  # too deep
        ({"trace_id": "x"}, 404),
        ({"span_id": "x"}, 404),
        ({"sheet_id": "x"}, 404),
        ({"sheet_id": None, "dataset_group_id": 1}, 400),
    ):
        answer = world.call("POST", "/api/public/v2/dataset-versions/add-trace", body | change)
        assert answer.status == status, answer.body
    assert len(world.rows(sheet)) == 2


def test_nothing_stays_of_a_deleted_table(world, app):
    sheet = world.sheet()
    world.column(sheet)
    world.ok("POST", world.at(sheet, "/versions"), {"name": "one"}, status=201)
    world.ok("DELETE", world.path)
    with app.store.read() as db:
        for table in ("smart_tables", "sheets", "columns", "cells", "sheet_versions"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0, table
        # A runner that comes late finds nothing to change.
        assert store.mark_stale(db, sheet["id"], ["x"]) == 0


def test_ten_thousand_rows_are_found_by_an_index(world, app):
    sheet = world.sheet("q\n" + "".join(f"{number}\n" for number in range(10_000)))
    assert sheet["row_count"] == 10_000
    statements = []
    with app.store.read() as db:
        db.set_trace_callback(statements.append)
        cell = next(store.cells_of(db, sheet["id"], rows=[9_999]))
        list(store.cells_of(db, sheet["id"], ids=[cell.id]))
        list(store.cells_of(db, sheet["id"], rows=[1, 2], columns=[cell.column_id]))
        list(store.cells_of(db, sheet["id"], columns=[cell.column_id], statuses=["COMPLETED"], most=10))
        store.count_statuses(db, sheet["id"])
        db.set_trace_callback(None)
        for statement in statements:
            plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not any(
                detail.startswith(("SCAN cells", "USE TEMP B-TREE FOR ORDER")) for detail in plan
            ), (
                statement,
                plan,
            )
    # One page more does not read the pages before.
    page = world.ok("GET", world.at(sheet, "/rows?limit=100&cursor=asc:9897"))
    assert [row["row_index"] for row in page["data"]] == list(range(9898, 9998))


def test_texts_of_models_that_sqlite_does_not_store_are_replaced(world, app):
    sheet = world.sheet()
    with app.store.write() as db:
        cell = next(store.cells_of(db, sheet["id"]))
        store.set_cells(db, [replace(cell, value={"a": "\ud800"}, model="echo")])
    shown = world.ok("GET", world.at(sheet, f"/cells/{cell.id}"))["cell"]
    assert (shown["value"], shown["display_value"], shown["model"]) == ({"a": "?"}, '{"a":"?"}', "echo")
    assert "request_metrics" not in shown
    assert json.dumps(shown)


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 3), st.integers()),
        st.tuples(st.just("delete"), st.integers(0, 8), st.integers(0, 8)),
        st.tuples(st.just("edit"), st.integers(0, 8), st.text(max_size=3)),
        st.tuples(st.just("column"), st.integers(0, 3), st.none()),
    ),
    max_size=8,
)


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=CHANGES)
def test_a_sheet_is_what_its_changes_make_of_it(world, changes):
    """The oracle is a dictionary of rows, each a dictionary by column."""
    sheet = world.sheet("c0\n")
    ids = {"c0": world.columns(sheet)["c0"]["id"]}
    rows, following, version = {}, 0, 1
    for kind, first, second in changes:
        if kind == "add":
            values = [{ids[title]: second for title in ids}]
            world.ok("POST", world.at(sheet, "/rows"), {"count": first, "values": values}, status=201)
            for position in range(first):
                rows[following + position] = dict.fromkeys(ids, second if position == 0 else None)
            following, version = following + first, version + 1
        elif kind == "delete":
            gone = {first, second} & set(rows)
            world.ok("DELETE", world.at(sheet, "/rows"), {"row_indices": [first, second]})
            for index in gone:
                del rows[index]
            # The indices after the last row are used again.
            following, version = max(rows, default=-1) + 1, version + bool(gone)
        elif kind == "edit" and first in rows:
            page = world.ok("GET", world.at(sheet, "/rows"))["data"]
            (cell,) = (row["cells"][ids["c0"]] for row in page if row["row_index"] == first)
            world.ok("PATCH", world.at(sheet, f"/cells/{cell['id']}"), {"value": second})
            version += second != rows[first]["c0"]
            rows[first]["c0"] = second
        elif kind == "column":
            title = f"c{first}"
            if title not in ids:
                body = {"title": title, "type": "TEXT"}
                made = world.ok("POST", world.at(sheet, "/columns"), body, status=201)
                ids[title] = made["column"]["id"]
                rows = {index: row | {title: None} for index, row in rows.items()}
                version += 1
            elif title != "c0":
                world.ok("DELETE", world.at(sheet, f"/columns/{ids.pop(title)}"))
                rows = {index: {key: row[key] for key in ids} for index, row in rows.items()}
                version += 1
    page = world.ok("GET", world.at(sheet, "/rows"))
    shown = {
        row["row_index"]: {title: row["cells"][ids[title]]["value"] for title in ids} for row in page["data"]
    }
    assert (shown, page["row_count"], page["version"]) == (rows, len(rows), version)
    assert {len(row["cells"]) for row in page["data"]} <= {len(ids)}


def test_rows_that_are_added_at_once_get_places_of_their_own(world):
    sheet = world.sheet("q\n")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: world.call("POST", world.at(sheet, "/rows"), {"count": 5}), range(8))
        )
    indices = sorted(index for answer in answers for index in answer.body["row_indices"])
    assert indices == list(range(40))
    assert world.version(sheet) == 9
