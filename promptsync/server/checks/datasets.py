"""Datasets, whose versions and rows the API lists; the fixtures file declares them."""

from __future__ import annotations

from typing import ClassVar

from promptsync.server.http.answer import Response
from promptsync.server.http.fields import Id
from promptsync.server.http.listing import ItemQuery, PageQuery
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.items import DATASET
from promptsync.server.tables.values import as_text

OK = {"success": True, "message": "success"}


class DatasetsQuery(ItemQuery, frozen=True):
    """The parameters of the list of datasets."""

    dataset_group_id: Id | None = None
    report_id: Id | None = None
    prompt_id: Id | None = None
    prompt_version_id: Id | None = None
    prompt_label_id: Id | None = None

    # The last three select datasets that were made from logged requests; a fixtures file has none.
    filters: ClassVar = ItemQuery.filters | {
        "dataset_group_id": "i.item_id = :dataset_group_id",
        "report_id": "i.id IN (SELECT dataset_id FROM runs WHERE :report_id IN (id, parent_id))",
        **dict.fromkeys(("prompt_id", "prompt_version_id", "prompt_label_id"), "0"),
    }


class RowsQuery(PageQuery, frozen=True):
    """The parameters of the rows of a dataset."""

    q: str = ""


def list_datasets(request: Request) -> Response:
    """List every version of every dataset, newest first; ``name`` is that of the group."""
    query = request.parameters(DatasetsQuery)
    columns = (
        "i.id, i.item_id AS dataset_group_id, i.number AS version_number, NULL AS filter_params,"
        " 1 AS user_id,"
        ' json_extract(i.body, \'$.columns\') AS "column_names [json]", i.deleted AS "is_deleted [flag]",'
        " json_object('id', i.item_id, 'name', i.name, 'workspace_id', (SELECT workspace_id FROM registry),"
        " 'is_deleted', json(iif(i.deleted, 'true', 'false'))) AS \"dataset_group [json]\","
        " '[]' AS \"external_ids [json]\""
    )
    source = (
        "(SELECT v.*, v.created_at AS updated_at, t.kind, t.name, t.deleted"
        " FROM versions v JOIN items t ON t.id = v.item_id) i"
    )
    with request.store.read() as db:
        page, rows = query.select_page(db, columns, source, f"i.kind = '{DATASET}'")
    return Response({**OK, "datasets": [dict(row) for row in rows], **page.counts})


def get_dataset_rows(request: Request) -> Response:
    """Return a page of a dataset's rows; ``q`` selects rows with a value that contains it."""
    query = request.parameters(RowsQuery)
    dataset_id, part = request.id("dataset_id"), query.q.casefold()
    with request.store.read() as db:
        dataset = items.version_by_id(db, dataset_id, DATASET)["body"]
    columns = dataset["columns"]
    rows = [[row.get(name) for name in columns] for row in dataset["rows"]]
    rows = [row for row in rows if any(part in as_text(value).casefold() for value in row) or not part]
    page = query.of(len(rows))
    cells = [
        [{"type": "dataset", "value": value} for value in row]
        for row in rows[page.offset : page.offset + page.per_page]
    ]
    return Response({**OK, "columns": columns, "rows": cells, **page.counts})
