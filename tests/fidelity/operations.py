"""The operations of PromptLayer's API: methods and paths of the vendor's specification, August 2026."""

from __future__ import annotations

OPERATIONS = {
    "prompt templates": """
GET /prompt-templates
GET /prompt-templates/{identifier}
POST /prompt-templates/{identifier}
GET /prompt-templates/{identifier}/labels
GET /prompt-templates/{identifier}/snippet-usage
POST /rest/prompt-templates
PATCH /rest/prompt-templates/{identifier}
""",
    "release labels": """
DELETE /prompt-labels/{prompt_label_id}
PATCH /prompt-labels/{prompt_label_id}
POST /prompts/{prompt_id}/label
""",
    "folders": """
POST /api/public/v2/folders
DELETE /api/public/v2/folders/entities
GET /api/public/v2/folders/entities
POST /api/public/v2/folders/entities
GET /api/public/v2/folders/resolve-id
PATCH /api/public/v2/folders/{folder_id}
""",
    "external ids": """
GET /api/public/v2/dataset-groups/{dataset_group_id}/external-ids
POST /api/public/v2/dataset-groups/{dataset_group_id}/external-ids
DELETE /api/public/v2/dataset-groups/{dataset_group_id}/external-ids/{source}/{external_id}
GET /api/public/v2/folders/{folder_id}/external-ids
POST /api/public/v2/folders/{folder_id}/external-ids
DELETE /api/public/v2/folders/{folder_id}/external-ids/{source}/{external_id}
GET /api/public/v2/skill-collections/{skill_collection_id}/external-ids
POST /api/public/v2/skill-collections/{skill_collection_id}/external-ids
DELETE /api/public/v2/skill-collections/{skill_collection_id}/external-ids/{source}/{external_id}
GET /api/public/v2/tool-registry/{tool_id}/external-ids
POST /api/public/v2/tool-registry/{tool_id}/external-ids
DELETE /api/public/v2/tool-registry/{tool_id}/external-ids/{source}/{external_id}
PUT /prompt-templates/by-external-id/{source}/{external_id}
GET /prompt-templates/{prompt_template_id}/external-ids
POST /prompt-templates/{prompt_template_id}/external-ids
DELETE /prompt-templates/{prompt_template_id}/external-ids/{source}/{external_id}
GET /reports/{report_id}/external-ids
POST /reports/{report_id}/external-ids
DELETE /reports/{report_id}/external-ids/{source}/{external_id}
GET /workflows/{workflow_id}/external-ids
POST /workflows/{workflow_id}/external-ids
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
DELETE /report-columns/{report_column_id}
PATCH /report-columns/{report_column_id}
POST /reports
DELETE /reports/name/{report_name}
DELETE /reports/{report_id}
GET /reports/{report_id}
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
GET /api/public/v2/env-vars
POST /api/public/v2/env-vars
DELETE /api/public/v2/env-vars/{var_id}
PATCH /api/public/v2/env-vars/{var_id}
GET /api/public/v2/tool-registry
POST /api/public/v2/tool-registry
GET /api/public/v2/tool-registry/{identifier}
GET /api/public/v2/tool-registry/{identifier}/env-vars
POST /api/public/v2/tool-registry/{identifier}/env-vars
DELETE /api/public/v2/tool-registry/{identifier}/env-vars/{var_id}
PATCH /api/public/v2/tool-registry/{identifier}/env-vars/{var_id}
POST /api/public/v2/tool-registry/{identifier}/test-execute
POST /api/public/v2/tool-registry/{identifier}/versions
""",
    "skills": """
GET /api/public/v2/skill-collections
POST /api/public/v2/skill-collections
GET /api/public/v2/skill-collections/{identifier}
PATCH /api/public/v2/skill-collections/{identifier}
POST /api/public/v2/skill-collections/{identifier}/versions
""",
    "tables": """
GET /api/public/v2/tables
POST /api/public/v2/tables
DELETE /api/public/v2/tables/{table_id}
GET /api/public/v2/tables/{table_id}
PATCH /api/public/v2/tables/{table_id}
GET /api/public/v2/tables/{table_id}/sheets
POST /api/public/v2/tables/{table_id}/sheets
GET /api/public/v2/tables/{table_id}/sheets/operations/{operation_id}
DELETE /api/public/v2/tables/{table_id}/sheets/{sheet_id}
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}
PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/cells/recalculations
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/cells/{cell_id}
PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}/cells/{cell_id}
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/cells/{cell_id}/recalculations
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/columns
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/columns
DELETE /api/public/v2/tables/{table_id}/sheets/{sheet_id}/columns/{column_id}
PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}/columns/{column_id}
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/imports/file
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/imports/request-logs
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/operations
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/operations
DELETE /api/public/v2/tables/{table_id}/sheets/{sheet_id}/operations/{operation_id}
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/operations/{operation_id}
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/rows
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/rows
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/score
PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}/score
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/score
DELETE /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard
PATCH /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/calculations/{calculation_id}
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/cancel
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/migrate-legacy-score
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/recalculate
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/rows
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/scorecard/rows/{row_index}
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/versions
POST /api/public/v2/tables/{table_id}/sheets/{sheet_id}/versions
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/versions/score-history
GET /api/public/v2/tables/{table_id}/sheets/{sheet_id}/versions/{version_id}
""",
}
"""By area, an operation a line."""
