"""The operations of PromptLayer's API that this registry lacks, which get 404.

docs/compatibility.md lists every operation and whether it works.
"""

from __future__ import annotations

TABLE = "docs/compatibility.md"
"""The page of the manual that lists what works."""

MISSING = {
    "/reports": "POST",
    "/reports/<report_id>": "DELETE",
    "/reports/name/<report_name>": "DELETE",
    "/reports/<report_id>/rename": "PATCH",
    "/reports/<report_id>/score-card": "PATCH",
    "/report-columns": "POST",
    "/report-columns/<report_column_id>": "PATCH DELETE",
    "/rest/workflows": "POST",
    "/rest/workflows/<workflow_id_or_name>": "PATCH",
    "/api/public/v2/dataset-groups": "POST",
    "/api/public/v2/dataset-versions/<path:operation>": "POST",
    "/api/public/v2/requests/suggestions": "GET",
    "/api/public/v2/requests/analytics": "POST",
    "/api/public/v2/requests/analytics/custom-analytics": "POST",
    "/api/public/v2/traces/<trace_id>/close": "POST",
    "/api/public/v2/traces/analytics/custom-analytics": "POST",
    "/api/public/v2/folders/entities": "POST",
    "/api/public/v2/folders/<folder_id>": "PATCH",
    "/api/public/v2/env-vars": "GET POST",
    "/api/public/v2/env-vars/<var_id>": "PATCH DELETE",
    "/api/public/v2/tool-registry": "GET POST",
    "/api/public/v2/tool-registry/<identifier>": "GET",
    "/api/public/v2/tool-registry/<identifier>/versions": "POST",
    "/api/public/v2/tool-registry/<identifier>/test-execute": "POST",
    "/api/public/v2/tool-registry/<identifier>/env-vars": "GET POST",
    "/api/public/v2/tool-registry/<identifier>/env-vars/<var_id>": "PATCH DELETE",
    "/api/public/v2/tables": "GET POST",
    "/api/public/v2/tables/<path:operation>": "GET POST PATCH DELETE",
    "/prompt-templates/by-external-id/<source>/<external_id>": "PUT",
    **{
        f"{owner}/external-ids{pair}": methods
        for owner in (
            "/prompt-templates/<id>",
            "/reports/<id>",
            "/workflows/<id>",
            "/api/public/v2/dataset-groups/<id>",
            "/api/public/v2/folders/<id>",
            "/api/public/v2/tool-registry/<id>",
            "/api/public/v2/skill-collections/<id>",
        )
        for pair, methods in (("", "GET POST"), ("/<source>/<external_id>", "DELETE"))
    },
}
"""The missing methods of each path. Paths are patterns of werkzeug."""
