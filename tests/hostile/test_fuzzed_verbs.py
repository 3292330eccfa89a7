"""No input from files, registry, git or environment ends in a traceback, exit 70, or without an end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz_verbs import MEGABYTES, VERBS
from seeds import numbers, seed_of

pytestmark = pytest.mark.lane

HERE = Path(__file__).parent
CODES = {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("number", numbers(count=3, fuzz=40))
def test_every_verb_survives_hostile_inputs(number: int, tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (HERE.parents[1], HERE.parent, HERE.parent / "registry"))),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, str(HERE / "fuzz_verbs.py"), str(seed_of(number))],
        env=environ,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"after {lines[-1:]}: {done.stderr[-4000:]}"
    *runs, end = lines
    assert [one["verb"] for one in runs] == VERBS
    assert [one for one in runs if one["code"] not in CODES or one["traceback"]] == []
    assert end["outside"]
    assert end["peak"] < MEGABYTES
