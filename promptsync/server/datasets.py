"""``GET /api/public/v2/datasets``."""

from __future__ import annotations

from typing import Any

from promptsync.server import query
from promptsync.server.catalogue_list import Listing, listed
from promptsync.server.folders import check_workspace
from promptsync.server.http import Request, Response
from promptsync.server.records import Row, decoded

_LISTING = Listing(
    source="datasets d JOIN dataset_groups i ON i.id = d.group_id",
    columns='d.id, d.group_id, d.number, d."columns", i.name, i.deleted',
    key="d.id",
    created_at="d.created_at",
    updated_at="d.created_at",
)


def list_datasets(request: Request) -> Response:
    """Every version of every dataset, newest first; ``name`` is that of the group."""
    asked = request.query
    check_workspace(request, query.integer(asked, "workspace_id"))
    where: dict[str, Any] = {}
    group = query.integer(asked, "dataset_group_id")
    if group is not None:
        where["d.group_id = :group"] = group
    report = query.integer(asked, "report_id")
    if report is not None:
        where["d.id = (SELECT dataset_id FROM reports WHERE id = :report)"] = report
    for key in ("prompt_id", "prompt_version_id", "prompt_label_id"):
        if query.integer(asked, key) is not None:
            # Datasets made from a prompt's logged requests; a fixtures file has none.
            where["0"] = None
    workspace_id = request.context.store.workspace_id
    with request.context.store.read() as db:
        page, total, rows = listed(db, asked, _LISTING, where, per_page=10)
    datasets = [_dataset(row, workspace_id) for row in rows]
    return Response({"success": True, "message": "success", "datasets": datasets, **page.numbers(total)})


def _dataset(row: Row, workspace_id: int) -> dict[str, Any]:
    return {
        "id": row["id"],
        "dataset_group_id": row["group_id"],
        "version_number": row["number"],
        "column_names": decoded(row["columns"]),
        "filter_params": None,
        "is_deleted": bool(row["deleted"]),
        "user_id": 1,
        "dataset_group": {
            "id": row["group_id"],
            "name": row["name"],
            "workspace_id": workspace_id,
            "is_deleted": bool(row["deleted"]),
        },
        "external_ids": [],
    }
