"""Release labels that change only with approval: what a change of one is answered, and that it has no effect.

What the vendor's registry answers is not documented, so the fixtures choose one of the answers that a client
has to be ready for. Approving is taking the label out of the fixtures.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from promptsync.server.errors import ApiError
from promptsync.server.fixtures import PENDING
from promptsync.server.records import decoded

_REFUSALS = {"forbidden": 403, "conflict": 409}


def held_back(db: sqlite3.Connection, prompt: str, label: str) -> bool:
    """Whether changes of this label of a prompt wait for approval; 403 or 409 where they are refused."""
    answers = [
        row["answer"]
        for row in db.execute("SELECT * FROM protected_labels WHERE name = ? ORDER BY id", (label,))
        if any(fnmatchcase(prompt, pattern) for pattern in decoded(row["prompts"]))
    ]
    if answers and answers[0] != PENDING:
        raise ApiError(_REFUSALS[answers[0]], f"The release label {label!r} is protected.")
    return bool(answers)


def free_labels(db: sqlite3.Connection, prompt: str, labels: Iterable[str]) -> list[str]:
    """Those of the labels that a publish sets at once; raises as ``held_back`` does."""
    return [label for label in labels if not held_back(db, prompt, label)]


def waiting(label: str) -> dict[str, Any]:
    """What is answered instead of a change that waits."""
    return {"success": True, "message": f"The change of the protected label {label!r} waits for approval."}
