"""Every JSON document is what the published schema says, also when its verb fails."""

from __future__ import annotations

import jsonschema
from worlds import World

from promptsync.files.schema import schema

FAILING = """
status
diff
push
pull
lint nowhere.yaml
ls-remote
log a
label list
label move a prod
promote a b
rollback a --label prod
eval list
eval run e
eval show e
eval pull t
agent list
agent run a
agent show a
agent show 7
dataset list
"""

DAY = """
status
diff
push --dry-run
push
push
lint
ls-remote
log a
label set a staging
label list
promote staging prod
pull --dry-run
status --exit-code
doctor
doctor --offline
completion bash
"""


def test_a_failure_prints_one_document_with_the_keys_of_its_verb(world: World) -> None:
    (world.root / "promptsync.yaml").unlink()
    for line in FAILING.strip().splitlines():
        found = world.run(*line.split(), "--json").document
        assert found["exit_code"] == 2
        assert found["error"]["message"]
        jsonschema.validate(found, schema("output"))


def test_a_working_day_prints_documents_that_fit_the_schema(local: World) -> None:
    local.write("a")
    local.commit()
    for line in DAY.strip().splitlines():
        found = local.ok(*line.split(), "--json").document
        jsonschema.validate(found, schema("output"))
