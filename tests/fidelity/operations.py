"""The operations of PromptLayer's API: methods and paths of the vendor's specification, August 2026."""

from __future__ import annotations

_PATHS = {
    "prompt templates": """
GET /prompt-templates
GET POST /prompt-templates/{identifier}
GET /prompt-templates/{identifier}/labels
GET /prompt-templates/{identifier}/snippet-usage
POST /rest/prompt-templates
PATCH /rest/prompt-templates/{identifier}
""",
    "release labels": """
DELETE PATCH /prompt-labels/{prompt_label_id}
POST /prompts/{prompt_id}/label
""",
    "folders": """
POST /api/public/v2/folders
DELETE GET POST /api/public/v2/folders/entities
GET /api/public/v2/folders/resolve-id
PATCH /api/public/v2/folders/{folder_id}
""",
    "external ids": """
GET POST /api/public/v2/dataset-groups/{dataset_group_id}/external-ids
DELETE /api/public/v2/dataset-groups/{dataset_group_id}/external-ids/{source}/{external_id}
GET POST /api/public/v2/folders/{folder_id}/external-ids
DELETE /api/public/v2/folders/{folder_id}/external-ids/{source}/{external_id}
GET POST /api/public/v2/skill-collections/{skill_collection_id}/external-ids
DELETE /api/public/v2/skill-collections/{skill_collection_id}/external-ids/{source}/{external_id}
GET POST /api/public/v2/tool-registry/{tool_id}/external-ids
DELETE /api/public/v2/tool-registry/{tool_id}/external-ids/{source}/{external_id}
PUT /prompt-templates/by-external-id/{source}/{external_id}
GET POST /prompt-templates/{prompt_template_id}/external-ids
DELETE /prompt-templates/{prompt_template_id}/external-ids/{source}/{external_id}
GET POST /reports/{report_id}/external-ids
DELETE /reports/{report_id}/external-ids/{source}/{external_id}
GET POST /workflows/{workflow_id}/external-ids
DELETE /workflows/{workflow_id}/external-ids/{source}/{external_id}
""",
    "requests and tracking": """
POST /api/public/v2/requests/analytics
POST /api/public/v2/requests/analytics/custom-analytics
POST /api/public/v2/requests/search
GET /api/public/v2/requests/suggestions
GET /api/public/v2/requests/{request_id}
POST /log-request
POST /rest/track-group
POST /rest/track-metadata
POST /rest/track-prompt
POST /rest/track-score
""",
    "traces": """
POST /api/public/v2/dataset-versions/add-trace
POST /api/public/v2/traces/analytics/custom-analytics
GET /api/public/v2/traces/{trace_id}
POST /api/public/v2/traces/{trace_id}/close
POST /spans-bulk
POST /v1/traces
""",
    "datasets": """
POST /api/public/v2/dataset-groups
POST /api/public/v2/dataset-versions/add-request-log
POST /api/public/v2/dataset-versions/create-draft
POST /api/public/v2/dataset-versions/from-file
POST /api/public/v2/dataset-versions/from-filter-params
POST /api/public/v2/dataset-versions/save-draft
GET /api/public/v2/datasets
GET /api/public/v2/datasets/{dataset_id}/rows
""",
    "evaluations": """
GET /api/public/v2/evaluations
GET /api/public/v2/evaluations/{evaluation_id}/rows
POST /report-columns
DELETE PATCH /report-columns/{report_column_id}
POST /reports
DELETE /reports/name/{report_name}
DELETE GET /reports/{report_id}
PATCH /reports/{report_id}/rename
POST /reports/{report_id}/run
GET /reports/{report_id}/score
PATCH /reports/{report_id}/score-card
""",
    "agents": """
POST /rest/workflows
PATCH /rest/workflows/{workflow_id_or_name}
GET /workflow-version-execution-results
GET /workflows
GET /workflows/{workflow_id_or_name}
GET /workflows/{workflow_id_or_name}/labels
POST /workflows/{workflow_name}/run
""",
    "tools": """
GET POST /api/public/v2/env-vars
DELETE PATCH /api/public/v2/env-vars/{var_id}
GET POST /api/public/v2/tool-registry
GET /api/public/v2/tool-registry/{identifier}
GET POST /api/public/v2/tool-registry/{identifier}/env-vars
DELETE PATCH /api/public/v2/tool-registry/{identifier}/env-vars/{var_id}
POST /api/public/v2/tool-registry/{identifier}/test-execute
POST /api/public/v2/tool-registry/{identifier}/versions
""",
    "skills": """
GET POST /api/public/v2/skill-collections
GET PATCH /api/public/v2/skill-collections/{identifier}
POST /api/public/v2/skill-collections/{identifier}/versions
""",
    "tables": """
GET POST /api/public/v2/tables
DELETE GET PATCH /api/public/v2/tables/{table_id}
GET POST /api/public/v2/tables/{table_id}/sheets
GET /api/public/v2/tables/{table_id}/sheets/operations/{operation_id}
DELETE GET PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/cells/recalculations
GET PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}/cells/{cell_id}
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/cells/{cell_id}/recalculations
GET POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/columns
DELETE PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}/columns/{column_id}
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/imports/file
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/imports/request-logs
GET POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/operations
DELETE GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/operations/{operation_id}
GET POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/rows
GET PATCH POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/score
DELETE GET PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/calculations/{calculation_id}
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/cancel
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/migrate-legacy-score
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/recalculate
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/rows
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/rows/{row_index}
GET POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/versions
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/versions/score-history
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/versions/{version_id}
""",
    # The official SDKs call them, or the customer's document names them.
    "not in the specification": """
GET /prompt-templates/labels
POST /rest/log-request
POST /track-request
POST /create-group
POST /library-track-prompt
POST /library-track-score
POST /library-track-metadata
POST /track-group
GET /api/public/v2/evaluations/{eval_id}
POST /api/public/v2/evaluations/{eval_id}/run
POST /ws-token-request-library
DELETE /api/public/v2/tables/{table_id}/sheets/{sheet_id}/rows
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/status-counts
""",
}
"""By area, the methods of a path on each line."""

BESIDE_THE_SPECIFICATION = "not in the specification"
OPERATIONS = {
    area: [
        f"{method} {path}" for *methods, path in map(str.split, text.split("\n")[1:-1]) for method in methods
    ]
    for area, text in _PATHS.items()
}
"""By area, its operations, each as method and path."""

ALL = [operation for area in OPERATIONS.values() for operation in area]
