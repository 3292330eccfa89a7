"""The exit codes of receipts."""

from __future__ import annotations

from typing import Any

import pytest

from promptsync.errors import Incomplete, Refused, RemoteError
from promptsync.push.actions import Ending, PushPlan, PushReceipt, Result
from promptsync.registry.errors import Rejected

DIVERGED = Result("a", Ending.SKIPPED, "both", state="diverged", blocks=True)
DONE = Result("a", Ending.PUBLISHED, version=1)
GONE = Result("c", Ending.ARCHIVED)
RACED = Result("d", Ending.RACED, "v2", version=3)
ALTERED = Result("e", Ending.ALTERED, version=2, fields=("tags",))
UNVERIFIED = Result("f", Ending.UNKNOWN, "500", version=2)
UNKNOWN = Result("b", Ending.UNKNOWN, "no answer")
WRONG_KEY = Result("b", Ending.FAILED, "wrong key", error=Rejected("wrong key", status=401))
REJECTED = Result("g", Ending.FAILED, "422", error=Rejected("no", status=422))


@pytest.mark.parametrize(
    ("results", "more", "code"),
    [
        ([], {}, 0),
        ([DIVERGED], {}, 3),
        ([DONE], {"label_error": Refused("held")}, 3),
        ([DONE], {"label_error": RemoteError("500")}, 5),
        ([], {"label_error": RemoteError("500")}, 4),
        ([RACED], {"label_error": Incomplete("held")}, 5),
        ([REJECTED], {}, 5),
        ([WRONG_KEY], {}, 4),
        ([WRONG_KEY, REJECTED], {}, 5),
        ([WRONG_KEY, GONE], {}, 5),
        ([REJECTED, RACED], {}, 5),
        ([ALTERED, RACED], {}, 5),
        ([UNVERIFIED], {}, 5),
        ([UNKNOWN], {"interrupted": True}, 130),
    ],
)
def test_a_receipt_has_the_worst_of_its_exit_codes(
    results: list[Result], more: dict[str, Any], code: int
) -> None:
    by_name = {result.name: result for result in results}
    error = PushReceipt(PushPlan(()), by_name, **more).error
    assert (error.exit_code if error is not None else 0) == code
